"""Compare: whether runs really differ, told on the test examples that all of them have answered."""

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
    """Runs of one experiment that differ in their seed: the mean of their figure and its standard deviation."""

    experiment: str
    metric: str
    seeds: tuple[int, ...]
    mean: float
    deviation: float


@dataclass(frozen=True)
class Comparison:
    """Runs on the same test examples.

    Attributes
    ----------
    figures : of each run `run`, `experiment`, `seed`, `protocol`, `changes` (of its settings, by `--set`), its main
        figure `value`, `interval` and `interval_method`
    pairs : each two of them that share a protocol; runs of different protocols are not compared
    seeds : where an experiment was trained with several
    sample : whether one of them comes from generated data
    notes : what could not be told of them, a sentence each
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
        """A data frame with a row a run: its name, experiment, seed, main metric and interval."""
        return make_data_frame(self.figures)

    @property
    def pair_table(self) -> pandas.DataFrame:
        """A data frame with a row each two runs: their difference, its interval and the p value of the test."""
        return make_data_frame(map(asdict, self.pairs))

    def as_table(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self)


def compare_runs(members: Sequence[Run]) -> Comparison:
    """Compare runs example by example.

    Parameters
    ----------
    members : two or more whole runs

    Raises
    ------
    InputError
        If there are fewer than two, or their examples, classes, labels or files are not the same; it says how.
    """
    checks.check_runs(members)
    read = functools.cache(read_digests)  # two runs ask for one file up to four times
    checks.check_same_data(members, read)
    voices = [predictions.read_predictions(run) for run in members]
    for run, voice in zip(members[1:], voices[1:], strict=True):
        checks.check_same_examples(members[0], voices[0], run, voice)
    notes = checks.check_same_contents(members, voices[0].names, read)
    voices = align_tables(voices)
    for run, voice in zip(members[1:], voices[1:], strict=True):
        checks.check_same_labels(members[0], voices[0], run, voice)
    said = np.stack([decide_labels(run, voice) for run, voice in zip(members, voices, strict=True)])
    infos, reports = [run.info for run in members], [run.report for run in members]
    asked = find_comparable_pairs([info.protocol for info in infos])
    kind = Message("pictures") if infos[0].data.kind == "picture" else Message("files")
    names = [str(info.experiment) for info in infos]  # what runs are called in a sentence, unless two share one
    names = names if len(set(names)) == len(names) else [run.name for run in members]
    found = compare_pairs(names, voices, said, asked, kind)
    metric, sample = metrics.MAIN_METRICS[voices[0].task], any(info.data.sample for info in infos)
    figures = tuple(get_main_metric(run, info, its) for run, info, its in zip(members, infos, reports, strict=True))
    seeds, n, n_groups = (
        tuple(summarize_seeds(infos, reports, metric)),
        len(voices[0].names),
        len(set(voices[0].groups)),
    )
    return Comparison(metric, n, n_groups, figures, found, seeds, sample, tuple(notes))


def find_comparable_pairs(protocols: Sequence[str]) -> list[tuple[int, int]]:
    """Return which two of some runs, by their places, may be compared: those of one protocol."""
    return [(a, b) for a, b in combinations(range(len(protocols)), 2) if protocols[a] == protocols[b]]


def align_tables(voices: Sequence[PredictionTable]) -> list[PredictionTable]:
    """Return tables of the same examples and classes, all in the order of the first."""
    first, found = voices[0], []
    for voice in voices:
        place = {name: k for k, name in enumerate(voice.names)}
        rows = np.array([place[name] for name in first.names])
        found.append(voice.select(rows, [voice.class_names.index(name) for name in first.class_names]))
    return found


def decide_labels(run: Run, voice: PredictionTable) -> np.ndarray:
    """Return which classes a run decides for, [shape=(n_examples, n_classes)], bool, in the order of `voice`."""
    thresholds: Any = []
    if voice.task == "multi" and run.info.split.folds:
        thresholds = predictions.read_fold_thresholds(run, voice.names.tolist())
    elif voice.task == "multi":
        by_name = dict(zip(predictions.read_class_names(run), run.read("serving.json")["thresholds"], strict=True))
        thresholds = [by_name[name] for name in voice.class_names]
    return metrics.apply_thresholds(voice.scores, voice.task, thresholds)


def get_main_metric(run: Run, info: RunInfo, made: Report) -> dict[str, Any]:
    """Return a run's main figure, as `Comparison.figures` holds it."""
    return {
        "run": run.name,
        "experiment": info.experiment,
        "seed": info.seed,
        "protocol": info.protocol,
        "changes": info.overrides,
        "value": made.main,
        "interval": (made.intervals or {}).get(made.main_metric),
        "interval_method": made.interval_method,
    }


def summarize_seeds(infos: Sequence[RunInfo], reports: Sequence[Report], metric: str) -> Iterator[Seeds]:
    """Yield the mean and spread of each experiment that was trained with several seeds."""
    for name, values in group_by_seed(infos, reports, metric):
        mean, deviation = (compute(values.values()) for compute in (statistics.fmean, statistics.stdev))
        yield Seeds(name, metric, tuple(sorted(values)), round(mean, 6), round(deviation, 6))


def group_by_seed(
    infos: Sequence[RunInfo], reports: Sequence[Report], metric: str
) -> list[tuple[str, dict[int, float]]]:
    """Return each experiment that has several seeds of the same settings and data: its name, seed → main figure.

    Of two trainings with one seed, the first counts.
    """
    found: defaultdict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for info, made in zip(infos, reports, strict=True):
        if made.main_metric == metric and made.main is not None:
            recipe = json.dumps([info.settings, info.data.hash], sort_keys=True)
            found[info.experiment, recipe].setdefault(info.seed, float(made.main))
    return [(name, values) for (name, _), values in found.items() if len(values) > 1]
