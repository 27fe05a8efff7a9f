"""Get an archive that is what it should be: by the server's hash, by the download before, by its contents."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from musicml.data.download.archives import inspect_archive
from musicml.data.download.messages import Wanted, refuse
from musicml.data.download.sources import KAGGLE, Source
from musicml.utils import InputError, find_existing_folder, format_megabytes, write_json

logger = logging.getLogger(__name__)

ZENODO = "https://zenodo.org"
HASHES = "hashes.json"  # in the folder of archives: what came with each version
GROWTH = 1.25  # what an archive unpacks to, about, while only its size is known; sound and pictures shrink little
SPARE = 500_000_000  # bytes that stay free on the disk, for what is computed from the data
BLOCK = 1 << 20  # bytes

CheckRoom = Callable[[int, int], None]  # of the bytes that are still to come, and those of the whole


@dataclass(frozen=True)
class Archive:
    """A whole archive on the disk.

    Attributes
    ----------
    path : where it lies
    version : None where no server said it
    licence : as its host names it; empty where it does not
    md5 : in hex, as its host gives it; None where it gives none
    sha256 : in hex; empty as long as it was not verified
    """

    path: Path
    version: str | None = None
    licence: str = ""
    md5: str | None = None
    sha256: str = ""

    @property
    def n_bytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size

    @property
    def note(self) -> Path:
        """Beside it, what was found out about it, so that it need not be downloaded again."""
        return self.path.with_name(f"{self.path.name}.json")

    def keep(self) -> Archive:
        """Write down what is known of it."""
        facts = {"version": self.version, "licence": self.licence, "bytes": self.n_bytes}
        write_json(self.note, facts | {"md5": self.md5, "sha256": self.sha256})
        return self

    def discard(self) -> None:
        """Remove it."""
        for path in (self.path, self.note):
            path.unlink(missing_ok=True)


def check_room(folder: Path, n_bytes: int) -> None:
    """Refuse to begin if the disk of `folder`, which need not exist, has fewer than `n_bytes` and `SPARE` free."""
    free = shutil.disk_usage(find_existing_folder(folder / "below")).free
    if free < n_bytes + SPARE:
        raise InputError(
            "{folder} must be on a disk with {n_bytes:.0f} MB free, {spare:.0f} of them to spare, and has {free:.0f}: "
            "make room, or choose another folder.",
            folder=folder,
            n_bytes=(n_bytes + SPARE) / 1e6,
            spare=SPARE / 1e6,
            free=free / 1e6,
        ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def compute_hashes(path: Path) -> tuple[str, str]:
    """Compute the SHA-256 and the MD5 of a file in hex, by one reading of it."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as source:
        while block := source.read(BLOCK):
            sha256.update(block)
            md5.update(block)
    return sha256.hexdigest(), md5.hexdigest()


def read_note(path: Path) -> dict[str, Any]:
    """Read the JSON object in a file; an empty one where there is none that can be read."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def describe_source(origin: Source, version: str | None, sha256: str | None, n_bytes: int | None) -> dict[str, Any]:
    """Describe for SOURCE.json where a data set comes from."""
    return {
        "source": f"{origin.host} {origin.ref}",
        "url": origin.url(version),
        "version": version,
        "sha256": sha256,
        "bytes": n_bytes,
        "date": _get_date(),
        "licence": origin.licence,
        "citation": origin.citation,
        "sample": False,
    }


def get_archive(origin: Source, path: Path, wanted: Wanted) -> tuple[Archive, int, int]:
    """Take the archive of `origin` that came whole to `path` before, or download it, and verify it.

    Returns
    -------
    archive, n_files, n_bytes : the archive, and how many files and bytes are in it

    Raises
    ------
    InputError
        If it can't be had or is not what it should be.
    """
    archive = _take_kept(path, origin)
    if archive:
        logger.info("%s: taking the archive that is in %s", origin.name, path.parent)
    else:
        logger.info("%s: fetching from %s", origin.name, origin.host)
        archive = _download(origin, path, wanted)
    try:
        n_files, n_bytes = inspect_archive(path)
        _compare_with_before(origin, archive, wanted)
    except InputError as error:
        if not is_of_disk(error):
            archive.discard()
        raise
    return archive.keep(), n_files, n_bytes


def is_of_disk(error: InputError) -> bool:
    """Whether the disk is to blame for an error, and no archive."""
    return getattr(error.__cause__, "errno", None) is not None


def _take_kept(path: Path, origin: Source) -> Archive | None:
    """Take an archive that came whole in an earlier download, verified then or not yet, if it is still the same."""
    archive = Archive(path)
    note = read_note(archive.note)
    version, md5 = (note.get("version"), note.get("md5")) if note else (origin.version, origin.md5)
    if not path.is_file() or not note and md5 is None or origin.version not in (None, version):
        return None
    if note and note.get("bytes", archive.n_bytes) != archive.n_bytes:
        return None
    hashed = _hash_archive(Archive(path, version, note.get("licence") or "", md5))
    return hashed if hashed and note.get("sha256") in (None, "", hashed.sha256) else None


def _hash_archive(archive: Archive) -> Archive | None:
    """Add its SHA-256 to an archive; None if it does not have the MD5 that its host gives."""
    sha256, md5 = compute_hashes(archive.path)
    return replace(archive, sha256=sha256) if archive.md5 in (None, md5) else None


def _download(origin: Source, path: Path, wanted: Wanted) -> Archive:
    """Download an archive that has the hash that its host gives."""
    is_said = False

    def check(rest: int, size: int) -> None:
        nonlocal is_said
        check_room(path.parent, rest + round(GROWTH * size))
        if not is_said:  # not again for each part
            logger.info("%s: %s of %s MB to come", origin.name, format_megabytes(rest), format_megabytes(size))
        is_said = True

    Archive(path).note.unlink(missing_ok=True)  # of one that was there and is not taken
    if origin.host == KAGGLE:
        from musicml.data.download.kaggle import download_archive

        archive = download_archive(origin, path, wanted, check)
    else:
        from musicml.data.download.transfer import download_url

        url = f"{ZENODO}/records/{origin.ref}/files/{origin.archive}"
        download_url(url, path, wanted, check)
        archive = Archive(path, origin.version, md5=origin.md5)
    archive.keep()  # before it is read through: a user who stops that need not download it again
    hashed = _hash_archive(archive)
    if hashed is None:
        archive.discard()
        raise refuse("damaged", wanted, digest=f"md5:{archive.md5}")
    return hashed


def _compare_with_before(origin: Source, archive: Archive, wanted: Wanted) -> None:
    """Compare an archive's hash with the one that came with the same version before; write it down the first time.

    If no server told the version, another hash most likely means a newer one: that is said, and the hash written down.
    """
    path = archive.path.with_name(HASHES)
    known, key = read_note(path), f"{origin.host} {origin.ref} {archive.version or 'newest'}"
    before = known.get(key)
    if before and isinstance(before, dict):
        date, digest = before.get("date"), str(before.get("sha256"))
        if digest == archive.sha256:
            return
        if archive.version is not None:
            raise refuse("changed", wanted, date=date, digest=digest[:12], path=path)
        logger.warning(
            "%s is another archive than on %s: %s has a newer version, likely", wanted.name, date, origin.host
        )
    facts = {"sha256": archive.sha256, "bytes": archive.n_bytes, "date": _get_date()}
    write_json(path, known | {key: facts})


def _get_date() -> str:
    """Return the date in UTC, as 2026-03-01."""
    return time.strftime("%Y-%m-%d", time.gmtime())
