"""Spectrogram pictures: read the levels of a grey picture, or draw such a picture from sound.

The GTZAN pictures in circulation are of this kind: 129 linear frequencies, low ones at the bottom, by 496 columns
of 60.5 ms, power in dB, stretched to 0..255 for each picture. So a model can be trained on pictures alone, without
audio that is under copyright, and predict sounds.

>>> import numpy as np
>>> Spectrogram().compute(np.zeros(44_100, np.float32)).shape  # two seconds
(33, 129)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicml.data.io import MAX_PIXELS, AudioSource, load_image, pad_audio, resize_image
from musicml.features import figure
from musicml.features.frame_stream import Framing, SoundStream
from musicml.utils import InputError, Message, define_option, make_printable

MIN_POWER = 1e-13  # below the quietest signal of 16 bits
MIN_CHUNK_SAMPLES = 2**16  # samples that wait before columns are drawn
COLUMNS_PER_CHUNK = 32  # columns drawn at a time: their spectra fit in a core's cache
MAX_LEVEL = 255.0  # white


@dataclass(frozen=True)
class Spectrogram(Framing):
    """Settings of a grey spectrogram picture: power over time and frequency, stretched for each file to 0..255.

    A picture is resized to `n_bins` rows and `n_columns` columns. A sound is drawn in the same way as such pictures:
    half-overlapping windows of `n_fft` samples, in dB. Black is the darkest value of any window of the file, white the
    brightest. A column is the mean of the windows that begin in it, or the middle one alone, as noisy as GTZAN's.

    Attributes
    ----------
    sample_rate : Hz; the highest row is half of it
    hop_length : samples of a column
    n_bins : rows, equally spaced frequencies from 0 Hz
    seconds : duration of a complete picture
    averaged : whether a column is the mean of its windows, or the middle window

    Raises
    ------
    InputError
        If a picture has no column or too many pixels.
    """

    sample_rate: int = define_option(22_050, least=4_000, most=192_000)
    hop_length: int = define_option(1_334, least=16, most=32_768)
    n_bins: int = define_option(129, least=17, most=2_049)
    seconds: float = define_option(30.0, least=0.5, most=900.0)
    averaged: bool = define_option(True)

    def __post_init__(self):
        if not 0 < self.n_columns * self.n_bins <= MAX_PIXELS:
            raise InputError(
                "Expected a spectrogram of 1 to {max_pixels} pixels. With seconds={seconds:g} and "
                "hop_length={hop_length} it has {n_columns} x {n_bins}: change one of them.",
                seconds=self.seconds,
                max_pixels=MAX_PIXELS,
                n_columns=self.n_columns,
                n_bins=self.n_bins,
                hop_length=self.hop_length,
            )

    @property
    def n_fft(self) -> int:
        """The number of samples in a window: the fewest that give `n_bins` frequencies."""
        return 2 * (self.n_bins - 1)

    @property
    def n_columns(self) -> int:
        """The number of columns in a complete picture."""
        return round(self.seconds * self.sample_rate / self.hop_length)

    def compute(self, y: np.ndarray) -> np.ndarray:
        """Draw the picture of a complete sound. For a part of it, the contrast and so all values would differ.

        Parameters
        ----------
        y : np.ndarray [shape=(n_samples,)], mono float32 in [-1, 1], at `sample_rate`

        Returns
        -------
        np.ndarray [shape=(n_columns, n_bins)], float32, 0 to 255, time first, frequency ascending; no columns if `y` is
        shorter than `n_fft`
        """
        stream = SpectrogramStream(self)
        stream.collect(np.asarray(y, np.float32))
        return stream.finish()


class SpectrogramStream(SoundStream):
    """Draws a picture from audio that arrives in blocks, and keeps columns and the samples that later ones need."""

    def __init__(self, settings: Spectrogram, least_samples: int = 0):
        super().__init__(settings, least_samples)
        self.settings, self.n_waiting = settings, 0
        self.waiting: list[np.ndarray] = []
        self.columns: list[np.ndarray] = []
        self.darkest, self.brightest = np.inf, -np.inf  # dB; the contrast is known only at the end of the file

    def collect(self, y: np.ndarray) -> None:
        """Add the next samples, and draw the columns they complete once there are enough."""
        self.waiting.append(y)
        self.n_samples, self.n_waiting = self.n_samples + len(y), self.n_waiting + len(y)
        if self.n_waiting >= MIN_CHUNK_SAMPLES and self.n_samples >= self.least:
            self._draw_columns(np.concatenate(self.waiting))

    def _draw_columns(self, y: np.ndarray) -> None:
        """Draw the columns whose windows are complete, and keep the samples after them."""
        settings = self.settings
        n = max(0, 1 + (len(y) - _count_column_samples(settings)) // settings.hop_length)
        if n:
            windows = np.lib.stride_tricks.sliding_window_view(y, _count_column_samples(settings))
            columns = windows[:: settings.hop_length]
            for first in range(0, n, COLUMNS_PER_CHUNK):
                self._add_columns(columns[first : first + COLUMNS_PER_CHUNK])
        self.waiting = [y[n * settings.hop_length :]]
        self.n_waiting = len(self.waiting[0])

    def _add_columns(self, y: np.ndarray) -> None:
        """Draw columns from their samples, [shape=(n, n_samples)]."""
        decibels = _compute_power_db(y, self.settings.n_fft)
        # the contrast of a picture is known only at the end of the file
        self.darkest, self.brightest = min(self.darkest, decibels.min()), max(self.brightest, decibels.max())
        columns = decibels.mean(axis=1) if self.settings.averaged else decibels[:, decibels.shape[1] // 2]
        self.columns.append(columns.astype(np.float32))

    def finish(self) -> np.ndarray:
        """Return the picture, [shape=(n_columns, n_bins)], float32, 0 to 255. No samples may be added afterwards."""
        rest = np.concatenate(self.waiting or [np.zeros(0, np.float32)])
        self._draw_columns(pad_audio(rest, self.least) if self.n_samples < self.least else rest)
        if self.n_waiting >= self.settings.n_fft:  # the last column has only its first windows
            self._add_columns(self.waiting[0][None])
        columns = np.concatenate([*self.columns, np.zeros((0, self.settings.n_bins), np.float32)])
        contrast = self.brightest - self.darkest
        if contrast <= 0:
            return np.zeros_like(columns)
        return ((columns - self.darkest) * (MAX_LEVEL / contrast)).clip(0, MAX_LEVEL).astype(np.float32)


def read_picture(source: AudioSource, settings: Spectrogram, least_samples: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read an open picture's levels as columns of a spectrogram, [shape=(n_columns, n_bins)], float32, with warnings.

    Columns are repeated until they cover `least_samples` of sound.
    """
    from PIL import Image

    least = settings.count_frames(least_samples)
    picture = load_image(source.source if source.file is None else source.file, source.name)
    grey, remarks = figure.read_levels(picture.pixels, make_printable(source.name))
    fitted = resize_image(grey, settings.n_bins, settings.n_columns)
    # a picture's first row is its highest frequency
    columns = np.asarray(Image.fromarray(fitted).convert("L"))[::-1].T.astype(np.float32)
    if len(columns) >= least:
        return columns, (*picture.warnings, *remarks)
    remark = Message(
        "The picture has {n_columns} columns and was repeated to fill {least}. A complete one shows {seconds:g} s.",
        n_columns=len(columns),
        least=least,
        seconds=settings.seconds,
    )
    return pad_audio(columns, least), (*picture.warnings, *remarks, remark)


def _count_column_samples(settings: Spectrogram) -> int:
    """Count the samples that the windows of one column cover: the last window begins in it and ends after it."""
    step = settings.n_fft // 2
    return (settings.hop_length - 1) // step * step + settings.n_fft


def _compute_power_db(y: np.ndarray, n_fft: int) -> np.ndarray:
    """Compute the power of half-overlapping windows in dB. Silence is -130.

    Parameters
    ----------
    y : np.ndarray [shape=(n, n_samples)], n_samples >= n_fft

    Returns
    -------
    np.ndarray [shape=(n, n_windows, 1 + n_fft // 2)], float64: float32 would only hold rounding errors at the darkest
        value, which sets the contrast of the picture
    """
    import scipy.fft  # imported here: it takes two thirds of a second

    windows = np.lib.stride_tricks.sliding_window_view(y, n_fft, axis=1)[:, :: n_fft // 2]
    spectra = scipy.fft.rfft(windows * np.hanning(n_fft + 1)[:-1], axis=2)
    return 10 * np.log10(np.maximum(np.square(spectra.real) + np.square(spectra.imag), MIN_POWER))
