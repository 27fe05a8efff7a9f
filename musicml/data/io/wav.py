"""Check the headers of WAV (RIFF, RIFX, RF64), AIFF and AU before libsndfile reads them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from musicml.data.io.containers import find_second_file
from musicml.data.io.stream import FileView, check_format

PLACEHOLDER_MARGIN = 2**24  # bytes; a writer into a pipe puts about 2^31 or 2^32 as the length


@dataclass
class SampleChunk:
    """The position and size of the samples according to a header.

    Attributes
    ----------
    size : claimed size in bytes
    place : offset at which the samples begin
    field, width : offset and width of the size field itself, in bytes
    second : bytes per second of sound; 0 if the header does not say
    order : `<` or `>`, the byte order of numbers
    before : bytes before the samples that the size includes
    """

    size: int
    place: int
    field: int
    width: int = 4
    second: int = 0
    order: str = "<"
    before: int = 0


@dataclass
class Header:
    """The result of checking a header.

    Attributes
    ----------
    share : claimed bytes of samples divided by the actual bytes; 1.0 for a complete file
    patches : offset → bytes that give libsndfile the true length
    """

    share: float = 1.0
    patches: dict[int, bytes] = field(default_factory=dict)


def check_header(file: BinaryIO | FileView, kind: str, name: str) -> Header:
    """Check a header; libsndfile rejects some without a reason, and silently corrects others.

    If the length is only a placeholder, a patch gives libsndfile the actual one.
    """
    size_of_file = file.seek(0, io.SEEK_END)
    samples = _find_au_samples(file) if kind == "au" else _find_samples(file, kind, name)
    file.seek(0)
    header = Header(patches={0: b"RF64"} if file.read(4) == b"BW64" else {})  # BW64 is the same format (ITU BS.2088)
    if samples is not None:
        n_bytes = size_of_file - samples.place
        if _is_placeholder(file, samples, n_bytes):
            size = min(n_bytes + samples.before, 2 ** (8 * samples.width) - 2)
            header.patches[samples.field] = size.to_bytes(samples.width, "big" if samples.order == ">" else "little")
        else:
            header.share = max(1.0, samples.size / max(n_bytes, 1))
    if kind == "wav" and (second := find_second_file(file, kind)):
        header.patches[second] = b"JUNK"  # libsndfile rejects a second file after the first
    file.seek(0)
    return header


def _is_placeholder(file: BinaryIO | FileView, samples: SampleChunk, n_bytes: int) -> bool:
    """Return whether a claimed length is a placeholder, left by a program that could not seek back to fill it in.

    A placeholder is 0, or close to 2^31 or 2^32 bytes in a shorter file, or a 64-bit number larger than any disk.
    """
    if samples.size == 0:
        return n_bytes > 0 and not _has_only_chunks(file, samples, samples.place + n_bytes)
    if samples.size <= n_bytes or 20 * n_bytes < samples.second:  # below 50 ms the file was probably cut off
        return False
    if samples.width == 8:
        return samples.size > 2**48
    return min(abs(samples.size - 2**31), 2**32 - samples.size) <= PLACEHOLDER_MARGIN


def _has_only_chunks(file: BinaryIO | FileView, samples: SampleChunk, end: int) -> bool:
    """Return whether only further chunks follow an empty chunk of samples, so that the file really is empty."""
    place = samples.place
    for chunk, size, first in _read_chunks(file, samples.order, place):
        if not (chunk.isascii() and chunk.decode("ascii").isprintable()):
            return False
        place = first + size + size % 2
    return end - 1 <= place <= end + 1


def _find_samples(file: BinaryIO | FileView, kind: str, name: str) -> SampleChunk | None:
    """Find the samples of a WAV or AIFF file by its chunks, and check the format of a WAV; None if there are none."""
    file.seek(0)
    order = ">" if kind == "aiff" or file.read(4) == b"RIFX" else "<"
    second, long_size = 0, 0
    long_field = None
    for chunk, size, place in _read_chunks(file, order, 12):
        file.seek(place)
        fields = file.read(16)
        if chunk == b"fmt " and len(fields) >= 8:
            _, channels, sample_rate = struct.unpack(order + "HHI", fields[:8])
            check_format(channels, sample_rate, name)
            second = sample_rate * struct.unpack(order + "H", fields[12:14])[0] if len(fields) >= 14 else 0
        if chunk == b"ds64" and len(fields) == 16:  # EBU Tech 3306: the 64-bit sizes of RF64
            (long_size,), long_field = struct.unpack("<Q", fields[8:]), place + 8
        if chunk == b"data":
            if long_field is not None and size == 2**32 - 1:
                return SampleChunk(long_size, place, long_field, 8, second)
            return SampleChunk(size, place, place - 4, 4, second, order)
        if chunk == b"SSND":  # AIFF: the size includes an offset and a block size before the samples
            return SampleChunk(max(size - 8, 0), place + 8, place - 4, order=order, before=8)
    return None


def _find_au_samples(file: BinaryIO | FileView) -> SampleChunk | None:
    """Find the samples of an AU file by its header."""
    file.seek(4)
    fields = file.read(8)
    if len(fields) < 8:
        return None
    place, size = struct.unpack(">II", fields)
    return SampleChunk(size, place, 8, order=">")


def _read_chunks(file: BinaryIO | FileView, order: str, place: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, claimed size in bytes and offset of the chunks from `place` on, up to the samples."""
    for _ in range(100):  # a normal file has a few; a malicious one could have millions of empty ones
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        chunk, size = struct.unpack(order + "4sI", head)
        yield chunk, size, place + 8
        if chunk in (b"data", b"SSND"):
            return
        place += 8 + size + size % 2
