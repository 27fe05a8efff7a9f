"""Frames of a sound that comes in blocks: as they are completed, or collected to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from musicml.data.io import pad_audio
from musicml.utils import Message

if TYPE_CHECKING:
    from musicml.features.audio_features import LogMel
    from musicml.features.spectrogram_image import Spectrogram

MIN_CHUNK_SAMPLES = (
    2**18
)  # samples of a file, at least, that wait to become frames: 12 s at once cost a tenth less than 3 s


class Framing:
    """Frames of `n_fft` samples, `hop_length` samples apart, none of them padded; `n_bins` numbers describe each."""

    def count_frames(self: Any, n_samples: int) -> int:
        """How many whole frames fit into `n_samples` samples; of a spectrogram picture, how many columns begin so."""
        return max(0, 1 + (n_samples - self.n_fft) // self.hop_length)

    def count_samples(self: Any, n_frames: int) -> int:
        """How many samples `n_frames` frames cover: the fewest that give so many."""
        return self.n_fft + (n_frames - 1) * self.hop_length if n_frames else 0

    def get_shape(self: Any, n_samples: int) -> tuple[int, int]:
        """The shape of the features of `n_samples` samples."""
        return self.count_frames(n_samples), self.n_bins


class SoundStream:
    """A sound that comes in blocks.

    Parameters
    ----------
    settings : which features
    least_samples : int, samples; a sound that ends shorter is repeated up to this length
    """

    def __init__(self, settings: LogMel | Spectrogram, least_samples: int):
        self.sample_rate, self.least, self.n_samples = settings.sample_rate, least_samples, 0

    def get_warnings(self) -> tuple[str, ...]:
        """What there is to say of a sound that had to be repeated."""
        if self.n_samples >= self.least:
            return ()
        rate = self.sample_rate
        return (
            Message(
                "The sound lasts {n_samples:.2f} s and was repeated to fill {least:.2f} s.",
                n_samples=self.n_samples / rate,
                least=self.least / rate,
            ),
        )


class FrameStream(SoundStream):
    """The features of a sound that comes in blocks, frame by frame as soon as their samples are there.

    Together they equal `compute` of the whole sound, to rounding, while only the samples that later frames still need
    are held. A sound that is too short is repeated by `rest`.
    """

    def __init__(self, settings: LogMel, least_samples: int = 0):
        super().__init__(settings, max(least_samples, settings.n_fft))
        self.settings = settings
        self.held = np.zeros(0, np.float32)

    def process(self, y: np.ndarray) -> np.ndarray:
        """The frames that the next samples `y` complete, [shape=(n_frames, n_bins)], float32."""
        self.n_samples += len(y)
        self.held = np.concatenate([self.held, y])
        n_frames = 0 if self.n_samples < self.least else self.settings.count_frames(len(self.held))
        if not n_frames:
            return np.zeros((0, self.settings.n_bins), np.float32)
        found = self.settings.compute(self.held)
        self.held = self.held[n_frames * self.settings.hop_length :]
        return found

    def compute_padded(self) -> np.ndarray:
        """The frames of a sound that is shorter than `least_samples` so far, repeated; none of one that is not."""
        if self.n_samples >= self.least:
            return np.zeros((0, self.settings.n_bins), np.float32)
        return self.settings.compute(pad_audio(self.held, self.least))


class FrameCollector(FrameStream):
    """Collects the frames of a whole sound that comes in blocks, computed of many samples at a time."""

    def __init__(self, settings: LogMel, least_samples: int = 0):
        super().__init__(settings, least_samples)
        self.n_waiting = 0
        self.waiting: list[np.ndarray] = []
        self.parts: list[np.ndarray] = []

    def collect(self, y: np.ndarray) -> None:
        """Take the next samples."""
        self.waiting.append(y)
        self.n_waiting += len(y)
        if self.n_waiting >= MIN_CHUNK_SAMPLES:
            self._compute()

    def _compute(self) -> None:
        """Compute what the waiting samples complete."""
        self.parts.append(self.process(np.concatenate(self.waiting)))
        self.waiting, self.n_waiting = [], 0

    def finish(self) -> np.ndarray:
        """All frames, [shape=(n_frames, n_bins)], float32, of a short sound repeated; nothing can be taken any more."""
        if self.waiting:
            self._compute()
        return np.concatenate([*self.parts, self.compute_padded()])
