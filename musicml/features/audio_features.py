"""Audio and image features: log-mel spectrograms, MFCCs, pixels, VGGish and spectrogram pictures.

Training and prediction both compute their features here, so they cannot differ.

`LogMel` and `MFCC` equal librosa's with `center=False`, `ref=1` and no `top_db`. Without padding and without
normalization by the track's maximum, a clip's features equal the same frames of its track, so clips can be cut out of
features that were computed once. Frame `i` covers the samples from `i * hop_length` to `i * hop_length + n_fft`.

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

FEATURES_VERSION = 1  # part of the cache key: raise it when the same settings give other values
FRAMES_PER_CHUNK = 64  # frames transformed at a time: their spectra fit in a core's cache
FILTERS_PER_BAND = 16  # mel filters multiplied at a time
MIN_POWER = 1e-10  # the logarithm of 0 is not finite, so silence becomes -100 dB


@dataclass(frozen=True)
class LogMel(Framing):
    """Settings of a log-mel spectrogram: power in dB over time and mel frequency.

    The mel scale spaces frequencies as people hear pitch: finely below 1 kHz, coarsely above. Decibels do the same
    for loudness.

    Attributes
    ----------
    sample_rate, fmin, fmax : Hz; fmax = 0 means half the sample rate
    n_fft, hop_length : samples

    Raises
    ------
    InputError
        If settings that are each in range contradict each other.
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
                "Expected hop_length of at most n_fft={n_fft}, got {hop_length}. "
                "A larger hop would skip samples between frames: lower hop_length.",
                hop_length=self.hop_length,
                n_fft=self.n_fft,
            )
        # a signal sampled at R holds no frequency above R / 2, the Nyquist frequency
        if fmax > nyquist:
            raise InputError(
                "Expected fmax of at most half the sample rate, {nyquist:g} Hz, got {fmax:g}. Lower it, or set it "
                "to 0.",
                fmax=fmax,
                nyquist=nyquist,
            )
        if fmin >= fmax:
            raise InputError("Expected fmin below fmax={fmax:g} Hz, got {fmin:g}. Lower fmin.", fmin=fmin, fmax=fmax)
        n_bins, n_mels = self.n_bins, self.n_mels
        if n_bins > n_mels:
            raise InputError(
                "Expected n_mfcc of at most n_mels={n_mels}, got {n_bins}. Lower n_mfcc.", n_bins=n_bins, n_mels=n_mels
            )
        # low mel filters are narrow: too many of them fall between two FFT frequencies and stay 0
        n_empty = int((~compute_mel_filters(self).any(axis=1)).sum())
        if n_empty:
            raise InputError(
                "Expected every mel filter to cover at least one FFT frequency. With n_mels={n_mels} and "
                "n_fft={n_fft}, {n_empty} cover none: lower n_mels or double n_fft.",
                n_mels=n_mels,
                n_fft=self.n_fft,
                n_empty=n_empty,
            )

    @property
    def n_bins(self) -> int:
        """The number of values in one frame."""
        return self.n_mels

    def compute(self, y: np.ndarray) -> np.ndarray:
        """Compute the log-mel spectrogram of a sound.

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
    """Settings of mel-frequency cepstral coefficients, which describe timbre in a few numbers.

    They are the first `n_mfcc` coefficients of the orthonormal discrete cosine transform (DCT-II) of a log-mel frame.
    """

    n_mfcc: int = define_option(13, least=1, most=128)

    @property
    def n_bins(self) -> int:
        """The number of values in one frame."""
        return self.n_mfcc

    def compute(self, y: np.ndarray) -> np.ndarray:
        """Compute the coefficients of a sound like `LogMel.compute`, [shape=(n_frames, n_mfcc)], float32."""
        import scipy.fft

        decibels = compute_log_mel(np.asarray(y, np.float32), self)
        # low coefficients hold the spectrum's broad shape, high ones its fine structure, which is dropped
        return np.ascontiguousarray(scipy.fft.dct(decibels, type=2, norm="ortho", axis=1)[:, : self.n_mfcc])


@dataclass(frozen=True)
class Pixels:
    """Settings of image features: the pixels of a picture, resized to one size."""

    height: int = define_option(224, least=16, most=1_024)
    width: int = define_option(224, least=16, most=1_024)

    def get_shape(self) -> tuple[int, int, int]:
        """Return the shape of every picture's features."""
        return self.height, self.width, 3

    def compute(self, pixels: np.ndarray) -> np.ndarray:
        """Resize a picture [shape=(any height, any width, 3)], uint8 RGB, to [shape=(height, width, 3)]."""
        return resize_image(pixels, self.height, self.width)


@dataclass(frozen=True)
class VGGish:
    """Features of Google's VGGish network, as the OpenMIC-2018 release ships them: 10 s of 128 values a second, uint8.

    Source: Humphrey, Durand and McFee, "OpenMIC-2018", ISMIR 2018.
    """

    @property
    def n_bins(self) -> int:
        """The number of values in one second."""
        return 128

    def get_shape(self) -> tuple[int, int]:
        """Return the shape of every track's features."""
        return 10, 128

    def compute(self, y: np.ndarray) -> np.ndarray:
        """Raise an `InputError`, since these features are only available with their dataset."""
        raise InputError(
            "VGGish features come with their dataset and can't be computed from a file. "
            "To predict files of your own, train with log_mel, mfcc or spectrogram."
        )


FEATURE_KINDS = {"log_mel": LogMel, "mfcc": MFCC, "pixels": Pixels, "vggish": VGGish, "spectrogram": Spectrogram}


def compute_features(
    source: AudioSource | str | Path | bytes | np.ndarray,
    settings: LogMel | MFCC | Pixels | VGGish | Spectrogram,
    least_samples: int = 0,
    listen: Callable[[np.ndarray], object] | None = None,
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Compute the features of one audio or image file.

    Parameters
    ----------
    source : an `AudioSource`, or a path, bytes or array that one is made from
    settings : which features
    least_samples : int, samples at the settings' sample rate; a shorter sound is repeated up to this length
    listen : also called with each block of samples, [shape=(n,)], mono float32 at the settings' sample rate

    Returns
    -------
    values : np.ndarray [shape=(n_frames, n_bins)], float32, at least one frame; for `Pixels` (height, width, 3), uint8
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
        collector: spectrogram_image.SpectrogramStream | FrameCollector
        if isinstance(settings, Spectrogram):
            collector = spectrogram_image.SpectrogramStream(settings, max(least_samples, settings.n_fft))
        else:
            collector = FrameCollector(settings, least_samples)

        def _receive(y: np.ndarray) -> None:
            if listen is not None:
                listen(y)
            collector.collect(y)

        audio_info = stream_audio(opened, _receive, settings.sample_rate)
    return collector.finish(), audio_info.warnings + collector.get_warnings()


def get_fmax(settings: LogMel) -> float:
    """Return the highest frequency of the mel filters, Hz."""
    return settings.fmax or settings.sample_rate / 2


def compute_log_mel(y: np.ndarray, settings: LogMel) -> np.ndarray:
    """Compute a log-mel spectrogram in dB, [shape=(n_frames, n_mels)], of `y` [shape=(n_samples,)], both float32."""
    import scipy.fft  # imported here: it takes two thirds of a second

    power = np.empty((settings.count_frames(len(y)), settings.n_mels), np.float32)
    if not len(power):
        return power
    # a view of y with overlapping frames: nothing is copied
    frames = np.lib.stride_tricks.sliding_window_view(y, settings.n_fft)[:: settings.hop_length]
    window, bands = _make_hann_window(settings.n_fft), _group_mel_filters(settings)
    windowed = np.empty((min(FRAMES_PER_CHUNK, len(frames)), settings.n_fft), np.float32)
    # chunk by chunk: spectra that stay in the processor's cache take half the time
    for first in range(0, len(frames), FRAMES_PER_CHUNK):
        chunk = frames[first : first + FRAMES_PER_CHUNK]
        # the window fades each frame in and out, so that its edges don't look like a click
        spectra = scipy.fft.rfft(np.multiply(chunk, window, out=windowed[: len(chunk)]), axis=1)
        # power = |spectrum|^2; the phase is dropped
        energy = np.square(spectra.real)
        energy += np.square(spectra.imag)
        for filters, frequencies, weights in bands:
            power[first : first + FRAMES_PER_CHUNK, filters] = energy[:, frequencies] @ weights
    decibels = 10 * np.log10(np.maximum(power, MIN_POWER))
    return np.maximum(decibels, np.float32(-100), out=decibels)  # float32 rounds 1e-10 down


@functools.lru_cache(maxsize=8)
def _make_hann_window(n_fft: int) -> np.ndarray:
    """Return a periodic Hann window [shape=(n_fft,)], float32."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


@functools.lru_cache(maxsize=8)
def compute_mel_filters(settings: LogMel) -> np.ndarray:
    """Compute triangular filters, evenly spaced on the mel scale, each of area one.

    Filter `i` rises from edge `i` to edge `i + 1` and falls to edge `i + 2`. Scale and areas are those of M. Slaney,
    "Auditory Toolbox, version 2", Interval Research technical report 1998-010.

    Returns
    -------
    np.ndarray [shape=(n_mels, 1 + n_fft // 2)], float32
    """
    frequencies = np.linspace(0, settings.sample_rate / 2, 1 + settings.n_fft // 2)
    edges = _compute_edges(settings)
    triangles = [np.interp(frequencies, edges[i : i + 3], [0, 1, 0]) for i in range(settings.n_mels)]
    areas = (edges[2:] - edges[:-2]) / 2  # wide filters at high frequencies would otherwise collect more power
    return (np.stack(triangles) / areas[:, None]).astype(np.float32)


def _compute_edges(settings: LogMel) -> np.ndarray:
    """Compute the frequencies at which mel filters begin, peak and end, Hz, [shape=(n_mels + 2,)]."""
    mel = np.linspace(hz_to_mel(settings.fmin), hz_to_mel(get_fmax(settings)), settings.n_mels + 2)
    return np.where(mel < 15, 200 * mel / 3, 1_000 * 6.4 ** ((mel - 15) / 27))


def compute_band_centers(settings: LogMel | Spectrogram) -> np.ndarray:
    """Compute the frequency at which each mel filter peaks, or of each spectrogram row, Hz, [shape=(n_bins,)]."""
    if isinstance(settings, Spectrogram):
        return np.linspace(0, settings.sample_rate / 2, settings.n_bins)
    return _compute_edges(settings)[1:-1]


def hz_to_mel(hz: float) -> float:
    """Convert Hz to Slaney's mel scale: linear up to 1000 Hz (15 mel), then 27 mel per factor of 6.4 (Slaney 1998)."""
    return 3 * hz / 200 if hz < 1_000 else 15 + 27 * np.log(hz / 1_000) / np.log(6.4)


@functools.lru_cache(maxsize=8)
def _group_mel_filters(settings: LogMel) -> list[tuple[slice, slice, np.ndarray]]:
    """Group the mel filters into bands of `FILTERS_PER_BAND`: the filters, the frequencies they cover, their weights.

    Most of the full matrix is zero. Without that part the product takes a quarter of the time.
    """
    filters = compute_mel_filters(settings)
    bands = []
    for first in range(0, len(filters), FILTERS_PER_BAND):
        chunk = filters[first : first + FILTERS_PER_BAND]
        covered = np.flatnonzero(chunk.any(axis=0))
        frequencies = slice(covered[0], covered[-1] + 1)
        bands.append(
            (slice(first, first + FILTERS_PER_BAND), frequencies, np.ascontiguousarray(chunk[:, frequencies].T))
        )
    return bands
