"""Unpack archives so that a hostile one does no harm: into a new folder, all of it or nothing.

The content decides what an archive is, never its name: a zip, or a tar, plain or packed with gzip, bzip2 or xz. Each
member must be a plain file or a folder below the archive's own, or the whole archive is refused. There are no links, so
nothing can lead elsewhere. What counts is what comes out, not what a header declares. An archive inside an archive is a
file like any other. What a Mac adds (`__MACOSX/`, `.DS_Store`, `._*`) is checked like the rest, and left out.

The `data` filter of tarfile lets more pass: links, sparse files, names that clash, and names that only Windows reads as
a way out. It knows no limits either. So both kinds of archives go through the same checks here.
"""

from __future__ import annotations

import bz2
import contextlib
import copy
import errno
import functools
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from musicml.data.io import describe_unknown
from musicml.utils import InputError, Message, describe_os_error, make_printable, os_error_to_input_error

# How much of anything an archive may hold, and why so much.
BLOCK = 2**20  # bytes held at a time
FILES = 200_000  # files and folders: five times what the largest data set here has, OpenMIC with 40,000
EXPANSION = 100  # times its size: ten times what sound, pictures and tables do, a tenth of what deflate can
SMALL = 100_000_000  # bytes that any archive may unpack to, however little it is
PART = 255  # bytes of one name: what ext4, APFS and NTFS take
PATH = 500  # bytes of a path: half of what macOS takes; so at most 250 folders deep, which Python can still remove
TABLE = 2**25  # bytes of a zip's table, which is read at once: 160 for each of FILES
XZ_MEMORY = 2**28  # bytes that unpacking an xz may take: twice what `xz -9` asks for, where a file may ask for 4 GB
HEADER = 2**15  # bytes in which a tar describes one file; usual are 512, and 2,048 with a long name

REFUSALS = {
    "other": Message(
        "{archive} must be a zip or tar archive, and {seen}: fetch it again, or unpack it yourself and give the folder."
    ),
    "folder": Message("{archive} must be a zip or tar archive, and is a folder: name the archive in it."),
    "missing": Message("{archive} must be a file, and {seen}: check how it is spelt."),
    "closed": Message(
        "{archive} must be a file that can be opened, and can't be ({error}): check its name and who may read it."
    ),
    "whole": Message("{archive} must be whole, and is cut off or damaged: fetch it again."),
    "damaged": Message("{archive} must be whole, and {member} in it is damaged: fetch it again."),
    "empty": Message("{archive} must hold files, and holds none: fetch it again."),
    "locked": Message(
        "{archive} must open without a password, and {member} in it needs one: unpack it yourself and give the folder."
    ),
    "method": Message(
        "{archive} must be packed by deflate, as is usual, and {member} in it is packed by method {method}: "
        "unpack it yourself and give the folder."
    ),
    "unsafe": Message(
        "{archive} must hold plain files and folders below its own, and holds {reason} ({member}): fetch it from "
        "its publisher, or have it packed again."
    ),
    "many": Message(
        "{archive} must hold at most {limit} files and folders, and holds more: unpack it yourself and give the folder."
    ),
    "large": Message(
        "{archive} must unpack to at most {limit:.0f} MB for its size, and holds more: it was made to fill a "
        "disk; fetch it from its publisher."
    ),
    "wordy": Message(
        "{archive} must describe each file in {limit} bytes or less, and takes more for one: have it packed "
        "again, without extended attributes."
    ),
    "name": Message(
        "{archive} must be unpacked to a disk that takes its names, and this one refuses {member} ({error}): "
        "choose a folder on another."
    ),
}
# what zipfile, tarfile and the packings below them raise when they are given damaged files; NotImplementedError is
# zipfile's word for a compression that it does not know
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError),
    *(ValueError, OverflowError, IndexError, KeyError, NotImplementedError, RecursionError),
    MemoryError,
)
NO_NAME = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
ELSEWHERE = {
    b"Rar!": Message("is a RAR archive"),
    b"7z\xbc\xaf": Message("is a 7z archive"),
    b"\x28\xb5\x2f\xfd": Message("is a zstd archive"),
}
ZIP_STARTS = (b"PK\3\4", b"PK\5\6")  # the second begins one without files
ZIP_ENCRYPTED = 0x1  # a bit of a member's flags
KINDS = {
    **dict.fromkeys((stat.S_IFLNK, tarfile.SYMTYPE), Message("a symbolic link")),
    tarfile.LNKTYPE: Message("a hard link"),
    **dict.fromkeys((stat.S_IFCHR, stat.S_IFBLK, tarfile.CHRTYPE, tarfile.BLKTYPE), Message("a device")),
    **dict.fromkeys((stat.S_IFIFO, tarfile.FIFOTYPE), Message("a pipe")),
}
OTHER_KIND = Message("something that is neither file nor folder")
NAME_FAULTS = (
    (r"\A(/|[A-Za-z]:)", Message("a name that begins at the root of a disk")),
    (r"\\", Message("a name with a backslash")),
    (r"(\A|/)[. ]{2,}(/|\Z)", Message("a name that leads out of it")),  # Windows takes ".. " for ".."
    (r"[\0-\x1f\x7f]", Message("a name with a control character")),
    (r":", Message("a name with a colon")),  # on Windows a stream of another file
    (r"([^/][. ]|(\A|/) )(/|\Z)", Message("a name that ends in a dot or a blank, which Windows leaves off")),
)


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive.

    Attributes
    ----------
    name : its path there; once checked, with forward slashes and without `.` and empty parts
    is_folder : whether it is a folder
    size : bytes, as declared
    open : opens its content; only until the next member is asked for
    """

    name: str
    is_folder: bool
    size: int
    open: Callable[[], Any]


def inspect_archive(archive: Path) -> tuple[int, int]:
    """Count the files in an archive and their bytes, as declared; a packed tar is read through for that.

    Raises
    ------
    InputError
        If it is no archive, half of one, locked, or holds what `unpack_archive` would not unpack.
    """
    with contextlib.closing(_list_members(archive)) as members:
        sizes = [member.size for member in members if not member.is_folder]
    return len(sizes), sum(sizes)


def unpack_archive(archive: Path, folder: Path, progress: Callable[[int], None] | None = None) -> None:
    """Unpack an archive into the new `folder`: files as 0644, folders as 0755, less the umask, owned by the user.

    Whatever stops it, Ctrl-C as well, nothing is left of `folder`. After each block, `progress` is called with the
    number of bytes written.

    Raises
    ------
    InputError
        If `folder` is there, the archive can't be unpacked whole and safely, or the disk is full.
    """
    try:
        folder.mkdir(0o755, parents=True)
        try:
            _write_members(archive, folder, progress)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise os_error_to_input_error(error, folder) from error


def _write_members(archive: Path, folder: Path, progress: Callable[[int], None] | None) -> None:
    """Write the members of an archive below `folder`, which is empty."""
    with contextlib.closing(_list_members(archive)) as members:
        for member in members:
            place = folder / member.name
            try:
                if member.is_folder:
                    place.mkdir(0o755)
                    continue
                # x: never into what is there, a link least of all
                file = open(place, "xb", opener=lambda path, flags: os.open(path, flags, 0o644))
            except FileExistsError as error:  # on many disks capitals or accents are no difference
                raise _refuse(
                    "unsafe", archive, member.name, reason=Message("two names that some disks take for one")
                ) from error
            except OSError as error:
                if error.errno not in NO_NAME:
                    raise
                raise _refuse("name", archive, member.name, error=describe_os_error(error)) from error
            with file:
                for block in _read_blocks(archive, member):
                    file.write(block)
                    if progress:
                        progress(len(block))


def _refuse(kind: str, archive: Path, member: str = "", **values: Any) -> InputError:
    """Make the refusal of a kind; names are shown on one line."""
    return InputError(REFUSALS[kind], archive=make_printable(str(archive)), member=make_printable(member), **values)


@contextlib.contextmanager
def _reading(archive: Path, member: str = "") -> Iterator[None]:
    """Turn whatever a library raises at a damaged archive into one refusal."""
    try:
        yield
    except InputError:
        raise
    except DAMAGED as error:
        raise _refuse("damaged" if member else "whole", archive, member) from error


def _list_members(archive: Path) -> Generator[Member]:
    """Give the checked files and folders of an archive one after another."""
    archive = Path(archive)
    try:
        if archive.is_dir():
            raise _refuse("folder", archive)
        if not archive.is_file():  # a pipe would have us wait
            seen = Message("is none that can be read") if archive.exists() else Message("there is none of that name")
            raise _refuse("missing", archive, seen=seen)
        file = _BoundedFile(archive)
    except OSError as error:
        raise _refuse("closed", archive, error=describe_os_error(error)) from error
    with file:
        head, size = file.read(512), file.seek(0, os.SEEK_END)
        file.seek(0)
        limit = max(SMALL, EXPANSION * size)
        is_zip = head.startswith(ZIP_STARTS)
        found = _list_zip(file, archive) if is_zip else _list_tar(file, head, limit, archive)
        yield from _check_members(found, limit, archive)


def _check_members(found: Iterator[Member], limit: int, archive: Path) -> Iterator[Member]:
    """Give members clean names, each folder once and before what it holds.

    Raises
    ------
    InputError
        If a name leads elsewhere, or if there are too many files and folders, or more than `limit` bytes.
    """
    total = n_files = 0
    folders: set[str] = set()
    for count, member in enumerate(found, start=1):
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if reason := _find_name_fault(member.name) or (
            "" if parts or member.is_folder else Message("a file without a name")
        ):
            raise _refuse("unsafe", archive, member.name, reason=reason)
        total += 0 if member.is_folder else member.size
        if total > limit:
            raise _refuse("large", archive, limit=limit / 1e6)
        if not any(part in ("__MACOSX", ".DS_Store") or part.startswith("._") for part in parts):
            above = ["/".join(parts[:depth]) for depth in range(1, len(parts) + member.is_folder)]
            for name in above:
                if name not in folders:
                    folders.add(name)
                    yield Member(name, True, 0, member.open)
            if not member.is_folder:
                n_files += 1
                yield replace(member, name="/".join(parts))
        if count + len(folders) > FILES:
            raise _refuse("many", archive, limit=FILES)
    if not n_files:
        raise _refuse("empty", archive)


def _find_name_fault(name: str) -> str | None:
    """Say why the name of a member can't be used; None where it can."""
    for pattern, reason in NAME_FAULTS:
        if re.search(pattern, name):
            return reason
    try:
        too_long = len(os.fsencode(name)) > PATH or max(len(os.fsencode(part)) for part in name.split("/")) > PART
    except UnicodeEncodeError:
        return Message("a name in letters that this system can't write")
    return Message("a name that is too long") if too_long else None


def _read_blocks(archive: Path, member: Member) -> Iterator[bytes]:
    """Read a member in blocks, exactly as many bytes as were declared."""
    left = member.size
    with _reading(archive, member.name), member.open() as source:
        while block := source.read(BLOCK):
            left -= len(block)
            if left < 0:
                break
            yield block
        if left:
            raise _refuse("damaged", archive, member.name)


class _BoundedFile(io.FileIO):
    """A file that gives no more at once than an honest zip's table takes, since zipfile reads its table whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes."""
        if size is not None and size > TABLE:
            raise _refuse("many", Path(str(self.name)), limit=FILES)
        return super().read(size)


def _list_zip(file: _BoundedFile, archive: Path) -> Iterator[Member]:
    """Give the members of a zip, as its table names them."""
    with _reading(archive):
        table = zipfile.ZipFile(file)
    for info in table.infolist():
        # not info.filename, which ends at a NUL, and which an extra field can change in newer versions of Python
        name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
        is_folder = name.endswith("/") or kind == stat.S_IFDIR
        if info.flag_bits & ZIP_ENCRYPTED:
            raise _refuse("locked", archive, name)
        # by other methods zipfile unpacks without a bound on memory, or not at all
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refuse("method", archive, name, method=info.compress_type)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _refuse("unsafe", archive, name, reason=KINDS.get(kind, OTHER_KIND))
        if is_folder and info.file_size:
            raise _refuse("damaged", archive, name)
        whole = copy.copy(info)
        whole.file_size = sys.maxsize  # zipfile ends at what is declared, and would hide that there is more
        yield Member(name, is_folder, info.file_size, functools.partial(table.open, whole))


class _TarStream:
    """A tar as it comes out of its packing: read forwards only, and no further than an honest one goes.

    tarfile takes a description of any length. So whatever is read is bounded: to `allowance` bytes from now on.
    """

    def __init__(self, file: Any, limit: int, archive: Path) -> None:
        self.file, self.limit, self.archive = file, limit, archive
        self.position, self.allowance, self.last = 0, HEADER, b""

    def tell(self) -> int:
        """Return where it stands, in bytes."""
        return self.position

    def read(self, size: int) -> bytes:
        """Read the next `size` bytes, or all that are left."""
        if not 0 <= size <= self.allowance:  # below 0 a file gives all that is left
            raise _refuse("wordy", self.archive, limit=HEADER)
        self.allowance -= size
        self.last = self.file.read(size)
        self.position += len(self.last)
        if self.position > self.limit:
            raise _refuse("large", self.archive, limit=self.limit / 1e6)
        return self.last

    def seek(self, to: int) -> None:
        """Step forwards to `to`; behind the end there is nothing to be read."""
        if to < self.position:  # where a negative size would lead, round and round
            raise _refuse("whole", self.archive)
        allowance, self.allowance = self.allowance, sys.maxsize
        while self.position < to and self.read(min(BLOCK, to - self.position)):
            pass
        self.allowance = allowance


class _XzFile:
    """What is packed in an xz file, unpacked in bounded memory, which Python's LZMAFile has no setting for."""

    def __init__(self, file: Any) -> None:
        self.file, self.unpacker = file, self._begin()

    @staticmethod
    def _begin() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)

    def read(self, size: int) -> bytes:
        """Read `size` bytes, or those that are left."""
        parts = []
        while size and (part := self._read_some(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _read_some(self, size: int) -> bytes:
        while True:
            packed = b""
            if self.unpacker.eof:
                packed = (self.unpacker.unused_data or self.file.read(BLOCK)).lstrip(b"\0")  # zeros only fill up
                if not packed:
                    return b""
                self.unpacker = self._begin()
            elif self.unpacker.needs_input and not (packed := self.file.read(BLOCK)):
                raise EOFError
            if data := self.unpacker.decompress(packed, size):
                return data


PACKINGS: dict[str, tuple[bytes, Callable[[Any], Any]]] = {
    "gzip": (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    "bzip2": (b"BZh", bz2.BZ2File),
    "xz": (b"\xfd7zXZ\0", _XzFile),
}


def _list_tar(file: _BoundedFile, head: bytes, limit: int, archive: Path) -> Iterator[Member]:
    """Give the members of a tar whose first bytes are `head`, one header after another."""
    packing = next((name for name, (mark, _) in PACKINGS.items() if head.startswith(mark)), None)
    with _reading(archive):
        stream = _TarStream(PACKINGS[packing][1](file) if packing else file, limit, archive)
        try:
            # tarfile asks less of a file that it reads than its stub says
            tar = tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
        except tarfile.ReadError as error:
            raise _refuse_other(archive, head, packing) from error
        while info := tar.next():
            tar.members, tar.pax_headers = [], {}  # type: ignore[attr-defined]  # tarfile would keep them all
            if info.size < 0:
                raise _refuse("damaged", archive, info.name)
            if not (info.isreg() or info.isdir()) or info.issparse():
                reason = Message("a sparse file") if info.issparse() else KINDS.get(info.type, OTHER_KIND)
                raise _refuse("unsafe", archive, info.name, reason=reason)
            stream.allowance = sys.maxsize
            yield Member(info.name, info.isdir(), info.size, functools.partial(tar.extractfile, info))
            stream.allowance = HEADER
        # for tarfile it ends as well where it was cut between two members, or where a header is damaged
        if stream.last != bytes(tarfile.BLOCKSIZE):
            raise _refuse("whole", archive)
        stream.allowance = sys.maxsize
        while packing and stream.read(BLOCK):  # to the packing's own checksum, behind all else
            pass


def _refuse_other(archive: Path, head: bytes, packing: str | None) -> InputError:
    """Make the refusal of a file that is neither zip nor tar, by its first bytes."""
    if not head or head[257:262] == b"ustar":
        return _refuse("whole", archive)
    known = next((words for mark, words in ELSEWHERE.items() if head.startswith(mark)), None)
    seen = (
        Message("holds something else, packed with {packing}", packing=packing)
        if packing
        else known or describe_unknown(head)
    )
    return _refuse("other", archive, seen=seen)
