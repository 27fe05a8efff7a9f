"""Wording: what is wrong with a published figure, and what the honest run gives; all of it from figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from musicml.data import Reference
from musicml.evaluation import metrics
from musicml.evaluation.as_published import IntervalEstimate

if TYPE_CHECKING:
    from musicml.evaluation.replication import Replication
    from musicml.experiment import PublishedOptions

REPLICATION_NAMES = {
    **metrics.METRIC_NAMES,
    "weighted_precision": "precision, weighted",
    "weighted_recall": "recall, weighted",
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
    both = f"Replayed as published, {name} is {figures[0]}; honestly obtained, {figures[1]}."
    said = [fault, both, write_verdict(row)]
    if known.interval is not None and known.n_test:
        low, high = known.interval
        said.append(
            f"The published accuracy is of {known.n_test} test files, so that its own interval reaches from "
            f"{100 * low:.1f} to {100 * high:.1f} %."
        )
    if found.sides[1].startswith("out of fold"):
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
    said = [f"Here the pieces are {seconds:g} s long."] if published.pieces else []
    changes = f"The honest run is {published.honest} with {', '.join(published.changes)}."
    return said + ([changes] if published.changes else [])


def format_figure(found: IntervalEstimate | None) -> str:
    """A figure with its interval."""
    if found is None or found.value is None:
        return "not defined"
    return f"{found.value:.3f}" + (f" ({found.interval[0]:.3f} to {found.interval[1]:.3f})" if found.interval else "")


def write_verdict(row: ReplicationRow) -> str:
    """What can be made of the difference."""
    replayed, honest = (one.value if one else None for one in (row.replayed, row.honest))
    if replayed is None or honest is None:
        return "The two can't be compared, since one of them is not defined."
    found = replayed - honest
    apart, by = is_apart(row), f"{abs(found):.3f}"
    if round(found, 3) > 0:
        if apart:
            return f"The published protocol flatters by {by}, and the two intervals do not touch."
        return f"The published protocol's figure is {by} higher; the intervals overlap, so part of it may be chance."
    if round(found, 3) == 0:
        return "On this data the two are the same. What is wrong with the published figure is what it can't tell."
    if apart:
        return (
            f"On this data the published protocol does not flatter: its figure is {by} lower, and the two intervals do "
            "not touch. What is wrong with it is what it can't tell."
        )
    return (
        f"On this data the published protocol's figure is {by} lower; the intervals overlap, so that may be chance. "
        "What is wrong with it is what it can't tell."
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
        f"The replayed figure's interval is {wide:.1f} points wide; with every file judged once, out of fold, it is "
        f"{narrow:.1f}."
    ]


def explain_softmax(served: dict[str, Any], n_classes: int) -> str:
    """What the app of the pictures showed."""
    return (
        f"Served as published, it could show at most {100 * served['most_possible']:.1f} % for any of {n_classes} "
        f"classes; it showed {100 * served['mean']:.1f} % on average and {100 * served['highest']:.1f} % at most, "
        f"while {100 * served['accuracy']:.1f} % of its answers were right."
    )


def explain_one_second(served: dict[str, Any]) -> str:
    """What the app of the genres heard."""
    if not served["n"]:
        return "Served as published, no track could be asked about whose beginning was not trained on."
    second = format_figure(IntervalEstimate(served["accuracy"], served["accuracy_interval"]))
    whole = format_figure(IntervalEstimate(served["accuracy_of_all"], served["accuracy_of_all_interval"]))
    begin = f"Served as published, on the first second alone of {served['n']} tracks, accuracy is {second}"
    if served["accuracy"] >= served["accuracy_of_all"]:
        same = f"no less than on the same tracks as they were judged, {whole}: on this data a second is enough."
        return f"{begin}, {same}"
    return f"{begin}; on the same tracks as they were judged, {whole}."


def explain_labels(served: dict[str, Any], row: ReplicationRow) -> list[str]:
    """What contradictory labels left to be reached."""
    said = [
        f"{served['contradictory']} of the {served['n']} rows of the training table are labelled in two ways: over all "
        f"of them no model can score above a macro ROC-AUC of {served['macro_auc']:.3f}, or be right more often than "
        f"{served['accuracy']:.3f}; on the few that are judged, luck may."
    ]
    if row.honest and row.honest.interval and row.honest.interval[0] > served["macro_auc"]:
        said.append("The whole interval of the honest figure lies above what those labels allow.")
    return said


def explain_cells(served: dict[str, Any]) -> list[str]:
    """What an answer of nothing but `present` is worth, counted either way."""
    always, model = served["all_present"], served["model"]
    return [
        f"Who answers present to everything has a precision of {always['as_published']['weighted_precision']:.3f} and "
        f"a recall of {always['as_published']['weighted_recall']:.3f} counted as published, since "
        f"{100 * always['as_published']['share']:.1f} % of {served['n']} cells count as present; of the "
        f"{served['judged']} judged cells {100 * always['judged']['share']:.1f} % are, and the precision is "
        f"{always['judged']['weighted_precision']:.3f}.",
        f"The replayed model's own answers, counted on judged cells, have a precision of "
        f"{model['judged']['weighted_precision']:.3f}.",
    ]
