"""Extents: 95 % intervals of figures, from what a bootstrap over groups drew, and Wilson's for plain counts.

The draws give a standard error. Percentiles of the draws are too narrow for few groups (`benchmarks/coverage.py`). So
the interval is Student's, on the scale of log-odds, with the effective number of groups: Dean and Pagano, "Evaluating
Confidence Interval Methods for Binomial Proportions in Clustered Surveys" (Journal of Survey Statistics and
Methodology, 2015); Carter, Schnepel and Steigerwald, "Asymptotic Behavior of a t-Test Robust to Cluster Heterogeneity"
(Review of Economics and Statistics, 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from musicml.evaluation.bootstrap import compute_class_draws, draw_groups, draw_weights
from musicml.utils import Message, compute_wilson_interval

N_BOOTSTRAP = 1000
INTERVAL_METHOD = "log_odds_t"  # as report.json names it; reports without a name hold percentiles of the draws
MIN_GROUPS = 12  # below, a result says how often such intervals hold the truth
# the least and the most of 100 simulated intervals that held the truth, by the number of groups, as
# `benchmarks/coverage.py` found it
HELD: Mapping[str | None, Mapping[int, tuple[int, int]]] = {
    INTERVAL_METHOD: {2: (47, 97), 4: (75, 100), 8: (90, 99)},
    None: {2: (33, 56), 4: (65, 84), 8: (76, 92)},
}
SAME = 1e-9  # draws that differ by less give the same figure
CLASS_METRICS = ("precision", "recall", "f1", "auc", "average_precision")  # with an interval for each class


def compute_class_intervals(
    scores: np.ndarray,
    targets: np.ndarray,
    said: np.ndarray,
    groups: np.ndarray,
    seed: int = 0,
    draws: int = N_BOOTSTRAP,
) -> list[dict[str, list[float] | None]]:
    """95 % intervals of each class's own figures, from the same draws as those over all classes.

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
    found = compute_class_draws(scores, targets, said, draw_weights(groups, seed, draws))
    points = [{name: round_metric(found[name][0, k]) for name in CLASS_METRICS} for k in range(targets.shape[1])]
    return summarize_class_draws({name: found[name][1:] for name in CLASS_METRICS}, points, groups, targets, said)


def compute_mean_and_interval(
    values: np.ndarray, groups: np.ndarray, draws: int = N_BOOTSTRAP, lowest: float = 0.0
) -> tuple[float, list[float] | None]:
    """The mean of a value an example, such as whether it was told right, or a difference of two models in that.

    Parameters
    ----------
    values : np.ndarray [shape=(n_examples,)], up to 1
    groups : np.ndarray [shape=(n_examples,)], what belongs together
    draws : of the bootstrap over groups
    lowest : the least value there could be: 0 of a share, -1 of a difference

    Returns
    -------
    mean, and its 95 % interval; None for the interval of fewer than two groups, or where every draw gives the same
    """
    mean = round(float(np.mean(values)), 6)
    # a group's examples are drawn together, so their sums are all that is drawn
    sizes, sums = count_by_group(groups), count_by_group(groups, values)
    weights = draw_groups(np.arange(len(sizes)), 0, draws)
    if weights is None:
        return mean, None
    return mean, compute_draw_interval(weights @ sums / (weights @ sizes), mean, sizes, lowest)


def summarize_draws(
    found: dict[str, np.ndarray], groups: np.ndarray, points: Mapping[str, float | None]
) -> dict[str, list[float] | None]:
    """The intervals of figures of which each draw gave one, [shape=(draws,)]; those without any are left out.

    That of an accuracy is Wilson's where every example is a group of its own. `points` are the figures themselves.
    """
    sizes = count_by_group(groups)
    limits = {
        name: compute_draw_interval(values, points.get(name), sizes)
        for name, values in found.items()
        if np.isfinite(values).any()
    }
    n_groups = len(sizes)
    # a plain count where each example stands for itself; and where every draw gives the same, of groups
    accuracy = points.get("accuracy")
    if "accuracy" in limits and accuracy is not None and (limits["accuracy"] is None or n_groups == len(groups)):
        limits["accuracy"] = round_interval(compute_wilson_interval(round(accuracy * n_groups), n_groups))
    return limits


def summarize_class_draws(
    found: dict[str, np.ndarray] | None,
    rows: Sequence[Mapping[str, Any]],
    groups: np.ndarray,
    targets: np.ndarray,
    said: np.ndarray,
) -> list[dict[str, list[float] | None]]:
    """Compute intervals from `compute_class_draws`, a dict a class; without draws None each. `rows` hold metrics.

    How many groups a class is known from is told by those that hold it; for its precision, by those that got it as an
    answer.
    """
    if found is None:
        return [dict.fromkeys(CLASS_METRICS) for _ in rows]
    made = []
    for k, row in enumerate(rows):
        seen, present = ~np.isnan(targets[:, k]), targets[:, k] > 0.5
        holding, answered = count_by_group(groups, present), count_by_group(groups, said[:, k] & seen)
        sizes = dict.fromkeys(CLASS_METRICS, holding) | {"precision": answered}
        made.append({name: compute_draw_interval(found[name][:, k], row[name], its) for name, its in sizes.items()})
    return made


def count_by_group(groups: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
    """Count the examples of each group, or add up a value of each: [shape=(n_examples,)] → [shape=(n_groups,)]."""
    return np.bincount(np.unique(np.asarray(groups).astype(str), return_inverse=True)[1], values)


def compute_draw_interval(
    values: np.ndarray, point: float | None, sizes: np.ndarray, lowest: float = 0.0
) -> list[float] | None:
    """The 95 % interval of a figure between `lowest` and 1, from its value in each draw of a bootstrap over groups.

    Student's interval of the log-odds, which are nearer to a normal distribution than a share close to its end. Its
    degrees of freedom follow from the effective number of groups: large groups make up most of a figure.

    Parameters
    ----------
    values : np.ndarray [shape=(draws,)]; those that are NaN do not count
    point : the figure itself
    sizes : np.ndarray [shape=(n_groups,)], how many examples of each group the figure is about

    Returns
    -------
    list of float, or None where the figure is at an end of its range, or where every draw gives the same: then drawing
    again can't tell how sure it is
    """
    from scipy import special  # a tenth of what scipy.stats takes to import

    values = values[np.isfinite(values)]
    if point is None or not lowest < point < 1 or len(values) == 0 or np.ptp(values) < SAME:
        return None
    n_groups = max(2, int(np.count_nonzero(sizes)))
    effective = max(2.0, sizes.sum() ** 2 / max(1, (sizes**2).sum()))  # of equal sizes, their number
    error = np.std(values) * np.sqrt(n_groups / (n_groups - 1)) * special.stdtrit(effective - 1, 0.975)
    share = (point - lowest) / (1 - lowest)
    spread = error / (1 - lowest) / (share * (1 - share))  # what the error is in log-odds
    low, high = special.expit(special.logit(share) + spread * np.array([-1, 1])) * (1 - lowest) + lowest
    return round_interval((low, high))


def describe_few_groups(n_groups: int, method: str | None = None) -> str | None:
    """Say how far intervals over few groups can be relied on; None where there are enough, or only one.

    Parameters
    ----------
    method : `interval_method` of report.json; None of a report that holds percentiles
    """
    if not 2 <= n_groups < MIN_GROUPS:
        return None
    held = HELD.get(method, HELD[None])
    simulated = max(size for size in held if size <= n_groups)
    low, high = held[simulated]
    return Message(
        "With only {n_groups} test groups, a 95 % interval may hold the true value less often than "
        "it says: in simulations with {simulated} groups, {low} to {high} of 100 did.",
        n_groups=n_groups,
        simulated=simulated,
        low=low,
        high=high,
    )


def round_metric(value: float) -> float | None:
    """Six digits are more than any of these figures is worth; None for what is not a number."""
    return None if not np.isfinite(value) else round(float(value), 6)


def round_interval(ends: tuple[float, float]) -> list[float]:
    """An interval as a report keeps it."""
    return [round(float(end), 6) for end in ends]
