"""Download the real datasets, or install them from a local copy.

    fetch NAME     1. download the archive, in parts if necessary, into data_root/.archives
                   2. compare its hash with the server's and with that of the last download
                   3. check its table of contents, and the free disk space
                   4. unpack it into a hidden folder next to data_root/NAME
                   5. check that it is the dataset, write SOURCE.json, give it its final name

After any interruption there is either the complete dataset or no folder of its name. A partial archive is kept, and the
next download continues it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from musicml.data.download import gtzan_lists, install
from musicml.data.download.messages import DownloadRequest
from musicml.data.download.sources import SOURCES, Source
from musicml.data.download.verify import describe_source, get_archive, is_disk_error, read_note
from musicml.utils import InputError, Message, suggest_names

logger = logging.getLogger(__name__)

__all__ = ["SOURCES", "DownloadedDataset", "Source", "check_request", "download_dataset"]

ARCHIVES_FOLDER = ".archives"  # below the data root


@dataclass(frozen=True)
class DownloadedDataset:
    """An installed dataset.

    Attributes
    ----------
    name, folder : the dataset, and where it is
    version : the publisher's number; None if unknown
    sha256, bytes : of its archive; None without one
    already_there : whether nothing had to be done
    lacks : the part that could not be downloaded, in a sentence; empty if complete
    """

    name: str
    folder: Path
    version: str | None
    sha256: str | None
    bytes: int | None
    already_there: bool
    lacks: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for `--json`."""
        table = {**asdict(self), "folder": str(self.folder)}
        return table if self.lacks else {key: value for key, value in table.items() if key != "lacks"}


def check_request(names: Sequence[str], given: Path | None = None, lists_from: Path | None = None) -> None:
    """Reject unknown dataset names, and paths that do not fit the names, before anything is downloaded."""
    for name in names:
        if name not in SOURCES:
            raise InputError(
                "{name!r} is not a dataset that can be downloaded: {hint}", name=name, hint=suggest_names(name, SOURCES)
            )
    if given is not None and len(names) != 1:  # an archive is one dataset
        raise InputError("--from requires the name of exactly one dataset. Give that name.")
    if lists_from is not None and "gtzan" not in names:
        raise InputError("--lists is only for gtzan, and {names} has no such lists. Omit it.", names=", ".join(names))


def download_dataset(
    name: str, data_root: Path, given: Path | None = None, lists_from: Path | None = None, keep_archive: bool = False
) -> DownloadedDataset:
    """Download the dataset `name` to `data_root/name`, unless it is already there.

    Parameters
    ----------
    name : one of `SOURCES`
    data_root : the folder of the datasets
    given : an archive or a folder to install instead of downloading
    lists_from : a folder with GTZAN's lists, to use instead of downloading them
    keep_archive : whether to keep the archive in `data_root/.archives` after unpacking it

    Raises
    ------
    InputError
        If the dataset is unknown, can't be downloaded, or fails the verification.
    KeyboardInterrupt
        If the user interrupts it; the message says how to continue.

    >>> download_dataset("openmic", Path("data")).version
    '1.0.0'
    """
    check_request([name], given, lists_from)
    folder = Path(data_root) / name
    with install.convert_os_errors(folder):
        lists = (
            None if lists_from is None else gtzan_lists.read_lists(lists_from)  # to fail early
        )  # read now, to fail before an hour of downloading
        is_there = install.is_installed(folder, name)
        if is_there and given is not None:
            raise InputError(
                "Expected an empty {folder} for --from, but it already contains the dataset. Move it away first.",
                folder=folder,
            )
        if is_there:
            logger.info("%s: %s is already installed", folder, name)
        else:
            with install.make_temporary_folder(folder) as temporary:
                if given is None:
                    _download(SOURCES[name], temporary, folder, keep_archive)
                else:
                    own_lists = lists is None
                    facts = install.install_local(given, SOURCES[name], temporary, folder.parent, own_lists)
                    install.finish_install(temporary, folder, facts, given, own_lists)
        source = read_note(folder / "SOURCE.json")
        version, sha256, n_bytes = (source.get(key) for key in ("version", "sha256", "bytes"))
        result = DownloadedDataset(name, folder, version, sha256, n_bytes, is_there)
        return _add_gtzan_lists(result, lists) if name == "gtzan" else result


def _download(origin: Source, temporary: Path, folder: Path, keep_archive: bool) -> None:
    """Download and install a dataset; its archive is removed afterwards, also if it is invalid."""
    command = " ".join(("musicml", "fetch", origin.name))
    request = DownloadRequest(origin.name, origin.host, origin.page, "--from", command)
    path, archive = folder.parent / ARCHIVES_FOLDER / f"{origin.name}{origin.suffix}", None
    with _remove_if_empty(path.parent):
        try:
            archive, n_files, n_bytes = get_archive(origin, path, request)  # verified
            facts = describe_source(origin, archive.version, archive.sha256, archive.n_bytes)
            facts |= {"licence": archive.licence} if archive.licence else {}
            install.unpack_dataset(archive.path, n_files, n_bytes, temporary, origin.name)
            install.finish_install(temporary, folder, facts, archive.path)
        except InputError as error:
            if archive and not is_disk_error(error):  # keep a good archive if only the disk was full
                archive.discard()
            raise
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                Message("interrupted; the partial download is kept, and `{command}` continues it", command=command)
            ) from None
        if not keep_archive:
            archive.discard()


@contextlib.contextmanager
def _remove_if_empty(archives: Path) -> Iterator[None]:
    """Remove the archives folder at the end, if it is empty."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            archives.rmdir()


def _add_gtzan_lists(dataset: DownloadedDataset, lists: dict[str, bytes] | None) -> DownloadedDataset:
    """Add GTZAN's lists; if they can't be downloaded, GTZAN stays installed and `lacks` says why."""
    missing, archives = gtzan_lists.list_missing(dataset.folder), dataset.folder.parent / ARCHIVES_FOLDER
    if lists is not None:
        gtzan_lists.write_lists(lists, dataset.folder)
    elif missing:
        logger.info("gtzan: downloading %s lists from GitHub", len(missing))
        try:
            with _remove_if_empty(archives), install.convert_os_errors(dataset.folder / gtzan_lists.SPLITS):
                gtzan_lists.download_lists(dataset.folder, archives)
        except InputError as error:
            return replace(dataset, lacks=error.message)
        return replace(dataset, already_there=False)
    return dataset
