"""Keys: what features depend on, as a digest; and the digests of files, which no one reads twice."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from musicml import features, files, options
from musicml.datasets import Dataset


def key_of(dataset: Dataset, settings: Any, least_samples: int, root: Path) -> str:
    """The digest of everything that the features depend on."""
    facts = {
        "kind": settings.__class__.__name__,
        **options.as_table(settings),
        "least_samples": least_samples,
        "version": features.VERSION,
        "files": digests(dataset, root),
    }
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=12).hexdigest()


def digests(dataset: Dataset, root: Path) -> list[list[str]]:
    """Each example's id with the digest of its file; a file of known size and time is not read again."""
    memo_path = root / f"digests-{dataset.name}.json"
    memo = remembered(memo_path)
    found, fresh = [], {}
    for example in dataset.examples:
        stat = example.path.stat()
        stamp = f"{example.path.absolute()} {stat.st_size} {stat.st_mtime_ns}"
        try:
            fresh[stamp] = memo.get(stamp) or files.digest(example.path)
        except OSError as error:  # it is named when its features are asked for
            found.append([example.id, f"unread: {error.strerror}"])
            continue
        found.append([example.id, fresh[stamp]])
    if fresh != memo:
        files.write_json(memo_path, fresh)
    return found


def remembered(path: Path) -> dict[str, str]:
    """The digests of an earlier time; none where the store was cleared, even just now."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
