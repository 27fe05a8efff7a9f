"""The figures of each class, of a run or of a published table, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import layout
from dashboard import runs as data
from dashboard.runs import RunView
from musicml.data import Reference, list_references
from musicml.evaluation import apply_thresholds, compute_class_intervals

BESIDE = "classes-beside"
METRICS = ("precision", "recall", "f1", "auc")

say = layout.LazyText("classes")


@dataclass(frozen=True)
class ClassMetrics:
    """The figures of each class of a run, or of a published table.

    Attributes
    ----------
    name : as it is shown
    rows : class name → `precision`, `recall`, …, `support`, `observed`, `said`, as far as they are known
    intervals : class name → figure → its interval; empty where there are none
    task : `single` or `multi`; empty of a published table
    """

    name: str
    rows: Mapping[str, Mapping[str, Any]]
    intervals: Mapping[str, Mapping[str, Sequence[float] | None]]
    task: str = ""

    def row(self, name: str, metric: str) -> dict[str, Any]:
        """One figure as a bar: its value with its interval, or why there is none."""
        value = self.rows.get(name, {}).get(metric)
        low, high = self.intervals.get(name, {}).get(metric) or (None, None)
        if value is None:
            return {"name": name, "value": None, "low": None, "high": None, "note": self.note(name, metric)}
        return {"name": name, "value": value, "low": low, "high": high, "note": ""}

    def note(self, name: str, metric: str) -> str:
        """Why a figure is not defined."""
        row = self.rows.get(name, {})
        if "said" not in row:
            return say("note_missing")
        if not row["observed"]:
            return say("note_unjudged")
        if not row["support"]:
            return say("note_no_examples" if self.task == "single" else "note_no_positives")
        return say("note_unsaid" if metric == "precision" else "note_only_positives")


def _get_run_metrics(one: RunView) -> ClassMetrics:
    """The figures of a run."""
    rows = one.report["per_class"]
    if all(row.get("intervals") for row in rows):
        found = [row["intervals"] for row in rows]
    else:  # a run of before intervals were kept
        stamp = data.get_stamp(one.run.path, "predictions.csv", "labels.json", "serving.json")
        found = _compute_intervals(str(one.run.path), stamp, one)
    names = [row["class"] for row in rows]
    task = str(one.facts.get("task", ""))
    return ClassMetrics(one.name, dict(zip(names, rows, strict=True)), dict(zip(names, found, strict=True)), task)


@st.cache_data(max_entries=100, show_spinner=False)
def _compute_intervals(path: str, changed: tuple[float, ...], _one: RunView) -> list[dict[str, list[float] | None]]:
    """The intervals of each class, from the run's predictions."""
    table = data.get_predictions(_one)
    said = apply_thresholds(table.scores, table.task, data.get_thresholds(_one))
    return compute_class_intervals(table.scores, table.targets, said, table.groups)


def _select_comparison(one: RunView, found: Sequence[RunView]) -> tuple[ClassMetrics | None, Reference | None]:
    """What the reader wants to see beside it: another run on the same data set, or a published table."""
    dataset = one.data.get("dataset")
    runs = {other.name: other for other in found if other.data.get("dataset") == dataset and other.name != one.name}
    published = {reference.name: reference for reference in list_references(str(dataset)) if reference.per_class}
    labels = {
        "": say("beside_nothing"),
        **{name: name for name in runs},
        **{name: say("beside_reference", system=_get_system_name(reference)) for name, reference in published.items()},
    }
    if st.session_state.get(BESIDE) not in labels:
        st.session_state.pop(BESIDE, None)
    name = st.selectbox(say("beside"), list(labels), format_func=labels.get, key=BESIDE)
    if name in runs:
        return _get_run_metrics(runs[name]), None
    if name in published:
        return ClassMetrics(_get_system_name(published[name]), published[name].per_class, {}), published[name]
    return None, None


def _get_system_name(reference: Reference) -> str:
    """A published system's name."""
    return layout.translate_message(reference.system)


def _list_metrics(own: ClassMetrics) -> tuple[str, ...]:
    """The figures that a class has."""
    return (*METRICS, "average_precision") if own.task == "multi" else METRICS
