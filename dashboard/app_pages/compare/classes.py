"""Compare runs class by class."""

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
from dashboard.charts import class_counts
from dashboard.runs import RunView

say = layout.LazyText("compare")


def show(chosen: Sequence[RunView], common: SharedExamples, made: Sequence[RunMetrics]) -> None:
    """Show one metric of each class for each run, and how far the runs differ."""
    st.header(say("classes"))
    names = metrics.OF_A_CLASS[common.task]
    metric = layout.select_option(say("metric"), layout.get_metric_names(names), f"class-{common.task}")
    st.markdown(say(f"means_{metric}"))
    values = {labels.format_name(chosen, k): [row.get(metric) for row in its.classes] for k, its in enumerate(made)}
    around = {
        labels.format_name(chosen, k): [row.get(metric) for row in its.class_intervals] for k, its in enumerate(made)
    }
    apart, rows = _make_rows(chosen, common, values)
    figure = class_counts.draw_side_by_side(common.class_names, values, around, layout.get_metric_name(metric))
    layout.show_chart(figure, _describe_classes(common, values, apart, metric), rows, f"classes-{metric}")


def _make_rows(
    chosen: Sequence[RunView], common: SharedExamples, values: dict[str, list[float | None]]
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Return the difference between the runs in each class (NaN where undefined) and the rows of the table."""
    table = np.array(list(values.values()), dtype=float)
    pair = len(chosen) == 2 and labels.get_protocol(chosen[0]) == labels.get_protocol(chosen[1])
    apart = table[1] - table[0] if pair else table.max(axis=0) - table.min(axis=0)
    support = (common.targets == 1).sum(axis=0)
    difference = say("second_less_first" if pair else "highest_less_lowest")
    rows = [
        {
            say("class"): name,
            say("metric_support"): int(support[k]),
            **{run: row[k] for run, row in values.items()},
            difference: round(float(apart[k]), 4) if np.isfinite(apart[k]) else None,
        }
        for k, name in enumerate(common.class_names)
    ]
    return apart, rows


def _describe_classes(
    common: SharedExamples, values: dict[str, list[float | None]], apart: np.ndarray, metric: str
) -> str:
    """Describe the classes in which the runs differ most."""
    known = np.flatnonzero(np.isfinite(apart) & (np.abs(np.nan_to_num(apart)) > 1e-9))
    furthest = known[np.argsort(-np.abs(apart[known]), kind="stable")][:3]
    support = (common.targets == 1).sum(axis=0)
    parts = [
        say(
            "class_apart",
            name=common.class_names[k],
            n=support[k],
            figures=layout.format_list(
                say("name_figure", name=letter, figure=layout.format_metric(row[k]))
                for letter, row in zip(LETTERS, values.values(), strict=False)
            ),
        )
        for k in furthest
    ]
    key = "classes_words" if parts else "classes_alike"
    return say(key, metric=layout.get_metric_name(metric), parts=say("between").join(parts))
