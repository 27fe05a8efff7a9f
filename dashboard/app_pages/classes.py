"""Show each class's metrics with intervals, compare them with another run, and try other thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout, runs
from dashboard.caching import cache_by, cache_data, stamp_runs
from dashboard.charts import metrics as charts
from dashboard.runs import RunView
from musicml.data import HONEST, Reference, list_references
from musicml.evaluation import PredictionTable, apply_thresholds, compute_class_intervals, count_classes

COMPARISON = "classes-beside"  # session key of the second run
METRICS = ("precision", "recall", "f1", "auc")
THRESHOLDS = np.linspace(0, 1, 101)  # on the axis of the chart

say = layout.begin_page("classes")


@dataclass(frozen=True)
class ClassMetrics:
    """Hold the metrics of each class of a run, or of a published table.

    Attributes
    ----------
    name : the run's short name, or the published system
    rows : class name → `precision`, `recall`, …, `support`, `observed`, `said`, where known
    intervals : class name → metric → its interval; empty where there are none
    task : `single` or `multi`; empty for a published table
    run : the run's full name; empty for a published table
    """

    name: str
    rows: Mapping[str, Mapping[str, Any]]
    intervals: Mapping[str, Mapping[str, Sequence[float] | None]]
    task: str = ""
    run: str = ""

    def make_row(self, name: str, metric: str) -> dict[str, Any]:
        """Return one metric as a bar: its value and interval, or a note that says why it is undefined."""
        value, interval = self.rows.get(name, {}).get(metric), self.intervals.get(name, {}).get(metric)
        note = self._explain_missing(name, metric) if value is None else ""
        return {"name": name, "value": value, "interval": None if value is None else interval, "note": note}

    def _explain_missing(self, name: str, metric: str) -> str:
        """Return why a metric is not defined."""
        row = self.rows.get(name, {})
        if "said" not in row:  # a published table has metrics but no counts
            return say("note_missing")
        if not row["observed"]:
            return say("note_unjudged")
        if not row["support"]:
            return say("note_no_examples" if self.task == "single" else "note_no_positives")
        return say("note_unsaid" if metric == "precision" else "note_only_positives")


def show() -> None:
    """Show the page."""
    found = layout.list_runs_or_stop(layout.is_complete)
    view = layout.select_run(found)
    with st.spinner(say("counting")):
        own = _get_run_metrics(view)
    other, reference = _select_comparison(view, found)
    shown = [view, *(entry for entry in found if other and entry.name == other.run)]
    layout.show_data_notes(*shown)
    if view.sample and reference or len({entry.sample for entry in shown}) > 1:  # synthetic against real data
        st.warning(say("not_comparable"), icon=":material/balance:")
    protocols = {entry.info.is_honest for entry in shown} | ({reference.protocol == HONEST} if reference else set())
    if len(protocols) > 1:
        st.warning(say("other_protocol"), icon=":material/balance:")
    metric = _show_bars(own, other, len(protocols) == 1)
    if reference:
        _show_reference(reference, metric)
    _show_undefined(own)
    _show_all_metrics(own, view.get_report().n)
    if own.task == "multi":
        _show_thresholds(view, runs.get_predictions(view))


def _show_bars(own: ClassMetrics, other: ClassMetrics | None, ranked: bool) -> str:
    """Show one metric as bars and return its name; where `ranked`, also say which side is higher."""
    left, right = st.columns((2, 1))
    with left:
        metric = layout.select_option(say("metric"), layout.get_metric_names(_list_metrics(own)), "classes-metric")
    with right:
        order = say.select("order", ("value", "name"), "classes-order")
    st.markdown(f"{say(f'meaning_{metric}')} {say('how')}")
    say.show_help("interval_how")
    # casefold: order names without regard to capitals
    rows = sorted([own.make_row(name, metric) for name in own.rows], key=lambda row: row["name"].casefold())
    if order == "value":
        # undefined values come last
        rows = sorted(rows, key=lambda row: -1 if row["value"] is None else row["value"], reverse=True)
    series = [{"name": own.name, "rows": rows}]
    if other and any(name in other.rows for name in own.rows):
        say.show("how_two", other=other.name)
        series.append({"name": other.name, "rows": [other.make_row(row["name"], metric) for row in rows]})
    elif other:
        say.show("no_common", layout.show_info, other=other.name)
    if not any(any(of_class.values()) for of_class in own.intervals.values()):
        layout.show_info(say("no_intervals"))
    figure = charts.draw_bars(series, layout.get_metric_name(metric), layout.is_dark())
    layout.show_chart(figure, _describe_bars(series, metric, ranked), _make_table(series, metric), "classes")
    return metric


def _describe_bars(series: Sequence[Mapping[str, Any]], metric: str, ranked: bool) -> str:
    """Describe the bars in words."""
    rows, name = series[0]["rows"], layout.capitalize(layout.get_metric_name(metric))
    known = sorted((row for row in rows if row["value"] is not None), key=lambda row: -row["value"])
    if not known:
        return say("words_none", metric=name)
    best, worst = known[0], known[-1]
    high, low = layout.format_metric(best["value"]), layout.format_metric(worst["value"])
    words = [say("words_one", metric=name, best=best["name"], high=high)]
    if len(known) > 1:
        words = [say("words", metric=name, n=len(known), best=best["name"], high=high, worst=worst["name"], low=low)]
    if len(known) < len(rows):
        undefined = layout.format_list(row["name"] for row in rows if row["value"] is None)
        words.append(say("words_undefined", names=undefined))
    for other in series[1:] if ranked else []:  # different protocols are not ranked
        pairs = [(a["value"], b["value"]) for a, b in zip(rows, other["rows"], strict=True)]
        pairs = [(a, b) for a, b in pairs if a is not None and b is not None]
        if pairs:
            more = sum(b > a for a, b in pairs)
            words.append(say("words_beside", more=more, n=len(pairs), other=other["name"]))
    return " ".join(words)


def _make_table(series: Sequence[Mapping[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Return the bars as rows of a table."""
    name = layout.get_metric_name(metric)
    return [
        say.make_row({"class": row["name"], "of_run": view["name"]})
        | {name: row["value"]}
        | say.make_row(dict(zip(("from", "to"), row["interval"] or (None, None), strict=True)))
        for view in series
        for row in view["rows"]
    ]


def _show_reference(reference: Reference, metric: str) -> None:
    """Show the protocol and the source of published metrics."""
    messages = {"how": reference.method, "caveats": reference.caveats, "system": reference.system}
    words = {name: layout.translate_message(message) for name, message in messages.items()}
    protocol = say(f"protocol_{reference.protocol}")
    say.show("reference_worth", source=reference.source, protocol=protocol, **words)
    if any(metric in row for row in reference.per_class.values()):
        st.markdown(say("reference_intervals"))
    else:
        layout.show_info(say("reference_lacks", metric=layout.get_metric_name(metric)))


def _show_undefined(own: ClassMetrics) -> None:
    """List the metrics that are not defined, with the reason."""
    metrics: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for metric in _list_metrics(own):
        rows = [row for row in (own.make_row(name, metric) for name in own.rows) if row["value"] is None]
        for why in dict.fromkeys(row["note"] for row in rows):
            those = tuple(row["name"] for row in rows if row["note"] == why)
            metrics.setdefault((why, those), []).append(layout.get_metric_name(metric))
    for (why, those), which in metrics.items():
        named = layout.capitalize(layout.format_list(which))
        say.show("undefined", why=why, metrics=named, names=layout.format_list(those, 30))


def _show_all_metrics(own: ClassMetrics, n: int) -> None:
    """Show all metrics of all classes as a sortable table."""
    st.header(say("all_figures"))
    st.markdown(say("all_figures_how"))
    say.show_help("all_figures_more")
    if own.task == "multi":
        st.markdown(say("counts_how"))
    number = st.column_config.NumberColumn
    config = {layout.get_metric_name(metric): number(format="%.3f") for metric in _list_metrics(own)}
    config[say("class")] = st.column_config.TextColumn(pinned=True)
    layout.show_table([_make_row(own, name, n) for name in own.rows], "classes-all", config)


def _make_row(own: ClassMetrics, name: str, n: int) -> dict[str, Any]:
    """Return one class as a row of the table."""
    row = own.rows[name]
    shown: dict[str, Any] = {say("class"): name}
    if own.task == "multi":
        shown |= {say("positives"): row["support"], say("negatives"): row["observed"] - row["support"]}
        shown |= {say("unjudged"): n - row["observed"]}
    else:
        shown |= {layout.get_metric_name("support"): row["support"]}
    shown[say("answered")] = row["said"]
    for metric in _list_metrics(own):
        head, interval = layout.get_metric_name(metric), own.intervals.get(name, {}).get(metric)
        shown[head] = row.get(metric)
        shown[say("with_interval", metric=head)] = layout.format_interval(interval) if interval else None
    return shown


def _get_run_metrics(view: RunView) -> ClassMetrics:
    """Return the class metrics of a run."""
    rows = view.get_report().per_class
    found: Sequence[Mapping[str, Sequence[float] | None]] = [row.get("intervals") or {} for row in rows]
    if not all(found):  # the run is older than the intervals in report.json
        found = _compute_intervals(view)
    names = [row["class"] for row in rows]
    return ClassMetrics(
        layout.shorten_run_name(view.name),
        dict(zip(names, rows, strict=True)),
        dict(zip(names, found, strict=True)),
        view.info.task or "",
        view.name,
    )


@cache_by(stamp_runs("predictions.csv", "labels.json", "serving.json"), cache_data, max_entries=100)
def _compute_intervals(view: RunView) -> list[dict[str, list[float] | None]]:
    """Compute the intervals of each class from the run's predictions."""
    table = runs.get_predictions(view)
    predicted = apply_thresholds(table.scores, table.task, runs.get_thresholds(view))
    return compute_class_intervals(table.scores, table.targets, predicted, table.groups)


def _select_comparison(view: RunView, found: Sequence[RunView]) -> tuple[ClassMetrics | None, Reference | None]:
    """Let the user choose what to compare with: another run on the same dataset, or a published table."""
    dataset = view.info.data.dataset
    # only runs on the same dataset have the same classes
    others = {other.name: other for other in found if other.info.data.dataset == dataset and other.name != view.name}
    published = {reference.name: reference for reference in list_references(dataset) if reference.per_class}
    systems = {name: layout.translate_message(reference.system) for name, reference in published.items()}
    labels = {"": say("beside_nothing"), **layout.label_runs(others.values())}
    labels |= {name: say("beside_reference", system=system) for name, system in systems.items()}
    layout.forget_unknown(COMPARISON, labels)
    name = st.selectbox(say("beside"), list(labels), format_func=layout.make_formatter(labels), key=COMPARISON)
    if name in others:
        return _get_run_metrics(others[name]), None
    if name in published:
        return ClassMetrics(systems[name], published[name].per_class, {}), published[name]
    return None, None


def _list_metrics(own: ClassMetrics) -> tuple[str, ...]:
    """List the metrics that a class has."""
    return (*METRICS, "average_precision") if own.task == "multi" else METRICS


def _show_thresholds(view: RunView, table: PredictionTable) -> None:
    """Show how another threshold changes the metrics of one class; only this part of the page reruns."""
    st.header(say("threshold"))
    st.markdown(say("threshold_how"))
    st.warning(say("threshold_flatters"), icon=":material/balance:")
    st.fragment(lambda: layout.run_guarded(lambda: _show_threshold(view, table)))()


def _show_threshold(view: RunView, table: PredictionTable) -> None:
    """Show a class, a slider, and the metrics at its threshold and at the run's own threshold."""
    name = layout.select_class(table.class_names)
    k = table.class_names.index(name)  # column of the class
    scores, judged = table.scores[:, k], table.targets[:, k]
    if not (judged == 1).any():
        say.show("no_positives", layout.show_info, name=name, n=int((~np.isnan(judged)).sum()))
        return
    threshold = runs.get_thresholds(view)[..., k]  # one value, or one per example in a cross-validation
    middle = round(float(np.median(threshold)), 2)  # the slider moves in steps of 0.01
    at = st.slider(say("slider"), 0.0, 1.0, middle, 0.01, key=f"threshold-{view.name}-{name}")
    is_own = at == middle
    own, current = (_count_outcomes(scores, judged, t) for t in (threshold, threshold if is_own else at))
    words = {"found": current["right"], "positives": current["support"]}
    words |= {"negatives": current["observed"] - current["support"]}
    words |= {
        "wrong": current["said"] - current["right"],
        "own_found": own["right"],
        "own_wrong": own["said"] - own["right"],
    }
    say.show("at_own" if is_own else "at_other", at=_format(at), own=layout.format_thresholds(threshold), **words)
    for column, metric in zip(st.columns(3), METRICS, strict=False):
        change = None if is_own or None in (current[metric], own[metric]) else current[metric] - own[metric]
        column.metric(layout.get_metric_name(metric), layout.format_metric(current[metric]), _format(change, "+.3f"))
    if not is_own:
        st.caption(say("against_own"))
    _show_tradeoff(name, scores, judged, threshold, None if is_own else at)


def _format(value: float | None, spec: str = ".2f") -> str | None:
    """Format a number in the chosen language; None stays None."""
    return None if value is None else layout.localize_numbers(f"{value:{spec}}")


def _count_outcomes(scores: np.ndarray, judged: np.ndarray, threshold: float | np.ndarray) -> dict[str, Any]:
    """Count the outcomes of one threshold, or of one threshold per example, on the judged examples of a class."""
    return count_classes(scores[:, None], judged[:, None], np.atleast_1d(threshold)[:, None], "multi")[0]


def _show_tradeoff(name: str, scores: np.ndarray, judged: np.ndarray, threshold: np.ndarray, at: float | None) -> None:
    """Show precision, recall and F1 over all thresholds."""
    tried = [_count_outcomes(scores, judged, t) for t in THRESHOLDS]
    shown = METRICS[:3]
    curves = {layout.get_metric_name(metric): [row[metric] for row in tried] for metric in shown}
    marks = [(say("mark_own", at=layout.format_thresholds(threshold)), float(np.median(threshold)))]
    if at is not None:
        marks.append((say("mark_slider", at=_format(at)), at))  # only where the slider was moved
    figure = charts.draw_tradeoff(
        THRESHOLDS, curves, marks, say("axis_threshold"), say("axis_figure"), layout.is_dark()
    )
    # shown as a comparison only: the test set must not choose a threshold
    best = max(range(len(tried)), key=lambda place: tried[place]["f1"])
    own = _count_outcomes(scores, judged, threshold)["f1"]
    words = {"best": layout.format_metric(tried[best]["f1"]), "at": _format(THRESHOLDS[best])}
    words |= {"own": layout.format_thresholds(threshold), "own_f1": layout.format_metric(own)}
    rows = [
        {say("axis_threshold"): round(float(t), 2), **{layout.get_metric_name(metric): row[metric] for metric in shown}}
        for t, row in zip(THRESHOLDS, tried, strict=True)
    ]
    layout.show_chart(figure, say("trade_words", name=name, **words), rows, "classes-trade")


show()
