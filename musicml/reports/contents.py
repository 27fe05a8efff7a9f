"""Contents: run folders → the report's blocks, section by section."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from musicml import __version__
from musicml.experiment import Run
from musicml.reports import run_data
from musicml.reports.document import Block, Document, Figure, Heading, Listing, Note, Paragraph, Table
from musicml.reports.run_data import Told
from musicml.reports.sections import calibration, comparison, data, model, published, replication, reproducibility
from musicml.reports.sections import figures as about_figures
from musicml.reports.wording import Words

SAME = {  # section → what two runs have alike where it would say the same of both
    "data": lambda one: repr([getattr(one.info.data, key) for key in ("dataset", "hash", "sample", "as_published")]),
    "split": lambda one: repr(one.info.split.hash or one.name),
    "model": lambda one: repr((one.layers or one.name, one.info.weights)),
}
Section = Callable[[Told, Words], list[Block]]


def build_document(found: Sequence[Run], language: str = "en", data_root: Path | None = None) -> Document:
    """What there is to say of some runs.

    Parameters
    ----------
    found : whole runs, one or more; the comparison needs two
    language : `en` or `id`
    data_root : where the runs' data is now, if it was moved; only its audit is read

    Raises
    ------
    InputError
        If a run is not whole or damaged, or the language is another.
    """
    words, some = Words(language), run_data.several(found)
    blocks = number_blocks([*write_introduction(some, words), *write_sections(some, words, data_root)])
    title = make_title(some, words)
    names = {"of_table": words("name.table"), "of_figure": words("name.figure"), "of_contents": words("name.contents")}
    return Document(title, language, blocks, **names)


def make_title(some: Sequence[Told], words: Words) -> str:
    """The report's title: the experiments and the data sets."""
    experiments = dict.fromkeys(one.info.experiment for one in some)
    datasets = dict.fromkeys(one.info.data.dataset for one in some)
    return words("title.title", experiments=", ".join(experiments), datasets=", ".join(datasets))


def write_introduction(some: Sequence[Told], words: Words) -> Iterator[Block]:
    """What this is, and what must be known before any figure is read."""
    names = words("name.and").join(f"`{one.name}`" for one in some)
    yield Paragraph(words("title.what" if len(some) == 1 else "title.what_several", version=__version__, runs=names))
    if any(one.is_sample for one in some):
        yield Note(words("note.sample"), "sample")
    for one in some:
        if one.is_published:
            yield Note(words("note.published", run=one.name), "published")
        if one.info.caveat:
            yield Note(words("note.pretrained", run=one.name, caveat=words.said(one.info.caveat)), "pretrained")
        for warning in one.info.warnings:
            yield Note(words("note.training", run=one.name, warning=words.said(warning)), "training")


def write_sections(some: Sequence[Told], words: Words, data_root: Path | None) -> Iterator[Block]:
    """Every section with its heading, in the order of the report."""
    one_by_one: list[tuple[str, Section]] = [
        ("data", lambda one, words: data.data(one, words, data_root)),
        ("split", data.split),
        ("model", model.model),
    ]
    later: list[tuple[str, Section]] = [
        ("curves", model.curves),
        ("classes", about_figures.classes),
        ("confusion", about_figures.confusion),
        ("thresholds", calibration.thresholds),
        ("calibration", calibration.calibration),
    ]
    yield from write_each("summary", about_figures.summary, some, words)
    yield from write_each("published", lambda one, words: replication.replay(one, some, words), some, words)
    for key, section in one_by_one:
        yield from write_each(key, section, some, words)
    yield from add_heading("settings", model.settings(some, words), words)
    for key, section in later:
        yield from write_each(key, section, some, words)
    if len(some) > 1:
        yield from add_heading("comparison", comparison.comparison(some, words), words)
    yield from add_heading("references", published.published(some, words), words)
    yield from add_heading("environment", reproducibility.environment(some, words), words)
    yield from add_heading("repeat", reproducibility.repeat(some, words), words)
    yield from add_heading("citation", reproducibility.citation(some, words), words)
    yield from add_heading("limits", [Listing(tuple(reproducibility.limits(some, words)))], words)


def add_heading(key: str, blocks: Sequence[Block], words: Words) -> Iterator[Block]:
    """A section, unless there is nothing to say."""
    if blocks:
        yield Heading(words(f"heading.{key}"))
        yield from blocks


def write_each(key: str, section: Section, some: Sequence[Told], words: Words) -> Iterator[Block]:
    """A section about one run after another, each under its name where there are several; what is so once, once."""
    made: list[tuple[Told, list[Block]]] = []
    known: dict[str, str] = {}
    for one in some:
        what = SAME[key](one) if key in SAME else one.name
        told_before = known.setdefault(what, one.name)
        if told_before == one.name:
            made.append((one, section(one, words.judging(one.judged))))
        else:
            made.append((one, [Paragraph(words(f"{key}.same", run=told_before))]))
    if any(blocks for _, blocks in made):
        yield Heading(words(f"heading.{key}"))
    for one, blocks in made:
        if blocks and len(some) > 1:
            yield Heading(one.name, 2)
        yield from blocks


def number_blocks(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks, with the shown tables and the figures counted."""
    tables = figures = 0
    made: list[Block] = []
    for block in blocks:
        if isinstance(block, Table) and not block.beside:
            tables += 1
            block = replace(block, number=tables)
        elif isinstance(block, Figure):
            figures += 1
            block = replace(block, number=figures)
        made.append(block)
    return tuple(made)
