"""What is written down of an archive: in SOURCE.json for who reads the data, its hash for who fetches it again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from musicml.data.download import messages
from musicml.data.download.messages import Wanted
from musicml.data.download.sources import Source
from musicml.utils import write_json

HASHES = "hashes.json"
BLOCK = 1 << 20  # bytes


def digests(path: Path, *names: str) -> list[str]:
    """Hashes of a file in hex, by one reading of it.

    >>> digests(Path("empty"), "md5")
    ['d41d8cd98f00b204e9800998ecf8427e']
    """
    made = [hashlib.new(name, usedforsecurity=False) for name in names]
    with open(path, "rb") as source:
        while block := source.read(BLOCK):
            for digest in made:
                digest.update(block)
    return [digest.hexdigest() for digest in made]


def compare(
    origin: Source,
    version: str | None,
    sha256: str,
    n_bytes: int,
    archives: Path,
    wanted: Wanted,
    say: Callable[[str], None],
) -> None:
    """Hold an archive's hash against the one that came with the same version before; write it down the first time.

    Where nobody told the version, another hash most likely means a newer one: that is said, and the hash written down.

    Raises
    ------
    InputError
        If it is another.
    """
    path = archives / HASHES
    known = read(path)
    key = f"{origin.host} {origin.ref} {version or 'newest'}"
    before = known.get(key)
    if not isinstance(before, dict):
        before = {}
    if before.get("sha256") == sha256:
        return
    if before and version is not None:
        raise messages.changed(wanted, str(before.get("date")), str(before.get("sha256"))[:12], path)
    if before:
        say(f"{wanted.name} is another archive than on {before.get('date')}: {origin.host} has a newer version, likely")
    write_json(path, known | {key: {"sha256": sha256, "bytes": n_bytes, "date": today()}})


def read(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none that can be read."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def source(origin: Source, version: str | None, sha256: str | None, n_bytes: int | None) -> dict[str, Any]:
    """What SOURCE.json says of a data set that was fetched."""
    return {
        "source": f"{origin.host} {origin.ref}",
        "url": origin.url(version),
        "version": version,
        "sha256": sha256,
        "bytes": n_bytes,
        "date": today(),
        "licence": origin.licence,
        "citation": origin.citation,
        "sample": False,
    }


def today() -> str:
    """The date in UTC, as 2026-03-01."""
    return time.strftime("%Y-%m-%d", time.gmtime())
