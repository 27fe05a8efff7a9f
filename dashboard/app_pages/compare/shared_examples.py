"""Find the test examples that several runs share, and compare the runs on them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard import runs
from dashboard.caching import cache_by, stamp_runs
from dashboard.runs import RunView
from musicml.evaluation import (
    CLASS_METRICS,
    INTERVAL_METHOD,
    PairedComparison,
    PredictionTable,
    apply_thresholds,
    compare_pairs,
    compute_class_draws,
    compute_mean_draws,
    draw_groups,
    find_comparable_pairs,
    summarize_class_draws,
    summarize_draws,
)
from musicml.utils import Message

LETTERS = "ABCDEFGH"  # one for each of the eight runs that can be chosen
N_DRAWS = 300  # bootstrap draws while the user waits; a report has 1,000
METRICS = ("accuracy", "mean_average_precision", "macro_f1", "macro_precision", "macro_recall", "macro_auc")

stamp_chosen = stamp_runs("predictions.csv", "serving.json", "run.json")


@dataclass(frozen=True)
class SharedExamples:
    """Hold the predictions of several runs for the test examples that all of them have.

    Attributes
    ----------
    names, groups : of the shared examples, [shape=(n,)]
    places : their rows in each run's predictions, [shape=(n_runs, n)], int
    sizes : the number of test examples of each run
    class_names, task : the same for all runs
    targets : np.ndarray [shape=(n, n_classes)], 1, 0 or NaN where there is no label
    scores : np.ndarray [shape=(n_runs, n, n_classes)]
    predicted : np.ndarray [shape=(n_runs, n, n_classes)], bool: the classes that each run predicts
    relabelled : the number of examples that were left out because the runs have different labels for them
    """

    names: np.ndarray
    groups: np.ndarray
    places: np.ndarray
    sizes: tuple[int, ...]
    class_names: tuple[str, ...]
    task: str
    targets: np.ndarray
    scores: np.ndarray
    predicted: np.ndarray
    relabelled: int

    @property
    def is_all(self) -> bool:
        """Whether every run was tested on exactly these examples, so that its report can be used."""
        return all(size == len(self.names) for size in self.sizes)

    @property
    def support(self) -> np.ndarray:
        """The number of examples of each class, [shape=(n_classes,)], int."""
        return (self.targets == 1).sum(axis=0)

    @functools.cached_property
    def seen(self) -> np.ndarray:
        """Which cells are labeled, [shape=(n, n_classes)], bool."""
        return ~np.isnan(self.targets)

    @functools.cached_property
    def right_cells(self) -> np.ndarray:
        """Which cells each run predicts correctly, [shape=(n_runs, n, n_classes)], bool; False where unlabeled."""
        return (self.predicted == (self.targets == 1)) & self.seen

    @functools.cached_property
    def right(self) -> np.ndarray:
        """Which examples each run predicts correctly in all labeled cells, [shape=(n_runs, n)], bool."""
        return (self.right_cells | ~self.seen).all(axis=2)

    @functools.cached_property
    def confidence(self) -> np.ndarray:
        """The probability that each run assigns to the true labels, [shape=(n_runs, n)], averaged over labels."""
        if self.task == "single":
            return (self.scores * self.targets).sum(axis=2)
        assigned = np.where(self.targets == 1, self.scores, 1 - self.scores) * self.seen
        return assigned.sum(axis=2) / np.maximum(1, self.seen.sum(axis=1))


def sort_by_shared_examples(found: Sequence[RunView]) -> list[RunView]:
    """Sort runs so that the first ones share their test examples, where any two do."""
    keys = [(*_get_origin(view), view.info.split.hash) for view in found]
    first = next((key for key in keys if keys.count(key) > 1), None)  # sorted() is stable: the others keep their order
    return [view for view, key in sorted(zip(found, keys, strict=True), key=lambda pair: pair[1] != first)]


def _get_origin(view: RunView) -> tuple[str, ...]:
    """Return the source of a run's data: generated data has the same file names as the real dataset."""
    made = _get_generation(view) if view.sample else []
    return tuple(str(part) for part in (view.info.data.dataset, view.sample, view.info.data.folder, *made))


def _get_generation(view: RunView) -> list[Any]:
    """Return how a run's data was generated."""
    return [view.info.data.source.get(name) for name in ("seed", "scale", "generator")]


def list_differences(chosen: Sequence[RunView]) -> list[str]:
    """List why the test examples of runs differ: `sets`, `folders`, `origins`, `generated` or `splits`."""
    # why → a value per run, which differs if this is a reason
    compared: dict[str, Sequence[object]] = {
        "sets": [view.info.data.dataset for view in chosen],
        "folders": [view.info.data.folder for view in chosen],
        "origins": [view.sample for view in chosen],
        "generated": [_get_generation(view) for view in chosen if view.sample],
        "splits": [view.info.split.hash for view in chosen],
    }
    found = [key for key, values in compared.items() if len({str(value) for value in values}) > 1]
    # if the data differs, the split differs as well and need not be named
    return [key for key in found if key != "splits" or len(found) == 1]


def find_mismatch(tables: Sequence[PredictionTable]) -> str | None:
    """Return why runs can't be compared, `tasks` or `classes`; None where they can."""
    if len({table.task for table in tables}) > 1:
        return "tasks"
    return "classes" if len({frozenset(table.class_names) for table in tables}) > 1 else None


@cache_by(stamp_chosen, max_entries=20)
def get_shared_examples(chosen: Sequence[RunView]) -> SharedExamples:
    """Return the runs' predictions for their common test examples; read again only when a run has changed."""
    tables = [runs.get_predictions(view) for view in chosen]
    first, same = tables[0], len({_get_origin(view) for view in chosen}) == 1
    rows = [{name: place for place, name in enumerate(table.names)} for table in tables]
    names = [name for name in first.names if same and all(name in row for row in rows)]
    places = np.array([[row[name] for name in names] for row in rows], dtype=int).reshape(len(tables), len(names))
    # classes may have another order in each run
    columns = [[table.class_names.index(name) for name in first.class_names] for table in tables]
    targets = [table.targets[where][:, order] for table, where, order in zip(tables, places, columns, strict=True)]
    agrees = np.ones(len(names), dtype=bool)
    for other in targets[1:]:  # NaN is not equal to itself, so unlabeled cells are compared separately
        agrees &= ((other == targets[0]) | (np.isnan(other) & np.isnan(targets[0]))).all(axis=1)
    places = places[:, agrees]
    limits: list[Any] = [[] if first.task == "single" else runs.get_thresholds(view) for view in chosen]
    decided = [apply_thresholds(table.scores, table.task, own) for table, own in zip(tables, limits, strict=True)]
    parts = list(zip(tables, decided, places, columns, strict=True))
    return SharedExamples(
        first.names[places[0]],
        first.groups[places[0]],
        places,
        tuple(len(table.names) for table in tables),
        first.class_names,
        first.task,
        targets[0][agrees],
        np.stack([table.scores[where][:, order] for table, _, where, order in parts]),
        np.stack([labels[where][:, order] for _, labels, where, order in parts]),
        int((~agrees).sum()),
    )


@dataclass(frozen=True)
class RunMetrics:
    """Hold a run's metrics on the shared examples.

    Attributes
    ----------
    overall : metric → its value
    intervals : metric → its 95% interval, None where there is none
    classes : for each class, metric → its value, None where it is undefined
    class_intervals : for each class, metric → its interval
    interval_method : the method of the intervals, as in report.json
    """

    overall: Mapping[str, float]
    intervals: Mapping[str, Sequence[float] | None]
    classes: Sequence[Mapping[str, Any]]
    class_intervals: Sequence[Mapping[str, Sequence[float] | None]]
    interval_method: str | None = INTERVAL_METHOD


def get_metrics(chosen: Sequence[RunView], common: SharedExamples) -> list[RunMetrics]:
    """Return each run's metrics: from its report if all its test examples are shared, else computed again."""
    names = set(common.class_names)
    if common.is_all and all({row["class"] for row in view.get_report().per_class} == names for view in chosen):
        return [read_reported_metrics(view, common) for view in chosen]
    return compute_metrics(chosen)


def read_reported_metrics(view: RunView, common: SharedExamples) -> RunMetrics:
    """Read the metrics of a run's report."""
    report = view.get_report()
    by_name = {row["class"]: row for row in report.per_class}
    rows = [by_name[name] for name in common.class_names]
    overall = {name: value for name, value in report.metrics.items() if name in METRICS}
    of_classes = [row.get("intervals") or {} for row in rows]
    return RunMetrics(overall, report.intervals or {}, rows, of_classes, report.interval_method)


@cache_by(stamp_chosen, max_entries=20)
def compute_metrics(chosen: Sequence[RunView]) -> list[RunMetrics]:
    """Compute the metrics of the shared examples with the report's code and fewer bootstrap draws."""
    common = get_shared_examples(chosen)
    computed, targets, task = [], common.targets, common.task
    once = np.ones((1, len(targets)))  # one draw that takes every example once: the plain metrics
    weights = draw_groups(common.groups, 0, N_DRAWS)  # whole groups are drawn: their examples are not independent
    for scores, predicted in zip(common.scores, common.predicted, strict=True):
        found = compute_class_draws(scores, targets, predicted, once)
        overall = {name: values[0] for name, values in compute_mean_draws(found, once, task).items()}
        values = {name: np.where(np.isfinite(found[name][0]), found[name][0], None) for name in CLASS_METRICS}
        rows = [
            {"support": int(n), **{name: column[k] for name, column in values.items()}}
            for k, n in enumerate(common.support)
        ]
        known = {name: float(value) for name, value in overall.items() if name in METRICS and np.isfinite(value)}
        drawn, intervals = None, {}
        if weights is not None:  # None for a single group, which can't be resampled
            drawn = compute_class_draws(scores, targets, predicted, weights)
            intervals = summarize_draws(compute_mean_draws(drawn, weights, task), common.groups, known)
        of_classes = summarize_class_draws(drawn, rows, common.groups, targets, predicted)
        computed.append(RunMetrics(known, intervals, rows, of_classes))
    return computed


@cache_by(stamp_chosen, max_entries=20)
def get_comparisons(chosen: Sequence[RunView]) -> Mapping[tuple[int, int], PairedComparison]:
    """Return the significance test of each two runs of one protocol, by their places."""
    common = get_shared_examples(chosen)
    pairs = find_comparable_pairs([view.info.protocol for view in chosen])
    kind = Message("files") if chosen[0].is_sound else Message("pictures")
    tables = [
        PredictionTable(common.names, common.groups, common.class_names, scores, common.targets, common.task)
        for scores in common.scores
    ]
    return dict(
        zip(pairs, compare_pairs(LETTERS[: len(tables)], tables, common.predicted, pairs, kind, N_DRAWS), strict=True)
    )
