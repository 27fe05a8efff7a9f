"""About the model of a run: its layers, its settings, how it learnt."""

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
from musicml.reports.run_data import Told
from musicml.reports.wording import Words

MOST_BOXES = 18  # that a page has room for
MOST_LAYERS = 40  # rows of the table in the text
BESIDE_EACH_OTHER = 3  # runs whose settings fit into one table
NO_MEASURE = {"stage", "epoch", "learning_rate", "seconds"}

Row = Mapping[str, Any]


def model(one: Told, words: Words) -> list[Block]:
    """Draw the layers and count them."""
    layers = [layer for layer in one.layers or () if isinstance(layer, dict) and "name" in layer]
    if not layers:
        trouble = one.troubles.get("layers.json")
        return [Note(words("model.missing", why=words.said(trouble)) if trouble else words("model.none"))]
    n, total = len(layers), _count_parameters(layers)
    heads = "name kind shape parameters trainable"
    rows = (
        (
            str(layer["name"]),
            str(layer.get("kind", "?")),
            _describe_shape(layer),
            int(layer.get("parameters") or 0),
            int(layer["trainable"]) if "trainable" in layer else None,
        )
        for layer in layers
    )
    table = words.table("layers", heads, rows, words("model.table"), "layers.json", beside=n > MOST_LAYERS)
    if any("trees" in layer for layer in layers):
        trees = int(layers[0].get("trees") or 0)
        return [Paragraph(words("model.forest", n=n, trees=trees, parameters=total)), table]
    free = _count_parameters(layers, "trainable")
    said = [Paragraph(words("model.words", family=one.info.family, n=n, parameters=total, free=free))]
    if (found := one.info.weights) is not None:
        why = words.said(found.get("reason") or "?")
        said.append(Paragraph(words("model.weights", choice=found.get("choice"), why=why)))
    boxes = _make_boxes(layers, words)
    alt = words("model.alt", parts=", ".join(box.name for box in boxes))
    figure = words.figure("model", Layers(tuple(boxes)), words("model.caption"), alt, "layers.json")
    return [*said, figure, table]


def _count_parameters(layers: Sequence[Row], key: str = "parameters") -> int:
    """Count the parameters of some layers, or those that are `trainable`."""
    return sum(int(layer.get(key) or 0) for layer in layers)


def _describe_shape(layer: Row) -> str:
    """Write a layer's shape: `126 × 64`."""
    return " × ".join(str(size) for size in layer.get("output_shape") or ()) or "?"


def _make_boxes(layers: Sequence[Row], words: Words) -> list[Box]:
    """Make the parts of a model, as few as fit on a page: single layers, else blocks, else blocks of blocks."""
    for step in (1, 2, 3, 4):
        found = [list(group) for _, group in groupby(layers, partial(_get_stem, step=step))]
        made = [_make_box(group, _get_stem(group[0], step), words) for group in found]
        if len(made) <= MOST_BOXES:
            return made
    half = MOST_BOXES // 2
    middle = [layer for group in found[half - 1 : 1 - half] for layer in group]
    return [*made[: half - 1], _make_box(middle, "…", words), *made[1 - half :]]


def _get_stem(layer: Row, step: int) -> str:
    """Return what layers of one part share: the name, what stands before its last `_`, its first, the number there."""
    name = str(layer["name"])
    if step == 1 or "_" not in name:
        return name
    return name.rpartition("_")[0] if step == 2 else re.sub(r"\d+$" if step == 4 else "$", "", name.partition("_")[0])


def _make_box(group: Sequence[Row], name: str, words: Words) -> Box:
    """Make one part: a layer by itself, or several that share a beginning."""
    last, parameters, is_single = group[-1], _count_parameters(group), len(group) == 1
    frozen = parameters > 0 and not any(layer.get("trainable") for layer in group)
    parts = [str(last.get("kind", "?")) if is_single else words("model.layers", n=len(group))]
    parts += [words("model.parameters", n=parameters)] if parameters else []
    parts += [words("model.frozen")] if frozen else []
    reads = list(dict.fromkeys(map(str, last.get("reads") or ())))
    joins = words("model.joins", names=" + ".join(reads)) if is_single and len(reads) > 1 else ""
    return Box(str(last["name"]) if is_single else name, ", ".join(parts), _describe_shape(last), frozen, joins)


def settings(some: Sequence[Told], words: Words) -> list[Block]:
    """List all settings as they were in force; what `--set` changed is marked."""

    def list_settings(one: Told) -> Iterator[tuple[str, Cell]]:
        for key, value in _flatten(one.info.settings):
            yield key, f"{value} *" if key in one.info.overrides else value

    changed = any(one.info.overrides for one in some)
    tables = set_beside("settings", "key", list_settings, ("run.json", "experiment.toml"), some, words)
    return [Paragraph(words("settings.words_changed" if changed else "settings.words")), *tables]


def set_beside(
    name: str,
    head: str,
    list_facts: Callable[[Told], Iterator[tuple[str, Cell]]],
    files: Sequence[str],
    some: Sequence[Told],
    words: Words,
) -> Iterator[Table]:
    """Set facts of runs, each with its name, beside each other: three runs a table."""
    for begin in range(0, len(some), BESIDE_EACH_OTHER):
        part = some[begin : begin + BESIDE_EACH_OTHER]
        facts = [dict(list_facts(one)) for one in part]
        keys = dict.fromkeys(key for found in facts for key in found)
        rows = ((key, *(found.get(key) for found in facts)) for key in keys)
        names = [words("column.value")] if len(some) == 1 else [one.name for one in part]
        number = f"-{begin // BESIDE_EACH_OTHER + 1}" if len(some) > BESIDE_EACH_OTHER else ""
        heads = (words(f"column.{head}"), *names)
        yield words.across(part).table(name + number, heads, rows, words(f"{name}.caption"), *files)


def _flatten(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Write a table of tables as dotted keys with their values, as a TOML file has them."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def curves(one: Told, words: Words) -> list[Block]:
    """Draw what each epoch gave; the whole table lies beside."""
    if trouble := one.troubles.get("history.csv"):
        return [Note(words("curves.damaged", why=words.said(trouble)))]
    rows = one.history
    if not rows:
        return [Note(words("curves.none" if one.info.has_epochs else "curves.no_epochs"))]
    columns = [words.get(f"measure.{name}", name) for name in ("stage", *rows[0].values)]
    lines = (
        (row.stage, *(int(x) if x.is_integer() and abs(x) < 1e9 else x for x in row.values.values())) for row in rows
    )
    table = words.table("history", columns, lines, words("curves.table"), "history.csv", beside=True)
    panels = {words.get(f"measure.{name}", name): _make_lines(rows, name, words) for name in _list_measures(rows)[:2]}
    if not panels:
        return [Paragraph(_describe_training(one, words)), table]
    marks = tuple(place + 0.5 for place in range(1, len(rows)) if rows[place].stage != rows[place - 1].stage)
    drawn = Curves(tuple(panels.items()), words("curves.axis"), marks)
    alt = words("curves.alt", n=len(rows), names=", ".join(panels))
    figure = words.figure("curves", drawn, words("curves.caption"), alt, "history.csv")
    return [Paragraph(_describe_training(one, words)), figure, table]


def _list_measures(rows: Sequence[Epoch]) -> list[str]:
    """List what history.csv measures, the loss first, without what is the same on validation."""
    columns = rows[0].values
    names = [name for name in columns if name and name not in NO_MEASURE and not name.startswith("val_")]
    return sorted(names, key=lambda name: (name != "loss", f"val_{name}" not in columns))


def _make_lines(rows: Sequence[Epoch], name: str, words: Words) -> tuple[Line, ...]:
    """Make the curve of a measure on training, and on validation where there is one."""
    made = []
    for key, label, second in ((name, "curves.train", False), (f"val_{name}", "curves.val", True)):
        points = {float(place): row.values[key] for place, row in enumerate(rows, 1) if key in row.values}
        if points:
            made.append(Line(words(label), tuple(points), tuple(points.values()), second))
    return tuple(made)


def _describe_training(one: Told, words: Words) -> str:
    """Say how long it learnt, and which epoch's weights were kept."""
    training = one.info.get_settings("training")
    said = words("curves.words", n=len(one.history), planned=str(training.get("epochs", "?")))
    if one.info.best_epoch is not None:
        kept = "curves.kept_best" if training.get("keep") == "best" else "curves.kept_last"
        said += " " + words(kept, best=one.info.best_epoch, monitor=str(training.get("monitor", "loss")))
    return said
