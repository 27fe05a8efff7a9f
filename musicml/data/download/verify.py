"""Verify downloaded archives: by the server's hash, by an earlier download and by their content."""

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
from musicml.data.download.messages import DownloadRequest, make_error
from musicml.data.download.sources import KAGGLE, Source
from musicml.utils import InputError, find_existing_folder, format_megabytes, write_json

logger = logging.getLogger(__name__)

ZENODO = "https://zenodo.org"
HASHES_FILE = "hashes.json"  # in the archives folder: the hash of each version that was downloaded
UNPACKED_RATIO = 1.25  # estimated unpacked size, while only the archive's is known; media files hardly compress
SPARE_BYTES = 500_000_000  # kept free on the disk, for the features computed from the data
BLOCK_SIZE = 1 << 20  # bytes

CheckRoom = Callable[[int, int], None]  # called with the bytes still missing, and the total


@dataclass(frozen=True)
class Archive:
    """A complete archive on the disk.

    Attributes
    ----------
    path : where it is
    version : None if no server stated it
    licence : as its host names it; empty if it does not
    md5 : in hex, from its host; None if it states none
    sha256 : in hex; empty until it is verified
    """

    path: Path
    version: str | None = None
    licence: str = ""
    md5: str | None = None
    sha256: str = ""

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.path.stat().st_size

    @property
    def note(self) -> Path:
        """The path of a note with its metadata, so that it need not be downloaded again."""
        return self.path.with_name(f"{self.path.name}.json")

    def save_note(self) -> Archive:
        """Write the metadata into the note."""
        metadata = {"version": self.version, "licence": self.licence, "bytes": self.n_bytes}
        write_json(self.note, metadata | {"md5": self.md5, "sha256": self.sha256})
        return self

    def discard(self) -> None:
        """Remove the archive and its note."""
        for path in (self.path, self.note):
            path.unlink(missing_ok=True)


def check_room(folder: Path, n_bytes: int) -> None:
    """Raise InputError if the disk of `folder` has less than `n_bytes` and `SPARE_BYTES` free."""
    free = shutil.disk_usage(find_existing_folder(folder / "below")).free
    if free < n_bytes + SPARE_BYTES:
        raise InputError(
            "Expected {n_bytes:.0f} MB of free disk space for {folder}, including {spare:.0f} MB in reserve, got "
            "{free:.0f} MB. Free some space, or choose another folder.",
            folder=folder,
            n_bytes=(n_bytes + SPARE_BYTES) / 1e6,
            spare=SPARE_BYTES / 1e6,
            free=free / 1e6,
        ) from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def compute_hashes(path: Path) -> tuple[str, str]:
    """Compute the SHA-256 and the MD5 of a file in hex, reading it once."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)  # MD5 only because hosts publish it
    with open(path, "rb") as source:
        while block := source.read(BLOCK_SIZE):
            sha256.update(block)
            md5.update(block)
    return sha256.hexdigest(), md5.hexdigest()


def read_note(path: Path) -> dict[str, Any]:
    """Read the JSON object in a file; an empty one if the file is missing or damaged."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def describe_source(origin: Source, version: str | None, sha256: str | None, n_bytes: int | None) -> dict[str, Any]:
    """Return the content of SOURCE.json: where a dataset comes from."""
    return {
        "source": f"{origin.host} {origin.ref}",
        "url": origin.get_url(version),
        "version": version,
        "sha256": sha256,
        "bytes": n_bytes,
        "date": _get_date(),
        "licence": origin.licence,
        "citation": origin.citation,
        "sample": False,
    }


def get_archive(origin: Source, path: Path, request: DownloadRequest) -> tuple[Archive, int, int]:
    """Get the archive of `origin` at `path`, from an earlier download or the network, and verify it.

    Returns
    -------
    archive, n_files, n_bytes : the archive, and the number and total size of the files in it

    Raises
    ------
    InputError
        If it can't be downloaded or fails the verification.
    """
    archive = _find_downloaded(path, origin)
    if archive:
        logger.info("%s: using the archive in %s", origin.name, path.parent)
    else:
        logger.info("%s: downloading from %s", origin.name, origin.host)
        archive = _download(origin, path, request)
    try:
        n_files, n_bytes = inspect_archive(path)
        _compare_with_earlier(origin, archive, request)
    except InputError as error:
        if not is_disk_error(error):
            archive.discard()
        raise
    return archive.save_note(), n_files, n_bytes


def is_disk_error(error: InputError) -> bool:
    """Return whether an error was caused by the disk, and not by the archive."""
    return getattr(error.__cause__, "errno", None) is not None


def _find_downloaded(path: Path, origin: Source) -> Archive | None:
    """Return a complete archive of an earlier download, if it is unchanged and of the right version."""
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
    """Add the SHA-256 to an archive; None if its MD5 differs from the host's."""
    sha256, md5 = compute_hashes(archive.path)
    return replace(archive, sha256=sha256) if archive.md5 in (None, md5) else None


def _download(origin: Source, path: Path, request: DownloadRequest) -> Archive:
    """Download an archive, and check the host's hash."""
    is_announced = False

    def check(rest: int, size: int) -> None:
        """Check the disk space for the archive and for what it unpacks to."""
        nonlocal is_announced
        check_room(path.parent, rest + round(UNPACKED_RATIO * size))
        if not is_announced:  # only once, not for each part
            logger.info("%s: %s of %s MB to download", origin.name, format_megabytes(rest), format_megabytes(size))
        is_announced = True

    Archive(path).note.unlink(missing_ok=True)  # of an earlier archive that is not used
    if origin.host == KAGGLE:
        from musicml.data.download.kaggle import download_archive

        archive = download_archive(origin, path, request, check)
    else:
        from musicml.data.download.transfer import download_url

        url = f"{ZENODO}/records/{origin.ref}/files/{origin.archive}"
        download_url(url, path, request, check)
        archive = Archive(path, origin.version, md5=origin.md5)
    archive.save_note()  # before hashing, so that an interruption does not cost the download
    hashed = _hash_archive(archive)
    if hashed is None:
        archive.discard()
        raise make_error("damaged", request, digest=f"md5:{archive.md5}")
    return hashed


def _compare_with_earlier(origin: Source, archive: Archive, request: DownloadRequest) -> None:
    """Compare the hash of an archive with an earlier download of the same version; record it the first time.

    If the version is unknown, a different hash most likely means a newer one: that is logged, and the hash recorded.
    """
    path = archive.path.with_name(HASHES_FILE)
    hashes, key = read_note(path), f"{origin.host} {origin.ref} {archive.version or 'newest'}"
    earlier = hashes.get(key)
    if earlier and isinstance(earlier, dict):
        date, digest = earlier.get("date"), str(earlier.get("sha256"))
        if digest == archive.sha256:
            return
        if archive.version is not None:
            raise make_error("changed", request, date=date, digest=digest[:12], path=path)
        logger.warning(
            "%s differs from the archive of %s: %s probably has a newer version", request.name, date, origin.host
        )
    record = {"sha256": archive.sha256, "bytes": archive.n_bytes, "date": _get_date()}
    write_json(path, hashes | {key: record})


def _get_date() -> str:
    """Return the date in UTC, such as 2026-03-01."""
    return time.strftime("%Y-%m-%d", time.gmtime())
