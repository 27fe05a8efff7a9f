"""Wording: what is wrong with a published figure, and what the honest run gives; all of it from figures."""

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
    """One metric: as it was published (a share, or the lowest and highest), replayed, and honest; None without one."""

    metric: str
    published: float | tuple[float, float] | None
    published_interval: tuple[float, float] | None
    replayed: IntervalEstimate | None
    honest: IntervalEstimate | None


def write_sentences(found: Replication, fault: str, known: Reference, n_classes: int) -> list[str]:
    """What is wrong with the published figure, and what the honest run gives, in figures."""
    row = found.rows[0]
    name, figures = (
        REPLICATION_NAMES.get(row.metric, row.metric),
        (format_figure(row.replayed), format_figure(row.honest)),
    )
    both = Message(
        "Replayed as published, {name} is {figures}; honestly obtained, {figures2}.",
        name=name,
        figures=figures[0],
        figures2=figures[1],
    )
    said = [fault, both, write_verdict(row)]
    if known.interval is not None and known.n_test:
        low, high = known.interval
        said.append(
            Message(
                "The published accuracy is of {n_test} test files, so that its own interval reaches from "
                "{low:.1f} to {high:.1f} %.",
                n_test=known.n_test,
                low=100 * low,
                high=100 * high,
            )
        )
    if found.sides[1].startswith(Message("out of fold")):
        said += compare_widths(row)
    served = found.as_served or {}
    if "softmax_twice" in served:
        said.append(explain_softmax(served["softmax_twice"], n_classes))
    if "first_second" in served:
        said.append(explain_one_second(served["first_second"]))
    if "ceiling" in served:
        said += explain_labels(served["ceiling"], row)
    if "cells" in served:
        said += explain_cells(served["cells"])
    return said


def list_differences(published: PublishedOptions, seconds: float) -> list[str]:
    """In what the two differ from the published system and from the honest experiment as it stands.

    Parameters
    ----------
    published : what the recipe replays
    seconds : how long its clips are
    """
    said: list[str] = [Message("Here the pieces are {seconds:g} s long.", seconds=seconds)] if published.pieces else []
    changes = Message(
        "The honest run is {honest} with {changes}.", honest=published.honest, changes=", ".join(published.changes)
    )
    return said + ([changes] if published.changes else [])


def format_figure(found: IntervalEstimate | None) -> str:
    """A figure with its interval."""
    if found is None or found.value is None:
        return Message("not defined")
    if not found.interval:
        return Message("{value:.3f}", value=found.value)
    low, high = found.interval
    return Message("{value:.3f} ({low:.3f} to {high:.3f})", value=found.value, low=low, high=high)


def write_verdict(row: ReplicationRow) -> str:
    """What can be made of the difference."""
    replayed, honest = (one.value if one else None for one in (row.replayed, row.honest))
    if replayed is None or honest is None:
        return Message("The two can't be compared, since one of them is not defined.")
    found = replayed - honest
    apart, by = is_apart(row), f"{abs(found):.3f}"
    if round(found, 3) > 0:
        if apart:
            return Message("The published protocol flatters by {by}, and the two intervals do not touch.", by=by)
        return Message(
            "The published protocol's figure is {by} higher; the intervals overlap, so part of it may be chance.", by=by
        )
    if round(found, 3) == 0:
        return Message(
            "On this data the two are the same. What is wrong with the published figure is what it can't tell."
        )
    if apart:
        return Message(
            "On this data the published protocol does not flatter: its figure is {by} lower, and the two "
            "intervals do not touch. What is wrong with it is what it can't tell.",
            by=by,
        )
    return Message(
        "On this data the published protocol's figure is {by} lower; the intervals overlap, so that "
        "may be chance. What is wrong with it is what it can't tell.",
        by=by,
    )


def is_apart(row: ReplicationRow) -> bool:
    """Whether the intervals of the replayed and the honest figure have nothing in common."""
    first, second = (one.interval if one else None for one in (row.replayed, row.honest))
    return bool(first and second and (first[0] > second[1] or second[0] > first[1]))


def compare_widths(row: ReplicationRow) -> list[str]:
    """What it gives to judge every file, and not a few."""
    first, second = (one.interval if one else None for one in (row.replayed, row.honest))
    if not first or not second:
        return []
    wide, narrow = (100 * (high - low) for low, high in (first, second))
    return [
        Message(
            "The replayed figure's interval is {wide:.1f} points wide; with every file judged once, out "
            "of fold, it is {narrow:.1f}.",
            wide=wide,
            narrow=narrow,
        )
    ]


def explain_softmax(served: dict[str, Any], n_classes: int) -> str:
    """What the app of the pictures showed."""
    return Message(
        "Served as published, it could show at most {most_possible:.1f} % for any of {n_classes} "
        "classes; it showed {mean:.1f} % on average and {highest:.1f} % at most, while "
        "{accuracy:.1f} % of its answers were right.",
        most_possible=100 * served["most_possible"],
        n_classes=n_classes,
        mean=100 * served["mean"],
        highest=100 * served["highest"],
        accuracy=100 * served["accuracy"],
    )


def explain_one_second(served: dict[str, Any]) -> str:
    """What the app of the genres heard."""
    if not served["n"]:
        return Message("Served as published, no track could be asked about whose beginning was not trained on.")
    second = format_figure(IntervalEstimate(served["accuracy"], served["accuracy_interval"]))
    whole = format_figure(IntervalEstimate(served["accuracy_of_all"], served["accuracy_of_all_interval"]))
    return Message(
        SAME if served["accuracy"] >= served["accuracy_of_all"] else LESS, n=served["n"], second=second, whole=whole
    )


LESS = Message(
    "Served as published, on the first second alone of {n} tracks, accuracy is {second}; on the same tracks as they "
    "were judged, {whole}."
)
SAME = Message(
    "Served as published, on the first second alone of {n} tracks, accuracy is {second}, no less than on the same "
    "tracks as they were judged, {whole}: on this data a second is enough."
)


def explain_labels(served: dict[str, Any], row: ReplicationRow) -> list[str]:
    """What contradictory labels left to be reached."""
    said: list[str] = [
        Message(
            "{contradictory} of the {n} rows of the training table are labelled in two ways: over all of "
            "them no model can score above a macro ROC-AUC of {macro_auc:.3f}, or be right more often "
            "than {accuracy:.3f}; on the few that are judged, luck may.",
            contradictory=served["contradictory"],
            n=served["n"],
            macro_auc=served["macro_auc"],
            accuracy=served["accuracy"],
        )
    ]
    if row.honest and row.honest.interval and row.honest.interval[0] > served["macro_auc"]:
        said.append(Message("The whole interval of the honest figure lies above what those labels allow."))
    return said


def explain_cells(served: dict[str, Any]) -> list[str]:
    """What an answer of nothing but `present` is worth, counted either way."""
    always, model = served["all_present"], served["model"]
    return [
        Message(
            "Who answers present to everything has a precision of {weighted_precision:.3f} and a recall "
            "of {weighted_recall:.3f} counted as published, since {share:.1f} % of {n} cells count as "
            "present; of the {judged} judged cells {share2:.1f} % are, and the precision is "
            "{weighted_precision2:.3f}.",
            weighted_precision=always["as_published"]["weighted_precision"],
            weighted_recall=always["as_published"]["weighted_recall"],
            share=100 * always["as_published"]["share"],
            n=served["n"],
            judged=served["judged"],
            share2=100 * always["judged"]["share"],
            weighted_precision2=always["judged"]["weighted_precision"],
        ),
        Message(
            "The replayed model's own answers, counted on judged cells, have a precision of {weighted_precision:.3f}.",
            weighted_precision=model["judged"]["weighted_precision"],
        ),
    ]
