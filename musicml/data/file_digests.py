"""Digests of files' contents, kept so that a file of known size and time is not read again."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from musicml.data.datasets import Dataset
from musicml.utils import compute_digest, write_bytes

CACHE_FOLDER = ".features"  # below the data root: the cache of features, with these digests in it


def digest_examples(dataset: Dataset, root: Path | None = None) -> Iterator[tuple[str, str]]:
    """Each example's id with the digest of its file; of one that can't be read, `unread:` and the reason.

    Parameters
    ----------
    root : the store of features, where digests are kept: a file of known size and time is not read again
    """
    memo = DigestCache(root / f"digests-{dataset.name}.bin") if root else None
    for example in dataset.examples:
        try:
            found = memo.digest_of(example.file_path) if memo else compute_digest(example.file_path)
        except OSError as error:  # it is named when its features are asked for
            found = f"unread: {error.strerror}"
        yield example.id, found
    if memo:
        memo.keep()


class DigestCache:
    """The digests of files, by what is known of a file without reading it; 24 bytes a file.

    Parameters
    ----------
    path : a file of [shape=(n_files, 3)], uint64: a stamp, by which the rows are sorted, and a digest's halves
    """

    def __init__(self, path: Path):
        self.path, self.rows = path, load_digests(path)
        self.stamps = np.ascontiguousarray(self.rows[:, 0])
        self.asked, self.any_new = array("Q"), False

    def digest_of(self, path: str) -> str:
        """The digest of a file's content, 32 hex digits; it is read unless it stands here."""
        stamp = compute_file_stamp(path)
        place = int(np.searchsorted(self.stamps, stamp))
        if place < len(self.rows) and self.stamps[place] == stamp:
            halves = self.rows[place, 1:]
        else:
            halves, self.any_new = np.frombuffer(bytes.fromhex(compute_digest(path)), np.uint64), True
        self.asked.extend([int(stamp), *halves.tolist()])
        return halves.tobytes().hex()

    def keep(self) -> None:
        """Write down what was asked for, if any of it is new; what was not asked for any more goes then."""
        if self.any_new:
            rows = np.array(self.asked, np.uint64).reshape(-1, 3)
            write_bytes(self.path, rows[np.argsort(rows[:, 0])].tobytes())


def compute_file_stamp(path: str) -> np.uint64:
    """A number for a file's path, size and time."""
    stat = os.stat(path)
    words = f"{os.path.abspath(path)} {stat.st_size} {stat.st_mtime_ns}"
    return np.frombuffer(hashlib.blake2b(os.fsencode(words), digest_size=8).digest(), np.uint64)[0]


def load_digests(path: Path) -> np.ndarray:
    """The rows of an earlier time; none where the store was cleared, even just now.

    Of one that was cut off, what is whole of it.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        content = b""
    return np.frombuffer(content[: len(content) // 24 * 24], np.uint64).reshape(-1, 3)
