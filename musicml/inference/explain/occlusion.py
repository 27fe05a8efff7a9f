"""Occlusion maps: how the log-odds of a class change if a patch of time and frequency is hidden, or shown alone.

In a hidden patch, everything louder than the background of the clip is lowered to it. Silence, or the mean of the
training data, would be unusual input that changes the prediction by itself. Source of the idea, for pictures: Zeiler
and Fergus, "Visualizing and Understanding Convolutional Networks" (ECCV 2014).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from musicml.features import MFCC, LogMel
from musicml.inference.predictor import Predictor

MAX_CLIPS = 10  # the most confident ones, since each needs three hundred predictions
N_TIME_PATCHES, N_BAND_PATCHES = 6, 5  # without overlap; the same number minus one is added halfway between
MIN_SCORE = 1e-12  # avoids log(0)


def compute_maps(
    predictor: Predictor, values: np.ndarray, log_mel: np.ndarray, starts: np.ndarray, probabilities: np.ndarray, k: int
) -> list[np.ndarray]:
    """Compute the map of class `k` for each clip, [shape=(n_frames, n_mels)]; zeros for less confident clips.

    Parameters
    ----------
    values : np.ndarray [shape=(n_frames, n_bins)], the features of the sound
    log_mel : np.ndarray [shape=(n_frames, n_mels)], its log-mel spectrogram, from which MFCC are computed; for a run on
        spectrograms, the same as `values`
    starts : np.ndarray [shape=(n_clips,)], the first frame of each clip
    probabilities : np.ndarray [shape=(n_clips,)], the probability of the class in each clip
    """
    length = predictor.serving.clip.length
    maps = [np.zeros((length, log_mel.shape[1]), np.float32) for _ in starts]
    for index in np.argsort(-probabilities, kind="stable")[:MAX_CLIPS]:
        part = slice(starts[index], starts[index] + length)
        # weighted, so that small effects in clips with a low probability do not stand out
        maps[index] = probabilities[index] * _compute_clip_map(predictor, values[part], log_mel[part], k)
    return maps


def _compute_clip_map(predictor: Predictor, values: np.ndarray, log_mel: np.ndarray, k: int) -> np.ndarray:
    """Compute the map of one clip, [shape=(n_frames, n_mels)], as the mean over the patches at each place.

    The value of a patch is the fall of the log-odds without it plus their rise with this patch alone. One of the two
    would miss a cause if two patches are each sufficient, or if a recurrent network forgets the patch.
    """
    patches = list(_make_patches(log_mel.shape))
    all_bands = slice(0, log_mel.shape[1])
    total_change, *changes = _compute_changes(predictor, log_mel, [all_bands, *(bands for _, bands in patches)])
    background = values + total_change
    without = (_apply_change(values, times, change) for (times, _), change in zip(patches, changes, strict=True))
    alone = (_apply_change(background, times, -change) for (times, _), change in zip(patches, changes, strict=True))
    with_all, with_none = _compute_log_odds(predictor.score_clips([values, background]), k, predictor.task)
    falls = with_all - _compute_log_odds(predictor.score_clips(without), k, predictor.task)
    rises = _compute_log_odds(predictor.score_clips(alone), k, predictor.task) - with_none
    total, count = np.zeros(log_mel.shape, np.float32), np.zeros(log_mel.shape, np.float32)
    for (times, bands), value in zip(patches, falls + rises, strict=True):
        total[times, bands] += value
        count[times, bands] += 1
    return total / count


def _make_patches(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Yield patches that cover [shape=(n_frames, n_mels)], each overlapping the next by half in both directions."""
    for times in _make_slices(shape[0], N_TIME_PATCHES):
        for bands in _make_slices(shape[1], N_BAND_PATCHES):
            yield times, bands


def _make_slices(n: int, parts: int) -> list[slice]:
    """Divide `n` into parts, and add parts halfway between them; those at both ends have half the length.

    Every place is then in two parts. With a single one, its mean would vary more and be the maximum too often.
    """
    edges = [0, *np.linspace(0, n, 2 * parts + 1).round().astype(int), n]
    return [slice(begin, end) for begin, end in zip(edges, edges[2:], strict=False) if begin < end]


def _compute_changes(predictor: Predictor, log_mel: np.ndarray, bands: list[slice]) -> list[np.ndarray]:
    """Compute for each slice of mel bands the change of the features if it is lowered, [shape=(n_frames, n_bins)]."""
    median = np.median(log_mel, axis=0)
    background = median + np.median(np.abs(log_mel - median), axis=0)  # plus the typical deviation
    change = np.minimum(log_mel, background) - log_mel
    indices = np.arange(log_mel.shape[1])

    @functools.cache  # many patches have the same bands
    def compute(start: int, stop: int) -> np.ndarray:
        """Compute the change of the features that hides the bands from `start` to `stop`."""
        return _convert_change(np.where((indices >= start) & (indices < stop), change, 0), predictor.settings)

    return [compute(part.start, part.stop) for part in bands]


def _convert_change(change: np.ndarray, settings: LogMel) -> np.ndarray:
    """Convert a change of the log-mel spectrogram to one of the features; MFCC are a linear function of it."""
    if not isinstance(settings, MFCC):
        return change
    from scipy import fft

    return fft.dct(change, norm="ortho", axis=1)[:, : settings.n_mfcc]


def _apply_change(values: np.ndarray, times: slice, change: np.ndarray) -> np.ndarray:
    """Return the clip with `change` added at `times`."""
    clip = values.copy()
    clip[times] += change[times]
    return clip


def _compute_log_odds(scores: np.ndarray, k: int, task: str) -> np.ndarray:
    """Compute log(p / (1 - p)) of class `k` from raw scores, [shape=(n,)].

    For `single`, 1 - p is the sum of the other classes, which is still exact if p rounds to 1.
    """
    scores = scores.astype(np.float64)
    rest = np.delete(scores, k, axis=1).sum(axis=1) if task == "single" else 1 - scores[:, k]
    return np.log(np.maximum(scores[:, k], MIN_SCORE)) - np.log(np.maximum(rest, MIN_SCORE))
