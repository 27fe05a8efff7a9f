"""Bootstrap over groups: compute every metric for many weightings of the examples at once.

Field and Welsh, "Bootstrapping clustered data" (Journal of the Royal Statistical Society B, 2007).
"""

from __future__ import annotations

import numpy as np

BATCH_SIZE = 100  # draws ranked at a time: few enough for a core's cache, which halves the time


def draw_groups(groups: np.ndarray, seed: int, n_bootstrap: int) -> np.ndarray | None:
    """Draw groups with replacement, and return how often each example occurs in each draw.

    Returns
    -------
    np.ndarray [shape=(n_bootstrap, n_examples)], or None if there is only one group
    """
    names, group_of = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if len(names) < 2:
        return None
    rng = np.random.default_rng(seed)
    # drawing n groups with replacement and counting them is one draw from a multinomial distribution
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_bootstrap)
    return counts[:, group_of].astype(np.float64)


def draw_weights(groups: np.ndarray, seed: int, n_bootstrap: int) -> np.ndarray:
    """Return weights of the examples: a first row of ones, then those of `draw_groups`, if any.

    Returns
    -------
    np.ndarray [shape=(1 + n_bootstrap, n_examples)]
    """
    original, draws = np.ones((1, len(groups))), draw_groups(groups, seed, n_bootstrap)
    return original if draws is None else np.concatenate([original, draws])


def compute_class_draws(
    scores: np.ndarray, targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute the metrics of each class for many weightings of the examples.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_draws, n_examples)], how often each example was drawn

    Returns
    -------
    dict of np.ndarray [shape=(n_draws, n_classes)]: `CLASS_METRICS` and `f1_absent`, NaN where not defined, and the
    counts `right` and `present`
    """
    return compute_count_draws(targets, predicted, weights) | compute_curve_draws(scores, targets, weights)


def compute_count_draws(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the metrics of `compute_class_draws` that depend on decisions."""
    observed, truth = ~np.isnan(targets), np.nan_to_num(targets) > 0.5  # NaN: without a label
    correct, positive, present, total = (  # a matrix product sums over all examples of all draws at once
        weights @ part.astype(float) for part in (predicted & truth, predicted & observed, truth, observed)
    )
    absent, correct_absent = total - present, total - positive - present + correct
    f1_absent = 2 * correct_absent, total - positive + absent  # numerator and denominator
    with np.errstate(invalid="ignore", divide="ignore"):  # 0 / 0 is NaN: not defined
        return {
            "precision": correct / positive,
            "recall": correct / present,
            "f1": np.where(present > 0, 2 * correct / (positive + present), np.nan),
            "f1_absent": np.where((present > 0) & (absent > 0), f1_absent[0] / f1_absent[1], np.nan),
            "right": correct,
            "present": present,
        }


def compute_curve_draws(scores: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the metrics of `compute_class_draws` that depend only on the order of the scores."""
    observed, truth = ~np.isnan(targets), np.nan_to_num(targets) > 0.5
    with np.errstate(invalid="ignore", divide="ignore"):
        curves = [
            _compute_ranking_draws(scores[rows, k], truth[rows, k], weights[:, rows])
            for k, rows in enumerate(observed.T)
        ]
    return {
        "auc": np.stack([auc for auc, _ in curves], axis=1),
        "average_precision": np.stack([area for _, area in curves], axis=1),
    }


def compute_mean_draws(class_draws: dict[str, np.ndarray], weights: np.ndarray, task: str) -> dict[str, np.ndarray]:
    """Compute the overall metrics, [shape=(n_draws,)] each, from `compute_class_draws` with the same weights."""
    with np.errstate(invalid="ignore", divide="ignore"):
        metrics = {
            "macro_precision": average_classes(_fill_undefined_precision(class_draws)),
            "macro_recall": average_classes(class_draws["recall"]),
            "macro_f1": average_classes(class_draws["f1"]),
            **compute_weighted_counts(class_draws),
            "macro_auc": average_classes(class_draws["auc"]),
            "weighted_auc": _average_by_support(class_draws["auc"], class_draws["present"]),
            "mean_average_precision": average_classes(class_draws["average_precision"]),
        }
        if task == "single":
            return {"accuracy": class_draws["right"].sum(axis=1) / weights.sum(axis=1), **metrics}
        both = (class_draws["f1"] + class_draws["f1_absent"]) / 2
        return {**metrics, "mean_f1_both_sides": average_classes(both)}


def compute_weighted_counts(class_draws: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Compute the support-weighted metrics, [shape=(n_draws,)] each, from `compute_count_draws`."""
    present = class_draws["present"]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "weighted_precision": _average_by_support(_fill_undefined_precision(class_draws), present),
            "weighted_recall": _average_by_support(class_draws["recall"], present),
            "weighted_f1": _average_by_support(class_draws["f1"], present),
        }


def _fill_undefined_precision(class_draws: dict[str, np.ndarray]) -> np.ndarray:
    """Return precisions in which a class that occurs but is never predicted has 0, as in scikit-learn."""
    return np.where(class_draws["present"] > 0, np.nan_to_num(class_draws["precision"]), np.nan)


def average_classes(values: np.ndarray) -> np.ndarray:
    """Average over the classes with a defined value: [shape=(n_draws, n_classes)] → [shape=(n_draws,)]."""
    defined = np.isfinite(values)  # np.nanmean would warn where no class is defined
    return np.where(defined, values, 0).sum(axis=1) / defined.sum(axis=1)


def _average_by_support(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Average over the classes, each weighted by its support: [shape=(n_draws, n_classes)] → [(n_draws,)]."""
    defined = np.isfinite(values)
    return np.where(defined, values * present, 0).sum(axis=1) / np.where(defined, present, 0).sum(axis=1)


def _compute_ranking_draws(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute ROC-AUC and average precision of one class for many weightings, as scikit-learn defines them.

    Parameters
    ----------
    scores, truth : np.ndarray [shape=(n,)]
    weights : np.ndarray [shape=(n_draws, n)]

    Returns
    -------
    np.ndarray, np.ndarray [shape=(n_draws,)]; NaN in a draw with only positive or only negative examples
    """
    if len(scores) == 0:
        undefined = np.full(len(weights), np.nan)
        return undefined, undefined
    order = np.argsort(-scores, kind="stable")  # the same in every draw, so sorted once
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores are one step of the curve
    batches = [
        _compute_areas(weights[start : start + BATCH_SIZE, order], truth[order], last)
        for start in range(0, len(weights), BATCH_SIZE)
    ]
    return np.concatenate([auc for auc, _ in batches]), np.concatenate([area for _, area in batches])


def _compute_areas(weights: np.ndarray, truth: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the areas under both curves, [shape=(n_draws,)] each.

    Parameters
    ----------
    weights, truth : of the examples, from the highest score to the lowest
    last : np.ndarray [shape=(n,)], bool, whether an example is the last of those with its score
    """
    true_positives = np.cumsum(weights * truth, axis=1)[:, last]
    false_positives = np.cumsum(weights * ~truth, axis=1)[:, last]
    steps = np.diff(true_positives, axis=1, prepend=0)
    present, absent = true_positives[:, -1], false_positives[:, -1]
    total = true_positives + false_positives
    precision = np.where(total > 0, true_positives / np.maximum(total, 1e-300), 0)
    # the weight of negatives ranked below each positive; a negative with an equal score counts half
    below = absent[:, None] - false_positives + np.diff(false_positives, axis=1, prepend=0) / 2
    defined = np.where((present > 0) & (absent > 0), 1.0, np.nan)
    auc = (steps * below).sum(axis=1) / (present * absent) * defined
    return auc, (steps * precision).sum(axis=1) / present * defined
