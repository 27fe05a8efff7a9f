"""Prepare: what an experiment trains on. Every file is read once, and split before anything is cut."""

from __future__ import annotations

import hashlib
import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from musicml.data import CACHE_FOLDER, digest_examples
from musicml.data.audit import find_clusters
from musicml.data.datasets import GROUPS_FILE, Dataset, Excluded
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
from musicml.utils import InputError, Message, count_endings, replace_in_message

logger = logging.getLogger(__name__)

BY_PIECE = Message("by piece, whatever track it is of, which flatters")
MOST_KINDS = 5  # of warnings that are told
FEW = 20  # test files, below which an interval is hardly worth its name


def prepare_data(experiment: Experiment, dataset: Dataset, data_root: Path, seed: int) -> trainer.TrainingData:
    """Read every file once, leave out what can't be read, and split what is left.

    Raises
    ------
    InputError
        If the data and the experiment do not fit each other; where no file need be read to tell, before any is.
    """
    check_lists(dataset, experiment.data.split)
    clip = make_clip_spec(experiment)
    check_single_label(experiment, dataset)
    check_before_training = getattr(get_family(experiment.family), "check_before_training", None)
    if check_before_training:
        check_before_training(experiment.model, clip.length, data_root)
    dataset, found = read_features(experiment, dataset, data_root, clip)
    cut = experiment.published is not None and experiment.published.pieces
    if cut:
        dataset, found = cut_into_pieces(dataset, found, clip.length)
        logger.info(
            "cut into %s pieces of %g s before they are split, as published", len(dataset.examples), clip.seconds
        )
    kept, split, folds = split_dataset(experiment, dataset, data_root, seed)
    log_files(kept.excluded[len(dataset.excluded) :], True)
    if cut:
        split = replace(split, statement=replace_in_message(split.statement, UNGROUPED, BY_PIECE))
    if experiment.family == "forest" or (experiment.is_fitted_at_once and dataset.task == "multi"):
        check_both_kinds(kept, (*folds, split))
    if not len(split.indices("val")):
        logger.warning("no validation files: the last epoch is kept, and nothing is calibrated")
    if not folds:
        log_test_split(kept, split)
    stays = {example.id for example in kept.examples}
    there = np.array([example.id in stays for example in dataset.examples])
    digests = kept.digests if experiment.kind == "vggish" or (kept.digests and not cut) else None
    if digests is None:
        digests = dict(digest_examples(kept, data_root / CACHE_FOLDER))
    return trainer.TrainingData(kept, split, found.select(there), clip, folds, digests=digests)


def check_single_label(experiment: Experiment, dataset: Dataset) -> None:
    """Refuse what has no meaning where an example may be of several classes, most of them not looked for."""
    asked = {
        "augment.mixup": experiment.augment.mixup,
        "augment.cutmix": experiment.augment.cutmix,
        "training.class_weights": experiment.training.class_weights == "balanced",
        "published.pieces": experiment.published and experiment.published.pieces,
        "published.served": experiment.published and experiment.published.served,
    }
    for name, value in asked.items():
        if value and dataset.task != "single":
            raise InputError(
                "{name} needs examples of one class each, and those of {dataset_name} may be of several, of which "
                "most were not looked for: take it out.",
                name=name,
                dataset_name=dataset.name,
            )


def read_features(
    experiment: Experiment, dataset: Dataset, data_root: Path, clip: ClipSpec, named: bool = True
) -> tuple[Dataset, Features]:
    """The files that can be read, equal ones in one group, with their features.

    `named` is whether the caller writes an excluded.csv, which names the files left out.
    """
    root = data_root / CACHE_FOLDER
    dataset, found = get_features(dataset, experiment.features, root, clip.least_samples)
    log_files([one for one in dataset.excluded if one.file != GROUPS_FILE], named)
    kinds: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, warnings in found.warnings.items():
        for words in warnings:
            kinds[re.sub(r"\d+(\.\d+)?", "", words)].append((name, words))  # alike but for numbers
    for files in sorted(kinds.values(), key=len, reverse=True)[:MOST_KINDS]:
        name, words = files[0]
        logger.warning(
            "%s of %s files with a warning, the first, %s: %s", len(files), len(dataset.examples), name, words
        )
    if experiment.data.split != "clean" and len(set(dataset.groups)) == len(dataset.examples):
        logger.warning("no groups are known: every file is taken to be independent of every other, which flatters")
    if dataset.vggish is None and not dataset.as_published:
        dataset = group_identical_files(dataset, dict(digest_examples(dataset, root)))
    return dataset, found


def split_dataset(
    experiment: Experiment, dataset: Dataset, data_root: Path, seed: int
) -> tuple[Dataset, Split, tuple[Split, ...]]:
    """The data set as it is split, the split of the model that is served, and those of a cross-validation."""
    data = experiment.data
    if data.split == "clean":
        dataset = merge_groups(dataset, find_clusters(dataset, data_root / CACHE_FOLDER))
        n, n_groups = len(dataset.examples), len(set(dataset.groups))
        logger.info(
            "files that are known to belong together or nearly alike share a group: %s files, %s groups", n, n_groups
        )
    if data.n_folds == 1:
        return *make_split(dataset, data.split, data.val_fraction, data.test_fraction, seed), ()
    dataset, folds, served = make_folds(dataset, data.split, data.n_folds, data.val_fraction, seed)
    return dataset, served, folds


def check_both_kinds(dataset: Dataset, found: Iterable[Split]) -> None:
    """Refuse a class that a forest or a linear head could learn nothing about in one of the splits."""
    targets = dataset.targets()
    for split in found:
        taught = targets[split.indices("train")]
        for name, column in zip(dataset.class_names, taught.T, strict=True):
            if len(np.unique(column[~np.isnan(column)])) < 2:
                raise InputError(
                    "every class must have training examples with it and without it for this model, and {name} has one "
                    "kind only ({split_statement}): add files, name fewer folds, or take another split.",
                    name=name,
                    split_statement=split.statement,
                )


def log_files(left_out: Sequence[Excluded], named: bool) -> None:
    """Say how many files were left out, the first of them with the reason, and their endings."""
    if not left_out:
        return
    first = left_out[0]
    reason = first.reason if first.file in first.reason else f"{first.file}: {first.reason}"
    where = " (excluded.csv names them)" if named else ""
    logger.warning(
        "%s %s left out%s, the first: %s", len(left_out), "file" if len(left_out) == 1 else "files", where, reason
    )
    if len(left_out) > 1:
        logger.warning("left out, by ending: %s", count_endings(one.file for one in left_out))


def log_test_split(dataset: Dataset, split: Split) -> None:
    """Say what a test side is too small for."""
    places = split.indices("test")
    if len(places) < FEW:
        logger.warning("only %s test files: its figures will say little", len(places))
    there = np.nan_to_num(dataset.targets()[places]).any(axis=0)
    lacking = [name for name, found in zip(dataset.class_names, there, strict=True) if not found]
    if lacking:
        logger.warning("no test files of %s: no figure says anything about that", ", ".join(lacking))


def make_clip_spec(experiment: Experiment) -> ClipSpec:
    """Count an experiment's clip in frames.

    A clip has the frames that fit into it without padding; its hop is a whole number of frames.
    """
    settings, clips = experiment.features, experiment.clips
    if not hasattr(settings, "hop_length"):
        return ClipSpec()
    frame_seconds = settings.hop_length / settings.sample_rate
    n_frames = max(1, settings.n_frames(round(clips.seconds * settings.sample_rate)))
    return ClipSpec(
        n_frames,
        hop_frames=max(1, round(clips.hop_seconds / frame_seconds)),
        least_samples=settings.n_samples(n_frames),
        frame_seconds=frame_seconds,
        seconds=clips.seconds,
        average=clips.average,
    )


def compute_split_hash(material: trainer.TrainingData) -> str:
    """A stable digest of who stands where, in every fold: 16 hex digits."""
    if not material.folds:
        return material.split.hash(material.dataset)
    parts = [split.hash(material.dataset) for split in (*material.folds, material.split)]
    return hashlib.blake2b(" ".join(parts).encode(), digest_size=8).hexdigest()
