"""Compare runs on their common test examples, with paired significance tests."""

from __future__ import annotations

import functools
import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from musicml.evaluation import metrics, predictions
from musicml.evaluation.comparison import checks
from musicml.evaluation.comparison.significance import PairedComparison, compare_pairs
from musicml.evaluation.predictions import PredictionTable
from musicml.experiment import Report, Run, RunInfo, read_digests
from musicml.utils import Message, make_data_frame

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Seeds:
    """The mean and standard deviation of the main metric over runs that differ only in their seed."""

    experiment: str
    metric: str
    seeds: tuple[int, ...]
    mean: float
    deviation: float


@dataclass(frozen=True)
class Comparison:
    """The comparison of runs on the same test examples.

    Attributes
    ----------
    figures : one dict per run: `run`, `experiment`, `seed`, `protocol`, `changes` (settings changed by `--set`), its
        main metric `value`, `interval` and `interval_method`
    pairs : paired comparisons of runs with the same protocol
    seeds : one entry per experiment that was trained with several seeds
    sample : whether a run used synthetic data
    notes : sentences on what could not be checked
    """

    metric: str
    n: int
    n_groups: int
    figures: tuple[dict[str, Any], ...]
    pairs: tuple[PairedComparison, ...]
    seeds: tuple[Seeds, ...]
    sample: bool
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pandas.DataFrame:
        """A data frame with one row per run: its name, experiment, seed, main metric and interval."""
        return make_data_frame(self.figures)  # imports pandas only here

    @property
    def pair_table(self) -> pandas.DataFrame:
        """A data frame with one row per pair of runs: their difference, its interval and the p value of the test."""
        return make_data_frame(map(asdict, self.pairs))

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values."""
        return asdict(self)


def compare_runs(members: Sequence[Run]) -> Comparison:
    """Compare two or more complete runs example by example.

    Raises
    ------
    InputError
        If there are fewer than two runs, or if their examples, classes, labels or files differ.
    """
    checks.check_runs(members)
    read = functools.cache(read_digests)  # the checks need the same file up to four times
    checks.check_same_data(members, read)
    tables = [predictions.read_predictions(run) for run in members]
    for run, table in zip(members[1:], tables[1:], strict=True):
        checks.check_same_examples(members[0], tables[0], run, table)
    notes = checks.check_same_contents(members, tables[0].names, read)
    tables = align_tables(tables)
    for run, table in zip(members[1:], tables[1:], strict=True):
        checks.check_same_labels(members[0], tables[0], run, table)
    predicted = np.stack([decide_labels(run, table) for run, table in zip(members, tables, strict=True)])
    infos, reports = [run.info for run in members], [run.report for run in members]
    pairs = find_comparable_pairs([info.protocol for info in infos])  # an honest and a flawed result are not comparable
    kind = Message("pictures") if infos[0].data.kind == "picture" else Message("files")
    names = [str(info.experiment) for info in infos]  # shorter than the names of runs, but they must be unique
    names = names if len(set(names)) == len(names) else [run.name for run in members]
    comparisons = compare_pairs(names, tables, predicted, pairs, kind)
    metric, sample = metrics.MAIN_METRICS[tables[0].task], any(info.data.sample for info in infos)
    figures = tuple(map(_get_main_metric, members, infos, reports))
    seeds = tuple(_summarize_seeds(infos, reports, metric))
    n, n_groups = len(tables[0].names), len(set(tables[0].groups))
    return Comparison(metric, n, n_groups, figures, comparisons, seeds, sample, tuple(notes))


def find_comparable_pairs(protocols: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of runs, by position, that share a protocol and can be compared."""
    return [(a, b) for a, b in combinations(range(len(protocols)), 2) if protocols[a] == protocols[b]]


def align_tables(tables: Sequence[PredictionTable]) -> list[PredictionTable]:
    """Sort the examples and classes of all tables in the order of the first."""
    first, aligned = tables[0], []
    for table in tables:
        place = {name: k for k, name in enumerate(table.names)}  # one lookup per name, not a search of the list
        rows = np.array([place[name] for name in first.names])
        aligned.append(table.select(rows, [table.class_names.index(name) for name in first.class_names]))
    return aligned


def decide_labels(run: Run, table: PredictionTable) -> np.ndarray:
    """Return which classes a run predicts, [shape=(n_examples, n_classes)], bool, in the order of `table`."""
    thresholds: Any = []
    if table.task == "multi" and run.info.split.folds:
        thresholds = predictions.read_fold_thresholds(run, table.names.tolist())
    elif table.task == "multi":
        # by name, because an aligned table may have its classes in another order than the run
        by_name = dict(zip(predictions.read_class_names(run), run.read("serving.json")["thresholds"], strict=True))
        thresholds = [by_name[name] for name in table.class_names]
    return metrics.apply_thresholds(table.scores, table.task, thresholds)


def _get_main_metric(run: Run, info: RunInfo, report: Report) -> dict[str, Any]:
    """Return a run's main metric as an entry of `Comparison.figures`."""
    return {
        "run": run.name,
        "experiment": info.experiment,
        "seed": info.seed,
        "protocol": info.protocol,
        "changes": info.overrides,
        "value": report.main,
        "interval": (report.intervals or {}).get(report.main_metric),
        "interval_method": report.interval_method,
    }


def _summarize_seeds(infos: Sequence[RunInfo], reports: Sequence[Report], metric: str) -> Iterator[Seeds]:
    """Yield the mean and standard deviation of each experiment that was trained with several seeds."""
    for name, values in group_by_seed(infos, reports, metric):
        mean, deviation = (compute(values.values()) for compute in (statistics.fmean, statistics.stdev))
        yield Seeds(name, metric, tuple(sorted(values)), round(mean, 6), round(deviation, 6))


def group_by_seed(
    infos: Sequence[RunInfo], reports: Sequence[Report], metric: str
) -> list[tuple[str, dict[int, float]]]:
    """Return the name and {seed: main metric} of each experiment with several seeds of the same settings and data."""
    by_recipe: defaultdict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for info, report in zip(infos, reports, strict=True):
        if report.main_metric == metric and report.main is not None:
            recipe = json.dumps([info.settings, info.data.hash], sort_keys=True)  # a dict is not hashable, its text is
            # setdefault: if a seed was trained twice, the first run counts
            by_recipe[info.experiment, recipe].setdefault(info.seed, float(report.main))
    return [(name, values) for (name, _), values in by_recipe.items() if len(values) > 1]
