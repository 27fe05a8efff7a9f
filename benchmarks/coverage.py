"""Measure by simulation how often several kinds of 95% intervals contain the true value, with few and many groups.

In a simulated test set, each group draws the accuracy of its files from a beta distribution. Wrong predictions are
spread evenly over the other three classes. Groups have unequal sizes (log-normal, eight files on average). They are
either of one class each, as artists of one genre are, or contain all classes. The true accuracy and macro F1 are the
mean of the beta distribution.

BCa intervals: Efron, "Better Bootstrap Confidence Intervals" (Journal of the American Statistical Association, 1987).
Expanded percentiles: Hesterberg, "What Teachers Should Know About the Bootstrap" (The American Statistician, 2015).
Bootstrap-t: Hall, "Theoretical Comparison of Bootstrap Confidence Intervals" (Annals of Statistics, 1988).
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from scipy import special

from musicml.evaluation import intervals

GROUPS = (2, 4, 8, 12, 29, 100)
ACCURACIES, CORRELATIONS, KINDS = (0.6, 0.75, 0.9), (0.1, 0.3), ("of one class", "of all classes")
N_CLASSES, MEAN_FILES, LOG_STD = 4, 8, 0.8  # files per group: their mean, and the standard deviation of their logarithm
REPLICATIONS, DRAWS, BATCH_SIZE = 2000, 500, 50  # simulations, bootstrap draws, simulations computed at once
METRICS = ("accuracy", "macro F1")
STUDENT = "log-odds t"  # the interval of reports, named `log_odds_t` there
Ends = tuple[np.ndarray, np.ndarray]


def measure(replications: int = REPLICATIONS) -> dict[str, Any]:
    """Measure the coverage of each kind of interval for each number of groups.

    Returns
    -------
    dict with `groups`: number of groups → interval → statistics over all settings of accuracy, correlation and kind
    """
    rng, results = np.random.default_rng(0), {}
    for n_groups in GROUPS:
        cells = [
            _simulate(n_groups, accuracy, correlation, kind, replications, rng)
            for kind, correlation, accuracy in product(KINDS, CORRELATIONS, ACCURACIES)
        ]
        results[str(n_groups)] = {name: _summarize([cell[name] for cell in cells]) for name in cells[0]}
    return {"replications": replications, "draws": DRAWS, "groups": results}


def _summarize(cells: list[tuple[float, float]]) -> dict[str, float]:
    """Return the mean, minimum and maximum coverage, and the mean width."""
    coverages, widths = zip(*cells, strict=True)
    values = {"mean": np.mean(coverages), "least": min(coverages), "most": max(coverages), "width": np.mean(widths)}
    return {name: round(float(value), 4) for name, value in values.items()}


def _simulate(
    n_groups: int, accuracy: float, correlation: float, kind: str, replications: int, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Return `metric, kind of interval` → its coverage and mean width."""
    outcomes: dict[str, list[np.ndarray]] = {}
    for _ in range(0, replications, BATCH_SIZE):
        # how often each draw takes each group
        weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=DRAWS).astype(float)
        counts = _draw_counts(n_groups, accuracy, correlation, kind, rng)
        sizes = counts.sum(axis=(2, 3))
        points, drawn = _compute_metrics(counts.sum(axis=1)), _compute_metrics(np.tensordot(weights, counts, (1, 1)))
        left_out = _compute_metrics(counts.sum(axis=1, keepdims=True) - counts)  # without one group each, for BCa
        for metric, point, draws, without in zip(METRICS, points, drawn, left_out, strict=True):
            ways = _compute_intervals(point, draws.T, without, sizes)
            if metric == "accuracy":  # it needs the standard error of each draw, which is simple for an accuracy only
                ways["bootstrap-t"] = _compute_bootstrap_t(np.trace(counts, axis1=2, axis2=3), sizes, weights)
            for way, (low, high) in ways.items():
                rows = np.stack([(low <= accuracy) & (accuracy <= high), high - low])
                outcomes.setdefault(f"{metric}, {way}", []).append(rows)
    return {name: tuple(np.concatenate(rows, axis=1).mean(axis=1).tolist()) for name, rows in outcomes.items()}


def _draw_counts(n_groups: int, accuracy: float, correlation: float, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Draw confusion matrices of all groups, [shape=(BATCH_SIZE, n_groups, N_CLASSES, N_CLASSES)]."""
    shape, scale = (BATCH_SIZE, n_groups), (1 - correlation) / correlation
    sizes = np.maximum(1, rng.lognormal(np.log(MEAN_FILES) - LOG_STD**2 / 2, LOG_STD, shape).round().astype(int))
    # the correlation of two files of a group is 1 / (a + b + 1) for a beta(a, b) distribution
    accuracies = rng.beta(accuracy * scale, (1 - accuracy) * scale, shape)[..., None]
    one_class = np.eye(N_CLASSES)[np.arange(n_groups) % N_CLASSES]
    shares = np.broadcast_to(one_class if kind == "of one class" else 1 / N_CLASSES, (*shape, N_CLASSES))
    n_true = rng.multinomial(sizes, shares)
    rows = []
    for k in range(N_CLASSES):
        chances = np.where(np.arange(N_CLASSES) == k, accuracies, (1 - accuracies) / (N_CLASSES - 1))
        rows.append(rng.multinomial(n_true[..., k], chances))
    return np.stack(rows, axis=2).astype(float)


def _compute_metrics(counts: np.ndarray) -> Ends:
    """Compute accuracy and macro F1 of confusion matrices, [shape=(..., N_CLASSES, N_CLASSES)]."""
    correct, true, predicted = np.einsum("...kk->...k", counts), counts.sum(axis=-1), counts.sum(axis=-2)
    f1 = np.where(true > 0, 2 * correct / np.maximum(predicted + true, 1), 0)
    n_present = np.maximum((true > 0).sum(axis=-1), 1)
    return correct.sum(axis=-1) / np.maximum(true.sum(axis=-1), 1), f1.sum(axis=-1) / n_present


def _compute_intervals(point: np.ndarray, draws: np.ndarray, without: np.ndarray, sizes: np.ndarray) -> dict[str, Ends]:
    """Compute the ends of each kind of interval.

    Parameters
    ----------
    point : np.ndarray [shape=(n,)], the metric of each simulated test set
    draws : np.ndarray [shape=(n, n_draws)], the metric of each bootstrap draw
    without : np.ndarray [shape=(n, n_groups)], the metric without one of the groups
    sizes : np.ndarray [shape=(n, n_groups)], files per group
    """
    n_groups, ends = sizes.shape[1], np.array([0.025, 0.975])
    wider = special.ndtr(np.sqrt(n_groups / (n_groups - 1)) * special.stdtrit(n_groups - 1, ends))
    same = np.abs(draws - point[:, None]) < intervals.MIN_SPREAD  # equal up to rounding
    below = ((draws < point[:, None]) & ~same).mean(axis=1) + same.mean(axis=1) / 2
    # BCa corrects for bias (shift) and for skewness (acceleration, from leaving out one group)
    shift = special.ndtri(np.clip(below, 0.5 / DRAWS, 1 - 0.5 / DRAWS))[:, None]
    apart = without.mean(axis=1, keepdims=True) - without
    skew = (apart**3).sum(axis=1) / np.maximum(6 * (apart**2).sum(axis=1) ** 1.5, intervals.MIN_SPREAD)
    reach = shift + special.ndtri(ends)
    made = [intervals.compute_draw_interval(*one) or [one[1]] * 2 for one in zip(draws, point, sizes, strict=True)]
    return {
        "percentiles": _compute_quantiles(draws, np.tile(ends, (len(draws), 1))),
        "expanded percentiles": _compute_quantiles(draws, np.tile(wider, (len(draws), 1))),
        "BCa": _compute_quantiles(draws, special.ndtr(shift + reach / (1 - skew[:, None] * reach))),
        STUDENT: tuple(np.array(made).T),
    }


def _compute_quantiles(draws: np.ndarray, shares: np.ndarray) -> Ends:
    """Compute two quantiles of each row of draws by linear interpolation; `shares` [shape=(n, 2)] in [0, 1]."""
    place = shares * (draws.shape[1] - 1)
    below = np.minimum(place.astype(int), draws.shape[1] - 2)
    ranked, rows = np.sort(draws, axis=1), np.arange(len(draws))[:, None]
    quantiles = ranked[rows, below] + (place - below) * (ranked[rows, below + 1] - ranked[rows, below])
    return quantiles[:, 0], quantiles[:, 1]


def _compute_bootstrap_t(right: np.ndarray, sizes: np.ndarray, weights: np.ndarray) -> Ends:
    """Compute the bootstrap-t interval of an accuracy, which measures each draw in its own standard errors."""

    def estimate(count: np.ndarray) -> Ends:
        """Estimate an accuracy and its standard error if groups are taken `count` times."""
        n = sizes @ count.T
        share = right @ count.T / n
        squares = (right**2) @ count.T - 2 * share * ((right * sizes) @ count.T) + share**2 * ((sizes**2) @ count.T)
        return share, np.sqrt(np.maximum(squares, 0)) / n

    (point, error), (share, spread) = estimate(np.ones((1, sizes.shape[1]))), estimate(weights)
    known = spread > intervals.MIN_SPREAD  # a draw with only one distinct group has no standard error
    distance = np.where(known, (share - point) / np.where(known, spread, 1), 0)
    low, high = _compute_quantiles(distance, np.tile([0.025, 0.975], (len(distance), 1)))
    return np.maximum(0, point[:, 0] - high * error[:, 0]), np.minimum(1, point[:, 0] - low * error[:, 0])


def format_table(results: dict[str, Any]) -> str:
    """Format the coverage as a Markdown table with mean, minimum and maximum over the settings."""
    names = list(results["groups"]["8"])
    rows = [f"| interval | {' | '.join(f'{n} groups' for n in results['groups'])} |", "|---" * (len(GROUPS) + 1) + "|"]
    for name in names:
        statistics = _get_cells(results, name)
        cells = [f"{cell['mean']:.3f} ({cell['least']:.3f} to {cell['most']:.3f})" for cell in statistics]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    rows.append("")
    rows.append(
        f"{len(ACCURACIES) * len(CORRELATIONS) * len(KINDS)} settings with {results['replications']} simulated test "
        f"sets each, and {results['draws']} draws. Shown are the mean over settings, the minimum and the maximum."
    )
    return "\n".join(rows)


def _get_cells(results: dict[str, Any], name: str) -> list[dict[str, float]]:
    """Return the statistics of one interval, one per number of groups."""
    return [cells[name] for cells in results["groups"].values()]


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per interval."""
    lines = []
    for name in results["groups"]["8"]:
        cells = zip(results["groups"], _get_cells(results, name), strict=True)
        lines.append(f"{name}: coverage " + ", ".join(f"{cell['mean']:.3f} with {n} groups" for n, cell in cells))
    return lines
