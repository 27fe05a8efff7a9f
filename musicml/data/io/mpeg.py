"""Frames of mp3 and aac, the tags before them, and the length that an mp3 claims."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from musicml.data.io.stream import FileView

MOST_TAGS = 100  # an honest file has two or three; a hostile one could have millions of empty ones
SEARCHED = 2**16  # bytes in which the first frame is searched for
MOST_FRAMES = 3  # that are counted
LONGEST_FRAME = 8_192  # bytes, of aac; mp3's are shorter
# kbit/s by the number in a frame's header, of MPEG-1 or not, and of a layer; 0 where it is free
BIT_RATES = {
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def detect_mpeg_type(head: bytes) -> str | None:
    """Return `mp3` or `aac` by the bits of an MPEG frame header (ISO/IEC 11172-3, 2.4.2.3; ADTS: 13818-7)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "aac"
    version, layer, bitrate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return "mp3" if version != 1 and layer in (1, 2) and bitrate != 15 and rate != 3 else None


@dataclass(frozen=True)
class Tags:
    """The tags that a file begins with: how many, where they end, and the first bytes behind them."""

    n_tags: int
    end: int
    head: bytes


def step_over_tags(file: BinaryIO | FileView) -> Tags:
    """Read the first bytes behind a file's tags, ID3 or APE, and what tags there are."""
    n_tags, end = 0, 0
    file.seek(0)
    head = file.read(512)
    while n_tags < MOST_TAGS and (length := measure_tag(head)):
        n_tags, end = n_tags + 1, end + length
        file.seek(end)
        head = file.read(512)
    return Tags(n_tags, end, head)


def measure_tag(head: bytes) -> int:
    """Return how many bytes the tag takes that stands here, ID3 (ID3v2.3, 3.1) or APE; 0 where there is none."""
    if head[:8] == b"APETAGEX" and len(head) >= 32:  # APE tags v2: a header of 32 bytes, which its size leaves out
        return 32 + int.from_bytes(head[12:16], "little")
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    a, b, c, d = (byte & 0x7F for byte in head[6:10])
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def measure_tags(content: bytes) -> int:
    """Return how many bytes the tags take that begin here, in a file's midst: ID3, APE, and ID3v1 of 128 bytes."""
    place = 0
    while length := 128 if content[place : place + 3] == b"TAG" else measure_tag(content[place : place + 32]):
        place += length
    return place


def search_frames(file: BinaryIO, place: int) -> tuple[str, int] | None:
    """Search for the first of three frames of mp3 or aac that follow each other; return its type and where it begins.

    One header alone stands in any random bytes; three, as far apart as the first two say, in none.
    """
    file.seek(place)
    content = file.read(SEARCHED + MOST_FRAMES * LONGEST_FRAME)
    at = content.find(b"\xff")
    while 0 <= at < SEARCHED:
        kind = detect_mpeg_type(content[at : at + 4])
        if kind and count_frames(content, at, kind) == MOST_FRAMES:
            return kind, place + at
        at = content.find(b"\xff", at + 1)
    return None


def count_frames(content: bytes, at: int, kind: str) -> int:
    """Return how many frames of one stream follow each other from a place on, up to three."""
    first = content[at : at + 4]
    for n in range(MOST_FRAMES):
        head = content[at : at + 6]
        is_same = detect_mpeg_type(head) == kind and not (head[1] ^ first[1]) & 0xFE and not (head[2] ^ first[2]) & 0x0C
        length = measure_frame(head, kind) if is_same else 0  # of one version, layer and sample rate
        if not length:
            return n
        at += length
    return MOST_FRAMES


def measure_frame(head: bytes, kind: str) -> int:
    """Return how many bytes a frame of mp3 or aac takes, 0 where its header does not say.

    Tables: ISO/IEC 11172-3, 2.4.2.3, and 13818-3, 2.4.2.3; of aac the 13 bits that ISO/IEC 13818-7, 6.2, keeps.
    """
    if kind == "aac":
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5 if len(head) >= 6 else 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate = BIT_RATES[(version == 3, layer)][head[2] >> 4] * 1_000
    length = 72 * (1 if version != 3 and layer == 3 else 2) * bitrate // get_mpeg_rate(head)
    return length + (head[2] >> 1 & 1) if bitrate else 0


def get_mpeg_rate(head: bytes) -> int:
    """Return the sample rate of an mp3's frame in Hz: MPEG-2 halves those of MPEG-1, and MPEG-2.5 halves them again."""
    return (44_100, 48_000, 32_000)[head[2] >> 2 & 3] >> {3: 0, 2: 1, 0: 2}[head[1] >> 3 & 3]


def read_claimed_frames(file: BinaryIO | FileView) -> int:
    """Return the samples that an mp3 claims in a first frame of its own, marked Xing, Info or VBRI; 0 without one.

    Xing and Info: flags, then as they say the number of frames, of bytes, 100 places and a quality; LAME's delays
    stand 21 bytes behind them, and are no sound. VBRI: the number stands 14 bytes behind the mark.
    """
    place = file.tell()
    first = step_over_tags(file).head
    file.seek(place)
    if detect_mpeg_type(first[:4]) != "mp3":
        return 0
    is_mpeg1, is_mono = first[1] >> 3 & 3 == 3, first[3] >> 6 == 3
    mark = 4 + ((17 if is_mono else 32) if is_mpeg1 else (9 if is_mono else 17))
    n_frames, delays = 0, 0
    if first[mark : mark + 4] in (b"Xing", b"Info") and first[mark + 7 : mark + 8] and first[mark + 7] & 1:
        (n_frames,) = struct.unpack(">I", first[mark + 8 : mark + 12].rjust(4, b"\0"))
        delays = read_delays(first, mark)
    elif first[36:40] == b"VBRI":
        (n_frames,) = struct.unpack(">I", first[50:54].rjust(4, b"\0"))
    if not 0 < n_frames < 2**31:
        return 0
    return max(n_frames * (1_152 if is_mpeg1 else 576) - delays, 0)


def read_delays(first: bytes, mark: int) -> int:
    """Return the samples at the beginning and the end that LAME added, by the first frame and where its mark stands."""
    flags = first[mark + 7]
    fields = sum(length for bit, length in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    both = first[mark + 8 + fields + 21 :][:3]
    return (both[0] << 4 | both[1] >> 4) + ((both[1] & 15) << 8 | both[2]) if len(both) == 3 else 0
