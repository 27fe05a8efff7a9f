"""A decoded audio stream, and the limits that hold for every decoder."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np

from musicml.utils import InputError, Message

CHANNELS = (1, 64)  # seventh-order ambisonics and multitrack sessions have up to 64
SAMPLE_RATES = (4_000, 192_000)  # Hz
READER_VERSION = 2  # increase it when files are read differently: cached features are then recomputed
BLOCK_SIZE = 2**16  # frames decoded at a time; a damaged block is lost as a whole, so not larger
MAX_VALUES = 100_000_000  # frames times channels decoded of a file: over 15 minutes of stereo at 48 kHz
MAX_AMPLITUDE = 4.0  # decoded mp3 may exceed 1 a little; beyond 12 dB the samples are not scaled to [-1, 1]
CONVERT = Message("Convert it to wav or flac and try again")


@dataclass
class Damage:
    """Problems found while a stream is decoded; the decoder fills it in.

    Attributes
    ----------
    seconds : of sound that could not be decoded and was skipped
    changes : sample rates in Hz and channel counts that the format changed to partway through
    """

    seconds: float = 0.0
    changes: set[tuple[int, int]] = field(default_factory=set)


class FileView:
    """A view of an open file from an offset on, with some bytes replaced.

    It has no name, because libsndfile would choose a format by the extension `.raw`. A seek before the beginning, which
    a damaged header can cause, does not raise: an exception cannot pass through libsndfile's C code.

    Parameters
    ----------
    start : int, bytes to hide at the beginning
    patches : offset → bytes to show there; offsets count from the beginning of the file itself
    """

    def __init__(self, file: Any, start: int = 0, patches: dict[int, bytes] | None = None):
        self.file, self.start, self.patches = file, start, patches or {}
        self.seek(0)

    def tell(self) -> int:
        """Return the current position."""
        return self.file.tell() - self.start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position and return it; stay in place if that is impossible."""
        with contextlib.suppress(OSError, ValueError, OverflowError):
            self.file.seek(offset + (self.start if whence == io.SEEK_SET and offset >= 0 else 0), whence)
        return self.tell()

    def read(self, size: int = -1) -> bytes:
        """Read bytes, with the patches applied."""
        return self._patch(self.file.tell(), self.file.read(size)) if self.patches else self.file.read(size)

    def readinto(self, buffer) -> int:
        """Read bytes into a buffer, with the patches applied."""
        if not self.patches:
            return self.file.readinto(buffer)
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _patch(self, place: int, content: bytes) -> bytes:
        """Apply the patches to content that begins at `place`."""
        changed = bytearray(content)
        for at, patch in self.patches.items():
            first, last = max(at, place), min(at + len(patch), place + len(content))
            if first < last:
                changed[first - place : last - place] = patch[first - at : last - at]
        return bytes(changed)


@dataclass
class Stream:
    """An opened sound file, whose blocks are decoded one at a time.

    Attributes
    ----------
    claimed : frames according to the header; 0 if it does not say
    blocks : arrays [shape=(n_frames, channels)], int16 or float32
    name : the name in messages
    kind : the file type by content; `array` for samples from memory
    file : the open file; None for an array
    damage : what the decoder has skipped so far
    remarks : warnings about how the file was read, filled in at the end
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
    """Reject a header with a channel count or sample rate that no music recording has."""
    check_range(
        channels,
        CHANNELS,
        "channels",
        "",
        Message(
            "The header of {name} is damaged, or the file is of a special kind. {convert}", name=name, convert=CONVERT
        ),
    )
    check_range(
        sample_rate,
        SAMPLE_RATES,
        "sample_rate",
        " Hz",
        Message("The header of {name} is damaged. {convert}", name=name, convert=CONVERT),
    )


def check_range(value: int, limits: tuple[int, int], what: str, unit: str, fix: str) -> None:
    """Raise InputError if a value is outside its limits; `fix` is a sentence without its period."""
    least, most = limits
    if not least <= value <= most:
        raise InputError(
            "{what}={value} must be between {least} and {most}{unit}. {fix}.",
            what=what,
            value=value,
            least=least,
            most=most,
            unit=unit,
            fix=fix,
        )


def make_undecodable_error(name: str, kind: str) -> InputError:
    """Make the error for a file that begins like audio but cannot be decoded."""
    return InputError(
        "Cannot decode {name}: the {kind} is damaged or of a rare kind. {convert}.",
        name=name,
        kind=kind,
        convert=CONVERT,
    )
