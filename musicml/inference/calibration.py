"""Make scores mean what they say: what is fitted on validation and kept in the run folder.

A temperature: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017). Dividing the
logits by one number changes how sure a model is, never which class it puts first.

Thresholds: for several classes at once, from which score each counts as present.

How unlike training a file is: a classifier names one of its classes for anything, noise and silence included. So the
Mahalanobis distance of a few plain statistics of its features to those of the training files is kept too, with the
distance that validation files stay within (the idea, on a network's inner layers: Lee, Lee, Lee and Shin, "A Simple
Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musicml.utils import Message

MIN_SCORE = 1e-7
MIN_CALIBRATION_FILES = 20  # below so many validation examples a fitted temperature is noise
TEMPERATURE_BOUNDS = (0.05, 20.0)  # between which a temperature is searched
BOUND_TOLERANCE = 1.01  # a temperature within this factor of a bound stands at it


def apply_temperature(scores: np.ndarray, temperature: float, task: str) -> np.ndarray:
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
    scores = np.clip(np.asarray(scores, dtype=np.float64), MIN_SCORE, 1 - MIN_SCORE)
    if task == "multi":
        return (1 / (1 + np.exp(-(np.log(scores) - np.log1p(-scores)) / temperature))).astype(np.float32)
    logits = np.log(scores) / temperature
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (odds / odds.sum(axis=-1, keepdims=True)).astype(np.float32)


def compute_log_loss(scores: np.ndarray, targets: np.ndarray, task: str) -> float:
    """Mean negative log-likelihood; cells of `targets` that are NaN (nobody looked) do not count."""
    scores = np.clip(np.asarray(scores, dtype=np.float64), MIN_SCORE, 1 - MIN_SCORE)
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
    if len(scores) < MIN_CALIBRATION_FILES:
        return 1.0
    from scipy import optimize  # a third of a second, which only training needs

    found = optimize.minimize_scalar(
        lambda log_t: compute_log_loss(apply_temperature(scores, float(np.exp(log_t)), task), targets, task),
        bounds=tuple(np.log(TEMPERATURE_BOUNDS)),
        method="bounded",
    )
    return round(float(np.exp(found.x)), 4)


def describe_temperature_bound(temperature: float | None) -> str | None:
    """Say what it means that a fitted temperature stands at an end of what was searched; None where it does not.

    >>> describe_temperature_bound(1.3) is None
    True
    """
    lowest, highest = TEMPERATURE_BOUNDS
    if temperature is None or lowest * BOUND_TOLERANCE < temperature < highest / BOUND_TOLERANCE:
        return None
    if temperature >= 1:
        return Message(
            "The temperature {temperature:g} is the highest that is tried: on validation the scores told "
            "next to nothing, so all probabilities are made nearly equal.",
            temperature=temperature,
        )
    return Message(
        "The temperature {temperature:g} is the lowest that is tried: on validation nearly every "
        "answer was right, so probabilities are pushed to 0 and 1, and mean less than they say.",
        temperature=temperature,
    )


def fit_thresholds(scores: np.ndarray, targets: np.ndarray) -> list[float]:
    """For each class, the threshold with the best F1 on its observed validation cells; 0.5 where it has no positive.

    Between two scores that do equally well the middle is taken, so that a threshold is no example's own score.
    """
    return [_fit_threshold(scores[:, k], targets[:, k]) for k in range(scores.shape[1])]


def _fit_threshold(scores: np.ndarray, targets: np.ndarray) -> float:
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


def compute_calibration_error(scores: np.ndarray, targets: np.ndarray, task: str, n_bins: int = 15) -> float:
    """Expected calibration error: how far what is said lies from what is so, over bins of equal width, in [0, 1].

    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (AAAI 2015).
    For `single` the highest score against whether its class was right; for `multi` every observed cell.
    """
    n, said, so = _bin_scores(scores, targets, task, n_bins)
    return float(np.abs(said - so).sum() / n.sum()) if n.any() else float("nan")


def compute_reliability(scores: np.ndarray, targets: np.ndarray, task: str, n_bins: int = 15) -> list[dict[str, float]]:
    """The table behind a reliability diagram: what was said and what was so, bin by bin; empty bins are left out.

    Parameters
    ----------
    scores, targets, task : as `compute_calibration_error` takes them

    Returns
    -------
    list of dict: `low`, `high` (the bin's ends), `n`, `said` (the mean score), `right` (the share that was so)
    """
    n, said, so = _bin_scores(scores, targets, task, n_bins)
    rows = []
    for k in np.flatnonzero(n):
        row = {"low": k / n_bins, "high": (k + 1) / n_bins, "n": n[k], "said": said[k] / n[k], "right": so[k] / n[k]}
        rows.append({**{name: round(float(value), 6) for name, value in row.items()}, "n": int(n[k])})
    return rows


def _bin_scores(
    scores: np.ndarray, targets: np.ndarray, task: str, n_bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many scores fall into each bin, their sum, and of how many it was so: [shape=(n_bins,)] each."""
    if task == "single":
        said, so = scores.max(axis=1), targets[np.arange(len(scores)), scores.argmax(axis=1)] > 0.5
    else:
        seen = ~np.isnan(targets)
        said, so = scores[seen], targets[seen] > 0.5
    bins = np.minimum((said * n_bins).astype(int), n_bins - 1)
    return np.bincount(bins, None, n_bins), np.bincount(bins, said, n_bins), np.bincount(bins, so, n_bins)


# How unlike training


TRAITS_VERSION = 1  # raise it when `traits` gives other numbers: what was fitted on the old ones is not asked then
N_COEFFICIENTS = 13
CHUNK_SIZE = 4096  # frames transformed at a time
SLOW_FRAMES = 16  # frames averaged, to see what moves slower
MIN_VARIATION = 0.1  # added to what moves before its logarithm: in dB, next to nothing
OOD_RATE = 0.05  # the share of validation files beyond the limit, before the margin
SHRINKAGE = 0.2  # of the covariance; with less, loud noise came as near as music
OOD_MARGIN = 1.15  # on the distance: other artists lie a little further out than those at hand


def compute_traits(values: np.ndarray, kind: str) -> np.ndarray:
    """A file in a few numbers: what its features are like on the whole, whatever they mean.

    Parameters
    ----------
    values : np.ndarray [shape=(n_frames, n_bins)] of a sound, or [shape=(height, width, 3)] of a picture
    kind : `log_mel`, `mfcc`, `vggish`, `spectrogram` or `pixels`

    Returns
    -------
    np.ndarray [shape=(n_traits,)], float64. Of a sound, for each of at most 13 coefficients: the mean, and as
    logarithms the spread over time, that of 16 frames averaged, and the mean change from frame to frame. Of a picture,
    in 4 x 4 fields: mean colour and spread; and how rough it is at three scales.
    """
    if kind == "pixels":
        return _compute_image_traits(values)
    bands = _compute_cepstra(values) if kind in ("log_mel", "spectrogram") else values[:, :N_COEFFICIENTS]
    whole = bands[: len(bands) // SLOW_FRAMES * SLOW_FRAMES]
    slow = whole.reshape(-1, SLOW_FRAMES, bands.shape[1]).mean(axis=1) if len(whole) else bands[:1]
    change = np.abs(np.diff(bands, axis=0)).mean(axis=0) if len(bands) > 1 else np.zeros(bands.shape[1])
    # as ratios: noise varies a third as much as music does, which a difference would hardly show
    moves = np.log(MIN_VARIATION + np.stack([bands.std(axis=0), slow.std(axis=0), change]))
    return np.concatenate([bands.mean(axis=0), *moves]).astype(np.float64)


def _compute_cepstra(spectra: np.ndarray) -> np.ndarray:
    """A spectrum's shape in few numbers, nearly independent of each other, as an MFCC: [shape=(n_frames, 13)]."""
    from scipy import fft

    parts = (spectra[first : first + CHUNK_SIZE] for first in range(0, len(spectra), CHUNK_SIZE))
    return np.concatenate([fft.dct(part, norm="ortho", axis=1)[:, :N_COEFFICIENTS] for part in parts])


def _compute_image_traits(pixels: np.ndarray) -> np.ndarray:
    """Colour and spread of 4 x 4 fields, and how much neighbours differ at three distances."""
    fields = [
        field for band in np.array_split(pixels.astype(np.float32), 4) for field in np.array_split(band, 4, axis=1)
    ]
    grey = pixels.astype(np.float32).mean(axis=2)
    rough = [
        np.log1p(np.abs(grey[step:] - grey[:-step]).mean() + np.abs(grey[:, step:] - grey[:, :-step]).mean())
        for step in (1, 2, 4)
    ]
    means, spreads = [field.mean(axis=(0, 1)) for field in fields], [[field.std()] for field in fields]
    return np.concatenate([*means, *spreads, rough]).astype(np.float64)


def fit_ood_limit(train: np.ndarray, val: np.ndarray) -> dict[str, Any] | None:
    """Fit what `compute_ood_distance` needs on traits of training and validation files; None where there are too few.

    Parameters
    ----------
    train, val : np.ndarray [shape=(n_files, n_traits)]

    Returns
    -------
    dict with `version`, `mean`, `spread`, `precision` (of the standardised traits), `limit`, and of how many validation
    files how many lie beyond it: `n`, `beyond`
    """
    if min(len(train), len(val)) < MIN_CALIBRATION_FILES:
        return None
    from sklearn.covariance import ShrunkCovariance

    mean, spread = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-3)
    covariance = ShrunkCovariance(shrinkage=SHRINKAGE, assume_centered=True).fit((train - mean) / spread)
    fitted = {
        "mean": _round_values(mean),
        "spread": _round_values(spread),
        "precision": [_round_values(row) for row in covariance.precision_],
    }
    far = np.array([compute_ood_distance(one, fitted) for one in val])
    limit = OOD_MARGIN * float(np.quantile(far, 1 - OOD_RATE))
    return {
        "version": TRAITS_VERSION,
        **fitted,
        "limit": round(limit, 4),
        "n": len(val),
        "beyond": int((far > limit).sum()),
    }


def _round_values(values: np.ndarray) -> list[float]:
    """Six significant digits of each."""
    return [float(f"{value:.6g}") for value in values]


def compute_ood_distance(traits: np.ndarray, fitted: dict[str, Any]) -> float:
    """How far a file lies from the training files, in standard deviations a trait: about 1 for one of them."""
    from_mean = (traits - np.array(fitted["mean"])) / np.array(fitted["spread"])
    return float(np.sqrt(from_mean @ np.array(fitted["precision"]) @ from_mean / len(from_mean)))
