"""Decode mp3, m4a, webm, aac and wma, and damaged flac and ogg, with FFmpeg's libraries (PyAV)."""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from musicml.data.io.containers import has_duration, measure_lost
from musicml.data.io.mpeg import measure_tags, read_claimed_frames, step_over_tags
from musicml.data.io.stream import (
    BLOCK_SIZE,
    CHANNELS,
    MAX_AMPLITUDE,
    SAMPLE_RATES,
    Damage,
    FileView,
    Stream,
    make_undecodable_error,
)
from musicml.utils import InputError

# file type → FFmpeg's name for it: types that libsndfile cannot read, and mp3, which it reads more slowly and with
# messages on the terminal for damaged files
BY_FFMPEG = {"mp3": "mp3", "m4a": "mov", "webm": "matroska", "wma": "asf", "aac": "aac"}
BY_FFMPEG_IF_DAMAGED = {"flac": "flac", "ogg": "ogg"}
MAX_FAILED_PACKETS = 50_000  # after so many a file is given up: a second of work
MIN_RUN = 3  # frames that a change of sample rate or channels must last; a damaged header claims one for a frame
MAX_CHANGED_CHANNELS = 8  # channels that a file may change to; a damaged header claims more
MAX_PLANES = 7  # channels in planar layout; PyAV reads beyond the last plane if there are more
BURST = 576  # samples that mp3 decodes together
MIN_GAP = 0.03  # seconds; timestamps differ by less because containers round them
MAX_STEP_BACK, MAX_GAP = 0.5, 900.0  # seconds; a larger jump means that time starts anew, as in joined files
MAX_TAG_SIZE = 500  # bytes
MAX_DELAY = 0.25  # seconds that a decoder may drop at the beginning
MAX_PAGE_SECONDS = 5.0  # of ogg, in practice
MIN_LOST, MIN_LOST_IN_VIDEO = 0.1, 1.0  # seconds; a file may end with other data, and a video does
WITHOUT_TIMES = ("mp3", "aac")  # containers without timestamps
WITH_COUNTED_TIMES = ("m4a",)  # timestamps only count packets, damaged or not


@contextlib.contextmanager
def decode_with_ffmpeg(file: BinaryIO | FileView, kind: str, name: str) -> Iterator[Stream]:
    """Open a file with FFmpeg, for decoding block by block."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            "Reading {kind} files such as {name} needs the package av, which is not installed. Run `pip install "
            "av`, or convert the file to wav or flac.",
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
                "Expected sound in {name}, but this {kind} file has no audio track. Use another file.",
                name=name,
                kind=kind,
            )
        audio = container.streams.audio[0]
        if audio.codec_context is None or not audio.sample_rate:
            raise make_undecodable_error(name, kind)
        channels, sample_rate = audio.channels, audio.sample_rate  # at the beginning; a file can change them later
        claimed = _get_claimed_frames(container, audio, file, kind)
        damage = Damage()
        if kind == "flac":
            audio.codec_context.options = {
                "err_detect": "crccheck+explode"
            }  # without it a damaged frame decodes to noise
        frames = PacketDecoder(kind, file, damage).decode(container, audio)
        yield Stream(
            channels,
            sample_rate,
            claimed,
            _gather_blocks(frames, channels, sample_rate, damage),
            name,
            kind,
            file,
            damage,
        )


def resume_with_ffmpeg(
    file: BinaryIO | FileView, kind: str, name: str, n_given: int, damage: Damage
) -> Iterator[np.ndarray]:
    """Yield the blocks after frame `n_given`, where another decoder stopped; nothing if FFmpeg stops there too."""
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
    """Decode packet by packet; skip the packets that cannot be decoded, and add their duration to `damage`.

    A container has a timestamp for each packet. Files of mp3 and aac have none, so the missing duration is estimated
    from the bytes between the decoded frames. Tags between frames, as in joined files, do not count as missing audio.
    """

    def __init__(self, kind: str, file: BinaryIO | FileView, damage: Damage):
        self.kind, self.file, self.damage = kind, file, damage
        self.left = _measure_content(file)  # bytes that were in no packet
        self.expected: float | None = None  # timestamp of the next frame, in seconds
        self.n_failed = self.n_pending = 0
        self.pending = 0.0  # seconds that failed to decode since the last good frame
        self.tag_end = -1  # offset in bytes
        self.n_decoded, self.size, self.length = 0, 0, 0.0  # of the decoded packets: number, bytes, seconds
        self.first: tuple[int, float] | None = None  # offset and timestamp of the first packet
        self.last = 0  # offset at which the last packet ends

    def decode(self, container, audio) -> Iterator:
        """Yield all decoded frames of a stream."""
        import av

        for packet in _read_packets(container, audio):
            self.left -= packet.size
            if packet.pos is not None:
                self.first = self.first or (packet.pos, float((packet.time_base or 0) * (packet.pts or 0)))
                self.last = max(self.last, packet.pos + packet.size)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                frames = self._decode_after_tags(packet)
                self.n_failed += 1
                if self.n_failed > MAX_FAILED_PACKETS:
                    break
            if frames:
                self._count_decoded(packet, frames)
                yield from frames
        self._count_end()
        if self.kind == "webm" and self.first is not None and self.expected is not None:
            least = MIN_LOST if _is_audio_only(container) else MIN_LOST_IN_VIDEO
            self._count_outside(*self.first, self.expected, least)

    def _decode_after_tags(self, packet) -> list:
        """Return the frames after any tags at the beginning of a packet that failed to decode."""
        import av

        content = bytes(packet)
        tags = measure_tags(content) if self.kind in WITHOUT_TIMES else 0
        if tags:
            self.tag_end = packet.pos + tags
            with contextlib.suppress(av.FFmpegError):
                return packet.stream.codec_context.decode(av.Packet(content[tags:])) if tags < len(content) else []
        elif packet.pos is None or packet.pos >= self.tag_end:
            lost = self._to_seconds(packet.size, packet) if self.kind in WITHOUT_TIMES else _get_duration(packet)
            self.n_pending, self.pending = self.n_pending + 1, self.pending + lost
            self.expected = None if self.expected is None else self.expected + lost
        return []

    def _to_seconds(self, n_bytes: int, packet) -> float:
        """Estimate the duration of some bytes from the packets decoded so far."""
        if not self.size:
            return _get_duration(packet)
        return n_bytes * self.length / self.size

    def _count_decoded(self, packet, frames: list) -> None:
        """Add the duration lost before these frames, and update the expected timestamp."""
        if self.n_pending:
            self.damage.seconds += self.pending
            self.n_pending, self.pending = 0, 0.0
        self.n_decoded, self.size = self.n_decoded + 1, self.size + packet.size
        self.length += sum(frame.samples / frame.sample_rate for frame in frames)
        if self.kind not in WITHOUT_TIMES + WITH_COUNTED_TIMES:
            for frame in frames:
                self._check_time(frame)

    def _count_end(self) -> None:
        """Add the duration of the last packets, which failed, and of bytes in no packet."""
        if self.n_pending > 1:  # a single one is where the file was cut off
            self.damage.seconds += min(self.pending, self.n_pending * self.length / max(self.n_decoded, 1))
        # in aac FFmpeg skips everything that is not a frame, also small tags
        skips_bytes = self.kind == "aac" and self.n_failed > 0
        if (skips_bytes or self.n_failed > MAX_FAILED_PACKETS) and self.left > MAX_TAG_SIZE:
            self.damage.seconds += self.left * self.length / max(self.size, 1)

    def _count_outside(self, place: int, begin: float, end: float, least: float) -> None:
        """Add the duration lost before the first packet and after the last, which no timestamp shows."""
        rate = (end - begin) / max(self.last - place, 1)  # seconds a byte
        before, behind = (n_bytes * rate for n_bytes in measure_lost(self.file, place, self.last))
        self.damage.seconds += sum(seconds for seconds in (min(before, begin), behind) if seconds > least)

    def _check_time(self, frame) -> None:
        """Add the seconds missing before a frame, according to its timestamp."""
        length = frame.samples / frame.sample_rate
        if frame.pts is None:
            self.expected = None if self.expected is None else self.expected + length
            return
        if self.expected is None and self.kind == "ogg" and frame.time < MAX_PAGE_SECONDS:
            self.expected = 0.0
        elif self.expected is None and self.first is not None and frame.time > self.first[1] + MAX_DELAY:
            self.expected = self.first[1]
        gap = 0.0 if self.expected is None else frame.time - self.expected
        if MIN_GAP < gap < MAX_GAP or -MAX_STEP_BACK < gap < -MIN_GAP:
            self.damage.seconds += gap
        self.expected = frame.time + length


def _measure_content(file: BinaryIO | FileView) -> int:
    """Return the bytes that follow the tags of a file; its position is unchanged."""
    place = file.tell()
    size = file.seek(0, io.SEEK_END) - step_over_tags(file).end
    file.seek(place)
    return size


def _get_duration(packet) -> float:
    """Return the duration in seconds that a packet claims."""
    return float(packet.duration * packet.time_base) if packet.duration else 0.0


def _read_packets(container, audio) -> Iterator:
    """Yield the packets of a stream, including those after damaged parts of the container."""
    import av

    for _ in range(100):
        try:
            yield from container.demux(audio)
            return
        except av.FFmpegError:
            continue


def _gather_blocks(frames: Iterator, channels: int, sample_rate: int, damage: Damage) -> Iterator[np.ndarray]:
    """Yield blocks of at least `BLOCK_SIZE` frames; FFmpeg's own thousand frames at a time take twice as long.

    If the sample rate or channel count changes partway through, as in joined files, later blocks are converted to the
    format at the beginning.
    """
    import av

    for source, run in _find_runs(frames, (sample_rate, channels), damage):
        fifo, convert = av.AudioFifo(), _make_converter(source, (sample_rate, channels), damage)
        for frame in itertools.chain(run, [None]):
            if frame is not None:
                frame.pts = None  # the queue accepts no gaps, which a damaged file has
                fifo.write(frame)
            if fifo.samples >= (1 if frame is None else BLOCK_SIZE):
                yield convert(to_float(fifo.read(), source[1]))
        rest = convert(np.zeros((0, source[1]), np.float32))
        if len(rest):
            yield rest


def _find_runs(frames: Iterator, target: tuple[int, int], damage: Damage) -> Iterator[tuple[tuple[int, int], Iterator]]:
    """Yield each format, (sample rate, channels), with the consecutive frames that have it.

    A change that lasts only a frame or two, or that is to very many channels, is damage, and its frames are dropped.
    """
    for (rate, channels, _), run in itertools.groupby(frames, _describe_frame):
        rest = iter(run)
        first = list(itertools.islice(rest, MIN_RUN))
        run_frames = itertools.chain(first, rest)
        if (rate, channels) == target:
            yield target, run_frames
        elif len(first) == MIN_RUN and _is_usual(rate, channels) and channels <= max(MAX_CHANGED_CHANNELS, target[1]):
            damage.changes.add((rate, channels))
            yield (rate, channels), run_frames
        else:
            damage.seconds += sum(frame.samples for frame in run_frames) / max(rate, 1)


def _describe_frame(frame) -> tuple[int, int, str]:
    """Return what the frames of one array must share: sample rate, channel count and sample format."""
    return frame.sample_rate, frame.layout.nb_channels, frame.format.name


def _is_usual(sample_rate: int, channels: int) -> bool:
    """Return whether a music recording can have this sample rate and channel count."""
    return SAMPLE_RATES[0] <= sample_rate <= SAMPLE_RATES[1] and CHANNELS[0] <= channels <= CHANNELS[1]


def _make_converter(source: tuple[int, int], target: tuple[int, int], damage: Damage):
    """Make a function that converts blocks to another sample rate and channel count; an empty block flushes it.

    Channels become their mean, or copies of one.
    """
    (rate, channels), (target_rate, target_channels) = source, target
    if source == target:
        return lambda block: _drop_bursts(block, rate, damage) if len(block) else block
    import soxr

    resampler = soxr.ResampleStream(rate, target_rate, target_channels, dtype="float32", quality="HQ")

    def convert(block: np.ndarray) -> np.ndarray:
        """Convert a block; an empty one flushes the resampler."""
        is_last = not len(block)
        block = block if is_last else _drop_bursts(block, rate, damage)
        if channels != target_channels:
            block = np.repeat(block.mean(axis=1, keepdims=True, dtype=np.float32), target_channels, axis=1)
        y = resampler.resample_chunk(np.ascontiguousarray(block), last=is_last)
        return y.reshape(len(y), target_channels)

    return convert


def _drop_bursts(block: np.ndarray, sample_rate: int, damage: Damage) -> np.ndarray:
    """Return a block without the few frames of a damaged file that decode to a burst far outside [-1, 1].

    If many frames are that loud, the whole file is not scaled to [-1, 1], and is rejected later.
    """
    if -MAX_AMPLITUDE <= block.min() and block.max() <= MAX_AMPLITUDE:
        return block
    is_good = np.abs(block[: len(block) // BURST * BURST]).max(axis=1).reshape(-1, BURST).max(axis=1) <= MAX_AMPLITUDE
    if not len(is_good) or np.mean(is_good) < 0.75:
        return block
    mask = np.append(np.repeat(is_good, BURST), np.ones(len(block) % BURST, bool))
    damage.seconds += np.count_nonzero(~mask) / sample_rate
    return block[mask]


def _get_claimed_frames(container, audio, file: BinaryIO | FileView, kind: str) -> int:
    """Return the number of frames in the header; 0 if it does not say, or FFmpeg only guesses."""
    if kind in ("mp3", "aac"):
        return read_claimed_frames(file) if kind == "mp3" else 0
    if kind == "webm" and not has_duration(file):
        return 0
    if audio.duration:
        return round(audio.duration * audio.time_base * audio.sample_rate)
    is_alone = _is_audio_only(container)  # otherwise the duration may be that of the video
    return round((container.duration or 0) / 1e6 * audio.sample_rate) if is_alone else 0


def _is_audio_only(container) -> bool:
    """Return whether every stream is audio; FFmpeg lists the one stream of a damaged webm twice."""
    return all(stream.type == "audio" for stream in container.streams)


def to_float(frame, channels: int) -> np.ndarray:
    """Convert FFmpeg's samples to float32 [shape=(n_frames, channels)] in [-1, 1]."""
    if frame.format.is_planar and channels > MAX_PLANES:
        return _interleave(frame, channels)
    y = frame.to_ndarray()
    y = y.T if frame.format.is_planar else y.reshape(-1, channels)
    if y.dtype.kind == "f":
        return y.astype(np.float32, copy=False)
    scale = 2.0 ** (8 * y.dtype.itemsize - 1)
    return ((y.astype(np.float64) - (scale if y.dtype.kind == "u" else 0.0)) / scale).astype(np.float32)


def _interleave(frame, channels: int) -> np.ndarray:
    """Convert planar samples of many channels, as `to_float` does."""
    import av

    resampler = av.AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)
    parts = [part for chunk in (frame, None) for part in resampler.resample(chunk)]
    return np.concatenate([part.to_ndarray().reshape(-1, channels) for part in parts])
