"""mp3, m4a, webm, aac, wma, and damaged flac and ogg: what FFmpeg's libraries decode, which PyAV brings along."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from musicml.data.io.containers import claims_length, measure_lost
from musicml.data.io.mpeg import measure_tags, read_claimed_frames, step_over_tags
from musicml.data.io.stream import (
    BLOCK,
    CHANNELS,
    LOUDEST,
    SAMPLE_RATES,
    Damage,
    FileView,
    Stream,
    make_undecodable_error,
)
from musicml.utils import InputError

# what libsndfile does not read, and FFmpeg's name for it; and mp3, for which libsndfile takes longer, and writes to the
# terminal where one is damaged
BY_FFMPEG = {"mp3": "mp3", "m4a": "mov", "webm": "matroska", "wma": "asf", "aac": "aac"}
BY_FFMPEG_IF_DAMAGED = {"flac": "flac", "ogg": "ogg"}
MOST_FAILED = 50_000  # packets that can't be decoded, until a file is given up: a second of work
STEADY = 3  # frames that a change of sample rate or channels must last; a damaged header claims one for a frame
MOST_CHANGED = 8  # channels to which a file may change; a damaged header claims more
MOST_PLANES = 7  # of samples that lie channel by channel; PyAV reads on behind the last where there are more
BURST = 576  # samples that mp3 decodes together
GAP = 0.03  # seconds; below it, times differ because a container rounds them
SET_BACK, LEAP = 0.5, 900.0  # seconds; time that goes back or on by more begins anew, as in files that were joined
SMALL_TAG = 500  # bytes
LONGEST_DELAY = 0.25  # seconds that a decoder may leave out at the beginning
LONGEST_PAGE = 5.0  # seconds, of ogg, in practice
LEAST_LOST, LEAST_LOST_BESIDE = 0.1, 1.0  # seconds; an end may hold other things, and beside pictures it holds some
WITHOUT_TIMES = ("mp3", "aac")
WITH_COUNTED_TIMES = ("m4a",)  # they are those of whole packets, damaged or not


@contextlib.contextmanager
def decode_with_ffmpeg(file: BinaryIO | FileView, kind: str, name: str) -> Iterator[Stream]:
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
        container = av.open(file, mode="r", format=(BY_FFMPEG | BY_FFMPEG_IF_DAMAGED)[kind])
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
        channels, sample_rate = audio.channels, audio.sample_rate  # as it begins; a file can change them later
        claimed = get_claimed_frames(container, audio, file, kind)
        damage = Damage()
        if kind == "flac":
            audio.codec_context.options = {"err_detect": "crccheck+explode"}  # else a damaged frame is noise
        frames = PacketDecoder(kind, file, damage).decode(container, audio)
        yield Stream(
            channels,
            sample_rate,
            claimed,
            gather_blocks(frames, channels, sample_rate, damage),
            name,
            kind,
            file,
            damage,
        )


def resume_with_ffmpeg(
    file: BinaryIO | FileView, kind: str, name: str, n_given: int, damage: Damage
) -> Iterator[np.ndarray]:
    """Yield blocks from a frame on, where another decoder stopped; none where FFmpeg does no better."""
    file.seek(0)
    with contextlib.suppress(InputError), decode_with_ffmpeg(file, kind, name) as stream:
        for block in stream.blocks:
            skipped = min(n_given, len(block))
            n_given -= skipped
            damage.seconds, damage.changes = stream.damage.seconds, stream.damage.changes
            if skipped < len(block):
                yield block[skipped:]
        damage.seconds = stream.damage.seconds


class PacketDecoder:
    """Decodes packet by packet; one that can't be decoded is skipped, and what it held is counted in `damage`.

    A container tells when a frame is to begin. Of mp3 and aac, which have none, bytes tell how much is missing: those
    between the frames that were found. Tags in their midst, as of files that were joined to one, are no sound.
    """

    def __init__(self, kind: str, file: BinaryIO | FileView, damage: Damage):
        self.kind, self.file, self.damage = kind, file, damage
        self.left = measure_content(file)  # bytes that came in no packet
        self.expected: float | None = None  # seconds: when the next frame begins
        self.n_failed = self.n_pending = 0
        self.pending = 0.0  # seconds, of what failed since the last frame
        self.tag_end = -1  # bytes
        self.n_decoded, self.size, self.length = 0, 0, 0.0  # packets that were decoded, their bytes and seconds
        self.first: tuple[int, float] | None = None  # where the first packet stands in the file, and when it is heard
        self.last = 0  # bytes: where the last packet ends

    def decode(self, container, audio) -> Iterator:
        """Yield all frames of a stream."""
        import av

        for packet in read_packets(container, audio):
            self.left -= packet.size
            if packet.pos is not None:
                self.first = self.first or (packet.pos, float((packet.time_base or 0) * (packet.pts or 0)))
                self.last = max(self.last, packet.pos + packet.size)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                frames = self.decode_behind_tags(packet)
                self.n_failed += 1
                if self.n_failed > MOST_FAILED:
                    break
            if frames:
                self.count_decoded(packet, frames)
                yield from frames
        self.count_end()
        if self.kind == "webm" and self.first is not None and self.expected is not None:
            least = LEAST_LOST if is_without_pictures(container) else LEAST_LOST_BESIDE
            self.count_outside(*self.first, self.expected, least)

    def decode_behind_tags(self, packet) -> list:
        """Return the frames behind tags, if a packet that can't be decoded begins with some."""
        import av

        content = bytes(packet)
        tags = measure_tags(content) if self.kind in WITHOUT_TIMES else 0
        if tags:
            self.tag_end = packet.pos + tags
            with contextlib.suppress(av.FFmpegError):
                return packet.stream.codec_context.decode(av.Packet(content[tags:])) if tags < len(content) else []
        elif packet.pos is None or packet.pos >= self.tag_end:
            lost = self.to_seconds(packet.size, packet) if self.kind in WITHOUT_TIMES else get_length(packet)
            self.n_pending, self.pending = self.n_pending + 1, self.pending + lost
            self.expected = None if self.expected is None else self.expected + lost
        return []

    def to_seconds(self, n_bytes: int, packet) -> float:
        """Return how long so many bytes are, by the packets that were decoded so far."""
        if not self.size:
            return get_length(packet)
        return n_bytes * self.length / self.size

    def count_decoded(self, packet, frames: list) -> None:
        """Count what was lost before these frames, and when the next one begins."""
        if self.n_pending:
            self.damage.seconds += self.pending
            self.n_pending, self.pending = 0, 0.0
        self.n_decoded, self.size = self.n_decoded + 1, self.size + packet.size
        self.length += sum(frame.samples / frame.sample_rate for frame in frames)
        if self.kind not in WITHOUT_TIMES + WITH_COUNTED_TIMES:
            for frame in frames:
                self.check_time(frame)

    def count_end(self) -> None:
        """Count what came in no packet, or in the last ones, which failed."""
        if self.n_pending > 1:  # one is where a file was cut off; and what else stands at an end may be no sound
            self.damage.seconds += min(self.pending, self.n_pending * self.length / max(self.n_decoded, 1))
        # FFmpeg leaves out what is no frame of aac, but also a small tag; and where it was given up, it left the rest
        leaves_out = self.kind == "aac" and self.n_failed > 0
        if (leaves_out or self.n_failed > MOST_FAILED) and self.left > SMALL_TAG:
            self.damage.seconds += self.left * self.length / max(self.size, 1)

    def count_outside(self, place: int, begin: float, end: float, least: float) -> None:
        """Count what is lost before the first packet and behind the last, where no time tells of it."""
        rate = (end - begin) / max(self.last - place, 1)  # seconds a byte
        before, behind = (n_bytes * rate for n_bytes in measure_lost(self.file, place, self.last))
        self.damage.seconds += sum(seconds for seconds in (min(before, begin), behind) if seconds > least)

    def check_time(self, frame) -> None:
        """Count the seconds that are missing before a frame."""
        length = frame.samples / frame.sample_rate
        if frame.pts is None:
            self.expected = None if self.expected is None else self.expected + length
            return
        if self.expected is None and self.kind == "ogg" and frame.time < LONGEST_PAGE:
            self.expected = 0.0
        elif self.expected is None and self.first is not None and frame.time > self.first[1] + LONGEST_DELAY:
            self.expected = self.first[1]
        gap = 0.0 if self.expected is None else frame.time - self.expected
        if GAP < gap < LEAP or -SET_BACK < gap < -GAP:
            self.damage.seconds += gap
        self.expected = frame.time + length


def measure_content(file: BinaryIO | FileView) -> int:
    """Return how many bytes a file has behind its tags; it stays where it is."""
    place = file.tell()
    size = file.seek(0, io.SEEK_END) - step_over_tags(file).end
    file.seek(place)
    return size


def get_length(packet) -> float:
    """Return the seconds of sound that a packet claims to hold."""
    return float(packet.duration * packet.time_base) if packet.duration else 0.0


def read_packets(container, audio) -> Iterator:
    """Yield the packets of a stream; where a container is damaged, those behind the damage too."""
    import av

    for _ in range(100):
        try:
            yield from container.demux(audio)
            return
        except av.FFmpegError:
            continue


def gather_blocks(frames: Iterator, channels: int, sample_rate: int, damage: Damage) -> Iterator[np.ndarray]:
    """Yield blocks of at least `BLOCK` frames: FFmpeg gives a thousand, and one by one they take twice the time.

    Where the sample rate or the number of channels changes partway through, as of files that were joined to one, blocks
    are brought to those of the beginning.
    """
    import av

    for given, run in find_runs(frames, (sample_rate, channels), damage):
        some, convert = av.AudioFifo(), make_converter(given, (sample_rate, channels), damage)
        for frame in itertools.chain(run, [None]):
            if frame is not None:
                frame.pts = None  # a fifo takes no gaps, and a damaged file has some
                some.write(frame)
            if some.samples >= (1 if frame is None else BLOCK):
                yield convert(to_float(some.read(), given[1]))
        rest = convert(np.zeros((0, given[1]), np.float32))
        if len(rest):
            yield rest


def find_runs(frames: Iterator, wanted: tuple[int, int], damage: Damage) -> Iterator[tuple[tuple[int, int], Iterator]]:
    """Yield frames that follow each other with one sample rate and number of channels, and these two.

    A change that lasts but a frame or two, or that is to a crowd of channels, is damage, and is left out.
    """
    for (rate, channels, _), run in itertools.groupby(frames, describe_frame):
        rest = iter(run)
        first = list(itertools.islice(rest, STEADY))
        its_frames = itertools.chain(first, rest)
        if (rate, channels) == wanted:
            yield wanted, its_frames
        elif len(first) == STEADY and is_usual(rate, channels) and channels <= max(MOST_CHANGED, wanted[1]):
            damage.changes.add((rate, channels))
            yield (rate, channels), its_frames
        else:
            damage.seconds += sum(frame.samples for frame in its_frames) / max(rate, 1)


def describe_frame(frame) -> tuple[int, int, str]:
    """Return what frames must share to be one array: sample rate, number of channels, format of samples."""
    return frame.sample_rate, frame.layout.nb_channels, frame.format.name


def is_usual(sample_rate: int, channels: int) -> bool:
    """Return whether a musical recording has this sample rate and number of channels."""
    return SAMPLE_RATES[0] <= sample_rate <= SAMPLE_RATES[1] and CHANNELS[0] <= channels <= CHANNELS[1]


def make_converter(given: tuple[int, int], wanted: tuple[int, int], damage: Damage):
    """Return a function that brings blocks to another sample rate and number of channels; an empty one is the last.

    Channels become their mean, or copies of one.
    """
    (rate, channels), (wanted_rate, wanted_channels) = given, wanted
    if given == wanted:
        return lambda block: leave_out_bursts(block, rate, damage) if len(block) else block
    import soxr

    resampler = soxr.ResampleStream(rate, wanted_rate, wanted_channels, dtype="float32", quality="HQ")

    def convert(block: np.ndarray) -> np.ndarray:
        is_last = not len(block)
        block = block if is_last else leave_out_bursts(block, rate, damage)
        if channels != wanted_channels:
            block = np.repeat(block.mean(axis=1, keepdims=True, dtype=np.float32), wanted_channels, axis=1)
        y = resampler.resample_chunk(np.ascontiguousarray(block), last=is_last)
        return y.reshape(len(y), wanted_channels)

    return convert


def leave_out_bursts(block: np.ndarray, sample_rate: int, damage: Damage) -> np.ndarray:
    """Return a block without the few frames of a damaged file that decode to a burst far beyond [-1, 1].

    Where many are as loud the file is off the scale, and is refused as such.
    """
    if -LOUDEST <= block.min() and block.max() <= LOUDEST:
        return block
    kept = np.abs(block[: len(block) // BURST * BURST]).max(axis=1).reshape(-1, BURST).max(axis=1) <= LOUDEST
    if not len(kept) or np.mean(kept) < 0.75:
        return block
    chosen = np.append(np.repeat(kept, BURST), np.ones(len(block) % BURST, bool))
    damage.seconds += np.count_nonzero(~chosen) / sample_rate
    return block[chosen]


def get_claimed_frames(container, audio, file: BinaryIO | FileView, kind: str) -> int:
    """Return how many frames the header claims; 0 where it says nothing, or FFmpeg only guesses."""
    if kind in ("mp3", "aac"):
        return read_claimed_frames(file) if kind == "mp3" else 0
    if kind == "webm" and not claims_length(file):
        return 0
    if audio.duration:
        return round(audio.duration * audio.time_base * audio.sample_rate)
    is_alone = is_without_pictures(container)  # else the length may be the picture's
    return round((container.duration or 0) / 1e6 * audio.sample_rate) if is_alone else 0


def is_without_pictures(container) -> bool:
    """Return whether all streams are sound; where a webm is damaged, FFmpeg finds its one stream twice."""
    return all(stream.type == "audio" for stream in container.streams)


def to_float(frame, channels: int) -> np.ndarray:
    """Return FFmpeg's samples as float32 [shape=(n_frames, channels)] on the scale [-1, 1]."""
    if frame.format.is_planar and channels > MOST_PLANES:
        return interleave(frame, channels)
    y = frame.to_ndarray()
    y = y.T if frame.format.is_planar else y.reshape(-1, channels)
    if y.dtype.kind == "f":
        return y.astype(np.float32, copy=False)
    scale = 2.0 ** (8 * y.dtype.itemsize - 1)
    return ((y.astype(np.float64) - (scale if y.dtype.kind == "u" else 0.0)) / scale).astype(np.float32)


def interleave(frame, channels: int) -> np.ndarray:
    """Return the samples of many channels that FFmpeg keeps each by itself, as `to_float` does."""
    import av

    resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)
    parts = [part for given in (frame, None) for part in resampler.resample(given)]
    return np.concatenate([part.to_ndarray().reshape(-1, channels) for part in parts])
