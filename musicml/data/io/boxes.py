"""Boxes of m4a: how many packets they claim."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from musicml.data.io.stream import CONVERT, FileView
from musicml.utils import InputError

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}
COUNTED = {b"stsz": 8, b"stz2": 8, b"trun": 4}  # where a box says how many packets there are


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


def count_packets(file: BinaryIO | FileView, place: int, end: int) -> Iterator[int]:
    """Yield how many packets each box between two places claims."""
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
        if kind in CONTAINERS:
            yield from count_packets(file, first, end_of_box)
        elif kind in COUNTED:
            file.seek(first + COUNTED[kind])
            count = file.read(4)
            yield int.from_bytes(count, "big") if len(count) == 4 else 0
        place = end_of_box
