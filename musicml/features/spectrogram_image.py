"""Spectrograms: a track as a grey picture of its power, from the picture itself or from the sound that it shows.

The pictures of GTZAN that are passed round are such: 129 linear frequencies, low ones at the bottom, by 496 columns of
60.5 ms, power in dB, its contrast stretched to 0..255 over each picture. So a model can learn from pictures where
nobody may pass on the sound, and answer for sounds.

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

MIN_POWER = 1e-13  # power; what 16 bits can hold is louder
MIN_CHUNK_SAMPLES = 2**16  # samples of a file, at least, that are drawn at a time
COLUMNS_PER_CHUNK = 32  # columns drawn at a time: their spectra fit in a core's cache
MAX_LEVEL = 255.0


@dataclass(frozen=True)
class Spectrogram(Framing):
    """A grey spectrogram picture: loudness over time and frequency, stretched over each file to 0..255.

    A picture is taken as it is, fitted to `n_bins` rows and `n_columns` columns. A sound is drawn as such pictures
    are: windows of `n_fft` samples, half over each other, in dB; black is the darkest spot of any window of the file,
    white the brightest; and a column is the mean of the windows that begin in it, so that none goes unheard, or the
    middle one alone, which is as noisy as a column of GTZAN's pictures.

    Attributes
    ----------
    sample_rate : Hz; the highest row is half of it
    hop_length : samples of a column
    n_bins : rows, frequencies from 0 Hz on, equally far apart
    seconds : how much sound a whole picture shows
    averaged : whether a column of a sound is the mean of its windows; else it is the one in their middle

    Raises
    ------
    InputError
        Where a picture of such settings has no column, or too many pixels.
    """

    sample_rate: int = define_option(22_050, least=4_000, most=192_000)
    hop_length: int = define_option(1_334, least=16, most=32_768)
    n_bins: int = define_option(129, least=17, most=2_049)
    seconds: float = define_option(30.0, least=0.5, most=900.0)
    averaged: bool = define_option(True)

    def __post_init__(self):
        if not 0 < self.n_columns * self.n_bins <= MAX_PIXELS:
            raise InputError(
                "a spectrogram of seconds={seconds:g} must have 1 to {max_pixels} pixels, and has "
                "{n_columns} x {n_bins} with hop_length={hop_length}: change one of them.",
                seconds=self.seconds,
                max_pixels=MAX_PIXELS,
                n_columns=self.n_columns,
                n_bins=self.n_bins,
                hop_length=self.hop_length,
            )

    @property
    def n_fft(self) -> int:
        """How many samples a window has: the fewest that give `n_bins` frequencies."""
        return 2 * (self.n_bins - 1)

    @property
    def n_columns(self) -> int:
        """How many columns a whole picture has."""
        return round(self.seconds * self.sample_rate / self.hop_length)

    def compute(self, y: np.ndarray) -> np.ndarray:
        """The picture of a whole sound; of a part of it, contrast and so all values would be others.

        Parameters
        ----------
        y : np.ndarray [shape=(n_samples,)], mono float32 in [-1, 1], at `sample_rate`

        Returns
        -------
        np.ndarray [shape=(n_columns, n_bins)], float32, 0 to 255, time first, frequency ascending; no columns if `y` is
        shorter than `n_fft`
        """
        drawing = SpectrogramStream(self)
        drawing.collect(np.asarray(y, np.float32))
        return drawing.finish()


class SpectrogramStream(SoundStream):
    """A picture drawn while its sound comes in blocks: columns are held, and the samples that the next ones need."""

    def __init__(self, settings: Spectrogram, least_samples: int = 0):
        super().__init__(settings, least_samples)
        self.settings, self.n_waiting = settings, 0
        self.waiting: list[np.ndarray] = []
        self.columns: list[np.ndarray] = []
        self.darkest, self.brightest = np.inf, -np.inf  # dB

    def collect(self, y: np.ndarray) -> None:
        """Draw what the next samples `y` complete, as soon as they are worth it."""
        self.waiting.append(y)
        self.n_samples, self.n_waiting = self.n_samples + len(y), self.n_waiting + len(y)
        if self.n_waiting >= MIN_CHUNK_SAMPLES and self.n_samples >= self.least:
            self._draw_columns(np.concatenate(self.waiting))

    def _draw_columns(self, y: np.ndarray) -> None:
        """Draw the columns of which all windows are there, and keep the samples that follow them."""
        settings = self.settings
        n = max(0, 1 + (len(y) - _count_column_samples(settings)) // settings.hop_length)
        if n:
            columns = np.lib.stride_tricks.sliding_window_view(y, _count_column_samples(settings))[
                :: settings.hop_length
            ]
            for first in range(0, n, COLUMNS_PER_CHUNK):
                self._add_columns(columns[first : first + COLUMNS_PER_CHUNK])
        self.waiting = [y[n * settings.hop_length :]]
        self.n_waiting = len(self.waiting[0])

    def _add_columns(self, y: np.ndarray) -> None:
        """Draw columns from their samples, [shape=(n, n_samples)]."""
        found = _compute_power_db(y, self.settings.n_fft)
        self.darkest, self.brightest = min(self.darkest, found.min()), max(self.brightest, found.max())
        drawn = found.mean(axis=1) if self.settings.averaged else found[:, found.shape[1] // 2]
        self.columns.append(drawn.astype(np.float32))

    def finish(self) -> np.ndarray:
        """The whole picture, [shape=(n_columns, n_bins)], float32, 0 to 255; nothing can be taken any more."""
        rest = np.concatenate(self.waiting or [np.zeros(0, np.float32)])
        self._draw_columns(pad_audio(rest, self.least) if self.n_samples < self.least else rest)
        if self.n_waiting >= self.settings.n_fft:  # of the last column only its first windows are there
            self._add_columns(self.waiting[0][None])
        columns = np.concatenate([*self.columns, np.zeros((0, self.settings.n_bins), np.float32)])
        contrast = self.brightest - self.darkest
        if contrast <= 0:
            return np.zeros_like(columns)
        return ((columns - self.darkest) * (MAX_LEVEL / contrast)).clip(0, MAX_LEVEL).astype(np.float32)


def read_picture(source: AudioSource, settings: Spectrogram, least_samples: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read an open picture's levels as a spectrogram's columns, with what there is to warn of.

    They are repeated until they cover `least_samples` of sound.
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
        "The picture shows {n_columns} columns of a spectrogram and was repeated to fill {least}: a "
        "whole one shows {seconds:g} s.",
        n_columns=len(columns),
        least=least,
        seconds=settings.seconds,
    )
    return pad_audio(columns, least), (*picture.warnings, *remarks, remark)


def _count_column_samples(settings: Spectrogram) -> int:
    """How many samples the windows of one column reach over: the last begins in it, and ends behind it."""
    step = settings.n_fft // 2
    return (settings.hop_length - 1) // step * step + settings.n_fft


def _compute_power_db(y: np.ndarray, n_fft: int) -> np.ndarray:
    """Power in dB of windows that lie half over each other, silence at -130.

    Parameters
    ----------
    y : np.ndarray [shape=(n, n_samples)], n_samples >= n_fft

    Returns
    -------
    np.ndarray [shape=(n, n_windows, 1 + n_fft // 2)], float64: the darkest spot, on which all depends, lies where
        float32 has nothing but rounding
    """
    import scipy.fft  # two thirds of a second, for those who need it

    windows = np.lib.stride_tricks.sliding_window_view(y, n_fft, axis=1)[:, :: n_fft // 2]
    found = scipy.fft.rfft(windows * np.hanning(n_fft + 1)[:-1], axis=2)
    return 10 * np.log10(np.maximum(np.square(found.real) + np.square(found.imag), MIN_POWER))
