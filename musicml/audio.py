"""Sound from anywhere, through one gate: bytes or a file in, mono float32 within limits out; and where clips are cut.

A header can lie. So a file's type is taken from its content and never from its name, what its header claims is
checked before anything is allocated, and sound is decoded, mixed and resampled block by block up to a limit: a
file that claims two gigabytes, or holds ten hours, costs no more than one that does not.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from musicml.errors import BadInput

CHANNELS = (1, 8)
SAMPLE_RATES = (4_000, 192_000)  # Hz
BLOCK = 2**16  # frames decoded at a time; a damaged block is lost whole, so not more
SILENT = 1e-4  # -80 dB of full scale
FULL_SCALE = 0.999
LOUDEST = 4.0  # decoded mp3 may exceed 1 a little; beyond 12 dB the samples are not on the scale [-1, 1] at all
UNKNOWN_LENGTH = 0xFFFFFFFF  # what a WAV says that was written to a pipe

# the first bytes of a file, where they stand, and what they tell
SIGNATURES = [
    (8, b"WAVE", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
    (0, b".snd", "au"),
    (4, b"ftyp", "m4a"),
    (0, b"\x1aE\xdf\xa3", "webm"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "wma"),
]
# what libsndfile does not read, and FFmpeg's name for it
BY_FFMPEG = {"m4a": "mov", "webm": "matroska", "wma": "asf", "aac": "aac"}
TYPE_OF_SUFFIX = {
    ".wav": "wav",
    ".mp3": "mp3",
    ".flac": "flac",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".opus": "ogg",
    ".aif": "aiff",
    ".aiff": "aiff",
    ".au": "au",
    ".m4a": "m4a",
    ".aac": "aac",
    ".webm": "webm",
    ".wma": "wma",
}
SUFFIXES = frozenset(TYPE_OF_SUFFIX)
CONVERT = "convert it to wav or flac and try again"


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


@dataclass
class Stream:
    """An opened file: what its header claims, and its blocks, decoded as they are asked for.

    `blocks` gives arrays [shape=(n_frames, channels)], int16 or float32. `claimed` is in frames, 0 if nothing is.
    """

    channels: int
    sample_rate: int
    claimed: int
    blocks: Iterator[np.ndarray]


def read(
    source: str | Path | bytes, sample_rate: int | None = None, most_seconds: float = 900.0, name: str | None = None
) -> Sound:
    """Read a sound file through the gate.

    Parameters
    ----------
    source : a path, or the file's content
    sample_rate : int, Hz; None keeps the file's own
    most_seconds : float > 0; what lies beyond is left out, never decoded, and a warning says so
    name : what to call the file in messages; by default its path, or "this upload"

    Returns
    -------
    Sound
        The mean of the channels, not normalised.

    Raises
    ------
    BadInput
        Whatever the content is, if it can't be used: one sentence with the rule, the value received and the cure.

    Examples
    --------
    >>> sound = read("blues.00000.wav", sample_rate=22_050)  # doctest: +SKIP
    >>> sound.y.shape, round(sound.seconds)  # doctest: +SKIP
    ((661794,), 30)
    """
    name = name or ("this upload" if isinstance(source, bytes) else str(source))
    if sample_rate is not None:
        within(sample_rate, SAMPLE_RATES, "sample_rate", " Hz", "choose another")
    with opened(source, name) as file:
        kind = true_type(file, name)
        decoder = by_ffmpeg if kind in BY_FFMPEG else by_libsndfile
        with decoder(file, kind, name) as stream:
            check_format(stream.channels, stream.sample_rate, name)
            y, heard, warnings = decode(stream, sample_rate, most_seconds, name)
            warnings += completeness(stream, heard, most_seconds, name) or open_end(file, kind)
    return Sound(y, sample_rate or stream.sample_rate, (*misnamed(name, kind), *warnings))


def check_format(channels: int, sample_rate: int, name: str) -> None:
    """Refuse what no musical recording claims."""
    within(channels, CHANNELS, "channels", "", f"the header of {name} is damaged or of a special use; {CONVERT}")
    within(sample_rate, SAMPLE_RATES, "sample_rate", " Hz", f"the header of {name} is damaged; {CONVERT}")


def within(value: int, limits: tuple[int, int], what: str, unit: str, cure: str) -> None:
    """Refuse a value outside its limits."""
    least, most = limits
    if not least <= value <= most:
        raise BadInput(f"{what}={value} must be between {least} and {most}{unit}: {cure}.")


# What the file is


@contextlib.contextmanager
def opened(source: str | Path | bytes, name: str) -> Iterator[BinaryIO]:
    """The content as an open file of at least one byte."""
    if isinstance(source, bytes):
        file = io.BytesIO(source)
    else:
        try:
            if not Path(source).is_file():
                raise BadInput(f"{name} must be a file, and there is none of that name: check how it is spelt.")
            file = Path(source).open("rb")
        except OSError as error:
            raise BadInput(
                f"{name} must be a file that can be opened, and can't be ({error.strerror}): "
                "check its name and who may read it."
            ) from error
    with file:
        if not file.read(1):
            raise BadInput(f"{name} must hold sound, and holds 0 bytes: copy or download it again.")
        file.seek(0)
        yield file


def true_type(file: BinaryIO, name: str) -> str:
    """The type by content: `wav`, `mp3`, ...; the file is left at its beginning.

    An ID3 tag may stand before mp3, flac or aac, so it is stepped over.
    """
    head = file.read(512)
    tagged = head[:3] == b"ID3" and len(head) >= 10
    if tagged:
        a, b, c, d = (byte & 0x7F for byte in head[6:10])
        file.seek(10 + (a << 21 | b << 14 | c << 7 | d))
        head = file.read(512)
    file.seek(0)
    kinds = [kind for place, mark, kind in SIGNATURES if head[place : place + len(mark)] == mark]
    kind = kinds[0] if kinds else mpeg_type(head) or ("mp3" if tagged else None)
    if kind is None:
        raise BadInput(f"{name} must hold sound, and {looks_like(head)}: give a wav, flac, mp3, ogg or m4a file.")
    return kind


def mpeg_type(head: bytes) -> str | None:
    """`mp3` or `aac` by the bits of an MPEG frame header (ISO/IEC 11172-3, 2.4.2.3; ADTS: 13818-7), or None."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "aac"
    layer, bitrate, rate = head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return "mp3" if layer in (1, 2) and bitrate != 15 and rate != 3 else None


def looks_like(head: bytes) -> str:
    """What a file that is not sound seems to be, in words."""
    if b"<svg" in head:
        return "is an SVG drawing"
    if not set(head) & set(b"\0\1\2\3\4\5\6\7\x0e\x0f"):
        return "looks like text"
    return f"starts with the bytes {head[:4].hex(' ')}, which no sound file does that is known here"


def misnamed(name: str, kind: str) -> list[str]:
    """A warning where the name's ending tells another type than the content."""
    suffix = Path(name).suffix.lower()
    if TYPE_OF_SUFFIX.get(suffix, kind) == kind:
        return []
    return [f"The file is named {suffix} but holds {kind}: it was read as {kind}."]


def wav_header(file: BinaryIO, name: str) -> float:
    """Check a WAV's header ourselves; libsndfile refuses some without saying why, and corrects others in silence.

    Returns how many times more bytes of samples it claims than there are: 1.0 for a whole file.
    """
    share, size_of_file = 1.0, file.seek(0, io.SEEK_END)
    for chunk, size, place in wav_chunks(file):
        file.seek(place)
        fields = file.read(8)
        if chunk == b"fmt " and len(fields) == 8:
            _, channels, sample_rate = struct.unpack("<HHI", fields)
            check_format(channels, sample_rate, name)
        if chunk == b"data" and size != UNKNOWN_LENGTH:
            share = max(1.0, size / max(size_of_file - place, 1))
    file.seek(0)
    return share


def wav_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
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


# Decoding


class Unnamed:
    """An open file as libsndfile gets it: nameless, since the ending `.raw` would decide its format, and never
    raising at a seek before its beginning, which a damaged header can ask for, because there is no one to catch it."""

    def __init__(self, file: BinaryIO):
        self.file, self.tell, self.read, self.readinto = file, file.tell, file.read, file.readinto

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As a file's, but stays where it is when it can't."""
        with contextlib.suppress(OSError, ValueError):
            self.file.seek(offset, whence)
        return self.tell()


@contextlib.contextmanager
def by_libsndfile(file: BinaryIO, kind: str, name: str) -> Iterator[Stream]:
    """Decode wav, flac, mp3, ogg, aiff and au."""
    import soundfile

    share = wav_header(file, name) if kind == "wav" else 1.0
    try:
        sound = soundfile.SoundFile(Unnamed(file))
    except soundfile.SoundFileError as error:
        raise undecodable(name, kind) from error

    def blocks() -> Iterator[np.ndarray]:
        # 16-bit samples are read as they are, five times as fast as libsndfile turns them into floats
        dtype = "int16" if sound.subtype == "PCM_16" else "float32"
        with contextlib.suppress(soundfile.SoundFileError):  # the end of what can be decoded; `completeness` judges it
            while len(block := sound.read(BLOCK, dtype=dtype, always_2d=True)):
                yield block

    with sound:
        yield Stream(sound.channels, sound.samplerate, round(sound.frames * share), blocks())


@contextlib.contextmanager
def by_ffmpeg(file: BinaryIO, kind: str, name: str) -> Iterator[Stream]:
    """Decode what phones and browsers record: m4a, webm, aac, wma. PyAV brings FFmpeg's libraries with it."""
    try:
        import av
    except ImportError as error:
        raise BadInput(
            f"{name} holds {kind}, which needs the package av, and it is not installed: "
            "pip install av, or convert the file to wav or flac."
        ) from error
    try:
        container = av.open(file, mode="r", format=BY_FFMPEG[kind])
    except (av.FFmpegError, ValueError) as error:
        raise undecodable(name, kind) from error
    with container:
        if not container.streams.audio:
            raise BadInput(f"{name} must hold sound, and is {kind} without any: give another file.")
        audio = container.streams.audio[0]
        if audio.codec_context is None or not audio.sample_rate:
            raise undecodable(name, kind)

        def blocks() -> Iterator[np.ndarray]:
            with contextlib.suppress(av.FFmpegError):  # as above: where decoding ends, `completeness` judges
                for frame in container.decode(audio):
                    yield as_float(frame, audio.channels, audio.sample_rate, name)

        yield Stream(audio.channels, audio.sample_rate, claimed_frames(container, audio, kind), blocks())


def claimed_frames(container, audio, kind: str) -> int:
    """How many frames the header claims; 0 where it says nothing, or FFmpeg only guesses (aac)."""
    if kind == "aac":
        return 0
    if audio.duration:
        return round(audio.duration * audio.time_base * audio.sample_rate)
    alone = len(container.streams) == 1  # beside a picture, the length may be the picture's
    return round((container.duration or 0) / 1e6 * audio.sample_rate) if alone else 0


def as_float(frame, channels: int, sample_rate: int, name: str) -> np.ndarray:
    """One frame of FFmpeg's as float32 [shape=(n_frames, channels)] on the scale [-1, 1]."""
    if frame.sample_rate != sample_rate or len(frame.layout.channels) != channels:
        raise BadInput(
            f"{name} must keep one sample rate and number of channels, and changes from {sample_rate} Hz, "
            f"{channels} to {frame.sample_rate} Hz, {len(frame.layout.channels)}: {CONVERT}."
        )
    y = frame.to_ndarray()
    y = y.T if frame.format.is_planar else y.reshape(-1, channels)
    if y.dtype.kind == "f":
        return y.astype(np.float32, copy=False)
    scale = 2.0 ** (8 * y.dtype.itemsize - 1)
    return ((y.astype(np.float64) - (scale if y.dtype.kind == "u" else 0.0)) / scale).astype(np.float32)


def decode(
    stream: Stream, sample_rate: int | None, most_seconds: float, name: str
) -> tuple[np.ndarray, int, list[str]]:
    """Decode, mix and resample up to `most_seconds`, block by block.

    Returns
    -------
    y : np.ndarray [shape=(n_samples,)], mono float32 in [-1, 1]
    heard : how many frames of the file that took
    warnings : about loudness
    """
    wanted = max(1, round(most_seconds * stream.sample_rate))
    resample = resampler(stream.sample_rate, sample_rate)
    parts, heard, loudest, full = [], 0, 0.0, 0
    for block in stream.blocks:
        mono = mix(block[: wanted - heard])
        peak = max(float(mono.max()), -float(mono.min()))  # NaN and infinity both show in it
        if not peak <= LOUDEST:
            raise BadInput(
                f"{name} must hold samples between -1 and 1, and has {peak:g}: it was written without "
                "scaling or is damaged; export it again."
            )
        full += np.count_nonzero(np.abs(mono) >= FULL_SCALE) if peak >= FULL_SCALE else 0
        heard, loudest = heard + len(mono), max(loudest, peak)
        parts.append(resample(mono, False))
        if heard >= wanted:
            break
    if not heard:
        raise BadInput(f"{name} must hold sound, and 0 frames of it can be decoded: it is empty or damaged; {CONVERT}.")
    y = np.concatenate([*parts, resample(np.zeros(0, np.float32), True)])
    if loudest > 0.9:  # resampling can carry peaks a little beyond full scale
        np.clip(y, -1, 1, out=y)
    return y, heard, loudness(loudest, full / heard)


def mix(block: np.ndarray) -> np.ndarray:
    """The mean of the channels on the scale [-1, 1], float32.

    A product with equal weights, because `block.mean(axis=1)` takes thirty times as long.
    """
    channels = block.shape[1]
    weight = np.float32(1 / channels / (32_768 if block.dtype == np.int16 else 1))
    if channels == 1:
        return block[:, 0] * weight
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is infinite, and refused as such
        return block.astype(np.float32) @ np.full(channels, weight)


def resampler(given: int, wanted: int | None):
    """A function of (block, whether it is the last) that brings blocks from one sample rate to another."""
    if wanted in (None, given):
        return lambda block, last: block
    import soxr

    stream = soxr.ResampleStream(given, wanted, 1, dtype="float32", quality="HQ")
    return lambda block, last: stream.resample_chunk(block, last=last)


# What there is to warn of


def loudness(loudest: float, full: float) -> list[str]:
    """Warnings where nothing is heard, or the peaks were cut; `full` is the share of samples at full scale."""
    if loudest < SILENT:
        return ["The sound is silent: no sample is above -80 dB of full scale, so an answer to it means nothing."]
    if full > 0.001:
        return [f"The sound is clipped: {full:.1%} of its samples are at full scale, so it is distorted."]
    return []


def completeness(stream: Stream, heard: int, most_seconds: float, name: str) -> list[str]:
    """A warning where a part was left out or is missing; BadInput where too little of what was claimed is there."""
    rate, missing = stream.sample_rate, stream.claimed - heard
    length, whole = f"{heard / rate:.1f} s", f"{stream.claimed / rate:.1f} s"
    if heard >= round(most_seconds * rate):
        return [f"Only the first {length} of {whole} were read; the rest is left out."] if missing > 0 else []
    if missing <= max(0.02 * stream.claimed, 0.05 * rate):  # encoders pad, and some mp3 only estimate their length
        return []
    if heard < rate and missing > heard:
        raise BadInput(
            f"{name} must hold the {whole} that its header claims, and holds {length}: it was cut off; "
            "copy or download it again."
        )
    return [f"The file is cut off or damaged: {length} of the {whole} that its header claims could be read."]


def open_end(file: BinaryIO, kind: str) -> list[str]:
    """A warning where a file without a claimed length was not heard to its end."""
    place, size = file.tell(), file.seek(0, io.SEEK_END)
    if kind == "mp3" and place < 0.9 * size:
        return [f"The file does not say how long it is, and only {place / size:.0%} of it was read: {CONVERT}."]
    if kind == "ogg":
        file.seek(max(0, size - 65_536))
        tail = file.read()
        page = tail.rfind(b"OggS")
        if page >= 0 and len(tail) > page + 5 and not tail[page + 5] & 4:  # no end of stream: RFC 3533, section 6
            return ["The file ends without its end mark: it was probably cut off, and the rest is missing."]
    return []


def undecodable(name: str, kind: str) -> BadInput:
    """The refusal for a file that begins like sound and goes on like nothing known."""
    return BadInput(f"{name} must hold sound that can be decoded, and is damaged or rare {kind}: {CONVERT}.")


# Clips


def starts(n: int, length: int, hop: int) -> np.ndarray:
    """Where clips begin in a track; the units, frames or samples, are those given.

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
    >>> starts(100, 30, 30)
    array([ 0, 30, 60])
    >>> starts(110, 30, 30)
    array([ 0, 30, 60, 80])
    """
    last = max(n - length, 0)
    begins = np.arange(0, last + 1, hop, dtype=np.int64)
    unheard = last - begins[-1]
    return np.append(begins, last) if 2 * unheard > length else begins


def pad(y: np.ndarray, n_samples: int) -> np.ndarray:
    """`y` repeated from its beginning until it is `n_samples` long; unchanged if it is long enough.

    Repeated and not filled with zeros, because a model would take the silence for a part of the music.

    Parameters
    ----------
    y : np.ndarray [shape=(n, ...)], n > 0
    n_samples : int, the least length wanted

    Raises
    ------
    BadInput
        If `y` is empty.
    """
    if not len(y):
        raise BadInput("A sound must have at least 1 sample to be repeated, and this one has 0: give a longer file.")
    return y if len(y) >= n_samples else np.resize(y, (n_samples, *y.shape[1:]))
