"""Decoding: what a sound file really is, and its samples, block by block.

A header can lie. So a file's type is taken from its content and never from its name, and what its header claims is
checked before anything is allocated.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from musicml.utils import InputError

CHANNELS = (1, 8)
SAMPLE_RATES = (4_000, 192_000)  # Hz
BLOCK = 2**16  # frames decoded at a time; a damaged block is lost whole, so not more
MOST_VALUES = 100_000_000  # frames times channels decoded of one file: 15 minutes in stereo at 48 kHz, and some more
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
# the same for pictures, under Pillow's names for their types
IMAGE_SIGNATURES = [
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF8", "GIF"),
    (6, b"\0\0\0\0", "BMP"),  # beside "BM", with which words begin as well
    (8, b"WEBP", "WEBP"),
]
# types that many have and nothing here reads
OTHERS = [
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"%PDF", "a PDF document"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (8, b"heic", "a HEIC picture"),
    (8, b"heix", "a HEIC picture"),
    (8, b"mif1", "a HEIF picture"),
    (8, b"avif", "an AVIF picture"),
]
# what libsndfile does not read, and FFmpeg's name for it; and mp3, for which libsndfile takes longer, and writes to the
# terminal where one is damaged
BY_FFMPEG = {"mp3": "mp3", "m4a": "mov", "webm": "matroska", "wma": "asf", "aac": "aac"}
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
TYPE_OF_PICTURE_SUFFIX = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".webp": "WEBP",
}
CONVERT = "convert it to wav or flac and try again"


@dataclass
class Stream:
    """An opened file: what its header claims, and its blocks, decoded as they are asked for.

    `blocks` gives arrays [shape=(n_frames, channels)], int16 or float32. `claimed` is in frames, 0 if nothing is.
    """

    channels: int
    sample_rate: int
    claimed: int
    blocks: Iterator[np.ndarray]


def get_display_name(source: str | Path | bytes | np.ndarray) -> str:
    """What messages call a source that came without a name.

    Raises
    ------
    InputError
        If it is nothing that can be read at all.
    """
    if not isinstance(source, str | Path | bytes | np.ndarray):
        raise InputError(
            "what is asked about must be a path, bytes or a numpy array, and is {source___name}: convert it.",
            source___name=type(source).__name__,
        )
    return (
        str(source) if isinstance(source, str | Path) else "this upload" if isinstance(source, bytes) else "the array"
    )


@contextlib.contextmanager
def open_stream(
    source: str | Path | bytes | np.ndarray, name: str, given_rate: int | None = None
) -> Iterator[tuple[Stream, BinaryIO | None, str]]:
    """The file's stream, ready to be decoded; the open file, None for an array; and its type by content.

    Raises
    ------
    InputError
        If it is missing, empty, of no known type, damaged, or of a format that no musical recording has.
    """
    if isinstance(source, np.ndarray):
        yield stream_array(source, given_rate, name), None, "array"
        return
    with open_source(source, name) as file:
        kind = detect_type(file, name)
        if kind == "m4a":
            check_boxes(file, name)
        decoder = decode_with_ffmpeg if kind in BY_FFMPEG else decode_with_libsndfile
        with decoder(file, kind, name) as stream:
            check_format(stream.channels, stream.sample_rate, name)
            yield stream, file, kind


def stream_array(y: np.ndarray, sample_rate: int | None, name: str) -> Stream:
    """A stream of samples that are there already."""
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
        frames.shape[1], CHANNELS, "channels", "", f"{name} is of shape {y.shape}; if that is transposed, turn it"
    )
    check_range(sample_rate, SAMPLE_RATES, "sample_rate", " Hz", f"give that of {name}")
    kept = np.int16 if y.dtype == np.int16 else np.float32
    blocks = (frames[place : place + BLOCK].astype(kept, copy=False) for place in range(0, len(y), BLOCK))
    return Stream(frames.shape[1], sample_rate, len(y), blocks)


def check_format(channels: int, sample_rate: int, name: str) -> None:
    """Refuse what no musical recording claims."""
    check_range(channels, CHANNELS, "channels", "", f"the header of {name} is damaged or of a special use; {CONVERT}")
    check_range(sample_rate, SAMPLE_RATES, "sample_rate", " Hz", f"the header of {name} is damaged; {CONVERT}")


def check_range(value: int, limits: tuple[int, int], what: str, unit: str, cure: str) -> None:
    """Refuse a value outside its limits."""
    least, most = limits
    if not least <= value <= most:
        raise InputError(
            "{what}={value} must be between {least} and {most}{unit}: {cure}.",
            what=what,
            value=value,
            least=least,
            most=most,
            unit=unit,
            cure=cure,
        )


def get_file_mode(path: str | Path) -> int:
    """What lies at a path, as `os.stat` tells it; 0 where there is nothing.

    Not by a `Path`: each of them leaves the parts of its name in Python's table of names, a megabyte in many thousands.
    """
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0


@contextlib.contextmanager
def open_source(source: str | Path | bytes, name: str) -> Iterator[BinaryIO]:
    """The content as an open file of at least one byte."""
    if isinstance(source, bytes):
        file = io.BytesIO(source)
    else:
        try:
            mode = get_file_mode(source)
            if stat.S_ISDIR(mode):
                raise InputError(
                    "{name} must be a file, and is a folder: name files, or a folder that holds some.", name=name
                )
            if not stat.S_ISREG(mode):
                other = "is none that can be read" if mode else "there is none of that name"
                raise InputError("{name} must be a file, and {other}: check how it is spelt.", name=name, other=other)
            file = open(source, "rb")
        except OSError as error:
            raise InputError(
                "{name} must be a file that can be opened, and can't be ({error_strerror}): "
                "check its name and who may read it.",
                name=name,
                error_strerror=error.strerror,
            ) from error
    with file:
        if not file.read(1):
            raise InputError("{name} must hold sound, and holds 0 bytes: copy or download it again.", name=name)
        file.seek(0)
        yield file


def detect_type(file: BinaryIO, name: str) -> str:
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
    kinds = match_signatures(head, SIGNATURES)
    kind = kinds[0] if kinds else detect_mpeg_type(head) or ("mp3" if tagged else None)
    if kind is None or match_signatures(head, OTHERS):
        raise InputError(
            "{name} must hold sound, and {unknown}: give a wav, flac, mp3, ogg or m4a file.",
            name=name,
            unknown=describe_unknown(head),
        )
    return kind


def match_signatures(head: bytes, signatures: list[tuple[int, bytes, str]]) -> list[str]:
    """The types whose mark a file's first bytes bear."""
    return [
        kind
        for place, mark, kind in signatures
        if head[place : place + len(mark)] == mark and (kind != "BMP" or head[:2] == b"BM")
    ]


def detect_mpeg_type(head: bytes) -> str | None:
    """`mp3` or `aac` by the bits of an MPEG frame header (ISO/IEC 11172-3, 2.4.2.3; ADTS: 13818-7), or None."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:
        return "aac"
    layer, bitrate, rate = head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return "mp3" if layer in (1, 2) and bitrate != 15 and rate != 3 else None


def describe_unknown(head: bytes) -> str:
    """What a file of no known type seems to be, in words."""
    pictures, sounds, others = (
        match_signatures(head, signatures) for signatures in (IMAGE_SIGNATURES, SIGNATURES, OTHERS)
    )
    if others:
        return f"is {others[0]}"
    if pictures or sounds:
        return f"is a {pictures[0]} picture" if pictures else f"is {sounds[0]} sound"
    if b"<svg" in head:
        return "is an SVG drawing"
    if not set(head) & set(b"\0\1\2\3\4\5\6\7\x0e\x0f"):
        return "looks like text"
    return f"starts with the bytes {head[:4].hex(' ')}, which no known type does"


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


CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}
COUNTED = {b"stsz": 8, b"stz2": 8, b"trun": 4}  # where a box says how many packets there are


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


class NamelessFile:
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
def decode_with_libsndfile(file: BinaryIO, kind: str, name: str) -> Iterator[Stream]:
    """Decode wav, flac, ogg, aiff and au."""
    import soundfile

    share = check_wav_header(file, name) if kind == "wav" else 1.0
    try:
        sound = soundfile.SoundFile(NamelessFile(file))
    except soundfile.SoundFileError as error:
        raise make_undecodable_error(name, kind) from error

    def blocks() -> Iterator[np.ndarray]:
        # 16-bit samples are read as they are, five times as fast as libsndfile turns them into floats
        dtype = "int16" if sound.subtype == "PCM_16" else "float32"
        with contextlib.suppress(soundfile.SoundFileError):  # the end of what can be decoded; `completeness` judges it
            while len(block := sound.read(BLOCK, dtype=dtype, always_2d=True)):
                yield block

    with sound:
        yield Stream(sound.channels, sound.samplerate, round(sound.frames * share), blocks())


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
        channels, sample_rate = (
            audio.channels,
            audio.sample_rate,
        )  # as it begins; a damaged file changes them on its way

        claimed = get_claimed_frames(container, audio) if has_claimed_length(file, kind) else 0
        yield Stream(
            channels, sample_rate, claimed, gather_blocks(container.decode(audio), channels, sample_rate, name)
        )


def gather_blocks(frames: Iterator, channels: int, sample_rate: int, name: str) -> Iterator[np.ndarray]:
    """Blocks of at least `BLOCK` frames: FFmpeg gives a thousand, and array by array they take twice the time."""
    import av

    some, kind = av.AudioFifo(), None
    with contextlib.suppress(av.FFmpegError):  # as above: where decoding ends, `completeness` judges
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
    head = file.read(10)
    a, b, c, d = (byte & 0x7F for byte in head[6:10])
    file.seek(10 + (a << 21 | b << 14 | c << 7 | d) if head[:3] == b"ID3" else 0)
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


def make_undecodable_error(name: str, kind: str) -> InputError:
    """The refusal for a file that begins like sound and goes on like nothing known."""
    return InputError(
        "{name} must hold sound that can be decoded, and is damaged or rare {kind}: {convert}.",
        name=name,
        kind=kind,
        convert=CONVERT,
    )


def check_extension(name: str, kind: str) -> list[str]:
    """A warning where the name's ending tells another type than the content."""
    suffix = os.path.splitext(name)[1].lower()
    if (TYPE_OF_SUFFIX | TYPE_OF_PICTURE_SUFFIX).get(suffix, kind) == kind or kind == "array":
        return []
    return [f"The file is named {suffix} but holds {kind}: it was read as {kind}."]
