"""Result: every figure of a run, and how far its probabilities can be believed."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import layout
from dashboard.app_pages.run import formatting
from dashboard.charts import reliability
from dashboard.runs import Entry

RANGE = ("figure", "from", "to")

say = layout.Saying("run")


def show(one: Entry) -> None:
    """Every figure over all classes, and how far the run's probabilities can be believed."""
    if not one.report:
        st.markdown(say("no_report"))
        return
    on_val = one.report.split == "val"  # as some published figures were, and so their replays
    st.markdown(say("result_folds" if one.split.folds else "result_val" if on_val else "result_words"))
    rows = [
        {
            say("metric"): layout.metric_name(name),
            **dict(zip(map(say, RANGE), map(rounded, (value, low, high)), strict=True)),
        }
        for name, value in one.report.metrics.items()
        for low, high in [(one.figure(name)[1]) or (None, None)]
    ]
    if one.report.at_half:
        half = one.report.at_half["metrics"]
        st.markdown(say("result_half"))
        rows = [
            {**row, say("at_half"): rounded(half.get(name))} for row, name in zip(rows, one.report.metrics, strict=True)
        ]
    decimals = st.column_config.NumberColumn(format="%.3f")
    layout.table(rows, "run-metrics", height="content", config={say(name): decimals for name in (*RANGE, "at_half")})
    believed(one)
    unreadable(one)


def rounded(value: float | None) -> float | None:
    """A figure as the headline rounds it; a browser would round a 5 at its end the other way."""
    return None if value is None else round(value, 3)


def believed(one: Entry) -> None:
    """The calibration error with and without the temperature, and how many files are unlike training."""
    st.markdown(say("calibration_head"))
    before, after = one.report.calibration_error_before, one.report.calibration_error
    if before is None or after is None:
        st.markdown(say("no_calibration"))
    else:
        key = "calibration_same" if before == after else "calibration_better" if after < before else "calibration_worse"
        st.markdown(say(key, before=formatting.percent(before), after=formatting.percent(after)))
    reliability_of(one)
    unlike = one.report.unlike_training
    st.markdown(say("unlike_head"))
    if not unlike:
        st.markdown(say("unlike_none"))
        return
    st.markdown(say("unlike", n=unlike["n"], flagged=unlike["flagged"]))
    if rest := one.report.n - unlike["n"]:
        st.caption(say("unlike_rest", n=rest, all=one.report.n))


def reliability_of(one: Entry) -> None:
    """The reliability diagram, with and without the temperature; reports of an earlier version have none."""
    found = {"_before": one.report.reliability_before, "": one.report.reliability}
    tables = {say(f"reliability{key}"): rows for key, rows in found.items() if is_table(rows)}
    if len(tables) < len(found):
        return
    rows = [
        {
            say("reliability_which"): name,
            say("reliability_said"): rounded(row["said"]),
            say("reliability_right"): rounded(row["right"]),
            say("reliability_n"): row["n"],
        }
        for name, rows in tables.items()
        for row in rows
    ]
    figure = reliability.diagram(tables, say("reliability_perfect"), say("reliability_said"), say("reliability_right"))
    most = max(found[""], key=lambda row: row["n"])
    words = say(
        "reliability_words", n=most["n"], said=formatting.percent(most["said"]), right=formatting.percent(most["right"])
    )
    layout.chart(figure, words, rows, "reliability")


def is_table(rows: Any) -> bool:
    """Whether these are bins that a diagram can be drawn of."""
    wanted = ("n", "said", "right")
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(
            isinstance(row, dict) and all(isinstance(row.get(name), int | float) for name in wanted) for row in rows
        )
    )


def unreadable(one: Entry) -> None:
    """Test files that could not be read when the run was scored."""
    found = one.report.unreadable
    st.markdown(say("unreadable_head"))
    if not found:
        st.markdown(say("unreadable_none", n=one.report.n))
        return
    st.markdown(say("unreadable", n=len(found), left=one.report.n))
    layout.table([{say("file_and_why"): layout.translated(reason)} for reason in found], "run-unreadable")
