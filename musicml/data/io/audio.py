"""Load audio from a path, bytes or an array as mono float32, with size limits; and place clips in a track.

Sound is decoded, mixed and resampled block by block, up to a limit. So a file that claims two gigabytes, or really
lasts ten hours, needs no more memory than a short one. `musicml.data.io.file_types` detects what a file really is.
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
from musicml.data.io.stream import CONVERT, MAX_AMPLITUDE, MAX_VALUES, SAMPLE_RATES, Stream, check_range
from musicml.utils import InputError, Message, make_printable

FULL_SCALE = 0.999  # a sample at or above it counts as clipped; 16-bit audio ends just below 1
MAX_SECONDS = 900.0  # decoded of one file; the rest is ignored
MIN_SKIPPED_SECONDS = 0.005  # shorter gaps are not worth a warning

AUDIO_SUFFIXES = frozenset(TYPE_OF_SUFFIX)  # lower case, with the dot


@dataclass(frozen=True)
class AudioSource:
    """A sound to read, or a picture of its spectrogram.

    Attributes
    ----------
    source : a path, the content of a file, or samples as an array
    name : the name in messages; by default the path, or "this upload"
    sample_rate : int, Hz, for samples given as an array
    file, type : the open file and its type, set only inside `open`
    """

    source: str | Path | bytes | np.ndarray
    name: str = ""
    sample_rate: int | None = None
    file: OpenFile | None = field(default=None, repr=False)
    type: FileType | None = field(default=None, repr=False)

    def __post_init__(self):
        # the way to set a default in a frozen dataclass
        object.__setattr__(self, "name", self.name or get_display_name(self.source))

    @property
    def printable_name(self) -> str:
        """The name on one line, for messages."""
        return make_printable(self.name)

    @contextlib.contextmanager
    def open(self) -> Iterator[AudioSource]:
        """Open the file and detect its type; a nested `open` reuses both. An array is passed through.

        Raises
        ------
        InputError
            If the file does not exist or cannot be opened.
        """
        if self.file is not None or isinstance(self.source, np.ndarray):
            yield self
            return
        with open_file(self.source, self.printable_name) as file:
            yield replace(self, file=file, type=detect_type(file, min_frames=1))

    @property
    def is_picture(self) -> bool:
        """True for a picture: by its content, or by its extension if the content is of no known type."""
        if isinstance(self.source, np.ndarray):
            return self.source.dtype == np.uint8 and self.source.ndim == 3
        if self.type is not None and (self.type.picture or self.type.sound):
            return self.type.picture is not None
        return os.path.splitext(self.name)[1].lower() in TYPE_OF_PICTURE_SUFFIX


@dataclass(frozen=True)
class Sound:
    """Decoded audio, always mono and on the same scale.

    Attributes
    ----------
    y : np.ndarray [shape=(n_samples,)], float32 in [-1, 1]
    sample_rate : int, Hz
    warnings : sentences for the user: the sound is silent, clipped, cut off or too long
    """

    y: np.ndarray
    sample_rate: int
    warnings: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """The duration in seconds."""
        return len(self.y) / self.sample_rate


@dataclass(frozen=True)
class AudioInfo:
    """The sample rate, length and warnings of a file that was streamed."""

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
    """Load a sound file as mono float32.

    Parameters
    ----------
    source : a path, the content of a file, or samples [shape=(n_samples,) or (n_samples, channels)], in [-1, 1] or
    int16
    sample_rate : int, Hz, to resample to; None keeps the file's own
    max_seconds : float > 0; the rest of a longer file is not decoded, with a warning
    name : the name in messages; by default the path, or "this upload"
    source_rate : int, Hz, required for samples given as an array

    Returns
    -------
    Sound
        The mean of the channels, not normalized.

    Raises
    ------
    InputError
        If the content is not usable audio, whatever it is.

    Examples
    --------
    >>> sound = load_audio("blues.00000.wav", sample_rate=22_050)  # doctest: +SKIP
    >>> sound.y.shape, round(sound.seconds)  # doctest: +SKIP
    ((661794,), 30)
    """
    parts: list[np.ndarray] = []  # concatenated once at the end, in linear time
    info = stream_audio(AudioSource(source, name or "", source_rate), parts.append, sample_rate, max_seconds)
    return Sound(np.concatenate(parts), info.sample_rate, info.warnings)


def stream_audio(
    source: AudioSource,
    consume: Callable[[np.ndarray], object],
    sample_rate: int | None = None,
    max_seconds: float = MAX_SECONDS,
) -> AudioInfo:
    """Stream a sound block by block to `consume`, so that it never has to fit in memory.

    Parameters
    ----------
    consume : called with each block of samples, [shape=(n,)], mono float32 in [-1, 1]

    The other parameters and the errors are those of `load_audio`.
    """
    if sample_rate is not None:
        check_range(sample_rate, SAMPLE_RATES, "sample_rate", " Hz", Message("Choose another value"))
    with open_stream(source) as stream:
        n_samples, n_frames, warnings = decode_audio(stream, sample_rate, max_seconds, consume)
        warnings += stream.remarks
        warnings += check_completeness(stream, n_frames, max_seconds) or check_truncated(stream)
    name_warnings = check_extension(stream.name, stream.kind)
    return AudioInfo(sample_rate or stream.sample_rate, n_samples, (*name_warnings, *warnings))


def decode_audio(
    stream: Stream, sample_rate: int | None, max_seconds: float, consume: Callable[[np.ndarray], object]
) -> tuple[int, int, list[str]]:
    """Decode, mix and resample up to `max_seconds` of a stream, and pass the blocks to `consume`.

    Returns
    -------
    n_samples : samples passed on, at the new rate
    n_frames : frames read from the file, at its own rate
    warnings : about the level
    """
    max_frames = compute_max_frames(stream, max_seconds)
    # mix first: resampling one channel is cheaper
    resample, mix = make_resampler(stream.sample_rate, sample_rate), Mixer()
    n_samples, n_frames, level = 0, 0, LevelMeter(stream.name)
    for block in stream.blocks:
        mono = mix(block[: max_frames - n_frames])
        level.add(mono)
        n_frames += len(mono)
        n_samples += emit_block(resample(mono, False), consume)
        if n_frames >= max_frames:
            break
    if not n_frames:
        raise InputError(
            "Expected sound in {name}, but no frame of it can be decoded: it is empty or damaged. {convert}.",
            name=stream.name,
            convert=CONVERT,
        )
    n_samples += emit_block(resample(np.zeros(0, np.float32), True), consume)  # flush the resampler's delay line
    stream.remarks += [*mix.list_warnings(stream.sample_rate), *list_changes(stream)]
    return n_samples, n_frames, level.list_warnings()


def compute_max_frames(stream: Stream, max_seconds: float) -> int:
    """Compute how many frames of a stream to decode: `max_seconds`, or fewer if it has many channels at a high rate."""
    return min(max(1, round(max_seconds * stream.sample_rate)), MAX_VALUES // stream.channels)


def emit_block(y: np.ndarray, consume: Callable[[np.ndarray], object]) -> int:
    """Pass a block of samples to `consume`, clipped to [-1, 1]; return their number."""
    if len(y):
        consume(np.clip(y, -1, 1, out=y))  # resampling can overshoot at peaks
    return len(y)


def make_resampler(source_rate: int, target_rate: int | None):
    """Make a function of (block, is_last) that resamples blocks from one rate to another."""
    if target_rate in (None, source_rate):
        return lambda block, last: block
    import soxr  # only if needed: it takes a moment to load

    stream = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality="HQ")
    return lambda block, last: stream.resample_chunk(block, last=last)


# Warnings


class LevelMeter:
    """A level meter that finds silence, clipped peaks and invalid samples in a sound, block by block."""

    def __init__(self, name: str):
        self.name, self.n_samples, self.peak, self.n_clipped = name, 0, 0.0, 0

    def add(self, mono: np.ndarray) -> None:
        """Add the next samples, [shape=(n,)], n > 0.

        Raises
        ------
        InputError
            If a sample is not a number, or is far outside [-1, 1].
        """
        peak = max(float(mono.max()), -float(mono.min()))  # NaN and infinity propagate into it
        if not peak <= MAX_AMPLITUDE:
            raise InputError(
                "Expected samples between -1 and 1 in {name}, got {peak:g}. The file was written without scaling "
                "or is damaged: export it again.",
                name=self.name,
                peak=peak,
            )
        self.n_clipped += int(np.count_nonzero(np.abs(mono) >= FULL_SCALE)) if peak >= FULL_SCALE else 0
        self.n_samples, self.peak = self.n_samples + len(mono), max(self.peak, peak)

    def list_warnings(self) -> list[str]:
        """Return a warning if the sound is silent or clipped."""
        if self.peak < SILENCE_AMPLITUDE:
            return [
                Message(
                    "The sound is silent: no sample is above -80 dB of full scale, so a prediction for it is "
                    "meaningless."
                )
            ]
        share = self.n_clipped / self.n_samples
        if share > 0.001:  # a few samples at full scale are normal in mastered music
            return [
                Message(
                    "The sound is clipped: {share:.1%} of its samples are at full scale, so it is distorted.",
                    share=share,
                )
            ]
        return []


def check_completeness(stream: Stream, n_frames: int, max_seconds: float) -> list[str]:
    """Return warnings if a part of the file was skipped or is missing.

    Raises
    ------
    InputError
        If less than a second was read, and less than half of what the header claims.
    """
    rate, skipped = stream.sample_rate, round(stream.damage.seconds * stream.sample_rate)
    missing = stream.claimed - n_frames - skipped
    counts = (n_frames, max(stream.claimed, n_frames + skipped))
    length, whole = (Message("{seconds:.1f} s", seconds=n / rate) for n in counts)
    warnings = list_skipped(stream, whole)
    if n_frames >= compute_max_frames(stream, max_seconds):
        is_cut = missing > 0.1 * rate  # encoders pad the end, so a little is always missing
        return (
            [
                *warnings,
                Message(
                    "Only the first {length} of {whole} were read; the rest is left out.", length=length, whole=whole
                ),
            ]
            if is_cut
            else warnings
        )
    if missing <= max(0.02 * stream.claimed, 0.05 * rate):  # some mp3 headers only estimate the length
        return warnings
    if n_frames < rate and missing > n_frames:
        raise InputError(
            "Expected {whole} of sound in {name}, as its header claims, got {length}. The file was cut off: copy "
            "or download it again.",
            name=stream.name,
            whole=whole,
            length=length,
        )
    return [
        Message(
            "The file is cut off or damaged: only {length} of the {whole} in its header could be read.",
            length=length,
            whole=whole,
        )
    ]


def list_skipped(stream: Stream, whole: str) -> list[str]:
    """Return a warning if packets could not be decoded and were skipped."""
    skipped = Message("{seconds:.2f} s", seconds=stream.damage.seconds)
    if stream.damage.seconds < MIN_SKIPPED_SECONDS:
        return []
    return [
        Message(
            "The file is damaged: {skipped} of {whole} could not be decoded and were skipped.",
            skipped=skipped,
            whole=whole,
        )
    ]


def list_changes(stream: Stream) -> list[str]:
    """Return warnings if the format changed partway through the file, at most three."""
    format_ = f"{stream.sample_rate} Hz, {stream.channels} ch"
    return [
        Message(
            "The format changes from {format} to {rate} Hz, {channels} ch partway through: the whole file was "
            "read as {format}.",
            format=format_,
            rate=rate,
            channels=channels,
        )
        for rate, channels in sorted(stream.damage.changes)[:3]
    ]


def check_truncated(stream: Stream) -> list[str]:
    """Return a warning if a file whose header claims no length was probably not read to its end."""
    file, kind = stream.file, stream.kind
    if file is None:
        return []
    place, size = file.tell(), file.seek(0, io.SEEK_END)  # how far the decoder has read
    if second := find_second_file(file, kind):
        return [
            Message(
                "The file consists of two files joined together, and only the first was read ({second:.0%} of "
                "the bytes). Split them.",
                second=second / size,
            )
        ]
    if kind in ("mp3", "ogg") and place < 0.9 * size:
        return [
            Message(
                "Only {place:.0%} of the file was read, and the rest is of an unknown type. {convert}.",
                place=place / size,
                convert=CONVERT,
            )
        ]
    if kind == "ogg":
        file.seek(max(0, size - 65_536))
        tail = file.read()
        page = tail.rfind(b"OggS")
        if page >= 0 and len(tail) > page + 5 and not tail[page + 5] & 4:  # no end-of-stream flag (RFC 3533, section 6)
            return [Message("The file has no end marker, so it was probably cut off and the rest is missing.")]
    return []


# Clips


def compute_clip_starts(n: int, length: int, hop: int) -> np.ndarray:
    """Compute where clips begin in a track, in frames or samples.

    Clips follow each other every `hop`, as long as a whole one fits. One more clip ends with the track if otherwise
    more than half a clip would be left out. A track that is no longer than a clip has one clip, from its beginning.

    Parameters
    ----------
    n : int >= 0, length of the track
    length : int > 0, length of a clip
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
    starts = np.arange(0, last + 1, hop, dtype=np.int64)
    n_left = last - starts[-1]
    return np.append(starts, last) if 2 * n_left > length else starts


def pad_audio(y: np.ndarray, n_samples: int) -> np.ndarray:
    """Repeat `y` from its beginning until it has `n_samples`; a longer one is returned unchanged.

    Zeros are not used, because a model would take the silence for a part of the music.

    Parameters
    ----------
    y : np.ndarray [shape=(n, ...)], n > 0
    n_samples : int, the minimum length

    Raises
    ------
    InputError
        If `y` is empty.
    """
    if not len(y):
        raise InputError("Expected at least 1 sample to repeat, got 0. Use a longer file.")
    return y if len(y) >= n_samples else np.resize(y, (n_samples, *y.shape[1:]))
