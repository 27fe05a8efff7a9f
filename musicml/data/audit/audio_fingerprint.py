"""Audio fingerprint: the peaks of a spectrogram, which survive compression, noise and a change of gain.

Source: A. Wang, "An Industrial-Strength Audio Search Algorithm" (ISMIR 2003).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SAMPLE_RATE = 8_000  # Hz; mp3 removes only frequencies above 4 kHz
N_FFT = 1_024  # 128 ms
HOP_LENGTH = 256  # 32 ms
PEAK_BINS, PEAK_FRAMES = 10, 5  # a peak is the maximum within this distance in each direction
MIN_LEVEL = 1e-3  # of the track's highest peak; lower peaks are noise
MIN_BIN = 4  # 31 Hz
BLOCK_FRAMES = 1_024  # per block, so that memory does not grow with the length of a track


def find_peaks(y: np.ndarray) -> np.ndarray:
    """Find the spectral peaks of a sound, in order of time.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)], mono float32 at `SAMPLE_RATE`

    Returns
    -------
    np.ndarray [shape=(n_peaks, 2)], uint16: frame and frequency bin of each
    """
    parts = list(_iterate_peaks(y))
    levels = np.concatenate([level for _, _, level in parts])
    is_loud = levels > MIN_LEVEL * levels.max(initial=0)
    peaks = np.stack([np.concatenate([part[axis] for part in parts]) for axis in (0, 1)], axis=1)
    return peaks[is_loud].astype(np.uint16)


def _iterate_peaks(y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Iterate over blocks of frames, with the frames, bins and levels of their peaks."""
    from scipy import fft
    from scipy.ndimage import maximum_filter

    y = np.pad(y, (0, max(0, N_FFT - len(y))))
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(y, N_FFT)[::HOP_LENGTH]
    for begin in range(0, len(frames), BLOCK_FRAMES):
        # neighboring frames of the previous and the next block decide about peaks at the border
        before = min(begin, PEAK_FRAMES)
        block = frames[begin - before : begin + BLOCK_FRAMES + PEAK_FRAMES]
        spectrum = np.abs(fft.rfft(block * window, axis=1))
        maximum = maximum_filter(spectrum, size=(2 * PEAK_FRAMES + 1, 2 * PEAK_BINS + 1), mode="constant")
        is_peak = (spectrum == maximum) & (spectrum > 1e-6)  # in silence every value equals the maximum
        is_peak[:, :MIN_BIN] = is_peak[:, -2:] = False
        is_peak[:before] = is_peak[before + BLOCK_FRAMES :] = False
        rows, bins = np.nonzero(is_peak)
        yield rows + begin - before, bins, spectrum[rows, bins]


def unpack_peaks(content: bytes) -> np.ndarray:
    """Unpack peaks from their bytes, [shape=(n_peaks, 2)], uint16."""
    return np.frombuffer(content, np.uint16).reshape(-1, 2)
