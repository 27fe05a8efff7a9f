"""About how a run was made: where, with what, how to make it again, whom to cite, and what it can't tell."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from musicml import __version__
from musicml.data.download import SOURCES
from musicml.reports.document import Block, Cell, Code, Paragraph
from musicml.reports.run_data import Told
from musicml.reports.sections.model import set_beside
from musicml.reports.wording import Words

BIBTEX = Path(__file__).parent.parent / "bibtex"
FEW_FILES = 300  # below it an interval of an accuracy is some ten points wide


def environment(some: Sequence[Told], words: Words) -> list[Block]:
    """List the machine, the packages and what was chosen for them."""
    tables = set_beside("environment", "what", lambda one: _list_facts(one, words), ["run.json"], some, words)
    changed = any((one.info.git_commit or "").endswith("+changes") for one in some)
    return [*([Paragraph(words("environment.changes"))] if changed else []), *tables]


def _list_facts(one: Told, words: Words) -> Iterator[tuple[str, Cell]]:
    """List what run.json says of a run's making, each with its name."""
    info = one.info
    for key in ("started", "seed", "deterministic", "backend", "device"):
        if info.table.get(key) is not None:
            value = getattr(info, key)
            is_truth = isinstance(value, bool)
            yield words(f"environment.{key}"), words("name.yes" if value else "name.no") if is_truth else str(value)
    if info.train_seconds is not None:
        yield words("environment.train_seconds"), words("environment.seconds", n=round(info.train_seconds))
    for key, found in (("precision", info.precision), ("compile", info.compile)):
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


def repeat(some: Sequence[Told], words: Words) -> list[Block]:
    """Give the commands that make the same runs again."""
    commits = {(one.info.git_commit or "").removesuffix("+changes") for one in some}
    said = []
    if len(commits) == 1 and "" not in commits:
        said.append(words("repeat.commit", commit=commits.pop()))
    if not all(one.info.deterministic for one in some):
        said.append(words("repeat.spread"))
    said.append(words("repeat.words", files=words("name.and").join(f"`{_find_kept_file(one)}`" for one in some)))
    return [Paragraph(" ".join(said)), Code("\n".join(make_command(one) for one in some))]


def _find_kept_file(one: Told) -> str:
    """Return where the run's own experiment file is: from here, or, of a run elsewhere, from the folder of all runs."""
    path = (one.run.path / "experiment.toml").resolve()
    here = Path.cwd().resolve()
    return path.relative_to(here if path.is_relative_to(here) else path.parent.parent).as_posix()


def make_command(one: Told) -> str:
    """Make the command that trains a run again.

    It names the experiment and not the file that the run kept: from that, a run would be one of `experiment`.
    """
    info, data = one.info, one.info.data
    experiment = f"as_published/{info.experiment}" if info.published is not None else info.experiment
    source = ["--folder", data.folder] if data.folder else ["--data", "sample" if data.sample else "real"]
    parts = ["musicml", "train", experiment, *source, "--seed", str(info.seed)]
    parts += ["--deterministic"] if info.deterministic else []
    for key, value in info.overrides.items():
        parts += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(parts)


def citation(some: Sequence[Told], words: Words) -> list[Block]:
    """Give BibTeX of musicml and of the data sets' papers and pages; somebody's own folder has none."""
    names = dict.fromkeys(one.info.data.dataset for one in some if not one.info.data.folder)
    files = [BIBTEX / f"{name}.bib" for name in ("musicml", *names) if name == "musicml" or name in SOURCES]
    entries = [file.read_text(encoding="utf-8").strip() for file in files]
    return [Paragraph(words("citation.words")), Code("\n\n".join(entries).replace("VERSION", __version__))]


def limits(some: Sequence[Told], words: Words) -> Iterator[str]:
    """Say what these figures do not tell, as far as the run folders let one see it."""
    if any(one.is_sample for one in some):
        yield words("limits.sample")
    if any(one.is_published for one in some):
        yield words("limits.published")
    yield words("limits.interval")
    if len(some) == 1:
        yield words("limits.one_training")
    for one in some:
        words = words.of(one)
        report, run = one.report, words("limits.of_run", run=one.name) if len(some) > 1 else ""
        rare = sum(row["support"] < 10 for row in report.per_class)
        if report.n_groups < 2 or report.n_groups == report.n:
            yield run + words("limits.one_group" if report.n_groups < 2 else "limits.no_groups")
        if report.n < FEW_FILES:
            yield run + words("limits.few_files", n=report.n)
        if rare:
            yield run + words("limits.rare", n=rare, all=len(one.class_names))
        if report.unreadable:
            yield run + words("limits.unreadable", n=len(report.unreadable))
    yield words("limits.other_data")
    yield words("limits.probability")
