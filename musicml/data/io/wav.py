"""WAV headers (RIFF): checked here, before libsndfile reads them."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

from musicml.data.io.stream import check_format

UNKNOWN_LENGTH = 0xFFFFFFFF  # what a WAV says that was written to a pipe


def check_wav_header(file: BinaryIO, name: str) -> float:
    """Check a WAV's header ourselves; libsndfile refuses some without saying why, and corrects others in silence.

    Returns how many times more bytes of samples it claims than there are: 1.0 for a whole file.
    """
    share, size_of_file = 1.0, file.seek(0, io.SEEK_END)
    for chunk, size, place in read_wav_chunks(file):
        file.seek(place)
        fields = file.read(8)
        if chunk == b"fmt " and len(fields) == 8:
            _, channels, sample_rate = struct.unpack("<HHI", fields)
            check_format(channels, sample_rate, name)
        if chunk == b"data" and size != UNKNOWN_LENGTH:
            share = max(1.0, size / max(size_of_file - place, 1))
    file.seek(0)
    return share


def read_wav_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Name, claimed size in bytes and place of a WAV's first chunks, up to its samples."""
    place = 12
    for _ in range(100):  # an honest file has a handful; a hostile one could have millions of empty ones
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        chunk, size = struct.unpack("<4sI", head)
        yield chunk, size, place + 8
        if chunk == b"data":
            return
        place += 8 + size + size % 2
