"""Describe the replication of a published result in sentences: its flaw, and what the honest run gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from musicml.data import Reference
from musicml.evaluation import metrics
from musicml.evaluation.as_published import IntervalEstimate
from musicml.utils import Message

if TYPE_CHECKING:
    from musicml.evaluation.replication import Replication
    from musicml.experiment import PublishedOptions

REPLICATION_NAMES = {
    **metrics.METRIC_NAMES,
    "weighted_precision": Message("precision, weighted"),
    "weighted_recall": Message("recall, weighted"),
}


@dataclass(frozen=True)
class ReplicationRow:
    """One metric: as published (a share, or the lowest and highest), replicated, and honest; None if not available."""

    metric: str
    published: float | tuple[float, float] | None
    published_interval: tuple[float, float] | None
    replayed: IntervalEstimate | None
    honest: IntervalEstimate | None


def write_sentences(replication: Replication, fault: str, reference: Reference, n_classes: int) -> list[str]:
    """Write what is wrong with a published result, and what the honest run gives."""
    row = replication.rows[0]  # the main metric
    name = REPLICATION_NAMES.get(row.metric, row.metric)
    both = Message(
        "With the published protocol, {name} is {published}. With the honest protocol, it is {honest}.",
        name=name,
        published=format_estimate(row.replayed),
        honest=format_estimate(row.honest),
    )
    sentences = [fault, both, write_verdict(row)]
    if reference.interval is not None and reference.n_test:
        low, high = reference.interval
        sentences.append(
            Message(
                "The published accuracy comes from {n_test} test files, so its 95% confidence interval is {low:.1f} "
                "to {high:.1f}%.",
                n_test=reference.n_test,
                low=100 * low,
                high=100 * high,
            )
        )
    if replication.sides[1].startswith(Message("out of fold")):  # the honest run is a cross-validation
        sentences += compare_widths(row)
    served = replication.as_served or {}  # keys of report.json
    if "softmax_twice" in served:
        sentences.append(explain_softmax(served["softmax_twice"], n_classes))
    if "first_second" in served:
        sentences.append(_explain_first_second(served["first_second"]))
    if "ceiling" in served:
        sentences += _explain_labels(served["ceiling"], row)
    if "cells" in served:
        sentences += explain_cells(served["cells"])
    return sentences


def list_differences(published: PublishedOptions, seconds: float) -> list[str]:
    """List how the two runs differ from the published system and from the honest experiment.

    Parameters
    ----------
    published : the `[published]` table of the recipe
    seconds : length of its clips
    """
    sentences: list[str] = [Message("The pieces are {seconds:g} s long.", seconds=seconds)] if published.pieces else []
    if published.changes:
        changes = ", ".join(published.changes)
        sentences.append(
            Message("The honest run is {honest} with {changes}.", honest=published.honest, changes=changes)
        )
    return sentences


def format_estimate(estimate: IntervalEstimate | None) -> str:
    """Format a metric with its interval."""
    if estimate is None or estimate.value is None:
        return Message("not defined")
    if not estimate.interval:
        return Message("{value:.3f}", value=estimate.value)
    low, high = estimate.interval
    return Message("{value:.3f} ({low:.3f} to {high:.3f})", value=estimate.value, low=low, high=high)


def write_verdict(row: ReplicationRow) -> str:
    """Write what the difference between the protocols means."""
    replicated, honest = (estimate.value if estimate else None for estimate in (row.replayed, row.honest))
    if replicated is None or honest is None:
        return Message("The two protocols cannot be compared, because one result is not defined.")
    difference = round(replicated - honest, 3)  # rounded as it is shown
    is_separate, size = _has_separate_intervals(row), abs(difference)
    if difference > 0:
        if is_separate:
            return Message(
                "The published protocol is too optimistic by {size:.3f}, and the intervals do not overlap.", size=size
            )
        return Message(
            "The published protocol gives a result {size:.3f} higher. The intervals overlap, so part of it may be due "
            "to chance.",
            size=size,
        )
    if difference == 0:
        return Message("On this data, both protocols give the same result. The published protocol is still flawed.")
    if is_separate:
        return Message(
            "On this data, the published protocol is not optimistic: its result is {size:.3f} lower, and the intervals "
            "do not overlap. The protocol is still flawed.",
            size=size,
        )
    return Message(
        "On this data, the published protocol gives a result {size:.3f} lower. The intervals overlap, so this may be "
        "due to chance. The protocol is still flawed.",
        size=size,
    )


def _has_separate_intervals(row: ReplicationRow) -> bool:
    """Return whether the intervals of the replicated and the honest result do not overlap."""
    first, second = (estimate.interval if estimate else None for estimate in (row.replayed, row.honest))
    return bool(first and second and (first[0] > second[1] or second[0] > first[1]))  # one ends before the other begins


def compare_widths(row: ReplicationRow) -> list[str]:
    """Compare the interval of a small test split with that of a cross-validation, which scores every file."""
    first, second = (estimate.interval if estimate else None for estimate in (row.replayed, row.honest))
    if not first or not second:
        return []
    wide, narrow = (100 * (high - low) for low, high in (first, second))  # in percentage points
    return [
        Message(
            "The interval of the replicated result is {wide:.1f} points wide. With cross-validation, which scores "
            "every file, it is {narrow:.1f} points wide.",
            wide=wide,
            narrow=narrow,
        )
    ]


def explain_softmax(served: dict[str, Any], n_classes: int) -> str:
    """Describe the probabilities of an app that applies softmax twice."""
    return Message(
        "The published app could show at most {most_possible:.1f}% for any of {n_classes} classes. It showed "
        "{mean:.1f}% on average and {highest:.1f}% at most, while {accuracy:.1f}% of its predictions were correct.",
        most_possible=100 * served["most_possible"],
        n_classes=n_classes,
        mean=100 * served["mean"],
        highest=100 * served["highest"],
        accuracy=100 * served["accuracy"],
    )


def _explain_first_second(served: dict[str, Any]) -> str:
    """Describe the accuracy of an app that uses only the first second of a track."""
    if not served["n"]:
        return Message("The published app could not be tested: the start of every track was in the training data.")
    second = format_estimate(IntervalEstimate(served["accuracy"], served["accuracy_interval"]))
    full = format_estimate(IntervalEstimate(served["accuracy_of_all"], served["accuracy_of_all_interval"]))
    is_enough = served["accuracy"] >= served["accuracy_of_all"]  # as accurate as on the whole excerpt
    return Message(SECOND_IS_ENOUGH if is_enough else SECOND_IS_WORSE, n=served["n"], second=second, full=full)


SECOND_IS_WORSE = Message(
    "The published app uses only the first second of a track. On {n} tracks, its accuracy is {second}. On the same "
    "tracks as scored, it is {full}."
)
SECOND_IS_ENOUGH = Message(
    "The published app uses only the first second of a track. On {n} tracks, its accuracy is {second}. On the same "
    "tracks as scored, it is {full}, so on this data a second is enough."
)


def _explain_labels(served: dict[str, Any], row: ReplicationRow) -> list[str]:
    """Describe the upper bound that contradictory labels set."""
    sentences: list[str] = [
        Message(
            "{contradictory} of the {n} rows of the training table have contradictory labels. Over all rows, no model "
            "can exceed a macro ROC-AUC of {macro_auc:.3f} or an accuracy of {accuracy:.3f}. On a small test split, it "
            "may by chance.",
            contradictory=served["contradictory"],
            n=served["n"],
            macro_auc=served["macro_auc"],
            accuracy=served["accuracy"],
        )
    ]
    if row.honest and row.honest.interval and row.honest.interval[0] > served["macro_auc"]:
        sentences.append(Message("The whole interval of the honest result is above that upper bound."))
    return sentences


def explain_cells(served: dict[str, Any]) -> list[str]:
    """Describe a model that always predicts `present`, with published and with true labels."""
    always, model = served["all_present"], served["model"]  # a trivial baseline, and the replicated model
    return [
        Message(
            "A model that always predicts present has a precision of {weighted_precision:.3f} and a recall of "
            "{weighted_recall:.3f} as published, because {share:.1f}% of {n} cells count as present. Of the {judged} "
            "labeled cells, {share2:.1f}% are present, and its precision is {weighted_precision2:.3f}.",
            weighted_precision=always["as_published"]["weighted_precision"],
            weighted_recall=always["as_published"]["weighted_recall"],
            share=100 * always["as_published"]["share"],
            n=served["n"],
            judged=served["judged"],
            share2=100 * always["judged"]["share"],
            weighted_precision2=always["judged"]["weighted_precision"],
        ),
        Message(
            "On labeled cells, the replicated model has a precision of {weighted_precision:.3f}.",
            weighted_precision=model["judged"]["weighted_precision"],
        ),
    ]
