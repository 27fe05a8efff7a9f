"""Landmarks: the peaks of a sound's spectrogram, which survive most of what a recording goes through."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SAMPLE_RATE = 8_000  # Hz; what mp3 leaves out lies above
N_FFT = 1_024  # 128 ms
HOP = 256  # 32 ms
BINS, FRAMES = 10, 5  # a peak is the highest within so many each way
QUIET = 1e-3  # of the track's highest peak; below it is noise
LOWEST = 4  # bins, 31 Hz
BLOCK = 1_024  # frames at a time


def find(y: np.ndarray) -> np.ndarray:
    """The peaks of a sound's spectrogram, in order of time.

    Parameters
    ----------
    y : np.ndarray [shape=(n_samples,)], mono float32 at `SAMPLE_RATE`

    Returns
    -------
    np.ndarray [shape=(n_peaks, 2)], uint16: frame and bin of each
    """
    parts = list(peaks(y))
    heights = np.concatenate([height for _, _, height in parts])
    loud = heights > QUIET * heights.max(initial=0)
    places = np.stack([np.concatenate([part[axis] for part in parts]) for axis in (0, 1)], axis=1)
    return places[loud].astype(np.uint16)


def peaks(y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Frames, bins and heights of the peaks, a block of frames at a time, so that a long track costs no more memory."""
    from scipy import fft
    from scipy.ndimage import maximum_filter

    y = np.pad(y, (0, max(0, N_FFT - len(y))))
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(y, N_FFT)[::HOP]
    for begin in range(0, len(frames), BLOCK):
        before = min(begin, FRAMES)  # neighbours from the block before decide too
        part = np.abs(fft.rfft(frames[begin - before : begin + BLOCK + FRAMES] * window, axis=1))
        highest = maximum_filter(part, size=(2 * FRAMES + 1, 2 * BINS + 1), mode="constant")
        found = (part == highest) & (part > 1e-6)  # silence is flat, and no peak
        found[:, :LOWEST] = found[:, -2:] = False
        found[:before] = found[before + BLOCK :] = False
        rows, bins = np.nonzero(found)
        yield rows + begin - before, bins, part[rows, bins]


def unpacked(content: bytes) -> np.ndarray:
    """The peaks of a sound from their bytes, [shape=(n_peaks, 2)], uint16."""
    return np.frombuffer(content, np.uint16).reshape(-1, 2)
