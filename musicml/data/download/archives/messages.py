"""What is said of an archive that is not unpacked: one sentence with the rule, what came and the cure."""

from __future__ import annotations

import contextlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from musicml.data.download.archives import limits
from musicml.data.io import describe_unknown
from musicml.utils import InputError, make_printable

# what zipfile, tarfile and the packings below them raise when they are given damaged files
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError),
    *(ValueError, OverflowError, IndexError, KeyError, NotImplementedError, RecursionError),
)
ELSEWHERE = {b"Rar!": "is a RAR archive", b"7z\xbc\xaf": "is a 7z archive", b"\x28\xb5\x2f\xfd": "is a zstd archive"}


@contextlib.contextmanager
def reading(archive: str, member: str = "") -> Iterator[None]:
    """Say that the archive is damaged, whichever way the library says so."""
    try:
        yield
    except InputError:
        raise
    except DAMAGED as error:
        raise damaged(archive, member) from error


def no_archive(archive: str, head: bytes, packing: str | None) -> InputError:
    """Neither zip nor tar by its content, of which `head` is the beginning."""
    if not head or head[257:262] == b"ustar":
        return damaged(archive)
    other = next((words for mark, words in ELSEWHERE.items() if head.startswith(mark)), None) or describe_unknown(head)
    seen = f"holds something else, packed with {packing}" if packing else other
    return InputError(
        "{archive} must be a zip or tar archive, and {seen}: "
        "fetch it again, or unpack it yourself and give the folder.",
        archive=archive,
        seen=seen,
    )


def damaged(archive: str, member: str = "") -> InputError:
    """Half an archive, or one that changed on its way."""
    if member:
        return InputError(
            "{archive} must be whole, and {member} in it is damaged: fetch it again.",
            archive=archive,
            member=make_printable(member),
        )
    return InputError("{archive} must be whole, and is cut off or damaged: fetch it again.", archive=archive)


def empty(archive: str) -> InputError:
    """No file in it."""
    return InputError("{archive} must hold files, and holds none: fetch it again.", archive=archive)


def locked(archive: str, member: str) -> InputError:
    """Encrypted."""
    return InputError(
        "{archive} must open without a password, and {member} in it needs one: unpack it yourself and give the folder.",
        archive=archive,
        member=make_printable(member),
    )


def other_method(archive: str, member: str, method: int) -> InputError:
    """A zip that is packed as few are; `method` is the number that the format gives it."""
    return InputError(
        "{archive} must be packed by deflate, as is usual, and {member} in it is packed by method "
        "{method}: unpack it yourself and give the folder.",
        archive=archive,
        member=make_printable(member),
        method=method,
    )


def unsafe(archive: str, member: str, reason: str) -> InputError:
    """A member that could do harm, or that some disk would lay over another."""
    return InputError(
        "{archive} must hold plain files and folders below its own, and holds {reason} ({member}): "
        "fetch it from its publisher, or have it packed again.",
        archive=archive,
        reason=reason,
        member=make_printable(member),
    )


def too_many(archive: str) -> InputError:
    """More files and folders than any data set has."""
    return InputError(
        "{archive} must hold at most {limits_files} files and folders, and holds more: "
        "unpack it yourself and give the folder.",
        archive=archive,
        limits_files=limits.FILES,
    )


def too_much(archive: str, most: int) -> InputError:
    """More bytes than honest archives unpack to."""
    return InputError(
        "{archive} must unpack to at most {most:.0f} MB for its size, and holds more: "
        "it was made to fill a disk; fetch it from its publisher.",
        archive=archive,
        most=most / 1e6,
    )


def longer(archive: str, member: str, size: int) -> InputError:
    """A member of more bytes than the table says, `size`."""
    return InputError(
        "{archive} must hold what its table says, and {member} in it is longer than {size} bytes: "
        "fetch it from its publisher, or have it packed again.",
        archive=archive,
        member=make_printable(member),
        size=size,
    )


def wordy(archive: str) -> InputError:
    """A tar with a very long description of one file."""
    return InputError(
        "{archive} must describe each file in {limits_header} bytes or less, and takes more for one: "
        "have it packed again, without extended attributes.",
        archive=archive,
        limits_header=limits.HEADER,
    )


def no_name_here(archive: str, member: str, error: OSError) -> InputError:
    """A name that this disk does not take."""
    return InputError(
        "{archive} must be unpacked to a disk that takes its names, and this one refuses {member} "
        "({error_strerror}): choose a folder on another.",
        archive=archive,
        member=make_printable(member),
        error_strerror=error.strerror,
    )


def taken(archive: str, folder: object) -> InputError:
    """The folder that it should go to is there."""
    return InputError(
        "{folder} must be free for what {archive} holds, and is there already: move it away, or choose another folder.",
        folder=folder,
        archive=archive,
    )
