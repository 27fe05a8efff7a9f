"""Recipes beside their rivals: every way trained on the same folds of the same files, and compared file by file."""

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
DRAWS = 2000  # of a bootstrap
SEEDS = (0, 1, 2)

Rival = Callable[[Experiment, trainer.TrainingData, Path], np.ndarray]


@dataclass(frozen=True)
class Way:
    """One way to tell files apart.

    Attributes
    ----------
    name : what the table calls it
    experiment : whose recipe it is, or whose data, features and split another learner gets
    settings : what differs from the experiment's file
    rival : the other learner: experiment, material, root → scores [shape=(n_test, n_classes)] of the test side
    """

    name: str
    experiment: str
    settings: dict[str, Any] = field(default_factory=dict)
    rival: Rival | None = None


@dataclass(frozen=True)
class Judged:
    """What one way gave: of each seed, which files it told right, [shape=(n_seeds, n_files)]; and seconds a seed."""

    right: np.ndarray
    seconds: list[float]
    files: list[str]
    groups: list[str]


def compared(
    ways: Sequence[Way], of: Callable[[], Dataset], root: Path, seeds: Sequence[int] = SEEDS, sample: bool = False
) -> dict[str, Any]:
    """Every way's accuracy, and by how much the first one is above each other, with intervals over groups.

    Parameters
    ----------
    of : loads the data set
    root : the data root, whose store keeps features
    seeds : of the split, the weights and the order of batches; the ways take turns, seed by seed
    sample : whether the experiments' `[sample]` tables hold
    """
    found: dict[str, list[Judged]] = {way.name: [] for way in ways}
    # all of them before the first training: a file that changes meanwhile changes nothing
    read = {
        way.name: config.read_experiment(ROOT / f"experiments/{way.experiment}.toml", way.settings, sample)
        for way in ways
    }
    for seed in seeds:
        for way in ways:
            found[way.name].append(judged(way, read[way.name], of(), root, seed))
            one = found[way.name][-1]
            print(f"{way.name}, seed {seed}: {one.right.mean():.3f}, {one.seconds[0]:.0f} s", flush=True)
    together = {name: joined(parts) for name, parts in found.items()}
    first = together[ways[0].name]
    return {
        "files": first.right.shape[1],
        "groups": len(set(first.groups)),
        "seeds": list(seeds),
        "ways": {name: told(one) for name, one in together.items()},
        "differences": {f"{ways[0].name} - {way.name}": difference(first, together[way.name]) for way in ways[1:]},
    }


def judged(way: Way, read: Experiment, dataset: Dataset, root: Path, seed: int) -> Judged:
    """Train a way on each split of the data set and ask it about the test side."""
    begun = time.perf_counter()
    material = preparation.prepare_data(read, dataset, root, seed)
    targets, right = material.dataset.targets().argmax(axis=1), {}
    for split in material.folds or (material.split,):
        one, test = replace(material, split=split, folds=(), shared=bool(material.folds)), split.indices("test")
        scores = asked(way, read, one, seed, root)
        right |= dict(zip(test.tolist(), scores.argmax(axis=1) == targets[test], strict=True))
    seconds, places = time.perf_counter() - begun, sorted(right)
    examples = [material.dataset.examples[place] for place in places]
    return Judged(
        np.array([[right[place] for place in places]]),
        [round(seconds, 1)],
        [example.id for example in examples],
        [example.group for example in examples],
    )


def asked(way: Way, read: Experiment, material: trainer.TrainingData, seed: int, root: Path) -> np.ndarray:
    """The scores of the test side's files, [shape=(n_test, n_classes)]."""
    if way.rival is not None:
        return way.rival(read, material, root)
    clips, raw = trainer.train_and_score(read, material, seed, root)
    return pooling.pool_by_example(raw, clips, material.split.indices("test"), "single", read.clips.average)


def joined(parts: list[Judged]) -> Judged:
    """The seeds of one way, all of which tested the same files."""
    if any(part.files != parts[0].files for part in parts):
        raise SystemExit("every seed must test the same files, and these do not")
    return replace(
        parts[0],
        right=np.concatenate([part.right for part in parts]),
        seconds=[second for part in parts for second in part.seconds],
    )


def told(one: Judged) -> dict[str, Any]:
    """A way's row of the table."""
    accuracy, interval = metrics.compute_mean_and_interval(one.right.mean(axis=0), np.array(one.groups), DRAWS)
    each = [round(float(right.mean()), 4) for right in one.right]
    return {"accuracy": accuracy, "interval": interval, "each_seed": each, "seconds": one.seconds}


def difference(one: Judged, other: Judged) -> dict[str, Any]:
    """By how much one is above the other, paired by file."""
    if one.files != other.files:
        raise SystemExit("ways must be compared on the same files, and these are not")
    values = one.right.mean(axis=0) - other.right.mean(axis=0)
    mean, interval = metrics.compute_mean_and_interval(values, np.array(one.groups), DRAWS, lowest=-1.0)
    return {"mean": mean, "interval": interval}


def load(folder: Path) -> Callable[[], Dataset]:
    """Loads a folder of class folders."""
    return lambda: loading.load_folder(folder)


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    said = [f"{measured['files']} files in {measured['groups']} groups, seeds {measured['seeds']}"]
    for name, row in measured["ways"].items():
        said.append(f"{name}: {row['accuracy']:.3f}{between(row['interval'])}, seed by seed {row['each_seed']}")
    for name, row in measured["differences"].items():
        said.append(f"{name}: {row['mean']:+.3f}{between(row['interval'], '+')}")
    return said


def between(interval: list[float] | None, sign: str = "") -> str:
    """An interval in brackets; nothing where there is none."""
    return "" if interval is None else f" ({interval[0]:{sign}.3f} to {interval[1]:{sign}.3f})"
