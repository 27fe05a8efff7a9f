"""Compare recipes with baselines: train all of them on the same folds, and compare the predictions file by file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.datasets import loading
from musicml.data.datasets.base import Dataset
from musicml.evaluation import metrics
from musicml.experiment import config
from musicml.experiment.config import Experiment
from musicml.inference import pooling
from musicml.training import preparation, trainer

ROOT = Path(__file__).parent.parent
DRAWS = 2000  # bootstrap draws
SEEDS = (0, 1, 2)  # they also change the folds

Baseline = Callable[[Experiment, trainer.TrainingData, Path], np.ndarray]


@dataclass(frozen=True)
class Way:
    """One way to classify the files: an experiment, or a baseline on the data of an experiment.

    Attributes
    ----------
    name : name in the table
    experiment : name of the experiment file, which also gives a baseline its data, features and split
    settings : changes to the experiment
    baseline : function of experiment, data and root that returns scores [shape=(n_test, n_classes)] of the test split
    """

    name: str
    experiment: str
    settings: dict[str, Any] = field(default_factory=dict)
    baseline: Baseline | None = None


@dataclass(frozen=True)
class WayResult:
    """The results of one way.

    Attributes
    ----------
    right : np.ndarray [shape=(n_seeds, n_files)], bool, whether each file was classified correctly
    seconds : seconds per seed
    files, groups : id and group of each file
    """

    right: np.ndarray
    seconds: list[float]
    files: list[str]
    groups: list[str]


def compare_ways(
    ways: Sequence[Way], of: Callable[[], Dataset], root: Path, seeds: Sequence[int] = SEEDS, sample: bool = False
) -> dict[str, Any]:
    """Compute the accuracy of each way, and its difference from the first way, with intervals over groups.

    Parameters
    ----------
    of : function that loads the dataset
    root : data root, whose cache keeps the features
    seeds : random seeds for the split, the weights and the order of batches
    sample : apply the experiments' `[sample]` tables
    """
    results: dict[str, list[WayResult]] = {way.name: [] for way in ways}
    # read all files before the first training, so that changes in the meantime have no effect
    read = {
        way.name: config.read_experiment(ROOT / f"experiments/{way.experiment}.toml", way.settings, sample)
        for way in ways
    }
    for seed in seeds:
        for way in ways:
            results[way.name].append(_evaluate_way(way, read[way.name], of(), root, seed))
            result = results[way.name][-1]
            print(f"{way.name}, seed {seed}: {result.right.mean():.3f}, {result.seconds[0]:.0f} s", flush=True)
    joined = {name: _join_seeds(parts) for name, parts in results.items()}
    first = joined[ways[0].name]
    return {
        "files": first.right.shape[1],
        "groups": len(set(first.groups)),
        "seeds": list(seeds),
        "ways": {name: _summarize(result) for name, result in joined.items()},
        "differences": {
            f"{ways[0].name} - {way.name}": _compute_difference(first, joined[way.name]) for way in ways[1:]
        },
    }


def _evaluate_way(way: Way, read: Experiment, dataset: Dataset, root: Path, seed: int) -> WayResult:
    """Train a way on each split of the dataset, and compare its predictions for the test split with the labels."""
    start = time.perf_counter()
    material = preparation.prepare_data(read, dataset, root, seed)
    targets, right = material.dataset.targets().argmax(axis=1), {}
    for split in material.folds or (material.split,):
        fold, test = replace(material, split=split, folds=(), shared=bool(material.folds)), split.indices("test")
        scores = _score_test_split(way, read, fold, seed, root)
        right |= dict(zip(test.tolist(), scores.argmax(axis=1) == targets[test], strict=True))
    seconds, places = time.perf_counter() - start, sorted(right)
    examples = [material.dataset.examples[place] for place in places]
    return WayResult(
        np.array([[right[place] for place in places]]),
        [round(seconds, 1)],
        [example.id for example in examples],
        [example.group for example in examples],
    )


def _score_test_split(way: Way, read: Experiment, material: trainer.TrainingData, seed: int, root: Path) -> np.ndarray:
    """Train a way and score the files of the test split, [shape=(n_test, n_classes)]."""
    if way.baseline is not None:
        return way.baseline(read, material, root)
    clips, raw = trainer.train_and_score(read, material, seed, root)
    return pooling.pool_by_example(raw, clips, material.split.indices("test"), "single", read.clips.average)


def _join_seeds(parts: list[WayResult]) -> WayResult:
    """Join the results of all seeds of one way."""
    if any(part.files != parts[0].files for part in parts):
        raise SystemExit("Expected all seeds to test the same files, but they differ.")
    return replace(
        parts[0],
        right=np.concatenate([part.right for part in parts]),
        seconds=[second for part in parts for second in part.seconds],
    )


def _summarize(result: WayResult) -> dict[str, Any]:
    """Return a way's row of the table."""
    # averaged over seeds first, so that the interval covers the choice of test files only
    accuracy, interval = metrics.compute_mean_and_interval(result.right.mean(axis=0), np.array(result.groups), DRAWS)
    each = [round(float(right.mean()), 4) for right in result.right]
    return {"accuracy": accuracy, "interval": interval, "each_seed": each, "seconds": result.seconds}


def _compute_difference(one: WayResult, other: WayResult) -> dict[str, Any]:
    """Compute the difference in accuracy, paired by file, with its interval."""
    if one.files != other.files:
        raise SystemExit("Expected both ways to test the same files, but they differ.")
    values = one.right.mean(axis=0) - other.right.mean(axis=0)
    mean, interval = metrics.compute_mean_and_interval(values, np.array(one.groups), DRAWS, lowest=-1.0)
    return {"mean": mean, "interval": interval}


def load_folder(folder: Path) -> Callable[[], Dataset]:
    """Return a function that loads a folder with one folder per class."""
    return lambda: loading.load_folder(folder)


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per way and per difference."""
    sentences = [f"{results['files']} files in {results['groups']} groups, seeds {results['seeds']}"]
    for name, row in results["ways"].items():
        interval = format_interval(row["interval"])
        sentences.append(f"{name}: {row['accuracy']:.3f}{interval}, each seed {row['each_seed']}")
    for name, row in results["differences"].items():
        sentences.append(f"{name}: {row['mean']:+.3f}{format_interval(row['interval'], '+')}")
    return sentences


def format_interval(interval: list[float] | None, sign: str = "") -> str:
    """Format an interval in parentheses, or return "" if there is none."""
    return "" if interval is None else f" ({interval[0]:{sign}.3f} to {interval[1]:{sign}.3f})"
