"""Digests of file contents, cached so that an unchanged file is not read again."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from musicml.data.datasets import Dataset
from musicml.utils import TextMap, Texts, compute_digest, write_bytes

CACHE_FOLDER = ".features"  # below the data root: the feature cache, and these digests


def digest_examples(dataset: Dataset, root: Path | None = None) -> Iterator[tuple[str, str]]:
    """Yield the id of each example and the digest of its file; for an unreadable file, `unread:` and the reason.

    Parameters
    ----------
    root : the feature cache, where the digests are stored; None stores none
    """
    cache = DigestCache(root / f"digests-{dataset.name}.bin") if root else None
    for example in dataset.examples:
        try:
            digest = cache.get_digest(example.file_path) if cache else compute_digest(example.file_path)
        except OSError as error:  # it is reported when its features are computed
            digest = f"unread: {error.strerror}"
        yield example.id, digest
    if cache:
        cache.save()


def collect_digests(dataset: Dataset, root: Path | None = None) -> TextMap:
    """Return the digest of each example's file by its id, with the parameters of `digest_examples`."""
    return TextMap(dataset.examples.ids, Texts(digest for _, digest in digest_examples(dataset, root)))


def count_known_digests(dataset: Dataset, root: Path) -> int:
    """Count the examples whose digests are stored, so that their files need not be read."""
    cache = DigestCache(root / f"digests-{dataset.name}.bin")
    return sum(cache.has_digest(example.file_path) for example in dataset.examples) if len(cache.rows) else 0


class DigestCache:
    """A table of file digests, looked up by path, size and time; 24 bytes per file.

    Parameters
    ----------
    path : a file of [shape=(n_files, 3)], uint64: a stamp, by which the rows are sorted, and the two halves of a digest
    """

    def __init__(self, path: Path):
        self.path, self.rows = path, load_digests(path)
        # a column of its own: a binary search needs contiguous memory
        self.stamps = np.ascontiguousarray(self.rows[:, 0])
        self.used, self.any_new = array("Q"), False

    def get_digest(self, path: str) -> str:
        """Return the digest of a file, 32 hex digits; read the file only if it is new or changed."""
        stamp = _compute_file_stamp(path)
        row = self._find_row(stamp)
        if row is not None:
            halves = self.rows[row, 1:]
        else:
            halves, self.any_new = np.frombuffer(bytes.fromhex(compute_digest(path)), np.uint64), True
        self.used.extend([int(stamp), *halves.tolist()])
        return halves.tobytes().hex()

    def has_digest(self, path: str) -> bool:
        """Return whether a file need not be read. One that is missing can't be."""
        try:
            return self._find_row(_compute_file_stamp(path)) is not None
        except OSError:
            return True

    def _find_row(self, stamp: np.uint64) -> int | None:
        """Return the row of a file, or None if it is new or changed."""
        row = int(np.searchsorted(self.stamps, stamp))
        return row if row < len(self.rows) and self.stamps[row] == stamp else None

    def save(self) -> None:
        """Write the digests that were used, if any is new; unused ones are dropped."""
        if self.any_new:
            rows = np.array(self.used, np.uint64).reshape(-1, 3)
            write_bytes(self.path, rows[np.argsort(rows[:, 0])].tobytes())


def _compute_file_stamp(path: str) -> np.uint64:
    """Compute a 64-bit number from the path, size and modification time of a file."""
    stat = os.stat(path)
    words = f"{os.path.abspath(path)} {stat.st_size} {stat.st_mtime_ns}"
    return np.frombuffer(hashlib.blake2b(os.fsencode(words), digest_size=8).digest(), np.uint64)[0]


def load_digests(path: Path) -> np.ndarray:
    """Load the stored rows; none if the cache was cleared, even a moment ago.

    If the file was cut off, only its complete rows are returned.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        content = b""
    return np.frombuffer(content[: len(content) // 24 * 24], np.uint64).reshape(-1, 3)
