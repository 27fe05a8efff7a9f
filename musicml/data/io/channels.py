"""Mix the channels of a sound to mono, also where they cancel each other out."""

from __future__ import annotations

import itertools

import numpy as np

from musicml.utils import Message

SILENCE_AMPLITUDE = 1e-4  # -80 dB of full scale; below it a sound counts as silent
PART = 2**14  # frames per decision, a third of a second: long enough for low tones
MIN_PART = 2**12
STRIDE = 61  # one frame in so many is sampled; a prime, so that the squares modulo it differ


def mix_to_mono(block: np.ndarray) -> np.ndarray:
    """Return the mean of the channels as float32 in [-1, 1].

    The channels are added one by one: `block.mean(axis=1)` takes thirty times as long, and a matrix product six times.
    """
    channels = block.shape[1]
    weight = np.float32(1 / channels / (32_768 if block.dtype == np.int16 else 1))
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow becomes infinite, and is rejected later
        mono = block[:, 0] * weight
        for channel in range(1, channels):
            mono += block[:, channel] * weight
    return mono


class Mixer:
    """Mix blocks of channels to their mean, or to the loudest channel where they cancel each other out.

    Channels cancel out if their mean is 20 dB below them, as when one side of a stereo recording has its polarity
    inverted. That is decided for each part of about a third of a second, wherever in a file it begins. A shorter block
    is decided together with the samples before it.
    """

    def __init__(self):
        self.channel: int | None = None  # the one used in place of the mean
        self.n_cancelled = self.n_heard = 0
        self.energy: np.ndarray | float = 0.0  # of each channel, then of the mean; old parts fade out

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Return the next samples as mono float32, [shape=(n,)]."""
        mono = mix_to_mono(block)
        self.n_heard += len(block)
        n_parts = max(1, round(len(block) / PART))
        if block.shape[1] > 1 and _can_cancel(block, mono, n_parts):
            for first, last in itertools.pairwise(len(block) * k // n_parts for k in range(n_parts + 1)):
                self._fix_part(block[first:last], mono[first:last])
        else:
            self.channel, self.energy = None, 0.0
        return mono

    def _fix_part(self, part: np.ndarray, mono: np.ndarray) -> None:
        """Replace the mean by the loudest channel, in place, if the channels cancel each other out."""
        with np.errstate(over="ignore", invalid="ignore"):  # infinite samples are rejected later
            energy = np.append(_measure_energies(part), _measure_energies(mono[:, None]))
            self.energy = energy + self.energy * max(0.0, 1 - len(part) / MIN_PART)
            *channels, mean = self.energy
            if not 100 * mean < np.mean(channels) or np.max(channels) < SILENCE_AMPLITUDE**2 * len(part):
                self.channel = None
                return
        loudest = int(np.argmax(channels))
        if (
            self.channel is None or channels[loudest] > 4 * channels[self.channel]
        ):  # switch rarely, since a switch is audible
            self.channel = loudest
        mono[:] = mix_to_mono(part[:, self.channel, None])
        self.n_cancelled += len(part)

    def list_warnings(self, sample_rate: int) -> list[str]:
        """Return a warning if channels canceled each other out."""
        if not self.n_cancelled:
            return []
        counts = (self.n_cancelled, self.n_heard)
        length, whole = (Message("{seconds:.1f} s", seconds=n / sample_rate) for n in counts)
        return [
            Message(
                "The channels cancel each other in {length} of {whole}: the loudest channel is used there, not "
                "their mean.",
                length=length,
                whole=whole,
            )
        ]


def _can_cancel(block: np.ndarray, mono: np.ndarray, n_parts: int) -> bool:
    """Check a sample of a block for channels that may cancel out; checking every frame takes as long as mixing.

    The sampled frames are unevenly spaced, because a tone can be zero at evenly spaced ones.
    """
    if len(block) < MIN_PART:
        return True
    n = len(block) // STRIDE // n_parts
    steps = np.arange(n * n_parts)
    indices = STRIDE * steps + steps**2 % STRIDE
    frames = block[indices].reshape(n_parts, -1).astype(np.float32)
    mean = mono[indices].reshape(n_parts, n)
    scale = block.shape[1] * (2.0**30 if block.dtype == np.int16 else 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool((50 * scale * np.einsum("pn,pn->p", mean, mean) < np.einsum("pn,pn->p", frames, frames)).any())


def _measure_energies(part: np.ndarray) -> np.ndarray:
    """Return the energy of each channel on the scale [-1, 1]: [shape=(n, channels)] to [shape=(channels,)]."""
    y = part.astype(np.float64)
    return np.einsum("nc,nc->c", y, y) * (2.0**-30 if part.dtype == np.int16 else 1.0)
