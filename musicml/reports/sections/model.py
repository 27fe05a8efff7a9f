"""Sections on the model of one run: its layers, its settings, and the training curves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from musicml.experiment import Epoch
from musicml.reports.document import Block, Cell, Note, Paragraph, Table
from musicml.reports.plots import Box, Curves, Layers, Line
from musicml.reports.run_data import RunData
from musicml.reports.wording import Words

MAX_BOXES = 18  # in a drawing of the model, which has to fit on a page
MAX_LAYERS = 40  # rows of a table in the text; a longer one is an attachment
MAX_RUN_COLUMNS = 3  # runs in one table of settings
NOT_METRICS = {"stage", "epoch", "learning_rate", "seconds"}  # columns of history.csv that are not drawn

Row = Mapping[str, Any]


def write_model(run: RunData, words: Words) -> list[Block]:
    """Write the number of parameters, a drawing of the model and a table of its layers."""
    layers = [layer for layer in run.layers or () if isinstance(layer, dict) and "name" in layer]
    if not layers:
        error = run.read_errors.get("layers.json")
        return [Note(words("model.missing", why=words.translate(error)) if error else words("model.none"))]
    n, total = len(layers), _count_parameters(layers)
    columns = "name kind shape parameters trainable"
    rows = (
        (
            str(layer["name"]),
            str(layer.get("kind", "?")),
            _format_shape(layer),
            int(layer.get("parameters") or 0),
            int(layer["trainable"]) if "trainable" in layer else None,
        )
        for layer in layers
    )
    caption = words("model.table")
    table = words.make_table("layers", columns, rows, caption, "layers.json", is_attachment=n > MAX_LAYERS)
    if any("trees" in layer for layer in layers):  # a random forest: one "layer" per class
        trees = int(layers[0].get("trees") or 0)
        return [Paragraph(words("model.forest", n=n, trees=trees, parameters=total)), table]
    free = _count_parameters(layers, "trainable")
    paragraphs = [Paragraph(words("model.words", family=run.info.family, n=n, parameters=total, free=free))]
    if (weights := run.info.weights) is not None:
        reason = words.translate(weights.get("reason") or "?")
        paragraphs.append(Paragraph(words("model.weights", choice=weights.get("choice"), why=reason)))
    boxes = _make_boxes(layers, words)
    alt = words("model.alt", parts=", ".join(box.name for box in boxes))
    figure = words.make_figure("model", Layers(tuple(boxes)), words("model.caption"), alt, "layers.json")
    return [*paragraphs, figure, table]


def _count_parameters(layers: Sequence[Row], key: str = "parameters") -> int:
    """Count the parameters of some layers, or only the `trainable` ones."""
    return sum(int(layer.get(key) or 0) for layer in layers)


def _format_shape(layer: Row) -> str:
    """Format a layer's output shape: `126 × 64`."""
    return " × ".join(str(size) for size in layer.get("output_shape") or ()) or "?"


def _make_boxes(layers: Sequence[Row], words: Words) -> list[Box]:
    """Group layers into at most `MAX_BOXES` boxes: single layers if they fit, else blocks of layers."""
    for step in (1, 2, 3, 4):  # each step groups by a shorter part of the layers' names
        groups = [list(group) for _, group in groupby(layers, partial(_get_stem, step=step))]
        boxes = [_make_box(group, _get_stem(group[0], step), words) for group in groups]
        if len(boxes) <= MAX_BOXES:
            return boxes
    half = MAX_BOXES // 2
    middle = [layer for group in groups[half - 1 : 1 - half] for layer in group]
    return [*boxes[: half - 1], _make_box(middle, "…", words), *boxes[1 - half :]]


def _get_stem(layer: Row, step: int) -> str:
    """Return the part of a layer's name that its group shares: `block_1_conv`, `block_1`, `block`."""
    name = str(layer["name"])
    if step == 1 or "_" not in name:
        return name
    return name.rpartition("_")[0] if step == 2 else re.sub(r"\d+$" if step == 4 else "$", "", name.partition("_")[0])


def _make_box(group: Sequence[Row], name: str, words: Words) -> Box:
    """Make the box of a single layer, or of several whose names share a stem."""
    last, parameters, is_single = group[-1], _count_parameters(group), len(group) == 1
    is_frozen = parameters > 0 and not any(layer.get("trainable") for layer in group)
    parts = [str(last.get("kind", "?")) if is_single else words("model.layers", n=len(group))]
    parts += [words("model.parameters", n=parameters)] if parameters else []
    parts += [words("model.frozen")] if is_frozen else []
    inputs = list(dict.fromkeys(map(str, last.get("reads") or ())))
    merges = words("model.joins", names=" + ".join(inputs)) if is_single and len(inputs) > 1 else ""
    return Box(str(last["name"]) if is_single else name, ", ".join(parts), _format_shape(last), is_frozen, merges)


def write_settings(runs: Sequence[RunData], words: Words) -> list[Block]:
    """Write all settings of the runs; a star marks those changed with `--set`."""

    def list_settings(run: RunData) -> Iterator[tuple[str, Cell]]:
        """Yield each setting of a run and its value, with a star if it was changed."""
        for key, value in _flatten(run.info.settings):
            yield key, f"{value} *" if key in run.info.overrides else value

    is_changed = any(run.info.overrides for run in runs)
    files = ("run.json", "experiment.toml")
    tables = make_side_by_side_tables("settings", "key", list_settings, files, runs, words)
    return [Paragraph(words("settings.words_changed" if is_changed else "settings.words")), *tables]


def make_side_by_side_tables(
    name: str,
    heading: str,
    list_properties: Callable[[RunData], Iterator[tuple[str, Cell]]],
    files: Sequence[str],
    runs: Sequence[RunData],
    words: Words,
) -> Iterator[Table]:
    """Make tables of named properties, with a column for each run and up to three runs in a table."""
    for start in range(0, len(runs), MAX_RUN_COLUMNS):
        part = runs[start : start + MAX_RUN_COLUMNS]
        columns = [dict(list_properties(run)) for run in part]
        keys = dict.fromkeys(key for column in columns for key in column)  # all keys, in their first order
        rows = ((key, *(column.get(key) for column in columns)) for key in keys)
        names = [words("column.value")] if len(runs) == 1 else [run.name for run in part]
        number = f"-{start // MAX_RUN_COLUMNS + 1}" if len(runs) > MAX_RUN_COLUMNS else ""
        headings = (words(f"column.{heading}"), *names)
        yield words.for_runs(part).make_table(name + number, headings, rows, words(f"{name}.caption"), *files)


def _flatten(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of nested tables by dotted key, as TOML writes them."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def write_curves(run: RunData, words: Words) -> list[Block]:
    """Write the training curves; the table of all epochs is an attachment."""
    if error := run.read_errors.get("history.csv"):
        return [Note(words("curves.damaged", why=words.translate(error)))]
    rows = run.history
    if not rows:
        return [Note(words("curves.none" if run.info.has_epochs else "curves.no_epochs"))]
    columns = [words.get(f"measure.{name}", name) for name in ("stage", *rows[0].values)]
    lines = (  # whole numbers as integers, so that epoch 3 is not written 3.000
        (row.stage, *(int(x) if x.is_integer() and abs(x) < 1e9 else x for x in row.values.values())) for row in rows
    )
    table = words.make_table("history", columns, lines, words("curves.table"), "history.csv", is_attachment=True)
    panels = {words.get(f"measure.{name}", name): _make_lines(rows, name, words) for name in _list_metrics(rows)[:2]}
    if not panels:
        return [Paragraph(_describe_training(run, words)), table]
    marks = tuple(place + 0.5 for place in range(1, len(rows)) if rows[place].stage != rows[place - 1].stage)
    drawing = Curves(tuple(panels.items()), words("curves.axis"), marks)
    alt = words("curves.alt", n=len(rows), names=", ".join(panels))
    figure = words.make_figure("curves", drawing, words("curves.caption"), alt, "history.csv")
    return [Paragraph(_describe_training(run, words)), figure, table]


def _list_metrics(rows: Sequence[Epoch]) -> list[str]:
    """List the metrics in history.csv, the loss first, without their `val_` counterparts."""
    columns = rows[0].values
    names = [name for name in columns if name and name not in NOT_METRICS and not name.startswith("val_")]
    return sorted(names, key=lambda name: (name != "loss", f"val_{name}" not in columns))


def _make_lines(rows: Sequence[Epoch], name: str, words: Words) -> tuple[Line, ...]:
    """Make the training curve of a metric, and its validation curve if there is one."""
    lines = []
    for key, label, is_second in ((name, "curves.train", False), (f"val_{name}", "curves.val", True)):
        points = {float(place): row.values[key] for place, row in enumerate(rows, 1) if key in row.values}
        if points:
            lines.append(Line(words(label), tuple(points), tuple(points.values()), is_second))
    return tuple(lines)


def _describe_training(run: RunData, words: Words) -> str:
    """State the number of epochs, and which epoch's weights were kept."""
    training = run.info.get_settings("training")
    text = words("curves.words", n=len(run.history), planned=str(training.get("epochs", "?")))
    if run.info.best_epoch is not None:
        key = "curves.kept_best" if training.get("keep") == "best" else "curves.kept_last"
        text += " " + words(key, best=run.info.best_epoch, monitor=str(training.get("monitor", "loss")))
    return text
