"""Result: every figure of a run, and how far its probabilities can be believed."""

from __future__ import annotations

import streamlit as st

from dashboard import shell
from dashboard.data import Entry
from dashboard.parts.run import notation

RANGE = ("figure", "from", "to")

say = shell.Saying("run")


def show(one: Entry) -> None:
    """Every figure over all classes, and how far the run's probabilities can be believed."""
    if not one.report:
        st.markdown(say("no_report"))
        return
    st.markdown(say("result_folds" if one.split.get("folds") else "result_words"))
    rows = [
        {
            say("metric"): shell.metric_name(name),
            **dict(zip(map(say, RANGE), map(rounded, (value, low, high)), strict=True)),
        }
        for name, value in one.report["metrics"].items()
        for low, high in [(one.figure(name)[1]) or (None, None)]
    ]
    decimals = st.column_config.NumberColumn(format="%.3f")
    shell.table(rows, "run-metrics", height="content", config={say(name): decimals for name in RANGE})
    believed(one)
    unreadable(one)


def rounded(value: float | None) -> float | None:
    """A figure as the headline rounds it; a browser would round a 5 at its end the other way."""
    return None if value is None else round(value, 3)


def believed(one: Entry) -> None:
    """The calibration error with and without the temperature, and how many files are unlike training."""
    st.markdown(say("calibration_head"))
    before, after = one.report.get("calibration_error_before"), one.report.get("calibration_error")
    if before is None or after is None:
        st.markdown(say("no_calibration"))
    else:
        key = "calibration_same" if before == after else "calibration_better" if after < before else "calibration_worse"
        st.markdown(say(key, before=notation.percent(before), after=notation.percent(after)))
    unlike = one.report.get("unlike_training")
    st.markdown(say("unlike_head"))
    if not unlike:
        st.markdown(say("unlike_none"))
        return
    st.markdown(say("unlike", n=unlike["n"], flagged=unlike["flagged"]))
    if rest := one.report["n"] - unlike["n"]:
        st.caption(say("unlike_rest", n=rest, all=one.report["n"]))


def unreadable(one: Entry) -> None:
    """Test files that could not be read when the run was scored."""
    found = one.report.get("unreadable") or []
    st.markdown(say("unreadable_head"))
    if not found:
        st.markdown(say("unreadable_none", n=one.report["n"]))
        return
    st.markdown(say("unreadable", n=len(found), left=one.report["n"]))
    shell.table([{say("file_and_why"): shell.translated(str(reason))} for reason in found], "run-unreadable")
