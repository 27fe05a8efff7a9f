"""Sound from anywhere, through one gate: bytes or a file in, mono float32 within limits out; and where clips are cut.

Sound is decoded, mixed and resampled block by block up to a limit: a file that claims two gigabytes, or holds ten
hours, costs no more than one that does not. What a file really is, `musicml.data.io.file_types` finds out.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from musicml.data.io.channels import SILENCE_AMPLITUDE, Mixer
from musicml.data.io.containers import find_second_file
from musicml.data.io.decoders import open_stream
from musicml.data.io.file_types import (
    TYPE_OF_PICTURE_SUFFIX,
    TYPE_OF_SUFFIX,
    FileType,
    OpenFile,
    check_extension,
    detect_type,
    get_display_name,
    open_file,
)
from musicml.data.io.stream import CONVERT, LOUDEST, MOST_VALUES, SAMPLE_RATES, Stream, check_range
from musicml.utils import InputError, Message, make_printable

FULL_SCALE = 0.999
MAX_SECONDS = 900.0  # of one file; what lies beyond is left out
LEAST_SKIPPED = 0.005  # seconds that a warning is worth

AUDIO_SUFFIXES = frozenset(TYPE_OF_SUFFIX)


@dataclass(frozen=True)
class AudioSource:
    """A sound to read, or a picture of its spectrogram.

    Attributes
    ----------
    source : a path, a file's content, or an array
    name : what to call it in messages; by default its path, or "this upload"
    sample_rate : int, Hz, of samples given as an array
    file, type : the open file and what it is, inside `open` only
    """

    source: str | Path | bytes | np.ndarray
    name: str = ""
    sample_rate: int | None = None
    file: OpenFile | None = field(default=None, repr=False)
    type: FileType | None = field(default=None, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "name", self.name or get_display_name(self.source))

    @property
    def printable_name(self) -> str:
        """Its name on one line, as messages have it."""
        return make_printable(self.name)

    @contextlib.contextmanager
    def open(self) -> Iterator[AudioSource]:
        """Open the file and find its type, once: inside, another `open` gives the same. An array stays as it is.

        Raises
        ------
        InputError
            If there is no such file, or it can't be opened.
        """
        if self.file is not None or isinstance(self.source, np.ndarray):
            yield self
            return
        with open_file(self.source, self.printable_name) as file:
            yield replace(self, file=file, type=detect_type(file, least_frames=1))

    @property
    def is_picture(self) -> bool:
        """Whether an open source is a picture by its content; by its name where its content is of no known type."""
        if isinstance(self.source, np.ndarray):
            return self.source.dtype == np.uint8 and self.source.ndim == 3
        if self.type is not None and (self.type.picture or self.type.sound):
            return self.type.picture is not None
        return os.path.splitext(self.name)[1].lower() in TYPE_OF_PICTURE_SUFFIX


@dataclass(frozen=True)
class Sound:
    """What a file holds, on one scale whatever it came as.

    Attributes
    ----------
    y : np.ndarray [shape=(n_samples,)], mono float32 in [-1, 1]
    sample_rate : int, Hz
    warnings : tuple of sentences for the person who gave the file: silent, clipped, cut off, left out
    """

    y: np.ndarray
    sample_rate: int
    warnings: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """How long the sound is."""
        return len(self.y) / self.sample_rate


@dataclass(frozen=True)
class AudioInfo:
    """What is known of a file once its samples were passed on: its rate, how many samples, and what to warn of."""

    sample_rate: int
    n_samples: int
    warnings: tuple[str, ...] = ()


def load_audio(
    source: str | Path | bytes | np.ndarray,
    sample_rate: int | None = None,
    max_seconds: float = MAX_SECONDS,
    name: str | None = None,
    source_rate: int | None = None,
) -> Sound:
    """Read a sound file through the gate.

    Parameters
    ----------
    source : a path, the file's content, or samples [shape=(n_samples,) or (n_samples, channels)], in [-1, 1] or int16
    sample_rate : int, Hz; None keeps the file's own
    max_seconds : float > 0; what lies beyond is left out, never decoded, and a warning says so
    name : what to call the file in messages; by default its path, or "this upload"
    source_rate : int, Hz, of samples given as an array

    Returns
    -------
    Sound
        The mean of the channels, not normalised.

    Raises
    ------
    InputError
        Whatever the content is, if it can't be used: one sentence with the rule, the value received and the cure.

    Examples
    --------
    >>> sound = load_audio("blues.00000.wav", sample_rate=22_050)  # doctest: +SKIP
    >>> sound.y.shape, round(sound.seconds)  # doctest: +SKIP
    ((661794,), 30)
    """
    parts: list[np.ndarray] = []
    heard = stream_audio(AudioSource(source, name or "", source_rate), parts.append, sample_rate, max_seconds)
    return Sound(np.concatenate(parts), heard.sample_rate, heard.warnings)


def stream_audio(
    source: AudioSource,
    take: Callable[[np.ndarray], object],
    sample_rate: int | None = None,
    max_seconds: float = MAX_SECONDS,
) -> AudioInfo:
    """Read a sound block by block, without holding all of it; as `load_audio` otherwise.

    Parameters
    ----------
    take : called with each block of samples in turn, [shape=(n,)], mono float32 in [-1, 1]
    """
    if sample_rate is not None:
        check_range(sample_rate, SAMPLE_RATES, "sample_rate", " Hz", Message("choose another"))
    with open_stream(source) as stream:
        n_samples, heard, warnings = decode_audio(stream, sample_rate, max_seconds, take)
        warnings += stream.remarks
        warnings += check_completeness(stream, heard, max_seconds) or check_truncated(stream)
    named = check_extension(stream.name, stream.kind)
    return AudioInfo(sample_rate or stream.sample_rate, n_samples, (*named, *warnings))


def decode_audio(
    stream: Stream, sample_rate: int | None, max_seconds: float, take: Callable[[np.ndarray], object]
) -> tuple[int, int, list[str]]:
    """Decode, mix, resample and pass on up to `max_seconds`, block by block.

    Returns
    -------
    n_samples : how many were passed on
    heard : how many frames of the file that took
    warnings : about loudness
    """
    wanted = compute_max_frames(stream, max_seconds)
    resample, mix = make_resampler(stream.sample_rate, sample_rate), Mixer()
    n_samples, heard, loudness = 0, 0, LevelMeter(stream.name)
    for block in stream.blocks:
        mono = mix(block[: wanted - heard])
        loudness.add(mono)
        heard += len(mono)
        n_samples += emit_block(resample(mono, False), take)
        if heard >= wanted:
            break
    if not heard:
        raise InputError(
            "{name} must hold sound, and 0 frames of it can be decoded: it is empty or damaged; {convert}.",
            name=stream.name,
            convert=CONVERT,
        )
    n_samples += emit_block(resample(np.zeros(0, np.float32), True), take)
    stream.remarks += [*mix.list_warnings(stream.sample_rate), *list_changes(stream)]
    return n_samples, heard, loudness.list_warnings()


def compute_max_frames(stream: Stream, max_seconds: float) -> int:
    """Return how many frames of a stream are decoded: so many seconds, and less of many channels at a high rate."""
    return min(max(1, round(max_seconds * stream.sample_rate)), MOST_VALUES // stream.channels)


def emit_block(y: np.ndarray, take: Callable[[np.ndarray], object]) -> int:
    """Give `take` a block of samples within [-1, 1], since resampling can carry peaks beyond; return their number."""
    if len(y):
        take(np.clip(y, -1, 1, out=y))
    return len(y)


def make_resampler(given: int, wanted: int | None):
    """Return a function of (block, whether it is the last) that brings blocks from one sample rate to another."""
    if wanted in (None, given):
        return lambda block, last: block
    import soxr

    stream = soxr.ResampleStream(given, wanted, 1, dtype="float32", quality="HQ")
    return lambda block, last: stream.resample_chunk(block, last=last)


# What there is to warn of


class LevelMeter:
    """Listens to a sound block by block for what makes an answer to it worthless: silence, cut peaks, no numbers."""

    def __init__(self, name: str):
        self.name, self.heard, self.loudest, self.full = name, 0, 0.0, 0

    def add(self, mono: np.ndarray) -> None:
        """Listen to the next samples, [shape=(n,)], n > 0.

        Raises
        ------
        InputError
            If one of them is no number, or far off the scale [-1, 1].
        """
        peak = max(float(mono.max()), -float(mono.min()))  # NaN and infinity both show in it
        if not peak <= LOUDEST:
            raise InputError(
                "{name} must hold samples between -1 and 1, and has {peak:g}: it was written without "
                "scaling or is damaged; export it again.",
                name=self.name,
                peak=peak,
            )
        self.full += int(np.count_nonzero(np.abs(mono) >= FULL_SCALE)) if peak >= FULL_SCALE else 0
        self.heard, self.loudest = self.heard + len(mono), max(self.loudest, peak)

    def list_warnings(self) -> list[str]:
        """Return warnings where nothing was heard, or the peaks were cut."""
        if self.loudest < SILENCE_AMPLITUDE:
            return [
                Message(
                    "The sound is silent: no sample is above -80 dB of full scale, so an answer to it means nothing."
                )
            ]
        share = self.full / self.heard
        if share > 0.001:
            return [
                Message(
                    "The sound is clipped: {share:.1%} of its samples are at full scale, so it is distorted.",
                    share=share,
                )
            ]
        return []


def check_completeness(stream: Stream, heard: int, max_seconds: float) -> list[str]:
    """Return warnings where a part was left out or is missing; raise where too little of what was claimed is there."""
    rate, skipped = stream.sample_rate, round(stream.damage.seconds * stream.sample_rate)
    missing = stream.claimed - heard - skipped
    counts = (heard, max(stream.claimed, heard + skipped))
    length, whole = (Message("{seconds:.1f} s", seconds=n / rate) for n in counts)
    found = list_skipped(stream, whole)
    if heard >= compute_max_frames(stream, max_seconds):
        left_out = missing > 0.1 * rate  # encoders pad
        return (
            [
                *found,
                Message(
                    "Only the first {length} of {whole} were read; the rest is left out.", length=length, whole=whole
                ),
            ]
            if left_out
            else found
        )
    if missing <= max(0.02 * stream.claimed, 0.05 * rate):  # encoders pad, and some mp3 only estimate their length
        return found
    if heard < rate and missing > heard:
        raise InputError(
            "{name} must hold the {whole} that its header claims, and holds {length}: it was cut off; "
            "copy or download it again.",
            name=stream.name,
            whole=whole,
            length=length,
        )
    return [
        Message(
            "The file is cut off or damaged: {length} of the {whole} that its header claims could be read.",
            length=length,
            whole=whole,
        )
    ]


def list_skipped(stream: Stream, whole: str) -> list[str]:
    """Return a warning where packets were skipped, since they could not be decoded."""
    skipped = Message("{seconds:.2f} s", seconds=stream.damage.seconds)
    if stream.damage.seconds < LEAST_SKIPPED:
        return []
    return [
        Message(
            "The file is damaged: {skipped} of {whole} could not be decoded and were skipped.",
            skipped=skipped,
            whole=whole,
        )
    ]


def list_changes(stream: Stream) -> list[str]:
    """Return warnings where a stream changed partway through, up to three."""
    given = f"{stream.sample_rate} Hz, {stream.channels}"
    return [
        Message(
            "The file changes from {given} to {rate} Hz, {channels} partway through: all of it was read as {given}.",
            given=given,
            rate=rate,
            channels=channels,
        )
        for rate, channels in sorted(stream.damage.changes)[:3]
    ]


def check_truncated(stream: Stream) -> list[str]:
    """Return a warning where a file without a claimed length was not heard to its end."""
    file, kind = stream.file, stream.kind
    if file is None:
        return []
    place, size = file.tell(), file.seek(0, io.SEEK_END)
    if second := find_second_file(file, kind):
        return [
            Message(
                "Only the first file of two that were joined was read, {second:.0%} of the bytes: split them.",
                second=second / size,
            )
        ]
    if kind in ("mp3", "ogg") and place < 0.9 * size:
        return [
            Message(
                "Only {place:.0%} of the file was read, and it does not say what the rest is: {convert}.",
                place=place / size,
                convert=CONVERT,
            )
        ]
    if kind == "ogg":
        file.seek(max(0, size - 65_536))
        tail = file.read()
        page = tail.rfind(b"OggS")
        if page >= 0 and len(tail) > page + 5 and not tail[page + 5] & 4:  # no end of stream: RFC 3533, section 6
            return [Message("The file ends without its end mark: it was probably cut off, and the rest is missing.")]
    return []


# Clips


def compute_clip_starts(n: int, length: int, hop: int) -> np.ndarray:
    """Return where clips begin in a track; the units, frames or samples, are those given.

    Clips follow each other by `hop` while they are whole. One more ends with the track where otherwise more than
    half a clip's length of it would go unheard. A track no longer than a clip has one, from its beginning.

    Parameters
    ----------
    n : int >= 0, the track's length
    length : int > 0, a clip's length
    hop : int > 0, from the beginning of one clip to that of the next

    Returns
    -------
    np.ndarray [shape=(n_clips,)], int64

    Examples
    --------
    >>> compute_clip_starts(100, 30, 30)
    array([ 0, 30, 60])
    >>> compute_clip_starts(110, 30, 30)
    array([ 0, 30, 60, 80])
    """
    last = max(n - length, 0)
    begins = np.arange(0, last + 1, hop, dtype=np.int64)
    unheard = last - begins[-1]
    return np.append(begins, last) if 2 * unheard > length else begins


def pad_audio(y: np.ndarray, n_samples: int) -> np.ndarray:
    """Return `y` repeated from its beginning until it is `n_samples` long; unchanged if it is long enough.

    Repeated and not filled with zeros, because a model would take the silence for a part of the music.

    Parameters
    ----------
    y : np.ndarray [shape=(n, ...)], n > 0
    n_samples : int, the least length wanted

    Raises
    ------
    InputError
        If `y` is empty.
    """
    if not len(y):
        raise InputError("A sound must have at least 1 sample to be repeated, and this one has 0: give a longer file.")
    return y if len(y) >= n_samples else np.resize(y, (n_samples, *y.shape[1:]))
