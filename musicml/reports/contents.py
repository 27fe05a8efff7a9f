"""Contents: run folders → the report's blocks, section by section."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from musicml import __version__
from musicml.experiment import Run
from musicml.reports import run_data
from musicml.reports.document import Block, Document, Heading, Listing, Note, Paragraph, number_blocks
from musicml.reports.run_data import Told
from musicml.reports.sections import calibration, comparison, data, figures, model, published, reproducibility
from musicml.reports.wording import Words

SAME = {  # section → what two runs have alike where it would say the same of both
    "data": lambda one: repr([getattr(one.info.data, key) for key in ("dataset", "hash", "sample", "as_published")]),
    "split": lambda one: repr(one.info.split.hash or one.name),
    "model": lambda one: repr((one.layers or one.name, one.info.weights)),
}
Section = Callable[[Told, Words], list[Block]]


def build_document(found: Sequence[Run], language: str = "en", data_root: Path | None = None) -> Document:
    """Build what there is to say of some runs.

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
    names = words("name.and").join(f"`{one.name}`" for one in some)
    what = words("title.what" if len(some) == 1 else "title.what_several", version=__version__, runs=names)
    blocks = [Paragraph(what), *write_notes(some, words), *write_sections(some, words, data_root)]
    experiments = dict.fromkeys(one.info.experiment for one in some)
    datasets = dict.fromkeys(one.info.data.dataset for one in some)
    title = words("title.title", experiments=", ".join(experiments), datasets=", ".join(datasets))
    return Document(title, language, number_blocks(blocks))


def write_notes(some: Sequence[Told], words: Words) -> Iterator[Block]:
    """Write what must be known before any figure is read."""
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
    """Write every section with its heading, in the order of the report."""
    first: dict[str, Section] = {
        "summary": figures.summary,
        "published": partial(published.replay, some=some),
        "data": partial(data.data, data_root=data_root),
        "split": data.split,
        "model": model.model,
    }
    later: dict[str, Section] = {
        "curves": model.curves,
        "classes": figures.classes,
        "confusion": figures.confusion,
        "thresholds": calibration.thresholds,
        "calibration": calibration.calibration,
    }
    of_all: dict[str, Callable[[Sequence[Told], Words], list[Block]]] = {
        "comparison": comparison.comparison,
        "references": published.published,
        "environment": reproducibility.environment,
        "repeat": reproducibility.repeat,
        "citation": reproducibility.citation,
        "limits": lambda some, words: [Listing(tuple(reproducibility.limits(some, words)))],
    }
    for key, section in first.items():
        yield from _write_each(key, section, some, words)
    yield Heading(words("heading.settings"))
    yield from model.settings(some, words)
    for key, section in later.items():
        yield from _write_each(key, section, some, words)
    for key, whole in of_all.items():
        if blocks := whole(some, words):
            yield Heading(words(f"heading.{key}"))
            yield from blocks


def _write_each(key: str, section: Section, some: Sequence[Told], words: Words) -> Iterator[Block]:
    """Write a section about one run after another, under its name where there are several; what is so once, once."""
    made: list[tuple[Told, list[Block]]] = []
    known: dict[str, str] = {}
    for one in some:
        told_before = known.setdefault(SAME[key](one) if key in SAME else one.name, one.name)
        if told_before == one.name:
            made.append((one, section(one, words.of(one))))
        else:
            made.append((one, [Paragraph(words(f"{key}.same", run=told_before))]))
    if any(blocks for _, blocks in made):
        yield Heading(words(f"heading.{key}"))
    for one, blocks in made:
        if blocks and len(some) > 1:
            yield Heading(one.name, 2)
        yield from blocks
