"""A model card in the form that Hugging Face reads: facts as YAML, then what a user of the model should know."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from musicml.experiment import Run
from musicml.reports import contents
from musicml.reports.document import Block, Code, Document, Figure, Heading, Listing, Paragraph, Table, number_blocks
from musicml.reports.render import render_text
from musicml.reports.run_data import Told
from musicml.reports.sections import data, figures, model, reproducibility
from musicml.reports.wording import Words

TASKS = {"sound": "audio-classification", "picture": "image-classification"}
SHOWN = ("accuracy", "mean_average_precision", "macro_f1", "macro_auc")  # those that a model index carries
SIDES = {"test": "test", "val": "validation", "folds": "out of fold"}  # as a model index names them


def render(run: Run, language: str = "en") -> str:
    """Render the whole card of one run.

    Raises
    ------
    InputError
        If the run is not whole or damaged.
    """
    one = Told(run)
    words = Words(language).of(one)
    blocks = [*contents.write_notes([one], words)]
    for key, section in _write_sections(one, words).items():
        blocks += [Heading(words(f"card.{key}")), *section]
    title = words("card.title", experiment=one.info.experiment)
    body = render_text(Document(title, language, number_blocks(blocks)), ".md")
    # a line a fact, each value as JSON, which YAML reads as it is
    facts = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in list_facts(one, language))
    return f"---\n{facts}---\n\n{body}"


def list_facts(one: Told, language: str) -> Iterable[tuple[str, Any]]:
    """List the facts that Hugging Face reads; no licence, since a trained model's depends on its data's."""
    info, metrics = one.info, one.report.metrics
    dataset, task = info.data.dataset, TASKS.get(info.data.kind or "", "other")
    shown = [metric for metric in SHOWN if metric in metrics]
    english = Words("en")
    index = [{"type": key, "name": english.get(f"metric.{key}", key), "value": metrics[key]} for key in shown]
    of_sample = " (generated sample data)" if one.is_sample else ""
    tested = {"name": dataset + of_sample, "type": dataset, "split": SIDES[one.judged]}
    result = {"task": {"type": task}, "dataset": tested, "metrics": index}
    marks = {"sample-data": one.is_sample, "as-published": one.is_published, "pretrained-backbone": bool(info.caveat)}
    yield "language", language
    yield "library_name", "keras" if info.family != "forest" else "sklearn"
    yield "pipeline_tag", task
    yield "tags", ["music", "musicml", info.family, str(info.task), *(mark for mark, holds in marks.items() if holds)]
    yield "datasets", [dataset]
    yield "metrics", shown
    yield "model-index", [{"name": info.experiment, "results": [result]}]


def _write_sections(one: Told, words: Words) -> dict[str, list[Block]]:
    """Write the sections that a model card has, without drawings."""
    names = ", ".join(one.class_names)
    layers = [block for block in model.model(one, words) if not isinstance(block, Figure | Table)]
    takes_files = (one.serving or {}).get("asks_for", "file") == "file"
    use = Code(f"musicml predict {one.name} FILE") if takes_files else Paragraph(words("card.no_files"))
    classes = [block for block in figures.classes(one, words) if not isinstance(block, Figure)]
    return {
        "details": [
            *layers,
            Paragraph(words("card.classes", n=len(one.class_names), names=names)),
            *reproducibility.repeat([one], words),
        ],
        "uses": [Paragraph(words("card.for")), use, Paragraph(words("card.not_for"))],
        "training": [data.make_table(one, words), *data.split(one, words), *model.settings([one], words)],
        "evaluation": [*figures.summary(one, words), *classes],
        "limitations": [Listing(tuple(reproducibility.limits([one], words)))],
        "citation": reproducibility.citation([one], words),
    }
