"""Classes: each class's figures with intervals, beside another run's or published ones; what a threshold costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.classes import metrics as figures
from dashboard.app_pages.classes import thresholds
from dashboard.app_pages.classes.metrics import ClassMetrics, _list_metrics
from dashboard.charts import bars
from musicml.data import Reference

say = layout.begin_page("classes")


def show() -> None:
    """The whole page."""
    found = layout.list_runs_or_stop(layout.is_complete)
    one = layout.select_run(found)
    with st.spinner(say("counting")):
        own = figures._get_run_metrics(one)
    other, reference = figures._select_comparison(one, found)
    shown = [one, *(entry for entry in found if other and entry.name == other.name)]
    layout.show_sample_note(*shown)
    if one.sample and reference or len({entry.sample for entry in shown}) > 1:
        st.warning(say("not_comparable"), icon=":material/balance:")
    protocols = {entry.is_honest for entry in shown} | ({reference.protocol == runs.HONEST} if reference else set())
    ranked = len(protocols) == 1
    if not ranked:
        st.warning(say("other_protocol"), icon=":material/balance:")
    metric = _show_bars(own, other, ranked)
    if reference:
        _show_reference(reference, metric)
    _show_undefined(own)
    _show_all_metrics(own, one.report["n"])
    if own.task == "multi":
        thresholds._show_thresholds(one, runs.get_predictions(one))


def _show_bars(own: ClassMetrics, other: ClassMetrics | None, ranked: bool) -> str:
    """The bars of one figure, with how to read them and, where `ranked`, which is higher; which figure it is."""
    left, right = st.columns((2, 1))
    with left:
        metric = layout.select_option(say("metric"), layout.get_metric_names(_list_metrics(own)), "classes-metric")
    with right:
        ways = {way: say(f"order_{way}") for way in ("value", "name")}
        order = layout.select_option(say("order"), ways, "classes-order")
    st.markdown(say(f"meaning_{metric}"))
    st.markdown(say("how"))
    rows = sorted([own.row(name, metric) for name in own.rows], key=lambda row: row["name"].casefold())
    if order == "value":
        rows = sorted(rows, key=lambda row: -1 if row["value"] is None else row["value"], reverse=True)
    series = [{"name": own.name, "rows": rows}]
    if other and any(name in other.rows for name in own.rows):
        st.markdown(say("how_two", other=layout.escape_markdown(other.name)))
        series.append({"name": other.name, "rows": [other.row(row["name"], metric) for row in rows]})
    elif other:
        st.info(layout.escape_markdown(say("no_common", other=other.name)), icon=":material/info:")
    if not any(any(its.values()) for its in own.intervals.values()):
        st.info(say("no_intervals"), icon=":material/info:")
    figure = bars.draw_bars(series, layout.get_metric_name(metric), layout.is_dark())
    layout.show_chart(figure, _describe_bars(series, metric, ranked), _make_table(series, metric), "classes")
    return metric


def _describe_bars(series: Sequence[Mapping[str, Any]], metric: str, ranked: bool) -> str:
    """What the bars show, in words."""
    rows, name = series[0]["rows"], layout.capitalize(layout.get_metric_name(metric))
    known = sorted((row for row in rows if row["value"] is not None), key=lambda row: -row["value"])
    if not known:
        return say("words_none", metric=name)
    best, worst = known[0], known[-1]
    high, low = f"{best['value']:.3f}", f"{worst['value']:.3f}"
    if len(known) == 1:
        words = [say("words_one", metric=name, best=best["name"], high=high)]
    else:
        words = [say("words", metric=name, n=len(known), best=best["name"], high=high, worst=worst["name"], low=low)]
    if len(known) < len(rows):
        words.append(
            say("words_undefined", names=layout.format_list(row["name"] for row in rows if row["value"] is None))
        )
    for other in series[1:] if ranked else []:
        pairs = [(a["value"], b["value"]) for a, b in zip(rows, other["rows"], strict=True)]
        pairs = [(a, b) for a, b in pairs if a is not None and b is not None]
        if pairs:
            more = sum(b > a for a, b in pairs)
            words.append(say("words_beside", more=more, n=len(pairs), other=other["name"]))
    return " ".join(words)


def _make_table(series: Sequence[Mapping[str, Any]], metric: str) -> list[dict[str, Any]]:
    """The bars as rows of a table."""
    return [
        {
            say("class"): row["name"],
            say("of_run"): one["name"],
            layout.get_metric_name(metric): row["value"],
            say("from"): row["low"],
            say("to"): row["high"],
        }
        for one in series
        for row in one["rows"]
    ]


def _show_reference(reference: Reference, metric: str) -> None:
    """What published figures are worth, which their protocol decides."""
    words = {"how": layout.translate_message(reference.how), "worth": layout.translate_message(reference.worth)}
    words |= {
        "system": figures._get_system_name(reference),
        "source": reference.source,
        "protocol": say(f"protocol_{reference.protocol}"),
    }
    st.markdown(say("reference_worth", **{key: layout.escape_markdown(word) for key, word in words.items()}))
    if any(metric in row for row in reference.per_class.values()):
        st.markdown(say("reference_intervals"))
    else:
        st.info(say("reference_lacks", metric=layout.get_metric_name(metric)), icon=":material/info:")


def _show_undefined(own: ClassMetrics) -> None:
    """Which figures are not defined, and why."""
    names: dict[tuple[str, str], list[str]] = {}
    for metric in _list_metrics(own):
        for name in own.rows:
            row = own.row(name, metric)
            if row["value"] is None:
                names.setdefault((metric, row["note"]), []).append(name)
    metrics: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (metric, why), those in names.items():
        metrics.setdefault((why, tuple(those)), []).append(layout.get_metric_name(metric))
    for (why, those), which in metrics.items():
        words = {
            "metrics": layout.capitalize(layout.format_list(which)),
            "names": layout.escape_markdown(layout.format_list(those, 30)),
        }
        st.markdown(say("undefined", why=why, **words))


def _show_all_metrics(own: ClassMetrics, n: int) -> None:
    """All figures of all classes as a table to sort."""
    st.header(say("all_figures"))
    st.markdown(say("all_figures_how"))
    if own.task == "multi":
        st.markdown(say("counts_how"))
    number = st.column_config.NumberColumn
    config = {layout.get_metric_name(metric): number(format="%.3f") for metric in _list_metrics(own)}
    config[say("class")] = st.column_config.TextColumn(pinned=True)
    layout.show_table([_make_row(own, name, n) for name in own.rows], "classes-all", config)


def _make_row(own: ClassMetrics, name: str, n: int) -> dict[str, Any]:
    """One class as a row of the table."""
    row, shown = own.rows[name], {say("class"): name}
    if own.task == "multi":
        shown |= {say("positives"): row["support"], say("negatives"): row["observed"] - row["support"]}
        shown |= {say("unjudged"): n - row["observed"]}
    else:
        shown |= {layout.get_metric_name("support"): row["support"]}
    shown[say("answered")] = row["said"]
    for metric in _list_metrics(own):
        figure = own.row(name, metric)
        has = figure["low"] is not None
        shown[layout.get_metric_name(metric)] = figure["value"]
        head = say("with_interval", metric=layout.get_metric_name(metric))
        shown[head] = f"{figure['low']:.3f} – {figure['high']:.3f}" if has else None
    return shown


show()
