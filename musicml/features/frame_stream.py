"""Features of audio that arrives in blocks: frame by frame as samples arrive, or all frames at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from musicml.data.io import pad_audio
from musicml.utils import Message

if TYPE_CHECKING:
    from musicml.features.audio_features import LogMel
    from musicml.features.spectrogram_image import Spectrogram

MIN_CHUNK_SAMPLES = 2**18  # 12 s at a time cost a tenth less than 3 s


class Framing:
    """Frames of `n_fft` samples every `hop_length` samples, without padding. Each has `n_bins` values."""

    def count_frames(self: Any, n_samples: int) -> int:
        """Count the complete frames in `n_samples` samples, or a spectrogram picture's columns that begin there."""
        # the first frame needs n_fft samples, each further one hop_length more
        return max(0, 1 + (n_samples - self.n_fft) // self.hop_length)

    def count_samples(self: Any, n_frames: int) -> int:
        """Count the samples that `n_frames` frames cover: the fewest that give so many frames."""
        return self.n_fft + (n_frames - 1) * self.hop_length if n_frames else 0

    def get_shape(self: Any, n_samples: int) -> tuple[int, int]:
        """Return the shape of the features of `n_samples` samples."""
        return self.count_frames(n_samples), self.n_bins


class SoundStream:
    """Audio that arrives in blocks.

    Parameters
    ----------
    settings : which features
    least_samples : int, samples; a shorter sound is repeated up to this length
    """

    def __init__(self, settings: LogMel | Spectrogram, least_samples: int):
        self.sample_rate, self.least, self.n_samples = settings.sample_rate, least_samples, 0

    def get_warnings(self) -> tuple[str, ...]:
        """Return a warning if the sound had to be repeated."""
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
    """Computes frames from audio that arrives in blocks, as soon as their samples have arrived.

    Together the frames equal `compute` of the complete sound, up to rounding. Only the samples that later frames need
    are kept in memory. A sound that is too short is repeated by `compute_padded`.
    """

    def __init__(self, settings: LogMel, least_samples: int = 0):
        super().__init__(settings, max(least_samples, settings.n_fft))
        self.settings = settings
        self.buffer = np.zeros(0, np.float32)

    def process(self, y: np.ndarray) -> np.ndarray:
        """Return the frames that the next samples `y` complete, [shape=(n_frames, n_bins)], float32."""
        self.n_samples += len(y)
        self.buffer = np.concatenate([self.buffer, y])
        n_frames = 0 if self.n_samples < self.least else self.settings.count_frames(len(self.buffer))
        if not n_frames:
            return np.zeros((0, self.settings.n_bins), np.float32)
        frames = self.settings.compute(self.buffer)
        # frames overlap, so the last samples are needed again
        self.buffer = self.buffer[n_frames * self.settings.hop_length :]
        return frames

    def compute_padded(self) -> np.ndarray:
        """Return the frames of a sound shorter than `least_samples`, repeated, or no frames if it is long enough."""
        if self.n_samples >= self.least:
            return np.zeros((0, self.settings.n_bins), np.float32)
        # repeated: zeros would add silence that no recording has
        return self.settings.compute(pad_audio(self.buffer, self.least))


class FrameCollector(FrameStream):
    """Collects all frames of audio that arrives in blocks, computing many at a time."""

    def __init__(self, settings: LogMel, least_samples: int = 0):
        super().__init__(settings, least_samples)
        self.n_waiting = 0
        self.waiting: list[np.ndarray] = []
        self.parts: list[np.ndarray] = []

    def collect(self, y: np.ndarray) -> None:
        """Add the next samples."""
        self.waiting.append(y)
        self.n_waiting += len(y)
        if self.n_waiting >= MIN_CHUNK_SAMPLES:
            self._compute()

    def _compute(self) -> None:
        """Compute the frames that the waiting samples complete."""
        self.parts.append(self.process(np.concatenate(self.waiting)))
        self.waiting, self.n_waiting = [], 0

    def finish(self) -> np.ndarray:
        """Return all frames, [shape=(n_frames, n_bins)], float32. No samples may be added afterwards."""
        if self.waiting:
            self._compute()
        return np.concatenate([*self.parts, self.compute_padded()])
