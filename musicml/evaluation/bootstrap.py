"""Bootstrap over groups: compute every metric for many weightings of the examples at once.

Field and Welsh, "Bootstrapping clustered data" (Journal of the Royal Statistical Society B, 2007).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BATCH_CELLS = 2**19  # weights computed at a time: few enough for a core's cache, which halves the time
MIN_BATCH = 16  # draws at a time, however many examples there are
MAX_EXACT = 2**24  # whole numbers below are exact in float32


def assign_group_numbers(groups: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the number of groups, and the index of each example's group among their sorted names, [shape=(n,)]."""
    names = [str(group) for group in groups]  # not an array of str: all its cells are as wide as the longest name
    index_of = {name: index for index, name in enumerate(sorted(set(names)))}
    return len(index_of), np.array([index_of[name] for name in names], dtype=int)


def draw_groups(groups: np.ndarray, seed: int, n_bootstrap: int) -> np.ndarray | None:
    """Draw groups with replacement, and return how often each example occurs in each draw.

    Returns
    -------
    np.ndarray [shape=(n_bootstrap, n_examples)], uint8, or None if there is only one group
    """
    n_groups, group_of = assign_group_numbers(groups)
    if n_groups < 2:
        return None
    weights = np.empty((n_bootstrap, len(group_of)), np.uint8)
    _fill_draws(weights, n_groups, group_of, seed)
    return weights


def draw_weights(groups: np.ndarray, seed: int, n_bootstrap: int) -> np.ndarray:
    """Return weights of the examples: a first row of ones, then those of `draw_groups`, if any.

    Returns
    -------
    np.ndarray [shape=(1 + n_bootstrap, n_examples)], uint8
    """
    n_groups, group_of = assign_group_numbers(groups)
    weights = np.ones((1 + n_bootstrap if n_groups > 1 else 1, len(group_of)), np.uint8)
    _fill_draws(weights[1:], n_groups, group_of, seed)
    return weights


def _fill_draws(weights: np.ndarray, n_groups: int, group_of: np.ndarray, seed: int) -> None:
    """Fill each row of `weights` with a draw, some rows at a time: NumPy counts in 8 bytes, but one is enough."""
    rng, shares = np.random.default_rng(seed), np.full(n_groups, 1 / max(1, n_groups))
    for rows in _split_rows(weights):
        # drawing n groups with replacement and counting them is one draw from a multinomial distribution; a group is
        # drawn once on average, and 256 times with a probability below 1e-500
        counts = rng.multinomial(n_groups, shares, size=rows.stop - rows.start).astype(np.uint8)
        weights[rows] = counts[:, group_of]


def _split_rows(weights: np.ndarray) -> Iterator[slice]:
    """Yield slices of the draws, of about `BATCH_CELLS` weights each."""
    n_draws, n_examples = weights.shape
    size = max(MIN_BATCH, BATCH_CELLS // max(1, n_examples))
    for start in range(0, n_draws, size):
        yield slice(start, min(start + size, n_draws))


def sum_draws(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum the values of the examples in each draw: `weights @ values`, with little memory.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_draws, n_examples)], from `draw_groups` or `draw_weights`
    values : np.ndarray [shape=(n_examples,)] or [shape=(n_examples, n_columns)]

    Returns
    -------
    np.ndarray [shape=(n_draws,)] or [shape=(n_draws, n_columns)], float64
    """
    sums = np.empty((len(weights), *values.shape[1:]))
    for rows in _split_rows(weights):
        sums[rows] = weights[rows].astype(np.float64) @ values
    return sums


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
    parts = (predicted & truth, predicted & observed, truth, observed)
    counts = _count_draws(weights, np.concatenate(parts, axis=1))
    correct, positive, present, total = np.split(counts, len(parts), axis=1)
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
    # the order of the scores is the same in every draw, so they are sorted once
    steps = [_find_curve_steps(scores[:, k], truth[:, k], rows) for k, rows in enumerate(observed.T)]
    areas = np.full((2, len(weights), len(steps)), np.nan)
    for rows in _split_rows(weights):
        columns = _transpose(weights[rows])
        for k, matrix in enumerate(steps):
            areas[:, rows, k] = _compute_areas(matrix @ columns)
    return {"auc": areas[0], "average_precision": areas[1]}


def _count_draws(weights: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Count the examples of each mask in each draw.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_draws, n_examples)]
    masks : np.ndarray [shape=(n_examples, n_masks)], bool

    Returns
    -------
    np.ndarray [shape=(n_draws, n_masks)], float64
    """
    from scipy.sparse import csr_array

    # most masks are sparse; of the others, the examples outside are counted
    is_dense = masks.mean(axis=0) > 0.5 if len(masks) else np.zeros(masks.shape[1], dtype=bool)
    matrix = csr_array((masks ^ is_dense).T.astype(np.float32))
    counts = np.empty((len(weights), masks.shape[1]))
    for rows in _split_rows(weights):
        counts[rows] = (matrix @ _transpose(weights[rows])).T
    counts[:, is_dense] = weights.sum(axis=1)[:, None] - counts[:, is_dense]
    return counts


def _transpose(weights: np.ndarray) -> np.ndarray:
    """Return some draws with one row per example, so that a sparse product adds whole rows, as floats."""
    # whole numbers are exact in float32, which takes half the time, as long as their sum is short
    is_short = weights.dtype.kind == "u" and weights.sum(axis=1).max(initial=0) < MAX_EXACT
    return np.ascontiguousarray(weights.T, dtype=np.float32 if is_short else np.float64)


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


def _find_curve_steps(scores: np.ndarray, truth: np.ndarray, observed: np.ndarray) -> csr_array:
    """Return which examples of a class make which step of its curves, from the highest score to the lowest.

    A step is a score of at least one positive example; equal scores are one step.

    Parameters
    ----------
    scores, truth, observed : np.ndarray [shape=(n_examples,)]

    Returns
    -------
    csr_array [shape=(3 * (1 + n_steps), n_examples)] of ones: for each step its positive examples; its negative ones;
    and those between the step before and this one. A last step holds the negative examples below all positive ones.
    """
    from scipy.sparse import csr_array

    places = np.flatnonzero(observed)
    places = places[np.argsort(-scores[places], kind="stable")]
    ranked, is_positive = scores[places], truth[places]
    level = np.cumsum(np.diff(ranked, prepend=ranked[:1]) != 0)  # number of each example's score
    is_step = np.bincount(level, is_positive) > 0 if len(level) else np.zeros(0, dtype=bool)
    step_of = np.cumsum(is_step) - is_step  # for a score without positive examples, the next step
    part = np.where(is_positive, 0, np.where(is_step[level], 1, 2))
    n_rows = 1 + int(is_step.sum())
    rows = part * n_rows + step_of[level]
    return csr_array((np.ones(len(places), np.float32), (rows, places)), shape=(3 * n_rows, len(scores)))


def _compute_areas(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute ROC-AUC and average precision from the weights of each step, as scikit-learn defines them.

    Parameters
    ----------
    sums : np.ndarray [shape=(3 * (1 + n_steps), n_draws)], the rows of `_find_curve_steps`

    Returns
    -------
    np.ndarray, np.ndarray [shape=(n_draws,)]; NaN in a draw with only positive or only negative examples
    """
    steps, equal, between = sums.astype(np.float64).reshape(3, -1, sums.shape[1])
    true_positives = np.cumsum(steps, axis=0)
    false_positives = np.cumsum(np.add(between, equal, out=between), axis=0)
    present, absent = true_positives[-1], false_positives[-1].copy()  # its array is reused below
    # the weight of negatives ranked below each positive; a negative with an equal score counts half
    below = absent * present - _sum_products(steps, false_positives) + _sum_products(steps, equal) / 2
    total = np.add(true_positives, false_positives, out=false_positives)
    precision = np.divide(true_positives, np.maximum(total, 1e-300, out=total), out=total)  # 0 before the first example
    with np.errstate(invalid="ignore", divide="ignore"):
        defined = np.where((present > 0) & (absent > 0), 1.0, np.nan)
        return below / (present * absent) * defined, _sum_products(steps, precision) / present * defined


def _sum_products(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Sum the products of two arrays over their first axis, without a third array of their size."""
    return np.einsum("ij,ij->j", first, second)
