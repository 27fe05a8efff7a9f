"""Extents: 95 % intervals of figures, from what a bootstrap over groups drew, and Wilson's for plain counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from musicml.evaluation.bootstrap import by_class, drawn, weighted
from musicml.utils.stats import wilson

DRAWS = 1000
# figures above which draws lie: an example drawn twice helps itself
BIASED = ("average_precision", "mean_average_precision")
OF_A_CLASS = ("precision", "recall", "f1", "auc", "average_precision")  # with an interval for each class
ENDS = (2.5, 97.5)  # percentiles between which 95 % lie


def intervals(
    scores: np.ndarray,
    targets: np.ndarray,
    said: np.ndarray,
    groups: np.ndarray,
    task: str,
    seed: int,
    draws: int = DRAWS,
) -> dict[str, list[float] | None] | None:
    """95 % intervals of the figures: groups drawn again `draws` times; None with fewer than two groups."""
    weights = drawn(groups, seed, draws)
    if weights is None:
        return None
    found = weighted(scores, targets, said, np.concatenate([np.ones((1, len(scores))), weights]), task)
    points = {name: rounded(values[0]) for name, values in found.items()}
    return intervals_of({name: values[1:] for name, values in found.items()}, groups, points)


def class_intervals(
    scores: np.ndarray, targets: np.ndarray, said: np.ndarray, groups: np.ndarray, seed: int = 0, draws: int = DRAWS
) -> list[dict[str, list[float] | None]]:
    """95 % intervals of each class's own figures, from the same draws as `intervals`.

    A precision is taken over the draws in which the class was answered, a recall and an F1 over those in which it
    occurs, the areas over those in which some examples are of it and some are not.

    Parameters
    ----------
    scores, targets : np.ndarray [shape=(n_examples, n_classes)], as `make` takes them
    said : np.ndarray [shape=(n_examples, n_classes)], bool, of `decide`
    groups : np.ndarray [shape=(n_examples,)]

    Returns
    -------
    list of dict, one a class: each of `OF_A_CLASS` → [low, high]; None where it is not defined, where there are fewer
    than two groups, or where every draw gives the same
    """
    weights = drawn(groups, seed, draws)
    once = by_class(scores, targets, said, np.ones((1, len(scores))))
    points = [{name: rounded(once[name][0, k]) for name in OF_A_CLASS} for k in range(targets.shape[1])]
    return intervals_of_classes(None if weights is None else by_class(scores, targets, said, weights), points)


def mean_and_interval(
    values: np.ndarray, groups: np.ndarray, draws: int = DRAWS
) -> tuple[float | None, list[float] | None]:
    """The mean of a value an example, such as whether it was told right, or a difference of two models in that.

    Parameters
    ----------
    values : np.ndarray [shape=(n_examples,)]
    groups : np.ndarray [shape=(n_examples,)], what belongs together
    draws : of the bootstrap over groups

    Returns
    -------
    mean, and its 95 % interval; None for the interval of fewer than two groups, or where every draw gives the same
    """
    names, group_of = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    # a group's examples are drawn together, so their sums are all that is drawn
    weights, sizes = drawn(names, 0, draws), np.bincount(group_of)
    interval = None if weights is None else between(weights @ np.bincount(group_of, values) / (weights @ sizes))
    return rounded(np.mean(values)), interval


def intervals_of(
    found: dict[str, np.ndarray], groups: np.ndarray, points: Mapping[str, float | None]
) -> dict[str, list[float] | None]:
    """The intervals of figures of which each draw gave one, [shape=(draws,)]; those without any are left out.

    That of an accuracy is Wilson's where every example is a group of its own. `points` are the figures themselves.
    """
    limits = {
        name: between(values, points.get(name) if name in BIASED else None)
        for name, values in found.items()
        if np.isfinite(values).any()
    }
    n_groups = len(set(np.asarray(groups).astype(str)))
    # a plain count where each example stands for itself; and where every draw gives the same, of groups
    if "accuracy" in limits and (limits["accuracy"] is None or n_groups == len(groups)):
        limits["accuracy"] = rounded_ends(wilson(round(float(points["accuracy"]) * n_groups), n_groups))
    return limits


def intervals_of_classes(
    found: dict[str, np.ndarray] | None, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, list[float] | None]]:
    """The intervals of what `by_class` gives, a dict a class; without draws, None each. `rows` hold the figures."""
    if found is None:
        return [dict.fromkeys(OF_A_CLASS) for _ in rows]
    return [
        {name: between(found[name][:, k], row[name] if name in BIASED else None) for name in OF_A_CLASS}
        for k, row in enumerate(rows)
    ]


def between(values: np.ndarray, point: float | None = None) -> list[float] | None:
    """Where 95 % of the draws lie, [shape=(draws,)], those that are NaN aside; None where all give the same.

    With `point`, the figure itself, corrected for draws that lie mostly on one side of it, after Efron,
    "Nonparametric standard errors and confidence intervals" (Canadian Journal of Statistics, 1981).
    """
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None
    low, high = np.percentile(values, ENDS if point is None else corrected_ends(values, point))
    # where every draw gives the same figure, drawing again can't tell how sure it is
    return rounded_ends((low, high)) if high > low else None


def corrected_ends(values: np.ndarray, point: float) -> list[float]:
    """Between which percentiles of the draws the interval lies, of a figure that draws are biased against."""
    normal, least = NormalDist(), 0.5 / len(values)
    same = np.abs(values - point) <= 1e-6  # a report's figures are rounded
    below = ((values < point) & ~same).mean() + same.mean() / 2
    shift = 2 * normal.inv_cdf(float(np.clip(below, least, 1 - least)))
    return [100 * normal.cdf(shift + normal.inv_cdf(end / 100)) for end in ENDS]


def rounded(value: float) -> float | None:
    """Six digits are more than any of these figures is worth; None for what is not a number."""
    return None if not np.isfinite(value) else round(float(value), 6)


def rounded_ends(ends: tuple[float, float]) -> list[float]:
    """An interval as a report keeps it."""
    return [rounded(end) for end in ends]
