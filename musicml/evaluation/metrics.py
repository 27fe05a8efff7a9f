"""Reports: what a table of scores is worth. scikit-learn measures curves; intervals come from a bootstrap over groups.

Tracks of one artist resemble each other, so a figure varies more than its number of files suggests: groups, not files,
are drawn again (Field and Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B, 2007).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musicml.evaluation.bootstrap import (
    by_class,
    by_counts,
    by_curves,
    drawn,
    figures,
    macro,
    ranked,
    weighted,
    weighted_by_counts,
)
from musicml.evaluation.intervals import (
    DRAWS,
    OF_A_CLASS,
    between,
    class_intervals,
    intervals,
    intervals_of,
    intervals_of_classes,
    mean_and_interval,
    rounded,
    rounded_ends,
)
from musicml.inference import calibration
from musicml.utils.errors import BadInput
from musicml.utils.stats import wilson

__all__ = [
    "DRAWS",
    "MAIN",
    "NAMES",
    "OF_A_CLASS",
    "between",
    "by_class",
    "by_counts",
    "by_curves",
    "class_intervals",
    "confusion",
    "counted",
    "decide",
    "drawn",
    "figures",
    "headline",
    "intervals",
    "intervals_of",
    "intervals_of_classes",
    "label_ranking",
    "macro",
    "make",
    "mean_and_interval",
    "ranked",
    "rounded",
    "weighted",
    "weighted_by_counts",
]

MAIN = {"single": "accuracy", "multi": "mean_average_precision"}
NAMES = {
    "accuracy": "accuracy",
    "mean_average_precision": "mean average precision",
    "macro_auc": "macro ROC-AUC",
    "macro_f1": "macro F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "mean_f1_both_sides": "mean F1 over both sides",
    "label_ranking_average_precision": "label-ranking average precision",
}
HALF = 0.5  # the threshold that everybody takes who fits none


def make(
    scores: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    class_names: list[str],
    task: str,
    thresholds: list[float] | np.ndarray,
    seed: int = 0,
    draws: int = DRAWS,
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
    BadInput
        If a score is no number.

    Returns
    -------
    dict with `n`, `n_groups`, `observed`, `main_metric`; what `judged` gives; `calibration_error` and `reliability`,
    the table behind it (`musicml.inference.calibration`); `confusion` (for `single`); for `multi` `thresholds` (None
    where each example has its own) and `at_half`: what `judged` gives where every class counts as present from 0.5 on
    """
    scores, targets = np.asarray(scores, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if not np.isfinite(scores).all():
        n = int((~np.isfinite(scores)).any(axis=1).sum())
        raise BadInput(
            f"scores must be numbers to be judged, and {n} of {len(scores)} examples have some that are none: train "
            "the run again, with a lower training.learning_rate."
        )
    weights = drawn(groups, seed, draws)
    curves = None if weights is None else by_curves(scores, targets, weights)
    asked = (scores, targets, groups, class_names, task, weights, curves)
    made = {
        "n": len(scores),
        "n_groups": len(set(groups)),
        "observed": int((~np.isnan(targets)).sum()),
        "main_metric": MAIN[task],
        **judged(decide(scores, task, thresholds), *asked),
        "calibration_error": rounded(calibration.calibration_error(scores, targets, task)),
        "reliability": calibration.reliability(scores, targets, task),
        "confusion": confusion(scores, targets).tolist() if task == "single" else None,
    }
    if task == "multi":
        fitted = np.asarray(thresholds, dtype=float)
        made["thresholds"] = fitted.tolist() if fitted.ndim == 1 else None
        made["at_half"] = judged(scores >= HALF, *asked)
    return made


def judged(
    said: np.ndarray,
    scores: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    class_names: list[str],
    task: str,
    weights: np.ndarray | None,
    curves: dict[str, np.ndarray] | None,
) -> dict[str, Any]:
    """What these decisions are worth.

    Parameters
    ----------
    said : np.ndarray [shape=(n_examples, n_classes)], bool, of `decide`
    weights, curves : of `drawn` and `by_curves`; None of one group

    Returns
    -------
    dict with `metrics`, `intervals` (95 %, from a bootstrap over groups; None where there is only one group) and
    `per_class`; each row of it with its own `intervals`, as `class_intervals` gives them, and `wilson`: of precision
    and recall, as if the examples were independent
    """
    rows = [class_row(name, scores[:, k], targets[:, k], said[:, k]) for k, name in enumerate(class_names)]
    found = None if weights is None else by_counts(targets, said, weights) | curves
    for row, its in zip(rows, intervals_of_classes(found, rows), strict=True):
        row["intervals"] = its
    metrics, intervals = summary(rows, targets, said, task), None
    if found is not None:
        intervals = intervals_of(figures(found, weights, task), groups, metrics)
    if task == "multi":
        ranked_rightly = label_ranking(scores, targets)
        defined = np.isfinite(ranked_rightly)
        if defined.any():
            name = "label_ranking_average_precision"
            metrics[name], its = mean_and_interval(ranked_rightly[defined], np.asarray(groups)[defined])
            if intervals is not None:
                intervals[name] = its
    return {"metrics": metrics, "intervals": intervals, "per_class": rows}


def label_ranking(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
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


def decide(scores: np.ndarray, task: str, thresholds: list[float] | np.ndarray) -> np.ndarray:
    """Which classes count as answered, [shape=(n, n_classes)], bool: the highest, or those above their threshold."""
    if task == "multi":
        return scores >= np.asarray(thresholds)
    return np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]


def class_row(name: str, scores: np.ndarray, targets: np.ndarray, said: np.ndarray) -> dict[str, Any]:
    """One class's figures on its observed examples; None where they are not defined."""
    from sklearn import metrics

    seen = ~np.isnan(targets)
    truth, said, scores = targets[seen] > 0.5, said[seen], scores[seen]
    row = {"class": name, **tally(said, truth), "auc": None, "average_precision": None, "f1_absent": None}
    right = row.pop("right")
    row["wilson"] = {
        name: rounded_ends(wilson(right, n)) if row[name] is not None else None
        for name, n in (("precision", row["said"]), ("recall", row["support"]))
    }
    if truth.any() and not truth.all():
        row |= {
            "auc": rounded(metrics.roc_auc_score(truth, scores)),
            "average_precision": rounded(metrics.average_precision_score(truth, scores)),
            "f1_absent": tally(~said, ~truth)["f1"],
        }
    return row


def counted(
    scores: np.ndarray, targets: np.ndarray, thresholds: list[float] | np.ndarray, task: str
) -> list[dict[str, Any]]:
    """What counting alone says of each class, at once; for thresholds that somebody moves.

    Parameters
    ----------
    scores, targets, thresholds, task : as `make` takes them

    Returns
    -------
    list of dict, one a class, on its observed examples: `support`, `observed`, `said`, `right` (said and so),
    `precision`, `recall`, `f1`; None where they are not defined, as in `class_row`
    """
    targets = np.asarray(targets, dtype=np.float64)
    said, seen = decide(np.asarray(scores), task, thresholds), ~np.isnan(targets)
    return [tally(said[seen[:, k], k], targets[seen[:, k], k] > 0.5) for k in range(targets.shape[1])]


def tally(said: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
    """Counts and figures of one class, from what was said and what is so: [shape=(n,)] each, bool."""
    right, n_said, support = int((said & truth).sum()), int(said.sum()), int(truth.sum())
    return {
        "support": support,
        "observed": len(truth),
        "said": n_said,
        "right": right,
        # a class that is never answered has no precision; a 0 would say that its answers were wrong
        "precision": rounded(right / n_said) if support and n_said else None,
        "recall": rounded(right / support) if support else None,
        "f1": rounded(2 * right / (n_said + support)) if support else None,
    }


def summary(rows: list[dict[str, Any]], targets: np.ndarray, said: np.ndarray, task: str) -> dict[str, float]:
    """The figures over all classes; a macro mean takes the classes that have examples to judge by."""
    with_support = [row for row in rows if row["support"]]
    both = [row for row in rows if row["auc"] is not None]
    figures = {
        f"macro_{name}": mean([row[name] or 0.0 for row in with_support]) for name in ("precision", "recall", "f1")
    }
    figures |= {
        f"weighted_{name}": mean([row[name] or 0.0 for row in with_support], [row["support"] for row in with_support])
        for name in ("precision", "recall", "f1")
    }
    figures["macro_auc"] = mean([row["auc"] for row in both])
    figures["weighted_auc"] = mean([row["auc"] for row in both], [row["support"] for row in both])
    figures["mean_average_precision"] = mean([row["average_precision"] for row in both])
    if task == "single":
        figures = {"accuracy": rounded((targets * said).sum() / len(said)), **figures}
    else:
        figures["mean_f1_both_sides"] = mean([(row["f1"] + row["f1_absent"]) / 2 for row in both])
    return {name: value for name, value in figures.items() if value is not None}


def mean(values: list[float], weights: list[float] | None = None) -> float | None:
    """The rounded mean, or None of nothing."""
    return rounded(np.average(values, weights=weights)) if values else None


def confusion(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Counts of a single-label table: row the true class, column the answer, [shape=(n_classes, n_classes)], int."""
    n_classes = scores.shape[1]
    pairs = targets.argmax(axis=1) * n_classes + scores.argmax(axis=1)
    return np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def headline(report: dict[str, Any]) -> str:
    """The main figure with its interval, in a line: `accuracy 0.71 (0.63 to 0.79)`."""
    name = report["main_metric"]
    if name not in report["metrics"]:
        return f"{NAMES[name]} not defined"
    interval = (report["intervals"] or {}).get(name)
    extent = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else " (no interval: too few groups)"
    return f"{NAMES[name]} {report['metrics'][name]:.3f}{extent}"
