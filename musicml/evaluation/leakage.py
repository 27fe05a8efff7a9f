"""Measure how much data leakage between training and test data raises the accuracy.

The same experiment is cross-validated in three ways over the same pieces of tracks. Folds of pieces share tracks, folds
of tracks share artists, and folds of artists share neither. All three predict every piece, so only the leakage differs.

Pampalk, Flexer and Widmer, "Improvements of Audio-Based Music Similarity and Genre Classification" (ISMIR 2005), showed
that shared albums and artists raise the accuracy.
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
from musicml.utils import InputError, Message, count_workers, map_in_processes

logger = logging.getLogger(__name__)

GROUPINGS = ("pieces", "tracks", "artists")  # what the folds keep together, from most leakage to none
N_BOOTSTRAP = 2000


@dataclass(frozen=True)
class LeakageEstimate:
    """An accuracy, or a difference of two, with its 95% interval from a bootstrap over artists."""

    name: str
    value: float
    interval: list[float] | None


@dataclass(frozen=True)
class LeakageResult:
    """The accuracy with each grouping.

    Attributes
    ----------
    figures : accuracy of each grouping, over all pieces and seeds
    differences : differences between a grouping and a stricter one, paired by piece
    right : np.ndarray [shape=(n_groupings, n_seeds, n_pieces)], bool, whether each piece was classified correctly
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

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain values, without the single pieces."""
        return {name: value for name, value in asdict(self).items() if name != "right"}


def measure_leakage(
    experiment: Experiment,
    data_root: Path,
    which: str = "auto",
    folder: Path | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    folds: int = 3,
) -> LeakageResult:
    """Cross-validate `experiment` with each grouping and seed, and compare the accuracies.

    Parameters
    ----------
    which, folder : as in `train_experiment`
    seeds : each sets the split, the initial weights and the order of batches
    folds : number of folds, at least 2

    Raises
    ------
    InputError
        If the experiment has no tracks to cut, is multi-label, or its artists are unknown.
    """
    experiment = experiment.resolve(is_sample_data(experiment.data.dataset, data_root, which, folder))
    as_published = experiment.data.protocol == "as_published"
    dataset = load_dataset(experiment.data.dataset, data_root, which, folder, as_published)
    has_artists = len(set(dataset.groups)) < len(dataset.examples)  # before identical files share a group
    data, tracks = _cut_into_pieces(experiment, dataset, has_artists, Path(data_root))
    is_correct, targets = np.zeros((len(GROUPINGS), len(seeds), len(tracks)), dtype=bool), data.dataset.targets()
    trials = list(itertools.product(enumerate(seeds), enumerate(GROUPINGS)))
    # make all splits before any training, so that an impossible split fails at once
    splits = [_make_folds(data.dataset, name, tracks, folds, experiment, seed) for (_, seed), (_, name) in trials]
    trainings = [
        (place, way, k, split)
        for ((place, _), (way, _)), fold_splits in zip(trials, splits, strict=True)
        for k, split in enumerate(fold_splits)
    ]
    jobs = ((experiment, replace(data, split=split), seeds[place], Path(data_root)) for place, _, _, split in trainings)
    # in this process, or on the workers of a cluster
    predictions = map_in_processes(_predict_test_split, jobs, count_workers())
    for (place, way, k, split), (examples, predicted) in zip(trainings, predictions, strict=True):
        test = split.indices("test")
        is_correct[way, place, test] = predicted == targets[examples].argmax(axis=1)
        accuracy = is_correct[way, place, test].mean()
        line = "seed %s, %s, fold %s of %s: accuracy %.3f"
        logger.info(line, seeds[place], GROUPINGS[way], k + 1, folds, accuracy)
    return _compare_groupings(experiment, data, is_correct, tuple(seeds), folds, len(set(tracks)))


def _predict_test_split(job: tuple[Experiment, TrainingData, int, Path]) -> tuple[np.ndarray, np.ndarray]:
    """Train a model. Return the test split's examples and their predicted classes, both [shape=(n_clips,)], int."""
    clips, scores = train_and_score(*job)
    return clips.example, scores.argmax(axis=1)


def _cut_into_pieces(
    experiment: Experiment, dataset: Dataset, has_artists: bool, data_root: Path
) -> tuple[TrainingData, list[str]]:
    """Cut the tracks of a dataset into pieces as long as a clip, and return them with the track of each piece.

    The pieces have artists as their groups and are not split yet. Identical files count as one track.
    """
    clip = make_clip_spec(experiment)
    if clip.n_frames is None or dataset.task != "single":  # some models take whole files, not clips
        raise InputError(
            "Measuring leakage needs tracks that can be cut and have one class each. {experiment_name} on "
            "{dataset_name} has none. Use one of the genre experiments.",
            experiment_name=experiment.name,
            dataset_name=dataset.name,
        )
    dataset, features = read_features(experiment, dataset, data_root, clip, has_run=False)  # there is no run
    n_tracks = len(dataset.examples)
    if not has_artists:
        raise InputError(
            "Measuring leakage needs tracks of known artists, but no two tracks of {dataset_name} share a group. Add a "
            "groups.csv (file,group) or the dataset's index of artists.",
            dataset_name=dataset.name,
        )
    dataset, features = cut_into_pieces(dataset, features, clip.n_frames)
    if len(dataset.examples) < 1.5 * n_tracks:  # with one piece per track, the first two groupings are equal
        raise InputError(
            "Measuring leakage needs at least two pieces per track, but {n_tracks} tracks give {n_pieces} pieces of "
            "{seconds:g} s. Use shorter pieces with --set clips.seconds=1.",
            n_tracks=n_tracks,
            n_pieces=len(dataset.examples),
            seconds=clip.seconds,
        )
    no_split = Split(np.full(len(dataset.examples), "train", dtype=object), Message("not split yet"))
    data = TrainingData(dataset, no_split, features, replace(clip, hop_frames=clip.n_frames))  # one clip per piece
    tracks = (name.rpartition("#")[0] for name in dataset.examples.ids)
    return data, [dataset.digests.get(track, track) for track in tracks]


def _make_folds(
    dataset: Dataset, grouping: str, tracks: Sequence[str], folds: int, experiment: Experiment, seed: int
) -> tuple[Split, ...]:
    """Make the folds of one grouping."""
    groups = {"pieces": dataset.examples.ids, "tracks": tracks, "artists": dataset.groups}[grouping]
    grouped = replace(dataset, examples=dataset.examples.replace_groups(groups))
    return make_folds(grouped, "group", folds, experiment.data.val_fraction, seed)[1]


def _compare_groupings(
    experiment: Experiment,
    data: TrainingData,
    is_correct: np.ndarray,
    seeds: tuple[int, ...],
    folds: int,
    n_tracks: int,
) -> LeakageResult:
    """Compute the accuracy of each grouping and the paired differences, with intervals."""
    shares = is_correct.mean(axis=1)  # over seeds: [shape=(n_groupings, n_pieces)]

    def estimate(name: str, values: np.ndarray, lowest: float = 0.0) -> LeakageEstimate:
        """Return the mean of `values` with its confidence interval."""
        return LeakageEstimate(name, *compute_mean_and_interval(values, data.dataset.groups, N_BOOTSTRAP, lowest))

    accuracies = tuple(estimate(name, values) for name, values in zip(GROUPINGS, shares, strict=True))
    pairs = ((0, 1), (1, 2), (0, 2))  # what shared tracks add, what shared artists add, and both
    differences = tuple(
        estimate(f"{GROUPINGS[i]} - {GROUPINGS[k]}", shares[i] - shares[k], lowest=-1.0) for i, k in pairs
    )
    dataset, counts = data.dataset, (is_correct.shape[2], n_tracks, len(set(data.dataset.groups)))
    origin = (experiment.name, dataset.name, dataset.sample, seeds, folds, data.clip.seconds or 0.0)
    return LeakageResult(*origin, *counts, accuracies, differences, is_correct)
