"""Pages of Ogg: whether all of them are whole, and of one recording."""

from __future__ import annotations

import zlib
from typing import BinaryIO

from musicml.data.io.stream import FileView

MOST_BYTES = 2**27  # more than the seconds that are heard of a file can have
FIRST, LAST = 2, 4  # flags of a page: it begins, it ends a stream
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # each byte with its bits in the other order


def is_whole_ogg(file: BinaryIO | FileView) -> bool:
    """Return whether an Ogg's pages follow each other without damage, up to its end or to where it was cut off.

    libsndfile leaves out a damaged page in silence, and what follows the end of a first recording. Pages: RFC 3533,
    section 6: 26 bytes, the number of segments, a byte for the length of each, and the segments.
    """
    file.seek(0)
    is_whole, flags, has_begun = True, 0, False
    while is_whole and file.tell() < MOST_BYTES and len(head := file.read(27)) == 27:
        lengths = file.read(head[26])
        body = file.read(sum(lengths))
        if len(body) < sum(lengths) or (flags & LAST and head[:4] != b"OggS"):
            break
        flags = head[5]
        is_whole = head[:4] == b"OggS" and compute_checksum(head, lengths, body) == head[22:26]
        is_whole &= not (has_begun and flags & FIRST)
        has_begun |= not flags & FIRST
    file.seek(0)
    return is_whole


def compute_checksum(head: bytes, lengths: bytes, body: bytes) -> bytes:
    """Return a page's checksum, its own field taken as 0.

    It is that of zlib with all bits in the other order, and zlib takes no time.
    """
    page = b"".join((head[:22], bytes(4), head[26:], lengths, body)).translate(MIRRORED)
    return (zlib.crc32(page, 2**32 - 1) ^ 2**32 - 1).to_bytes(4, "big").translate(MIRRORED)
