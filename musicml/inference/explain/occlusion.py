"""Occlusion: how much surer the model is of a class by a patch of time and frequency, and how much less without it.

In a patch, whatever stands out above the clip's own background is brought down to it: holes of silence, or the mean of
the training data, would be sights of their own to a model. Source of the idea: Zeiler and Fergus, "Visualizing and
Understanding Convolutional Networks" (ECCV 2014), on pictures.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np

from musicml.features import MFCC, LogMel
from musicml.inference.predictor import Predictor

MAX_CLIPS = 10  # the surest; each costs three hundred questions
N_TIME_PATCHES, N_BAND_PATCHES = 6, 5  # patches side by side; as many again less one lie half-way between
MIN_SCORE = 1e-12


def compute_maps(
    predictor: Predictor, values: np.ndarray, log_mel: np.ndarray, places: np.ndarray, sure: np.ndarray, k: int
) -> list[np.ndarray]:
    """For each clip the map of class `k`, [shape=(n_frames, n_mels)]; zeros but for the clips surest of it.

    Parameters
    ----------
    values : np.ndarray [shape=(n_frames, n_bins)], the sound's features
    log_mel : np.ndarray [shape=(n_frames, n_mels)], its log-mel spectrogram, which MFCC are made of; of a run on
        spectrograms these themselves
    sure : np.ndarray [shape=(n_clips,)], each clip's own probability of the class
    """
    length = predictor.serving.clip.length
    found = [np.zeros((length, log_mel.shape[1]), np.float32) for _ in places]
    for index in np.argsort(-sure, kind="stable")[:MAX_CLIPS]:
        part = slice(places[index], places[index] + length)
        # weighted, so that what decided little in an unsure clip does not stand out
        found[index] = sure[index] * _compute_clip_map(predictor, values[part], log_mel[part], k)
    return found


def _compute_clip_map(predictor: Predictor, values: np.ndarray, log_mel: np.ndarray, k: int) -> np.ndarray:
    """One clip's map, [shape=(n_frames, n_mels)]: the mean over the patches at a place.

    Of each patch it counts by how much the class's log-odds fall without it, and by how much they rise with nothing
    but it: where two patches each say enough, or a network forgets, one of these alone misses the cause.
    """
    patches = list(_make_patches(log_mel.shape))
    whole, *changes = _compute_changes(
        predictor, log_mel, [slice(0, log_mel.shape[1]), *(bands for _, bands in patches)]
    )
    bare = values + whole
    without = (_apply_change(values, times, change) for (times, _), change in zip(patches, changes, strict=True))
    alone = (_apply_change(bare, times, -change) for (times, _), change in zip(patches, changes, strict=True))
    with_all, with_none = _compute_log_odds(predictor.score_clips([values, bare]), k, predictor.task)
    falls = with_all - _compute_log_odds(predictor.score_clips(without), k, predictor.task)
    rises = _compute_log_odds(predictor.score_clips(alone), k, predictor.task) - with_none
    total, count = np.zeros(log_mel.shape, np.float32), np.zeros(log_mel.shape, np.float32)
    for (times, bands), value in zip(patches, falls + rises, strict=True):
        total[times, bands] += value
        count[times, bands] += 1
    return total / count


def _make_patches(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Patches that cover [shape=(n_frames, n_mels)], each half over the next in both directions."""
    for times in _make_slices(shape[0], N_TIME_PATCHES):
        for bands in _make_slices(shape[1], N_BAND_PATCHES):
            yield times, bands


def _make_slices(n: int, parts: int) -> list[slice]:
    """`n` in parts, and others that lie half-way between; those at the ends stand half outside.

    So every place lies in two: one that lay in a single patch would have a less steady mean, and win too often.
    """
    edges = [0, *np.linspace(0, n, 2 * parts + 1).round().astype(int), n]
    return [slice(begin, end) for begin, end in zip(edges, edges[2:], strict=False) if begin < end]


def _compute_changes(predictor: Predictor, log_mel: np.ndarray, bands: list[slice]) -> list[np.ndarray]:
    """For each patch's mel bands, what taking them down changes in the features, [shape=(n_frames, n_bins)]."""
    middle = np.median(log_mel, axis=0)
    background = middle + np.median(np.abs(log_mel - middle), axis=0)
    lowered = np.minimum(log_mel, background) - log_mel
    places = np.arange(log_mel.shape[1])

    @functools.cache  # many patches have the same bands
    def change(start: int, stop: int) -> np.ndarray:
        return _convert_change(np.where((places >= start) & (places < stop), lowered, 0), predictor.settings)

    return [change(some.start, some.stop) for some in bands]


def _convert_change(change: np.ndarray, settings: LogMel) -> np.ndarray:
    """A change of a log-mel spectrogram as one of the run's features: an MFCC is a linear function of it."""
    if not isinstance(settings, MFCC):
        return change
    from scipy import fft

    return fft.dct(change, norm="ortho", axis=1)[:, : settings.n_mfcc]


def _apply_change(values: np.ndarray, times: slice, change: np.ndarray) -> np.ndarray:
    """The clip with `change` added at `times`."""
    clip = values.copy()
    clip[times] += change[times]
    return clip


def _compute_log_odds(scores: np.ndarray, k: int, task: str) -> np.ndarray:
    """log(p / (1 - p)) of class `k`, [shape=(n,)], from raw scores.

    Of a single answer 1 - p is summed from the other classes: where p rounds to 1, theirs keep their digits.
    """
    scores = scores.astype(np.float64)
    against = np.delete(scores, k, axis=1).sum(axis=1) if task == "single" else 1 - scores[:, k]
    return np.log(np.maximum(scores[:, k], MIN_SCORE)) - np.log(np.maximum(against, MIN_SCORE))
