"""Leak: what a figure gains where parts of what it is tested on were trained on.

The same recipe is trained three ways, each as a cross-validation over the same pieces: with pieces dealt out at random,
so that a track stands on both sides; with whole tracks, so that an artist does; and with whole artists. All three are
judged on every piece, so they differ in nothing but who stood on the other side.

That albums and artists on both sides flatter a figure was shown by Pampalk, Flexer and Widmer, "Improvements of
Audio-Based Music Similarity and Genre Classification" (ISMIR 2005).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.datasets import Dataset, is_sample_data, load_dataset
from musicml.data.splits import Split, make_folds
from musicml.evaluation.intervals import compute_mean_and_interval
from musicml.experiment import Experiment
from musicml.features import cut_into_pieces
from musicml.training import TrainingData, make_clip_spec, read_features, train_and_score
from musicml.utils import InputError, Message

logger = logging.getLogger(__name__)

WAYS = ("pieces", "tracks", "artists")
DRAWS = 2000


@dataclass(frozen=True)
class LeakageEstimate:
    """A share of pieces, or a difference of two, with its 95 % interval from a bootstrap over artists."""

    name: str
    value: float
    interval: list[float] | None


@dataclass(frozen=True)
class LeakageResult:
    """What the three ways gave.

    Attributes
    ----------
    figures : the accuracy of each way, over all pieces and seeds
    differences : of each way and a stricter one, paired by piece
    right : np.ndarray [shape=(n_ways, n_seeds, n_pieces)], bool, whether each piece was told right
    """

    experiment: str
    dataset: str
    sample: bool
    seeds: tuple[int, ...]
    folds: int
    piece_seconds: float
    n_pieces: int
    n_tracks: int
    n_artists: int
    figures: tuple[LeakageEstimate, ...]
    differences: tuple[LeakageEstimate, ...]
    right: np.ndarray

    def as_table(self) -> dict[str, Any]:
        """All but the single pieces, as plain values."""
        return {name: value for name, value in asdict(self).items() if name != "right"}


def measure_leakage(
    experiment: Experiment,
    data_root: Path,
    which: str = "auto",
    folder: Path | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    folds: int = 3,
) -> LeakageResult:
    """Train `experiment` the three ways, `folds` times each and with each seed, and compare.

    Parameters
    ----------
    which, folder : as `musicml.training.train.train_experiment` takes them
    seeds : of the split, the weights and the order of batches
    folds : int >= 2

    Raises
    ------
    InputError
        If the experiment has no tracks that can be cut, tells several classes at once, or nobody knows the artists.
    """
    experiment = experiment.resolve(is_sample_data(experiment.data.dataset, data_root, which, folder))
    as_published = experiment.data.protocol == "as_published"
    dataset = load_dataset(experiment.data.dataset, data_root, which, folder, as_published)
    known = len(set(dataset.groups)) < len(dataset.examples)  # before equal files share a group
    material, tracks = cut_into_segments(experiment, dataset, known, Path(data_root))
    right, targets = np.zeros((len(WAYS), len(seeds), len(tracks)), dtype=bool), material.dataset.targets()
    asked = list(itertools.product(enumerate(seeds), enumerate(WAYS)))
    # every split before any training, so that one which can't be made costs nothing
    made = [deal_folds(material.dataset, name, tracks, folds, experiment, seed) for (_, seed), (_, name) in asked]
    for ((place, seed), (way, name)), found in zip(asked, made, strict=True):
        for k, split in enumerate(found):
            test = split.indices("test")
            cut = replace(material, split=split)
            clips, scores = train_and_score(experiment, cut, seed, Path(data_root))
            right[way, place, test] = scores.argmax(axis=1) == targets[clips.example].argmax(axis=1)
            logger.info(
                "seed %s, %s, fold %s of %s: accuracy %.3f", seed, name, k + 1, folds, right[way, place, test].mean()
            )
    return compare_ways(experiment, material, right, tuple(seeds), folds, len(set(tracks)))


def cut_into_segments(
    experiment: Experiment, dataset: Dataset, known: bool, data_root: Path
) -> tuple[TrainingData, list[str]]:
    """The data set in pieces of a clip's length, each with its artist as its group, not split yet; each piece's track.

    Tracks that are equal to the byte count as one. `known` says whether the data set names any artists.
    """
    clip = make_clip_spec(experiment)
    if clip.n_frames is None or dataset.task != "single":
        raise InputError(
            "the leak meter needs tracks that can be cut, of one class each, and {experiment_name} on {dataset_name} "
            "has none: take one of the genre experiments.",
            experiment_name=experiment.name,
            dataset_name=dataset.name,
        )
    dataset, found = read_features(experiment, dataset, data_root, clip, named=False)  # there is no run
    n_tracks = len(dataset.examples)
    if not known:
        raise InputError(
            "the leak meter needs tracks of known artists, and no two tracks of {dataset_name} share a group: add a "
            "groups.csv (file,group) or the data set's index of artists.",
            dataset_name=dataset.name,
        )
    dataset, found = cut_into_pieces(dataset, found, clip.n_frames)
    if len(dataset.examples) < 1.5 * n_tracks:
        raise InputError(
            "the leak meter needs two pieces or more a track, and {n_tracks} tracks give {n_dataset_examples} of "
            "{seconds:g} s: take shorter ones with --set clips.seconds=1.",
            n_tracks=n_tracks,
            n_dataset_examples=len(dataset.examples),
            seconds=clip.seconds,
        )
    nobody = Split(np.full(len(dataset.examples), "train", dtype=object), Message("not split yet"))
    material = TrainingData(dataset, nobody, found, replace(clip, hop_frames=clip.n_frames))
    tracks = (example.id.rpartition("#")[0] for example in dataset.examples)
    return material, [dataset.digests.get(track, track) for track in tracks]


def deal_folds(
    dataset: Dataset, way: str, tracks: Sequence[str], folds: int, experiment: Experiment, seed: int
) -> tuple[Split, ...]:
    """The folds of one way: its groups are what may not stand on two sides."""
    own = {"pieces": [example.id for example in dataset.examples], "tracks": tracks, "artists": dataset.groups}[way]
    examples = tuple(replace(example, group=group) for example, group in zip(dataset.examples, own, strict=True))
    grouped = replace(dataset, examples=examples)
    return make_folds(grouped, "group", folds, experiment.data.val_fraction, seed)[1]


def compare_ways(
    experiment: Experiment, material: TrainingData, right: np.ndarray, seeds: tuple[int, ...], folds: int, n: int
) -> LeakageResult:
    """The figures and their paired differences, each with its interval; `n` tracks."""
    shares = right.mean(axis=1)  # [shape=(n_ways, n_pieces)]

    def figure(name: str, values: np.ndarray, lowest: float = 0.0) -> LeakageEstimate:
        return LeakageEstimate(name, *compute_mean_and_interval(values, material.dataset.groups, DRAWS, lowest))

    figures = tuple(figure(name, values) for name, values in zip(WAYS, shares, strict=True))
    pairs = ((0, 1), (1, 2), (0, 2))
    differences = tuple(figure(f"{WAYS[i]} - {WAYS[k]}", shares[i] - shares[k], -1.0) for i, k in pairs)
    dataset, counts = material.dataset, (right.shape[2], n, len(set(material.dataset.groups)))
    origin = (experiment.name, dataset.name, dataset.sample, seeds, folds, material.clip.seconds or 0.0)
    return LeakageResult(*origin, *counts, figures, differences, right)
