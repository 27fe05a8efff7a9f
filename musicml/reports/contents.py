"""Build a report's document from run folders, section by section."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from musicml import __version__
from musicml.experiment import Run
from musicml.reports.document import Block, Document, Heading, Listing, Note, Paragraph, number_blocks
from musicml.reports.run_data import RunData, read_runs
from musicml.reports.sections import calibration, comparison, data, figures, model, published, reproducibility
from musicml.reports.wording import Words

SHARED = {  # section → a key that is equal for two runs if the section would be the same for both
    "data": lambda run: repr([getattr(run.info.data, key) for key in ("dataset", "hash", "sample", "as_published")]),
    "split": lambda run: repr(run.info.split.hash or run.name),
    "model": lambda run: repr((run.layers or run.name, run.info.weights)),
}
Section = Callable[[RunData, Words], list[Block]]


def build_document(sources: Sequence[Run], language: str = "en", data_root: Path | None = None) -> Document:
    """Build the document of a report on one or more runs.

    Parameters
    ----------
    sources : complete runs; the comparison needs two
    language : `en` or `id`
    data_root : folder of the datasets, if it was moved; only the audit is read from it

    Raises
    ------
    InputError
        If a run is incomplete or damaged, or the language is not supported.
    """
    words, runs = Words(language), read_runs(sources)
    names = words("name.and").join(f"`{run.name}`" for run in runs)
    origin = words("title.what" if len(runs) == 1 else "title.what_several", version=__version__, runs=names)
    blocks = [Paragraph(origin), *write_notes(runs, words), *_write_sections(runs, words, data_root)]
    experiments = dict.fromkeys(run.info.experiment for run in runs)  # a dict keeps the order, a set does not
    datasets = dict.fromkeys(run.info.data.dataset for run in runs)
    title = words("title.title", experiments=", ".join(experiments), datasets=", ".join(datasets))
    return Document(title, language, number_blocks(blocks))


def write_notes(runs: Sequence[RunData], words: Words) -> Iterator[Block]:
    """Write the notes that a reader needs before the first result."""
    if any(run.is_sample for run in runs):
        yield Note(words("note.sample"), "sample")
    for run in runs:
        if run.is_published:
            yield Note(words("note.published", run=run.name), "published")
        if run.info.caveat:
            yield Note(words("note.pretrained", run=run.name, caveat=words.translate(run.info.caveat)), "pretrained")
        for warning in run.info.warnings:
            yield Note(words("note.training", run=run.name, warning=words.translate(warning)), "training")


def _write_sections(runs: Sequence[RunData], words: Words, data_root: Path | None) -> Iterator[Block]:
    """Write all sections with their headings, in the order of the report."""
    before_settings: dict[str, Section] = {
        "summary": figures.write_summary,
        "published": partial(published.write_replication, runs=runs),
        "data": partial(data.write_data, data_root=data_root),
        "split": data.write_split,
        "model": model.write_model,
    }
    after_settings: dict[str, Section] = {
        "curves": model.write_curves,
        "classes": figures.write_classes,
        "confusion": figures.write_confusion,
        "thresholds": calibration.write_thresholds,
        "calibration": calibration.write_calibration,
    }
    about_all_runs: dict[str, Callable[[Sequence[RunData], Words], list[Block]]] = {
        "comparison": comparison.write_comparison,
        "references": published.write_published_results,
        "environment": reproducibility.write_environment,
        "repeat": reproducibility.write_commands,
        "citation": reproducibility.write_citation,
        "limits": lambda runs, words: [Listing(tuple(reproducibility.list_caveats(runs, words)))],
    }
    for key, section in before_settings.items():
        yield from _write_for_each_run(key, section, runs, words)
    yield Heading(words("heading.settings"))
    yield from model.write_settings(runs, words)
    for key, section in after_settings.items():
        yield from _write_for_each_run(key, section, runs, words)
    for key, write in about_all_runs.items():  # once per report, not once per run
        if blocks := write(runs, words):
            yield Heading(words(f"heading.{key}"))
            yield from blocks


def _write_for_each_run(key: str, section: Section, runs: Sequence[RunData], words: Words) -> Iterator[Block]:
    """Write a section for each run under a subheading; content that runs share is written once."""
    parts: list[tuple[RunData, list[Block]]] = []
    first_runs: dict[str, str] = {}  # shared key → the first run that has it
    for run in runs:
        first = first_runs.setdefault(SHARED[key](run) if key in SHARED else run.name, run.name)
        if first == run.name:
            parts.append((run, section(run, words.for_run(run))))
        else:
            parts.append((run, [Paragraph(words(f"{key}.same", run=first))]))
    if any(blocks for _, blocks in parts):
        yield Heading(words(f"heading.{key}"))
    for run, blocks in parts:
        if blocks and len(runs) > 1:
            yield Heading(run.name, 2)
        yield from blocks
