"""Compute the metrics of a table of scores, with confidence intervals from a bootstrap over groups.

Tracks of one artist resemble each other, so a metric varies more than the number of files suggests. The bootstrap
therefore draws groups, not files (Field and Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical
Society B, 2007).
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from musicml.evaluation.bootstrap import compute_count_draws, compute_curve_draws, compute_mean_draws, draw_weights
from musicml.evaluation.intervals import (
    INTERVAL_METHOD,
    N_BOOTSTRAP,
    compute_mean_and_interval,
    round_interval,
    round_metric,
    summarize_class_draws,
    summarize_draws,
)
from musicml.experiment import MAIN_METRICS
from musicml.inference import compute_calibration_error, compute_reliability
from musicml.utils import InputError, Message, compute_wilson_interval

METRIC_NAMES = {
    "accuracy": Message("accuracy"),
    "mean_average_precision": Message("mean average precision"),
    "macro_auc": Message("macro ROC-AUC"),
    "macro_f1": Message("macro F1"),
    "macro_precision": Message("macro precision"),
    "macro_recall": Message("macro recall"),
    "mean_f1_both_sides": Message("mean F1 of presence and absence"),
    "label_ranking_average_precision": Message("label-ranking average precision"),
}
RANKING_BATCH = 1000  # examples whose labels are ranked at a time
DEFAULT_THRESHOLD = 0.5  # the usual choice if no threshold is fitted


def compute_report(
    scores: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    class_names: list[str],
    task: str,
    thresholds: list[float] | np.ndarray,
    seed: int = 0,
    n_bootstrap: int = N_BOOTSTRAP,
) -> dict[str, Any]:
    """Compute the report of a table of scores: all metrics, overall and per class.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_examples, n_classes)], calibrated
    targets : np.ndarray [shape=(n_examples, n_classes)], 1, 0, or NaN for a cell without a label, which never counts
    groups : np.ndarray [shape=(n_examples,)], such as the artist of each example
    thresholds : for a multi-label task, the score from which a class is predicted: [shape=(n_classes,)], or
        [shape=(n_examples, n_classes)] if examples have different ones
    seed, n_bootstrap : seed and number of draws of the bootstrap

    Raises
    ------
    InputError
        If a score is NaN or infinite.

    Returns
    -------
    dict with `n`, `n_groups`, `observed`, `main_metric`, `interval_method`, the keys of `_score_decisions`,
    `calibration_error` and its bins `reliability`; `confusion` (single label), or `thresholds` and `at_half`
    (multi-label: the keys of `_score_decisions` at a threshold of 0.5)
    """
    scores, targets = np.asarray(scores, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if not np.isfinite(scores).all():
        n = int((~np.isfinite(scores)).any(axis=1).sum())
        raise InputError(
            "{n} of {n_scores} examples have scores that are NaN or infinite, so training probably diverged. Train the "
            "run again with a lower training.learning_rate.",
            n=n,
            n_scores=len(scores),
        )
    with ThreadPoolExecutor(1) as other:  # both need draws of their own, half of the time: NumPy draws without the GIL
        ranking = other.submit(_summarize_label_ranking, scores, targets, groups) if task == "multi" else None
        weights = draw_weights(groups, seed, n_bootstrap)
        curves = compute_curve_draws(scores, targets, weights)
    # the slow parts, the same for all thresholds
    table = (scores, targets, groups, class_names, task, weights, curves, ranking.result() if ranking else None)
    report: dict[str, Any] = {
        "n": len(scores),
        "n_groups": len(set(groups)),
        "observed": int((~np.isnan(targets)).sum()),  # cells with a label
        "main_metric": MAIN_METRICS[task],
        "interval_method": INTERVAL_METHOD,
        **_score_decisions(apply_thresholds(scores, task, thresholds), *table),
        "calibration_error": round_metric(compute_calibration_error(scores, targets, task)),
        "reliability": compute_reliability(scores, targets, task),
        "confusion": compute_confusion(scores, targets).tolist() if task == "single" else None,
    }
    if task == "multi":
        fitted = np.asarray(thresholds, dtype=float)  # one row, or one per example in a cross-validation
        report["thresholds"] = fitted.tolist() if fitted.ndim == 1 else None
        report["at_half"] = _score_decisions(scores >= DEFAULT_THRESHOLD, *table)
    return report


def _score_decisions(
    predicted: np.ndarray,
    scores: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    class_names: list[str],
    task: str,
    weights: np.ndarray,
    curves: dict[str, np.ndarray],
    ranking: tuple[float, list[float] | None] | None,
) -> dict[str, Any]:
    """Compute the metrics of decisions.

    Parameters
    ----------
    predicted : np.ndarray [shape=(n_examples, n_classes)], bool, from `apply_thresholds`
    weights, curves, ranking : from `draw_weights`, `compute_curve_draws` and `_summarize_label_ranking`

    Returns
    -------
    dict with `metrics`, `intervals` (95%; None if there is only one group) and `per_class`, whose rows have their own
    `intervals`, and `wilson` intervals of precision and recall that take the examples as independent
    """
    class_draws = compute_count_draws(targets, predicted, weights) | curves
    rows = [  # row 0 of each array is the data itself, the others are bootstrap draws
        _make_class_row(name, targets[:, k], predicted[:, k], {key: x[0, k] for key, x in class_draws.items()})
        for k, name in enumerate(class_names)
    ]
    resampled = {key: values[1:] for key, values in class_draws.items()}
    class_intervals = summarize_class_draws(resampled, rows, groups, targets, predicted)
    for row, row_intervals in zip(rows, class_intervals, strict=True):
        row["intervals"] = row_intervals
    draws = compute_mean_draws(class_draws, weights, task)
    metrics = {name: point for name, values in draws.items() if (point := round_metric(values[0])) is not None}
    intervals: dict[str, list[float] | None] | None = None
    if len(weights) > 1:  # with a single group, there are no draws
        intervals = summarize_draws({name: values[1:] for name, values in draws.items()}, groups, metrics)
    if ranking is not None:
        name = "label_ranking_average_precision"
        metrics[name], interval = ranking
        if intervals is not None:
            intervals[name] = interval
    return {"metrics": metrics, "intervals": intervals, "per_class": rows}


def _summarize_label_ranking(
    scores: np.ndarray, targets: np.ndarray, groups: np.ndarray
) -> tuple[float, list[float] | None] | None:
    """Compute the mean label-ranking average precision and its interval; None if it is not defined for any example."""
    precisions = compute_label_ranking(scores, targets)
    defined = np.isfinite(precisions)
    return compute_mean_and_interval(precisions[defined], np.asarray(groups)[defined]) if defined.any() else None


def compute_label_ranking(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Compute the label-ranking average precision of each example, over its labeled cells.

    It equals scikit-learn's `label_ranking_average_precision_score`, which has no missing labels. An example without
    both present and absent classes is left out. scikit-learn counts it as 1, which would flatter sparse labels.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_examples, n_classes)]
    targets : np.ndarray [shape=(n_examples, n_classes)], 1, 0, or NaN for a cell without a label

    Returns
    -------
    np.ndarray [shape=(n_examples,)], in (0, 1]; NaN if no class is present, or none is absent
    """
    starts = range(0, len(scores), RANKING_BATCH)
    batches = [_rank_labels(scores[k : k + RANKING_BATCH], targets[k : k + RANKING_BATCH]) for k in starts]
    return np.concatenate([np.empty(0), *batches])


def _rank_labels(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Compute `compute_label_ranking` of some examples; memory grows with the square of the classes."""
    observed, truth = ~np.isnan(targets), targets == 1
    # above[i, k, j]: example i gives class j at least the score of class k
    above = (scores[:, None, :] >= scores[:, :, None]) & observed[:, None, :]
    rank = np.maximum(above.sum(axis=2), 1)
    share = (above & truth[:, None, :]).sum(axis=2) / rank  # precision down to the rank of each class
    n_present = truth.sum(axis=1)
    defined = (n_present > 0) & (n_present < observed.sum(axis=1))
    return np.where(defined, (share * truth).sum(axis=1) / np.maximum(n_present, 1), np.nan)


def apply_thresholds(scores: np.ndarray, task: str, thresholds: list[float] | np.ndarray) -> np.ndarray:
    """Return which classes are predicted, [shape=(n, n_classes)], bool: the highest, or all above their threshold."""
    if task == "multi":
        return scores >= np.asarray(thresholds)  # broadcasts one threshold per class over all examples
    return np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]


def _make_class_row(
    name: str, targets: np.ndarray, predicted: np.ndarray, areas: Mapping[str, float]
) -> dict[str, Any]:
    """Make the report's row of one class over its labeled examples; a metric that is not defined is None."""
    observed = ~np.isnan(targets)
    row = {"class": name, **_count_outcomes(predicted[observed], targets[observed] > 0.5)}
    correct = row.pop("right")
    row |= {key: round_metric(areas[key]) for key in ("auc", "average_precision", "f1_absent")}
    row["wilson"] = {
        name: round_interval(compute_wilson_interval(correct, n)) if row[name] is not None else None
        for name, n in (("precision", row["said"]), ("recall", row["support"]))
    }
    return row


def count_classes(
    scores: np.ndarray, targets: np.ndarray, thresholds: list[float] | np.ndarray, task: str
) -> list[dict[str, Any]]:
    """Count the outcomes of each class without a bootstrap, fast enough for a slider that moves a threshold.

    Parameters
    ----------
    scores, targets, thresholds, task : as in `compute_report`

    Returns
    -------
    list of dict, one per class, over its labeled examples: `support`, `observed`, `said` (predicted), `right`
    (predicted and true), `precision`, `recall`, `f1`; a metric that is not defined is None
    """
    targets = np.asarray(targets, dtype=np.float64)
    predicted, observed = apply_thresholds(np.asarray(scores), task, thresholds), ~np.isnan(targets)
    return [_count_outcomes(predicted[rows, k], targets[rows, k] > 0.5) for k, rows in enumerate(observed.T)]


def _count_outcomes(predicted: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Count the outcomes of one class from predictions and labels, [shape=(n,)] each, bool."""
    correct, n_predicted, support = int((predicted & truth).sum()), int(predicted.sum()), int(truth.sum())
    return {
        "support": support,
        "observed": len(truth),
        "said": n_predicted,
        "right": correct,
        # a class that is never predicted has no precision: 0 would mean that its predictions were wrong
        "precision": round_metric(correct / n_predicted) if support and n_predicted else None,
        "recall": round_metric(correct / support) if support else None,
        "f1": round_metric(2 * correct / (n_predicted + support)) if support else None,
    }


def compute_confusion(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Count the confusions of a single-label task, [shape=(n_classes, n_classes)]: rows are true, columns predicted."""
    n_classes = scores.shape[1]
    # one number for each (true, predicted) pair, so that bincount counts the pairs
    pairs = targets.argmax(axis=1) * n_classes + scores.argmax(axis=1)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def format_headline(report: dict[str, Any]) -> str:
    """Format the main metric with its interval: `accuracy 0.710 (0.630 to 0.790)`."""
    name = report["main_metric"]
    if name not in report["metrics"]:
        return f"{METRIC_NAMES[name]} not defined"
    interval = (report["intervals"] or {}).get(name)
    bounds = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else " (no interval: too few groups)"
    return f"{METRIC_NAMES[name]} {report['metrics'][name]:.3f}{bounds}"
