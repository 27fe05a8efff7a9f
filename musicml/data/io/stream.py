"""A decoded stream: what every decoder gets and yields, and the limits that hold for all of them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from musicml.utils import InputError, Message

CHANNELS = (1, 64)  # more than a film has; so many take ambisonics of the seventh order, and sessions of a band
SAMPLE_RATES = (4_000, 192_000)  # Hz
READER_VERSION = 2  # raise it when other files are read, or files otherwise: stored features are computed again
BLOCK = 2**16  # frames decoded at a time; a damaged block is lost whole, so not more
MOST_VALUES = 100_000_000  # frames times channels decoded of one file: 15 minutes in stereo at 48 kHz, and some more
LOUDEST = 4.0  # decoded mp3 may exceed 1 a little; beyond 12 dB the samples are not on the scale [-1, 1] at all
CONVERT = Message("convert it to wav or flac and try again")


@dataclass
class Damage:
    """What went wrong while a stream was decoded; its decoder adds to it.

    Attributes
    ----------
    seconds : of sound that could not be decoded and was skipped
    changes : sample rate in Hz and number of channels to which it changed partway through
    """

    seconds: float = 0.0
    changes: set[tuple[int, int]] = field(default_factory=set)


class FileView:
    """An open file as a decoder gets it, from a place on and with some bytes in place of others.

    It has no name, since the ending `.raw` would decide a format. A seek before its beginning, which a damaged header
    can ask for, does not raise, because libsndfile has no one to catch it.

    Parameters
    ----------
    start : int, bytes that are not shown
    patches : place → bytes that are shown there; places count from the file's own beginning
    """

    def __init__(self, file: Any, start: int = 0, patches: dict[int, bytes] | None = None):
        self.file, self.start, self.patches = file, start, patches or {}
        self.seek(0)

    def tell(self) -> int:
        """Return the place, as a file does."""
        return self.file.tell() - self.start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, as a file does, but stay when that fails."""
        with contextlib.suppress(OSError, ValueError, OverflowError):
            self.file.seek(offset + (self.start if whence == io.SEEK_SET and offset >= 0 else 0), whence)
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        """Read bytes, patched."""
        return self.patch(self.file.tell(), self.file.read(size)) if self.patches else self.file.read(size)

    def readinto(self, buffer) -> int:
        """Read bytes into a buffer, patched."""
        if not self.patches:
            return self.file.readinto(buffer)
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def patch(self, place: int, content: bytes) -> bytes:
        """Return content that stands at a place, as it is shown."""
        changed = bytearray(content)
        for at, patch in self.patches.items():
            first, last = max(at, place), min(at + len(patch), place + len(content))
            if first < last:
                changed[first - place : last - place] = patch[first - at : last - at]
        return bytes(changed)


@dataclass
class Stream:
    """An opened file: what its header claims, and its blocks, decoded as they are asked for.

    Attributes
    ----------
    claimed : frames, 0 if nothing is claimed
    blocks : arrays [shape=(n_frames, channels)], int16 or float32
    name : what messages call it
    kind : its type by content, `array` of samples that were there already
    file : the open file; None of an array
    damage : what its decoder had to skip so far
    remarks : sentences on how it was read, once it was
    """

    channels: int
    sample_rate: int
    claimed: int
    blocks: Iterator[np.ndarray]
    name: str
    kind: str = "array"
    file: BinaryIO | FileView | None = None
    damage: Damage = field(default_factory=Damage)
    remarks: list[str] = field(default_factory=list)


def check_format(channels: int, sample_rate: int, name: str) -> None:
    """Refuse what no musical recording claims."""
    check_range(
        channels,
        CHANNELS,
        "channels",
        "",
        Message("the header of {name} is damaged or of a special use; {convert}", name=name, convert=CONVERT),
    )
    check_range(
        sample_rate,
        SAMPLE_RATES,
        "sample_rate",
        " Hz",
        Message("the header of {name} is damaged; {convert}", name=name, convert=CONVERT),
    )


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


def make_undecodable_error(name: str, kind: str) -> InputError:
    """Return the refusal of a file that begins like sound and goes on like nothing known."""
    return InputError(
        "{name} must hold sound that can be decoded, and is damaged or rare {kind}: {convert}.",
        name=name,
        kind=kind,
        convert=CONVERT,
    )
