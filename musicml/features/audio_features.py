"""Features: options that say which, and the functions that compute them. Training and serving both come through here.

`LogMel` and `MFCC` are librosa's with `center=False`, `ref=1` and no `top_db`: so a clip's features equal the same
frames of its track, and can be cut out of them; and one clip never changes another. Frame `i` covers the samples from
`i * hop_length` to `i * hop_length + n_fft`.

>>> import numpy as np
>>> log_mel = LogMel(sample_rate=22_050)
>>> log_mel.compute(np.zeros(66_150, np.float32)).shape  # three seconds
(126, 128)
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicml.data.io import AudioSource, load_image, resize_image, stream_audio
from musicml.features import spectrogram_image
from musicml.features.frame_stream import FrameCollector, Framing
from musicml.features.spectrogram_image import Spectrogram
from musicml.utils import InputError, define_option

FEATURES_VERSION = 1  # raise it when the same options give other numbers: kept features are found by it
FRAMES_PER_CHUNK = 64  # frames computed at a time: their spectra fit in a core's cache
FILTERS_PER_BAND = 16  # mel filters multiplied at a time
MIN_POWER = 1e-10  # power; silence becomes -100 dB


@dataclass(frozen=True)
class LogMel(Framing):
    """Loudness over time and pitch: a power spectrogram on Slaney's mel scale, in dB.

    sample_rate, fmin and fmax are in Hz, n_fft and hop_length in samples; fmax = 0 means half the sample rate.

    Raises
    ------
    InputError
        Where settings that each keep their own range contradict each other.
    """

    sample_rate: int = define_option(22_050, least=4_000, most=192_000)
    n_fft: int = define_option(2_048, least=64, most=32_768)
    hop_length: int = define_option(512, least=16, most=32_768)
    n_mels: int = define_option(128, least=8, most=512)
    fmin: float = define_option(0.0, least=0.0, most=96_000.0)
    fmax: float = define_option(0.0, least=0.0, most=96_000.0)

    def __post_init__(self):
        nyquist, fmin, fmax = self.sample_rate / 2, self.fmin, get_fmax(self)
        if self.hop_length > self.n_fft:
            raise InputError(
                "hop_length={hop_length} must be at most n_fft={n_fft}, "
                "or samples between frames go unheard: make it smaller.",
                hop_length=self.hop_length,
                n_fft=self.n_fft,
            )
        if fmax > nyquist:
            raise InputError(
                "fmax={fmax:g} must be at most half the sample rate, {nyquist:g} Hz: lower it, or set it to 0.",
                fmax=fmax,
                nyquist=nyquist,
            )
        if fmin >= fmax:
            raise InputError("fmin={fmin:g} must be below fmax={fmax:g} Hz: lower it.", fmin=fmin, fmax=fmax)
        n_bins, n_mels = self.n_bins, self.n_mels
        if n_bins > n_mels:
            raise InputError("n_mfcc={n_bins} must be at most n_mels={n_mels}: lower it.", n_bins=n_bins, n_mels=n_mels)
        n_empty = int((~compute_mel_filters(self).any(axis=1)).sum())
        if n_empty:
            raise InputError(
                "n_mels={n_mels} must leave every filter at least one of the n_fft={n_fft} "
                "frequencies, and {n_empty} have none: lower n_mels or double n_fft.",
                n_mels=n_mels,
                n_fft=self.n_fft,
                n_empty=n_empty,
            )

    @property
    def n_bins(self) -> int:
        """How many numbers describe one frame."""
        return self.n_mels

    def compute(self, y: np.ndarray) -> np.ndarray:
        """The log-mel spectrogram of a sound.

        Parameters
        ----------
        y : np.ndarray [shape=(n_samples,)], mono float32 in [-1, 1], at `sample_rate`

        Returns
        -------
        np.ndarray [shape=(n_frames, n_mels)], float32, dB from -100; no frames if `y` is shorter than `n_fft`
        """
        return compute_log_mel(np.asarray(y, np.float32), self)


@dataclass(frozen=True)
class MFCC(LogMel):
    """Timbre in a few numbers: the first `n_mfcc` of the orthonormal cosine transform (DCT-II) of a log-mel frame."""

    n_mfcc: int = define_option(13, least=1, most=128)

    @property
    def n_bins(self) -> int:
        """How many numbers describe one frame."""
        return self.n_mfcc

    def compute(self, y: np.ndarray) -> np.ndarray:
        """The mel-frequency cepstral coefficients of a sound.

        Parameters
        ----------
        y : np.ndarray [shape=(n_samples,)], mono float32 in [-1, 1], at `sample_rate`

        Returns
        -------
        np.ndarray [shape=(n_frames, n_mfcc)], float32
        """
        import scipy.fft

        decibels = compute_log_mel(np.asarray(y, np.float32), self)
        return np.ascontiguousarray(scipy.fft.dct(decibels, type=2, norm="ortho", axis=1)[:, : self.n_mfcc])


@dataclass(frozen=True)
class Pixels:
    """A picture's own pixels, fitted to one size."""

    height: int = define_option(224, least=16, most=1_024)
    width: int = define_option(224, least=16, most=1_024)

    def get_shape(self) -> tuple[int, int, int]:
        """The shape of every picture's features."""
        return self.height, self.width, 3

    def compute(self, pixels: np.ndarray) -> np.ndarray:
        """The picture at this size.

        Parameters
        ----------
        pixels : np.ndarray [shape=(any height, any width, 3)], uint8 RGB

        Returns
        -------
        np.ndarray [shape=(height, width, 3)], uint8 RGB
        """
        return resize_image(pixels, self.height, self.width)


@dataclass(frozen=True)
class VGGish:
    """What a network trained on YouTube's sound hears in each of ten seconds, as the OpenMIC-2018 release ships it.

    128 numbers a second, quantised to uint8 there. Source: Humphrey, Durand and McFee, "OpenMIC-2018", ISMIR 2018.
    """

    @property
    def n_bins(self) -> int:
        """How many numbers describe one second."""
        return 128

    def get_shape(self) -> tuple[int, int]:
        """The shape of every track's features."""
        return 10, 128

    def compute(self, y: np.ndarray) -> np.ndarray:
        """Not possible: these features come with their data set.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            "VGGish features must come with their data set, and can't be computed from a file here: "
            "to predict files of your own, train with log_mel, mfcc or spectrogram."
        )


FEATURE_KINDS = {"log_mel": LogMel, "mfcc": MFCC, "pixels": Pixels, "vggish": VGGish, "spectrogram": Spectrogram}


def compute_features(
    source: AudioSource | str | Path | bytes | np.ndarray,
    settings: LogMel | MFCC | Pixels | VGGish | Spectrogram,
    least_samples: int = 0,
    listen: Callable[[np.ndarray], object] | None = None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Compute the features of one file, sound or picture, and find what there is to warn of.

    Parameters
    ----------
    source : an `AudioSource`, or what one is made of
    settings : which features
    least_samples : int, samples at the settings' sample rate; a shorter sound is repeated up to this length
    listen : called with each block of a sound's samples too, [shape=(n,)], mono float32 at the settings' sample rate

    Returns
    -------
    values : np.ndarray [shape=(n_frames, n_bins)], float32, at least one frame; of a picture (height, width, 3), uint8,
        but of a picture of a spectrogram as of a sound
    warnings : tuple of sentences

    Raises
    ------
    InputError
        If the file can't be used, or such features can't be computed from a file.
    """
    source = source if isinstance(source, AudioSource) else AudioSource(source)
    if isinstance(settings, Pixels):
        picture = load_image(source.source, source.name)
        return settings.compute(picture.pixels), picture.warnings
    if isinstance(settings, VGGish):
        return settings.compute(np.zeros(0, np.float32)), ()
    with source.open() as opened:
        if isinstance(settings, Spectrogram) and opened.is_picture:
            return spectrogram_image.read_picture(opened, settings, least_samples)
        importlib.import_module("scipy.fft")  # before decoding: importing inside the decoder's callback is slower
        collected: spectrogram_image.SpectrogramStream | FrameCollector
        if isinstance(settings, Spectrogram):
            collected = spectrogram_image.SpectrogramStream(settings, max(least_samples, settings.n_fft))
        else:
            collected = FrameCollector(settings, least_samples)

        def take(y: np.ndarray) -> None:
            if listen is not None:
                listen(y)
            collected.collect(y)

        heard = stream_audio(opened, take, settings.sample_rate)
    return collected.finish(), heard.warnings + collected.get_warnings()


def get_fmax(settings: LogMel) -> float:
    """The highest frequency heard, Hz."""
    return settings.fmax or settings.sample_rate / 2


def compute_log_mel(y: np.ndarray, settings: LogMel) -> np.ndarray:
    """The log-mel spectrogram [shape=(n_frames, n_mels)], float32, of `y` [shape=(n_samples,)], float32."""
    import scipy.fft  # two thirds of a second, for those who need it

    power = np.empty((settings.count_frames(len(y)), settings.n_mels), np.float32)
    if not len(power):
        return power
    frames = np.lib.stride_tricks.sliding_window_view(y, settings.n_fft)[:: settings.hop_length]
    window, bands = _make_hann_window(settings.n_fft), _group_mel_filters(settings)
    windowed = np.empty((min(FRAMES_PER_CHUNK, len(frames)), settings.n_fft), np.float32)
    # block by block, because spectra that stay in the cache take half the time
    for first in range(0, len(frames), FRAMES_PER_CHUNK):
        some = frames[first : first + FRAMES_PER_CHUNK]
        spectra = scipy.fft.rfft(np.multiply(some, window, out=windowed[: len(some)]), axis=1)
        energy = np.square(spectra.real)
        energy += np.square(spectra.imag)
        for filters, frequencies, weights in bands:
            power[first : first + FRAMES_PER_CHUNK, filters] = energy[:, frequencies] @ weights
    decibels = 10 * np.log10(np.maximum(power, MIN_POWER))
    return np.maximum(decibels, np.float32(-100), out=decibels)  # float32 rounds 1e-10, and so falls short by 1e-5 dB


@functools.lru_cache(maxsize=8)
def _make_hann_window(n_fft: int) -> np.ndarray:
    """A periodic Hann window [shape=(n_fft,)], float32."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


@functools.lru_cache(maxsize=8)
def compute_mel_filters(settings: LogMel) -> np.ndarray:
    """Triangles that share out the frequencies of a spectrum, evenly spaced on the mel scale, each of area one.

    Filter `i` rises from edge `i` to edge `i + 1` and falls to edge `i + 2`. Scale and areas are those of M. Slaney,
    "Auditory Toolbox, version 2", Interval Research technical report 1998-010.

    Returns
    -------
    np.ndarray [shape=(n_mels, 1 + n_fft // 2)], float32
    """
    frequencies = np.linspace(0, settings.sample_rate / 2, 1 + settings.n_fft // 2)
    edges = _compute_edges(settings)
    triangles = [np.interp(frequencies, edges[i : i + 3], [0, 1, 0]) for i in range(settings.n_mels)]
    areas = (edges[2:] - edges[:-2]) / 2
    return (np.stack(triangles) / areas[:, None]).astype(np.float32)


def _compute_edges(settings: LogMel) -> np.ndarray:
    """The frequencies at which mel filters begin, peak and end, Hz, [shape=(n_mels + 2,)]."""
    mel = np.linspace(hz_to_mel(settings.fmin), hz_to_mel(get_fmax(settings)), settings.n_mels + 2)
    return np.where(mel < 15, 200 * mel / 3, 1_000 * 6.4 ** ((mel - 15) / 27))


def compute_band_centers(settings: LogMel | Spectrogram) -> np.ndarray:
    """The frequency at which each mel filter peaks, or of each row of a spectrogram, Hz, [shape=(n_bins,)]."""
    if isinstance(settings, Spectrogram):
        return np.linspace(0, settings.sample_rate / 2, settings.n_bins)
    return _compute_edges(settings)[1:-1]


def hz_to_mel(hz: float) -> float:
    """Slaney's mel scale: 3 mel to 200 Hz up to 1000 Hz, then 27 mel to every factor of 6.4 (Slaney 1998)."""
    return 3 * hz / 200 if hz < 1_000 else 15 + 27 * np.log(hz / 1_000) / np.log(6.4)


@functools.lru_cache(maxsize=8)
def _group_mel_filters(settings: LogMel) -> list[tuple[slice, slice, np.ndarray]]:
    """The mel filters in bands of `FILTERS_PER_BAND`: which filters, the frequencies they reach, their weights over these.

    Most of the full matrix is zero; without that part the product takes a quarter of the time.
    """
    filters = compute_mel_filters(settings)
    bands = []
    for first in range(0, len(filters), FILTERS_PER_BAND):
        some = filters[first : first + FILTERS_PER_BAND]
        reached = np.flatnonzero(some.any(axis=0))
        frequencies = slice(reached[0], reached[-1] + 1)
        bands.append(
            (slice(first, first + FILTERS_PER_BAND), frequencies, np.ascontiguousarray(some[:, frequencies].T))
        )
    return bands
