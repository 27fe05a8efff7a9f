"""Drawings: what a figure shows, as numbers and words; `figures` turns one into SVG or PDF."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One curve: `x` and `y` of the same length; `second` for the one that is told apart by dashes."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    second: bool = False


@dataclass(frozen=True)
class Curves:
    """What each epoch gave, one panel a measure: (its name, its lines); `marks` are epochs after which a stage ends."""

    panels: tuple[tuple[str, tuple[Line, ...]], ...]
    axis: str
    marks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix: `counts` [n_classes][n_classes], a row for each true class."""

    class_names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    of_rows: str
    of_columns: str


@dataclass(frozen=True)
class Reliability:
    """What was said against what was so: series of (name, points), a point (said, right, n), shares in 0..1."""

    series: tuple[tuple[str, tuple[tuple[float, float, int], ...]], ...]
    of_said: str
    of_right: str
    of_ideal: str
    of_count: str


@dataclass(frozen=True)
class Bars:
    """One bar a class: (class name, value, interval), in 0..1; None where it is not defined."""

    bars: tuple[tuple[str, float | None, tuple[float, float] | None], ...]
    axis: str
    undefined: str


@dataclass(frozen=True)
class Box:
    """A part of a model: a layer, or several in a row; `lines` are what it says, `frozen` whether it learns nothing."""

    name: str
    words: str
    shape: str
    frozen: bool = False
    joins: str = ""


@dataclass(frozen=True)
class Layers:
    """A model from what comes in, at the top, to its answer."""

    boxes: tuple[Box, ...]


Drawing = Curves | Matrix | Reliability | Bars | Layers
