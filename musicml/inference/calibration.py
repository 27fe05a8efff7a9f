"""Post-hoc calibration: temperature, thresholds and out-of-distribution limit, fitted on the validation split.

Temperature scaling divides the logits by one number. It changes how confident a model is, never its first class.
Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (ICML 2017).

Thresholds are for multi-label tasks: the score from which a class counts as present.

The out-of-distribution limit exists because a classifier picks one of its classes even for noise. It limits the
Mahalanobis distance between a few statistics of a file's features and those of the training files. Source of the idea,
there for the hidden layers of a network: Lee, Lee, Lee and Shin, "A Simple Unified Framework for Detecting
Out-of-Distribution Samples and Adversarial Attacks" (NeurIPS 2018).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musicml.utils import Message

MIN_SCORE = 1e-7  # scores are clipped to [MIN_SCORE, 1 - MIN_SCORE], since log(0) is infinite
MIN_CALIBRATION_FILES = 20  # with fewer validation examples a fitted temperature is mostly noise
TEMPERATURE_BOUNDS = (0.05, 20.0)  # the search interval
BOUND_TOLERANCE = 1.01  # a temperature within this factor of a bound counts as being at it


def apply_temperature(scores: np.ndarray, temperature: float, task: str) -> np.ndarray:
    """Calibrate scores: divide their logits by the temperature.

    Parameters
    ----------
    scores : np.ndarray [shape=(..., n_classes)], raw scores in [0, 1], after softmax or sigmoid
    temperature : float > 0; 1 changes nothing, larger values lower the confidence
    task : `single` (softmax) or `multi` (sigmoid)

    Returns
    -------
    np.ndarray of the same shape, float32
    """
    scores = np.clip(np.asarray(scores, dtype=np.float64), MIN_SCORE, 1 - MIN_SCORE)
    if task == "multi":
        return (1 / (1 + np.exp(-(np.log(scores) - np.log1p(-scores)) / temperature))).astype(np.float32)
    logits = np.log(scores) / temperature  # equal to the true logits up to a constant, which softmax ignores
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))  # no overflow: the largest exponent is 0
    return (odds / odds.sum(axis=-1, keepdims=True)).astype(np.float32)


def compute_log_loss(scores: np.ndarray, targets: np.ndarray, task: str) -> float:
    """Compute the mean negative log-likelihood; unlabeled cells, NaN in `targets`, do not count."""
    scores = np.clip(np.asarray(scores, dtype=np.float64), MIN_SCORE, 1 - MIN_SCORE)
    if task == "single":
        return float(-np.log((scores * targets).sum(axis=1)).mean())
    labeled = ~np.isnan(targets)
    return float(-np.where(targets[labeled] > 0.5, np.log(scores[labeled]), np.log1p(-scores[labeled])).mean())


def fit_temperature(scores: np.ndarray, targets: np.ndarray, task: str) -> float:
    """Fit the temperature with the smallest log loss on validation; return 1 if there are too few examples.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_examples, n_classes)], raw scores of validation examples
    targets : np.ndarray [shape=(n_examples, n_classes)], 1, 0 or NaN
    """
    if len(scores) < MIN_CALIBRATION_FILES:
        return 1.0
    from scipy import optimize  # here, since its import takes a third of a second and only training needs it

    result = optimize.minimize_scalar(  # over log(T), where the loss has a single minimum
        lambda log_t: compute_log_loss(apply_temperature(scores, float(np.exp(log_t)), task), targets, task),
        bounds=tuple(np.log(TEMPERATURE_BOUNDS)),
        method="bounded",
    )
    return round(float(np.exp(result.x)), 4)


def describe_temperature_bound(temperature: float | None) -> str | None:
    """Explain a fitted temperature that is at a bound of the search; None if it is not.

    >>> describe_temperature_bound(1.3) is None
    True
    """
    lowest, highest = TEMPERATURE_BOUNDS
    if temperature is None or lowest * BOUND_TOLERANCE < temperature < highest / BOUND_TOLERANCE:
        return None
    if temperature >= 1:
        return Message(
            "The temperature {temperature:g} is the highest allowed. The scores on the validation split carried almost "
            "no information, so all probabilities are made nearly equal.",
            temperature=temperature,
        )
    return Message(
        "The temperature {temperature:g} is the lowest allowed. Nearly all predictions on the validation split were "
        "correct, so probabilities are pushed to 0 and 1. They are likely to be overconfident.",
        temperature=temperature,
    )


def fit_thresholds(scores: np.ndarray, targets: np.ndarray) -> list[float]:
    """Fit the threshold of each class with the best F1 on labeled validation cells; 0.5 without a positive example.

    A threshold is the midpoint between two neighboring scores, never the score of an example.
    """
    return [_fit_threshold(scores[:, k], targets[:, k]) for k in range(scores.shape[1])]


def _fit_threshold(scores: np.ndarray, targets: np.ndarray) -> float:
    """Fit the threshold of one class with the best F1, from arrays of [shape=(n_examples,)]."""
    labeled = ~np.isnan(targets)
    order = np.argsort(-scores[labeled], kind="stable")
    ranked, is_positive = scores[labeled][order], targets[labeled][order] > 0.5
    if not is_positive.any() or is_positive.all():
        return 0.5
    hits = np.cumsum(is_positive)  # true positives if the first 1, 2, ... examples count as present
    f1 = 2 * hits / (np.arange(1, len(is_positive) + 1) + is_positive.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = -1  # no threshold can separate equal scores
    best = int(np.argmax(f1))
    above, below = float(ranked[best]), float(ranked[best + 1]) if best + 1 < len(ranked) else 0.0
    middle = (above + below) / 2
    rounded = round(middle, 6)
    return rounded if below < rounded <= above else middle  # the two scores may differ by less than six decimals


def compute_calibration_error(scores: np.ndarray, targets: np.ndarray, task: str, n_bins: int = 15) -> float:
    """Compute the expected calibration error: the mean gap between scores and accuracy over bins, in [0, 1].

    For `single`, the highest score of an example is compared with whether its class is correct. For `multi`, every
    labeled cell counts. Source: Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning" (AAAI 2015).
    """
    n, score_sums, n_correct = _bin_scores(scores, targets, task, n_bins)
    return float(np.abs(score_sums - n_correct).sum() / n.sum()) if n.any() else float("nan")


def compute_reliability(scores: np.ndarray, targets: np.ndarray, task: str, n_bins: int = 15) -> list[dict[str, float]]:
    """Compute the table of a reliability diagram: mean score and accuracy of each bin that is not empty.

    Parameters
    ----------
    scores, targets, task : as in `compute_calibration_error`

    Returns
    -------
    list of dict: `low`, `high` (the limits of the bin), `n`, `said` (the mean score), `right` (the share of correct)
    """
    n, sums, correct = _bin_scores(scores, targets, task, n_bins)
    rows = []
    for k in np.flatnonzero(n):
        low, high, mean, accuracy = k / n_bins, (k + 1) / n_bins, sums[k] / n[k], correct[k] / n[k]
        row = {"low": low, "high": high, "n": n[k], "said": mean, "right": accuracy}
        rows.append({**{name: round(float(value), 6) for name, value in row.items()}, "n": int(n[k])})
    return rows


def _bin_scores(
    scores: np.ndarray, targets: np.ndarray, task: str, n_bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each bin the number of scores, their sum, and the number of correct ones: [shape=(n_bins,)] each."""
    if task == "single":
        score, is_correct = scores.max(axis=1), targets[np.arange(len(scores)), scores.argmax(axis=1)] > 0.5
    else:
        labeled = ~np.isnan(targets)
        score, is_correct = scores[labeled], targets[labeled] > 0.5
    bins = np.minimum((score * n_bins).astype(int), n_bins - 1)  # a score of 1 belongs to the last bin
    return np.bincount(bins, None, n_bins), np.bincount(bins, score, n_bins), np.bincount(bins, is_correct, n_bins)


# Out-of-distribution detection


TRAITS_VERSION = 1  # increase it when `compute_traits` changes: limits fitted on old traits are then ignored
N_COEFFICIENTS = 13
CHUNK_SIZE = 4096  # frames transformed at a time
SLOW_FRAMES = 16  # frames to average for the slow changes of a sound
MIN_VARIATION = 0.1  # dB, added before the logarithm so that silence stays finite
OOD_RATE = 0.05  # the share of validation files beyond the limit, before the margin
SHRINKAGE = 0.2  # of the covariance; with less, loud noise was as close as music
OOD_MARGIN = 1.15  # factor on the limit, since music by new artists is slightly further away than validation files


def compute_traits(values: np.ndarray, kind: str) -> np.ndarray:
    """Summarize the features of a file in a few statistics, the same for all kinds of audio features.

    Parameters
    ----------
    values : np.ndarray [shape=(n_frames, n_bins)] of a sound, or [shape=(height, width, 3)] of a picture
    kind : `log_mel`, `mfcc`, `vggish`, `spectrogram` or `pixels`

    Returns
    -------
    np.ndarray [shape=(n_traits,)], float64. For a sound, of each of at most 13 coefficients: the mean, and the
    logarithms of the spread over time, of the spread of 16-frame means, and of the mean change between frames. For a
    picture: mean color and spread of 4 x 4 fields, and the roughness at three scales.
    """
    if kind == "pixels":
        return _compute_image_traits(values)
    bands = _compute_cepstra(values) if kind in ("log_mel", "spectrogram") else values[:, :N_COEFFICIENTS]
    blocks = bands[: len(bands) // SLOW_FRAMES * SLOW_FRAMES]  # without an incomplete block at the end
    slow = blocks.reshape(-1, SLOW_FRAMES, bands.shape[1]).mean(axis=1) if len(blocks) else bands[:1]
    change = np.abs(np.diff(bands, axis=0)).mean(axis=0) if len(bands) > 1 else np.zeros(bands.shape[1])
    # logarithms compare ratios: noise varies a third as much as music, which a difference would hardly show
    variation = np.log(MIN_VARIATION + np.stack([bands.std(axis=0), slow.std(axis=0), change]))
    return np.concatenate([bands.mean(axis=0), *variation]).astype(np.float64)


def _compute_cepstra(spectra: np.ndarray) -> np.ndarray:
    """Describe the shape of each spectrum by a few nearly uncorrelated numbers, as MFCCs do: [shape=(n_frames, 13)]."""
    from scipy import fft

    chunks = (spectra[start : start + CHUNK_SIZE] for start in range(0, len(spectra), CHUNK_SIZE))
    return np.concatenate([fft.dct(chunk, norm="ortho", axis=1)[:, :N_COEFFICIENTS] for chunk in chunks])


def _compute_image_traits(pixels: np.ndarray) -> np.ndarray:
    """Compute color and spread of 4 x 4 fields, and the difference of pixels at three distances."""
    fields = [
        field for band in np.array_split(pixels.astype(np.float32), 4) for field in np.array_split(band, 4, axis=1)
    ]
    gray = pixels.astype(np.float32).mean(axis=2)
    roughness = [
        np.log1p(np.abs(gray[step:] - gray[:-step]).mean() + np.abs(gray[:, step:] - gray[:, :-step]).mean())
        for step in (1, 2, 4)
    ]
    means, spreads = [field.mean(axis=(0, 1)) for field in fields], [[field.std()] for field in fields]
    return np.concatenate([*means, *spreads, roughness]).astype(np.float64)


def fit_ood_limit(train: np.ndarray, val: np.ndarray) -> dict[str, Any] | None:
    """Fit the distance limit on the traits of training and validation files; None if there are too few files.

    Parameters
    ----------
    train, val : np.ndarray [shape=(n_files, n_traits)]

    Returns
    -------
    dict with `version`, `mean`, `spread`, `precision` (of the standardized traits), `limit`, `n` (validation files) and
    `beyond` (validation files beyond the limit)
    """
    if min(len(train), len(val)) < MIN_CALIBRATION_FILES:
        return None
    from sklearn.covariance import ShrunkCovariance

    mean, spread = train.mean(axis=0), np.maximum(train.std(axis=0), 1e-3)
    # with few files and many traits a plain covariance can't be inverted, so it is shrunk towards a diagonal matrix
    covariance = ShrunkCovariance(shrinkage=SHRINKAGE, assume_centered=True).fit((train - mean) / spread)
    precision = [_round_values(row) for row in covariance.precision_]
    fitted = {"mean": _round_values(mean), "spread": _round_values(spread), "precision": precision}
    distances = np.array([compute_ood_distance(traits, fitted) for traits in val])
    limit = OOD_MARGIN * float(np.quantile(distances, 1 - OOD_RATE))
    return {
        "version": TRAITS_VERSION,
        **fitted,
        "limit": round(limit, 4),
        "n": len(val),
        "beyond": int((distances > limit).sum()),
    }


def _round_values(values: np.ndarray) -> list[float]:
    """Round to six significant digits."""
    return [float(f"{value:.6g}") for value in values]


def compute_ood_distance(traits: np.ndarray, fitted: dict[str, Any]) -> float:
    """Compute the distance of a file from the training files, about 1 for a training file (Mahalanobis per trait)."""
    from_mean = (traits - np.array(fitted["mean"])) / np.array(fitted["spread"])
    return float(np.sqrt(from_mean @ np.array(fitted["precision"]) @ from_mean / len(from_mean)))
