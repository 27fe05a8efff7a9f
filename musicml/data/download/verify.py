"""An archive that was fetched and is what it should be: by the server's hash, by the fetch before, by its contents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from musicml.data.download import archives, checksums, messages
from musicml.data.download.messages import Wanted
from musicml.data.download.sources import KAGGLE, Source
from musicml.utils import InputError, format_megabytes, write_json

ZENODO = "https://zenodo.org"
SWELLS = 1.25  # what an archive unpacks to, about, as long as only its size is known; sound and pictures shrink little


@dataclass(frozen=True)
class Archive:
    """A whole archive on the disk.

    Attributes
    ----------
    path : where it lies
    version : None where nobody said it
    licence : as its host names it; empty where nobody said it
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
        """Beside it, what was found out about it, so that it need not be fetched again."""
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


def archive_of(
    origin: Source, folder: Path, wanted: Wanted, say: Callable[[str], None]
) -> tuple[Archive, archives.Contents]:
    """The archive of `origin` in `folder`, verified, the one that came whole before or a new one; and what is in it.

    Raises
    ------
    InputError
        If it can't be had or is not what it should be; then it is not kept.
    """
    path = folder / f"{origin.name}{origin.suffix}"
    archive = kept(path, origin)
    if archive:
        say(f"{origin.name}: taking the archive that is in {folder}")
    else:
        say(f"{origin.name}: fetching from {origin.host}")
        archive = fetched(origin, path, wanted, say)
    try:
        contents = archives.inspect(path)
        checksums.compare(origin, archive.version, archive.sha256, archive.n_bytes, folder, wanted, say)
    except InputError as error:
        if getattr(error.__cause__, "errno", None) is None:  # else the disk is to blame
            archive.discard()
        raise
    return archive.keep(), contents


def kept(path: Path, origin: Source) -> Archive | None:
    """An archive that came whole in an earlier fetch, verified then or not yet, if it is still the same."""
    archive = Archive(path)
    note = checksums.read(archive.note)
    version, md5 = (note.get("version"), note.get("md5")) if note else (origin.version, origin.md5)
    if not path.is_file() or not note and md5 is None or origin.version not in (None, version):
        return None
    if note and note.get("bytes", archive.n_bytes) != archive.n_bytes:
        return None
    made = hashed(Archive(path, version, note.get("licence") or "", md5))
    return made if made and note.get("sha256") in (None, "", made.sha256) else None


def hashed(archive: Archive) -> Archive | None:
    """The archive with its SHA-256; None where it has not the MD5 that its host gives."""
    sha256, md5 = checksums.digests(archive.path, "sha256", "md5")
    return replace(archive, sha256=sha256) if archive.md5 in (None, md5) else None


def fetched(origin: Source, path: Path, wanted: Wanted, say: Callable[[str], None]) -> Archive:
    """A new archive, which has the hash that its host gives."""
    said: list[int] = []

    def room(rest: int, size: int) -> None:
        archives.room_for(path.parent, rest + round(SWELLS * size))
        if not said:  # not again for each part
            say(f"{origin.name}: {format_megabytes(rest)} of {format_megabytes(size)} MB to come")
        said.append(rest)

    Archive(path).note.unlink(missing_ok=True)  # of one that was there and is not taken
    archive = (from_kaggle if origin.host == KAGGLE else from_zenodo)(origin, path, wanted, room, say)
    archive.keep()  # before it is read through: who stops that need not fetch it again
    made = hashed(archive)
    if made is None:
        archive.discard()
        raise messages.damaged(wanted, f"md5:{archive.md5}")
    return made


def from_kaggle(
    origin: Source, path: Path, wanted: Wanted, room: Callable[[int, int], None], say: Callable[[str], None]
) -> Archive:
    """A new archive from Kaggle, with the MD5 that its storage sends."""
    from musicml.data.download import kaggle

    told = kaggle.bring(origin, path, wanted, room, say)
    return Archive(path, told.version, told.licence, told.md5)


def from_zenodo(
    origin: Source, path: Path, wanted: Wanted, room: Callable[[int, int], None], say: Callable[[str], None]
) -> Archive:
    """A new archive from Zenodo, with the MD5 that Zenodo publishes."""
    from musicml.data.download import web

    url = f"{ZENODO}/records/{origin.ref}/files/{origin.archive}"
    web.bring(url, f"md5:{origin.md5}", path, wanted, room, say)
    return Archive(path, origin.version, md5=origin.md5)
