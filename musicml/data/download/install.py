"""Make the folder of a data set from an archive or a folder, and look at it before it gets its name.

So a name never stands for something else. An archive or folder that the user gives is never changed.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from musicml.data.datasets import Dataset, list_visible_folders
from musicml.data.download import gtzan_lists
from musicml.data.download.archives import inspect_archive, unpack_archive
from musicml.data.download.sources import SOURCES, Source
from musicml.data.download.verify import check_room, compute_hashes, describe_source, read_note
from musicml.utils import ByteProgress, InputError, Message, hold_lock, os_error_to_input_error, write_json

logger = logging.getLogger(__name__)

LITTER = {".DS_Store", "__MACOSX"}  # what a Mac adds
BY_HAND = Message("given by hand")


def is_installed(folder: Path, name: str) -> bool:
    """Whether the data set is in its folder; InputError where something else is."""
    if not folder.exists() or folder.is_dir() and not any(folder.iterdir()):
        return False
    try:
        _load(folder, name)
    except InputError as error:
        raise _refuse_occupied(folder, error.message) from None
    return True


@contextlib.contextmanager
def refusing_disk_errors(path: Path) -> Iterator[None]:
    """Turn any trouble of the disk into a sentence about its file or folder, else about `path`."""
    try:
        yield
    except OSError as error:
        trouble = os_error_to_input_error(error, Path(error.filename or path))
        if trouble is error:
            raise
        raise trouble from error


@contextlib.contextmanager
def make_temporary_folder(folder: Path) -> Iterator[Path]:
    """Give the path of a new folder in a hidden one beside `folder`, and leave no trace of either afterwards.

    One process at a time may do so. A download that was killed can't clear up: the next one does.
    """
    hidden = folder.with_name(f".{folder.name}.new")
    busy = InputError(
        "{folder} must be fetched by one at a time, and another is at it: wait for its end.", folder=folder
    )
    with hold_lock(folder.with_name(f".{folder.name}.lock"), folder, busy):
        shutil.rmtree(hidden, ignore_errors=True)
        try:
            yield hidden / "whole"
        finally:
            shutil.rmtree(hidden, ignore_errors=True)


def name_dataset(temporary: Path, folder: Path, facts: dict[str, Any], came: Path, own_lists: bool = True) -> None:
    """Give what was unpacked its name, if it is the data set; `came` is what it was unpacked or copied from."""
    home, dataset = recognize_dataset(temporary, folder.name, came, own_lists)
    n_files = sum(path.is_file() for path in home.rglob("*"))
    n_examples, whole = len(dataset.examples), SOURCES[folder.name].n_examples
    write_json(home / "SOURCE.json", {**facts, "files": n_files, "examples": n_examples})
    try:
        if folder.exists():
            folder.rmdir()  # it is empty, or `is_installed` would have said so
        os.replace(home, folder)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise _refuse_occupied(folder, Message("it came meanwhile")) from error
        raise
    logger.info("%s: %s, %s examples", folder, folder.name, n_examples)
    if n_examples < whole:
        logger.warning(
            "%s has %s examples or more, and this copy %s: it is not the whole of it", folder.name, whole, n_examples
        )


def recognize_dataset(root: Path, name: str, came: Path, own_lists: bool = True) -> tuple[Path, Dataset]:
    """Find the real data set in `root` or in the one folder there, and load it; `came` is what brought `root`.

    `own_lists` is whether the lists of GTZAN that it brings are to be used, and so must be the published ones.

    Raises
    ------
    InputError
        If it is not that data set, was generated as sample data, or brings other lists than the published ones.
    """
    inside = [path for path in list_visible_folders(root) if path.name not in LITTER]
    refusals = []
    for home in [root, *inside] if len(inside) == 1 else [root]:
        try:
            dataset = _load(home, name)
            break
        except InputError as error:
            refusals.append(error)
    else:
        raise InputError(
            "{came} must hold {name} as it was published, and does not ({reason}): look for another copy.",
            came=came,
            name=name,
            reason=refusals[0].message.replace_value(str(root), "it"),
        )
    if read_note(home / "SOURCE.json").get("sample"):
        raise InputError(
            "{came} must be the real {name}, and says in its SOURCE.json that it was generated as sample data: "
            "`musicml fetch {name}` brings the real one.",
            came=came,
            name=name,
        )
    if name == "gtzan" and own_lists:
        gtzan_lists.check_lists(home, came)
    return home, dataset


def unpack_dataset(archive: Path, n_files: int, n_bytes: int, folder: Path, name: str) -> None:
    """Unpack an archive of `n_files` files and `n_bytes` bytes into the new `folder`, if the disk has room."""
    check_room(folder.parents[1], n_bytes)  # the folder of data sets
    logger.info("%s: unpacking %s files", name, n_files)
    with ByteProgress(name) as progress:
        progress.begin(n_bytes)
        unpack_archive(archive, folder, progress.add)


def take_given(given: Path, origin: Source, folder: Path, data_root: Path, own_lists: bool) -> dict[str, Any]:
    """Unpack or copy what the user gives into the new `folder` below `data_root`; return the content of SOURCE.json.

    `own_lists` is as `recognize_dataset` takes it.

    Raises
    ------
    InputError
        If it is neither an archive that can be unpacked safely nor a folder of the data set, is another archive than
        the one that its publisher gives a hash of, or the disk has no room for it.
    """
    try:
        if given.is_dir():
            facts = _copy_folder(given, origin, folder, data_root, own_lists)
        elif given.is_file():
            facts = _unpack_given(given, origin, folder)
        else:
            raise InputError(
                "--from must name an archive or a folder, and {given} is neither: check the path.", given=given
            )
    except PermissionError as error:
        raise InputError(
            "{path} must be a file or folder that you may read, and is not: ask its owner, or name another copy.",
            path=error.filename or given,
        ) from error
    return facts | {"source": BY_HAND, "given": given.name}


def _unpack_given(given: Path, origin: Source, folder: Path) -> dict[str, Any]:
    """Unpack an archive that the user gives."""
    sha256, md5 = compute_hashes(given)
    if origin.md5 not in (None, md5):
        raise InputError(
            "{given} must have the MD5 {published} of {archive}, and has {md5}: it is damaged or another version; "
            "`musicml fetch {name}` brings the right one.",
            given=given,
            published=origin.md5,
            archive=origin.archive,
            md5=md5,
            name=origin.name,
        )
    unpack_dataset(given, *inspect_archive(given), folder, origin.name)
    return describe_source(origin, origin.version if origin.md5 else None, sha256, given.stat().st_size)


def _copy_folder(given: Path, origin: Source, folder: Path, data_root: Path, own_lists: bool) -> dict[str, Any]:
    """Copy a folder that the user gives; a link to a file is copied as that file."""
    if data_root.resolve().is_relative_to(given.resolve()):
        raise InputError(
            "--from must name the data set's own folder, and {given} holds {data_root}: name another.",
            given=given,
            data_root=data_root,
        )
    sizes = {path: path.stat().st_size for path in _list_files(given)}
    if closed := [path for path in sizes if not os.access(path, os.R_OK)]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(closed[0]))
    recognize_dataset(given, origin.name, given, own_lists)  # before a gigabyte of it is copied
    check_room(data_root, sum(sizes.values()))
    logger.info("%s: copying %s files", origin.name, len(sizes))
    with ByteProgress(origin.name) as progress:
        progress.begin(sum(sizes.values()))
        for path, size in sizes.items():
            to = folder / path.relative_to(given)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
            progress.add(size)
    known = read_note(folder / "SOURCE.json")
    return describe_source(origin, None, None, None) | ({"before": known} if known else {})


def _list_files(folder: Path) -> Iterator[Path]:
    """Give every file below `folder`, sorted, without what a Mac adds; a link to a folder may lead round: refused."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("._") or entry.name in LITTER:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _list_files(Path(entry.path))
        elif entry.is_dir():
            raise InputError(
                "{folder} must hold its folders itself, and {name} is a link: name the folder it is.",
                folder=folder,
                name=entry.name,
            )
        elif entry.is_file():
            yield Path(entry.path)


def _load(root: Path, name: str) -> Dataset:
    """Load the data set in a folder that need not have its name; InputError if it is another, or damaged."""
    try:
        return importlib.import_module(f"musicml.data.datasets.{name}").load(root)
    except InputError:
        raise
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(
            "{root} must hold tables that can be read, and one can't be ({kind}): look for another copy.",
            root=root,
            kind=type(error).__name__,
        ) from None


def _refuse_occupied(folder: Path, reason: str) -> InputError:
    """Make the refusal of a place that holds something else."""
    return InputError(
        "{folder} must hold {name} or nothing, and holds something else ({reason}): move it away, and fetch again.",
        folder=folder,
        name=folder.name,
        reason=reason,
    )
