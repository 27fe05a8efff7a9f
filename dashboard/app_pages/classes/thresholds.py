"""What another threshold of a class would cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.classes.metrics import METRICS
from dashboard.charts import bars
from dashboard.runs import RunView
from musicml.evaluation import PredictionTable, count_classes

STEPS = np.linspace(0, 1, 101)  # thresholds that are tried

say = layout.LazyText("classes")


def _show_thresholds(one: RunView, table: PredictionTable) -> None:
    """What another threshold would cost, for one class."""
    st.header(say("threshold"))
    st.markdown(say("threshold_how"))
    st.warning(say("threshold_flatters"), icon=":material/balance:")
    _show_slider(one, table)


@st.fragment
def _show_slider(one: RunView, table: PredictionTable) -> None:
    """The part that a slider moves."""
    layout.run_guarded(lambda: _show_threshold(one, table))


def _show_threshold(one: RunView, table: PredictionTable) -> None:
    """A class, a slider, and what its threshold gives beside the run's own."""
    name = layout.select_class(table.class_names)
    k = table.class_names.index(name)
    scores, judged = table.scores[:, k], table.targets[:, k]
    if not (judged == 1).any():
        st.info(
            layout.escape_markdown(say("no_positives", name=name, n=int((~np.isnan(judged)).sum()))),
            icon=":material/info:",
        )
        return
    threshold = runs.get_thresholds(one)[..., k]
    middle = round(float(np.median(threshold)), 2)
    at = st.slider(say("slider"), 0.0, 1.0, middle, 0.01, key=f"threshold-{one.name}-{name}")
    is_own = at == middle
    own, its = (_count_outcomes(scores, judged, t) for t in (threshold, threshold if is_own else at))
    st.markdown(_describe_threshold(its, own, at, threshold, is_own))
    for column, metric in zip(st.columns(3), METRICS, strict=False):
        change = None if is_own or None in (its[metric], own[metric]) else f"{its[metric] - own[metric]:+.3f}"
        column.metric(layout.get_metric_name(metric), layout.format_metric(its[metric]), change)
    if not is_own:
        st.caption(say("against_own"))
    _show_tradeoff(name, scores, judged, threshold, None if is_own else at)


def _count_outcomes(scores: np.ndarray, judged: np.ndarray, threshold: float | np.ndarray) -> dict[str, Any]:
    """What a threshold, or one of each example, gives on the judged examples of a class."""
    return count_classes(scores[:, None], judged[:, None], np.atleast_1d(threshold)[:, None], "multi")[0]


def _describe_threshold(
    its: Mapping[str, Any], own: Mapping[str, Any], at: float, threshold: np.ndarray, is_own: bool
) -> str:
    """What a threshold finds and where it is wrong, beside the run's own."""
    words = {
        "found": its["right"],
        "positives": its["support"],
        "wrong": its["said"] - its["right"],
        "negatives": its["observed"] - its["support"],
        "own": runs.format_thresholds(threshold),
    }
    if is_own:
        return say("at_own", **words)
    others = {"own_found": own["right"], "own_wrong": own["said"] - own["right"]}
    return say("at_other", at=f"{at:.2f}", **words, **others)


def _show_tradeoff(name: str, scores: np.ndarray, judged: np.ndarray, threshold: np.ndarray, at: float | None) -> None:
    """Precision, recall and F1 over all thresholds."""
    tried = [_count_outcomes(scores, judged, t) for t in STEPS]
    shown = METRICS[:3]
    curves = {layout.get_metric_name(metric): [row[metric] for row in tried] for metric in shown}
    marks = [(say("mark_own", at=runs.format_thresholds(threshold)), float(np.median(threshold)))]
    if at is not None:
        marks.append((say("mark_slider", at=f"{at:.2f}"), at))
    figure = bars.draw_tradeoff(STEPS, curves, marks, say("axis_threshold"), say("axis_figure"), layout.is_dark())
    best = max(range(len(tried)), key=lambda place: tried[place]["f1"])
    own = _count_outcomes(scores, judged, threshold)["f1"]
    words = {"best": f"{tried[best]['f1']:.3f}", "at": f"{STEPS[best]:.2f}", "own": runs.format_thresholds(threshold)}
    rows = [
        {say("axis_threshold"): round(float(t), 2), **{layout.get_metric_name(metric): row[metric] for metric in shown}}
        for t, row in zip(STEPS, tried, strict=True)
    ]
    layout.show_chart(figure, say("trade_words", name=name, own_f1=f"{own:.3f}", **words), rows, "classes-trade")
