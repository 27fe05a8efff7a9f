"""Webm and mka: how much of one came in no packet, since a browser's recording does not say how long it is."""

from __future__ import annotations

from typing import BinaryIO

from musicml.data.io.stream import FileView

MOST_BYTES = 2**26  # looked at before the first packet and behind the last; more than fifteen minutes take
# what holds no sound: seek head, information, tracks, chapters, cues, attachments, tags (RFC 9559, section 5.1)
CLUSTER = bytes.fromhex("1f43b675")
DURATION = b"\x44\x89"  # then its size, and a float
PARTS = [
    mark.to_bytes(4) for mark in (0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1043A770, 0x1C53BB6B, 0x1941A469, 0x1254C367)
]


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
    before = file.read(min(first, MOST_BYTES))
    file.seek(last)
    behind = file.read(MOST_BYTES)
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
