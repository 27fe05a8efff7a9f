"""Install a dataset from an archive or a folder, and validate it before it gets its final name.

So a dataset's folder never contains anything else. An archive or folder of the user's is never changed.
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

SYSTEM_FILES = {".DS_Store", "__MACOSX"}  # added by macOS
BY_HAND = Message("given by hand")


def is_installed(folder: Path, name: str) -> bool:
    """Return whether the dataset is in its folder; raise InputError if anything else is."""
    if not folder.exists() or folder.is_dir() and not any(folder.iterdir()):
        return False
    try:
        _load(folder, name)
    except InputError as error:
        raise _make_occupied_error(folder, error.message) from None
    return True


@contextlib.contextmanager
def convert_os_errors(path: Path) -> Iterator[None]:
    """Convert an OSError to an InputError about its file or folder, or else about `path`."""
    try:
        yield
    except OSError as error:
        input_error = os_error_to_input_error(error, Path(error.filename or path))
        if input_error is error:
            raise
        raise input_error from error


@contextlib.contextmanager
def make_temporary_folder(folder: Path) -> Iterator[Path]:
    """Provide the path of a new folder inside a hidden one next to `folder`, and remove both afterwards.

    A lock allows one process at a time. What a killed download leaves behind is removed by the next one.
    """
    hidden = folder.with_name(f".{folder.name}.new")
    busy = InputError("Another process is already downloading into {folder}. Wait for it to finish.", folder=folder)
    with hold_lock(folder.with_name(f".{folder.name}.lock"), folder, busy):
        shutil.rmtree(hidden, ignore_errors=True)
        try:
            yield hidden / "whole"  # on the same disk as its final place, so that renaming is atomic
        finally:
            shutil.rmtree(hidden, ignore_errors=True)


def finish_install(
    temporary: Path, folder: Path, facts: dict[str, Any], came_from: Path, own_lists: bool = True
) -> None:
    """Validate an unpacked dataset, which came from `came_from`, and give it its final name."""
    root, dataset = _find_dataset(temporary, folder.name, came_from, own_lists)
    n_files = sum(path.is_file() for path in root.rglob("*"))
    n_examples, n_expected = len(dataset.examples), SOURCES[folder.name].n_examples
    write_json(root / "SOURCE.json", {**facts, "files": n_files, "examples": n_examples})
    try:
        if folder.exists():
            folder.rmdir()  # empty, as `is_installed` has checked
        os.replace(root, folder)  # atomic: the final name never shows a partial dataset
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:  # another program wrote into it meanwhile
            raise _make_occupied_error(folder, Message("it appeared during the download")) from error
        raise
    logger.info("%s: %s, %s examples", folder, folder.name, n_examples)
    if n_examples < n_expected:
        logger.warning(
            "%s should have at least %s examples, but this copy has %s: it is incomplete",
            folder.name,
            n_expected,
            n_examples,
        )


def _find_dataset(root: Path, name: str, came_from: Path, own_lists: bool = True) -> tuple[Path, Dataset]:
    """Find the real dataset in `root` or in its only folder, and load it; `came_from` is the source for messages.

    `own_lists` is whether the GTZAN lists in it will be used; then they must be the published ones.

    Raises
    ------
    InputError
        If it is not that dataset, is synthetic, or contains other lists than the published ones.
    """
    inside = [path for path in list_visible_folders(root) if path.name not in SYSTEM_FILES]
    errors = []
    for home in [root, *inside] if len(inside) == 1 else [root]:  # archives often have one outer folder
        try:
            dataset = _load(home, name)
            break
        except InputError as error:
            errors.append(error)
    else:
        raise InputError(
            "{origin} does not contain {name} as published. {reason} Use another copy.",
            origin=came_from,
            name=name,
            reason=errors[0].message.replace_value(str(root), "it"),
        )
    if read_note(home / "SOURCE.json").get("sample"):
        raise InputError(
            "Expected the real {name}, but {origin} is sample data according to its SOURCE.json. Run `musicml "
            "fetch {name}` to download the real data.",
            origin=came_from,
            name=name,
        )
    if name == "gtzan" and own_lists:
        gtzan_lists.check_lists(home, came_from)
    return home, dataset


def unpack_dataset(archive: Path, n_files: int, n_bytes: int, folder: Path, name: str) -> None:
    """Unpack an archive of `n_files` files and `n_bytes` bytes into the new `folder`, if the disk has room for it."""
    check_room(folder.parents[1], n_bytes)  # the folder of the datasets
    logger.info("%s: unpacking %s files", name, n_files)
    with ByteProgress(name) as progress:
        progress.begin(n_bytes)
        unpack_archive(archive, folder, progress.add)


def install_local(given: Path, origin: Source, folder: Path, data_root: Path, own_lists: bool) -> dict[str, Any]:
    """Unpack or copy the user's `given` into the new `folder` below `data_root`; return the content of SOURCE.json.

    `own_lists` is as in `_find_dataset`.

    Raises
    ------
    InputError
        If it is neither a safe archive nor a folder of the dataset, has another hash than the published archive, or
        does not fit on the disk.
    """
    try:
        if given.is_dir():
            facts = _copy_local_folder(given, origin, folder, data_root, own_lists)
        elif given.is_file():
            facts = _unpack_local(given, origin, folder)
        else:
            raise InputError(
                "Expected an archive or a folder in --from, but {given} is neither. Check the path.", given=given
            )
    except PermissionError as error:
        raise InputError(
            "No permission to read {path}. Ask its owner, or use another copy.", path=error.filename or given
        ) from error
    return facts | {"source": BY_HAND, "given": given.name}


def _unpack_local(given: Path, origin: Source, folder: Path) -> dict[str, Any]:
    """Unpack the user's archive, if it has the published hash."""
    sha256, md5 = compute_hashes(given)
    if origin.md5 not in (None, md5):
        raise InputError(
            "Expected the MD5 {published} of {archive}, but {given} has {md5}: it is damaged or another version. "
            "Run `musicml fetch {name}` to download the right one.",
            given=given,
            published=origin.md5,
            archive=origin.archive,
            md5=md5,
            name=origin.name,
        )
    unpack_dataset(given, *inspect_archive(given), folder, origin.name)
    return describe_source(origin, origin.version if origin.md5 else None, sha256, given.stat().st_size)


def _copy_local_folder(given: Path, origin: Source, folder: Path, data_root: Path, own_lists: bool) -> dict[str, Any]:
    """Copy the user's folder; a link to a file is copied as that file."""
    if data_root.resolve().is_relative_to(given.resolve()):  # the copy would contain itself
        raise InputError(
            "Expected the dataset's own folder in --from, but {given} contains {data_root}. Give another folder.",
            given=given,
            data_root=data_root,
        )
    sizes = {path: path.stat().st_size for path in _list_files(given)}
    if unreadable := [path for path in sizes if not os.access(path, os.R_OK)]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(unreadable[0]))
    _find_dataset(given, origin.name, given, own_lists)  # before copying gigabytes
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
    """List the files below `folder`, sorted, without those of macOS; reject links to folders, which may form a loop."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("._") or entry.name in SYSTEM_FILES:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _list_files(Path(entry.path))
        elif entry.is_dir():
            raise InputError(
                "Expected real folders in {folder}, but {name} is a link. Give the folder that it points to.",
                folder=folder,
                name=entry.name,
            )
        elif entry.is_file():
            yield Path(entry.path)


def _load(root: Path, name: str) -> Dataset:
    """Load the dataset in a folder of any name; raise InputError if it is another dataset, or damaged."""
    try:
        return importlib.import_module(f"musicml.data.datasets.{name}").load(root)
    except InputError:
        raise
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(
            "Cannot read a table in {root} ({kind}). Use another copy.", root=root, kind=type(error).__name__
        ) from None


def _make_occupied_error(folder: Path, reason: str) -> InputError:
    """Make the error for a folder that contains something else."""
    return InputError(
        "Expected {folder} to be empty or to contain {name}, but it contains something else ({reason}). Move "
        "it away, and run the command again.",
        folder=folder,
        name=folder.name,
        reason=reason,
    )
