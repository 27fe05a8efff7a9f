"""What may be in an archive, of whatever kind: files and folders under names that stay inside."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from musicml.data.download.archives import limits
from musicml.data.download.archives.messages import empty, too_many, too_much, unsafe

DIFFERENT = "something that is neither file nor folder"


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive.

    Attributes
    ----------
    name : its path there; once checked, with forward slashes and without `.` and empty parts
    is_folder : whether it is a folder
    size : bytes, as declared
    blocks : gives its content in blocks of at most `limits.BLOCK` bytes; to be asked before the next member is
    """

    name: str
    is_folder: bool
    size: int
    blocks: Callable[[], Iterator[bytes]]


def checked(found: Iterator[Member], most: int, archive: str) -> Iterator[Member]:
    """Members under clean names, each folder once and before what it holds; what a Mac adds for itself is left out.

    Raises
    ------
    InputError
        If a name leads elsewhere or clashes with another, or there are too many files, or more than `most` bytes.
    """
    seen: dict[str, tuple[str, bool]] = {}  # what a disk may take for the same name → the name, whether it is a folder
    total = n_files = 0
    for count, member in enumerate(found, start=1):
        if reason := fault_of(member.name):
            raise unsafe(archive, member.name, reason)
        for part in new_in(member, seen, archive):
            total += part.size
            if total > most:
                raise too_much(archive, most)
            if not is_litter(part.name):
                n_files += not part.is_folder
                yield part
        if max(count, len(seen)) > limits.FILES:
            raise too_many(archive)
    if not n_files:
        raise empty(archive)


def fault_of(name: str) -> str | None:
    """Why a member's name can't be used, in words."""
    if name.startswith("/") or re.match("[A-Za-z]:", name):
        return "a name that begins at the root of a disk"
    if "\\" in name:
        return "a name with a backslash"
    parts = name.split("/")
    if any(len(part) > 1 and not part.strip(". ") for part in parts):  # Windows takes ".. " for ".."
        return "a name that leads out of it"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "a name with a control character"
    if ":" in name:  # on Windows a stream of another file
        return "a name with a colon"
    if any(part != "." and part.endswith((".", " ")) for part in parts):
        return "a name that ends in a dot or a blank, which Windows leaves off"
    try:
        too_long = len(os.fsencode(name)) > limits.PATH or max(len(os.fsencode(part)) for part in parts) > limits.PART
    except UnicodeEncodeError:
        return "a name in letters that this system can't write"
    return "a name that is too long" if too_long else None


def new_in(member: Member, seen: dict[str, tuple[str, bool]], archive: str) -> Iterator[Member]:
    """Each folder above a member that did not come yet, and the member; what clashes with another is refused."""
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if not parts and not member.is_folder:
        raise unsafe(archive, member.name, "a file without a name")
    for depth in range(1, len(parts) + 1):
        path, is_folder = "/".join(parts[:depth]), depth < len(parts) or member.is_folder
        # many disks tell neither capitals from small letters nor two ways to write an accent
        key = unicodedata.normalize("NFC", path).casefold()
        if key not in seen:
            seen[key] = path, is_folder
            yield Member(path, is_folder, 0 if is_folder else member.size, member.blocks)
        elif not (is_folder and seen[key] == (path, True)):
            raise unsafe(archive, path, clash(*seen[key], path, is_folder))


def clash(name: str, is_folder: bool, other: str, other_is_folder: bool) -> str:
    """How two members are in each other's way, in words."""
    if is_folder != other_is_folder:
        return "a file where a folder is needed"
    return "two files of one name" if name == other else "two names that some disks take for one"


def is_litter(name: str) -> bool:
    """Whether a Mac put it there for itself."""
    return any(part in ("__MACOSX", ".DS_Store") or part.startswith("._") for part in name.split("/"))
