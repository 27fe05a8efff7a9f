"""Show the overall metrics of several runs next to each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout
from dashboard.app_pages.compare import labels, metrics
from dashboard.app_pages.compare.common_examples import SharedExamples
from dashboard.app_pages.compare.labels import LETTERS
from dashboard.app_pages.compare.metrics import RunMetrics
from dashboard.charts import metric_dots
from dashboard.runs import RunView

say = layout.LazyText("compare")


def show(chosen: Sequence[RunView], common: SharedExamples, made: Sequence[RunMetrics]) -> None:
    """Show one metric of each run with its interval, and all metrics as a table."""
    st.header(say("figures"))
    st.markdown(say("figures_lead"))
    names = [name for name in _order_metrics(common.task) if all(name in one.overall for one in made)]
    if not names:
        st.info(say("no_figures"), icon=":material/info:")
        return
    metric = layout.select_option(say("metric"), layout.get_metric_names(names), f"metric-{common.task}")
    rows: list[dict[str, Any]] = [
        {
            "name": LETTERS[k],
            "value": its.overall[metric],
            **dict(zip(("low", "high"), its.intervals.get(metric) or (None, None), strict=True)),
            "kind": labels.describe_protocol(one),
        }
        for k, (one, its) in enumerate(zip(chosen, made, strict=True))
    ]
    # honest ones by their figure, and those of a published protocol after them
    order = np.lexsort(([-row["value"] for row in rows], [labels.get_protocol(one) != "honest" for one in chosen]))
    rows = [rows[k] for k in order]
    words = say(
        "figures_words", metric=layout.get_metric_name(metric), n=len(common.names), figures=_describe_metrics(rows)
    )
    n_groups = len(set(common.groups))
    layout.show_few_groups({LETTERS[k]: (n_groups, its.interval_method) for k, its in enumerate(made)})
    table = [_make_row(chosen, k, its, names) for k, its in enumerate(made)]
    layout.show_chart(metric_dots.draw_dots(rows, layout.get_metric_name(metric)), words, table, f"overall-{metric}")


def _order_metrics(task: str) -> list[str]:
    """List the metrics, the main one first."""
    main = "mean_average_precision" if task == "multi" else "accuracy"
    return [main, *(name for name in metrics.FIGURES if name != main)]


def _describe_metrics(rows: Sequence[dict[str, Any]]) -> str:
    """Describe the metrics of all runs in one sentence."""
    return layout.format_list(
        say("name_figure", name=row["name"], figure=layout.format_metric(row["value"], _get_interval(row)))
        for row in rows
    )


def _get_interval(row: dict[str, Any]) -> list[float] | None:
    """Return the interval of a dot."""
    return None if row["low"] is None else [row["low"], row["high"]]


def _make_row(chosen: Sequence[RunView], k: int, its: RunMetrics, names: Sequence[str]) -> dict[str, Any]:
    """Return all metrics of a run as a row."""
    row = {
        layout.get_metric_name(name): layout.format_metric(its.overall[name], its.intervals.get(name)) for name in names
    }
    return {say("run"): labels.format_name(chosen, k), say("protocol"): labels.describe_protocol(chosen[k]), **row}
