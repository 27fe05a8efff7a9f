"""Show every metric of a run, and how well its probabilities are calibrated."""

from __future__ import annotations

import streamlit as st

from dashboard import layout
from dashboard.charts import metrics
from dashboard.layout import round_metric
from dashboard.runs import RunView
from musicml.experiment import Report
from musicml.inference import describe_temperature_bound

RANGE = ("figure", "from", "to")  # keys of the columns: a metric and its interval

say = layout.LazyText("run")


def show(view: RunView) -> None:
    """Show every overall metric, and how well the run's probabilities are calibrated."""
    report = view.report
    if report is None:
        st.markdown(say("no_report"))
        return
    on_val = report.split == "val"  # as in some publications, and so in their replications
    st.markdown(say("result_folds" if view.info.split.folds else "result_val" if on_val else "result_words"))
    say.show_help("result_more")
    rows = []
    for name, value in report.metrics.items():
        figures = (value, *(report.get_interval(name) or (None, None)))
        row = {"metric": layout.get_metric_name(name), **dict(zip(RANGE, map(round_metric, figures), strict=True))}
        if report.at_half:
            row["at_half"] = round_metric(report.at_half["metrics"].get(name))
        rows.append(say.make_row(row))
    if report.at_half:
        st.markdown(say("result_half"))
    decimals = {say(name): st.column_config.NumberColumn(format="%.3f") for name in (*RANGE, "at_half")}
    layout.show_table(rows, "run-metrics", decimals, height="content")
    layout.show_few_groups({view.name: (report.n_groups, report.interval_method)})
    _show_calibration(report)
    found = report.unreadable
    st.markdown(say("unreadable_head"))
    if not found:
        st.markdown(say("unreadable_none", n=report.n))
        return
    st.markdown(say("unreadable", n=len(found), left=report.n))
    layout.show_table([{say("file_and_why"): layout.translate_message(reason)} for reason in found], "run-unreadable")


def _show_calibration(report: Report) -> None:
    """Show the calibration error before and after temperature scaling, and the out-of-distribution files."""
    st.markdown(say("calibration_head"))
    before, after = report.calibration_error_before, report.calibration_error  # without and with the temperature
    if before is None or after is None:
        st.markdown(say("no_calibration"))
    else:
        key = "calibration_same" if before == after else "calibration_better" if after < before else "calibration_worse"
        st.markdown(say(key, before=100 * before, after=100 * after))
    for bound in filter(None, map(describe_temperature_bound, report.temperatures or (report.temperature,))):
        layout.show_warning(layout.translate_message(bound))
    say.show_help("calibration_more")
    _show_reliability(report)
    unlike = report.unlike_training
    st.markdown(say("unlike_head"))
    if not unlike:
        st.markdown(say("unlike_none"))
        return
    st.markdown(say("unlike", n=unlike["n"], flagged=unlike["flagged"]))
    say.show_help("unlike_more")
    if rest := report.n - unlike["n"]:
        st.caption(say("unlike_rest", n=rest, all=report.n))


def _show_reliability(report: Report) -> None:
    """Show the reliability diagram with and without the temperature; old reports have none."""
    before, after = report.reliability_before or [], report.reliability or []
    # reports of older versions may lack values
    known = [isinstance(row.get(key), int | float) for row in before + after for key in ("n", "said", "right")]
    if not before or not after or not all(known):
        return
    tables = {say("reliability_before"): before, say("reliability"): after}
    columns = {"reliability_said": "said", "reliability_right": "right", "reliability_n": "n"}
    rows = [
        say.make_row({"reliability_which": name} | {word: round_metric(row[key]) for word, key in columns.items()})
        for name, bins in tables.items()
        for row in bins
    ]
    most = max(after, key=lambda row: row["n"])  # the bin with the most predictions
    shares = {"said": 100 * float(most["said"]), "right": 100 * float(most["right"])}
    words, titles = say("reliability_words", n=most["n"], **shares), (say("reliability_said"), say("reliability_right"))
    layout.show_chart(metrics.draw_reliability(tables, say("reliability_perfect"), *titles), words, rows, "reliability")
