"""Cache of features on disk: computed once, and found by a key of everything that they depend on.

The key is a digest of the feature settings, the version of the code and the content of every file. A change to any
of them gives a new key, and nothing else does. Features are read through memory maps.

    <cache>/<key>/manifest.json    settings, number of files, files per shard, shape and type of the values
    <cache>/<key>/00012.bin        features of the files of one shard, one after another
    <cache>/<key>/00012.json       number of frames of each of its files, excluded files and why, warnings
    <cache>/<key>.npy              outputs of a frozen backbone
    <cache>/digests-<dataset>.bin  the digest of each file's content, by path, size and time

A computation that was stopped goes on with the shards that are missing. Earlier versions wrote one `array.bin` and one
`index.json`, which are still read.

Values are stored as float32. With float16, models on MFCC are as good (`make bench ARGS=half_precision`). But the
scores of a run would differ from those of a prediction, which reads the file itself, by more than 0.0001. Converting a
clip also takes about ten times as long as copying it.

The cache can be deleted at any time (`musicml cache --clear`): features are computed again, and runs don't need it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data import count_known_digests, digest_examples
from musicml.data.datasets import KINDS, Dataset, Excluded
from musicml.data.io import READER_VERSION
from musicml.features import audio_features
from musicml.features.cache.compute import compute_shards, fill_cache, make_cache_folder
from musicml.features.cache.inventory import clear_cache, list_cache_entries, measure_size, remove_features
from musicml.features.cache.shards import Index, Layout, ShardedArray, make_layout, read_index, read_manifest
from musicml.utils import InputError, Message, to_dict, write_atomically

logger = logging.getLogger(__name__)

MAX_TRIES = 3  # files may change, or another process may clear the cache, while features are computed


@dataclass(frozen=True)
class Features:
    """The features of a dataset's examples, in their order.

    Attributes
    ----------
    array : np.ndarray or ShardedArray [shape=(n_frames_of_all, n_bins)], float32, or [shape=(n, ...)] of fixed size
    begin : np.ndarray [shape=(n_examples,)], int, where each example begins in `array`
    length : np.ndarray [shape=(n_examples,)], int, the number of its frames; 1 for a fixed size
    has_frames : whether examples have frames, like sound, or a fixed size, like pictures
    key : str, of the folder in the cache
    warnings : example → sentences about its file
    """

    array: np.ndarray | ShardedArray
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
    for _ in range(MAX_TRIES):
        key = compute_cache_key(dataset, settings, least_samples, Path(root))
        folder = Path(root) / key
        with contextlib.suppress(FileNotFoundError):  # another process cleared the cache just now
            layout, index = _read_or_begin(dataset, settings, folder, least_samples)
            if index.missing:
                n_left = sum(layout.count_files(number) for number in index.missing)
                logger.info("computing %s features of %s files", settings.__class__.__name__, n_left)
                results = compute_shards(
                    dataset.examples, settings, least_samples, folder, layout, index.missing, processes
                )
                fill_cache(results, folder, layout.n_files, n_left)
                if compute_cache_key(dataset, settings, least_samples, Path(root)) != key:
                    logger.warning("files of %s changed while their features were computed", dataset.name)
                    remove_features(folder)
                    continue
                index = read_index(folder, layout)
            if not index.missing:
                return _open_shards(dataset, folder, layout, index)
    raise InputError(
        "Expected the files of {dataset_name} and the cache {root} to stay as they are during the computation, but "
        "they changed {n} times. Run the command again when nothing else changes them.",
        dataset_name=dataset.name,
        root=root,
        n=MAX_TRIES,
    )


def open_features(dataset: Dataset, settings: Any, root: Path, least_samples: int = 0) -> tuple[Dataset, Features]:
    """Return the features that the cache holds so far, and the dataset with only their files. Compute nothing.

    Parameters
    ----------
    dataset, settings, root, least_samples : as for `get_features`

    Raises
    ------
    FileNotFoundError
        If the cache has none of them.
    ValueError
        If they are damaged.
    """
    folder = Path(root) / compute_cache_key(dataset, settings, least_samples, Path(root))
    layout = _read_layout(dataset, settings, folder)
    return _open_shards(dataset, folder, layout, read_index(folder, layout))


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
    folder = Path(root) / compute_cache_key(dataset, settings, least_samples, Path(root))
    try:
        layout = _read_layout(dataset, settings, folder)
        missing = read_index(folder, layout).missing
    except (FileNotFoundError, ValueError):
        return 0
    return n - sum(layout.count_files(number) for number in missing)


def get_storage_type(settings: Any) -> np.dtype:
    """Return the type in which the cache stores values of features."""
    return np.dtype(make_layout(1, settings).dtype)


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


def _read_or_begin(dataset: Dataset, settings: Any, folder: Path, least_samples: int) -> tuple[Layout, Index]:
    """Return the layout and the index of a cache. If it is unusable, remove it and begin a new one."""
    was_there = folder.exists()  # what appears from here on is of another process, which begins it too
    try:
        layout = _read_layout(dataset, settings, folder)
        index = read_index(folder, layout)
        if not (layout.is_old and index.missing):  # it can't be completed
            return layout, index
    except ValueError as error:
        logger.warning("the features in %s can't be used, and are computed again: %s", folder, error)
    except FileNotFoundError:
        pass  # nothing is there that can be used
    if was_there:
        remove_features(folder)
    make_cache_folder(dataset, settings, folder, least_samples, make_layout(len(dataset.examples), settings))
    layout = _read_layout(dataset, settings, folder)  # of the process that was the first to make it
    return layout, read_index(folder, layout)


def _read_layout(dataset: Dataset, settings: Any, folder: Path) -> Layout:
    """Read how the features of a dataset are stored.

    Raises
    ------
    FileNotFoundError
        If there are none, or an earlier version has computed them, which reads fewer files.
    ValueError
        If they are damaged.
    """
    about, layout = read_manifest(folder)
    if about.get("reader", 1) != READER_VERSION:
        raise FileNotFoundError(folder)
    wanted = make_layout(len(dataset.examples), settings)
    if layout.is_old:
        layout = replace(layout, row_shape=wanted.row_shape, dtype=wanted.dtype)
    if (layout.n_files, layout.row_shape, layout.dtype) != (wanted.n_files, wanted.row_shape, wanted.dtype):
        raise ValueError(f"expected {wanted}, got {layout}")
    return layout


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


def _open_shards(dataset: Dataset, folder: Path, layout: Layout, index: Index) -> tuple[Dataset, Features]:
    """Open the shards that exist, and drop the files without features from the dataset."""
    excluded = [Excluded(file, reason) for file, reason in index.excluded]
    is_readable = index.lengths > 0
    if not is_readable.any():
        raise InputError(
            "Expected readable files in {dataset_name}, but none of its {n_kept} can be read. "
            "The first: {excluded_reason}",
            dataset_name=dataset.name,
            n_kept=len(is_readable),
            excluded_reason=excluded[0].reason if excluded else Message("nothing is computed yet"),
        )
    ends = np.cumsum(index.lengths)
    last_files = [layout.get_files(number).stop - 1 for number in range(layout.n_shards)]
    array = ShardedArray(folder, layout, np.concatenate([[0], ends[last_files]]))
    has_frames = len(layout.row_shape) == 1
    features = Features(array, ends - index.lengths, index.lengths, has_frames, folder.name, index.warnings)
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
        except (FileNotFoundError, EOFError, ValueError) as error:
            # not computed yet, or another process cleared the cache just now
            if not isinstance(error, FileNotFoundError):
                logger.warning("%s can't be used, and is computed again: %s", path, error)
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
