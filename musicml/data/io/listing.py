"""List the files below folders: hidden ones and those of operating systems are passed over, links are followed once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from musicml.data.io.file_types import TYPE_OF_PICTURE_SUFFIX, TYPE_OF_SUFFIX, detect_type
from musicml.utils import InputError, Message, describe_os_error, make_printable

# what operating systems and archivers leave in folders, in small letters
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
    """A path that is not read, and why."""

    path: str
    reason: str


@dataclass
class Listing:
    """What lies below one folder.

    Attributes
    ----------
    files : paths of the files that may be read, in the order of their names, linked folders last
    skipped : what is no file that can be read, such as a link without a target
    """

    files: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


class _Task(NamedTuple):
    """A path to look at, whether it is a folder or a link to one, and the real paths of the folders above it."""

    path: str
    is_folder: bool
    is_link: bool
    chain: tuple[str, ...]


def is_visible(name: str) -> bool:
    """Return whether a name is neither hidden nor one that an operating system leaves in folders."""
    return not name.startswith(".") and name.lower() not in SYSTEM_NAMES


def list_files(folders: Sequence[Path | str]) -> list[Listing]:
    """List the files below each of several folders.

    No folder is read twice: one that several links lead to, or that lies there as well, is listed where it lies, or
    else behind the first link.

    Raises
    ------
    InputError
        If a folder can't be opened, or a link leads back to a folder that it lies in.
    """
    found = [Listing() for _ in folders]
    seen: dict[str, str] = {}
    links: list[tuple[Listing, _Task]] = []
    for place in sorted(range(len(found)), key=_find_linked(folders).__getitem__):  # what lies there goes first
        path = os.fspath(folders[place])
        outer = os.path.realpath(os.path.dirname(os.path.abspath(path)))
        links += [(found[place], link) for link in _walk(_Task(path, True, True, (outer,)), found[place], seen)]
    for listing, link in links:  # grows on the way, by the links in linked folders
        links += [(listing, deeper) for deeper in _walk(link, listing, seen)]
    return found


def _find_linked(folders: Sequence[Path | str]) -> list[bool]:
    """Return of each folder whether a link leads to it from the folder that all lie in."""
    paths = [os.path.abspath(folder) for folder in folders]
    outer = os.path.commonpath(paths) if paths else ""
    return [
        os.path.realpath(path) != os.path.normpath(os.path.join(os.path.realpath(outer), os.path.relpath(path, outer)))
        for path in paths
    ]


def _walk(top: _Task, listing: Listing, seen: dict[str, str]) -> Iterator[_Task]:
    """Put the files below a folder into `listing`, and yield the links to folders."""
    tasks = [top]
    while tasks:
        task = tasks.pop()
        if not task.is_folder:
            listing.files.append(task.path)
            continue
        real = os.path.realpath(task.path)
        if task.is_link:
            _check_no_cycle(task, real)
        if seen.setdefault(real, task.path) != task.path:
            first = make_printable(seen[real])
            listing.skipped.append(
                Skipped(task.path, Message("the same folder as {first}, which is read already", first=first))
            )
            continue
        inner: list[_Task] = []
        for entry in _scan_folder(task.path):
            is_folder = os.path.isdir(entry.path)  # unlike the entry's own method, it raises nothing
            if is_folder and entry.is_symlink():
                yield _Task(entry.path, True, True, (*task.chain, real))
            elif is_folder or os.path.isfile(entry.path):
                inner.append(_Task(entry.path, is_folder, False, (*task.chain, real) if is_folder else ()))
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
    """Return the refusal of a folder that can't be opened."""
    return InputError(
        "Expected a folder that can be opened, and {folder} can't be ({reason}). Change who may read it, or move it "
        "away.",
        folder=make_printable(folder),
        reason=describe_os_error(error),
    )


def _check_no_cycle(task: _Task, real: str) -> None:
    """Refuse a folder that leads back to one on the way to it."""
    if any(f"{outer}{os.sep}".startswith(real.rstrip(os.sep) + os.sep) for outer in task.chain):
        raise InputError(
            "Expected links to lead to other folders, and {link} leads back to {target}, which it lies in. Remove the "
            "link.",
            link=make_printable(task.path),
            target=make_printable(real),
        )


def _explain_no_file(entry: os.DirEntry[str]) -> str:
    """Return why a path is no file that can be read."""
    return Message("a link that leads nowhere") if entry.is_symlink() else Message("neither a file nor a folder")


def detect_kind(path: str, wanted: str = "") -> str | None:
    """Return whether a file is a `sound` or a `picture`, None of others and of what can't be opened.

    The ending tells, but where it says nothing, or another kind than the `wanted` one; then the content does.
    """
    suffix = os.path.splitext(path)[1].lower()
    named = "sound" if suffix in TYPE_OF_SUFFIX else "picture" if suffix in TYPE_OF_PICTURE_SUFFIX else None
    if named and wanted in ("", named):
        return named
    try:
        with open(path, "rb") as file:
            found = detect_type(file)
    except OSError:
        return None
    return "sound" if found.is_readable_sound else "picture" if found.picture else None
