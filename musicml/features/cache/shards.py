"""Shards: the features of a few files each, written once and read through memory maps.

A shard appears with all its content or not at all, so several processes, also of several machines with one file
system, can fill a cache together. Each of them skips the shards that exist.
"""

from __future__ import annotations

import bisect
import contextlib
import json
import logging
import math
import mmap
import os
import re
import shutil
import socket
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

import numpy as np

from musicml.data.io import AudioSource
from musicml.features import audio_features
from musicml.utils import InputError, Message, add_messages, describe_os_error, has_exited, is_of_type, parse_json

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
OLD_INDEX, OLD_ARRAY = "index.json", "array.bin"  # of older versions, which wrote all features into one file
MIN_SHARDS = 64  # of a cache with as many files, so that many cores share the work
MAX_SHARD_FILES = 64  # one to two seconds of work with tracks of 30 s: long compared with handing it over
MAX_SHARDS = 1_000_000  # of a cache: a larger number can only come from a damaged manifest
MAX_OPEN_SHARDS = 4096  # memory maps of a cache: each holds an open file, and `ulimit -n` limits those
UNFINISHED_PREFIX = ".making-"
REMOVED_PREFIX = ".leaving-"
ABANDONED_SECONDS = 86_400.0  # age after which an unfinished file of another machine counts as abandoned


@dataclass(frozen=True)
class FileResult:
    """The outcome of one file.

    Attributes
    ----------
    length : number of frames, 1 for a picture, 0 for an unreadable file
    refused : why it can't be read
    warnings : tuple of sentences
    """

    length: int = 0
    refused: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """The division of a cache into shards, and the shape and type of its values.

    Attributes
    ----------
    n_files : number of files, readable or not
    shard_files : files per shard; only the last one may have fewer
    row_shape : shape of one frame, or of one picture
    dtype : of the values on disk
    is_old : whether all features are in the one file of older versions
    """

    n_files: int
    shard_files: int
    row_shape: tuple[int, ...]
    dtype: str
    is_old: bool = False

    @property
    def n_shards(self) -> int:
        """The number of shards."""
        return -(-self.n_files // self.shard_files)

    @property
    def row_size(self) -> int:
        """The bytes of one row."""
        return math.prod(self.row_shape) * np.dtype(self.dtype).itemsize

    def get_files(self, number: int) -> slice:
        """Return the places of a shard's files among all files."""
        return slice(number * self.shard_files, min((number + 1) * self.shard_files, self.n_files))

    def count_files(self, number: int) -> int:
        """Return the number of files in a shard."""
        files = self.get_files(number)
        return files.stop - files.start

    def get_names(self, number: int) -> tuple[str, str]:
        """Return the names of a shard's two files: the features, and their index."""
        return (OLD_ARRAY, OLD_INDEX) if self.is_old else (f"{number:05}.bin", f"{number:05}.json")


def make_layout(n_files: int, settings: Any) -> Layout:
    """Divide the features of `n_files` files into shards, the same on every machine."""
    is_picture = isinstance(settings, audio_features.Pixels)
    shape = settings.get_shape() if is_picture else (settings.n_bins,)
    shard_files = min(MAX_SHARD_FILES, max(1, -(-n_files // MIN_SHARDS)))
    return Layout(n_files, shard_files, shape, "uint8" if is_picture else "float32")


def read_manifest(folder: Path) -> tuple[dict[str, Any], Layout]:
    """Read what a cache says about its features, and their layout. That of older versions has no `row_shape`.

    Raises
    ------
    FileNotFoundError
        If there are no features.
    ValueError
        If the manifest is damaged.
    """
    is_old = not (folder / MANIFEST).is_file()
    about = parse_json((folder / (OLD_INDEX if is_old else MANIFEST)).read_bytes())
    if not is_of_type(about, _ShardIndex if is_old else _Manifest):
        raise ValueError("its manifest is damaged")
    if is_old:
        n_files = len(about["lengths"])
        return about, Layout(n_files, max(1, n_files), (), "uint8", is_old)
    n_files, shard_files, shape = about["n_files"], about["shard_files"], tuple(about["row_shape"])
    if min([shard_files, *shape]) < 1 or not 0 <= n_files <= MAX_SHARDS * min(shard_files, MAX_SHARD_FILES):
        raise ValueError("its manifest has numbers that can't be right")
    return about, Layout(n_files, shard_files, shape, about["dtype"])


class _Manifest(TypedDict):
    """What the manifest has to say."""

    n_files: int
    shard_files: int
    row_shape: list[int]
    dtype: str


class _ShardIndex(TypedDict):
    """The index of a shard, or of all features in older versions."""

    lengths: list[int]
    excluded: list[list[str]]
    warnings: dict[str, list[str]]


@dataclass
class Index:
    """The index of a cache: of all shards that exist.

    Attributes
    ----------
    lengths : np.ndarray [shape=(n_files,)], int, rows of each file; 0 if it can't be read, or its shard does not exist
    missing : numbers of the shards that do not exist, or are damaged
    excluded : file and reason, for each that can't be read
    warnings : file → sentences
    """

    lengths: np.ndarray
    missing: list[int]
    excluded: list[list[str]]
    warnings: dict[str, list[str]]


def read_index(folder: Path, layout: Layout) -> Index:
    """Read the index of every shard. A damaged shard counts as missing, and is logged."""
    index = Index(np.zeros(layout.n_files, np.int64), [], [], {})
    for number in range(layout.n_shards):
        try:
            shard = read_shard_index(folder, layout, number)
        except FileNotFoundError:
            index.missing.append(number)
        except ValueError as error:
            logger.warning("a part of the features in %s is damaged, and counts as missing: %s", folder, error)
            index.missing.append(number)
        else:
            index.lengths[layout.get_files(number)] = shard["lengths"]
            index.excluded += shard["excluded"]
            index.warnings |= shard["warnings"]
    return index


def read_shard_index(folder: Path, layout: Layout, number: int) -> dict[str, Any]:
    """Read the index of one shard: `lengths`, `excluded` and `warnings`, as in `Index`.

    Raises
    ------
    FileNotFoundError
        If the shard does not exist.
    ValueError
        If it is damaged.
    """
    values, index = (folder / name for name in layout.get_names(number))
    content = parse_json(index.read_bytes())
    # a power cut or a full disk can leave anything, so nothing is taken for granted
    is_index = is_of_type(content, _ShardIndex) and all(len(pair) == 2 for pair in content["excluded"])
    if not is_index or min(content["lengths"], default=0) < 0:
        raise ValueError(f"{index.name} is not the index of a shard")
    n_files, size = layout.count_files(number), values.stat().st_size
    # the size shows a file that was cut off; reading all of it to find changed bytes would take too long
    n_rows = sum(content["lengths"])
    if len(content["lengths"]) != n_files or size != n_rows * layout.row_size:
        raise ValueError(f"expected {n_rows} rows of {n_files} files in {values.name}, got {size} bytes")
    return content


def write_shard(
    folder: Path,
    layout: Layout,
    number: int,
    jobs: Sequence[tuple[str, str]],
    settings: Any,
    least_samples: int,
) -> Generator[FileResult]:
    """Compute a shard, and yield the outcome of each file. If the generator is closed earlier, nothing is written.

    Parameters
    ----------
    jobs : path and name of each file
    """
    values, index = (folder / name for name in layout.get_names(number))
    results = []
    with write_part(values) as out:
        for path, name in jobs:
            result = _compute_file(path, name, settings, least_samples, out, layout.dtype)
            results.append((name, result))
            yield result
    content = {
        "lengths": [result.length for _, result in results],
        "excluded": [[name, result.refused] for name, result in results if result.refused],
        "warnings": {name: list(result.warnings) for name, result in results if result.warnings},
    }
    write_small_json(index, content)  # last: a shard without its index does not exist


def _compute_file(path: str, name: str, settings: Any, least_samples: int, out: BinaryIO, dtype: str) -> FileResult:
    """Write the features of one file to `out`. A disk error while reading counts as an unreadable file."""
    try:
        values, warnings = audio_features.compute_features(AudioSource(path, name), settings, least_samples)
    except InputError as error:
        return FileResult(refused=error.message)
    except OSError as error:
        return FileResult(
            refused=Message(
                "Expected {name} to be a readable file, but reading failed ({value}). Copy it again.",
                name=name,
                value=describe_os_error(error),
            )
        )
    out.write(np.ascontiguousarray(values, dtype).data)
    return FileResult(1 if isinstance(settings, audio_features.Pixels) else len(values), warnings=warnings)


def write_small_json(path: Path, content: Any) -> None:
    """Write JSON to a file of the cache. File names in it may not be valid UTF-8."""
    text = json.dumps(add_messages(content), ensure_ascii=False, allow_nan=False)
    with write_part(path, is_synced=False) as out:  # JSON that a power cut has lost is noticed
        out.write(text.encode(errors="backslashreplace"))


@contextlib.contextmanager
def write_part(path: Path, is_synced: bool = True) -> Iterator[BinaryIO]:
    """Write a file of the cache under a name of this process, and rename it once it is complete.

    Unlike `write_atomically`, the name has the machine in it, and a folder that was cleared is not made again.
    """
    temporary = path.with_name(f"{UNFINISHED_PREFIX}{make_owner_name()}-{path.name}")
    try:
        with open(temporary, "wb") as out:
            yield out
            if is_synced:  # else a power cut could leave the new name with no content
                out.flush()
                os.fsync(out.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


class ShardedArray:
    """The rows of all shards, one after another, read from the disk where they are sliced.

    It is read-only. With few shards, a slice of one file copies nothing. A pickle of it holds no values, but the path.

    Parameters
    ----------
    folder : of the shards
    starts : np.ndarray [shape=(n_shards + 1,)], int, the first row of each shard, and the number of rows
    """

    def __init__(self, folder: Path, layout: Layout, starts: np.ndarray):
        self.folder, self.layout, self.starts = Path(folder).absolute(), layout, starts.tolist()
        self.dtype, self.shape = np.dtype(layout.dtype), (self.starts[-1], *layout.row_shape)
        self.row_size = layout.row_size  # computing it takes as long as reading a clip
        # a memory map loads only the pages that are read, so features may be larger than memory. All are opened now,
        # so that they stay readable if the cache is cleared during a training
        is_small = layout.n_shards <= _count_maps()
        self._maps = [self._open(number) for number in range(layout.n_shards)] if is_small else None

    def __reduce__(self) -> tuple[Any, ...]:
        return ShardedArray, (self.folder, self.layout, np.array(self.starts))

    def __len__(self) -> int:
        return self.starts[-1]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Return the rows of a slice, one row, or the rows of an array of places."""
        if not isinstance(rows, slice):
            return self._read(rows, rows + 1)[0] if np.ndim(rows) == 0 else np.stack([self[int(row)] for row in rows])
        begin, end, step = rows.indices(len(self))
        return self._read(begin, end)[::step]

    def _read(self, begin: int, end: int) -> np.ndarray:
        """Return rows from `begin` up to `end`. Those of one file are in one shard."""
        parts = []
        while begin < end:
            # the last of the shards that begin there: others before it are empty
            number = bisect.bisect_right(self.starts, begin) - 1
            first, last = self.starts[number : number + 2]
            parts.append(self._read_shard(number, begin - first, min(end, last) - first))
            begin = last
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty((0, *self.shape[1:]), self.dtype), *parts])

    def _read_shard(self, number: int, begin: int, end: int) -> np.ndarray:
        """Return rows of one shard, by its memory map or, if there are too many for that, from the file."""
        if self._maps is not None:
            return self._maps[number][begin:end]
        try:
            with open(self._get_path(number), "rb", buffering=0) as file:
                file.seek(begin * self.row_size)
                values = file.read((end - begin) * self.row_size)
        except FileNotFoundError:
            raise InputError(
                "Expected the features in {folder} to stay there during a training, but the cache was cleared. Run "
                "the command again.",
                folder=self.folder,
            ) from None
        return np.frombuffer(values, self.dtype).reshape(end - begin, *self.shape[1:])

    def _open(self, number: int) -> np.ndarray:
        """Map the rows of a shard. `np.memmap` would take three times as long."""
        if self.starts[number] == self.starts[number + 1]:  # an empty file can't be mapped
            return np.empty((0, *self.shape[1:]), self.dtype)
        with open(self._get_path(number), "rb") as file:
            values = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return np.frombuffer(values, self.dtype).reshape(-1, *self.shape[1:])

    def _get_path(self, number: int) -> str:
        return os.path.join(self.folder, self.layout.get_names(number)[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read all rows into memory."""
        return np.array(self[:], dtype=dtype)


def _count_maps() -> int:
    """Return the number of memory maps that a process may have. Each takes one of its open files."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MAX_OPEN_SHARDS
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAX_OPEN_SHARDS if limit < 0 else min(MAX_OPEN_SHARDS, limit // 3)


# Names of unfinished files and folders, and which of them were abandoned by a killed process


def make_owner_name() -> str:
    """Return a name of this process for use in the cache, with the machine, since machines may share the folder."""
    return f"{get_host_name()}-{os.getpid()}"


def get_host_name() -> str:
    """Return the machine's name in letters and digits only, since `-` separates the parts of a file name."""
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:40] or "here"


def is_abandoned(path: Path) -> bool:
    """Return whether an unfinished file or folder is of a dead process of this machine, or a day old."""
    owner = re.fullmatch(rf"(?:{UNFINISHED_PREFIX}|{REMOVED_PREFIX})([A-Za-z0-9]+)-(\d+)-.*", path.name)
    if owner and owner[1] == get_host_name():
        return has_exited(int(owner[2]))
    try:
        newest = max(part.stat().st_mtime for part in (path, *path.glob("*")))
    except OSError:  # removed meanwhile
        return False
    return time.time() - newest > ABANDONED_SECONDS


def remove_abandoned(folder: Path) -> None:
    """Remove the unfinished files and folders of dead processes from a cache, or from the folder of its features."""
    for path in (*folder.glob(".*"), *folder.glob(f"*/{UNFINISHED_PREFIX}*")):
        if is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
