"""Reports: what a table of scores is worth, with intervals from a bootstrap over groups.

Tracks of one artist resemble each other, so a figure varies more than its number of files suggests: groups, not files,
are drawn again (Field and Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B, 2007).
"""

from __future__ import annotations

from collections.abc import Mapping
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
    "mean_f1_both_sides": Message("mean F1 over both sides"),
    "label_ranking_average_precision": Message("label-ranking average precision"),
}
HALF = 0.5  # the threshold that everybody takes who fits none


def compute_report(
    scores: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    class_names: list[str],
    task: str,
    thresholds: list[float] | np.ndarray,
    seed: int = 0,
    draws: int = N_BOOTSTRAP,
) -> dict[str, Any]:
    """Everything there is to say of one table of scores.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_examples, n_classes)], calibrated
    targets : np.ndarray [shape=(n_examples, n_classes)], 1, 0, or NaN where nobody looked (which then never counts)
    groups : np.ndarray [shape=(n_examples,)], what belongs together
    thresholds : for `multi`, from which score a class counts as present, [shape=(n_classes,)], or of each example
        its own, [shape=(n_examples, n_classes)]
    seed, draws : of the bootstrap

    Raises
    ------
    InputError
        If a score is no number.

    Returns
    -------
    dict with `n`, `n_groups`, `observed`, `main_metric`, `interval_method`; what `score_decisions` gives;
    `calibration_error` and `reliability`, the table behind it (`musicml.inference.calibration`); `confusion` (for
    `single`); for `multi` `thresholds` (None where each example has its own) and `at_half`: what `score_decisions`
    gives with a threshold of 0.5 for every class
    """
    scores, targets = np.asarray(scores, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if not np.isfinite(scores).all():
        n = int((~np.isfinite(scores)).any(axis=1).sum())
        raise InputError(
            "scores must be numbers to be judged, and {n} of {n_scores} examples have some that are none: train "
            "the run again, with a lower training.learning_rate.",
            n=n,
            n_scores=len(scores),
        )
    weights = draw_weights(groups, seed, draws)
    curves = compute_curve_draws(scores, targets, weights)
    asked = (scores, targets, groups, class_names, task, weights, curves)
    made: dict[str, Any] = {
        "n": len(scores),
        "n_groups": len(set(groups)),
        "observed": int((~np.isnan(targets)).sum()),
        "main_metric": MAIN_METRICS[task],
        "interval_method": INTERVAL_METHOD,
        **score_decisions(apply_thresholds(scores, task, thresholds), *asked),
        "calibration_error": round_metric(compute_calibration_error(scores, targets, task)),
        "reliability": compute_reliability(scores, targets, task),
        "confusion": compute_confusion(scores, targets).tolist() if task == "single" else None,
    }
    if task == "multi":
        fitted = np.asarray(thresholds, dtype=float)
        made["thresholds"] = fitted.tolist() if fitted.ndim == 1 else None
        made["at_half"] = score_decisions(scores >= HALF, *asked)
    return made


def score_decisions(
    said: np.ndarray,
    scores: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    class_names: list[str],
    task: str,
    weights: np.ndarray,
    curves: dict[str, np.ndarray],
) -> dict[str, Any]:
    """What these decisions are worth.

    Parameters
    ----------
    said : np.ndarray [shape=(n_examples, n_classes)], bool, of `apply_thresholds`
    weights, curves : of `draw_weights` and `compute_curve_draws`

    Returns
    -------
    dict with `metrics`, `intervals` (95 %, from a bootstrap over groups; None where there is only one group) and
    `per_class`; each row of it with its own `intervals`, as `compute_class_intervals` gives them, and `wilson`: of
    precision and recall, as if the examples were independent
    """
    found = compute_count_draws(targets, said, weights) | curves
    rows = [
        make_class_row(name, targets[:, k], said[:, k], {key: values[0, k] for key, values in found.items()})
        for k, name in enumerate(class_names)
    ]
    drawn = {key: values[1:] for key, values in found.items()}
    for row, its in zip(rows, summarize_class_draws(drawn, rows, groups, targets, said), strict=True):
        row["intervals"] = its
    figures = compute_mean_draws(found, weights, task)
    metrics = {name: point for name, values in figures.items() if (point := round_metric(values[0])) is not None}
    intervals: dict[str, list[float] | None] | None = None
    if len(weights) > 1:
        intervals = summarize_draws({name: values[1:] for name, values in figures.items()}, groups, metrics)
    if task == "multi":
        ranked_rightly = compute_label_ranking(scores, targets)
        defined = np.isfinite(ranked_rightly)
        if defined.any():
            name = "label_ranking_average_precision"
            metrics[name], interval = compute_mean_and_interval(ranked_rightly[defined], np.asarray(groups)[defined])
            if intervals is not None:
                intervals[name] = interval
    return {"metrics": metrics, "intervals": intervals, "per_class": rows}


def compute_label_ranking(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Of each example, how far its classes stand above the others: its label-ranking average precision.

    As scikit-learn's `label_ranking_average_precision_score` has it for one example, among the cells that somebody
    looked at, which scikit-learn can't be told. An example in which nothing can be ranked wrongly does not count here,
    where scikit-learn counts it as 1: with two cells judged of twenty, that would be most of them.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_examples, n_classes)]
    targets : np.ndarray [shape=(n_examples, n_classes)], 1, 0, or NaN where nobody looked

    Returns
    -------
    np.ndarray [shape=(n_examples,)], in (0, 1]; NaN where no class is present, or none absent
    """
    seen, truth = ~np.isnan(targets), targets == 1
    above = (scores[:, None, :] >= scores[:, :, None]) & seen[:, None, :]  # which stand at or above each class
    rank = np.maximum(above.sum(axis=2), 1)
    share = (above & truth[:, None, :]).sum(axis=2) / rank
    n_present = truth.sum(axis=1)
    defined = (n_present > 0) & (n_present < seen.sum(axis=1))
    return np.where(defined, (share * truth).sum(axis=1) / np.maximum(n_present, 1), np.nan)


def apply_thresholds(scores: np.ndarray, task: str, thresholds: list[float] | np.ndarray) -> np.ndarray:
    """Which classes count as answered, [shape=(n, n_classes)], bool: the highest, or those above their threshold."""
    if task == "multi":
        return scores >= np.asarray(thresholds)
    return np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]


def make_class_row(name: str, targets: np.ndarray, said: np.ndarray, areas: Mapping[str, float]) -> dict[str, Any]:
    """One class's figures on its observed examples; None where they are not defined."""
    seen = ~np.isnan(targets)
    row = {"class": name, **count_outcomes(said[seen], targets[seen] > 0.5)}
    right = row.pop("right")
    row |= {key: round_metric(areas[key]) for key in ("auc", "average_precision", "f1_absent")}
    row["wilson"] = {
        name: round_interval(compute_wilson_interval(right, n)) if row[name] is not None else None
        for name, n in (("precision", row["said"]), ("recall", row["support"]))
    }
    return row


def count_classes(
    scores: np.ndarray, targets: np.ndarray, thresholds: list[float] | np.ndarray, task: str
) -> list[dict[str, Any]]:
    """What counting alone says of each class, at once; for thresholds that somebody moves.

    Parameters
    ----------
    scores, targets, thresholds, task : as `compute_report` takes them

    Returns
    -------
    list of dict, one a class, on its observed examples: `support`, `observed`, `said`, `right` (said and so),
    `precision`, `recall`, `f1`; None where they are not defined, as in `make_class_row`
    """
    targets = np.asarray(targets, dtype=np.float64)
    said, seen = apply_thresholds(np.asarray(scores), task, thresholds), ~np.isnan(targets)
    return [count_outcomes(said[seen[:, k], k], targets[seen[:, k], k] > 0.5) for k in range(targets.shape[1])]


def count_outcomes(said: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Counts and figures of one class, from what was said and what is so: [shape=(n,)] each, bool."""
    right, n_said, support = int((said & truth).sum()), int(said.sum()), int(truth.sum())
    return {
        "support": support,
        "observed": len(truth),
        "said": n_said,
        "right": right,
        # a class that is never answered has no precision; a 0 would say that its answers were wrong
        "precision": round_metric(right / n_said) if support and n_said else None,
        "recall": round_metric(right / support) if support else None,
        "f1": round_metric(2 * right / (n_said + support)) if support else None,
    }


def compute_confusion(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Counts of a single-label table: row the true class, column the answer, [shape=(n_classes, n_classes)], int."""
    n_classes = scores.shape[1]
    pairs = targets.argmax(axis=1) * n_classes + scores.argmax(axis=1)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def format_headline(report: dict[str, Any]) -> str:
    """The main figure with its interval, in a line: `accuracy 0.71 (0.63 to 0.79)`."""
    name = report["main_metric"]
    if name not in report["metrics"]:
        return f"{METRIC_NAMES[name]} not defined"
    interval = (report["intervals"] or {}).get(name)
    extent = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else " (no interval: too few groups)"
    return f"{METRIC_NAMES[name]} {report['metrics'][name]:.3f}{extent}"
