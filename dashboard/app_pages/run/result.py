"""Show every metric of a run, and how well its probabilities are calibrated."""

from __future__ import annotations

from typing import Any, TypeGuard

import streamlit as st

from dashboard import layout
from dashboard.app_pages.run import formatting
from dashboard.charts import reliability
from dashboard.runs import RunView
from musicml.experiment import Report
from musicml.inference import describe_temperature_bound

RANGE = ("figure", "from", "to")

say = layout.LazyText("run")


def show(one: RunView) -> None:
    """Show every overall metric, and how well the run's probabilities are calibrated."""
    report = one.report
    if report is None:
        st.markdown(say("no_report"))
        return
    on_val = report.split == "val"  # as some published figures were, and so their replays
    st.markdown(say("result_folds" if one.split.folds else "result_val" if on_val else "result_words"))
    rows = [
        {
            say("metric"): layout.get_metric_name(name),
            **dict(zip(map(say, RANGE), map(_round, (value, low, high)), strict=True)),
        }
        for name, value in report.metrics.items()
        for low, high in [(one.figure(name)[1]) or (None, None)]
    ]
    if report.at_half:
        half = report.at_half["metrics"]
        st.markdown(say("result_half"))
        rows = [{**row, say("at_half"): _round(half.get(name))} for row, name in zip(rows, report.metrics, strict=True)]
    decimals = st.column_config.NumberColumn(format="%.3f")
    layout.show_table(
        rows, "run-metrics", height="content", config={say(name): decimals for name in (*RANGE, "at_half")}
    )
    layout.show_few_groups({one.name: (report.n_groups, report.interval_method)})
    _show_calibration(report)
    _show_unreadable(report)


def _round(value: float | None) -> float | None:
    """Round as the headline does; a browser rounds halves differently."""
    return None if value is None else round(value, 3)


def _show_calibration(report: Report) -> None:
    """Show the calibration error before and after temperature scaling, and the out-of-distribution files."""
    st.markdown(say("calibration_head"))
    before, after = report.calibration_error_before, report.calibration_error
    if before is None or after is None:
        st.markdown(say("no_calibration"))
    else:
        key = "calibration_same" if before == after else "calibration_better" if after < before else "calibration_worse"
        st.markdown(say(key, before=formatting.format_percent(before), after=formatting.format_percent(after)))
    for bound in filter(None, map(describe_temperature_bound, report.temperatures or (report.temperature,))):
        st.warning(layout.translate_message(bound), icon=":material/warning:")
    _show_reliability(report)
    unlike = report.unlike_training
    st.markdown(say("unlike_head"))
    if not unlike:
        st.markdown(say("unlike_none"))
        return
    st.markdown(say("unlike", n=unlike["n"], flagged=unlike["flagged"]))
    if rest := report.n - unlike["n"]:
        st.caption(say("unlike_rest", n=rest, all=report.n))


def _show_reliability(report: Report) -> None:
    """Show the reliability diagram with and without the temperature; old reports have none."""
    before, after = report.reliability_before, report.reliability
    if not (_is_table(before) and _is_table(after)):
        return
    tables = {say("reliability_before"): before, say("reliability"): after}
    rows = [
        {
            say("reliability_which"): name,
            say("reliability_said"): _round(row["said"]),
            say("reliability_right"): _round(row["right"]),
            say("reliability_n"): row["n"],
        }
        for name, rows in tables.items()
        for row in rows
    ]
    figure = reliability.draw_diagram(
        tables, say("reliability_perfect"), say("reliability_said"), say("reliability_right")
    )
    most = max(after, key=lambda row: row["n"])
    words = say(
        "reliability_words",
        n=most["n"],
        said=formatting.format_percent(most["said"]),
        right=formatting.format_percent(most["right"]),
    )
    layout.show_chart(figure, words, rows, "reliability")


def _is_table(rows: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Return whether these are bins of a reliability diagram."""
    wanted = ("n", "said", "right")
    return (
        isinstance(rows, list)
        and bool(rows)
        and all(
            isinstance(row, dict) and all(isinstance(row.get(name), int | float) for name in wanted) for row in rows
        )
    )


def _show_unreadable(report: Report) -> None:
    """Show the test files that could not be read."""
    found = report.unreadable
    st.markdown(say("unreadable_head"))
    if not found:
        st.markdown(say("unreadable_none", n=report.n))
        return
    st.markdown(say("unreadable", n=len(found), left=report.n))
    layout.show_table([{say("file_and_why"): layout.translate_message(reason)} for reason in found], "run-unreadable")
