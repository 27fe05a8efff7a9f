"""Training curves: loss and metrics of several runs over their epochs, as they grow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout, runs
from dashboard.charts import curves
from dashboard.charts.curves import Curve
from dashboard.runs import Entry
from musicml.experiment import Epoch

MOST = 8
STAGES = ("head", "top", "all")

say = layout.begin("curves")


def show() -> None:
    """The whole page."""
    found = sorted(layout.entries(), key=order)
    layout.watch(layout.statuses())
    training = sum(one.status == "training" for one in found)
    chosen = layout.pick_runs(found, min(MOST, max(1, training)), most=MOST)
    if not chosen:
        st.info(say("choose_one"), icon=":material/info:")
        return
    layout.sample_note(*chosen)
    with st.expander(say("how"), icon=":material/help:"):
        st.markdown(say("how_words"))
    live = any(one.status == "training" for one in chosen)
    look = st.fragment(looked_at, run_every=layout.LIVE if live else None)
    look([one.run.path for one in chosen], live)


def order(one: Entry) -> int:
    """Runs that are training first, then those that have curves, in the order in which they came."""
    if one.status == "training":
        return 0
    return 2 if one.trouble or one.info.family == "forest" else 1


def looked_at(paths: Sequence[Path], live: bool) -> None:
    """The chosen runs as they are now; looked at again every few seconds as long as one of them is training."""
    layout.told(lambda: look_at([runs.entry(path) for path in paths], live))


def look_at(chosen: Sequence[Entry], live: bool) -> None:
    """All that is to be seen of the chosen runs."""
    if live and not any(one.status == "training" for one in chosen):
        st.rerun()  # the page anew, which then looks no more
    histories = {one.name: runs.history(one) for one in chosen if not one.trouble}
    with st.container():  # there with nothing in it too, so that what a reader has opened below stays open
        for one in chosen:
            told_first(one, histories.get(one.name, []))
    drawn = [one for one in chosen if histories.get(one.name)]
    if drawn:
        charts_of(drawn, [histories[one.name] for one in drawn])


def told_first(one: Entry, rows: Sequence[Epoch]) -> None:
    """What has to be said of a run before its curves, or in their place."""
    name = layout.plain(one.name)
    if one.trouble:
        layout.refuse(one.trouble)
    elif one.info.family == "forest":
        st.info(say("forest", run=name), icon=":material/forest:")
    elif one.status == "training":
        progress(one, rows)
    elif not rows:
        st.info(say("nothing", run=name, status=say(f"status_{one.status}")), icon=":material/info:")
    elif one.status == "stopped":
        st.info(say("stopped", run=name, n=len(rows), path=one.run.path), icon=":material/pause:")


def progress(one: Entry, rows: Sequence[Epoch]) -> None:
    """How far a training has come."""
    planned = one.info.max_epochs
    left = max(0, planned - len(rows)) * float(np.median([row.seconds for row in rows])) if rows else 0.0
    key = "begun" if not rows else "progress" if left else "scoring"
    words = say(key, run=layout.plain(one.name), n=len(rows), planned=planned, left=layout.duration(left))
    st.progress(min(1.0, len(rows) / planned) if planned else 0.0, words)


def charts_of(drawn: Sequence[Entry], histories: Sequence[Sequence[Epoch]]) -> None:
    """A chart for each metric beside each other, the learning rate below, all as one CSV."""
    metrics = list(dict.fromkeys(metric for rows in histories for metric in curves.metrics_of(rows)))
    for begin in range(0, len(metrics), 2):
        for column, metric in zip(st.columns(2), metrics[begin : begin + 2], strict=False):
            with column:
                pair(metric, drawn, histories)
    learning_rate(drawn, histories)
    st.header(say("csv"))
    st.markdown(say("csv_words"))
    rows = [
        {say("run"): one.name, "stage": row.stage, **row.values}
        for one, of_run in zip(drawn, histories, strict=True)
        for row in of_run
    ]
    layout.download(rows, "curves.csv", "curves-csv")


def pair(metric: str, drawn: Sequence[Entry], histories: Sequence[Sequence[Epoch]]) -> None:
    """One metric in training and validation."""
    st.header(layout.capital(layout.metric_name(metric)))
    found = {
        one.name: curves.curve(one.name, rows, metric, best_of(one, rows))
        for one, rows in zip(drawn, histories, strict=True)
        if metric in curves.metrics_of(rows)
    }
    layout.chart(
        curves.pairs(list(found.values()), say("epoch"), layout.metric_name(metric), legend()),
        "\n\n".join(
            [say("falls" if curves.lower_is_better(metric) else "rises")]
            + [told(one, metric) for one in found.values()]
        ),
        [row for one in found.values() for row in rows_of(one, metric)],
        f"curves-{metric}",
    )


def best_of(one: Entry, rows: Sequence[Epoch]) -> int | None:
    """The place of a run's best epoch: as it says itself, or so far."""
    return curves.best_place(rows, str(one.settings("training").get("monitor") or "val_loss"), one.info.best_epoch)


def legend() -> dict[str, str]:
    """What stands in the legends, and what the stages are called."""
    return {key: say(key) for key in ("train", "val", "best")} | {name: say(f"stage_{name}") for name in STAGES}


def told(one: Curve, metric: str) -> str:
    """One run's curves in words: its best epoch, the gap there, and what the gap has become."""
    parts = [stages_told(one)] if len(one.stages) > 1 else []
    own, gap, n = curves.own_best(one, metric), curves.gaps(one, metric), len(one.train)
    if one.best is not None and one.val is not None:
        parts.append(
            say(
                "at_best",
                epoch=one.best + 1,
                n=n,
                val=shown(one.val[one.best]),
                train=shown(one.train[one.best]),
                gap=shown(gap[one.best]),
            )
        )
    if own is not None and (own != one.best or one.val is None):
        parts.append(
            say("own_best" if one.val is not None else "own_train", epoch=own + 1, n=n, value=shown(one.shown[own]))
        )
    parts.append(say(f"verdict_{curves.verdict(one, metric)}", gap=shown(gap[-1])))
    return say("of_run", run=one.name, words=" ".join(parts))


def stages_told(one: Curve) -> str:
    """The stages of a run and where the later ones begin."""
    later = [say("stage_from", stage=legend().get(name, name), epoch=place + 1) for place, name in one.stages]
    return say("stages", stages=layout.listed(later))


def shown(value: float) -> str:
    """A figure, or a dash where there is none."""
    return layout.figure_text(None if np.isnan(value) else float(value))


def rows_of(one: Curve, metric: str) -> list[dict[str, Any]]:
    """The curves of one run as rows of a table."""
    stage_of = [[name for begin, name in one.stages if begin <= place][-1] for place in range(len(one.train))]
    val = [None] * len(one.train) if one.val is None else one.val
    return [
        {
            say("run"): one.name,
            say("stage"): legend().get(stage, stage),
            say("epoch"): place + 1,
            say("of_train", metric=layout.metric_name(metric)): number(one.train[place]),
            say("of_val", metric=layout.metric_name(metric)): number(val[place]),
            say("is_best"): say("yes") if place == one.best else None,
        }
        for place, stage in enumerate(stage_of)
    ]


def number(value: float | None) -> float | None:
    """A figure for a table, None where there is none."""
    return None if value is None or np.isnan(value) else float(value)


def learning_rate(drawn: Sequence[Entry], histories: Sequence[Sequence[Epoch]]) -> None:
    """The learning rate of each run: in words, and drawn where it changes at all."""
    st.header(layout.capital(say("learning_rate")))
    st.markdown(say("learning_rate_words"))
    found = [curves.curve(one.name, rows, "learning_rate", None) for one, rows in zip(drawn, histories, strict=True)]
    words = [rate_told(one) for one in found]
    if not any(curves.changes(one.train) for one in found):
        for sentence in words:
            st.caption(layout.plain(sentence))
        return
    rows = [
        {say("run"): one.name, say("epoch"): place + 1, say("learning_rate"): number(rate)}
        for one in found
        for place, rate in enumerate(one.train)
    ]
    figure = curves.rates(found, say("epoch"), say("learning_rate"), legend())
    layout.chart(figure, "\n\n".join(words), rows, "curves-rate")


def rate_told(one: Curve) -> str:
    """The learning rate of one run in words."""
    changed, first, last = curves.changes(one.train), one.train[0], one.train[-1]
    name = one.name
    if not changed:
        return say("rate_same", run=name, rate=f"{first:.2g}")
    at = layout.listed(map(str, changed), 6)
    return say("rate_changed", run=name, first=f"{first:.2g}", last=f"{last:.2g}", epochs=at)


show()
