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
        key=lambda view: 0 if view.status == "training" else 1 if view.info.has_epochs and not view.error else 2,
    )
    layout.watch_runs(layout.list_statuses())  # rerun when a run starts or ends
    training = [view for view in found if view.status == "training"][:MAX_RUNS]
    chosen = layout.select_runs(found, training or [min(found, key=layout.rank_as_default)], most=MAX_RUNS)
    if not chosen:
        layout.show_info(say("choose_one"))
        return
    layout.show_data_notes(*chosen)
    say.show_help("how_words")
    live = any(view.status == "training" for view in chosen)
    # the fragment reads the runs again, so it keeps paths instead of contents
    paths = [view.run.path for view in chosen]
    st.fragment(
        lambda: layout.run_guarded(lambda: _show_runs([runs.get_run(path) for path in paths], live)),
        run_every=layout.LIVE if live else None,
    )()


def _show_runs(chosen: Sequence[RunView], live: bool) -> None:
    """Show the status and the curves of runs as they are now; called again every few seconds while one is training."""
    if live and not any(view.status == "training" for view in chosen):
        st.rerun()  # the whole page, which then stops refreshing
    histories = {view.name: runs.get_history(view) for view in chosen if not view.error}
    with st.container():  # even if empty: a stable layout keeps open what the user has opened below
        for view in chosen:
            _show_status(view, histories.get(view.name, []))
    drawn = [view for view in chosen if histories.get(view.name)]
    if drawn:
        _show_charts(drawn, [histories[view.name] for view in drawn])


def _show_status(view: RunView, rows: Sequence[Epoch]) -> None:
    """Show a run's status before its curves, or in place of them."""
    name = layout.escape_markdown(layout.shorten_run_name(view.name))
    if view.error:
        layout.show_error(view.error)
    elif view.info.family and not view.info.has_epochs:
        key = next((key for key in (view.status, view.info.family) if key in ("pretrained", "forest")), "no_epochs")
        layout.show_info(say(key, run=name))
    elif view.status == "training":
        _show_progress(view, rows)
    elif not rows:
        layout.show_info(say("nothing", run=name, status=say(f"status_{view.status}")))
    elif view.status == "stopped":
        st.info(say("stopped", run=name, n=len(rows), path=view.run.path), icon=":material/pause:")


def _show_progress(view: RunView, rows: Sequence[Epoch]) -> None:
    """Show how far a training has come."""
    planned = view.info.max_epochs
    # the median ignores a slow first epoch, which compiles the model
    left = max(0, planned - len(rows)) * float(np.median([row.seconds for row in rows])) if rows else 0.0
    key = "begun" if not rows else "progress" if left else "scoring"
    name = layout.escape_markdown(layout.shorten_run_name(view.name))
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
        {say("run"): view.name, "stage": row.stage, **row.values}
        for view, of_run in zip(drawn, histories, strict=True)
        for row in of_run
    ]
    layout.show_download(rows, "curves.csv", "curves-csv")


def _show_pair(metric: str, drawn: Sequence[RunView], histories: Sequence[Sequence[Epoch]]) -> None:
    """Show one metric in training and validation."""
    name, labels = layout.get_metric_name(metric), layout.label_runs(drawn)
    st.header(layout.capitalize(name))
    found = {
        view.name: curves.make_curve(labels[view.name], rows, metric, _find_best(view, rows))
        for view, rows in zip(drawn, histories, strict=True)
        if metric in curves.list_metrics(rows)
    }
    figure = curves.draw_pairs(list(found.values()), say("epoch"), name, _get_legend())
    words = [
        say("falls" if curves.is_lower_better(metric) else "rises"),
        *(_describe_curve(curve, metric) for curve in found.values()),
    ]
    rows = [row for run, curve in found.items() for row in _make_rows(run, curve, name)]
    layout.show_chart(figure, "\n\n".join(words), rows, f"curves-{metric}")


def _find_best(view: RunView, rows: Sequence[Epoch]) -> int | None:
    """Return the place of a run's best epoch: the recorded one, or the best so far."""
    return curves.find_best_epoch(
        rows, str(view.info.get_settings("training").get("monitor") or "val_loss"), view.info.best_epoch
    )


def _get_legend() -> dict[str, str]:
    """Return the words of the legends and the names of the stages."""
    return {key: say(key) for key in ("train", "val", "best")} | {name: say(f"stage_{name}") for name in STAGES}


def _describe_curve(curve: Curve, metric: str) -> str:
    """Describe one run's curves: its stages, its best epoch, the gap there, and the gap at the end."""
    own, gap, n = curves.find_own_best(curve, metric), curves.compute_gaps(curve, metric), len(curve.train)
    parts = []
    if len(curve.stages) > 1:
        legend = _get_legend()
        later = [say("stage_from", stage=legend.get(name, name), epoch=place + 1) for place, name in curve.stages]
        parts.append(say("stages", stages=layout.format_list(later)))
    if curve.best is not None and curve.val is not None:
        values = {"val": curve.val[curve.best], "train": curve.train[curve.best], "gap": gap[curve.best]}
        parts.append(say("at_best", epoch=curve.best + 1, n=n, **{key: _format_value(v) for key, v in values.items()}))
    # the best loss and the best accuracy can be in different epochs
    if own is not None and (own != curve.best or curve.val is None):
        key = "own_best" if curve.val is not None else "own_train"
        parts.append(say(key, epoch=own + 1, n=n, value=_format_value(curve.shown[own])))
    parts.append(say(f"verdict_{curves.judge_curves(curve, metric)}", gap=_format_value(gap[-1])))
    return say("of_run", run=curve.name, words=" ".join(parts))


def _format_value(value: float) -> str:
    """Format a value, or a dash where there is none."""
    return layout.format_metric(None if np.isnan(value) else float(value))


def _make_rows(run: str, curve: Curve, metric: str) -> list[dict[str, Any]]:
    """Return the curves of one run as rows of a table."""
    # transfer learning trains the head first, then more layers
    stage_of = [[name for begin, name in curve.stages if begin <= place][-1] for place in range(len(curve.train))]
    val, legend = [None] * len(curve.train) if curve.val is None else curve.val, _get_legend()
    return [
        {
            say("run"): run,
            say("stage"): legend.get(stage, stage),
            say("epoch"): place + 1,
            say("of_train", metric=metric): _clean_number(curve.train[place]),
            say("of_val", metric=metric): _clean_number(val[place]),
            say("is_best"): say("yes") if place == curve.best else None,
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
    labels = layout.label_runs(drawn)
    found = [
        curves.make_curve(labels[view.name], rows, "learning_rate", None)
        for view, rows in zip(drawn, histories, strict=True)
    ]
    words = [_describe_rate(curve) for curve in found]
    if not any(curves.find_rate_changes(curve.train) for curve in found):  # a constant needs no chart
        for sentence in words:
            st.caption(layout.escape_markdown(sentence))
        return
    rows = [
        say.make_row({"run": view.name, "epoch": place + 1, "learning_rate": _clean_number(rate)})
        for view, curve in zip(drawn, found, strict=True)
        for place, rate in enumerate(curve.train)
    ]
    figure = curves.draw_rates(found, say("epoch"), say("learning_rate"), _get_legend())
    layout.show_chart(figure, "\n\n".join(words), rows, "curves-rate")


def _describe_rate(curve: Curve) -> str:
    """Describe the learning rate of one run."""
    changed, first, last = curves.find_rate_changes(curve.train), curve.train[0], curve.train[-1]
    if not changed:
        return say("rate_same", run=curve.name, rate=layout.localize_numbers(f"{first:.2g}"))
    at = layout.format_list(map(str, changed), 6)
    ends = {"first": layout.localize_numbers(f"{first:.2g}"), "last": layout.localize_numbers(f"{last:.2g}")}
    return say("rate_changed", run=curve.name, epochs=at, **ends)


show()
