"""Figures side by side: one of each run with its interval, and all of them as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout
from dashboard.app_pages.compare import labels, metrics
from dashboard.app_pages.compare.common_examples import Shared
from dashboard.app_pages.compare.labels import LETTERS
from dashboard.app_pages.compare.metrics import Figures
from dashboard.charts import metric_dots
from dashboard.runs import Entry

say = layout.Saying("compare")


def show(chosen: Sequence[Entry], common: Shared, made: Sequence[Figures]) -> None:
    """One figure of each run with its interval, and all of them as a table."""
    st.header(say("figures"))
    st.markdown(say("figures_lead"))
    names = [name for name in ordered(common.task) if all(name in one.overall for one in made)]
    if not names:
        st.info(say("no_figures"), icon=":material/info:")
        return
    metric = layout.one_of(say("metric"), layout.metric_names(names), f"metric-{common.task}")
    rows = [
        {
            "name": LETTERS[k],
            "value": its.overall[metric],
            **dict(zip(("low", "high"), its.intervals.get(metric) or (None, None), strict=True)),
            "kind": labels.kind(one),
        }
        for k, (one, its) in enumerate(zip(chosen, made, strict=True))
    ]
    # honest ones by their figure, and those of a published protocol after them
    order = np.lexsort(([-row["value"] for row in rows], [labels.protocol(one) != "honest" for one in chosen]))
    rows = [rows[k] for k in order]
    words = say("figures_words", metric=layout.metric_name(metric), n=len(common.names), figures=told(rows))
    table = [in_full(chosen, k, its, names) for k, its in enumerate(made)]
    layout.chart(metric_dots.dots(rows, layout.metric_name(metric)), words, table, f"overall-{metric}")


def ordered(task: str) -> list[str]:
    """The figures, the main one first."""
    main = "mean_average_precision" if task == "multi" else "accuracy"
    return [main, *(name for name in metrics.FIGURES if name != main)]


def told(rows: Sequence[dict[str, Any]]) -> str:
    """Figures in a row of words."""
    return layout.listed(
        say("name_figure", name=row["name"], figure=layout.figure_text(row["value"], interval_of(row))) for row in rows
    )


def interval_of(row: dict[str, Any]) -> list[float] | None:
    """The interval of a dot."""
    return None if row["low"] is None else [row["low"], row["high"]]


def in_full(chosen: Sequence[Entry], k: int, its: Figures, names: Sequence[str]) -> dict[str, Any]:
    """All figures of a run as a row."""
    row = {layout.metric_name(name): layout.figure_text(its.overall[name], its.intervals.get(name)) for name in names}
    return {say("run"): labels.name_of(chosen, k), say("protocol"): labels.kind(chosen[k]), **row}
