"""An archive that was fetched and is what it should be: by the server's hash, by the fetch before, by its contents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from musicml import files
from musicml.datasets.fetch import archives, records, refusals
from musicml.datasets.fetch.origins import KAGGLE, Origin
from musicml.datasets.fetch.progress import megabytes
from musicml.datasets.fetch.refusals import Wanted
from musicml.errors import BadInput

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
    sha256 : in hex
    contents : what is in it; None as long as nobody looked
    """

    path: Path
    version: str | None
    licence: str
    sha256: str
    contents: archives.Contents | None = None

    @property
    def n_bytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size

    @property
    def note(self) -> Path:
        """Beside it, what was found out about it, so that it need not be fetched again."""
        return self.path.with_name(f"{self.path.name}.json")

    def keep(self) -> Archive:
        """Write down that it was verified."""
        files.write_json(self.note, {"version": self.version, "licence": self.licence, "sha256": self.sha256})
        return self

    def discard(self) -> None:
        """Remove it."""
        for path in (self.path, self.note):
            path.unlink(missing_ok=True)


def archive_of(origin: Origin, folder: Path, wanted: Wanted, say: Callable[[str], None]) -> Archive:
    """The archive of `origin` in `folder`: the one that is there and was verified, or a new one.

    Raises
    ------
    BadInput
        If it can't be had or is not what it should be; then it is not kept.
    """
    path = folder / f"{origin.name}{origin.suffix}"
    there = kept(path)
    if there and origin.version in (None, there.version):
        say(f"{origin.name}: taking the archive that is in {folder}")
        return replace(there, contents=archives.inspect(path))
    say(f"{origin.name}: fetching from {origin.host}")

    said: list[int] = []

    def room(rest: int, size: int) -> None:
        archives.room_for(folder, rest + round(SWELLS * size))
        if not said:  # not again for each part
            say(f"{origin.name}: {megabytes(rest)} of {megabytes(size)} MB to come")
        said.append(rest)

    archive = (from_kaggle if origin.host == KAGGLE else from_zenodo)(origin, path, wanted, room, say)
    try:
        archive = replace(archive, contents=archives.inspect(path))
        records.compare(origin, archive.version, archive.sha256, archive.n_bytes, folder, wanted)
    except BadInput:
        archive.discard()
        raise
    return archive.keep()


def kept(path: Path) -> Archive | None:
    """An archive that an earlier fetch verified and left, if it is still the same."""
    archive = Archive(path, None, "", "")
    note = records.read(archive.note)
    if not path.is_file() or not note.get("sha256"):
        return None
    (sha256,) = records.digests(path, "sha256")
    return Archive(path, note.get("version"), note.get("licence") or "", sha256) if sha256 == note["sha256"] else None


def from_kaggle(
    origin: Origin, path: Path, wanted: Wanted, room: Callable[[int, int], None], say: Callable[[str], None]
) -> Archive:
    """A new archive from Kaggle, held against the MD5 that its storage sends."""
    from musicml.datasets.fetch import from_kaggle

    told = from_kaggle.bring(origin, path, wanted, room, say)
    sha256, md5 = records.digests(path, "sha256", "md5")
    if told.md5 not in (None, md5):
        path.unlink()
        raise refusals.damaged(wanted, f"md5:{told.md5}")
    return Archive(path, told.version, told.licence, sha256)


def from_zenodo(
    origin: Origin, path: Path, wanted: Wanted, room: Callable[[int, int], None], say: Callable[[str], None]
) -> Archive:
    """A new archive from Zenodo, which has the MD5 that Zenodo publishes."""
    from musicml.datasets.fetch import from_web

    url = f"{ZENODO}/records/{origin.ref}/files/{origin.archive}"
    from_web.bring(url, f"md5:{origin.md5}", path, wanted, room, say)
    return Archive(path, origin.version, "", *records.digests(path, "sha256"))
