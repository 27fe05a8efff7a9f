"""The store: features on disk, computed once, keyed by what made them.

The key is a digest of the feature settings, the version of the code and the content of every file, so that a change
of any of them makes new features and nothing else does. What is read comes from memory maps.

    store/<key>/array.bin     every file's features, one after another
    store/<key>/index.json    how many frames each has, what was left out and why, warnings; and what it all is
    store/<key>.npy           a frozen backbone's outputs
    store/digests-<data set>.bin     the digest of each file's content, by its path, size and time

Any of it may be removed at any time (`musicml cache --clear`): it is computed again, and a run does not need it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data import digest_examples
from musicml.data.datasets import KINDS, Dataset, Excluded
from musicml.data.io import READER_VERSION
from musicml.features import audio_features
from musicml.features.cache.compute import compute_and_store
from musicml.features.cache.inventory import clear_cache, list_cache_entries, measure_size
from musicml.utils import InputError, parse_json, to_dict, write_atomically

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Features:
    """The features of a data set's examples, in its order.

    Attributes
    ----------
    array : np.ndarray [shape=(n_frames_of_all, n_bins)], float32, or [shape=(n, ...)] of fixed size
    begin : np.ndarray [shape=(n_examples,)], int: where each example begins in `array`
    length : np.ndarray [shape=(n_examples,)], int: how many frames it has; 1 where it has a fixed size
    framed : whether an example has frames, as sound has, or a fixed size, as pictures have
    key : str, of the folder in the store
    warnings : example → what its file was found to be, in words
    """

    array: np.ndarray
    begin: np.ndarray
    length: np.ndarray
    framed: bool
    key: str
    warnings: dict[str, list[str]]

    def of(self, index: int) -> np.ndarray:
        """One example's features: [shape=(n_frames, n_bins)], or of the fixed size."""
        begin = self.begin[index]
        return self.array[begin : begin + self.length[index]] if self.framed else self.array[begin]

    def select(self, mask: np.ndarray) -> Features:
        """The features of the examples where `mask` is true; nothing is copied."""
        return replace(self, begin=self.begin[mask], length=self.length[mask])


def get_features(
    dataset: Dataset, settings: Any, root: Path, least_samples: int = 0, processes: int | None = None
) -> tuple[Dataset, Features]:
    """The features of every readable file of a data set, and the data set without the files that can't be read.

    Parameters
    ----------
    dataset : sound for `LogMel` and `MFCC`, pictures for `Pixels`, either for `Spectrogram`, one with `vggish` for
        `VGGish`
    root : the store's folder
    least_samples : a shorter track is repeated up to this length
    processes : how many compute; 1 for this one alone, None for as many as there are cores where that pays

    Raises
    ------
    InputError
        If the settings do not fit the data set, the disk is full, or no file can be read.
    """
    if isinstance(settings, audio_features.VGGish):
        return dataset, _take_vggish(dataset)
    wants = "picture" if isinstance(settings, audio_features.Pixels) else "sound"
    if dataset.kind != wants and not isinstance(settings, audio_features.Spectrogram):  # which is drawn or taken
        raise InputError(
            "this experiment needs {wants} files and {dataset_name} holds {dataset_kind} files: choose an experiment "
            "for {dataset_kind}s.",
            wants=KINDS[wants],
            dataset_name=dataset.name,
            dataset_kind=KINDS[dataset.kind],
        )
    key = compute_cache_key(dataset, settings, least_samples, Path(root))
    home = Path(root) / key
    for _ in range(3):
        if not _is_current(home):
            shutil.rmtree(home, ignore_errors=True)
            logger.info("features: %s files to %s, once", len(dataset.examples), settings.__class__.__name__)
            compute_and_store(dataset, settings, home, least_samples, processes)
        with contextlib.suppress(FileNotFoundError):  # cleared in this very moment, or somebody removed a part of it
            return open_features(dataset, settings, home, key)
        shutil.rmtree(home, ignore_errors=True)
    return open_features(dataset, settings, home, key)


def compute_cache_key(dataset: Dataset, settings: Any, least_samples: int, root: Path) -> str:
    """The digest of everything that the features depend on."""
    facts = {
        "kind": settings.__class__.__name__,
        **to_dict(settings),
        "least_samples": least_samples,
        "version": audio_features.FEATURES_VERSION,
    }
    found = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12)
    for file in digest_examples(dataset, root):  # one after another: all of them at once are megabytes
        found.update(json.dumps(file).encode())
    return found.hexdigest()


def _is_current(home: Path) -> bool:
    """Return whether features are there, and were computed by what reads files today: an earlier one read less."""
    try:
        index = parse_json((home / "index.json").read_text())
    except (FileNotFoundError, ValueError):  # a damaged one is made anew
        return False
    return index.get("reader", 1) == READER_VERSION


def _take_vggish(dataset: Dataset) -> Features:
    """The VGGish features that come with a data set; refuse one that brings none."""
    vggish, n = dataset.vggish, len(dataset.examples)
    if vggish is None:
        raise InputError(
            "VGGish features must come with the data set, and {dataset_name} brings none: take an experiment "
            "with log_mel, or OpenMIC's release.",
            dataset_name=dataset.name,
        )
    key = hashlib.blake2b(vggish.tobytes(), digest_size=12).hexdigest()
    return Features(vggish, np.arange(n), np.ones(n, dtype=int), False, key, {})


def open_features(dataset: Dataset, settings: Any, home: Path, key: str) -> tuple[Dataset, Features]:
    """Open what `compute_and_store` wrote, as a memory map, and leave out of the data set what could not be read."""
    index = parse_json((home / "index.json").read_text())
    excluded = [Excluded(file, reason) for file, reason in index["excluded"]]
    unread = {item.file for item in excluded}
    kept = np.array([example.id not in unread for example in dataset.examples])
    if not kept.any():
        raise InputError(
            "{dataset_name} must have files that can be read, and none of its {n_kept} can; "
            "of the first: {excluded_reason}",
            dataset_name=dataset.name,
            n_kept=len(kept),
            excluded_reason=excluded[0].reason,
        )
    framed = not isinstance(settings, audio_features.Pixels)
    shape = (-1, settings.n_bins) if framed else (-1, settings.height, settings.width, 3)
    array = np.memmap(home / "array.bin", np.float32 if framed else np.uint8, "r").reshape(shape)
    length = np.array(index["lengths"])
    found = Features(array, np.cumsum(length) - length, length, framed, key, index["warnings"])
    return dataset.keep(kept, excluded), found.select(kept)


def get_frozen_outputs(
    root: Path, facts: dict[str, Any], shape: tuple[int, ...], make: Callable[[], np.ndarray], dtype: str = "float32"
) -> np.ndarray:
    """An array that `make` computes only where the store does not hold it yet: a frozen backbone's outputs, say.

    Parameters
    ----------
    facts : everything that the array depends on
    shape, dtype : the array's

    Raises
    ------
    InputError
        If the store holds an array of another shape, or the disk is full.
    """
    key = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()
    path = Path(root) / f"{key}.npy"
    array = None
    while array is None:
        try:
            array = np.load(path, mmap_mode="r")
        except FileNotFoundError:  # it is not made yet, or the store was cleared in this very moment
            logger.info("computing the outputs of the frozen layers for %s inputs", shape[0])
            with write_atomically(path) as temporary:
                np.save(temporary, np.asarray(make(), dtype=dtype))
    if array.shape != shape:
        raise InputError(
            "{path} must hold an array of {shape} and holds {array_shape}: remove the file and try again.",
            path=path,
            shape=shape,
            array_shape=array.shape,
        )
    return array
