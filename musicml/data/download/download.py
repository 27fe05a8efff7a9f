"""Download the real data sets from where they are published, or take them from the user.

    fetch NAME     the archive, in parts if need be, into data_root/.archives
                   its hash, compared with the server's and with that of the download before
                   its table of contents, and the disk
                   its files, into a hidden folder beside data_root/NAME
                   a look whether they are that data set; SOURCE.json; the final name

Whatever stops it, there is either the whole data set or no folder of its name. What came of an archive is kept, and the
next download goes on with it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from musicml.data.download import gtzan_lists, install
from musicml.data.download.messages import Wanted
from musicml.data.download.sources import SOURCES, Source
from musicml.data.download.verify import describe_source, get_archive, is_of_disk, read_note
from musicml.utils import InputError, Message, suggest_names

logger = logging.getLogger(__name__)

__all__ = ["SOURCES", "DownloadedDataset", "Source", "check_request", "download_dataset"]

ARCHIVES = ".archives"


@dataclass(frozen=True)
class DownloadedDataset:
    """A data set that is there.

    Attributes
    ----------
    name, folder : which, and where
    version : its publisher's number; None where it is not known
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
        """Return what `--json` says of it."""
        table = {**asdict(self), "folder": str(self.folder)}
        return table if self.lacks else {key: value for key, value in table.items() if key != "lacks"}


def check_request(names: Sequence[str], given: Path | None = None, lists_from: Path | None = None) -> None:
    """Refuse a name that is no data set, or a path that does not go with the names, before anything is downloaded."""
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
    name: str, data_root: Path, given: Path | None = None, lists_from: Path | None = None, keep_archive: bool = False
) -> DownloadedDataset:
    """Bring the data set `name` to `data_root/name`, unless it is there.

    Parameters
    ----------
    name : one of `SOURCES`
    data_root : the folder of data sets
    given : an archive or a folder to take in place of the network
    lists_from : a folder with GTZAN's lists, to take in place of the network
    keep_archive : whether to leave the archive in `data_root/.archives` once it is unpacked

    Raises
    ------
    InputError
        If there is no such data set, it can't be had, or it is not what it should be.
    KeyboardInterrupt
        If the user stops it; the words say how to go on.

    >>> download_dataset("openmic", Path("data")).version
    '1.0.0'
    """
    check_request([name], given, lists_from)
    folder = Path(data_root) / name
    with install.refusing_disk_errors(folder):
        lists = None if lists_from is None else gtzan_lists.read_lists(lists_from)  # before an hour of downloading
        is_there = install.is_installed(folder, name)
        if is_there and given is not None:
            raise InputError(
                "{folder} must be free for what --from names, and holds the data set: move it away first.",
                folder=folder,
            )
        if is_there:
            logger.info("%s: %s, already there", folder, name)
        else:
            with install.make_temporary_folder(folder) as temporary:
                if given is None:
                    _download(SOURCES[name], temporary, folder, keep_archive)
                else:
                    own_lists = lists is None
                    facts = install.take_given(given, SOURCES[name], temporary, folder.parent, own_lists)
                    install.name_dataset(temporary, folder, facts, given, own_lists)
        source = read_note(folder / "SOURCE.json")
        version, sha256, n_bytes = (source.get(key) for key in ("version", "sha256", "bytes"))
        made = DownloadedDataset(name, folder, version, sha256, n_bytes, is_there)
        return _add_gtzan_lists(made, lists) if name == "gtzan" else made


def _download(origin: Source, temporary: Path, folder: Path, keep_archive: bool) -> None:
    """Download the archive and give the data set in it its name; afterwards the archive goes, and a bad one too."""
    command = " ".join(("musicml", "fetch", origin.name))
    wanted = Wanted(origin.name, origin.host, origin.page, "--from", command)
    path, archive = folder.parent / ARCHIVES / f"{origin.name}{origin.suffix}", None
    with _removing_if_empty(path.parent):
        try:
            archive, n_files, n_bytes = get_archive(origin, path, wanted)
            facts = describe_source(origin, archive.version, archive.sha256, archive.n_bytes)
            facts |= {"licence": archive.licence} if archive.licence else {}
            install.unpack_dataset(archive.path, n_files, n_bytes, temporary, origin.name)
            install.name_dataset(temporary, folder, facts, archive.path)
        except InputError as error:
            if archive and not is_of_disk(error):
                archive.discard()
            raise
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                Message("stopped; what came is kept, and `{command}` goes on with it", command=command)
            ) from None
        if not keep_archive:
            archive.discard()


@contextlib.contextmanager
def _removing_if_empty(archives: Path) -> Iterator[None]:
    """Remove the folder of archives in the end, if there is none in it."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            archives.rmdir()


def _add_gtzan_lists(made: DownloadedDataset, lists: dict[str, bytes] | None) -> DownloadedDataset:
    """Give GTZAN its lists; without them it is still there, and what it lacks is said."""
    missing, archives = gtzan_lists.list_missing(made.folder), made.folder.parent / ARCHIVES
    if lists is not None:
        gtzan_lists.write_lists(lists, made.folder)
    elif missing:
        logger.info("gtzan: fetching %s lists from GitHub", len(missing))
        try:
            with _removing_if_empty(archives), install.refusing_disk_errors(made.folder / gtzan_lists.SPLITS):
                gtzan_lists.download_lists(made.folder, archives)
        except InputError as error:
            return replace(made, lacks=error.message)
        return replace(made, already_there=False)
    return made
