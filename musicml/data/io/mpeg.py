"""Parse mp3 and aac frames, the tags before them, and the length that an mp3 header claims."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from musicml.data.io.stream import FileView

MAX_TAGS = 100  # a normal file has two or three; a malicious one could have millions of empty ones
SEARCH_SIZE = 2**16  # bytes searched for the first frame
N_FRAMES = 3  # consecutive frames that prove a stream
MAX_FRAME_SIZE = 8_192  # bytes, of aac; mp3 frames are shorter
# kbit/s by the index in a frame header, for (is MPEG-1, layer); 0 means a free bit rate
BIT_RATES = {
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


def detect_mpeg_type(head: bytes) -> str | None:
    """Detect `mp3` or `aac` from the bits of an MPEG frame header (ISO/IEC 11172-3, 2.4.2.3; ADTS: 13818-7)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "aac"
    version, layer, bitrate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return "mp3" if version != 1 and layer in (1, 2) and bitrate != 15 and rate != 3 else None


@dataclass(frozen=True)
class Tags:
    """The tags at the beginning of a file: their number, where they end, and the first bytes after them."""

    n_tags: int
    end: int
    head: bytes


def step_over_tags(file: BinaryIO | FileView) -> Tags:
    """Skip the ID3 and APE tags at the beginning of a file."""
    n_tags, end = 0, 0
    file.seek(0)
    head = file.read(512)
    while n_tags < MAX_TAGS and (length := measure_tag(head)):
        n_tags, end = n_tags + 1, end + length
        file.seek(end)
        head = file.read(512)
    return Tags(n_tags, end, head)


def measure_tag(head: bytes) -> int:
    """Return the size in bytes of an ID3 (ID3v2.3, 3.1) or APE tag that begins here; 0 if there is none."""
    if head[:8] == b"APETAGEX" and len(head) >= 32:  # APE v2: its size excludes the header of 32 bytes
        return 32 + int.from_bytes(head[12:16], "little")
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    a, b, c, d = (byte & 0x7F for byte in head[6:10])
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def measure_tags(content: bytes) -> int:
    """Return the size in bytes of the tags that begin here, inside a file: ID3, APE, and ID3v1 of 128 bytes."""
    place = 0
    while length := 128 if content[place : place + 3] == b"TAG" else measure_tag(content[place : place + 32]):
        place += length
    return place


def search_frames(file: BinaryIO, place: int) -> tuple[str, int] | None:
    """Search for three consecutive mp3 or aac frames; return their type and where the first one begins.

    A single frame header occurs in any random bytes. Three at exactly the distances that they imply do not.
    """
    file.seek(place)
    content = file.read(SEARCH_SIZE + N_FRAMES * MAX_FRAME_SIZE)
    at = content.find(b"\xff")
    while 0 <= at < SEARCH_SIZE:
        kind = detect_mpeg_type(content[at : at + 4])
        if kind and _count_frames(content, at, kind) == N_FRAMES:
            return kind, place + at
        at = content.find(b"\xff", at + 1)
    return None


def _count_frames(content: bytes, at: int, kind: str) -> int:
    """Count consecutive frames of one stream from an offset on, up to three."""
    first = content[at : at + 4]
    for n in range(N_FRAMES):
        head = content[at : at + 6]
        is_same = detect_mpeg_type(head) == kind and not (head[1] ^ first[1]) & 0xFE and not (head[2] ^ first[2]) & 0x0C
        length = measure_frame(head, kind) if is_same else 0  # of the same version, layer and sample rate
        if not length:
            return n
        at += length
    return N_FRAMES


def measure_frame(head: bytes, kind: str) -> int:
    """Return the size in bytes of an mp3 or aac frame; 0 if its header does not say.

    Tables: ISO/IEC 11172-3, 2.4.2.3, and 13818-3, 2.4.2.3. The size of an aac frame is in 13 bits (ISO/IEC 13818-7,
    6.2).
    """
    if kind == "aac":
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5 if len(head) >= 6 else 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate = BIT_RATES[(version == 3, layer)][head[2] >> 4] * 1_000
    length = 72 * (1 if version != 3 and layer == 3 else 2) * bitrate // _get_sample_rate(head)
    return length + (head[2] >> 1 & 1) if bitrate else 0


def _get_sample_rate(head: bytes) -> int:
    """Return the sample rate of an mp3 frame in Hz: MPEG-2 halves the rates of MPEG-1, MPEG-2.5 halves them again."""
    return (44_100, 48_000, 32_000)[head[2] >> 2 & 3] >> {3: 0, 2: 1, 0: 2}[head[1] >> 3 & 3]


def read_claimed_frames(file: BinaryIO | FileView) -> int:
    """Return the length in samples that an mp3 claims in an extra first frame (Xing, Info or VBRI); 0 without one.

    Xing and Info: flags, then depending on them the number of frames, of bytes, 100 seek points and a quality. The
    delays that LAME adds, which are not audio, follow 21 bytes later. VBRI: the number is 14 bytes after the mark.
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
        delays = _read_delays(first, mark)
    elif first[36:40] == b"VBRI":
        (n_frames,) = struct.unpack(">I", first[50:54].rjust(4, b"\0"))
    if not 0 < n_frames < 2**31:
        return 0
    return max(n_frames * (1_152 if is_mpeg1 else 576) - delays, 0)


def _read_delays(first: bytes, mark: int) -> int:
    """Return the samples that LAME added at both ends, from the first frame and the offset of its mark."""
    flags = first[mark + 7]
    fields = sum(length for bit, length in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    both = first[mark + 8 + fields + 21 :][:3]
    return (both[0] << 4 | both[1] >> 4) + ((both[1] & 15) << 8 | both[2]) if len(both) == 3 else 0
