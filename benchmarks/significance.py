"""Measure by simulation how often tests call equal runs different (false positives), and unequal ones (power).

A run is correct on a file if a normal variable is below a limit. Files of a group share part of its variance, as songs
by one artist do. This part is the correlation of errors. All runs share half of each part, since files that are hard
for one run are hard for others. Groups have unequal sizes (log-normal, eight files on average). If a difference is
simulated, only the first run is better. P-values are corrected after Holm.
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
ACCURACY, SHARED_VARIANCE = 0.7, 0.5  # accuracy of equal runs; the part of the variance that all runs share
MEAN_FILES, LOG_STD = 8, 0.8  # files per group: their mean, and the standard deviation of their logarithm
REPLICATIONS, BATCH_SIZE, DRAWS, DRAWS_SEVERAL = 2000, 100, 200, 100  # DRAWS_SEVERAL: with several classes per file
CLASSES, SEPARATION = 4, 1.5  # with several classes per file; distance of the scores of present and absent classes
MCNEMAR, BOTH, FLIPS = "McNemar", "McNemar and the interval over groups", "sign flips of groups"


def measure(replications: int = REPLICATIONS) -> dict[str, Any]:
    """Measure, for each setting, the share of simulations in which each test calls runs different."""
    rng = np.random.default_rng(0)
    single = [
        {
            "groups": n_groups,
            "runs": n_runs,
            "correlation": correlation,
            "difference": difference,
            "called_different": _simulate(n_groups, n_runs, correlation, difference, replications, rng),
        }
        for n_groups, n_runs, correlation, difference in product(GROUPS, RUNS, CORRELATIONS, DIFFERENCES)
    ]
    several = [
        {
            "groups": GROUPS[0],
            "runs": 2,
            "correlation": correlation,
            "called_different": _simulate_several(GROUPS[0], correlation, replications, rng),
        }
        for correlation in CORRELATIONS
    ]
    return {"replications": replications, "draws": DRAWS_SEVERAL, "single": single, "several": several}


def _draw_sizes(n_groups: int) -> np.ndarray:
    """Draw the number of files of each group, always the same for one number of groups."""
    # with the mean MEAN_FILES
    drawn = np.random.default_rng(n_groups).lognormal(np.log(MEAN_FILES) - LOG_STD**2 / 2, LOG_STD, n_groups)
    return np.maximum(1, drawn.round().astype(int))


def _draw_errors(group_of: np.ndarray, n_runs: int, correlation: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw normal variables that are correlated within groups and between runs, [shape=(n_runs, n_files, n)]."""

    def draw(places: int) -> np.ndarray:
        """Draw normal variables that are correlated between runs."""
        own, common = rng.standard_normal((n_runs, places, n)), rng.standard_normal((1, places, n))
        return np.sqrt(SHARED_VARIANCE) * common + np.sqrt(1 - SHARED_VARIANCE) * own

    of_group = draw(group_of.max() + 1)[:, group_of]
    return np.sqrt(correlation) * of_group + np.sqrt(1 - correlation) * draw(len(group_of))


def _simulate(
    n_groups: int, n_runs: int, correlation: float, difference: float, replications: int, rng: np.random.Generator
) -> dict[str, float]:
    """Return each test's share of simulations in which it calls runs different.

    With a difference, only the first two runs count. Without one, any two runs do.
    """
    sizes = _draw_sizes(n_groups)
    group_of, normal = np.repeat(np.arange(n_groups), sizes), NormalDist()
    limits = [normal.inv_cdf(ACCURACY + difference), *[normal.inv_cdf(ACCURACY)] * (n_runs - 1)]
    weights = draw_groups(np.arange(n_groups), 0, DRAWS)
    assert weights is not None, "draws need several groups"
    called = dict.fromkeys((MCNEMAR, BOTH, FLIPS), 0)  # test → number of simulations
    starts = np.cumsum(sizes) - sizes
    pairs = slice(1 if difference else None)  # only the pair of the first two runs, or all pairs
    for _ in range(0, replications, BATCH_SIZE):
        errors = _draw_errors(group_of, n_runs, correlation, BATCH_SIZE, rng)
        right = (errors < np.array(limits)[:, None, None]).astype(int)
        apart = np.stack([right[a] - right[b] for a, b in combinations(range(n_runs), 2)])
        leads = np.add.reduceat(apart, starts, axis=1)  # [shape=(n_pairs, n_groups, BATCH_SIZE)]
        only_a, only_b = (apart > 0).sum(axis=1), (apart < 0).sum(axis=1)
        # McNemar's exact test
        by_file = np.minimum(1, 2 * stats.binom.cdf(np.minimum(only_a, only_b), only_a + only_b, 0.5))
        by_group = np.array([[significance.compute_flip_p_value(one) for one in pair.T] for pair in leads])
        low, high = np.percentile(np.tensordot(weights, leads, (1, 1)), (2.5, 97.5), axis=0)
        plain, flipped = (
            np.apply_along_axis(_correct_p_values, 0, p) < significance.ALPHA for p in (by_file, by_group)
        )
        called[MCNEMAR] += int(plain[pairs].any(axis=0).sum())
        called[BOTH] += int((plain & ~((low <= 0) & (high >= 0)))[pairs].any(axis=0).sum())
        called[FLIPS] += int(flipped[pairs].any(axis=0).sum())
    return {name: n / replications for name, n in called.items()}


def _correct_p_values(p: np.ndarray) -> np.ndarray:
    """Correct the p-values of one simulation after Holm."""
    return np.array(significance.correct_holm(p.tolist()))


def _simulate_several(
    n_groups: int, correlation: float, replications: int, rng: np.random.Generator
) -> dict[str, float]:
    """Return the share of simulations that call two equal runs different, with several classes per file."""
    sizes = _draw_sizes(n_groups)
    group_of = np.repeat(np.arange(n_groups), sizes)
    names = np.arange(len(group_of)).astype(str).astype(object)
    weights = draw_groups(group_of, 0, DRAWS_SEVERAL)
    called = 0
    for _ in range(replications):
        # each class is present in 30% of the files
        targets = (rng.random((len(group_of), CLASSES)) < 0.3).astype(float)
        errors = _draw_errors(group_of, 2, correlation, CLASSES, rng)
        one, other = (
            PredictionTable(names, group_of.astype(str), tuple("abcd"), SEPARATION * targets + noise, targets, "multi")
            for noise in errors
        )
        curves = [significance.compute_average_precisions(table, weights) for table in (one, other)]
        p = significance.compute_draw_p_value((curves[0] - curves[1])[1:])
        called += p is not None and p < significance.ALPHA
    return {significance.BOOTSTRAP: called / replications}


def format_table(results: dict[str, Any]) -> str:
    """Format both Markdown tables: for one class per file, and for several."""
    tests = list(results["single"][0]["called_different"])
    rows = [
        # three numbers per cell: false positives, and power for a difference of 5 and 10 points
        f"| groups | runs | correlation | {' | '.join(f'{name}: equal, 5, 10 points' for name in tests)} |",
        "|---" * (3 + len(tests)) + "|",
    ]
    for n_groups, n_runs, correlation in product(GROUPS, RUNS, CORRELATIONS):
        cells = [cell for cell in results["single"] if _has_settings(cell, n_groups, n_runs, correlation)]
        shares = [", ".join(f"{cell['called_different'][name]:.3f}" for cell in cells) for name in tests]
        rows.append(f"| {n_groups} | {n_runs} | {correlation:g} | {' | '.join(shares)} |")
    tests = list(results["several"][0]["called_different"])
    rows += ["", f"| groups | runs with several classes per file | correlation | {' | '.join(tests)} |"]
    rows.append("|---" * (3 + len(tests)) + "|")
    for cell in results["several"]:
        shares = [f"{cell['called_different'][name]:.3f}" for name in tests]
        rows.append(f"| {cell['groups']} | {cell['runs']} | {cell['correlation']:g} | {' | '.join(shares)} |")
    draws = f"with several classes per file, {results['draws']} draws each"
    rows += ["", f"{results['replications']} simulations per cell; {draws}."]
    return "\n".join(rows)


def _has_settings(cell: dict[str, Any], n_groups: int, n_runs: int, correlation: float) -> bool:
    """Return whether a cell has these settings."""
    return (cell["groups"], cell["runs"], cell["correlation"]) == (n_groups, n_runs, correlation)


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per setting."""
    return [
        f"{cell['groups']} groups, {cell['runs']} runs, correlation {cell['correlation']:g}, difference "
        f"{cell.get('difference', 0):g}: called different in "
        + ", ".join(f"{share:.3f} ({name})" for name, share in cell["called_different"].items())
        for cell in [*results["single"], *results["several"]]
    ]
