"""Prepare the data of an experiment: read every file once, and split examples before cutting clips."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from musicml.data import CACHE_FOLDER, collect_digests
from musicml.data.audit import find_clusters
from musicml.data.datasets import GROUPS_FILE, Dataset, Excluded, is_sample_data, load_dataset
from musicml.data.splits import (
    UNGROUPED,
    Split,
    check_lists,
    group_identical_files,
    make_folds,
    make_split,
    merge_groups,
)
from musicml.experiment import Experiment
from musicml.features import ClipSpec, Features, cut_into_pieces, get_features
from musicml.models import get_family
from musicml.training import trainer
from musicml.utils import InputError, LostClusterError, Message, count_endings, get_message, replace_in_message

logger = logging.getLogger(__name__)

BY_CLIP = Message("by clip, regardless of its track, which makes results too optimistic")
MAX_WARNING_KINDS = 5  # kinds of file warnings that are logged
MIN_TEST_FILES = 20  # with fewer, a confidence interval is too wide to be useful


def prepare_data(experiment: Experiment, dataset: Dataset, data_root: Path, seed: int) -> trainer.TrainingData:
    """Read every file once, leave out unreadable ones, and split the rest.

    Raises
    ------
    InputError
        If the data and the experiment do not fit each other; before any file is read, if possible.
    """
    clip = check_before_reading(experiment, dataset, data_root)
    dataset, features = read_features(experiment, dataset, data_root, clip)  # unreadable files leave before the split
    cut = experiment.published is not None and experiment.published.pieces
    if cut:  # the fault that is replicated: clips of one track count as independent
        dataset, features = cut_into_pieces(dataset, features, clip.length)
        logger.info(
            "tracks cut into %s clips of %g s before the split, as published", len(dataset.examples), clip.seconds
        )
    # examples are split, not clips: clips of one track must not be in training and test
    split_data, split, folds = split_dataset(experiment, dataset, data_root, seed)
    log_files(split_data.excluded[len(dataset.excluded) :], True)
    if cut:
        split = replace(split, statement=replace_in_message(split.statement, UNGROUPED, BY_CLIP))
    if experiment.family == "forest" or (experiment.is_fitted_at_once and dataset.task == "multi"):
        check_both_kinds(split_data, (*folds, split))
    if not len(split.indices("val")):
        logger.warning("no validation files: the last epoch is kept, and scores are not calibrated")
    if not folds:
        log_test_split(split_data, split)
    is_kept = np.ones(len(dataset.examples), dtype=bool)
    if len(split_data.examples) < len(is_kept):
        kept_ids = set(split_data.examples.ids)
        is_kept = np.fromiter((name in kept_ids for name in dataset.examples.ids), bool, len(is_kept))
    digests = split_data.digests if experiment.kind == "vggish" or (split_data.digests and not cut) else None
    if digests is None:
        digests = collect_digests(split_data, data_root / CACHE_FOLDER)
    return trainer.TrainingData(split_data, split, features.select(is_kept), clip, folds, digests=digests)


def check_before_reading(experiment: Experiment, dataset: Dataset, data_root: Path) -> ClipSpec:
    """Make the cheap checks, before hours of reading, and return how tracks are cut into clips."""
    check_lists(dataset, experiment.data.split)
    clip = make_clip_spec(experiment)
    check_single_label(experiment, dataset)
    check_before_training = getattr(get_family(experiment.family), "check_before_training", None)
    if check_before_training:
        check_before_training(experiment.model, clip.length, data_root)
    return clip


def check_single_label(experiment: Experiment, dataset: Dataset) -> None:
    """Raise an error for options that need exactly one class per example, if the dataset has several."""
    options = {
        "augment.mixup": experiment.augment.mixup,
        "augment.cutmix": experiment.augment.cutmix,
        "training.class_weights": experiment.training.class_weights == "balanced",
        "published.pieces": experiment.published and experiment.published.pieces,
        "published.served": experiment.published and experiment.published.served,
    }
    for name, value in options.items():
        if value and dataset.task != "single":
            raise InputError(
                "{name} needs examples of exactly one class. Those of {dataset_name} may have several, and most labels "
                "are unknown: remove it.",
                name=name,
                dataset_name=dataset.name,
            )


def read_features(
    experiment: Experiment, dataset: Dataset, data_root: Path, clip: ClipSpec, has_run: bool = True
) -> tuple[Dataset, Features]:
    """Return the readable files, with identical ones in one group, and their features.

    `has_run` is whether the caller writes an excluded.csv, which lists the files left out.
    """
    root = data_root / CACHE_FOLDER
    dataset, features = get_features(dataset, experiment.features, root, clip.least_samples)
    log_files([item for item in dataset.excluded if item.file != GROUPS_FILE], has_run)
    kinds: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, warnings in features.warnings.items():
        for words in warnings:
            kinds[re.sub(r"\d+(\.\d+)?", "", words)].append((name, words))  # equal except for numbers
    for files in sorted(kinds.values(), key=len, reverse=True)[:MAX_WARNING_KINDS]:
        name, words = files[0]
        logger.warning(
            "%s of %s files have a warning. The first, %s: %s", len(files), len(dataset.examples), name, words
        )
    if experiment.data.split != "clean" and len(set(dataset.groups)) == len(dataset.examples):
        logger.warning("no groups are known, so files count as independent, which makes results too optimistic")
    if dataset.vggish is None and not dataset.as_published:
        # or a copy could be in training and test
        dataset = group_identical_files(dataset, collect_digests(dataset, root))
    return dataset, features


def compute_features(experiment: Experiment, data_root: Path, which: str) -> None:
    """Compute the features of an experiment on all workers of a cluster, before one worker trains it.

    Raises
    ------
    LostClusterError
        If the scheduler or all workers have ended. The training gives any other error.
    """
    is_as_published = experiment.data.protocol == "as_published"
    try:
        experiment = experiment.resolve(is_sample_data(experiment.data.dataset, data_root, which))
        dataset = load_dataset(experiment.data.dataset, data_root, which, None, is_as_published)
        get_features(dataset, experiment.features, data_root / CACHE_FOLDER, make_clip_spec(experiment).least_samples)
    except LostClusterError:
        raise
    except Exception as error:  # it must not stop the other experiments
        logger.debug("%s: no features (%s)", experiment.name, get_message(error))


def split_dataset(
    experiment: Experiment, dataset: Dataset, data_root: Path, seed: int
) -> tuple[Dataset, Split, tuple[Split, ...]]:
    """Return the dataset as it is split, the split of the model for prediction, and the folds' splits."""
    data = experiment.data
    if data.split == "clean":
        # near-duplicates must not cross the split
        dataset = merge_groups(dataset, find_clusters(dataset, data_root / CACHE_FOLDER))
        n, n_groups = len(dataset.examples), len(set(dataset.groups))
        logger.info("related files and near-duplicates share a group: %s files, %s groups", n, n_groups)
    if data.n_folds == 1:
        return *make_split(dataset, data.split, data.val_fraction, data.test_fraction, seed), ()
    dataset, folds, served = make_folds(dataset, data.split, data.n_folds, data.val_fraction, seed)
    return dataset, served, folds


def check_both_kinds(dataset: Dataset, splits: Iterable[Split]) -> None:
    """Raise an error for a class with only positive or only negative training examples in one of the splits."""
    targets = dataset.targets()
    for split in splits:
        train_targets = targets[split.indices("train")]
        for name, column in zip(dataset.class_names, train_targets.T, strict=True):
            if len(np.unique(column[~np.isnan(column)])) < 2:  # NaN: not annotated
                raise InputError(
                    "Expected training examples with and without each class for this model, but {name} has one kind "
                    "({split_statement}). Add files, use fewer folds, or choose another split.",
                    name=name,
                    split_statement=split.statement,
                )


def log_files(left_out: Sequence[Excluded], has_run: bool) -> None:
    """Log how many files were left out, the first with its reason, and their file types."""
    if not left_out:
        return
    first = left_out[0]
    reason = first.reason if first.file in first.reason else f"{first.file}: {first.reason}"
    where = " (listed in excluded.csv)" if has_run else ""
    logger.warning(
        "%s %s left out%s. The first: %s", len(left_out), "file" if len(left_out) == 1 else "files", where, reason
    )
    if len(left_out) > 1:
        logger.warning("left out, by file type: %s", count_endings(item.file for item in left_out))


def log_test_split(dataset: Dataset, split: Split) -> None:
    """Log whether the test split is too small, or lacks classes."""
    places = split.indices("test")
    if len(places) < MIN_TEST_FILES:
        logger.warning("only %s test files: results will be uncertain", len(places))
    has_examples = np.nan_to_num(dataset.targets()[places]).any(axis=0)
    lacking = [name for name, is_tested in zip(dataset.class_names, has_examples, strict=True) if not is_tested]
    if lacking:
        logger.warning("no test files of %s: nothing is known about the performance on them", ", ".join(lacking))


def make_clip_spec(experiment: Experiment) -> ClipSpec:
    """Convert the experiment's clip length to frames.

    A clip has the frames that fit into it without padding; its hop is a whole number of frames.
    """
    settings, clips = experiment.features, experiment.clips
    if not hasattr(settings, "hop_length"):
        return ClipSpec()  # pictures and VGGish features have one size, so an example is one clip
    frame_seconds = settings.hop_length / settings.sample_rate
    n_frames = max(1, settings.count_frames(round(clips.seconds * settings.sample_rate)))
    return ClipSpec(
        n_frames,
        hop_frames=max(1, round(clips.hop_seconds / frame_seconds)),
        least_samples=settings.count_samples(n_frames),  # so that each track fills a clip
        frame_seconds=frame_seconds,
        seconds=clips.seconds,
        average=clips.average,
    )


def compute_split_hash(material: trainer.TrainingData) -> str:
    """Compute a stable digest of every fold's split: 16 hex digits."""
    if not material.folds:
        return material.split.hash(material.dataset)
    parts = [split.hash(material.dataset) for split in (*material.folds, material.split)]
    return hashlib.blake2b(" ".join(parts).encode(), digest_size=8).hexdigest()
