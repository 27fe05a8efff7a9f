"""List what the cache holds and how large it is, and clear it. Everything is computed again when needed.

Processes that use the cache meanwhile are not disturbed: what they are writing stays, and the rest is renamed first.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicml.data import load_digests
from musicml.features.cache.shards import (
    MANIFEST,
    OLD_INDEX,
    REMOVED_PREFIX,
    UNFINISHED_PREFIX,
    is_abandoned,
    make_owner_name,
    read_index,
    read_manifest,
)
from musicml.utils import InputError, Message, os_error_to_input_error

KEY = r"[0-9a-f]{24}"


@dataclass(frozen=True)
class CacheEntry:
    """One file or folder in the cache.

    Attributes
    ----------
    kind : `features`, `frozen outputs`, `audit scans`, `audit comparisons`, `digests`, `unfinished`, `other`
    words : a description; for features, their dataset and settings
    n : number of files or inputs; 0 if unknown
    size : bytes
    """

    kind: str
    words: str
    n: int
    size: int

    def merge(self, other: CacheEntry) -> CacheEntry:
        """Return the sum of this entry and another one of the same kind and words."""
        return CacheEntry(self.kind, self.words, self.n + other.n, self.size + other.size)


def list_cache_entries(root: Path) -> list[CacheEntry]:
    """List the entries of the cache, by kind and then by size."""
    entries = []
    for path in sorted(Path(root).glob("*")) if Path(root).is_dir() else []:
        with contextlib.suppress(FileNotFoundError):  # another process clears the cache too
            entries.append(describe_entry(path))
    return sorted(entries, key=lambda entry: (entry.kind, -entry.size, entry.words))


def describe_entry(path: Path) -> CacheEntry:
    """Describe one file or folder of the cache."""
    size = measure_size(path)
    if path.name.startswith("."):
        return CacheEntry("unfinished", Message("abandoned") if is_abandoned(path) else Message("in progress"), 0, size)
    if _has_features(path):
        try:
            return CacheEntry("features", *_describe_features(path), size)
        except (KeyError, TypeError, ValueError):
            return CacheEntry("features", Message("damaged"), 0, size)
    if path.is_dir() and path.name.startswith("looks-"):
        return CacheEntry(Message("audit scans"), path.name.removeprefix("looks-").rpartition("-")[0], 0, size)
    if path.name.startswith("alike-"):
        return CacheEntry(Message("audit comparisons"), "", 0, size)
    if path.name.startswith("digests-") and path.suffix == ".bin":
        return CacheEntry("digests", path.stem.removeprefix("digests-"), len(load_digests(path)), size)
    if re.fullmatch(rf"{KEY}\.npy", path.name):
        try:
            shape = np.load(path, mmap_mode="r").shape
        except (EOFError, ValueError):
            return CacheEntry(Message("frozen outputs"), Message("damaged"), 0, size)
        return CacheEntry(
            Message("frozen outputs"), Message("{map} values each", map=" x ".join(map(str, shape[1:]))), shape[0], size
        )
    return CacheEntry("other", path.name, 0, size)


def _has_features(path: Path) -> bool:
    """Return whether a folder of the cache has features in it, complete or not."""
    return (path / MANIFEST).is_file() or (path / OLD_INDEX).is_file()


def _is_growing(folder: Path) -> bool:
    """Return whether a process is writing into a folder of features."""
    return any(not is_abandoned(part) for part in folder.glob(f"{UNFINISHED_PREFIX}*"))


def _describe_features(folder: Path) -> tuple[str, int]:
    """Return a description of a folder of features, and its number of files. Older ones lack a description."""
    about, layout = read_manifest(folder)
    if layout.is_old:
        n_files, missing = len(about["lengths"]) - len(about["excluded"]), list[int]()
    else:
        index = read_index(folder, layout)
        n_files, missing = int((index.lengths > 0).sum()), index.missing
    if "kind" not in about:
        return Message("from an older version"), n_files
    settings = {**about["settings"], "least_samples": about["least_samples"]}
    words = " ".join(f"{name}={value}" for name, value in settings.items() if value)
    data = f"{about['dataset']} (sample)" if about["sample"] else about["dataset"]
    words = f"{data}: {about['kind']} {words}"
    if missing:
        words = Message(
            "{words} ({state}, {done} of {n_shards} shards)",
            words=words,
            state=Message("in progress") if _is_growing(folder) else Message("interrupted"),
            done=layout.n_shards - len(missing),
            n_shards=layout.n_shards,
        )
    return words, n_files


def measure_size(path: Path) -> int:
    """Return the bytes in a file, or in all files of a folder. Files that disappear meanwhile count 0."""
    total = 0
    for part in (path, *path.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            total += part.stat().st_size if part.is_file() else 0
    return total


def clear_cache(root: Path) -> int:
    """Remove everything from the cache except what other processes are writing, and return the bytes freed."""
    freed = 0
    for path in sorted(Path(root).glob("*")) if Path(root).is_dir() else []:
        if path.name.startswith("."):
            freed += remove_entry(path) if is_abandoned(path) else 0
        elif _has_features(path):
            with contextlib.suppress(InputError):  # they are another user's, or Windows locks files that are mapped
                freed += 0 if _is_growing(path) else remove_features(path)
        elif path.is_dir():  # an audit may be writing into it: keep the folder and its unfinished files
            freed += sum(
                remove_entry(part) for part in path.glob("*") if not part.name.startswith(".") or is_abandoned(part)
            )
        else:
            freed += remove_entry(path)
    return freed


def remove_features(folder: Path) -> int:
    """Remove a folder of features, and return the bytes freed. No process finds only a part of them.

    Raises
    ------
    InputError
        If they can't be removed. Then all of them stay.
    """
    try:
        aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{REMOVED_PREFIX}{make_owner_name()}-"))
        try:
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                os.replace(folder, aside / folder.name)
        finally:
            freed = remove_entry(aside)
    except OSError as error:
        raise os_error_to_input_error(error, folder) from error
    return freed


def remove_entry(path: Path) -> int:
    """Remove a file or folder, and return the bytes freed."""
    size = measure_size(path)
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return size - measure_size(path) if path.exists() else size
