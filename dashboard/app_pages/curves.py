"""Show training curves: the loss and metrics of several runs over their epochs, live during training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout, runs
from dashboard.charts import curves
from dashboard.charts.curves import Curve
from dashboard.runs import RunView
from musicml.experiment import Epoch

MAX_RUNS = 8
STAGES = ("head", "top", "all")

say = layout.begin_page("curves")


def show() -> None:
    """Show the page."""
    found = sorted(  # training runs first, runs without curves last
        layout.list_runs_or_stop(),
        key=lambda one: 0 if one.status == "training" else 1 if one.info.has_epochs and not one.trouble else 2,
    )
    layout.watch_runs(layout.list_statuses())
    training = sum(one.status == "training" for one in found)
    chosen = layout.select_runs(found, min(MAX_RUNS, max(1, training)), most=MAX_RUNS)
    if not chosen:
        layout.show_info(say("choose_one"))
        return
    layout.show_data_notes(*chosen)
    with st.expander(say("how"), icon=":material/help:"):
        st.markdown(say("how_words"))
    live = any(one.status == "training" for one in chosen)
    paths = [one.run.path for one in chosen]
    st.fragment(
        lambda: layout.run_guarded(lambda: _show_runs([runs.get_run(path) for path in paths], live)),
        run_every=layout.LIVE if live else None,
    )()


def _show_runs(chosen: Sequence[RunView], live: bool) -> None:
    """Show the status and the curves of runs as they are now; called again every few seconds while one is training."""
    if live and not any(one.status == "training" for one in chosen):
        st.rerun()  # the page anew, which then looks no more
    histories = {one.name: runs.get_history(one) for one in chosen if not one.trouble}
    with st.container():  # there with nothing in it too, so that what a reader has opened below stays open
        for one in chosen:
            _show_status(one, histories.get(one.name, []))
    drawn = [one for one in chosen if histories.get(one.name)]
    if drawn:
        _show_charts(drawn, [histories[one.name] for one in drawn])


def _show_status(one: RunView, rows: Sequence[Epoch]) -> None:
    """Show a run's status before its curves, or in place of them."""
    name = layout.escape_markdown(one.name)
    if one.trouble:
        layout.show_error(one.trouble)
    elif one.info.family and not one.info.has_epochs:
        key = next((key for key in (one.status, one.info.family) if key in ("pretrained", "forest")), "no_epochs")
        layout.show_info(say(key, run=name))
    elif one.status == "training":
        _show_progress(one, rows)
    elif not rows:
        layout.show_info(say("nothing", run=name, status=say(f"status_{one.status}")))
    elif one.status == "stopped":
        st.info(say("stopped", run=name, n=len(rows), path=one.run.path), icon=":material/pause:")


def _show_progress(one: RunView, rows: Sequence[Epoch]) -> None:
    """Show how far a training has come."""
    planned = one.info.max_epochs
    left = max(0, planned - len(rows)) * float(np.median([row.seconds for row in rows])) if rows else 0.0
    key, name = "begun" if not rows else "progress" if left else "scoring", layout.escape_markdown(one.name)
    words = say(key, run=name, n=len(rows), planned=planned, left=layout.format_duration(left))
    st.progress(min(1.0, len(rows) / planned) if planned else 0.0, words)


def _show_charts(drawn: Sequence[RunView], histories: Sequence[Sequence[Epoch]]) -> None:
    """Show a chart for each metric, the learning rate, and one CSV of everything."""
    metrics = list(dict.fromkeys(metric for rows in histories for metric in curves.list_metrics(rows)))
    layout.show_in_columns(metrics, 2, lambda metric: _show_pair(metric, drawn, histories))
    _show_learning_rate(drawn, histories)
    st.header(say("csv"))
    st.markdown(say("csv_words"))
    rows = [
        {say("run"): one.name, "stage": row.stage, **row.values}
        for one, of_run in zip(drawn, histories, strict=True)
        for row in of_run
    ]
    layout.show_download(rows, "curves.csv", "curves-csv")


def _show_pair(metric: str, drawn: Sequence[RunView], histories: Sequence[Sequence[Epoch]]) -> None:
    """Show one metric in training and validation."""
    name = layout.get_metric_name(metric)
    st.header(layout.capitalize(name))
    found = [
        curves.make_curve(one.name, rows, metric, _find_best(one, rows))
        for one, rows in zip(drawn, histories, strict=True)
        if metric in curves.list_metrics(rows)
    ]
    figure = curves.draw_pairs(found, say("epoch"), name, _get_legend())
    words = [
        say("falls" if curves.is_lower_better(metric) else "rises"),
        *(_describe_curve(one, metric) for one in found),
    ]
    rows = [row for one in found for row in _make_rows(one, name)]
    layout.show_chart(figure, "\n\n".join(words), rows, f"curves-{metric}")


def _find_best(one: RunView, rows: Sequence[Epoch]) -> int | None:
    """Return the place of a run's best epoch: the recorded one, or the best so far."""
    return curves.find_best_epoch(
        rows, str(one.info.get_settings("training").get("monitor") or "val_loss"), one.info.best_epoch
    )


def _get_legend() -> dict[str, str]:
    """Return the words of the legends and the names of the stages."""
    return {key: say(key) for key in ("train", "val", "best")} | {name: say(f"stage_{name}") for name in STAGES}


def _describe_curve(one: Curve, metric: str) -> str:
    """Describe one run's curves: its stages, its best epoch, the gap there, and the gap at the end."""
    own, gap, n = curves.find_own_best(one, metric), curves.compute_gaps(one, metric), len(one.train)
    parts = []
    if len(one.stages) > 1:
        legend = _get_legend()
        later = [say("stage_from", stage=legend.get(name, name), epoch=place + 1) for place, name in one.stages]
        parts.append(say("stages", stages=layout.format_list(later)))
    if one.best is not None and one.val is not None:
        values = {"val": one.val[one.best], "train": one.train[one.best], "gap": gap[one.best]}
        parts.append(say("at_best", epoch=one.best + 1, n=n, **{key: _format_value(v) for key, v in values.items()}))
    if own is not None and (own != one.best or one.val is None):
        key = "own_best" if one.val is not None else "own_train"
        parts.append(say(key, epoch=own + 1, n=n, value=_format_value(one.shown[own])))
    parts.append(say(f"verdict_{curves.judge_curves(one, metric)}", gap=_format_value(gap[-1])))
    return say("of_run", run=one.name, words=" ".join(parts))


def _format_value(value: float) -> str:
    """Format a value, or a dash where there is none."""
    return layout.format_metric(None if np.isnan(value) else float(value))


def _make_rows(one: Curve, metric: str) -> list[dict[str, Any]]:
    """Return the curves of one run as rows of a table."""
    stage_of = [[name for begin, name in one.stages if begin <= place][-1] for place in range(len(one.train))]
    val, legend = [None] * len(one.train) if one.val is None else one.val, _get_legend()
    return [
        {
            say("run"): one.name,
            say("stage"): legend.get(stage, stage),
            say("epoch"): place + 1,
            say("of_train", metric=metric): _clean_number(one.train[place]),
            say("of_val", metric=metric): _clean_number(val[place]),
            say("is_best"): say("yes") if place == one.best else None,
        }
        for place, stage in enumerate(stage_of)
    ]


def _clean_number(value: float | None) -> float | None:
    """Return a value for a table, None where there is none."""
    return None if value is None or np.isnan(value) else float(value)


def _show_learning_rate(drawn: Sequence[RunView], histories: Sequence[Sequence[Epoch]]) -> None:
    """Show the learning rate of each run in words, and as a chart where it changes."""
    st.header(layout.capitalize(say("learning_rate")))
    st.markdown(say("learning_rate_words"))
    found = [
        curves.make_curve(one.name, rows, "learning_rate", None) for one, rows in zip(drawn, histories, strict=True)
    ]
    words = [_describe_rate(one) for one in found]
    if not any(curves.find_rate_changes(one.train) for one in found):
        for sentence in words:
            st.caption(layout.escape_markdown(sentence))
        return
    rows = [
        say.make_row({"run": one.name, "epoch": place + 1, "learning_rate": _clean_number(rate)})
        for one in found
        for place, rate in enumerate(one.train)
    ]
    figure = curves.draw_rates(found, say("epoch"), say("learning_rate"), _get_legend())
    layout.show_chart(figure, "\n\n".join(words), rows, "curves-rate")


def _describe_rate(one: Curve) -> str:
    """Describe the learning rate of one run."""
    changed, first, last = curves.find_rate_changes(one.train), one.train[0], one.train[-1]
    if not changed:
        return say("rate_same", run=one.name, rate=f"{first:.2g}")
    at = layout.format_list(map(str, changed), 6)
    return say("rate_changed", run=one.name, first=f"{first:.2g}", last=f"{last:.2g}", epochs=at)


show()
