"""How often 95 % intervals hold the truth, by simulation: with few and many groups, by several kinds of interval.

A simulated classifier of four classes is right in a file with a chance that its group has drawn from a beta
distribution; a wrong answer is any other class. Groups have unequal sizes (log-normal, eight files on average) and are
either of one class each, as artists of one genre, or hold all of them. Accuracy and macro F1 are then the mean of the
beta distribution, which each interval should hold.

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
N_CLASSES, FILES, SPREAD = 4, 8, 0.8  # classes; files a group, and the deviation of their logarithm
REPLICATIONS, DRAWS, TOGETHER = 2000, 500, 50
METRICS = ("accuracy", "macro F1")
STUDENT = "log-odds t"  # of reports, there named `log_odds_t`
Ends = tuple[np.ndarray, np.ndarray]


def measure(replications: int = REPLICATIONS) -> dict[str, Any]:
    """The coverage of each kind of interval in the cells of the simulation, for each number of groups."""
    rng, found = np.random.default_rng(0), {}
    for n_groups in GROUPS:
        cells = [
            simulate(n_groups, accuracy, correlation, kind, replications, rng)
            for kind, correlation, accuracy in product(KINDS, CORRELATIONS, ACCURACIES)
        ]
        found[str(n_groups)] = {name: summarize([cell[name] for cell in cells]) for name in cells[0]}
    return {"replications": replications, "draws": DRAWS, "groups": found}


def summarize(cells: list[tuple[float, float]]) -> dict[str, float]:
    """Mean, least and most of the cells' coverage, and the mean width."""
    held, widths = zip(*cells, strict=True)
    named = {"mean": np.mean(held), "least": min(held), "most": max(held), "width": np.mean(widths)}
    return {name: round(float(value), 4) for name, value in named.items()}


def simulate(
    n_groups: int, accuracy: float, correlation: float, kind: str, replications: int, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """`metric, kind of interval` → how often it held the truth, and how wide it was on average."""
    held: dict[str, list[np.ndarray]] = {}
    for _ in range(0, replications, TOGETHER):
        weights = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=DRAWS).astype(float)
        counts = draw_counts(n_groups, accuracy, correlation, kind, rng)
        sizes = counts.sum(axis=(2, 3))
        points, drawn = compute_metrics(counts.sum(axis=1)), compute_metrics(np.tensordot(weights, counts, (1, 1)))
        left_out = compute_metrics(counts.sum(axis=1, keepdims=True) - counts)
        for metric, point, draws, without in zip(METRICS, points, drawn, left_out, strict=True):
            ways = find_intervals(point, draws.T, without, sizes)
            if metric == "accuracy":
                ways["bootstrap-t"] = find_studentized(np.trace(counts, axis1=2, axis2=3), sizes, weights)
            for way, (low, high) in ways.items():
                rows = np.stack([(low <= accuracy) & (accuracy <= high), high - low])
                held.setdefault(f"{metric}, {way}", []).append(rows)
    return {name: tuple(np.concatenate(rows, axis=1).mean(axis=1).tolist()) for name, rows in held.items()}


def draw_counts(n_groups: int, accuracy: float, correlation: float, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Confusion matrices of the groups of some data sets, [shape=(TOGETHER, n_groups, N_CLASSES, N_CLASSES)]."""
    shape, scale = (TOGETHER, n_groups), (1 - correlation) / correlation
    sizes = np.maximum(1, rng.lognormal(np.log(FILES) - SPREAD**2 / 2, SPREAD, shape).round().astype(int))
    right = rng.beta(accuracy * scale, (1 - accuracy) * scale, shape)[..., None]
    own = np.eye(N_CLASSES)[np.arange(n_groups) % N_CLASSES]
    shares = np.broadcast_to(own if kind == "of one class" else 1 / N_CLASSES, (*shape, N_CLASSES))
    of_class = rng.multinomial(sizes, shares)
    said = [
        rng.multinomial(of_class[..., k], np.where(np.arange(N_CLASSES) == k, right, (1 - right) / (N_CLASSES - 1)))
        for k in range(N_CLASSES)
    ]
    return np.stack(said, axis=2).astype(float)


def compute_metrics(counts: np.ndarray) -> Ends:
    """Accuracy and macro F1 of confusion matrices, [shape=(..., N_CLASSES, N_CLASSES)]."""
    right, present, answered = np.einsum("...kk->...k", counts), counts.sum(axis=-1), counts.sum(axis=-2)
    f1 = np.where(present > 0, 2 * right / np.maximum(answered + present, 1), 0)
    n_present = np.maximum((present > 0).sum(axis=-1), 1)
    return right.sum(axis=-1) / np.maximum(present.sum(axis=-1), 1), f1.sum(axis=-1) / n_present


def find_intervals(point: np.ndarray, draws: np.ndarray, without: np.ndarray, sizes: np.ndarray) -> dict[str, Ends]:
    """The ends of each kind of interval.

    Parameters
    ----------
    point : np.ndarray [shape=(n,)], the figure of each data set
    draws : np.ndarray [shape=(n, n_draws)]
    without : np.ndarray [shape=(n, n_groups)], the figure without one of the groups
    sizes : np.ndarray [shape=(n, n_groups)]
    """
    n_groups, ends = sizes.shape[1], np.array([0.025, 0.975])
    wider = special.ndtr(np.sqrt(n_groups / (n_groups - 1)) * special.stdtrit(n_groups - 1, ends))
    same = np.abs(draws - point[:, None]) < intervals.SAME
    below = ((draws < point[:, None]) & ~same).mean(axis=1) + same.mean(axis=1) / 2
    shift = special.ndtri(np.clip(below, 0.5 / DRAWS, 1 - 0.5 / DRAWS))[:, None]
    apart = without.mean(axis=1, keepdims=True) - without
    skew = (apart**3).sum(axis=1) / np.maximum(6 * (apart**2).sum(axis=1) ** 1.5, intervals.SAME)
    reach = shift + special.ndtri(ends)
    made = [intervals.compute_draw_interval(*one) or [one[1]] * 2 for one in zip(draws, point, sizes, strict=True)]
    return {
        "percentiles": pick(draws, np.tile(ends, (len(draws), 1))),
        "expanded percentiles": pick(draws, np.tile(wider, (len(draws), 1))),
        "BCa": pick(draws, special.ndtr(shift + reach / (1 - skew[:, None] * reach))),
        STUDENT: tuple(np.array(made).T),
    }


def pick(draws: np.ndarray, shares: np.ndarray) -> Ends:
    """Quantiles of each row's draws, [shape=(n,)] twice; `shares` [shape=(n, 2)]."""
    place = shares * (draws.shape[1] - 1)
    whole = np.minimum(place.astype(int), draws.shape[1] - 2)
    ranked, rows = np.sort(draws, axis=1), np.arange(len(draws))[:, None]
    found = ranked[rows, whole] + (place - whole) * (ranked[rows, whole + 1] - ranked[rows, whole])
    return found[:, 0], found[:, 1]


def find_studentized(right: np.ndarray, sizes: np.ndarray, weights: np.ndarray) -> Ends:
    """The bootstrap-t interval of an accuracy: each draw's distance in its own standard errors."""

    def estimate(count: np.ndarray) -> Ends:
        n = sizes @ count.T
        share = right @ count.T / n
        squares = (right**2) @ count.T - 2 * share * ((right * sizes) @ count.T) + share**2 * ((sizes**2) @ count.T)
        return share, np.sqrt(np.maximum(squares, 0)) / n

    (point, error), (share, spread) = estimate(np.ones((1, sizes.shape[1]))), estimate(weights)
    known = spread > intervals.SAME  # a draw of one group alone has no standard error
    distance = np.where(known, (share - point) / np.where(known, spread, 1), 0)
    low, high = pick(distance, np.tile([0.025, 0.975], (len(distance), 1)))
    return np.maximum(0, point[:, 0] - high * error[:, 0]), np.minimum(1, point[:, 0] - low * error[:, 0])


def table(found: dict[str, Any]) -> str:
    """The coverage as a table in Markdown: mean, least and most of the cells."""
    names = list(found["groups"]["8"])
    rows = [f"| interval | {' | '.join(f'{n} groups' for n in found['groups'])} |", "|---" * (len(GROUPS) + 1) + "|"]
    for name in names:
        cells = [f"{one['mean']:.3f} ({one['least']:.3f} to {one['most']:.3f})" for one in take(found, name)]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    rows.append("")
    rows.append(
        f"{len(ACCURACIES) * len(CORRELATIONS) * len(KINDS)} cells of {found['replications']} data sets for each "
        f"number of groups, {found['draws']} draws. The mean over cells, and the least and the most of them."
    )
    return "\n".join(rows)


def take(found: dict[str, Any], name: str) -> list[dict[str, float]]:
    """One row of the table."""
    return [by_name[name] for by_name in found["groups"].values()]


def lines(found: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    return [
        f"{name}: "
        + ", ".join(f"{one['mean']:.3f} with {n}" for n, one in zip(found["groups"], take(found, name), strict=True))
        for name in found["groups"]["8"]
    ]
