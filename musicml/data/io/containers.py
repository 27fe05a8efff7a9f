"""What containers tell beside their sound: boxes of m4a, parts of webm and mka, pages of Ogg, and two files in one."""

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

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}
COUNTED = {b"stsz": 8, b"stz2": 8, b"trun": 4}  # where a box says how many packets there are
MOST_BOXES = 1000  # of a file, in which a second one is looked for

MOST_WEBM_BYTES = 2**26  # looked at before the first packet and behind the last; more than fifteen minutes take
# what holds no sound: seek head, information, tracks, chapters, cues, attachments, tags (RFC 9559, section 5.1)
CLUSTER = bytes.fromhex("1f43b675")
DURATION = b"\x44\x89"  # then its size, and a float
PARTS = [
    mark.to_bytes(4) for mark in (0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1043A770, 0x1C53BB6B, 0x1941A469, 0x1254C367)
]

MOST_OGG_BYTES = 2**27  # more than the seconds that are heard of a file can have
FIRST, LAST = 2, 4  # flags of a page: it begins, it ends a stream
MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # each byte with its bits in the other order


# m4a


def check_boxes(file: BinaryIO | FileView, name: str) -> None:
    """Refuse an m4a that claims more packets than it has bytes: FFmpeg makes room for them all before it reads one.

    Boxes: ISO/IEC 14496-12, 4.2 (box), 8.7.3 (stsz, stz2), 8.8.8 (trun).
    """
    size = file.seek(0, io.SEEK_END)
    claimed = sum(count_packets(file, 0, size))
    file.seek(0)
    if claimed > size:
        raise InputError(
            "{name} must hold the {claimed} packets that it claims, and has {size} bytes: {convert}.",
            name=name,
            claimed=claimed,
            size=size,
            convert=CONVERT,
        )


def list_boxes(file: BinaryIO | FileView, place: int, end: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield the boxes between two places: kind, where they begin, where their content begins, where they end."""
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


def count_packets(file: BinaryIO | FileView, place: int, end: int) -> Iterator[int]:
    """Yield how many packets each box between two places claims."""
    for kind, _, first, end_of_box in list_boxes(file, place, end):
        if kind in CONTAINERS:
            yield from count_packets(file, first, end_of_box)
        elif kind in COUNTED:
            file.seek(first + COUNTED[kind])
            count = file.read(4)
            yield int.from_bytes(count, "big") if len(count) == 4 else 0


# Webm and mka: a browser's recording does not say how long it is


def claims_length(file: BinaryIO | FileView) -> bool:
    """Return whether the header says how long the sound is; else FFmpeg guesses it from a bit rate."""
    place = file.tell()
    file.seek(0)
    head = file.read(2**16).partition(CLUSTER)[0]
    file.seek(place)
    at = head.find(DURATION)
    return at >= 0 and any(head[at + 3 : at + 3 + (head[at + 2] & 15)])


def measure_lost(file: BinaryIO | FileView, first: int, last: int) -> tuple[int, int]:
    """Return how many bytes before the first packet and behind the last are in no part without sound.

    Parameters
    ----------
    first, last : bytes, where the first packet begins and the last one ends
    """
    place = file.tell()
    file.seek(0)
    before = file.read(min(first, MOST_WEBM_BYTES))
    file.seek(last)
    behind = file.read(MOST_WEBM_BYTES)
    file.seek(place)
    front = max(before.rfind(mark) for mark in PARTS)  # the seek head names them all, so only the last is one
    begin = front + measure_part(before[front : front + 12])
    end = min((at for at in map(behind.find, PARTS) if at >= 0), default=len(behind))
    return len(before) - (begin if begin <= len(before) else front), len(behind[:end].rstrip(b"\0"))


def measure_part(head: bytes) -> int:
    """Return how many bytes a part takes, with its mark of four and the size behind it (RFC 8794, section 4)."""
    if len(head) < 12:
        return 0
    width = 9 - head[4].bit_length()
    return 4 + width + (int.from_bytes(head[4 : 4 + width]) & (1 << 7 * width) - 1)


# Ogg


def is_whole_ogg(file: BinaryIO | FileView) -> bool:
    """Return whether an Ogg's pages follow each other without damage, up to its end or to where it was cut off.

    libsndfile leaves out a damaged page in silence, and what follows the end of a first recording. Pages: RFC 3533,
    section 6: 26 bytes, the number of segments, a byte for the length of each, and the segments.
    """
    file.seek(0)
    is_whole, flags, has_begun = True, 0, False
    while is_whole and file.tell() < MOST_OGG_BYTES and len(head := file.read(27)) == 27:
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
    """Return a page's checksum, its own field taken as 0.

    It is that of zlib with all bits in the other order, and zlib takes no time.
    """
    mirrored = (page[:22] + bytes(4) + page[26:]).translate(MIRRORED)
    return (zlib.crc32(mirrored, 2**32 - 1) ^ 2**32 - 1).to_bytes(4, "big").translate(MIRRORED)


def list_codecs(file: BinaryIO | FileView) -> list[int]:
    """Return where recordings begin in an Ogg that are of another codec than the one before."""
    found, last = [], b""
    for match in re.finditer(rb"OggS\0[\2\6]", content := file.read(MOST_OGG_BYTES // 4)):
        place = match.start()
        body = place + 27 + (content[place + 26] if place + 26 < len(content) else 0)
        codec = content[body : body + 7]
        found += [place] if codec != last else []
        last = codec
    return found


# Two files in one


def find_second_file(file: BinaryIO | FileView, kind: str) -> int:
    """Find where another file begins behind the first, as where two were joined to one; 0 where none does.

    Of the types whose decoders stop there: WAV, m4a (its boxes: ISO/IEC 14496-12, 4.2), and an Ogg of another codec.
    """
    file.seek(0)
    if kind == "wav":
        head = file.read(12)
        end = 8 + int.from_bytes(head[4:8], "big" if head[:4] == b"RIFX" else "little")
        file.seek(end)
        follower = file.read(12)
        return end if follower[:4] in (b"RIFF", b"RIFX", b"RF64") and follower[8:] == b"WAVE" else 0
    places: list[int] = []
    if kind == "m4a":
        boxes = itertools.islice(list_boxes(file, 0, file.seek(0, io.SEEK_END)), MOST_BOXES)
        places = [place for box, place, *_ in boxes if box == b"ftyp"]
    elif kind == "ogg":
        places = list_codecs(file)
    return places[1] if len(places) > 1 else 0
