"""A data set that a person has: an archive that they downloaded, or a colleague's folder. Neither is changed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from musicml.data.download import archives, checksums, install
from musicml.data.download.sources import Source
from musicml.utils import ByteProgress, InputError, os_error_to_input_error

BY_HAND = "given by hand"
MACS = {".DS_Store", "__MACOSX"}


def take(
    given: Path, origin: Source, folder: Path, data_root: Path, own_lists: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """Unpack or copy what is `given` into the new `folder` below `data_root`; returns what SOURCE.json says of it.

    `own_lists` is as `install.recognised` takes it.

    Raises
    ------
    InputError
        If it is neither an archive that can be unpacked safely nor a folder of the data set, is another archive than
        the one that its publisher gives a hash of, or the disk has no room for it.
    """
    with readable(given):
        facts = taken(given, origin, folder, data_root, own_lists, say)
    return facts | {"source": BY_HAND, "given": given.name}


@contextlib.contextmanager
def readable(given: Path) -> Iterator[None]:
    """Say of what can't be read that one must be able to; what can't be written is told where it is."""
    try:
        yield
    except PermissionError as error:
        raise InputError(
            "{error_filename} must be a file or folder that you may read, and is not: ask its owner, or name "
            "another copy.",
            error_filename=error.filename or given,
        ) from error


def taken(
    given: Path, origin: Source, folder: Path, data_root: Path, own_lists: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """As `take`; PermissionError where what is given can't be read."""
    if given.is_dir():
        if data_root.resolve().is_relative_to(given.resolve()):
            raise InputError(
                "--from must name the data set's own folder, and {given} holds {data_root}: name another.",
                given=given,
                data_root=data_root,
            )
        found = list(below(given))
        if closed := [path for path in found if not os.access(path, os.R_OK)]:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(closed[0]))
        install.recognised(given, origin.name, given, own_lists)  # before a gigabyte of it is copied
        archives.room_for(data_root, sum(path.stat().st_size for path in found))
        copy(found, given, folder, origin.name, say)
        known = checksums.read(folder / "SOURCE.json")
        return checksums.source(origin, None, None, None) | ({"before": known} if known else {})
    if given.is_file():
        sha256, md5 = checksums.digests(given, "sha256", "md5")
        if origin.md5 not in (None, md5):
            raise InputError(
                "{given} must have the MD5 {origin_md5} of {origin_archive}, and has {md5}: it is damaged or another "
                "version; `musicml fetch {origin_name}` brings the right one.",
                given=given,
                origin_md5=origin.md5,
                origin_archive=origin.archive,
                md5=md5,
                origin_name=origin.name,
            )
        version = origin.version if origin.md5 else None
        facts = checksums.source(origin, version, sha256, given.stat().st_size)
        contents = archives.inspect(given)
        archives.room_for(data_root, contents.n_bytes)
        unpack(given, contents, folder, origin.name, say)
        return facts
    raise InputError("--from must name an archive or a folder, and {given} is neither: check the path.", given=given)


def unpack(archive: Path, contents: archives.Contents, folder: Path, name: str, say: Callable[[str], None]) -> None:
    """Unpack an archive, of which is known what it holds, into the new `folder`."""
    say(f"{name}: unpacking {contents.n_files} files")
    with ByteProgress(name, say) as progress:
        progress.begin(contents.n_bytes)
        archives.unpack(archive, folder, progress.add)


def copy(found: list[Path], given: Path, folder: Path, name: str, say: Callable[[str], None]) -> None:
    """Copy the files `found` below `given` into the new `folder`; a link to a file is copied as that file."""
    say(f"{name}: copying {len(found)} files")
    try:
        folder.mkdir(parents=True)
        with ByteProgress(name, say) as progress:
            progress.begin(sum(path.stat().st_size for path in found))
            for path in found:
                to = folder / path.relative_to(given)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to)
                progress.add(to.stat().st_size)
    except OSError as error:
        raise os_error_to_input_error(error, folder) from error


def below(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, sorted, without what a Mac adds.

    Raises
    ------
    InputError
        At a link to a folder, which may lead round in a circle.
    """
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("._") or entry.name in MACS:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from below(Path(entry.path))
        elif entry.is_dir():
            raise InputError(
                "{folder} must hold its folders itself, and {entry_name} is a link: name the folder it is.",
                folder=folder,
                entry_name=entry.name,
            )
        elif entry.is_file():
            yield Path(entry.path)
