"""Differences: whether two tables of answers to the same examples differ by more than chance.

Files of one group, such as songs of one artist, are no independent witnesses. So whole groups change sides: if two runs
are equally good, each group's difference could as well have had the other sign. Of one class each that is the exact
randomization test of Fisher, "The Design of Experiments" (1935), on how many more files of each group one of the two
gets right. Where every group has one file, it is the exact test of McNemar, "Note on the sampling error of the
difference between correlated proportions or percentages" (Psychometrika, 1947). For several classes at once a paired
bootstrap over groups. Several pairs are corrected after Holm, "A Simple Sequentially Rejective Multiple Test Procedure"
(Scandinavian Journal of Statistics, 1979).
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

RARELY_BY_CHANCE = Message("chance alone would hardly give that, p = {p_value}.")
MAYBE_BY_CHANCE = Message("with so few the difference could be chance, p = {p_value}.")
ONE_GROUP = Message("all of them are of one group, so whether that is chance can't be told.")
RARE = 0.05  # p below which a difference is called more than chance
AT_LEAST = 60  # draws a pair: with fewer, no p could be small enough once it is corrected for all of them
MCNEMAR, SIGN_FLIP, BOOTSTRAP = (
    Message("exact McNemar"),
    Message("exact sign flips of groups"),
    Message("paired bootstrap over groups"),
)


@dataclass(frozen=True)
class PairedComparison:
    """Two runs, compared.

    Attributes
    ----------
    a, b : their names; `difference` and `interval` (95 %, from a bootstrap over groups) are of a less b, None where
        the figure is not defined
    metric : what is compared: the main figure
    only_a, only_b : of how many examples only one of the two is right; None of several classes at once
    test : which gave `p`, the share of chance alone that would give as much, either way: `MCNEMAR`, `SIGN_FLIP` or
        `BOOTSTRAP`
    p_holm : `p`, corrected for the number of pairs; None, as `p`, where nothing can be told
    sentence : what that means
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
    voices: Sequence[PredictionTable],
    said: np.ndarray,
    asked: Sequence[tuple[int, int]],
    kind: str,
    draws: int = N_BOOTSTRAP,
) -> tuple[PairedComparison, ...]:
    """Each of the pairs that are asked for, tested and corrected for how many there are.

    Parameters
    ----------
    names : what the runs are called
    voices : their tables, of the same examples in one order
    said : np.ndarray [shape=(n_runs, n_examples, n_classes)], bool: what each decides
    asked : pairs of places in `names`
    kind : what the examples are, in the plural
    draws : of the bootstrap; more where there are many pairs
    """
    targets, groups = voices[0].targets, voices[0].groups
    draws = max(draws, AT_LEAST * len(asked))
    if voices[0].task == "single":
        right = (said & (targets == 1)[None]).any(axis=2)
        found = [compare_by_counts(names[a], names[b], right[a], right[b], groups) for a, b in asked]
    else:
        weights = draw_weights(groups, 0, draws)
        curves = {
            k: compute_average_precisions(voices[k], weights) for k in sorted({k for pair in asked for k in pair})
        }
        found = [compare_by_draws(names[a], names[b], curves[a] - curves[b], groups) for a, b in asked]
    corrected = correct_holm([pair.p for pair in found])
    found = [replace(pair, p_holm=p) for pair, p in zip(found, corrected, strict=True)]
    describe = describe_counts if voices[0].task == "single" else describe_metric_difference
    return tuple(replace(pair, sentence=describe(pair, kind)) for pair in found)


def compare_by_counts(
    name_a: str, name_b: str, right_a: np.ndarray, right_b: np.ndarray, groups: np.ndarray
) -> PairedComparison:
    """Compare two runs of one class each: a test of whole groups, and the interval of the difference over groups.

    Parameters
    ----------
    right_a, right_b : np.ndarray [shape=(n_examples,)], bool: which examples each gets right
    """
    apart = right_a.astype(int) - right_b
    difference, interval = compute_mean_and_interval(apart, groups, lowest=-1.0)
    only_a, only_b = int((apart > 0).sum()), int((apart < 0).sum())
    leads = count_by_group(groups, apart)
    n, n_groups = len(apart), len(leads)
    test = MCNEMAR if n_groups == n else SIGN_FLIP
    p = compute_flip_p_value(leads) if n_groups > 1 else None  # a single group is a single witness
    return PairedComparison(name_a, name_b, "accuracy", n, n_groups, difference, interval, only_a, only_b, test, p)


def compute_average_precisions(voice: PredictionTable, weights: np.ndarray) -> np.ndarray:
    """The mean average precision as it is, and in each draw: [shape=(1 + n_draws,)]."""
    with np.errstate(invalid="ignore"):  # where no class has an average precision, there is no mean of them
        return average_classes(compute_curve_draws(voice.scores, voice.targets, weights)["average_precision"])


def compare_by_draws(name_a: str, name_b: str, differences: np.ndarray, groups: np.ndarray) -> PairedComparison:
    """Compare two runs of several classes at once.

    Parameters
    ----------
    differences : np.ndarray [shape=(1 + n_draws,)], of what `compute_average_precisions` gives of the same draws
    """
    point, sizes = round_metric(differences[0]), count_by_group(groups)
    drawn = differences[1:][np.isfinite(differences[1:])]
    metric, n, n_groups = MAIN_METRICS["multi"], len(groups), len(sizes)
    interval, p = compute_draw_interval(drawn, point, sizes, -1.0), compute_draw_p_value(drawn)
    return PairedComparison(name_a, name_b, metric, n, n_groups, point, interval, None, None, BOOTSTRAP, p)


def compute_draw_p_value(drawn: np.ndarray) -> float | None:
    """Compute twice the share of draws on the rarer side of no difference, never 0; None without draws."""
    if not len(drawn):
        return None
    rarer = min((drawn <= 0).sum(), (drawn >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(drawn) + 1)))


def compute_flip_p_value(leads: np.ndarray) -> float:
    """Compute the exact, two-sided p of groups that could each have had the other sign; never 0.

    What all ways to flip them give is counted group by group, so no chance is needed however many groups there are.
    With one file a group this is McNemar's test: could a fair coin have fallen so?

    Parameters
    ----------
    leads : np.ndarray [shape=(n_groups,)], whole numbers: on how many more examples of each group one run is right

    >>> compute_flip_p_value(np.array([1, 1, 1, 1, 1]))
    0.0625
    >>> compute_flip_p_value(np.array([3, -1]))
    1.0
    """
    sizes = np.abs(leads).astype(int)
    chances = np.ones(1)  # of each sum, from -n to n
    for size in sizes[sizes > 0]:
        aside = np.zeros(2 * size)
        chances = (np.concatenate([chances, aside]) + np.concatenate([aside, chances])) / 2
    as_far = np.abs(np.arange(len(chances)) - sizes.sum()) >= abs(int(leads.sum()))
    return float(np.clip(chances[as_far].sum(), np.finfo(float).tiny, 1.0))


def correct_holm(found: Sequence[float | None]) -> list[float | None]:
    """Corrected for how many there are, so that one in twenty sets of equal runs shows any difference, not more.

    >>> correct_holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    known = sorted((p, place) for place, p in enumerate(found) if p is not None)
    corrected, highest = list(found), 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest
    return corrected


def describe_counts(pair: PairedComparison, kind: str) -> str:
    """Of one class each, say in plain words on how many more examples one of them is right."""
    lead = (pair.only_a or 0) - (pair.only_b or 0)
    ahead, behind = (pair.a, pair.b) if lead >= 0 else (pair.b, pair.a)
    if lead == 0:
        return Message(
            "{a} and {b} were right on equally many of {n} {kind}: nothing here tells which is better.",
            a=pair.a,
            b=pair.b,
            n=pair.n,
            kind=kind,
        )
    more = Message(
        "{ahead} was right on {lead} more of {n} {kind} than {behind}",
        ahead=ahead,
        lead=abs(lead),
        n=pair.n,
        kind=kind,
        behind=behind,
    )
    if pair.p_holm is None:
        return join_messages([more, ONE_GROUP], "; ")
    return join_messages([more, _describe_p_value(pair.p_holm)], "; ")


def describe_metric_difference(pair: PairedComparison, kind: str) -> str:
    """Of several classes at once, say in plain words by how much one figure is above the other."""
    if pair.difference is None:
        return Message(
            "{a} and {b} can't be compared on these {n} {kind}: no class is present in some and absent "
            "from others, so no average precision is defined.",
            a=pair.a,
            b=pair.b,
            n=pair.n,
            kind=kind,
        )
    if pair.difference == 0:
        return Message(
            "the mean average precision of {a} and {b} is the same on {n} {kind}.",
            a=pair.a,
            b=pair.b,
            n=pair.n,
            kind=kind,
        )
    ahead, behind = (pair.a, pair.b) if pair.difference > 0 else (pair.b, pair.a)
    if pair.p_holm is None:
        return Message(
            "{ahead} and {behind} can't be told apart: all {n} {kind} are of one group, of which nothing "
            "can be drawn again.",
            ahead=ahead,
            behind=behind,
            n=pair.n,
            kind=kind,
        )
    above = Message(
        "the mean average precision of {ahead} is {difference:.3f} above that of {behind} on {n} {kind} in {n_groups} "
        "groups",
        ahead=ahead,
        difference=abs(pair.difference),
        behind=behind,
        n=pair.n,
        kind=kind,
        n_groups=pair.n_groups,
    )
    return join_messages([above, _describe_p_value(pair.p_holm)], "; ")


def _describe_p_value(p: float) -> Message:
    """Say whether a difference may be chance."""
    return Message(RARELY_BY_CHANCE if p < RARE else MAYBE_BY_CHANCE, p_value=format_p_value(p))


def format_p_value(p: float) -> str:
    """A p in two figures, as far as they mean anything."""
    return Message("0.001 or less") if p <= 0.001 else f"{p:.2g}"
