"""Decoding: a sound's samples, block by block.

A header can lie, so what it claims is checked before anything is allocated.
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
    BLOCK,
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

MOST_CLAIMED = 2**36 - 1  # frames: the most that a flac can claim, which like 0 means that nobody knew (RFC 9639, 8.2)
FLAC_START = b"fLaC\0\0\0\x22"


@contextlib.contextmanager
def open_stream(source: AudioSource) -> Iterator[Stream]:
    """Open a sound for decoding, or go on with a source that is open already.

    Raises
    ------
    InputError
        If it is missing, empty, of no known type, damaged, or of a format that no musical recording has.
    """
    name = source.printable_name
    if isinstance(source.source, np.ndarray):
        yield stream_array(source.source, source.sample_rate, name)
        return
    with source.open() as opened:
        file, kind = get_readable_sound(opened)
        if kind == "m4a":
            check_boxes(file, name)
        is_for_ffmpeg = kind in BY_FFMPEG or (kind == "ogg" and not is_whole_ogg(file))
        decoder = decode_with_ffmpeg if is_for_ffmpeg else decode_with_libsndfile
        with decoder(file, kind, name) as stream:
            check_format(stream.channels, stream.sample_rate, name)
            yield stream


def get_readable_sound(opened: AudioSource) -> tuple[OpenFile | FileView, str]:
    """Return an open source's file, from where its sound begins, and its type; refuse what can't be decoded here."""
    file, type_, name = opened.file, opened.type, opened.printable_name
    if file is None or type_ is None:
        raise RuntimeError(f"{name} is not open")
    if type_.is_empty:
        raise InputError("{name} must hold sound, and holds 0 bytes: copy or download it again.", name=name)
    if type_.sound is None or not type_.is_readable_sound:
        raise InputError(
            "{name} must hold sound, and {unknown}: give a wav, flac, mp3, ogg or m4a file.",
            name=name,
            unknown=describe_unknown(type_.head),
        )
    return FileView(file, type_.start) if type_.start else file, type_.sound


def stream_array(y: np.ndarray, sample_rate: int | None, name: str) -> Stream:
    """Return a stream of samples that are there already."""
    if sample_rate is None:
        raise InputError("{name} must come with its sample_rate in Hz, and came without: give it too.", name=name)
    if not isinstance(sample_rate, int | np.integer):
        raise InputError(
            "{name} must come with its sample_rate as an int, in Hz, and came with {sample_rate!r}: convert it.",
            name=name,
            sample_rate=sample_rate,
        )
    if y.dtype != np.int16 and y.dtype.kind != "f":
        raise InputError(
            "{name} must hold samples as float in [-1, 1] or int16, and holds {y_dtype}: convert it.",
            name=name,
            y_dtype=y.dtype,
        )
    if y.ndim not in (1, 2) or not y.size:
        raise InputError(
            "{name} must be of shape (n_samples,) or (n_samples, channels), and is of {y_shape}.",
            name=name,
            y_shape=y.shape,
        )
    frames = y.reshape(len(y), -1)
    check_range(
        frames.shape[1],
        CHANNELS,
        "channels",
        "",
        Message("{name} is of shape {shape}; if that is transposed, turn it", name=name, shape=y.shape),
    )
    check_range(sample_rate, SAMPLE_RATES, "sample_rate", " Hz", Message("give that of {name}", name=name))
    kept = np.int16 if y.dtype == np.int16 else np.float32
    blocks = (frames[place : place + BLOCK].astype(kept, copy=False) for place in range(0, len(y), BLOCK))
    return Stream(frames.shape[1], sample_rate, len(y), blocks, name)


@functools.cache
def _get_reader() -> type:
    """Return soundfile's reader, but one that never seeks: a flac of unknown length lost its last block in a seek."""
    import soundfile

    class Forward(soundfile.SoundFile):
        def seekable(self) -> bool:
            return False

    return Forward


@contextlib.contextmanager
def decode_with_libsndfile(file: BinaryIO | FileView, kind: str, name: str) -> Iterator[Stream]:
    """Decode wav, flac, ogg, aiff and au; FFmpeg goes on where libsndfile stops before the end of a flac."""
    import soundfile

    header = check_header(file, kind, name) if kind in ("wav", "aiff", "au") else Header()
    try:
        sound = _get_reader()(FileView(file, patches=header.patches))
    except soundfile.SoundFileError as error:
        raise make_undecodable_error(name, kind) from error
    damage = Damage()

    def blocks() -> Iterator[np.ndarray]:
        # 16-bit samples are read as they are, five times as fast as libsndfile turns them into floats
        dtype = "int16" if sound.subtype == "PCM_16" else "float32"
        n_given, is_whole = 0, False
        with contextlib.suppress(soundfile.SoundFileError):  # the end of what it can decode
            while len(block := sound.read(BLOCK, dtype=dtype, always_2d=True)):
                n_given += len(block)
                yield block
            is_whole = n_given >= sound.frames or sound.frames >= MOST_CLAIMED
        if kind == "flac" and not (is_whole and is_last_flac(file)):
            yield from resume_with_ffmpeg(file, kind, name, n_given, damage)

    with sound:
        claimed = round(sound.frames * header.share) if sound.frames < MOST_CLAIMED else 0
        yield Stream(sound.channels, sound.samplerate, claimed, blocks(), name, kind, file, damage)


def is_last_flac(file: BinaryIO | FileView) -> bool:
    """Return whether no other flac follows the one that was just read, as where two files were joined to one."""
    place = file.tell() - 2**17  # libFLAC has read on by a little less
    file.seek(max(step_over_tags(file).end + 1, place))  # behind its own mark
    return FLAC_START not in file.read(2**20)
