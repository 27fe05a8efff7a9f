"""Test whether two runs differ by more than chance, from their predictions for the same examples.

Files of one group, such as songs of one artist, are not independent, so the tests work on groups. If two runs are
equally good, the difference of each group could as well have the other sign. For a single-label task, this is the exact
randomization test of Fisher, "The Design of Experiments" (1935), on the number of correct files per group. With one
file per group, it is the exact test of McNemar, "Note on the sampling error of the difference between correlated
proportions or percentages" (Psychometrika, 1947). For a multi-label task, it is a paired bootstrap over groups. Several
pairs are corrected as in Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian Journal of
Statistics, 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from musicml.evaluation.bootstrap import average_classes, compute_curve_draws, draw_weights
from musicml.evaluation.intervals import (
    N_BOOTSTRAP,
    compute_draw_interval,
    compute_mean_and_interval,
    count_by_group,
    round_metric,
)
from musicml.evaluation.predictions import PredictionTable
from musicml.experiment import MAIN_METRICS
from musicml.utils import Message, join_messages

SIGNIFICANT = Message("the difference is statistically significant (p = {p:.2g}).")
VERY_SIGNIFICANT = Message("the difference is statistically significant (p ≤ {p:g}).")
NOT_SIGNIFICANT = Message("the difference may be due to chance (p = {p:.2g}).")
ONE_GROUP = Message("all of them belong to one group, so the difference cannot be tested.")
ALPHA = 0.05  # significance level
MIN_P = 0.001  # a smaller p value is given as "p ≤ 0.001": its digits depend on the draws
MIN_DRAWS_PER_PAIR = 60  # with fewer, no corrected p value of many pairs could be below ALPHA
MCNEMAR, SIGN_FLIP, BOOTSTRAP = (
    Message("exact McNemar"),
    Message("exact sign flips of groups"),
    Message("paired bootstrap over groups"),
)


@dataclass(frozen=True)
class PairedComparison:
    """The paired comparison of two runs.

    Attributes
    ----------
    a, b : names of the runs
    difference, interval : of a minus b (95% interval, from a bootstrap over groups); None if not defined
    metric : the main metric
    only_a, only_b : number of examples that only one of them classifies correctly; None for a multi-label task
    test : `MCNEMAR`, `SIGN_FLIP` or `BOOTSTRAP`
    p, p_holm : two-sided p value, and the same corrected for the number of pairs; None if it cannot be tested
    sentence : the result in words
    """

    a: str
    b: str
    metric: str
    n: int
    n_groups: int
    difference: float | None
    interval: list[float] | None
    only_a: int | None
    only_b: int | None
    test: str
    p: float | None
    p_holm: float | None = None
    sentence: str = ""


def compare_pairs(
    names: Sequence[str],
    tables: Sequence[PredictionTable],
    predicted: np.ndarray,
    pairs: Sequence[tuple[int, int]],
    kind: str,
    n_bootstrap: int = N_BOOTSTRAP,
) -> tuple[PairedComparison, ...]:
    """Test pairs of runs, and correct the p values for the number of pairs.

    Parameters
    ----------
    names : names of the runs in sentences
    tables : their predictions, with the same examples in the same order
    predicted : np.ndarray [shape=(n_runs, n_examples, n_classes)], bool
    pairs : positions in `names`
    kind : noun for the examples, in the plural
    n_bootstrap : number of bootstrap draws; raised if there are many pairs
    """
    targets, groups = tables[0].targets, tables[0].groups
    n_bootstrap = max(n_bootstrap, MIN_DRAWS_PER_PAIR * len(pairs))
    if tables[0].task == "single":
        correct = (predicted & (targets == 1)[None]).any(axis=2)  # [shape=(n_runs, n_examples)]
        results = [_compare_counts(names[a], names[b], correct[a], correct[b], groups) for a, b in pairs]
    else:
        weights = draw_weights(groups, 0, n_bootstrap)  # the same draws for all runs, so that they are paired
        places = sorted({place for pair in pairs for place in pair})
        precisions = {place: compute_average_precisions(tables[place], weights) for place in places}
        results = [_compare_draws(names[a], names[b], precisions[a] - precisions[b], groups) for a, b in pairs]
    corrected = correct_holm([result.p for result in results])
    results = [replace(result, p_holm=p) for result, p in zip(results, corrected, strict=True)]
    describe = _describe_counts if tables[0].task == "single" else _describe_metric_difference
    return tuple(replace(result, sentence=describe(result, kind)) for result in results)


def _compare_counts(
    name_a: str, name_b: str, correct_a: np.ndarray, correct_b: np.ndarray, groups: np.ndarray
) -> PairedComparison:
    """Compare two runs of a single-label task with an exact test.

    Parameters
    ----------
    correct_a, correct_b : np.ndarray [shape=(n_examples,)], bool
    """
    differences = correct_a.astype(int) - correct_b  # 1: only a is correct, -1: only b
    difference, interval = compute_mean_and_interval(differences, groups, lowest=-1.0)
    only_a, only_b = int((differences > 0).sum()), int((differences < 0).sum())
    leads = count_by_group(groups, differences)
    n, n_groups = len(differences), len(leads)
    test = MCNEMAR if n_groups == n else SIGN_FLIP  # the same test, known by its own name
    p = compute_flip_p_value(leads) if n_groups > 1 else None  # one group is one observation
    return PairedComparison(name_a, name_b, "accuracy", n, n_groups, difference, interval, only_a, only_b, test, p)


def compute_average_precisions(table: PredictionTable, weights: np.ndarray) -> np.ndarray:
    """Compute the mean average precision on the data itself and in each draw, [shape=(1 + n_draws,)]."""
    with np.errstate(invalid="ignore"):  # NaN if no class has an average precision
        return average_classes(compute_curve_draws(table.scores, table.targets, weights)["average_precision"])


def _compare_draws(name_a: str, name_b: str, differences: np.ndarray, groups: np.ndarray) -> PairedComparison:
    """Compare two runs of a multi-label task with a paired bootstrap.

    Parameters
    ----------
    differences : np.ndarray [shape=(1 + n_draws,)], of `compute_average_precisions` in the same draws
    """
    point, sizes = round_metric(differences[0]), count_by_group(groups)
    draws = differences[1:][np.isfinite(differences[1:])]
    metric, n, n_groups = MAIN_METRICS["multi"], len(groups), len(sizes)
    interval, p = compute_draw_interval(draws, point, sizes, -1.0), compute_draw_p_value(draws)
    return PairedComparison(name_a, name_b, metric, n, n_groups, point, interval, None, None, BOOTSTRAP, p)


def compute_draw_p_value(draws: np.ndarray) -> float | None:
    """Compute a two-sided p value: twice the share of draws on the rarer side of 0; None without draws."""
    if not len(draws):
        return None
    rarer = min((draws <= 0).sum(), (draws >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(draws) + 1)))  # + 1, so that it is never 0


def compute_flip_p_value(leads: np.ndarray) -> float:
    """Compute the exact two-sided p value of a sign-flip test over groups.

    The distribution of the sum over all sign flips is built up group by group, so no random draws are needed. With one
    file per group, this is McNemar's exact test.

    Parameters
    ----------
    leads : np.ndarray [shape=(n_groups,)], whole numbers: how many more examples of each group one run gets correct

    >>> compute_flip_p_value(np.array([1, 1, 1, 1, 1]))
    0.0625
    >>> compute_flip_p_value(np.array([3, -1]))
    1.0
    """
    sizes = np.abs(leads).astype(int)
    probabilities = np.ones(1)  # of each sum, from -n to n
    for size in sizes[sizes > 0]:
        # the sum moves by -size or +size, each with probability 1/2
        padding = np.zeros(2 * size)
        probabilities = (np.concatenate([probabilities, padding]) + np.concatenate([padding, probabilities])) / 2
    is_as_extreme = np.abs(np.arange(len(probabilities)) - sizes.sum()) >= abs(int(leads.sum()))
    return float(np.clip(probabilities[is_as_extreme].sum(), np.finfo(float).tiny, 1.0))


def correct_holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p values for multiple tests with Holm's method, which controls the family-wise error rate.

    >>> correct_holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected, highest = list(p_values), 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest  # never below that of a smaller p value
    return corrected


def _describe_counts(pair: PairedComparison, kind: str) -> str:
    """Describe the comparison of two runs of a single-label task in words."""
    lead = (pair.only_a or 0) - (pair.only_b or 0)
    ahead, behind = (pair.a, pair.b) if lead >= 0 else (pair.b, pair.a)
    if lead == 0:
        return Message(
            "{a} and {b} classified equally many of {n} {kind} correctly.", a=pair.a, b=pair.b, n=pair.n, kind=kind
        )
    more = Message(
        "{ahead} classified {lead} more of {n} {kind} correctly than {behind}",
        ahead=ahead,
        lead=abs(lead),
        n=pair.n,
        kind=kind,
        behind=behind,
    )
    if pair.p_holm is None:
        return join_messages([more, ONE_GROUP], "; ")
    return join_messages([more, _describe_p_value(pair.p_holm)], "; ")


def _describe_metric_difference(pair: PairedComparison, kind: str) -> str:
    """Describe the comparison of two runs of a multi-label task in words."""
    if pair.difference is None:
        return Message(
            "{a} and {b} cannot be compared on these {n} {kind}: no class has both positive and negative examples, so "
            "average precision is not defined.",
            a=pair.a,
            b=pair.b,
            n=pair.n,
            kind=kind,
        )
    if pair.difference == 0:
        return Message(
            "{a} and {b} have the same mean average precision on {n} {kind}.", a=pair.a, b=pair.b, n=pair.n, kind=kind
        )
    ahead, behind = (pair.a, pair.b) if pair.difference > 0 else (pair.b, pair.a)
    if pair.p_holm is None:
        return Message(
            "The difference between {ahead} and {behind} cannot be tested: all {n} {kind} belong to one group.",
            ahead=ahead,
            behind=behind,
            n=pair.n,
            kind=kind,
        )
    above = Message(
        "{ahead} has a mean average precision {difference:.3f} higher than {behind} on {n} {kind} in {n_groups} groups",
        ahead=ahead,
        difference=abs(pair.difference),
        behind=behind,
        n=pair.n,
        kind=kind,
        n_groups=pair.n_groups,
    )
    return join_messages([above, _describe_p_value(pair.p_holm)], "; ")


def _describe_p_value(p: float) -> Message:
    """State whether a difference is significant."""
    if p <= MIN_P:
        return Message(VERY_SIGNIFICANT, p=MIN_P)
    return Message(SIGNIFICANT if p < ALPHA else NOT_SIGNIFICANT, p=p)
