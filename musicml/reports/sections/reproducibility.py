"""About how a run was made: where, with what, how to make it again, whom to cite, and what it can't tell."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from musicml import __version__
from musicml.reports import bibtex
from musicml.reports.document import Block, Cell, Code, Paragraph, Table
from musicml.reports.run_data import Told
from musicml.reports.sections.model import BESIDE_EACH_OTHER
from musicml.reports.wording import Words

FEW_FILES = 300  # below it an interval of an accuracy is some ten points wide


def environment(some: Sequence[Told], words: Words) -> list[Block]:
    """The machine, the packages and what was chosen for them, up to three runs beside each other."""
    tables = []
    for begin in range(0, len(some), BESIDE_EACH_OTHER):
        part = some[begin : begin + BESIDE_EACH_OTHER]
        found = [dict(made(one, words)) for one in part]
        keys = list(dict.fromkeys(key for told in found for key in told))
        rows = tuple((key, *(told.get(key) for told in found)) for key in keys)
        names = [words("column.value")] if len(some) == 1 else [one.name for one in part]
        source = " ".join(words.source(one.name, "run.json") for one in part)
        name = "environment" if len(some) <= BESIDE_EACH_OTHER else f"environment-{begin // BESIDE_EACH_OTHER + 1}"
        tables.append(Table(name, (words("column.what"), *names), rows, words("environment.caption"), source))
    changed = any((one.info.git_commit or "").endswith("+changes") for one in some)
    return [*([Paragraph(words("environment.changes"))] if changed else []), *tables]


def made(one: Told, words: Words) -> Iterator[tuple[str, Cell]]:
    """What run.json says of a run's making, each with its name."""
    info = one.info
    for key in ("started", "seed", "deterministic", "backend", "device"):
        if info.table.get(key) is not None:
            yield words(f"environment.{key}"), plainly(getattr(info, key), words)
    if info.train_seconds is not None:
        yield words("environment.train_seconds"), words("environment.seconds", n=round(info.train_seconds))
    for key in ("precision", "compile"):
        found = getattr(info, key)
        if found is not None:
            choice, why = found.get("policy", found.get("choice")), words.said(found.get("reason") or "?")
            yield words(f"environment.{key}"), f"{choice} ({why})"
    if info.export:
        yield words("environment.export"), words.said(info.export)
    yield words("environment.git_commit"), info.git_commit or words("environment.no_git")
    for key, value in info.machine.items():
        is_table = isinstance(value, dict)
        said = ", ".join(f"{name}={its}" for name, its in value.items()) if is_table else str(value)
        yield words.get(f"environment.{key}", key), said
    yield from info.versions.items()


def plainly(value: Any, words: Words) -> str:
    """A fact as it is read."""
    return words("name.yes" if value else "name.no") if isinstance(value, bool) else str(value)


def repeat(some: Sequence[Told], words: Words) -> list[Block]:
    """The commands that make the same runs again."""
    commits = {(one.info.git_commit or "").removesuffix("+changes") for one in some}
    said = []
    if len(commits) == 1 and "" not in commits:
        said.append(words("repeat.commit", commit=commits.pop()))
    if not all(one.info.deterministic for one in some):
        said.append(words("repeat.spread"))
    said.append(words("repeat.words", files=words("name.and").join(f"`{kept_file(one)}`" for one in some)))
    return [Paragraph(" ".join(said)), Code("\n".join(command(one) for one in some))]


def kept_file(one: Told) -> str:
    """Where the run's own experiment file is: from here, or, of a run elsewhere, from the folder of all runs."""
    path = (one.run.path / "experiment.toml").resolve()
    here = Path.cwd().resolve()
    return path.relative_to(here if path.is_relative_to(here) else path.parent.parent).as_posix()


def command(one: Told) -> str:
    """The command that trains a run again.

    It names the experiment and not the file that the run kept: from that, a run would be one of `experiment`.
    """
    info, data = one.info, one.info.data
    name = info.experiment
    parts = ["musicml", "train", f"as_published/{name}" if info.published is not None else name]
    if data.folder:
        parts += ["--folder", data.folder]
    else:
        parts += ["--data", "sample" if data.sample else "real"]
    parts += ["--seed", str(info.seed)]
    parts += ["--deterministic"] if info.deterministic else []
    for key, value in info.overrides.items():
        parts += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(parts)


def citation(some: Sequence[Told], words: Words) -> list[Block]:
    """BibTeX of musicml and of the data sets."""
    names = [one.info.data.dataset for one in some if not one.info.data.folder]
    entries = [bibtex.of_musicml(__version__), *(entry for name in dict.fromkeys(names) for entry in bibtex.of(name))]
    return [Paragraph(words("citation.words")), Code("\n\n".join(entries))]


def limits(some: Sequence[Told], words: Words) -> Iterator[str]:
    """What these figures do not tell, as far as the run folders let one see it."""
    if any(one.is_sample for one in some):
        yield words("limits.sample")
    if any(one.is_published for one in some):
        yield words("limits.published")
    yield words("limits.interval")
    if len(some) == 1:
        yield words("limits.one_training")
    for one in some:
        words = words.judging(one.judged)
        report, run = one.report, words("limits.of_run", run=one.name) if len(some) > 1 else ""
        if report.n_groups < 2:
            yield run + words("limits.one_group")
        elif report.n_groups == report.n:
            yield run + words("limits.no_groups")
        if report.n < FEW_FILES:
            yield run + words("limits.few_files", n=report.n)
        if rare := [row["class"] for row in report.per_class if row["support"] < 10]:
            yield run + words("limits.rare", n=len(rare), all=len(one.class_names))
        if report.unreadable:
            yield run + words("limits.unreadable", n=len(report.unreadable))
    yield words("limits.other_data")
    yield words("limits.probability")
