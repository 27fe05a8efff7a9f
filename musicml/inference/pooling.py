"""From clips to examples: a track is judged by the mean of its clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicml.inference.calibration import MIN_SCORE

if TYPE_CHECKING:
    from musicml.features import Clips


def pool_clips(scores: np.ndarray, task: str, average: str = "probability") -> np.ndarray:
    """The scores of a whole file from those of its clips.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_clips, n_classes)], raw scores in [0, 1]
    task : `single` (softmax) or `multi` (sigmoids)
    average : `probability`, their plain mean; or `log_probability`, the mean of their logarithms (of `multi`, of their
        log-odds), brought back to probabilities: one clip that is sure of a class's absence then weighs more

    Returns
    -------
    np.ndarray [shape=(n_classes,)]
    """
    if average == "probability":
        return scores.mean(axis=0)
    scores = np.clip(np.asarray(scores, dtype=np.float64), MIN_SCORE, 1 - MIN_SCORE)
    if task == "multi":
        return (1 / (1 + np.exp((np.log1p(-scores) - np.log(scores)).mean(axis=0)))).astype(np.float32)
    odds = np.exp(np.log(scores).mean(axis=0))
    return (odds / odds.sum()).astype(np.float32)


def pool_by_example(
    scores: np.ndarray, clips: Clips, indices: np.ndarray, task: str = "single", average: str = "probability"
) -> np.ndarray:
    """The mean score of each example's clips, [shape=(n_indices, n_classes)]: a track is judged whole.

    Parameters
    ----------
    task, average : as `pool_clips` takes them
    """
    return np.stack([pool_clips(scores[clips.example == index], task, average) for index in indices])
