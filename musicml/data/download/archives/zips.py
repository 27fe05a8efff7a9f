"""What is in a zip."""

from __future__ import annotations

import copy
import functools
import io
import stat
import sys
import zipfile
from collections.abc import Iterator

from musicml.data.download.archives import limits
from musicml.data.download.archives.members import DIFFERENT, Member
from musicml.data.download.archives.messages import damaged, locked, longer, other_method, reading, too_many, unsafe
from musicml.utils import make_printable

STARTS = (b"PK\3\4", b"PK\5\6")  # the second begins one without files
KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFIFO: "a pipe"}
FILE_HEADER = 30  # bytes before a member's data, its name left out
ENCRYPTED = 0x1  # a bit of a member's flags


class Bounded(io.FileIO):
    """A file of which no more is read at once than an honest zip's table takes, since zipfile reads it whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to `size` bytes."""
        if size is not None and size > limits.TABLE:
            raise too_many(make_printable(str(self.name)))
        return super().read(size)


def in_zip(file: Bounded, archive: str) -> Iterator[Member]:
    """The members of a zip, as its table names them."""
    with reading(archive):
        table = zipfile.ZipFile(file)
    check_apart(table, archive)
    for info in table.infolist():
        # not info.filename, which ends at a NUL, and which an extra field can change in newer versions of Python
        name, kind = info.orig_filename, stat.S_IFMT(info.external_attr >> 16)
        if info.flag_bits & ENCRYPTED:
            raise locked(archive, name)
        # by other methods zipfile unpacks without a bound on memory, or not at all
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise other_method(archive, name, info.compress_type)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise unsafe(archive, name, KINDS.get(kind, DIFFERENT))
        is_folder = name.endswith("/") or kind == stat.S_IFDIR
        if is_folder and info.file_size:
            raise damaged(archive, name)
        yield Member(name, is_folder, info.file_size, functools.partial(content, table, info, archive))


def check_apart(table: zipfile.ZipFile, archive: str) -> None:
    """Refuse a zip whose members share their data, by which a few bytes become very many."""
    infos = sorted(table.infolist(), key=lambda info: info.header_offset)
    ends = [info.header_offset + FILE_HEADER + info.compress_size for info in infos]
    starts = [info.header_offset for info in infos[1:]] + [table.start_dir]
    for info, end, start in zip(infos, ends, starts, strict=False):  # of no files there is still the table's start
        if end > start:
            raise unsafe(archive, info.orig_filename, "data that belong to another file as well")


def content(table: zipfile.ZipFile, info: zipfile.ZipInfo, archive: str) -> Iterator[bytes]:
    """The bytes of a member, exactly as many as were declared."""
    asked, left = copy.copy(info), info.file_size
    asked.file_size = sys.maxsize  # zipfile ends at what is declared, and would hide that there is more
    with reading(archive, info.orig_filename), table.open(asked) as source:
        while block := source.read(limits.BLOCK):
            left -= len(block)
            if left < 0:
                raise longer(archive, info.orig_filename, info.file_size)
            yield block
    if left:
        raise damaged(archive, info.orig_filename)
