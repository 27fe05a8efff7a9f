"""Headers of WAV (RIFF, RIFX, RF64), AIFF and AU: checked here, before libsndfile reads them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from musicml.data.io.containers import find_second_file
from musicml.data.io.stream import FileView, check_format

FAR_TOO_MUCH = 2**24  # bytes around 2^31 and below 2^32: what writers into a pipe claim stands there


@dataclass
class Samples:
    """Where the header of a file says that its samples are.

    Attributes
    ----------
    size : bytes that it claims
    place : where they begin
    field, width : where that size itself stands, and its bytes
    second : bytes of one second of sound; 0 where the header does not say
    order : `<` or `>`, how its numbers are written
    before : bytes before the samples that the size counts too
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
    """What a checked header comes to.

    Attributes
    ----------
    share : how many times more bytes of samples are claimed than there are: 1.0 for a whole file
    patches : place → bytes by which it tells libsndfile the true length
    """

    share: float = 1.0
    patches: dict[int, bytes] = field(default_factory=dict)


def check_header(file: BinaryIO | FileView, kind: str, name: str) -> Header:
    """Check a header ourselves; libsndfile refuses some without saying why, and corrects others in silence.

    A length that is a placeholder is no claim, and libsndfile is told how much there is.
    """
    size_of_file = file.seek(0, io.SEEK_END)
    samples = find_samples_of_au(file) if kind == "au" else find_samples(file, kind, name)
    file.seek(0)
    header = Header(patches={0: b"RF64"} if file.read(4) == b"BW64" else {})  # the same by another name (ITU BS.2088)
    if samples is not None:
        there = size_of_file - samples.place
        if is_placeholder(file, samples, there):
            size = min(there + samples.before, 2 ** (8 * samples.width) - 2)
            header.patches[samples.field] = size.to_bytes(samples.width, "big" if samples.order == ">" else "little")
        else:
            header.share = max(1.0, samples.size / max(there, 1))
    if kind == "wav" and (second := find_second_file(file, kind)):
        header.patches[second] = b"JUNK"  # libsndfile refuses a second file behind the first
    file.seek(0)
    return header


def is_placeholder(file: BinaryIO | FileView, samples: Samples, there: int) -> bool:
    """Whether a claimed length is none: its writer could not go back to fill it in, as into a pipe.

    Such are 0, and where the file is shorter about 2^31 or 2^32 bytes, and of 64 bits more than any disk holds.
    """
    if samples.size == 0:
        return there > 0 and not holds_chunks_only(file, samples, samples.place + there)
    if samples.size <= there or 20 * there < samples.second:  # of less than a twentieth of a second the rest was lost
        return False
    if samples.width == 8:
        return samples.size > 2**48
    return min(abs(samples.size - 2**31), 2**32 - samples.size) <= FAR_TOO_MUCH


def holds_chunks_only(file: BinaryIO | FileView, samples: Samples, end: int) -> bool:
    """Whether nothing but further chunks follows an empty one of samples, so that it is empty indeed."""
    place = samples.place
    for chunk, size, first in read_chunks(file, samples.order, place):
        if not (chunk.isascii() and chunk.decode("ascii").isprintable()):
            return False
        place = first + size + size % 2
    return end - 1 <= place <= end + 1


def find_samples(file: BinaryIO | FileView, kind: str, name: str) -> Samples | None:
    """Find the samples of a WAV or AIFF by its chunks; None where it has none. A WAV's format is checked on the way."""
    file.seek(0)
    order = ">" if kind == "aiff" or file.read(4) == b"RIFX" else "<"
    second, long_size = 0, 0
    long_field = None
    for chunk, size, place in read_chunks(file, order, 12):
        file.seek(place)
        fields = file.read(16)
        if chunk == b"fmt " and len(fields) >= 8:
            _, channels, sample_rate = struct.unpack(order + "HHI", fields[:8])
            check_format(channels, sample_rate, name)
            second = sample_rate * struct.unpack(order + "H", fields[12:14])[0] if len(fields) >= 14 else 0
        if chunk == b"ds64" and len(fields) == 16:  # EBU Tech 3306: sizes of 64 bits, since those of RF64 are no more
            (long_size,), long_field = struct.unpack("<Q", fields[8:]), place + 8
        if chunk == b"data":
            if long_field is not None and size == 2**32 - 1:
                return Samples(long_size, place, long_field, 8, second)
            return Samples(size, place, place - 4, 4, second, order)
        if chunk == b"SSND":  # AIFF: an offset and a block size stand before the samples, and are counted
            return Samples(max(size - 8, 0), place + 8, place - 4, order=order, before=8)
    return None


def find_samples_of_au(file: BinaryIO | FileView) -> Samples | None:
    """Find the samples of an AU by its header: where they begin, and how many bytes there are."""
    file.seek(4)
    fields = file.read(8)
    if len(fields) < 8:
        return None
    place, size = struct.unpack(">II", fields)
    return Samples(size, place, 8, order=">")


def read_chunks(file: BinaryIO | FileView, order: str, place: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, claimed size in bytes and place of the first chunks from a place on, up to the samples."""
    for _ in range(100):  # an honest file has a handful; a hostile one could have millions of empty ones
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        chunk, size = struct.unpack(order + "4sI", head)
        yield chunk, size, place + 8
        if chunk in (b"data", b"SSND"):
            return
        place += 8 + size + size % 2
