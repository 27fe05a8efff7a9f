"""Unpack zip and tar archives safely, even malicious ones: into a new folder, completely or not at all.

The content decides what an archive is, not its name: a zip, or a tar that is plain or compressed with gzip, bzip2 or
xz. Each member must be a regular file or a folder inside the archive, or the whole archive is rejected. Links are not
allowed, so no path can lead elsewhere. Limits apply to the unpacked bytes, not to what a header claims. An archive
inside an archive is an ordinary file. Files that macOS adds (`__MACOSX/`, `.DS_Store`, `._*`) are checked and left out.

The `data` filter of tarfile allows more: links, sparse files, conflicting names, and names that only Windows reads as a
path out of the folder. It has no limits either. So both kinds of archives go through the same checks here.
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

# limits for archives, and the reason for each
BLOCK_SIZE = 2**20  # bytes in memory at a time
MAX_FILES = 200_000  # files and folders: five times as many as in OpenMIC, the largest dataset
MAX_RATIO = 100  # unpacked size: ten times the ratio of audio, pictures and tables, a tenth of deflate's maximum
MIN_TOTAL_LIMIT = 100_000_000  # bytes that even a tiny archive may unpack to
MAX_NAME_BYTES = 255  # of one name: the limit of ext4, APFS and NTFS
MAX_PATH_BYTES = 500  # half the limit of macOS; at most 250 folders deep, which Python can still remove
MAX_TABLE_BYTES = 2**25  # of a zip's table, which is read at once: 160 for each of MAX_FILES
MAX_XZ_MEMORY = 2**28  # bytes: twice what `xz -9` needs, where a file may request 4 GB
MAX_HEADER_BYTES = 2**15  # of the tar header of one file; usual are 512, or 2,048 with a long name

ERRORS = {
    "other": Message(
        "Expected a zip or tar archive, but {archive} {seen}. Download it again, or unpack it yourself and "
        "give the folder."
    ),
    "folder": Message("Expected a zip or tar archive, but {archive} is a folder. Give the archive in it."),
    "missing": Message("Expected a file, but {archive} {seen}. Check the path."),
    "closed": Message("Cannot open {archive} ({error}). Check its name and permissions."),
    "whole": Message("{archive} is incomplete or damaged. Download it again."),
    "damaged": Message("{archive} is damaged: {member} in it cannot be unpacked. Download it again."),
    "empty": Message("Expected files in {archive}, but it is empty. Download it again."),
    "locked": Message("{archive} is encrypted: {member} needs a password. Unpack it yourself and give the folder."),
    "method": Message(
        "Expected {archive} to be compressed with deflate, but {member} in it uses method {method}. Unpack it "
        "yourself and give the folder."
    ),
    "unsafe": Message(
        "Expected only regular files and folders in {archive}, but it contains {reason} ({member}). Download it "
        "from its publisher, or have it packed again."
    ),
    "many": Message(
        "Expected at most {limit} files and folders in {archive}, but it contains more. Unpack it yourself and "
        "give the folder."
    ),
    "large": Message(
        "Expected {archive} to unpack to at most {limit:.0f} MB, but it contains more: it may be a zip bomb, made "
        "to fill the disk. Download it from its publisher."
    ),
    "wordy": Message(
        "Expected at most {limit} bytes of header per file in {archive}, but one has more. Have it packed again "
        "without extended attributes."
    ),
    "name": Message(
        "Cannot unpack {archive}: this disk does not accept the name {member} ({error}). Choose a folder on "
        "another disk."
    ),
}
# raised by zipfile, tarfile and the decompressors for damaged files; NotImplementedError means an unknown compression
LIBRARY_ERRORS = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError),
    *(ValueError, OverflowError, IndexError, KeyError, NotImplementedError, RecursionError),
    MemoryError,
)
NAME_ERRNOS = {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL}
OTHER_ARCHIVES = {
    b"Rar!": Message("is a RAR archive"),
    b"7z\xbc\xaf": Message("is a 7z archive"),
    b"\x28\xb5\x2f\xfd": Message("is a zstd archive"),
}
ZIP_STARTS = (b"PK\3\4", b"PK\5\6")  # the second one begins an empty zip
ZIP_ENCRYPTED = 0x1  # a bit of the flags of a member
KINDS = {
    **dict.fromkeys((stat.S_IFLNK, tarfile.SYMTYPE), Message("a symbolic link")),
    tarfile.LNKTYPE: Message("a hard link"),
    **dict.fromkeys((stat.S_IFCHR, stat.S_IFBLK, tarfile.CHRTYPE, tarfile.BLKTYPE), Message("a device")),
    **dict.fromkeys((stat.S_IFIFO, tarfile.FIFOTYPE), Message("a pipe")),
}
OTHER_KIND = Message("something that is neither a file nor a folder")
NAME_FAULTS = (
    (r"\A(/|[A-Za-z]:)", Message("an absolute path")),
    (r"\\", Message("a name with a backslash")),
    (r"(\A|/)[. ]{2,}(/|\Z)", Message("a path out of the archive")),  # Windows reads ".. " as ".."
    (r"[\0-\x1f\x7f]", Message("a name with a control character")),
    (r":", Message("a name with a colon")),  # on Windows this means a stream of another file
    (r"([^/][. ]|(\A|/) )(/|\Z)", Message("a name that ends in a dot or a space, which Windows removes")),
)


@dataclass(frozen=True)
class Member:
    """A file or folder in an archive.

    Attributes
    ----------
    name : path in the archive; once checked, with forward slashes and without `.` and empty parts
    is_folder : whether it is a folder
    size : claimed size in bytes
    open : opens the content; valid only until the next member is read
    """

    name: str
    is_folder: bool
    size: int
    open: Callable[[], Any]


def inspect_archive(archive: Path) -> tuple[int, int]:
    """Count the files in an archive and add up their claimed sizes; a compressed tar is read completely for that.

    Raises
    ------
    InputError
        If it is no archive, incomplete, encrypted, or contains anything that `unpack_archive` rejects.
    """
    with contextlib.closing(_list_members(archive)) as members:
        sizes = [member.size for member in members if not member.is_folder]
    return len(sizes), sum(sizes)


def unpack_archive(archive: Path, folder: Path, progress: Callable[[int], None] | None = None) -> None:
    """Unpack an archive into the new `folder`: files with mode 0644, folders with 0755, minus the umask.

    After any failure, also Ctrl-C, nothing is left of `folder`. After each block, `progress` is called with the number
    of bytes written.

    Raises
    ------
    InputError
        If `folder` exists, the archive can't be unpacked completely and safely, or the disk is full.
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
    """Write the members of an archive into the empty `folder`."""
    with contextlib.closing(_list_members(archive)) as members:
        for member in members:
            place = folder / member.name
            try:
                if member.is_folder:
                    place.mkdir(0o755)
                    continue
                # x: never write into an existing file or through a link
                file = open(place, "xb", opener=lambda path, flags: os.open(path, flags, 0o644))
            except FileExistsError as error:  # many disks ignore case or accents
                raise _make_error(
                    "unsafe", archive, member.name, reason=Message("two names that are the same on some disks")
                ) from error
            except OSError as error:
                if error.errno not in NAME_ERRNOS:
                    raise
                raise _make_error("name", archive, member.name, error=describe_os_error(error)) from error
            with file:
                for block in _read_blocks(archive, member):
                    file.write(block)
                    if progress:
                        progress(len(block))


def _make_error(kind: str, archive: Path, member: str = "", **values: Any) -> InputError:
    """Make the error of a kind in `ERRORS`, with names in printable form."""
    return InputError(ERRORS[kind], archive=make_printable(str(archive)), member=make_printable(member), **values)


@contextlib.contextmanager
def _convert_errors(archive: Path, member: str = "") -> Iterator[None]:
    """Convert any exception that a library raises for a damaged archive to InputError."""
    try:
        yield
    except InputError:
        raise
    except LIBRARY_ERRORS as error:
        raise _make_error("damaged" if member else "whole", archive, member) from error


def _list_members(archive: Path) -> Generator[Member]:
    """Yield the files and folders of an archive, after checking them."""
    archive = Path(archive)
    try:
        if archive.is_dir():
            raise _make_error("folder", archive)
        if not archive.is_file():  # a pipe would block
            seen = Message("is neither a file nor a folder") if archive.exists() else Message("does not exist")
            raise _make_error("missing", archive, seen=seen)
        file = _BoundedFile(archive)
    except OSError as error:
        raise _make_error("closed", archive, error=describe_os_error(error)) from error
    with file:
        head, size = file.read(512), file.seek(0, os.SEEK_END)
        file.seek(0)
        limit = max(MIN_TOTAL_LIMIT, MAX_RATIO * size)
        is_zip = head.startswith(ZIP_STARTS)
        members = _list_zip(file, archive) if is_zip else _list_tar(file, head, limit, archive)
        yield from _check_members(members, limit, archive)


def _check_members(members: Iterator[Member], limit: int, archive: Path) -> Iterator[Member]:
    """Yield members with normalized names, and each folder once, before its content.

    Raises
    ------
    InputError
        If a name leads outside, or if there are too many files and folders, or more than `limit` bytes.
    """
    total = n_files = 0
    folders: set[str] = set()
    for count, member in enumerate(members, start=1):
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if reason := _find_name_fault(member.name) or (
            "" if parts or member.is_folder else Message("a file without a name")
        ):
            raise _make_error("unsafe", archive, member.name, reason=reason)
        total += 0 if member.is_folder else member.size
        if total > limit:
            raise _make_error("large", archive, limit=limit / 1e6)
        if not any(part in ("__MACOSX", ".DS_Store") or part.startswith("._") for part in parts):
            parents = ["/".join(parts[:depth]) for depth in range(1, len(parts) + member.is_folder)]
            for name in parents:
                if name not in folders:
                    folders.add(name)
                    yield Member(name, True, 0, member.open)
            if not member.is_folder:
                n_files += 1
                yield replace(member, name="/".join(parts))
        if count + len(folders) > MAX_FILES:
            raise _make_error("many", archive, limit=MAX_FILES)
    if not n_files:
        raise _make_error("empty", archive)


def _find_name_fault(name: str) -> str | None:
    """Return why the name of a member is not allowed; None if it is."""
    for pattern, reason in NAME_FAULTS:
        if re.search(pattern, name):
            return reason
    try:
        too_long = (
            len(os.fsencode(name)) > MAX_PATH_BYTES
            or max(len(os.fsencode(part)) for part in name.split("/")) > MAX_NAME_BYTES
        )
    except UnicodeEncodeError:
        return Message("a name with characters that this system can't write")
    return Message("a name that is too long") if too_long else None


def _read_blocks(archive: Path, member: Member) -> Iterator[bytes]:
    """Read a member in blocks, and check that it has exactly the claimed size."""
    left = member.size
    with _convert_errors(archive, member.name), member.open() as source:
        while block := source.read(BLOCK_SIZE):
            left -= len(block)
            if left < 0:
                break
            yield block
        if left:
            raise _make_error("damaged", archive, member.name)


class _BoundedFile(io.FileIO):
    """A file that limits the size of a single read, because zipfile reads its whole table at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes."""
        if size is not None and size > MAX_TABLE_BYTES:
            raise _make_error("many", Path(str(self.name)), limit=MAX_FILES)
        return super().read(size)


def _list_zip(file: _BoundedFile, archive: Path) -> Iterator[Member]:
    """Yield the members of a zip in the order of its table."""
    with _convert_errors(archive):
        table = zipfile.ZipFile(file)
    for info in table.infolist():
        # info.filename ends at a NUL, and an extra field can change it in newer versions of Python
        name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
        is_folder = name.endswith("/") or kind == stat.S_IFDIR
        if info.flag_bits & ZIP_ENCRYPTED:
            raise _make_error("locked", archive, name)
        # for other methods zipfile has no memory limit, or no support
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _make_error("method", archive, name, method=info.compress_type)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _make_error("unsafe", archive, name, reason=KINDS.get(kind, OTHER_KIND))
        if is_folder and info.file_size:
            raise _make_error("damaged", archive, name)
        whole = copy.copy(info)
        whole.file_size = sys.maxsize  # otherwise zipfile stops at the claimed size, and hides any excess
        yield Member(name, is_folder, info.file_size, functools.partial(table.open, whole))


class _TarStream:
    """A decompressed tar, read only forwards, and no further than a normal archive requires.

    tarfile accepts headers of any length, so every read is limited to the `allowance` in bytes that is left.
    """

    def __init__(self, file: Any, limit: int, archive: Path) -> None:
        self.file, self.limit, self.archive = file, limit, archive
        self.position, self.allowance, self.last = 0, MAX_HEADER_BYTES, b""

    def tell(self) -> int:
        """Return the position in bytes."""
        return self.position

    def read(self, size: int) -> bytes:
        """Read the next `size` bytes, or all that are left."""
        if not 0 <= size <= self.allowance:  # a negative size would read everything
            raise _make_error("wordy", self.archive, limit=MAX_HEADER_BYTES)
        self.allowance -= size
        self.last = self.file.read(size)
        self.position += len(self.last)
        if self.position > self.limit:
            raise _make_error("large", self.archive, limit=self.limit / 1e6)
        return self.last

    def seek(self, to: int) -> None:
        """Skip forwards to `to`."""
        if to < self.position:  # from a negative size, which could loop forever
            raise _make_error("whole", self.archive)
        allowance, self.allowance = self.allowance, sys.maxsize
        while self.position < to and self.read(min(BLOCK_SIZE, to - self.position)):
            pass
        self.allowance = allowance


class _XzFile:
    """A decompressed xz file with bounded memory, which Python's LZMAFile does not offer."""

    def __init__(self, file: Any) -> None:
        self.file, self.unpacker = file, self._begin()

    @staticmethod
    def _begin() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY)

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
                packed = (self.unpacker.unused_data or self.file.read(BLOCK_SIZE)).lstrip(b"\0")  # zeros are padding
                if not packed:
                    return b""
                self.unpacker = self._begin()
            elif self.unpacker.needs_input and not (packed := self.file.read(BLOCK_SIZE)):
                raise EOFError
            if data := self.unpacker.decompress(packed, size):
                return data


PACKINGS: dict[str, tuple[bytes, Callable[[Any], Any]]] = {
    "gzip": (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    "bzip2": (b"BZh", bz2.BZ2File),
    "xz": (b"\xfd7zXZ\0", _XzFile),
}


def _list_tar(file: _BoundedFile, head: bytes, limit: int, archive: Path) -> Iterator[Member]:
    """Yield the members of a tar that begins with the bytes `head`, one header after another."""
    packing = next((name for name, (mark, _) in PACKINGS.items() if head.startswith(mark)), None)
    with _convert_errors(archive):
        stream = _TarStream(PACKINGS[packing][1](file) if packing else file, limit, archive)
        try:
            # tarfile needs fewer methods of a file than its type stub requires
            tar = tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
        except tarfile.ReadError as error:
            raise _make_type_error(archive, head, packing) from error
        while info := tar.next():
            tar.members, tar.pax_headers = [], {}  # type: ignore[attr-defined]  # tarfile would keep all of them in memory
            if info.size < 0:
                raise _make_error("damaged", archive, info.name)
            if not (info.isreg() or info.isdir()) or info.issparse():
                reason = Message("a sparse file") if info.issparse() else KINDS.get(info.type, OTHER_KIND)
                raise _make_error("unsafe", archive, info.name, reason=reason)
            stream.allowance = sys.maxsize
            yield Member(info.name, info.isdir(), info.size, functools.partial(tar.extractfile, info))
            stream.allowance = MAX_HEADER_BYTES
        # tarfile also stops quietly at a cut between two members, or at a damaged header
        if stream.last != bytes(tarfile.BLOCKSIZE):
            raise _make_error("whole", archive)
        stream.allowance = sys.maxsize
        while packing and stream.read(BLOCK_SIZE):  # to the end, where the compression format has its checksum
            pass


def _make_type_error(archive: Path, head: bytes, packing: str | None) -> InputError:
    """Make the error for a file that is neither zip nor tar, from its first bytes."""
    if not head or head[257:262] == b"ustar":
        return _make_error("whole", archive)
    known = next((words for mark, words in OTHER_ARCHIVES.items() if head.startswith(mark)), None)
    seen = (
        Message("contains something else, compressed with {packing}", packing=packing)
        if packing
        else known or describe_unknown(head)
    )
    return _make_error("other", archive, seen=seen)
