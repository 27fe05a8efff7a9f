"""A model card in the form that Hugging Face reads: facts as YAML, then what a user of the model should know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from musicml.experiment import Run
from musicml.reports import contents, render_markdown, run_data
from musicml.reports.document import Block, Code, Document, Heading, Listing, Note, Paragraph, Table
from musicml.reports.run_data import Told
from musicml.reports.sections import data as about_data
from musicml.reports.sections import figures as about_figures
from musicml.reports.sections import model, reproducibility
from musicml.reports.wording import Words

TASKS = {"sound": "audio-classification", "picture": "image-classification"}
SHOWN = ("accuracy", "mean_average_precision", "macro_f1", "macro_auc")  # those that a model index carries

SIDES = {"test": "test", "val": "validation", "folds": "out of fold"}  # as a model index names them


def render(run: Run, language: str = "en") -> str:
    """The whole card of one run.

    Raises
    ------
    InputError
        If the run is not whole or damaged.
    """
    one = run_data.read(run)
    words = Words(language, one.judged)
    title = words("card.title", experiment=one.info.experiment)
    blocks = tuple(block for block in contents.number_blocks(list(sections(one, words))))
    names = {"of_table": words("name.table"), "of_figure": words("name.figure")}
    body = render_markdown.to_markdown(Document(title, language, blocks, **names), "")
    return f"---\n{yaml(front(one, language))}---\n\n{body}"


def front(one: Told, language: str) -> dict[str, Any]:
    """The facts that Hugging Face reads; no licence, since a trained model's depends on its data's."""
    data = one.info.data
    dataset, task = data.dataset, TASKS.get(data.kind or "", "other")
    name = one.info.experiment
    shown = [metric for metric in SHOWN if metric in one.report.metrics]
    figures = [
        {"type": metric, "name": Words("en").get(f"metric.{metric}", metric), "value": one.report.metrics[metric]}
        for metric in shown
    ]
    of_sample = " (generated sample data)" if one.is_sample else ""
    tested = {"name": dataset + of_sample, "type": dataset, "split": SIDES[one.judged]}
    result = {"task": {"type": task}, "dataset": tested, "metrics": figures}
    tags = ["music", "musicml", one.info.family, str(one.info.task)]
    tags += ["sample-data"] if one.is_sample else []
    tags += ["as-published"] if one.is_published else []
    tags += ["pretrained-backbone"] if one.info.caveat else []
    return {
        "language": language,
        "library_name": "keras" if one.info.family != "forest" else "sklearn",
        "pipeline_tag": task,
        "tags": tags,
        "datasets": [dataset],
        "metrics": shown,
        "model-index": [{"name": name, "results": [result]}],
    }


def yaml(facts: dict[str, Any]) -> str:
    """Facts as YAML: a line a key, each value as JSON, which YAML reads as it is."""
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in facts.items())


def sections(one: Told, words: Words) -> Iterator[Block]:
    """The sections that a model card has."""
    if one.is_sample:
        yield Note(words("note.sample"), "sample")
    if one.is_published:
        yield Note(words("note.published", run=one.name), "published")
    if one.info.caveat:
        yield Note(words("note.pretrained", run=one.name, caveat=words.said(one.info.caveat)), "pretrained")
    for warning in one.info.warnings:
        yield Note(words("note.training", run=one.name, warning=words.said(warning)), "training")
    for key, blocks in (
        ("details", details(one, words)),
        ("uses", uses(one, words)),
        ("training", training(one, words)),
        ("evaluation", evaluation(one, words)),
        ("limitations", [Listing(tuple(reproducibility.limits([one], words)))]),
        ("citation", reproducibility.citation([one], words)),
    ):
        yield Heading(words(f"card.{key}"))
        yield from blocks


def details(one: Told, words: Words) -> Sequence[Block]:
    """What the model is, and how it comes to its classes."""
    names = ", ".join(one.class_names)
    classes = words("card.classes", n=len(one.class_names), names=names)
    drawn = [block for block in model.model(one, words) if isinstance(block, Paragraph | Note)]
    return [*drawn, Paragraph(classes), *reproducibility.repeat([one], words)]


def uses(one: Told, words: Words) -> Sequence[Block]:
    """What it is for, and what not."""
    asks = (one.serving or {}).get("asks_for", "file")
    command = [Code(f"musicml predict {one.name} FILE")] if asks == "file" else [Paragraph(words("card.no_files"))]
    return [Paragraph(words("card.for")), *command, Paragraph(words("card.not_for"))]


def training(one: Told, words: Words) -> Sequence[Block]:
    """What it was trained on."""
    blocks = [about_data.facts(one, words), *about_data.split(one, words), *model.settings([one], words)]
    return [block for block in blocks if isinstance(block, Table | Paragraph | Note)]


def evaluation(one: Told, words: Words) -> Sequence[Block]:
    """Its figures with intervals, of all classes and of each."""
    of_classes = [block for block in about_figures.classes(one, words) if not hasattr(block, "drawing")]
    return [*about_figures.summary(one, words), *of_classes]
