"""Open and decode audio files, block by block.

A header can be false, so its claims are checked before any memory is allocated for them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from musicml.data.io.containers import check_boxes, is_whole_ogg
from musicml.data.io.ffmpeg import BY_FFMPEG, decode_with_ffmpeg, resume_with_ffmpeg
from musicml.data.io.file_types import OpenFile, describe_unknown
from musicml.data.io.mpeg import step_over_tags
from musicml.data.io.stream import (
    BLOCK_SIZE,
    CHANNELS,
    SAMPLE_RATES,
    Damage,
    FileView,
    Stream,
    check_format,
    check_range,
    make_undecodable_error,
)
from musicml.data.io.wav import Header, check_header
from musicml.utils import InputError, Message

if TYPE_CHECKING:
    from musicml.data.io.audio import AudioSource

MAX_CLAIMED_FRAMES = 2**36 - 1  # largest length in a flac header; like 0, it means unknown (RFC 9639, 8.2)
FLAC_START = b"fLaC\0\0\0\x22"


@contextlib.contextmanager
def open_stream(source: AudioSource) -> Iterator[Stream]:
    """Open a sound for decoding; a source that is already open is reused.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, of an unknown type, or in a format that no music recording has.
    """
    name = source.printable_name
    if isinstance(source.source, np.ndarray):
        yield stream_array(source.source, source.sample_rate, name)
        return
    with source.open() as opened:
        file, kind = _get_readable_sound(opened)
        if kind == "m4a":
            check_boxes(file, name)
        is_for_ffmpeg = kind in BY_FFMPEG or (kind == "ogg" and not is_whole_ogg(file))
        decoder = decode_with_ffmpeg if is_for_ffmpeg else _decode_with_libsndfile
        with decoder(file, kind, name) as stream:
            check_format(stream.channels, stream.sample_rate, name)
            yield stream


def _get_readable_sound(opened: AudioSource) -> tuple[OpenFile | FileView, str]:
    """Return the file of an open source, from where its audio begins, and its type; raise if it is not audio."""
    file, type_, name = opened.file, opened.type, opened.printable_name
    if file is None or type_ is None:
        raise RuntimeError(f"{name} is not open")
    if type_.is_empty:
        raise InputError(
            "Expected sound in {name}, but the file is empty (0 bytes). Copy or download it again.", name=name
        )
    if type_.sound is None or not type_.is_readable_sound:
        raise InputError(
            "Expected sound in {name}, but it {unknown}. Use a wav, flac, mp3, ogg or m4a file.",
            name=name,
            unknown=describe_unknown(type_.head),
        )
    return FileView(file, type_.start) if type_.start else file, type_.sound


def stream_array(y: np.ndarray, sample_rate: int | None, name: str) -> Stream:
    """Make a stream from samples in memory."""
    if sample_rate is None:
        raise InputError("Expected the sample_rate of {name} in Hz, got None. Pass it too.", name=name)
    if not isinstance(sample_rate, int | np.integer):
        raise InputError(
            "Expected the sample_rate of {name} as an int in Hz, got {sample_rate!r}. Convert it.",
            name=name,
            sample_rate=sample_rate,
        )
    if y.dtype != np.int16 and y.dtype.kind != "f":
        raise InputError(
            "Expected the samples of {name} as float in [-1, 1] or int16, got {dtype}. Convert them.",
            name=name,
            dtype=y.dtype,
        )
    if y.ndim not in (1, 2) or not y.size:
        raise InputError(
            "Expected {name} to have the shape (n_samples,) or (n_samples, channels), got {shape}. Reshape it.",
            name=name,
            shape=y.shape,
        )
    frames = y.reshape(len(y), -1)  # one column per channel
    check_range(
        frames.shape[1],
        CHANNELS,
        "channels",
        "",
        Message("The shape of {name} is {shape}: transpose it if the channels come first", name=name, shape=y.shape),
    )
    check_range(sample_rate, SAMPLE_RATES, "sample_rate", " Hz", Message("Pass the sample rate of {name}", name=name))
    dtype = np.int16 if y.dtype == np.int16 else np.float32
    blocks = (frames[place : place + BLOCK_SIZE].astype(dtype, copy=False) for place in range(0, len(y), BLOCK_SIZE))
    return Stream(frames.shape[1], sample_rate, len(y), blocks, name)


@functools.cache
def _get_soundfile_class() -> type:
    """Return a soundfile reader that never seeks: a seek loses the last block of a flac of unknown length."""
    import soundfile

    class Forward(soundfile.SoundFile):
        """A reader that claims to be unseekable."""

        def seekable(self) -> bool:
            """Return False."""
            return False

    return Forward


@contextlib.contextmanager
def _decode_with_libsndfile(file: BinaryIO | FileView, kind: str, name: str) -> Iterator[Stream]:
    """Decode wav, flac, ogg, aiff and au; FFmpeg takes over if libsndfile stops before the end of a flac."""
    import soundfile

    header = check_header(file, kind, name) if kind in ("wav", "aiff", "au") else Header()
    try:
        sound = _get_soundfile_class()(FileView(file, patches=header.patches))
    except soundfile.SoundFileError as error:
        raise make_undecodable_error(name, kind) from error
    damage = Damage()  # filled in by FFmpeg, if it takes over

    def blocks() -> Iterator[np.ndarray]:
        # libsndfile takes five times as long to convert 16-bit samples to float
        """Yield blocks, from FFmpeg after libsndfile's last one."""
        dtype = "int16" if sound.subtype == "PCM_16" else "float32"
        n_given, is_whole = 0, False
        with contextlib.suppress(soundfile.SoundFileError):  # libsndfile cannot decode any further
            while len(block := sound.read(BLOCK_SIZE, dtype=dtype, always_2d=True)):
                n_given += len(block)
                yield block
            is_whole = n_given >= sound.frames or sound.frames >= MAX_CLAIMED_FRAMES
        if kind == "flac" and not (is_whole and _is_last_flac(file)):
            yield from resume_with_ffmpeg(file, kind, name, n_given, damage)

    with sound:
        claimed = round(sound.frames * header.share) if sound.frames < MAX_CLAIMED_FRAMES else 0
        yield Stream(sound.channels, sound.samplerate, claimed, blocks(), name, kind, file, damage)


def _is_last_flac(file: BinaryIO | FileView) -> bool:
    """Return whether no other flac follows the one just read, as when two files were joined together."""
    place = file.tell() - 2**17  # libFLAC reads ahead by a little less
    file.seek(max(step_over_tags(file).end + 1, place))  # after the file's own signature
    return FLAC_START not in file.read(2**20)
