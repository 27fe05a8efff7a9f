"""Compute the metrics of runs on the examples that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard import runs
from dashboard.app_pages.compare.common_examples import SharedExamples
from dashboard.caching import cache_resource
from dashboard.runs import RunView
from musicml.evaluation import (
    CLASS_METRICS,
    INTERVAL_METHOD,
    compute_class_draws,
    compute_mean_draws,
    draw_groups,
    summarize_class_draws,
    summarize_draws,
)

DRAWS = 300  # of the bootstrap, where figures are worked out anew while somebody waits; a report's own has 1,000
FIGURES = ("accuracy", "mean_average_precision", "macro_f1", "macro_precision", "macro_recall", "macro_auc")
OF_A_CLASS = {"single": ("recall", "precision", "f1"), "multi": ("average_precision", "f1", "recall", "precision")}


@dataclass(frozen=True)
class RunMetrics:
    """Hold a run's metrics on the shared examples.

    Attributes
    ----------
    overall : figure → its value
    intervals : figure → its 95 % interval, None where there is none
    classes : for each class, figure → its value, None where it is not defined
    class_intervals : for each class, figure → its interval
    interval_method : how intervals were computed, as report.json names it
    """

    overall: Mapping[str, float]
    intervals: Mapping[str, Sequence[float] | None]
    classes: Sequence[Mapping[str, Any]]
    class_intervals: Sequence[Mapping[str, Sequence[float] | None]]
    interval_method: str | None = INTERVAL_METHOD


def get_metrics(chosen: Sequence[RunView], common: SharedExamples) -> list[RunMetrics]:
    """Return each run's metrics: from its report if all its test examples are shared, else computed again."""
    if common.is_all and all(_is_complete(one, common) for one in chosen):
        return [read_reported_metrics(one, common) for one in chosen]
    changed = tuple(runs.get_stamp(one.run.path, "predictions.csv", "serving.json", "run.json") for one in chosen)
    return compute_metrics(tuple(str(one.run.path) for one in chosen), changed, common)


def _is_complete(one: RunView, common: SharedExamples) -> bool:
    """Return whether a run's report covers these examples and classes."""
    rows = one.get_report().per_class
    named = {row.get("class") for row in rows if isinstance(row, dict)} if isinstance(rows, list) else set()
    return named == set(common.class_names)


def read_reported_metrics(one: RunView, common: SharedExamples) -> RunMetrics:
    """Read the metrics of a run's report."""
    by_name = {row["class"]: row for row in one.get_report().per_class}
    rows = [by_name[name] for name in common.class_names]
    overall = {name: value for name, value in one.get_report().metrics.items() if name in FIGURES}
    of_classes = [row.get("intervals") or {} for row in rows]
    return RunMetrics(overall, one.get_report().intervals or {}, rows, of_classes, one.get_report().interval_method)


@cache_resource(max_entries=20)
def compute_metrics(paths: tuple[str, ...], changed: tuple, _common: SharedExamples) -> list[RunMetrics]:
    """Compute the metrics of the shared examples with the report's code and fewer bootstrap draws."""
    made, targets, task = [], _common.targets, _common.task
    once = np.ones((1, len(targets)))
    weights = draw_groups(_common.groups, 0, DRAWS)
    for scores, said in zip(_common.scores, _common.said, strict=True):
        found = compute_class_draws(scores, targets, said, once)
        overall = {name: values[0] for name, values in compute_mean_draws(found, once, task).items()}
        rows = [_make_row(found, _common, k) for k in range(targets.shape[1])]
        known = {name: float(value) for name, value in overall.items() if name in FIGURES and np.isfinite(value)}
        drawn, intervals = None, {}
        if weights is not None:
            drawn = compute_class_draws(scores, targets, said, weights)
            intervals = summarize_draws(compute_mean_draws(drawn, weights, task), _common.groups, known)
        of_classes = summarize_class_draws(drawn, rows, _common.groups, targets, said)
        made.append(RunMetrics(known, intervals, rows, of_classes))
    return made


def _make_row(found: Mapping[str, np.ndarray], common: SharedExamples, k: int) -> dict[str, Any]:
    """Return one class's metrics, None where they are not defined."""
    values = {name: float(found[name][0, k]) for name in CLASS_METRICS}
    row = {name: value if np.isfinite(value) else None for name, value in values.items()}
    return {"support": int((common.targets[:, k] == 1).sum()), **row}
