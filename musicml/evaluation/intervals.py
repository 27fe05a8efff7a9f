"""Extents: 95 % intervals of figures, from what a bootstrap over groups drew, and Wilson's for plain counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from musicml.evaluation.bootstrap import compute_class_draws, compute_weighted_metrics, draw_groups
from musicml.utils import compute_wilson_interval

N_BOOTSTRAP = 1000
# figures above which draws lie: an example drawn twice helps itself
BIASED = ("average_precision", "mean_average_precision")
CLASS_METRICS = ("precision", "recall", "f1", "auc", "average_precision")  # with an interval for each class
ENDS = (2.5, 97.5)  # percentiles between which 95 % lie


def compute_intervals(
    scores: np.ndarray,
    targets: np.ndarray,
    said: np.ndarray,
    groups: np.ndarray,
    task: str,
    seed: int,
    draws: int = N_BOOTSTRAP,
) -> dict[str, list[float] | None] | None:
    """95 % intervals of the figures: groups drawn again `draws` times; None with fewer than two groups."""
    weights = draw_groups(groups, seed, draws)
    if weights is None:
        return None
    found = compute_weighted_metrics(scores, targets, said, np.concatenate([np.ones((1, len(scores))), weights]), task)
    points = {name: round_metric(values[0]) for name, values in found.items()}
    return summarize_draws({name: values[1:] for name, values in found.items()}, groups, points)


def compute_class_intervals(
    scores: np.ndarray,
    targets: np.ndarray,
    said: np.ndarray,
    groups: np.ndarray,
    seed: int = 0,
    draws: int = N_BOOTSTRAP,
) -> list[dict[str, list[float] | None]]:
    """95 % intervals of each class's own figures, from the same draws as `compute_intervals`.

    A precision is taken over the draws in which the class was answered, a recall and an F1 over those in which it
    occurs, the areas over those in which some examples are of it and some are not.

    Parameters
    ----------
    scores, targets : np.ndarray [shape=(n_examples, n_classes)], as `compute_report` takes them
    said : np.ndarray [shape=(n_examples, n_classes)], bool, of `apply_thresholds`
    groups : np.ndarray [shape=(n_examples,)]

    Returns
    -------
    list of dict, one a class: each of `CLASS_METRICS` → [low, high]; None where it is not defined, where there are
    fewer than two groups, or where every draw gives the same
    """
    weights = draw_groups(groups, seed, draws)
    once = compute_class_draws(scores, targets, said, np.ones((1, len(scores))))
    points = [{name: round_metric(once[name][0, k]) for name in CLASS_METRICS} for k in range(targets.shape[1])]
    return summarize_class_draws(
        None if weights is None else compute_class_draws(scores, targets, said, weights), points
    )


def compute_mean_and_interval(
    values: np.ndarray, groups: np.ndarray, draws: int = N_BOOTSTRAP
) -> tuple[float, list[float] | None]:
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
    weights, sizes = draw_groups(names, 0, draws), np.bincount(group_of)
    interval = (
        None
        if weights is None
        else compute_percentile_interval(weights @ np.bincount(group_of, values) / (weights @ sizes))
    )
    return round(float(np.mean(values)), 6), interval


def summarize_draws(
    found: dict[str, np.ndarray], groups: np.ndarray, points: Mapping[str, float | None]
) -> dict[str, list[float] | None]:
    """The intervals of figures of which each draw gave one, [shape=(draws,)]; those without any are left out.

    That of an accuracy is Wilson's where every example is a group of its own. `points` are the figures themselves.
    """
    limits = {
        name: compute_percentile_interval(values, points.get(name) if name in BIASED else None)
        for name, values in found.items()
        if np.isfinite(values).any()
    }
    n_groups = len(set(np.asarray(groups).astype(str)))
    # a plain count where each example stands for itself; and where every draw gives the same, of groups
    accuracy = points.get("accuracy")
    if "accuracy" in limits and accuracy is not None and (limits["accuracy"] is None or n_groups == len(groups)):
        limits["accuracy"] = round_interval(compute_wilson_interval(round(accuracy * n_groups), n_groups))
    return limits


def summarize_class_draws(
    found: dict[str, np.ndarray] | None, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, list[float] | None]]:
    """Compute intervals from `compute_class_draws`, a dict a class; without draws None each. `rows` hold metrics."""
    if found is None:
        return [dict.fromkeys(CLASS_METRICS) for _ in rows]
    return [
        {
            name: compute_percentile_interval(found[name][:, k], row[name] if name in BIASED else None)
            for name in CLASS_METRICS
        }
        for k, row in enumerate(rows)
    ]


def compute_percentile_interval(values: np.ndarray, point: float | None = None) -> list[float] | None:
    """Where 95 % of the draws lie, [shape=(draws,)], those that are NaN aside; None where all give the same.

    With `point`, the figure itself, corrected for draws that lie mostly on one side of it, after Efron,
    "Nonparametric standard errors and confidence intervals" (Canadian Journal of Statistics, 1981).
    """
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None
    low, high = np.percentile(values, ENDS if point is None else correct_percentiles(values, point))
    # where every draw gives the same figure, drawing again can't tell how sure it is
    return round_interval((low, high)) if high > low else None


def correct_percentiles(values: np.ndarray, point: float) -> list[float]:
    """Between which percentiles of the draws the interval lies, of a figure that draws are biased against."""
    normal, least = NormalDist(), 0.5 / len(values)
    same = np.abs(values - point) <= 1e-6  # a report's figures are rounded
    below = ((values < point) & ~same).mean() + same.mean() / 2
    shift = 2 * normal.inv_cdf(float(np.clip(below, least, 1 - least)))
    return [100 * normal.cdf(shift + normal.inv_cdf(end / 100)) for end in ENDS]


def round_metric(value: float) -> float | None:
    """Six digits are more than any of these figures is worth; None for what is not a number."""
    return None if not np.isfinite(value) else round(float(value), 6)


def round_interval(ends: tuple[float, float]) -> list[float]:
    """An interval as a report keeps it."""
    return [round(float(end), 6) for end in ends]
