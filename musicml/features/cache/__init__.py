"""Cache of features on disk: computed once, and found by a key of everything that they depend on.

The key is a digest of the feature settings, the version of the code and the content of every file. A change to any
of them gives a new key, and nothing else does. Arrays are read through memory maps.

    <cache>/<key>/array.bin     features of all files, one after another
    <cache>/<key>/index.json    number of frames of each file, excluded files and why, warnings, settings
    <cache>/<key>.npy           outputs of a frozen backbone
    <cache>/digests-<dataset>.bin     the digest of each file's content, by path, size and time

The cache can be deleted at any time (`musicml cache --clear`): features are computed again, and runs don't need it.
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

from musicml.data import count_known_digests, digest_examples
from musicml.data.datasets import KINDS, Dataset, Excluded
from musicml.data.io import READER_VERSION
from musicml.features import audio_features
from musicml.features.cache.compute import compute_and_store
from musicml.features.cache.inventory import clear_cache, list_cache_entries, measure_size
from musicml.utils import InputError, parse_json, to_dict, write_atomically

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Features:
    """The features of a dataset's examples, in their order.

    Attributes
    ----------
    array : np.ndarray [shape=(n_frames_of_all, n_bins)], float32, or [shape=(n, ...)] of fixed size
    begin : np.ndarray [shape=(n_examples,)], int, where each example begins in `array`
    length : np.ndarray [shape=(n_examples,)], int, the number of its frames; 1 for a fixed size
    has_frames : whether examples have frames, like sound, or a fixed size, like pictures
    key : str, of the folder in the cache
    warnings : example → sentences about its file
    """

    array: np.ndarray
    begin: np.ndarray
    length: np.ndarray
    has_frames: bool
    key: str
    warnings: dict[str, list[str]]

    def get(self, index: int) -> np.ndarray:
        """Return one example's features: [shape=(n_frames, n_bins)], or of the fixed size."""
        begin = self.begin[index]
        return self.array[begin : begin + self.length[index]] if self.has_frames else self.array[begin]

    def select(self, mask: np.ndarray) -> Features:
        """Return the features of the examples where `mask` is true. Nothing is copied."""
        return replace(self, begin=self.begin[mask], length=self.length[mask])


def get_features(
    dataset: Dataset, settings: Any, root: Path, least_samples: int = 0, processes: int | None = None
) -> tuple[Dataset, Features]:
    """Return the features of every readable file of a dataset, and the dataset without the other files.

    Parameters
    ----------
    dataset : sound for `LogMel` and `MFCC`, pictures for `Pixels`, either for `Spectrogram`, one with `vggish` for
        `VGGish`
    root : the cache's folder
    least_samples : a shorter track is repeated up to this length
    processes : number of processes; 1 for this one alone, None for one per core if that is faster

    Raises
    ------
    InputError
        If the settings do not fit the dataset, the disk is full, or no file can be read.
    """
    check_kind(dataset, settings)
    if isinstance(settings, audio_features.VGGish):
        return dataset, _take_vggish(dataset)
    key = compute_cache_key(dataset, settings, least_samples, Path(root))
    folder = Path(root) / key
    for _ in range(3):  # another process may clear the cache meanwhile
        if not _is_current(folder):
            shutil.rmtree(folder, ignore_errors=True)
            logger.info("computing %s features of %s files", settings.__class__.__name__, len(dataset.examples))
            compute_and_store(dataset, settings, folder, least_samples, processes)
        with contextlib.suppress(FileNotFoundError):  # another process cleared the cache just now, or a file is missing
            return open_features(dataset, settings, folder, key)
        shutil.rmtree(folder, ignore_errors=True)
    return open_features(dataset, settings, folder, key)


def check_kind(dataset: Dataset, settings: Any) -> None:
    """Raise an error if such features can't be computed from the dataset's kind of files, or do not come with it."""
    if isinstance(settings, audio_features.VGGish):
        _take_vggish(dataset)
        return
    kind = "picture" if isinstance(settings, audio_features.Pixels) else "sound"
    # a spectrogram is read from a picture or drawn from sound
    if dataset.kind != kind and not isinstance(settings, audio_features.Spectrogram):
        raise InputError(
            "This experiment needs {kind} files, but {dataset_name} holds {dataset_kind} files. Choose an experiment "
            "for {dataset_kind}s.",
            kind=KINDS[kind],
            dataset_name=dataset.name,
            dataset_kind=KINDS[dataset.kind],
        )


def count_cached_files(dataset: Dataset, settings: Any, root: Path, least_samples: int = 0) -> int:
    """Count the files whose features need not be computed. No file is read, and nothing is written."""
    n = len(dataset.examples)
    if isinstance(settings, audio_features.VGGish):
        return n
    if count_known_digests(dataset, Path(root)) < n:  # the key needs the content of all files
        return 0
    return n if _is_current(Path(root) / compute_cache_key(dataset, settings, least_samples, Path(root))) else 0


def get_storage_type(settings: Any) -> np.dtype:
    """Return the type in which the cache stores values of features."""
    return np.dtype(np.uint8 if isinstance(settings, audio_features.Pixels) else np.float32)


def compute_cache_key(dataset: Dataset, settings: Any, least_samples: int, root: Path) -> str:
    """Return a digest of everything that the features depend on: 24 hex digits."""
    facts = {
        "kind": settings.__class__.__name__,
        **to_dict(settings),
        "least_samples": least_samples,
        "version": audio_features.FEATURES_VERSION,
    }
    digest = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12)
    for file in digest_examples(dataset, root):  # one at a time: together they take megabytes
        digest.update(json.dumps(file).encode())
    return digest.hexdigest()


def _is_current(folder: Path) -> bool:
    """Return whether features exist and were computed by today's file reader. Earlier ones read fewer files."""
    try:
        index = parse_json((folder / "index.json").read_text())
    except (FileNotFoundError, ValueError):  # a damaged index is computed again
        return False
    return index.get("reader", 1) == READER_VERSION


def _take_vggish(dataset: Dataset) -> Features:
    """Return the VGGish features of a dataset, or raise an `InputError` if it has none."""
    vggish, n = dataset.vggish, len(dataset.examples)
    if vggish is None:
        raise InputError(
            "VGGish features come with their dataset, and {dataset_name} has none. Choose an experiment with log_mel, "
            "or download OpenMIC's release.",
            dataset_name=dataset.name,
        )
    key = hashlib.blake2b(vggish.tobytes(), digest_size=12).hexdigest()
    return Features(vggish, np.arange(n), np.ones(n, dtype=int), False, key, {})


def open_features(dataset: Dataset, settings: Any, folder: Path, key: str) -> tuple[Dataset, Features]:
    """Open what `compute_and_store` wrote as a memory map, and drop unreadable files from the dataset."""
    index = parse_json((folder / "index.json").read_text())
    excluded = [Excluded(file, reason) for file, reason in index["excluded"]]
    unreadable = {item.file for item in excluded}
    is_readable = np.array([example.id not in unreadable for example in dataset.examples])
    if not is_readable.any():
        raise InputError(
            "Expected readable files in {dataset_name}, but none of its {n_kept} can be read. "
            "The first: {excluded_reason}",
            dataset_name=dataset.name,
            n_kept=len(is_readable),
            excluded_reason=excluded[0].reason,
        )
    has_frames = not isinstance(settings, audio_features.Pixels)
    shape = (-1, settings.n_bins) if has_frames else (-1, settings.height, settings.width, 3)
    # a memory map loads only the pages that are read, so features may be larger than memory
    array = np.memmap(folder / "array.bin", get_storage_type(settings), "r").reshape(shape)

    length = np.array(index["lengths"])
    features = Features(array, np.cumsum(length) - length, length, has_frames, key, index["warnings"])
    return dataset.keep(is_readable, excluded), features.select(is_readable)


def get_frozen_outputs(
    root: Path, facts: dict[str, Any], shape: tuple[int, ...], make: Callable[[], np.ndarray], dtype: str = "float32"
) -> np.ndarray:
    """Return an array from the cache, such as a frozen backbone's outputs, and call `make` only if it is not there yet.

    Parameters
    ----------
    facts : everything that the array depends on
    shape, dtype : of the array

    Raises
    ------
    InputError
        If the cache holds an array of another shape, or the disk is full.
    """
    key = hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()
    path = Path(root) / f"{key}.npy"
    array = None
    while array is None:
        try:
            array = np.load(path, mmap_mode="r")
        except FileNotFoundError:  # not computed yet, or another process cleared the cache just now
            logger.info("computing the outputs of the frozen layers for %s inputs", shape[0])
            with write_atomically(path) as temporary:
                np.save(temporary, np.asarray(make(), dtype=dtype))
    if array.shape != shape:
        raise InputError(
            "Expected an array of shape {shape} in {path}, got {array_shape}. Remove the file and try again.",
            path=path,
            shape=shape,
            array_shape=array.shape,
        )
    return array
