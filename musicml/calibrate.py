"""Make scores mean what they say: a temperature and thresholds, fitted on validation and kept in the run folder.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017). Dividing the logits by one
number changes how sure a model is, never which class it puts first.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize

SMALLEST = 1e-7
FEWEST = 20  # below so many validation examples a fitted temperature is noise
BOUNDS = (0.05, 20.0)


def temper(scores: np.ndarray, temperature: float, task: str) -> np.ndarray:
    """Calibrated probabilities.

    Parameters
    ----------
    scores : np.ndarray [shape=(..., n_classes)], raw scores in [0, 1], after softmax or sigmoid
    temperature : float > 0; 1 changes nothing, more makes less sure
    task : `single` (softmax) or `multi` (sigmoids)

    Returns
    -------
    np.ndarray of the same shape, float32
    """
    scores = np.clip(np.asarray(scores, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    if task == "multi":
        return (1 / (1 + np.exp(-(np.log(scores) - np.log1p(-scores)) / temperature))).astype(np.float32)
    logits = np.log(scores) / temperature
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (odds / odds.sum(axis=-1, keepdims=True)).astype(np.float32)


def log_loss(scores: np.ndarray, targets: np.ndarray, task: str) -> float:
    """Mean negative log-likelihood; cells of `targets` that are NaN (nobody looked) do not count."""
    scores = np.clip(np.asarray(scores, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    if task == "single":
        return float(-np.log((scores * targets).sum(axis=1)).mean())
    seen = ~np.isnan(targets)
    return float(-np.where(targets[seen] > 0.5, np.log(scores[seen]), np.log1p(-scores[seen])).mean())


def fit_temperature(scores: np.ndarray, targets: np.ndarray, task: str) -> float:
    """The temperature with the least log-loss on validation; 1 where there are too few examples to tell.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_examples, n_classes)], raw scores of validation examples
    targets : np.ndarray [shape=(n_examples, n_classes)], 1, 0 or NaN
    """
    if len(scores) < FEWEST:
        return 1.0
    found = optimize.minimize_scalar(
        lambda log_t: log_loss(temper(scores, float(np.exp(log_t)), task), targets, task),
        bounds=tuple(np.log(BOUNDS)),
        method="bounded",
    )
    return round(float(np.exp(found.x)), 4)


def fit_thresholds(scores: np.ndarray, targets: np.ndarray) -> list[float]:
    """For each class, the threshold with the best F1 on its observed validation cells; 0.5 where it has no positive.

    Between two scores that do equally well the middle is taken, so that a threshold is no example's own score.
    """
    return [best_threshold(scores[:, k], targets[:, k]) for k in range(scores.shape[1])]


def best_threshold(scores: np.ndarray, targets: np.ndarray) -> float:
    """The threshold of one class with the best F1, [shape=(n_examples,)] each."""
    seen = ~np.isnan(targets)
    order = np.argsort(-scores[seen], kind="stable")
    ranked, truth = scores[seen][order], targets[seen][order] > 0.5
    if not truth.any() or truth.all():
        return 0.5
    hits = np.cumsum(truth)
    f1 = 2 * hits / (np.arange(1, len(truth) + 1) + truth.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = -1  # equal scores can't be told apart by a threshold
    best = int(np.argmax(f1))
    above, below = float(ranked[best]), float(ranked[best + 1]) if best + 1 < len(ranked) else 0.0
    middle = (above + below) / 2
    short = round(middle, 6)
    return short if below < short <= above else middle  # scores may lie closer together than six digits tell


def calibration_error(scores: np.ndarray, targets: np.ndarray, task: str, n_bins: int = 15) -> float:
    """Expected calibration error over bins of equal width: how far what is said lies from what is so, in [0, 1].

    For `single` the highest score against whether its class was right; for `multi` every observed cell.
    """
    if task == "single":
        said, so = scores.max(axis=1), targets[np.arange(len(scores)), scores.argmax(axis=1)] > 0.5
    else:
        seen = ~np.isnan(targets)
        said, so = scores[seen], targets[seen] > 0.5
    if len(said) == 0:
        return float("nan")
    bins = np.minimum((said * n_bins).astype(int), n_bins - 1)
    weights = np.bincount(bins, minlength=n_bins)
    gaps = np.abs(np.bincount(bins, said, n_bins) - np.bincount(bins, so, n_bins))
    return float(gaps.sum() / weights.sum())
