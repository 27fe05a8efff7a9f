"""How often equal runs are called different, and unequal ones told apart, by simulation of grouped test data.

A run is right in a file where a normal variable lies below a limit. Part of its variance is shared by the files of a
group (the correlation of errors in a group, as of songs by one artist), and half of each part by all runs, since what
is hard for one run is hard for another. Groups have unequal sizes (log-normal, eight files on average). Of four runs
the first is better where a difference is simulated, and p is corrected after Holm.
"""

from __future__ import annotations

from itertools import combinations, product
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy import stats

from musicml.evaluation import PredictionTable
from musicml.evaluation.bootstrap import draw_groups
from musicml.evaluation.comparison import significance

GROUPS, RUNS, CORRELATIONS, DIFFERENCES = (29, 100), (2, 4), (0.0, 0.5, 0.8), (0.0, 0.05, 0.1)
ACCURACY, SHARED = 0.7, 0.5  # of the equal runs; the part of the variance that runs share
FILES, SPREAD = 8, 0.8  # of a group, on average, and the deviation of their logarithm
REPLICATIONS, TOGETHER, DRAWS, FEWER = 2000, 100, 200, 100
CLASSES, SURENESS = 4, 1.5  # of several classes at once; how far apart scores of what is there and what is not lie
MCNEMAR, BOTH, FLIPS = "McNemar", "McNemar and the interval over groups", "sign flips of groups"


def measure(replications: int = REPLICATIONS) -> dict[str, Any]:
    """Of each cell, the share of simulations in which each test calls runs different."""
    rng = np.random.default_rng(0)
    single = [
        {
            "groups": n_groups,
            "runs": n_runs,
            "correlation": correlation,
            "difference": difference,
            "called_different": simulate(n_groups, n_runs, correlation, difference, replications, rng),
        }
        for n_groups, n_runs, correlation, difference in product(GROUPS, RUNS, CORRELATIONS, DIFFERENCES)
    ]
    several = [
        {
            "groups": GROUPS[0],
            "runs": 2,
            "correlation": correlation,
            "called_different": simulate_several(GROUPS[0], correlation, replications, rng),
        }
        for correlation in CORRELATIONS
    ]
    return {"replications": replications, "draws": FEWER, "single": single, "several": several}


def draw_sizes(n_groups: int) -> np.ndarray:
    """Unequal numbers of files, one a group."""
    drawn = np.random.default_rng(n_groups).lognormal(np.log(FILES) - SPREAD**2 / 2, SPREAD, n_groups)
    return np.maximum(1, drawn.round().astype(int))


def draw_errors(group_of: np.ndarray, n_runs: int, correlation: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Normal variables that groups and runs share in part, [shape=(n_runs, n_files, n)]."""

    def draw(places: int) -> np.ndarray:
        own, common = rng.standard_normal((n_runs, places, n)), rng.standard_normal((1, places, n))
        return np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own

    of_group = draw(group_of.max() + 1)[:, group_of]
    return np.sqrt(correlation) * of_group + np.sqrt(1 - correlation) * draw(len(group_of))


def simulate(
    n_groups: int, n_runs: int, correlation: float, difference: float, replications: int, rng: np.random.Generator
) -> dict[str, float]:
    """The share in which any two runs are called different; where they are, in which the first and second are."""
    sizes = draw_sizes(n_groups)
    group_of, normal = np.repeat(np.arange(n_groups), sizes), NormalDist()
    limits = [normal.inv_cdf(ACCURACY + difference), *[normal.inv_cdf(ACCURACY)] * (n_runs - 1)]
    weights = draw_groups(np.arange(n_groups), 0, DRAWS)
    assert weights is not None, "there are several groups"
    called = dict.fromkeys((MCNEMAR, BOTH, FLIPS), 0)
    starts = np.cumsum(sizes) - sizes
    asked = slice(1 if difference else None)  # the pair of the first two, or all
    for _ in range(0, replications, TOGETHER):
        errors = draw_errors(group_of, n_runs, correlation, TOGETHER, rng)
        right = (errors < np.array(limits)[:, None, None]).astype(int)
        apart = np.stack([right[a] - right[b] for a, b in combinations(range(n_runs), 2)])
        leads = np.add.reduceat(apart, starts, axis=1)  # [shape=(n_pairs, n_groups, TOGETHER)]
        only_a, only_b = (apart > 0).sum(axis=1), (apart < 0).sum(axis=1)
        by_file = np.minimum(1, 2 * stats.binom.cdf(np.minimum(only_a, only_b), only_a + only_b, 0.5))
        by_group = np.array([[significance.compute_flip_p_value(one) for one in pair.T] for pair in leads])
        low, high = np.percentile(np.tensordot(weights, leads, (1, 1)), (2.5, 97.5), axis=0)
        plain, flipped = (np.apply_along_axis(correct, 0, p) < significance.ALPHA for p in (by_file, by_group))
        called[MCNEMAR] += int(plain[asked].any(axis=0).sum())
        called[BOTH] += int((plain & ~((low <= 0) & (high >= 0)))[asked].any(axis=0).sum())
        called[FLIPS] += int(flipped[asked].any(axis=0).sum())
    return {name: n / replications for name, n in called.items()}


def correct(p: np.ndarray) -> np.ndarray:
    """Each p of one simulation, after Holm."""
    return np.array(significance.correct_holm(p.tolist()))


def simulate_several(
    n_groups: int, correlation: float, replications: int, rng: np.random.Generator
) -> dict[str, float]:
    """The share in which two equal runs of several classes at once are called different."""
    sizes = draw_sizes(n_groups)
    group_of = np.repeat(np.arange(n_groups), sizes)
    names = np.arange(len(group_of)).astype(str).astype(object)
    weights = draw_groups(group_of, 0, FEWER)
    called = 0
    for _ in range(replications):
        targets = (rng.random((len(group_of), CLASSES)) < 0.3).astype(float)
        errors = draw_errors(group_of, 2, correlation, CLASSES, rng)
        one, other = (
            PredictionTable(names, group_of.astype(str), tuple("abcd"), SURENESS * targets + noise, targets, "multi")
            for noise in errors
        )
        curves = [significance.compute_average_precisions(table, weights) for table in (one, other)]
        p = significance.compute_draw_p_value((curves[0] - curves[1])[1:])
        called += p is not None and p < significance.ALPHA
    return {significance.BOOTSTRAP: called / replications}


def table(found: dict[str, Any]) -> str:
    """Both tables in Markdown."""
    tests = list(found["single"][0]["called_different"])
    rows = [
        f"| groups | runs | correlation | {' | '.join(f'{name}: equal, 5, 10 points' for name in tests)} |",
        "|---" * (3 + len(tests)) + "|",
    ]
    for n_groups, n_runs, correlation in product(GROUPS, RUNS, CORRELATIONS):
        cells = [one for one in found["single"] if is_of(one, n_groups, n_runs, correlation)]
        shares = [", ".join(f"{one['called_different'][name]:.3f}" for one in cells) for name in tests]
        rows.append(f"| {n_groups} | {n_runs} | {correlation:g} | {' | '.join(shares)} |")
    tests = list(found["several"][0]["called_different"])
    rows += ["", f"| groups | runs of several classes at once | correlation | {' | '.join(tests)} |"]
    rows.append("|---" * (3 + len(tests)) + "|")
    for one in found["several"]:
        shares = [f"{one['called_different'][name]:.3f}" for name in tests]
        rows.append(f"| {one['groups']} | {one['runs']} | {one['correlation']:g} | {' | '.join(shares)} |")
    rows += ["", f"{found['replications']} simulations a cell, of several classes at once with {found['draws']} draws."]
    return "\n".join(rows)


def is_of(one: dict[str, Any], n_groups: int, n_runs: int, correlation: float) -> bool:
    """Whether a cell is of these settings."""
    return (one["groups"], one["runs"], one["correlation"]) == (n_groups, n_runs, correlation)


def lines(found: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    return [
        f"{one['groups']} groups, {one['runs']} runs, correlation {one['correlation']:g}, difference "
        f"{one.get('difference', 0):g}: called different in "
        + ", ".join(f"{share:.3f} ({name})" for name, share in one["called_different"].items())
        for one in [*found["single"], *found["several"]]
    ]
