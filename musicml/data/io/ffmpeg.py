"""mp3, m4a, webm, aac and wma: what FFmpeg's libraries decode, which PyAV brings along."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from musicml.data.io.file_types import measure_id3_tag
from musicml.data.io.stream import BLOCK, CONVERT, Stream, make_undecodable_error
from musicml.utils import InputError

# what libsndfile does not read, and FFmpeg's name for it; and mp3, for which libsndfile takes longer, and writes to the
# terminal where one is damaged
BY_FFMPEG = {"mp3": "mp3", "m4a": "mov", "webm": "matroska", "wma": "asf", "aac": "aac"}
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}
COUNTED = {b"stsz": 8, b"stz2": 8, b"trun": 4}  # where a box says how many packets there are


@contextlib.contextmanager
def decode_with_ffmpeg(file: BinaryIO, kind: str, name: str) -> Iterator[Stream]:
    """Decode mp3, and what phones and browsers record: m4a, webm, aac, wma. PyAV brings FFmpeg's libraries with it."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            "{name} holds {kind}, which needs the package av, and it is not installed: "
            "pip install av, or convert the file to wav or flac.",
            name=name,
            kind=kind,
        ) from error
    try:
        container = av.open(file, mode="r", format=BY_FFMPEG[kind])
    except (av.FFmpegError, ValueError) as error:
        raise make_undecodable_error(name, kind) from error
    with container:
        if not container.streams.audio:
            raise InputError(
                "{name} must hold sound, and is {kind} without any: give another file.", name=name, kind=kind
            )
        audio = container.streams.audio[0]
        if audio.codec_context is None or not audio.sample_rate:
            raise make_undecodable_error(name, kind)
        channels, sample_rate = audio.channels, audio.sample_rate  # as it begins; a damaged file changes them later
        claimed = get_claimed_frames(container, audio) if has_claimed_length(file, kind) else 0
        blocks = gather_blocks(container.decode(audio), channels, sample_rate, name)
        yield Stream(channels, sample_rate, claimed, blocks, name, kind, file)


def gather_blocks(frames: Iterator, channels: int, sample_rate: int, name: str) -> Iterator[np.ndarray]:
    """Blocks of at least `BLOCK` frames: FFmpeg gives a thousand, and array by array they take twice the time."""
    import av

    some, kind = av.AudioFifo(), None
    with contextlib.suppress(av.FFmpegError):  # as above: where decoding ends, `check_completeness` judges
        for frame in frames:
            check_unchanged(frame, channels, sample_rate, name)
            kind = kind or frame.format.name
            if frame.format.name != kind:  # of the samples; a fifo takes one
                yield from read_rest(some, channels)
                some, kind = av.AudioFifo(), frame.format.name
            frame.pts = None  # a fifo takes no gaps, and a damaged file has some
            some.write(frame)
            if some.samples >= BLOCK:
                yield to_float(some.read(), channels)
    yield from read_rest(some, channels)


def read_rest(some, channels: int) -> Iterator[np.ndarray]:
    """What a fifo still holds."""
    if some.samples:
        yield to_float(some.read(), channels)


def has_claimed_length(file: BinaryIO, kind: str) -> bool:
    """Whether a file says how long it is; of one that does not, FFmpeg only guesses from its size.

    An mp3 says it in a first frame of its own, marked Xing, Info or VBRI, behind its tags.
    """
    if kind != "mp3":
        return kind != "aac"
    place = file.tell()
    file.seek(0)
    file.seek(measure_id3_tag(file.read(10)))
    first = file.read(4096)
    file.seek(place)
    return any(mark in first for mark in (b"Xing", b"Info", b"VBRI"))


def get_claimed_frames(container, audio) -> int:
    """How many frames the header claims; 0 where it says nothing."""
    if audio.duration:
        return round(audio.duration * audio.time_base * audio.sample_rate)
    alone = len(container.streams) == 1  # beside a picture, the length may be the picture's
    return round((container.duration or 0) / 1e6 * audio.sample_rate) if alone else 0


def check_unchanged(frame, channels: int, sample_rate: int, name: str) -> None:
    """Refuse a file whose sample rate or number of channels changes on its way."""
    if frame.sample_rate != sample_rate or frame.layout.nb_channels != channels:
        raise InputError(
            "{name} must keep one sample rate and number of channels, and changes from {sample_rate} Hz, "
            "{channels} to {frame_sample_rate} Hz, {frame_layout_nb_channels}: {convert}.",
            name=name,
            sample_rate=sample_rate,
            channels=channels,
            frame_sample_rate=frame.sample_rate,
            frame_layout_nb_channels=frame.layout.nb_channels,
            convert=CONVERT,
        )


def to_float(frame, channels: int) -> np.ndarray:
    """Samples of FFmpeg's as float32 [shape=(n_frames, channels)] on the scale [-1, 1]."""
    y = frame.to_ndarray()
    y = y.T if frame.format.is_planar else y.reshape(-1, channels)
    if y.dtype.kind == "f":
        return y.astype(np.float32, copy=False)
    scale = 2.0 ** (8 * y.dtype.itemsize - 1)
    return ((y.astype(np.float64) - (scale if y.dtype.kind == "u" else 0.0)) / scale).astype(np.float32)


def check_boxes(file: BinaryIO, name: str) -> None:
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


def count_packets(file: BinaryIO, place: int, end: int) -> Iterator[int]:
    """How many packets each box between two places claims."""
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
