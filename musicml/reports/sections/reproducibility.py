"""Sections on how the runs were made: the environment, the commands, the citation, and the caveats of the results."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from musicml import __version__
from musicml.data.download import SOURCES
from musicml.reports.document import Block, Cell, Code, Paragraph
from musicml.reports.run_data import RunData
from musicml.reports.sections.model import make_side_by_side_tables
from musicml.reports.wording import Words

BIBTEX = Path(__file__).parent.parent / "bibtex"
FEW_FILES = 300  # below it, the interval of an accuracy is about ten points wide
FEW_EXAMPLES = 10  # of a class


def write_environment(runs: Sequence[RunData], words: Words) -> list[Block]:
    """Write the hardware, the package versions, and what was chosen automatically."""
    tables = make_side_by_side_tables(
        "environment", "what", lambda run: _list_properties(run, words), ["run.json"], runs, words
    )
    is_changed = any((run.info.git_commit or "").endswith("+changes") for run in runs)
    return [*([Paragraph(words("environment.changes"))] if is_changed else []), *tables]


def _list_properties(run: RunData, words: Words) -> Iterator[tuple[str, Cell]]:
    """List the properties of a run's environment by name."""
    info = run.info
    for key in ("started", "seed", "deterministic", "backend", "device"):
        if info.table.get(key) is not None:
            value = getattr(info, key)
            is_bool = isinstance(value, bool)
            yield words(f"environment.{key}"), words("name.yes" if value else "name.no") if is_bool else str(value)
    if info.train_seconds is not None:
        yield words("environment.train_seconds"), words("environment.seconds", n=round(info.train_seconds))
    for key, choice in (("precision", info.precision), ("compile", info.compile)):
        if choice is not None:
            name, reason = choice.get("policy", choice.get("choice")), words.translate(choice.get("reason") or "?")
            yield words(f"environment.{key}"), f"{name} ({reason})"
    if info.export:
        yield words("environment.export"), words.translate(info.export)
    yield words("environment.git_commit"), info.git_commit or words("environment.no_git")
    for key, value in info.machine.items():
        is_table = isinstance(value, dict)
        text = ", ".join(f"{name}={entry}" for name, entry in value.items()) if is_table else str(value)
        yield words.get(f"environment.{key}", key), text
    yield from info.versions.items()


def write_commands(runs: Sequence[RunData], words: Words) -> list[Block]:
    """Write the commands that train the runs again."""
    commits = {(run.info.git_commit or "").removesuffix("+changes") for run in runs}  # named only if all runs agree
    sentences = []
    if len(commits) == 1 and "" not in commits:
        sentences.append(words("repeat.commit", commit=commits.pop()))
    if not all(run.info.deterministic for run in runs):
        sentences.append(words("repeat.spread"))
    files = words("name.and").join(f"`{_get_experiment_path(run)}`" for run in runs)
    sentences.append(words("repeat.words", files=files))
    return [Paragraph(" ".join(sentences)), Code("\n".join(make_command(run) for run in runs))]


def _get_experiment_path(run: RunData) -> str:
    """Return the path of a run's experiment file, relative to the working directory or to the folder of runs."""
    path = (run.source.path / "experiment.toml").resolve()
    here = Path.cwd().resolve()
    return path.relative_to(here if path.is_relative_to(here) else path.parent.parent).as_posix()


def make_command(run: RunData) -> str:
    """Make the command that trains a run again."""
    info, data = run.info, run.info.data
    # the experiment by name: trained from its copy in the run folder, the run would be named "experiment"
    experiment = f"as_published/{info.experiment}" if info.published is not None else info.experiment
    source = ["--folder", data.folder] if data.folder else ["--data", "sample" if data.sample else "real"]
    parts = ["musicml", "train", experiment, *source, "--seed", str(info.seed)]
    parts += ["--deterministic"] if info.deterministic else []
    for key, value in info.overrides.items():
        parts += ["--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(parts)  # quotes names with spaces, ready to paste


def write_citation(runs: Sequence[RunData], words: Words) -> list[Block]:
    """Write the BibTeX entries of musicml and of the datasets; a folder of the user's own has none."""
    names = dict.fromkeys(run.info.data.dataset for run in runs if not run.info.data.folder)
    files = [BIBTEX / f"{name}.bib" for name in ("musicml", *names) if name == "musicml" or name in SOURCES]
    entries = [file.read_text(encoding="utf-8").strip() for file in files]
    return [Paragraph(words("citation.words")), Code("\n\n".join(entries).replace("VERSION", __version__))]


def list_caveats(runs: Sequence[RunData], words: Words) -> Iterator[str]:
    """List what limits the results, as far as the run folders show it."""
    if any(run.is_sample for run in runs):
        yield words("limits.sample")
    if any(run.is_published for run in runs):
        yield words("limits.published")
    yield words("limits.interval")
    if len(runs) == 1:
        yield words("limits.one_training")
    for run in runs:
        words = words.for_run(run)
        report, prefix = run.report, words("limits.of_run", run=run.name) if len(runs) > 1 else ""
        n_rare = sum(row["support"] < FEW_EXAMPLES for row in report.per_class)
        if report.n_groups < 2 or report.n_groups == report.n:
            yield prefix + words("limits.one_group" if report.n_groups < 2 else "limits.no_groups")
        if report.n < FEW_FILES:
            yield prefix + words("limits.few_files", n=report.n)
        if n_rare:
            yield prefix + words("limits.rare", n=n_rare, all=len(run.class_names))
        if report.unreadable:
            yield prefix + words("limits.unreadable", n=len(report.unreadable))
    yield words("limits.other_data")
    yield words("limits.probability")
