"""What is in a tar, plain or packed with gzip, bzip2 or xz."""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import tarfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from musicml.data.download.archives import limits
from musicml.data.download.archives.members import DIFFERENT, Member
from musicml.data.download.archives.messages import damaged, no_archive, reading, too_much, unsafe, wordy

PACKINGS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


class Readable(Protocol):
    """What gives its bytes one after another."""

    def read(self, size: int, /) -> bytes:
        """One to `size` bytes; none at the end."""
        ...


class Stream:
    """A tar as it comes out of its packing: read forwards only, and no further than an honest one goes.

    Attributes
    ----------
    at : bytes read or stepped over
    header : bytes that may still be read to learn what comes next; tarfile takes a description of any length
    last : what was read last
    plain : the file itself, which can be stepped over, where nothing is packed
    """

    def __init__(self, file: Readable, plain: BinaryIO | None, most: int, archive: str) -> None:
        self.file, self.plain, self.most, self.archive = file, plain, most, archive
        self.at, self.header, self.last = 0, limits.HEADER, b""

    def tell(self) -> int:
        """Where it stands, in bytes."""
        return self.at

    def read(self, size: int) -> bytes:
        """The next `size` bytes of a header, or all that are left."""
        if not 0 <= size <= self.header:  # below 0 a file gives all that is left
            raise wordy(self.archive)
        self.header -= size
        return self.take(size)

    def take(self, size: int) -> bytes:
        """The next `size` bytes of whatever comes, or all that are left."""
        found = []
        while size and (data := self.file.read(size)):
            found.append(data)
            size -= len(data)
        self.last = b"".join(found)
        self.at += len(self.last)
        if self.at > self.most:
            raise too_much(self.archive, self.most)
        return self.last

    def seek(self, to: int) -> None:
        """Step forwards to `to`; behind the end there is nothing to be read."""
        if to < self.at:  # where a negative size would lead, round and round
            raise damaged(self.archive)
        if self.plain is not None:
            self.plain.seek(to)
            self.at = to
        while self.at < to and self.take(min(limits.BLOCK, to - self.at)):
            pass


class Xz:
    """What is packed in an xz file, unpacked in bounded memory, which Python's LZMAFile has no setting for."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.unpacker = file, self.begun()

    @staticmethod
    def begun() -> lzma.LZMADecompressor:
        """An unpacker for one stream, of which a file may hold several."""
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=limits.XZ_MEMORY)

    def read(self, size: int) -> bytes:
        """One to `size` bytes; none at the end."""
        while True:
            packed = b""
            if self.unpacker.eof:
                packed = (self.unpacker.unused_data or self.file.read(limits.BLOCK)).lstrip(b"\0")  # only fills up
                if not packed:
                    return b""
                self.unpacker = self.begun()
            elif self.unpacker.needs_input and not (packed := self.file.read(limits.BLOCK)):
                raise EOFError
            if data := self.unpacker.decompress(packed, size):
                return data


OPENERS: dict[str | None, Callable[[BinaryIO], Readable]] = {
    None: lambda file: file,
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "bzip2": bz2.BZ2File,
    "xz": Xz,
}


def in_tar(file: BinaryIO, head: bytes, most: int, archive: str) -> Iterator[Member]:
    """The members of a tar whose first bytes are `head`, one header after another."""
    packing = next((kind for mark, kind in PACKINGS.items() if head.startswith(mark)), None)
    stream = Stream(OPENERS[packing](file), None if packing else file, most, archive)
    with reading(archive):
        try:
            # of a file that it reads, tarfile asks less than its stub says
            tar = tarfile.TarFile(fileobj=stream, encoding="utf-8", errors="surrogateescape")  # type: ignore[arg-type]
        except tarfile.ReadError as error:
            raise no_archive(archive, head, packing) from error
    while info := next_in(tar, stream):
        if not (info.isreg() or info.isdir()) or info.issparse():
            reason = "a sparse file" if info.issparse() else KINDS.get(info.type, DIFFERENT)
            raise unsafe(archive, info.name, reason)
        yield Member(info.name, info.isdir(), info.size, functools.partial(content, stream, info))
    # for tarfile it ends as well where it was cut between two members, or where a header is damaged
    if stream.last != bytes(tarfile.BLOCKSIZE):
        raise damaged(archive)
    with reading(archive):
        while packing and stream.take(limits.BLOCK):  # to the packing's own checksum, behind all else
            pass


def next_in(tar: tarfile.TarFile, stream: Stream) -> tarfile.TarInfo | None:
    """The next header of a tar, None at its end."""
    with reading(stream.archive):
        stream.header = limits.HEADER
        info = tar.next()
        tar.members = []  # type: ignore[attr-defined]  # the stub lacks it; tarfile would keep them all
        tar.pax_headers = {}
        if info and info.size < 0:
            raise damaged(stream.archive, info.name)
        return info


def content(stream: Stream, info: tarfile.TarInfo) -> Iterator[bytes]:
    """The bytes of a member, as many as were declared."""
    left = info.size
    with reading(stream.archive, info.name):
        stream.seek(info.offset_data)
        while left:
            block = stream.take(min(limits.BLOCK, left))
            if not block:
                raise damaged(stream.archive, info.name)
            left -= len(block)
            yield block
