"""A decoded stream: what every decoder yields, and the limits that hold for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from musicml.utils import InputError

CHANNELS = (1, 8)
SAMPLE_RATES = (4_000, 192_000)  # Hz
BLOCK = 2**16  # frames decoded at a time; a damaged block is lost whole, so not more
MOST_VALUES = 100_000_000  # frames times channels decoded of one file: 15 minutes in stereo at 48 kHz, and some more
CONVERT = "convert it to wav or flac and try again"


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
    """

    channels: int
    sample_rate: int
    claimed: int
    blocks: Iterator[np.ndarray]
    name: str
    kind: str = "array"
    file: BinaryIO | None = None


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


def make_undecodable_error(name: str, kind: str) -> InputError:
    """The refusal for a file that begins like sound and goes on like nothing known."""
    return InputError(
        "{name} must hold sound that can be decoded, and is damaged or rare {kind}: {convert}.",
        name=name,
        kind=kind,
        convert=CONVERT,
    )
