"""List the files below folders. Hidden files and those of the operating system are skipped; links are followed once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from musicml.data.io.file_types import TYPE_OF_PICTURE_SUFFIX, TYPE_OF_SUFFIX, detect_type
from musicml.utils import InputError, Message, Texts, describe_os_error, make_printable

# files that operating systems and archivers create in folders, in lower case
SYSTEM_NAMES = {
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "icon\r",
    "@eadir",
    "$recycle.bin",
    "lost+found",
    "lost.dir",
    " ".join(("system", "volume", "information")),
}


class Skipped(NamedTuple):
    """A path that is not read, and the reason."""

    path: str
    reason: str


@dataclass
class Listing:
    """The content of one folder.

    Attributes
    ----------
    files : paths of the files that can be read, sorted by name, with linked folders last
    skipped : paths that cannot be read, such as links without a target
    """

    files: Texts = field(default_factory=Texts)
    skipped: list[Skipped] = field(default_factory=list)


class _Task(NamedTuple):
    """A folder to visit; `chain` holds the real paths of the folders above it."""

    path: str
    is_link: bool
    chain: tuple[str, ...]


def is_visible(name: str) -> bool:
    """Return whether a file name is neither hidden nor one of the operating system's."""
    return not name.startswith(".") and name.lower() not in SYSTEM_NAMES


def list_files(folders: Sequence[Path | str]) -> list[Listing]:
    """List the files below each of several folders.

    No folder is read twice: one that several links lead to is listed at its real location, or after the first link.

    Raises
    ------
    InputError
        If a folder can't be opened, or a link leads back to a folder that contains it.
    """
    listings = [Listing() for _ in folders]
    seen: dict[str, str] = {}
    links: list[tuple[Listing, _Task]] = []
    for index in sorted(range(len(listings)), key=_find_linked(folders).__getitem__):  # real folders before linked ones
        path = os.fspath(folders[index])
        outer = os.path.realpath(os.path.dirname(os.path.abspath(path)))
        links += [(listings[index], link) for link in _walk(_Task(path, True, (outer,)), listings[index], seen)]
    for listing, link in links:  # grows during the loop: linked folders contain further links
        links += [(listing, deeper) for deeper in _walk(link, listing, seen)]
    return listings


def _find_linked(folders: Sequence[Path | str]) -> list[bool]:
    """Return for each folder whether it is a link from the common parent folder."""
    paths = [os.path.abspath(folder) for folder in folders]
    outer = os.path.commonpath(paths) if paths else ""
    return [
        os.path.realpath(path) != os.path.normpath(os.path.join(os.path.realpath(outer), os.path.relpath(path, outer)))
        for path in paths
    ]


def _walk(top: _Task, listing: Listing, seen: dict[str, str]) -> Iterator[_Task]:
    """Add the files below a folder to `listing`, and yield the links to folders."""
    tasks: list[_Task | str] = [top]
    while tasks:
        task = tasks.pop()
        if isinstance(task, str):
            listing.files.append(task)
            continue
        real = os.path.realpath(task.path)
        if task.is_link:
            _check_no_cycle(task, real)
        if seen.setdefault(real, task.path) != task.path:
            first = make_printable(seen[real])
            listing.skipped.append(
                Skipped(task.path, Message("the same folder as {first}, which was already read", first=first))
            )
            continue
        inner: list[_Task | str] = []
        for entry in _scan_folder(task.path):
            is_folder = os.path.isdir(entry.path)  # unlike the entry's own method, it never raises
            if is_folder and entry.is_symlink():
                yield _Task(entry.path, True, (*task.chain, real))
            elif is_folder:
                inner.append(_Task(entry.path, False, (*task.chain, real)))
            elif os.path.isfile(entry.path):
                inner.append(entry.path)
            else:
                listing.skipped.append(Skipped(entry.path, _explain_no_file(entry)))
        tasks += reversed(inner)


def _scan_folder(folder: str) -> list[os.DirEntry[str]]:
    """Return the visible entries of a folder, sorted by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if is_visible(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise make_unreadable_folder_error(folder, error) from None


def make_unreadable_folder_error(folder: str, error: OSError) -> InputError:
    """Make the error for a folder that can't be opened."""
    return InputError(
        "Cannot open the folder {folder} ({reason}). Change its permissions, or move it away.",
        folder=make_printable(folder),
        reason=describe_os_error(error),
    )


def _check_no_cycle(task: _Task, real: str) -> None:
    """Reject a link that leads back to a folder above it."""
    if any(f"{outer}{os.sep}".startswith(real.rstrip(os.sep) + os.sep) for outer in task.chain):
        raise InputError(
            "Expected links to lead to other folders, but {link} leads back to {target}, which contains it. Remove "
            "the link.",
            link=make_printable(task.path),
            target=make_printable(real),
        )


def _explain_no_file(entry: os.DirEntry[str]) -> str:
    """Explain why a path is not a readable file."""
    return Message("a broken link") if entry.is_symlink() else Message("neither a file nor a folder")


def detect_kind(path: str, wanted: str = "") -> str | None:
    """Return whether a file is a `sound` or a `picture`; None for others and for files that can't be opened.

    The file extension decides, unless it is unknown or belongs to another kind than `wanted`; then the content does.
    """
    suffix = os.path.splitext(path)[1].lower()
    kind = "sound" if suffix in TYPE_OF_SUFFIX else "picture" if suffix in TYPE_OF_PICTURE_SUFFIX else None
    if kind and wanted in ("", kind):
        return kind  # without opening the file: fast for large folders
    try:
        with open(path, "rb") as file:
            file_type = detect_type(file)
    except OSError:
        return None
    return "sound" if file_type.is_readable_sound else "picture" if file_type.picture else None
