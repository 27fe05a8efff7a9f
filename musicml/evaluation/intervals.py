"""95% confidence intervals of metrics, from a bootstrap over groups.

The bootstrap gives a standard error. Percentiles of its draws are too narrow for few groups (`benchmarks/coverage.py`),
so the interval is Student's, on the log-odds scale, with the effective number of groups: Dean and Pagano, "Evaluating
Confidence Interval Methods for Binomial Proportions in Clustered Surveys" (Journal of Survey Statistics and
Methodology, 2015); Carter, Schnepel and Steigerwald, "Asymptotic Behavior of a t-Test Robust to Cluster Heterogeneity"
(Review of Economics and Statistics, 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from musicml.evaluation.bootstrap import assign_group_numbers, compute_class_draws, draw_groups, draw_weights, sum_draws
from musicml.utils import Message, compute_wilson_interval

N_BOOTSTRAP = 1000
INTERVAL_METHOD = "log_odds_t"  # in report.json; reports without a method have percentiles of the draws
MIN_GROUPS = 12  # with fewer, a result comes with a warning about its interval
# number of groups → the lowest and highest coverage of 95% intervals in the simulations of `benchmarks/coverage.py`
COVERAGE: Mapping[str | None, Mapping[int, tuple[int, int]]] = {
    INTERVAL_METHOD: {2: (47, 97), 4: (75, 100), 8: (90, 99)},
    None: {2: (33, 56), 4: (65, 84), 8: (76, 92)},
}
MIN_SPREAD = 1e-9  # draws that differ by less are equal but for rounding
CLASS_METRICS = ("precision", "recall", "f1", "auc", "average_precision")  # each has an interval per class


def compute_class_intervals(
    scores: np.ndarray,
    targets: np.ndarray,
    predicted: np.ndarray,
    groups: np.ndarray,
    seed: int = 0,
    n_bootstrap: int = N_BOOTSTRAP,
) -> list[dict[str, list[float] | None]]:
    """Compute 95% intervals of each class's metrics, from the same draws as the overall metrics.

    Draws in which a metric is not defined do not count, such as the recall of a class that was not drawn.

    Parameters
    ----------
    scores, targets : np.ndarray [shape=(n_examples, n_classes)], as in `compute_report`
    predicted : np.ndarray [shape=(n_examples, n_classes)], bool, from `apply_thresholds`
    groups : np.ndarray [shape=(n_examples,)]

    Returns
    -------
    list of dict, one per class: each of `CLASS_METRICS` → [low, high]; None if it is not defined, if there is only
    one group, or if all draws are equal
    """
    draws = compute_class_draws(scores, targets, predicted, draw_weights(groups, seed, n_bootstrap))
    points = [{name: round_metric(draws[name][0, k]) for name in CLASS_METRICS} for k in range(targets.shape[1])]
    return summarize_class_draws({name: draws[name][1:] for name in CLASS_METRICS}, points, groups, targets, predicted)


def compute_mean_and_interval(
    values: np.ndarray, groups: np.ndarray, n_bootstrap: int = N_BOOTSTRAP, lowest: float = 0.0
) -> tuple[float, list[float] | None]:
    """Compute the mean of one value per example, such as whether it was classified correctly, and its 95% interval.

    Parameters
    ----------
    values : np.ndarray [shape=(n_examples,)], between `lowest` and 1
    groups : np.ndarray [shape=(n_examples,)]
    lowest : the lowest possible value: 0 for a share, -1 for a difference

    Returns
    -------
    mean, interval; the interval is None if there is only one group, or if all draws are equal
    """
    mean = round(float(np.mean(values)), 6)
    # the examples of a group are drawn together, so their sum is enough
    sizes, sums = count_by_group(groups), count_by_group(groups, values)
    weights = draw_groups(np.arange(len(sizes)), 0, n_bootstrap)
    if weights is None:
        return mean, None
    return mean, compute_draw_interval(sum_draws(weights, sums) / sum_draws(weights, sizes), mean, sizes, lowest)


def summarize_draws(
    draws: dict[str, np.ndarray], groups: np.ndarray, points: Mapping[str, float | None]
) -> dict[str, list[float] | None]:
    """Compute the intervals of overall metrics from their draws.

    Parameters
    ----------
    draws : metric → np.ndarray [shape=(n_draws,)]; metrics that no draw defines are left out
    points : metric → its value on the data itself
    """
    sizes = count_by_group(groups)
    intervals = {
        name: compute_draw_interval(values, points.get(name), sizes)
        for name, values in draws.items()
        if np.isfinite(values).any()
    }
    n_groups = len(sizes)
    accuracy = points.get("accuracy")
    # Wilson's interval of a count: where each example is its own group, and where all draws are equal
    if "accuracy" in intervals and accuracy is not None and (intervals["accuracy"] is None or n_groups == len(groups)):
        intervals["accuracy"] = round_interval(compute_wilson_interval(round(accuracy * n_groups), n_groups))
    return intervals


def summarize_class_draws(
    draws: dict[str, np.ndarray] | None,
    rows: Sequence[Mapping[str, Any]],
    groups: np.ndarray,
    targets: np.ndarray,
    predicted: np.ndarray,
) -> list[dict[str, list[float] | None]]:
    """Compute the intervals of each class's metrics from `compute_class_draws`; without draws, all are None.

    Parameters
    ----------
    rows : one per class, with its metrics on the data itself
    """
    if draws is None:
        return [dict.fromkeys(CLASS_METRICS) for _ in rows]
    intervals = []
    n_groups, group_of = assign_group_numbers(groups)
    for k, row in enumerate(rows):
        observed, present = ~np.isnan(targets[:, k]), targets[:, k] > 0.5
        n_present, n_predicted = (
            np.bincount(group_of[rows], minlength=n_groups) for rows in (present, predicted[:, k] & observed)
        )
        # only groups with the class inform its recall, and only groups with such a prediction its precision
        counts = dict.fromkeys(CLASS_METRICS, n_present) | {"precision": n_predicted}
        intervals.append(
            {name: compute_draw_interval(draws[name][:, k], row[name], sizes) for name, sizes in counts.items()}
        )
    return intervals


def count_by_group(groups: np.ndarray, values: np.ndarray | None = None) -> np.ndarray:
    """Count the examples of each group, or sum their values: [shape=(n_examples,)] → [shape=(n_groups,)]."""
    return np.bincount(assign_group_numbers(groups)[1], values)


def compute_draw_interval(
    values: np.ndarray, point: float | None, sizes: np.ndarray, lowest: float = 0.0
) -> list[float] | None:
    """Compute the 95% interval of a metric between `lowest` and 1 from its value in each bootstrap draw.

    This is Student's interval of the log-odds, which are closer to normal than a share near 0 or 1. The degrees of
    freedom follow from the effective number of groups, because a few large groups can dominate a metric.

    Parameters
    ----------
    values : np.ndarray [shape=(n_draws,)]; NaN does not count
    point : the metric on the data itself
    sizes : np.ndarray [shape=(n_groups,)], how many examples of each group the metric is about

    Returns
    -------
    [low, high], or None if the metric is at an end of its range or all draws are equal
    """
    from scipy import special  # imports in a tenth of the time of scipy.stats

    values = values[np.isfinite(values)]
    if point is None or not lowest < point < 1 or len(values) == 0 or np.ptp(values) < MIN_SPREAD:
        return None
    n_groups = max(2, int(np.count_nonzero(sizes)))
    effective = max(2.0, sizes.sum() ** 2 / max(1, (sizes**2).sum()))  # for groups of equal size, their number
    error = np.std(values) * np.sqrt(n_groups / (n_groups - 1)) * special.stdtrit(effective - 1, 0.975)
    share = (point - lowest) / (1 - lowest)
    spread = error / (1 - lowest) / (share * (1 - share))  # the error on the log-odds scale, by the delta method
    low, high = special.expit(special.logit(share) + spread * np.array([-1, 1])) * (1 - lowest) + lowest
    return round_interval((low, high))


def describe_few_groups(n_groups: int, method: str | None = None) -> str | None:
    """Warn that intervals over few groups can be too narrow; None if there are enough groups, or only one.

    Parameters
    ----------
    method : `interval_method` of report.json; None for a report with percentiles
    """
    if not 2 <= n_groups < MIN_GROUPS:
        return None
    coverage = COVERAGE.get(method, COVERAGE[None])
    simulated = max(size for size in coverage if size <= n_groups)
    low, high = coverage[simulated]
    return Message(
        "There are only {n_groups} test groups, so a 95% confidence interval may contain the true value less often. "
        "In simulations with {simulated} groups, {low} to {high} of 100 intervals did.",
        n_groups=n_groups,
        simulated=simulated,
        low=low,
        high=high,
    )


def round_metric(value: float) -> float | None:
    """Round a metric to six decimals, as report.json stores it; None if it is NaN."""
    return None if not np.isfinite(value) else round(float(value), 6)


def round_interval(ends: tuple[float, float]) -> list[float]:
    """Round both bounds of an interval to six decimals."""
    return [round(float(end), 6) for end in ends]
