"""Check audio containers: boxes of m4a, elements of webm and mka, pages of Ogg, and two files joined together."""

from __future__ import annotations

import io
import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from musicml.data.io.stream import CONVERT, FileView
from musicml.utils import InputError

PARENT_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}
COUNT_OFFSETS = {b"stsz": 8, b"stz2": 8, b"trun": 4}  # offset of the packet count in a box
MAX_BOXES = 1000  # searched for the beginning of a second file

MAX_WEBM_BYTES = 2**26  # examined at either end, more than fifteen minutes of audio take
# elements without audio: seek head, information, tracks, chapters, cues, attachments, tags (RFC 9559, section 5.1)
CLUSTER = bytes.fromhex("1f43b675")
DURATION = b"\x44\x89"  # followed by its size and a float
NON_AUDIO = [
    mark.to_bytes(4) for mark in (0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1043A770, 0x1C53BB6B, 0x1941A469, 0x1254C367)
]

MAX_OGG_BYTES = 2**27  # more than the decoded part of any file
FIRST, LAST = 2, 4  # page flags: beginning and end of a stream
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # each byte with its bits in reverse order


# m4a


def check_boxes(file: BinaryIO | FileView, name: str) -> None:
    """Reject an m4a that claims more packets than it has bytes: FFmpeg allocates memory for all of them first.

    Boxes: ISO/IEC 14496-12, 4.2 (box), 8.7.3 (stsz, stz2), 8.8.8 (trun).
    """
    size = file.seek(0, io.SEEK_END)
    claimed = sum(_count_packets(file, 0, size))
    file.seek(0)
    if claimed > size:
        raise InputError(
            "The header of {name} claims {claimed} packets, but the file has only {size} bytes. {convert}.",
            name=name,
            claimed=claimed,
            size=size,
            convert=CONVERT,
        )


def _list_boxes(file: BinaryIO | FileView, place: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield the boxes between two offsets: type, begin of the box, begin of its content, end."""
    while place + 8 <= end:
        file.seek(place)
        length, kind = struct.unpack(">I4s", file.read(8))
        first = place + 8
        if length == 1 and first + 8 <= end:
            (length,) = struct.unpack(">Q", file.read(8))
            first += 8
        end_of_box = end if length == 0 else min(place + length, end)
        if end_of_box <= place + 7:
            return
        yield kind, place, first, end_of_box
        place = end_of_box


def _count_packets(file: BinaryIO | FileView, place: int, end: int) -> Iterator[int]:
    """Yield the packet count that each box between two offsets claims."""
    for kind, _, first, end_of_box in _list_boxes(file, place, end):
        if kind in PARENT_BOXES:
            yield from _count_packets(file, first, end_of_box)
        elif kind in COUNT_OFFSETS:
            file.seek(first + COUNT_OFFSETS[kind])
            count = file.read(4)
            yield int.from_bytes(count, "big") if len(count) == 4 else 0


# Webm and mka: a browser's recording has no duration in its header


def has_duration(file: BinaryIO | FileView) -> bool:
    """Return whether the header has a duration; without one FFmpeg guesses it from a bit rate."""
    place = file.tell()
    file.seek(0)
    head = file.read(2**16).partition(CLUSTER)[0]
    file.seek(place)
    at = head.find(DURATION)
    return at >= 0 and any(head[at + 3 : at + 3 + (head[at + 2] & 15)])


def measure_lost(file: BinaryIO | FileView, first: int, last: int) -> tuple[int, int]:
    """Return the audio bytes before the first packet and after the last, which a damaged file lost.

    Parameters
    ----------
    first, last : offsets in bytes at which the first packet begins and the last one ends
    """
    place = file.tell()
    file.seek(0)
    before = file.read(min(first, MAX_WEBM_BYTES))
    file.seek(last)
    behind = file.read(MAX_WEBM_BYTES)
    file.seek(place)
    front = max(before.rfind(mark) for mark in NON_AUDIO)  # the seek head lists all the marks, so take the last
    begin = front + _measure_element(before[front : front + 12])
    end = min((at for at in map(behind.find, NON_AUDIO) if at >= 0), default=len(behind))
    return len(before) - (begin if begin <= len(before) else front), len(behind[:end].rstrip(b"\0"))


def _measure_element(head: bytes) -> int:
    """Return the size of an element with its mark of four bytes and its size field (RFC 8794, section 4)."""
    if len(head) < 12:
        return 0
    width = 9 - head[4].bit_length()
    return 4 + width + (int.from_bytes(head[4 : 4 + width]) & (1 << 7 * width) - 1)


# Ogg


def is_whole_ogg(file: BinaryIO | FileView) -> bool:
    """Return whether the pages of an Ogg file follow each other undamaged, up to its end or to where it was cut off.

    libsndfile silently drops damaged pages, and everything after the first of several recordings. Pages: RFC 3533,
    section 6: 26 bytes, the number of segments, a byte for the size of each, and the segments.
    """
    file.seek(0)
    is_whole, flags, has_begun = True, 0, False
    while is_whole and file.tell() < MAX_OGG_BYTES and len(head := file.read(27)) == 27:
        lengths = file.read(head[26])
        body = file.read(sum(lengths))
        if len(body) < sum(lengths) or (flags & LAST and head[:4] != b"OggS"):
            break
        flags = head[5]
        is_whole = head[:4] == b"OggS" and compute_checksum(head + lengths + body) == head[22:26]
        is_whole &= not (has_begun and flags & FIRST)
        has_begun |= not flags & FIRST
    file.seek(0)
    return is_whole


def compute_checksum(page: bytes) -> bytes:
    """Compute the checksum of an Ogg page, with its own checksum field taken as 0.

    It is the CRC-32 of zlib with all bits in reverse order, and zlib is fast.
    """
    reversed_page = (page[:22] + bytes(4) + page[26:]).translate(REVERSED_BITS)
    return (zlib.crc32(reversed_page, 2**32 - 1) ^ 2**32 - 1).to_bytes(4, "big").translate(REVERSED_BITS)


def _list_codecs(file: BinaryIO | FileView) -> list[int]:
    """Return the offsets in an Ogg file at which the codec changes from one recording to the next."""
    offsets, last = [], b""
    for match in re.finditer(rb"OggS\0[\2\6]", content := file.read(MAX_OGG_BYTES // 4)):
        place = match.start()
        body = place + 27 + (content[place + 26] if place + 26 < len(content) else 0)
        codec = content[body : body + 7]
        offsets += [place] if codec != last else []
        last = codec
    return offsets


# Two files in one


def find_second_file(file: BinaryIO | FileView, kind: str) -> int:
    """Return the offset at which a second file was joined to the first; 0 if there is none.

    Only types whose decoders stop there: WAV, m4a (its boxes: ISO/IEC 14496-12, 4.2), and Ogg if the codec changes.
    """
    file.seek(0)
    if kind == "wav":
        head = file.read(12)
        end = 8 + int.from_bytes(head[4:8], "big" if head[:4] == b"RIFX" else "little")
        file.seek(end)
        follower = file.read(12)
        return end if follower[:4] in (b"RIFF", b"RIFX", b"RF64") and follower[8:] == b"WAVE" else 0
    offsets: list[int] = []
    if kind == "m4a":
        boxes = itertools.islice(_list_boxes(file, 0, file.seek(0, io.SEEK_END)), MAX_BOXES)
        offsets = [place for box, place, *_ in boxes if box == b"ftyp"]
    elif kind == "ogg":
        offsets = _list_codecs(file)
    return offsets[1] if len(offsets) > 1 else 0
