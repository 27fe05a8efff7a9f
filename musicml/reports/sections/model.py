"""About the model of a run: its layers, its settings, how it learnt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from musicml.experiment import Epoch
from musicml.reports.document import Block, Cell, Figure, Note, Paragraph, Table
from musicml.reports.plot_specs import Box, Curves, Layers, Line
from musicml.reports.run_data import Told
from musicml.reports.wording import Words

MOST_BOXES = 18  # that a page has room for
MOST_LAYERS = 40  # rows of the table in the text
BESIDE_EACH_OTHER = 3  # runs whose settings fit into one table
NO_MEASURE = {"stage", "epoch", "learning_rate", "seconds"}

Row = Mapping[str, Any]


def model(one: Told, words: Words) -> list[Block]:
    """The layers, drawn and counted."""
    layers = [layer for layer in one.layers or () if isinstance(layer, dict) and "name" in layer]
    if not layers:
        trouble = one.troubles.get("layers.json")
        return [Note(words("model.missing", why=words.said(trouble)) if trouble else words("model.none"))]
    total = sum(int(layer.get("parameters") or 0) for layer in layers)
    free = sum(int(layer.get("trainable") or 0) for layer in layers)
    if any("trees" in layer for layer in layers):
        text = words("model.forest", n=len(layers), trees=int(layers[0].get("trees") or 0), parameters=total)
        return [Paragraph(text), table_of(one, layers, words)]
    text = words("model.words", family=one.info.family, n=len(layers), parameters=total, free=free)
    parts = boxes(layers, words)
    return [
        Paragraph(text),
        *weights(one, words),
        Figure(
            one.named("model"),
            Layers(tuple(parts)),
            words("model.caption"),
            words.source(one.name, "layers.json"),
            words("model.alt", parts=", ".join(part.name for part in parts)),
        ),
        table_of(one, layers, words),
    ]


def weights(one: Told, words: Words) -> Iterator[Block]:
    """Which weights a backbone began with, and why."""
    found = one.info.weights
    if found is not None:
        yield Paragraph(words("model.weights", choice=found.get("choice"), why=words.said(found.get("reason") or "?")))


def table_of(one: Told, layers: Sequence[Row], words: Words) -> Table:
    """Every layer with its shape and its parameters; of a deep model only beside the document."""
    keys = ("name", "kind", "shape", "parameters", "trainable")
    rows = tuple(
        (
            str(layer["name"]),
            str(layer.get("kind", "?")),
            shape_of(layer),
            int(layer.get("parameters") or 0),
            int(layer["trainable"]) if "trainable" in layer else None,
        )
        for layer in layers
    )
    columns = tuple(words(f"column.{key}") for key in keys)
    source = words.source(one.name, "layers.json")
    many = len(rows) > MOST_LAYERS
    return Table(one.named("layers"), columns, rows, words("model.table"), source, beside=many)


def shape_of(layer: Row) -> str:
    """A layer's shape: `126 × 64`."""
    return " × ".join(str(size) for size in layer.get("output_shape") or ()) or "?"


def boxes(layers: Sequence[Row], words: Words) -> list[Box]:
    """The parts of a model, as few as fit on a page: first single layers, then blocks, then blocks of blocks."""
    for parts in (1, 2, 3, 4):
        found = [list(group) for _, group in groupby(layers, partial(stem, step=parts))]
        made = [box(group, stem(group[0], parts), words) for group in found]
        if len(made) <= MOST_BOXES:
            return made
    half = MOST_BOXES // 2
    middle = [layer for group in found[half - 1 : 1 - half] for layer in group]
    return [*made[: half - 1], box(middle, "…", words), *made[1 - half :]]


def stem(layer: Row, step: int) -> str:
    """What layers of one part share: their whole name, what stands before its last `_`, its first, the number there."""
    name = str(layer["name"])
    if step == 1 or "_" not in name:
        return name
    return name.rpartition("_")[0] if step == 2 else re.sub(r"\d+$" if step == 4 else "$", "", name.partition("_")[0])


def box(group: Sequence[Row], name: str, words: Words) -> Box:
    """One part: a layer by itself, or several that share a beginning."""
    last, parameters = group[-1], sum(int(layer.get("parameters") or 0) for layer in group)
    frozen = parameters > 0 and not any(layer.get("trainable") for layer in group)
    kind = str(last.get("kind", "?")) if len(group) == 1 else words("model.layers", n=len(group))
    parts = [kind] if not parameters else [kind, words("model.parameters", n=parameters)]
    parts += [words("model.frozen")] if frozen else []
    reads = list(dict.fromkeys(map(str, last.get("reads") or ())))
    joins = words("model.joins", names=" + ".join(reads)) if len(group) == 1 and len(reads) > 1 else ""
    label = str(last["name"]) if len(group) == 1 else name
    return Box(label, ", ".join(parts), shape_of(last), frozen, joins)


def settings(some: Sequence[Told], words: Words) -> list[Block]:
    """All settings as they were in force, up to three runs beside each other; what `--set` changed is marked."""
    tables = []
    for begin in range(0, len(some), BESIDE_EACH_OTHER):
        part = some[begin : begin + BESIDE_EACH_OTHER]
        flat = [dict(flattened(one.info.settings)) for one in part]
        keys = list(dict.fromkeys(key for found in flat for key in found))
        rows = tuple((key, *(marked(one, key, found) for one, found in zip(part, flat, strict=True))) for key in keys)
        names = [words("column.value")] if len(some) == 1 else [one.name for one in part]
        source = " ".join(words.source(one.name, "run.json", "experiment.toml") for one in part)
        name = "settings" if len(some) <= BESIDE_EACH_OTHER else f"settings-{begin // BESIDE_EACH_OTHER + 1}"
        tables.append(Table(name, (words("column.key"), *names), rows, words("settings.caption"), source))
    changed = any(one.info.overrides for one in some)
    return [Paragraph(words("settings.words_changed" if changed else "settings.words")), *tables]


def flattened(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Cell]]:
    """A table of tables as dotted keys with their values, as a TOML file has them."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def marked(one: Told, key: str, found: Mapping[str, Cell]) -> Cell:
    """A setting's value, with a star where it was changed on the command line."""
    changed = key in one.info.overrides
    return f"{found[key]} *" if changed else found.get(key)


def curves(one: Told, words: Words) -> list[Block]:
    """What each epoch gave, drawn; the whole table lies beside."""
    if trouble := one.troubles.get("history.csv"):
        return [Note(words("curves.damaged", why=words.said(trouble)))]
    if not one.history:
        return [Note(words("curves.none" if one.info.has_epochs else "curves.no_epochs"))]
    rows = one.history
    x = tuple(float(place) for place in range(1, len(rows) + 1))
    shown = measures(rows)[:2]
    panels = tuple((words.get(f"measure.{name}", name), lines(rows, x, name, words)) for name in shown)
    stages = [row.stage for row in rows]
    marks = tuple(place + 0.5 for place in range(1, len(rows)) if stages[place] != stages[place - 1])
    source = words.source(one.name, "history.csv")
    name_of = {name: words.get(f"measure.{name}", name) for name in ("stage", *rows[0].values)}
    table = Table(
        one.named("history"),
        tuple(name_of.values()),
        tuple((row.stage, *map(cell, row.values.values())) for row in rows),
        words("curves.table"),
        source,
        beside=True,
    )
    alt = words("curves.alt", n=len(rows), names=", ".join(name for name, _ in panels))
    figure = Figure(
        one.named("curves"), Curves(panels, words("curves.axis"), marks), words("curves.caption"), source, alt
    )
    return [Paragraph(learnt(one, words)), *([figure] if panels else []), table]


def measures(rows: Sequence[Epoch]) -> list[str]:
    """What history.csv measures, the loss first, without what is the same on validation."""
    columns = rows[0].values
    names = [name for name in columns if name and name not in NO_MEASURE and not name.startswith("val_")]
    return sorted(names, key=lambda name: (name != "loss", f"val_{name}" not in columns))


def lines(rows: Sequence[Epoch], x: tuple[float, ...], name: str, words: Words) -> tuple[Line, ...]:
    """The curve of a measure on training, and on validation where there is one."""
    made = []
    for key, label, second in ((name, "curves.train", False), (f"val_{name}", "curves.val", True)):
        points = [(at, row.values[key]) for at, row in zip(x, rows, strict=True) if key in row.values]
        if points:
            made.append(Line(words(label), tuple(at for at, _ in points), tuple(y for _, y in points), second))
    return tuple(made)


def cell(value: float) -> Cell:
    """A cell of history.csv; a whole number as one."""
    return int(value) if value.is_integer() and abs(value) < 1e9 else value


def learnt(one: Told, words: Words) -> str:
    """How long it learnt, and which epoch's weights were kept."""
    training = one.info.get_settings("training")
    said = words("curves.words", n=len(one.history), planned=str(training.get("epochs", "?")))
    if one.info.best_epoch is not None:
        kept = "curves.kept_best" if training.get("keep") == "best" else "curves.kept_last"
        said += " " + words(kept, best=one.info.best_epoch, monitor=str(training.get("monitor", "loss")))
    return said
