"""Holding: what the store holds, how large it is, and how to be rid of it. All of it is computed again when asked for.

Whoever computes meanwhile is not disturbed: what is half made stays, and what is whole goes by a rename first.
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
from musicml.features.cache.compute import REMOVED_PREFIX, is_abandoned, make_owner_name
from musicml.utils import Message, parse_json

KEY = r"[0-9a-f]{24}"


@dataclass(frozen=True)
class CacheEntry:
    """One thing in the store.

    Attributes
    ----------
    kind : `features`, `frozen outputs`, `audit looks`, `audit comparisons`, `digests`, `unfinished`, `other`
    words : what it is: of features their data set and settings
    n : how many files or inputs it is about; 0 where that is not known
    size : bytes
    """

    kind: str
    words: str
    n: int
    size: int

    def merge(self, other: CacheEntry) -> CacheEntry:
        """This and another one of the same kind and words as one."""
        return CacheEntry(self.kind, self.words, self.n + other.n, self.size + other.size)


def list_cache_entries(root: Path) -> list[CacheEntry]:
    """What the store holds, by kind and then by size."""
    found = []
    for path in sorted(Path(root).glob("*")) if Path(root).is_dir() else []:
        with contextlib.suppress(FileNotFoundError):  # somebody clears it too
            found.append(describe_entry(path))
    return sorted(found, key=lambda one: (one.kind, -one.size, one.words))


def describe_entry(path: Path) -> CacheEntry:
    """What one file or folder of the store is."""
    size = measure_size(path)
    if path.name.startswith("."):
        return CacheEntry(
            "unfinished", Message("left behind") if is_abandoned(path) else Message("being made now"), 0, size
        )
    if path.is_dir() and (path / "index.json").is_file():
        return CacheEntry("features", *_describe_features(path), size)
    if path.is_dir() and path.name.startswith("looks-"):
        return CacheEntry(Message("audit looks"), path.name.removeprefix("looks-").rpartition("-")[0], 0, size)
    if path.name.startswith("alike-"):
        return CacheEntry(Message("audit comparisons"), "", 0, size)
    if path.name.startswith("digests-") and path.suffix == ".bin":
        return CacheEntry("digests", path.stem.removeprefix("digests-"), len(load_digests(path)), size)
    if re.fullmatch(rf"{KEY}\.npy", path.name):
        shape = np.load(path, mmap_mode="r").shape
        return CacheEntry(
            Message("frozen outputs"),
            Message("{map} numbers each", map=" x ".join(map(str, shape[1:]))),
            shape[0],
            size,
        )
    return CacheEntry("other", path.name, 0, size)


def _describe_features(home: Path) -> tuple[str, int]:
    """The words for a folder of features, and of how many files; an older one does not say of what."""
    index = parse_json((home / "index.json").read_text())
    n = len(index["lengths"]) - len(index["excluded"])
    if "kind" not in index:
        return Message("of an older version"), n
    settings = {**index["settings"], "least_samples": index["least_samples"]}
    words = " ".join(f"{name}={value}" for name, value in settings.items() if value)
    data = f"{index['dataset']} (sample)" if index["sample"] else index["dataset"]
    return f"{data}: {index['kind']} {words}", n


def measure_size(path: Path) -> int:
    """Bytes in a file, or in all files of a folder; what goes meanwhile counts nothing."""
    total = 0
    for part in (path, *path.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            total += part.stat().st_size if part.is_file() else 0
    return total


def clear_cache(root: Path) -> int:
    """Remove all that the store holds but what somebody is making now; how many bytes that freed."""
    freed = 0
    for path in sorted(Path(root).glob("*")) if Path(root).is_dir() else []:
        if path.name.startswith("."):
            freed += remove_entry(path) if is_abandoned(path) else 0
        elif path.is_dir() and (path / "index.json").is_file():
            freed += remove_entry(move_aside(path))
        elif path.is_dir():  # an audit may be writing into it: the folder stays, and what it has begun
            freed += sum(
                remove_entry(part) for part in path.glob("*") if not part.name.startswith(".") or is_abandoned(part)
            )
        else:
            freed += remove_entry(path)
    return freed


def move_aside(home: Path) -> Path:
    """Rename features at once, so that nobody finds a part of them; where they can't be, they stay."""
    aside = Path(tempfile.mkdtemp(dir=home.parent, prefix=f"{REMOVED_PREFIX}{make_owner_name()}-"))
    with contextlib.suppress(OSError):  # Windows keeps what a process has mapped
        os.replace(home, aside / home.name)
    return aside


def remove_entry(path: Path) -> int:
    """Remove a file or folder; how many bytes that freed."""
    size = measure_size(path)
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    return size - measure_size(path) if path.exists() else size
