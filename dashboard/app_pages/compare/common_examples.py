"""Find the test examples that several runs share, and what each run predicted for them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dashboard import runs
from dashboard.caching import cache_resource
from dashboard.runs import RunView
from musicml.evaluation import PredictionTable, apply_thresholds


@dataclass(frozen=True)
class SharedExamples:
    """Hold the predictions of several runs for the test examples that all of them have.

    Attributes
    ----------
    names, groups : of the shared examples, [shape=(n,)]
    places : their rows in each run's predictions, [shape=(n_runs, n)], int
    sizes : how many test examples each run has
    class_names, task : which are the same for all
    targets : np.ndarray [shape=(n, n_classes)], 1, 0 or NaN where nobody looked
    scores : np.ndarray [shape=(n_runs, n, n_classes)]
    said : np.ndarray [shape=(n_runs, n, n_classes)], bool: what each run decides
    relabelled : how many examples of the same name were left out because their labels differ
    """

    names: np.ndarray
    groups: np.ndarray
    places: np.ndarray
    sizes: tuple[int, ...]
    class_names: tuple[str, ...]
    task: str
    targets: np.ndarray
    scores: np.ndarray
    said: np.ndarray
    relabelled: int

    @property
    def is_all(self) -> bool:
        """Whether every run was tested on exactly these examples, so that its report can be used."""
        return all(size == len(self.names) for size in self.sizes)

    @functools.cached_property
    def seen(self) -> np.ndarray:
        """Which cells are labeled, [shape=(n, n_classes)], bool."""
        return ~np.isnan(self.targets)

    @functools.cached_property
    def right_cells(self) -> np.ndarray:
        """Which cells each run predicts correctly, [shape=(n_runs, n, n_classes)], bool; False where unlabeled."""
        return (self.said == (self.targets == 1)) & self.seen

    @functools.cached_property
    def right(self) -> np.ndarray:
        """Which examples each run predicts correctly in all labeled cells, [shape=(n_runs, n)], bool."""
        return (self.right_cells | ~self.seen).all(axis=2)

    @functools.cached_property
    def sure(self) -> np.ndarray:
        """The probability that each run gives to the true labels, [shape=(n_runs, n)], averaged over labels."""
        if self.task == "single":
            return (self.scores * self.targets).sum(axis=2)
        assigned = np.where(self.targets == 1, self.scores, 1 - self.scores) * self.seen
        return assigned.sum(axis=2) / np.maximum(1, self.seen.sum(axis=1))


def sort_by_shared_examples(found: Sequence[RunView]) -> list[RunView]:
    """Sort runs so that the first ones share their test examples, where any two do."""
    keys = [(*_get_origin(one), _get_split(one)) for one in found]
    first = next((key for key in keys if keys.count(key) > 1), None)
    return [one for one, key in zip(found, keys, strict=True) if key == first] + [
        one for one, key in zip(found, keys, strict=True) if key != first
    ]


def _get_origin(one: RunView) -> tuple[str, ...]:
    """Return the source of a run's data: generated data has the same file names as the real dataset."""
    source = one.data.source
    made = [source.get(name) for name in ("seed", "scale", "generator")] if one.sample else []
    return tuple(str(part) for part in (one.data.dataset, one.sample, one.data.folder, *made))


def _get_split(one: RunView) -> str:
    """Return what distinguishes one split from another."""
    return one.split.hash


def list_differences(chosen: Sequence[RunView]) -> list[str]:
    """List why the test examples of runs differ: `sets`, `folders`, `origins`, `generated` or `splits`."""
    made = [one.data.source for one in chosen if one.sample]
    compared: dict[str, Sequence[object]] = {
        "sets": [one.data.dataset for one in chosen],
        "folders": [one.data.folder for one in chosen],
        "origins": [one.sample for one in chosen],
        "generated": [[source.get(name) for name in ("seed", "scale", "generator")] for source in made],
        "splits": [_get_split(one) for one in chosen],
    }
    found = [key for key, values in compared.items() if len({str(value) for value in values}) > 1]
    # with other data the split is another anyway
    return [key for key in found if key != "splits" or len(found) == 1]


def find_mismatch(tables: Sequence[PredictionTable]) -> str | None:
    """Return why runs can't be compared, `tasks` or `classes`; None where they can."""
    if len({table.task for table in tables}) > 1:
        return "tasks"
    return "classes" if len({frozenset(table.class_names) for table in tables}) > 1 else None


def get_shared_examples(chosen: Sequence[RunView]) -> SharedExamples:
    """Return the runs' predictions for their common test examples; read again only when a run has changed.

    Raises
    ------
    InputError
        If a run's predictions or decisions are missing or damaged.
    """
    changed = tuple(runs.get_stamp(one.run.path, "predictions.csv", "serving.json", "run.json") for one in chosen)
    return _read_shared_examples(tuple(str(one.run.path) for one in chosen), changed, list(chosen))


@cache_resource(max_entries=20)
def _read_shared_examples(paths: tuple[str, ...], changed: tuple, _chosen: list[RunView]) -> SharedExamples:
    """Read what `get_shared_examples` returns."""
    tables = [runs.get_predictions(one) for one in _chosen]
    first, same = tables[0], len({_get_origin(one) for one in _chosen}) == 1
    rows = [{name: place for place, name in enumerate(table.names)} for table in tables]
    names = [name for name in first.names if same and all(name in row for row in rows)]
    places = np.array([[row[name] for name in names] for row in rows], dtype=int).reshape(len(tables), len(names))
    columns = [[table.class_names.index(name) for name in first.class_names] for table in tables]
    targets = [table.targets[where][:, order] for table, where, order in zip(tables, places, columns, strict=True)]
    kept = np.ones(len(names), dtype=bool)
    for other in targets[1:]:
        kept &= ((other == targets[0]) | (np.isnan(other) & np.isnan(targets[0]))).all(axis=1)
    places = places[:, kept]
    parts = list(zip(tables, places, columns, strict=True))
    return SharedExamples(
        first.names[places[0]],
        first.groups[places[0]],
        places,
        tuple(len(table.names) for table in tables),
        first.class_names,
        first.task,
        targets[0][kept],
        np.stack([table.scores[where][:, order] for table, where, order in parts]),
        np.stack(
            [_decide(one, table)[where][:, order] for one, (table, where, order) in zip(_chosen, parts, strict=True)]
        ),
        int((~kept).sum()),
    )


def _decide(one: RunView, table: PredictionTable) -> np.ndarray:
    """Return a run's decisions: the most likely class, or every class that reaches its threshold.

    Raises
    ------
    InputError
        If its thresholds are missing or damaged.
    """
    if table.task == "single":
        return apply_thresholds(table.scores, table.task, [])
    return apply_thresholds(table.scores, table.task, runs.get_thresholds(one))
