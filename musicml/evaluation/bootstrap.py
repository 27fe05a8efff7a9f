"""Draws: every figure for many weightings of the examples at once, as a bootstrap over groups draws them.

Field and Welsh, "Bootstrapping clustered data" (Journal of the Royal Statistical Society B, 2007).
"""

from __future__ import annotations

import numpy as np

TOGETHER = 100  # draws ranked at a time: few enough for a core's cache, which halves the time


def draw_groups(groups: np.ndarray, seed: int, draws: int) -> np.ndarray | None:
    """How often each example is there when groups are drawn again, [shape=(draws, n_examples)]; None of one group."""
    names, group_of = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if len(names) < 2:
        return None
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, group_of].astype(np.float64)


def draw_weights(groups: np.ndarray, seed: int, draws: int) -> np.ndarray:
    """Every example once, and below it what `draw_groups` draws, if anything: [shape=(1 + draws, n_examples)]."""
    once, drawn = np.ones((1, len(groups))), draw_groups(groups, seed, draws)
    return once if drawn is None else np.concatenate([once, drawn])


def compute_class_draws(
    scores: np.ndarray, targets: np.ndarray, said: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Each class's figures for many weightings of the examples at once.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_draws, n_examples)], how often each example was drawn

    Returns
    -------
    dict of np.ndarray [shape=(n_draws, n_classes)]: those of `CLASS_METRICS`, `f1_absent`, NaN where a figure is not
    defined; `right` and `present`, counts
    """
    return compute_count_draws(targets, said, weights) | compute_curve_draws(scores, targets, weights)


def compute_count_draws(targets: np.ndarray, said: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """What `compute_class_draws` gives that follows from decisions."""
    seen, truth = ~np.isnan(targets), np.nan_to_num(targets) > 0.5
    right, answered, present, total = (
        weights @ part.astype(float) for part in (said & truth, said & seen, truth, seen)
    )
    absent, right_absent = total - present, total - answered - present + right
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "precision": right / answered,
            "recall": right / present,
            "f1": np.where(present > 0, 2 * right / (answered + present), np.nan),
            "f1_absent": np.where((present > 0) & (absent > 0), 2 * right_absent / (total - answered + absent), np.nan),
            "right": right,
            "present": present,
        }


def compute_curve_draws(scores: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """What `compute_class_draws` gives that follows from the order of scores, whatever was decided."""
    seen, truth = ~np.isnan(targets), np.nan_to_num(targets) > 0.5
    with np.errstate(invalid="ignore", divide="ignore"):
        curves = [
            compute_ranking_draws(scores[seen[:, k], k], truth[seen[:, k], k], weights[:, seen[:, k]])
            for k in range(scores.shape[1])
        ]
    return {
        "auc": np.stack([auc for auc, _ in curves], axis=1),
        "average_precision": np.stack([area for _, area in curves], axis=1),
    }


def compute_mean_draws(found: dict[str, np.ndarray], weights: np.ndarray, task: str) -> dict[str, np.ndarray]:
    """The figures over all classes, [shape=(n_draws,)] each, of what `compute_class_draws` found with these weights."""
    with np.errstate(invalid="ignore", divide="ignore"):
        over_all = {
            "macro_precision": average_classes(fill_undefined_precision(found)),
            "macro_recall": average_classes(found["recall"]),
            "macro_f1": average_classes(found["f1"]),
            **compute_weighted_counts(found),
            "macro_auc": average_classes(found["auc"]),
            "weighted_auc": average_by_support(found["auc"], found["present"]),
            "mean_average_precision": average_classes(found["average_precision"]),
        }
        if task == "single":
            return {"accuracy": found["right"].sum(axis=1) / weights.sum(axis=1), **over_all}
        return {**over_all, "mean_f1_both_sides": average_classes((found["f1"] + found["f1_absent"]) / 2)}


def compute_weighted_counts(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those weighted figures, [shape=(n_draws,)] each, that follow from what `compute_count_draws` found."""
    present = found["present"]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "weighted_precision": average_by_support(fill_undefined_precision(found), present),
            "weighted_recall": average_by_support(found["recall"], present),
            "weighted_f1": average_by_support(found["f1"], present),
        }


def fill_undefined_precision(found: dict[str, np.ndarray]) -> np.ndarray:
    """Precisions in which a class that occurs and is never answered has 0, as in a report's summary."""
    return np.where(found["present"] > 0, np.nan_to_num(found["precision"]), np.nan)


def average_classes(values: np.ndarray) -> np.ndarray:
    """The mean over classes of those that are defined: [shape=(n_draws, n_classes)] → [shape=(n_draws,)]."""
    defined = np.isfinite(values)
    return np.where(defined, values, 0).sum(axis=1) / defined.sum(axis=1)


def average_by_support(values: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Average the classes, each weighted by how often it is present: [shape=(n_draws, n_classes)] → [(n_draws,)]."""
    defined = np.isfinite(values)
    return np.where(defined, values * present, 0).sum(axis=1) / np.where(defined, present, 0).sum(axis=1)


def compute_ranking_draws(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ROC-AUC and average precision of one class for many weightings, as scikit-learn defines them.

    Parameters
    ----------
    scores, truth : np.ndarray [shape=(n,)]
    weights : np.ndarray [shape=(n_draws, n)]

    Returns
    -------
    np.ndarray, np.ndarray [shape=(n_draws,)], NaN in a draw where all examples are of the class or none is
    """
    if len(scores) == 0:
        nothing = np.full(len(weights), np.nan)
        return nothing, nothing
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores are one step of the curve
    some = [
        compute_areas(weights[begin : begin + TOGETHER, order], truth[order], last)
        for begin in range(0, len(weights), TOGETHER)
    ]
    return np.concatenate([auc for auc, _ in some]), np.concatenate([area for _, area in some])


def compute_areas(weights: np.ndarray, truth: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The areas under both curves, [shape=(n_draws,)] each, of examples by falling score; `last` ends each step."""
    hits = np.cumsum(weights * truth, axis=1)[:, last]
    misses = np.cumsum(weights * ~truth, axis=1)[:, last]
    steps = np.diff(hits, axis=1, prepend=0)
    present, absent = hits[:, -1], misses[:, -1]
    precision = np.where(hits + misses > 0, hits / np.maximum(hits + misses, 1e-300), 0)
    below = absent[:, None] - misses + np.diff(misses, axis=1, prepend=0) / 2
    defined = np.where((present > 0) & (absent > 0), 1.0, np.nan)
    auc = (steps * below).sum(axis=1) / (present * absent) * defined
    return auc, (steps * precision).sum(axis=1) / present * defined
