"""The real data sets, brought home: fetched from where they are published, or taken from a person's hands.

    fetch NAME     the archive, in parts if need be, into data_root/.archives
                   its hash, against the server's and against the one of the fetch before
                   its table of contents, and the disk
                   its files, into a hidden folder beside data_root/NAME
                   a look whether they are that data set; SOURCE.json; the final name

Whatever stops it, there is either the whole data set or no folder of its name. What came of an archive is kept, and the
next fetch goes on with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from musicml.data.download import checksums, gtzan_lists, install
from musicml.data.download.messages import Wanted
from musicml.data.download.sources import SOURCES, Source
from musicml.utils import InputError, suggest_names

__all__ = ["SOURCES", "DownloadedDataset", "Source", "check_request", "download_dataset"]

ARCHIVES = ".archives"


@dataclass(frozen=True)
class DownloadedDataset:
    """A data set that is there.

    Attributes
    ----------
    name, folder : which, and where
    version : its publisher's number; None where nobody knows it
    sha256, bytes : of the archive that it came in; None where it came in none
    already_there : whether there was nothing to do
    lacks : what could not be had beside it, in a sentence; empty where all is there
    """

    name: str
    folder: Path
    version: str | None
    sha256: str | None
    bytes: int | None
    already_there: bool
    lacks: str = ""

    def as_table(self) -> dict[str, Any]:
        """What `--json` says of it."""
        told = {**asdict(self), "folder": str(self.folder)}
        return told if self.lacks else {key: value for key, value in told.items() if key != "lacks"}


def check_request(names: Sequence[str], given: Path | None = None, lists_from: Path | None = None) -> None:
    """Refuse what could not be fetched, before anything is.

    Raises
    ------
    InputError
        If one of the names is none, or what is given is not for these.
    """
    for name in names:
        if name not in SOURCES:
            raise InputError(
                "{name!r} must be a data set that can be fetched: {hint}", name=name, hint=suggest_names(name, SOURCES)
            )
    if given is not None and len(names) != 1:
        raise InputError("--from must go with the name of the one data set that it is: name that one.")
    if lists_from is not None and "gtzan" not in names:
        raise InputError(
            "--lists must go with gtzan, and {names} has no such lists: leave it out.", names=", ".join(names)
        )


def download_dataset(
    name: str,
    data_root: Path,
    given: Path | None = None,
    lists_from: Path | None = None,
    keep_archive: bool = False,
    say: Callable[[str], None] = print,
) -> DownloadedDataset:
    """Bring the data set `name` to `data_root/name`, unless it is there.

    Parameters
    ----------
    name : one of `SOURCES`
    data_root : the folder of data sets
    given : an archive or a folder to take in place of the network
    lists_from : a folder with GTZAN's lists, to take in place of the network
    keep_archive : whether to leave the archive in `data_root/.archives` once it is unpacked
    say : told what is done, a line each

    Raises
    ------
    InputError
        If there is no such data set, it can't be had, or it is not what it should be.
    KeyboardInterrupt
        If a person stops it; the words say how to go on.

    >>> download_dataset("openmic", Path("data")).version
    '1.0.0'
    """
    check_request([name], given, lists_from)
    with install.in_a_sentence(Path(data_root) / name):
        return ensure_dataset(name, Path(data_root) / name, given, lists_from, keep_archive, say)


def ensure_dataset(
    name: str,
    folder: Path,
    given: Path | None,
    lists_from: Path | None,
    keep_archive: bool,
    say: Callable[[str], None],
) -> DownloadedDataset:
    """The data set in its `folder`, where it is or is brought to, with its lists."""
    origin = SOURCES[name]
    wanted = Wanted(name, origin.host, origin.page, "--from", " ".join(("musicml", "fetch", name)))
    listed = None if lists_from is None else gtzan_lists.read(lists_from)  # before an hour of fetching
    if not install.there(folder, name):
        made = download_and_install(wanted, folder, given, listed is None, keep_archive, say)
    elif given is None:
        say(f"{folder}: {name}, already there")
        made = describe_dataset(name, folder, already_there=True)
    else:
        raise InputError(
            "{folder} must be free for what --from names, and holds the data set: move it away first.", folder=folder
        )
    return add_gtzan_lists(made, listed, say) if name == "gtzan" else made


def download_and_install(
    wanted: Wanted, folder: Path, given: Path | None, own_lists: bool, keep_archive: bool, say: Callable[[str], None]
) -> DownloadedDataset:
    """The data set, unpacked, looked at, and only then under its name; `own_lists` as `install.recognised` takes it."""
    from musicml.data.download import local as by_hand

    with install.held(folder), install.beside(folder) as temporary:
        if given is None:
            download_archive(wanted, temporary, folder, keep_archive, say)
        else:
            facts = by_hand.take(given, SOURCES[wanted.name], temporary, folder.parent, own_lists, say)
            install.settle(temporary, folder, facts, given, say, own_lists)
    return describe_dataset(wanted.name, folder)


def download_archive(
    wanted: Wanted, temporary: Path, folder: Path, keep_archive: bool, say: Callable[[str], None]
) -> None:
    """Fetch the archive and give the data set in it its name; afterwards the archive goes, and a bad one too."""
    from musicml.data.download import archives, verify
    from musicml.data.download import local as by_hand

    origin = SOURCES[wanted.name]
    try:
        archive, contents = verify.archive_of(origin, folder.parent / ARCHIVES, wanted, say)
        archives.room_for(folder.parent, contents.n_bytes)
        facts = checksums.source(origin, archive.version, archive.sha256, archive.n_bytes)
        facts |= {"licence": archive.licence} if archive.licence else {}
        try:
            by_hand.unpack(archive.path, contents, temporary, origin.name, say)
            install.settle(temporary, folder, facts, archive.path, say)
        except InputError as error:
            if getattr(error.__cause__, "errno", None) is None:  # for trouble of the disk it is not to blame
                archive.discard()
            raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; what came is kept, and `{wanted.command}` goes on with it") from None
    else:
        if not keep_archive:
            archive.discard()
    finally:
        remove_empty_archive_folder(folder.parent / ARCHIVES)


def remove_empty_archive_folder(archives: Path) -> None:
    """Remove the folder of archives, if there is none in it."""
    with contextlib.suppress(OSError):
        archives.rmdir()


def describe_dataset(name: str, folder: Path, already_there: bool = False) -> DownloadedDataset:
    """What a data set's SOURCE.json says of it."""
    known = checksums.read(folder / "SOURCE.json")
    return DownloadedDataset(name, folder, known.get("version"), known.get("sha256"), known.get("bytes"), already_there)


def add_gtzan_lists(
    made: DownloadedDataset, listed: dict[str, bytes] | None, say: Callable[[str], None]
) -> DownloadedDataset:
    """GTZAN with its lists; without them it is still there, and what it lacks is said."""
    if listed is not None:
        gtzan_lists.write(listed, made.folder)
    elif lacking := gtzan_lists.missing(made.folder):
        say(f"gtzan: fetching {len(lacking)} lists from GitHub")
        try:
            with install.in_a_sentence(made.folder / gtzan_lists.SPLITS):
                gtzan_lists.bring(made.folder, made.folder.parent / ARCHIVES, say)
        except InputError as error:
            return replace(made, lacks=str(error))
        finally:
            remove_empty_archive_folder(made.folder.parent / ARCHIVES)
        return replace(made, already_there=False)
    return made
