"""Mix channels to one: their mean, or the loudest channel where they cancel each other."""

from __future__ import annotations

import itertools

import numpy as np

from musicml.utils import Message

SILENCE_AMPLITUDE = 1e-4  # -80 dB of full scale
PART = 2**14  # frames in which channels are judged together
LEAST_PART = 2**12
SPARSE = 61  # of so many frames one is looked at; a prime, so that squares modulo it differ


def mix_to_mono(block: np.ndarray) -> np.ndarray:
    """Return the mean of the channels on the scale [-1, 1], float32.

    Summed one by one, because `block.mean(axis=1)` takes thirty times as long, and a product six times.
    """
    channels = block.shape[1]
    weight = np.float32(1 / channels / (32_768 if block.dtype == np.int16 else 1))
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is infinite, and refused as such
        mono = block[:, 0] * weight
        for channel in range(1, channels):
            mono += block[:, channel] * weight
    return mono


class Mixer:
    """Mixes blocks of channels to their mean; where they cancel each other, the loudest channel is used.

    They cancel where their mean is 20 dB below them, as of a stereo recording with one side turned over. That is judged
    in parts of about a third of a second, so that it is found wherever it begins; smaller blocks are judged with what
    was heard just before.
    """

    def __init__(self):
        self.channel: int | None = None  # the one that is used in place of the mean
        self.n_cancelled = self.n_heard = 0
        self.energy: np.ndarray | float = 0.0  # of the channels, and last of their mean; of old parts less and less

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """Return the next samples as mono float32, [shape=(n,)]."""
        mono = mix_to_mono(block)
        self.n_heard += len(block)
        n_parts = max(1, round(len(block) / PART))
        if block.shape[1] > 1 and may_cancel(block, mono, n_parts):
            for first, last in itertools.pairwise(len(block) * k // n_parts for k in range(n_parts + 1)):
                self.judge(block[first:last], mono[first:last])
        else:
            self.channel, self.energy = None, 0.0
        return mono

    def judge(self, part: np.ndarray, mono: np.ndarray) -> None:
        """Put the loudest channel in the mean's place where channels cancel each other."""
        with np.errstate(over="ignore", invalid="ignore"):  # infinite samples are refused later
            energy = np.append(measure_energies(part), measure_energies(mono[:, None]))
            self.energy = energy + self.energy * max(0.0, 1 - len(part) / LEAST_PART)
            *channels, mean = self.energy
            if not 100 * mean < np.mean(channels) or np.max(channels) < SILENCE_AMPLITUDE**2 * len(part):
                self.channel = None
                return
        loudest = int(np.argmax(channels))
        if self.channel is None or channels[loudest] > 4 * channels[self.channel]:  # a change can be heard
            self.channel = loudest
        mono[:] = mix_to_mono(part[:, self.channel, None])
        self.n_cancelled += len(part)

    def list_warnings(self, sample_rate: int) -> list[str]:
        """Return a warning where channels cancelled each other."""
        if not self.n_cancelled:
            return []
        counts = (self.n_cancelled, self.n_heard)
        length, whole = (Message("{seconds:.1f} s", seconds=n / sample_rate) for n in counts)
        return [
            Message(
                "The channels cancel each other in {length} of {whole}: the loudest channel is used there, "
                "not their mean.",
                length=length,
                whole=whole,
            )
        ]


def may_cancel(block: np.ndarray, mono: np.ndarray, n_parts: int) -> bool:
    """Return whether channels may cancel each other in a part of a block, by a few samples: all take as long as mixing.

    The samples stand at uneven distances, since at even ones a tone can be zero at each.
    """
    if len(block) < LEAST_PART:
        return True
    n = len(block) // SPARSE // n_parts
    numbers = np.arange(n * n_parts)
    places = SPARSE * numbers + numbers**2 % SPARSE
    some = block[places].reshape(n_parts, -1).astype(np.float32)
    mean = mono[places].reshape(n_parts, n)
    scale = block.shape[1] * (2.0**30 if block.dtype == np.int16 else 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        return bool((50 * scale * np.einsum("pn,pn->p", mean, mean) < np.einsum("pn,pn->p", some, some)).any())


def measure_energies(part: np.ndarray) -> np.ndarray:
    """Return the energies of channels on the scale [-1, 1], [shape=(n, channels)] to [shape=(channels,)]."""
    y = part.astype(np.float64)
    return np.einsum("nc,nc->c", y, y) * (2.0**-30 if part.dtype == np.int16 else 1.0)
