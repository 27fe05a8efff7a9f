"""Pool the scores of clips to scores of whole files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicml.inference.calibration import MIN_SCORE

if TYPE_CHECKING:
    from musicml.features import Clips


def pool_clips(scores: np.ndarray, task: str, average: str = "probability") -> np.ndarray:
    """Pool the scores of a file's clips to one score per class.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_clips, n_classes)], raw scores in [0, 1]
    task : `single` (softmax) or `multi` (sigmoid)
    average : `probability` for the arithmetic mean, or `log_probability` for the mean of the logarithms (log-odds for
        `multi`), converted back to probabilities. There a clip that confidently rules out a class counts more.

    Returns
    -------
    np.ndarray [shape=(n_classes,)]
    """
    if average == "probability":
        return scores.mean(axis=0)
    scores = np.clip(np.asarray(scores, dtype=np.float64), MIN_SCORE, 1 - MIN_SCORE)
    if task == "multi":
        return (1 / (1 + np.exp((np.log1p(-scores) - np.log(scores)).mean(axis=0)))).astype(np.float32)
    odds = np.exp(np.log(scores).mean(axis=0))  # the geometric mean
    return (odds / odds.sum()).astype(np.float32)


def pool_by_example(
    scores: np.ndarray, clips: Clips, indices: np.ndarray, task: str = "single", average: str = "probability"
) -> np.ndarray:
    """Pool the clip scores of each example, [shape=(n_indices, n_classes)].

    Parameters
    ----------
    scores : np.ndarray [shape=(n_clips, n_classes)]
    indices : the examples to pool
    task, average : as in `pool_clips`
    """
    return np.stack([pool_clips(scores[clips.example == index], task, average) for index in indices])
