"""Write a model card for Hugging Face: metadata as YAML, then what a user of the model should know."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from musicml.experiment import Run
from musicml.reports import contents
from musicml.reports.document import Block, Code, Document, Figure, Heading, Listing, Paragraph, Table, number_blocks
from musicml.reports.render import render_text
from musicml.reports.run_data import RunData
from musicml.reports.sections import data, figures, model, reproducibility
from musicml.reports.wording import Words

TASKS = {"sound": "audio-classification", "picture": "image-classification"}  # names that Hugging Face defines
INDEX_METRICS = ("accuracy", "mean_average_precision", "macro_f1", "macro_auc")  # listed in the model index
SPLITS = {"test": "test", "val": "validation", "folds": "out of fold"}  # as a model index names them


def render(source: Run, language: str = "en") -> str:
    """Render the model card of one run as Markdown.

    Raises
    ------
    InputError
        If the run is incomplete or damaged.
    """
    run = RunData(source)
    words = Words(language).for_run(run)
    blocks = [*contents.write_notes([run], words)]
    for key, section in _write_sections(run, words).items():
        blocks += [Heading(words(f"card.{key}")), *section]
    title = words("card.title", experiment=run.info.experiment)
    body = render_text(Document(title, language, number_blocks(blocks)), ".md")
    # JSON is valid YAML, so one line per entry needs no YAML library
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in _list_metadata(run, language)]
    return f"---\n{''.join(lines)}---\n\n{body}"


def _list_metadata(run: RunData, language: str) -> Iterable[tuple[str, Any]]:
    """List the metadata for Hugging Face; no license, since a model's license depends on its data."""
    info, metrics = run.info, run.report.metrics
    dataset, task = info.data.dataset, TASKS.get(info.data.kind or "", "other")
    names = [metric for metric in INDEX_METRICS if metric in metrics]
    english = Words("en")
    index = [{"type": key, "name": english.get(f"metric.{key}", key), "value": metrics[key]} for key in names]
    of_sample = " (generated sample data)" if run.is_sample else ""
    tested = {"name": dataset + of_sample, "type": dataset, "split": SPLITS[run.scored_on]}
    result = {"task": {"type": task}, "dataset": tested, "metrics": index}
    marks = {"sample-data": run.is_sample, "as-published": run.is_published, "pretrained-backbone": bool(info.caveat)}
    yield "language", language
    yield "library_name", "keras" if info.family != "forest" else "sklearn"
    yield "pipeline_tag", task
    yield "tags", ["music", "musicml", info.family, str(info.task), *(mark for mark, holds in marks.items() if holds)]
    yield "datasets", [dataset]
    yield "metrics", names
    yield "model-index", [{"name": info.experiment, "results": [result]}]


def _write_sections(run: RunData, words: Words) -> dict[str, list[Block]]:
    """Write the sections of a model card, without figures."""
    names = ", ".join(run.class_names)
    layers = [block for block in model.write_model(run, words) if not isinstance(block, Figure | Table)]
    takes_files = (run.serving or {}).get("asks_for", "file") == "file"
    use = Code(f"musicml predict {run.name} FILE") if takes_files else Paragraph(words("card.no_files"))
    classes = [block for block in figures.write_classes(run, words) if not isinstance(block, Figure)]
    return {
        "details": [
            *layers,
            Paragraph(words("card.classes", n=len(run.class_names), names=names)),
            *reproducibility.write_commands([run], words),
        ],
        "uses": [Paragraph(words("card.for")), use, Paragraph(words("card.not_for"))],
        "training": [
            data.make_data_table(run, words),
            *data.write_split(run, words),
            *model.write_settings([run], words),
        ],
        "evaluation": [*figures.write_summary(run, words), *classes],
        "limitations": [Listing(tuple(reproducibility.list_caveats([run], words)))],
        "citation": reproducibility.write_citation([run], words),
    }
