"""Reports: what a table of scores is worth. scikit-learn counts; intervals come from a bootstrap over groups.

Tracks of one artist resemble each other, so a figure varies more than its number of files suggests: groups, not files,
are drawn again (Field and Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B, 2007).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musicml import calibrate

DRAWS = 1000
MAIN = {"single": "accuracy", "multi": "mean_average_precision"}
NAMES = {
    "accuracy": "accuracy",
    "mean_average_precision": "mean average precision",
    "macro_auc": "macro ROC-AUC",
    "macro_f1": "macro F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "mean_f1_both_sides": "mean F1 over both sides",
}


def make(
    scores: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    class_names: list[str],
    task: str,
    thresholds: list[float],
    seed: int = 0,
) -> dict[str, Any]:
    """Everything there is to say of one table of scores.

    Parameters
    ----------
    scores : np.ndarray [shape=(n_examples, n_classes)], calibrated
    targets : np.ndarray [shape=(n_examples, n_classes)], 1, 0, or NaN where nobody looked (which then never counts)
    groups : np.ndarray [shape=(n_examples,)], what belongs together
    thresholds : for `multi`, from which score a class counts as present

    Returns
    -------
    dict with `n`, `n_groups`, `observed`, `main_metric`, `metrics`, `intervals` (95 %, from a bootstrap over groups;
    None where there is only one group), `per_class`, `calibration_error`, `confusion` (for `single`)
    """
    scores, targets = np.asarray(scores, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    said = decide(scores, task, thresholds)
    rows = [class_row(name, scores[:, k], targets[:, k], said[:, k]) for k, name in enumerate(class_names)]
    return {
        "n": len(scores),
        "n_groups": len(set(groups)),
        "observed": int((~np.isnan(targets)).sum()),
        "main_metric": MAIN[task],
        "metrics": summary(rows, targets, said, task),
        "intervals": intervals(scores, targets, said, groups, task, seed),
        "per_class": rows,
        "calibration_error": rounded(calibrate.calibration_error(scores, targets, task)),
        "confusion": confusion(scores, targets).tolist() if task == "single" else None,
    }


def decide(scores: np.ndarray, task: str, thresholds: list[float]) -> np.ndarray:
    """Which classes count as answered, [shape=(n, n_classes)], bool: the highest, or those above their threshold."""
    if task == "multi":
        return scores >= np.asarray(thresholds)
    return np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None]


def class_row(name: str, scores: np.ndarray, targets: np.ndarray, said: np.ndarray) -> dict[str, Any]:
    """One class's figures on its observed examples; None where they are not defined."""
    from sklearn import metrics

    seen = ~np.isnan(targets)
    truth, said, scores = targets[seen] > 0.5, said[seen], scores[seen]
    row: dict[str, Any] = {
        "class": name,
        "support": int(truth.sum()),
        "observed": int(seen.sum()),
        "said": int(said.sum()),
    }
    if truth.any():
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            truth, said, average="binary", zero_division=0
        )
        # a class that is never answered has no precision; a 0 would say that its answers were wrong
        row |= {"precision": rounded(precision) if said.any() else None, "recall": rounded(recall), "f1": rounded(f1)}
    if truth.any() and not truth.all():
        row |= {
            "auc": rounded(metrics.roc_auc_score(truth, scores)),
            "average_precision": rounded(metrics.average_precision_score(truth, scores)),
            "f1_absent": rounded(metrics.f1_score(~truth, ~said, zero_division=0)),
        }
    return {**dict.fromkeys(("precision", "recall", "f1", "auc", "average_precision", "f1_absent")), **row}


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


def rounded(value: float) -> float | None:
    """Six digits are more than any of these figures is worth; None for what is not a number."""
    return None if not np.isfinite(value) else round(float(value), 6)


def intervals(
    scores: np.ndarray,
    targets: np.ndarray,
    said: np.ndarray,
    groups: np.ndarray,
    task: str,
    seed: int,
    draws: int = DRAWS,
) -> dict[str, list[float] | None] | None:
    """95 % percentile intervals of the figures: groups drawn again `draws` times; None with fewer than two groups."""
    names, group_of = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if len(names) < 2:
        return None
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    found = weighted(scores, targets, said, counts[:, group_of].astype(np.float64), task)
    limits = {
        name: np.nanpercentile(values, [2.5, 97.5]) for name, values in found.items() if np.isfinite(values).any()
    }
    if "accuracy" in limits and np.ptp(limits["accuracy"]) == 0:
        limits["accuracy"] = wilson(float(limits["accuracy"][0]), len(names))
    # where every draw gives the same figure, drawing again can't tell how sure it is
    return {name: [rounded(low), rounded(high)] if high > low else None for name, (low, high) in limits.items()}


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of `n` groups: it has a width even where all of them are right."""
    from scipy import stats

    interval = stats.binomtest(round(share * n), n).proportion_ci(method="wilson")
    return interval.low, interval.high


def weighted(
    scores: np.ndarray, targets: np.ndarray, said: np.ndarray, weights: np.ndarray, task: str
) -> dict[str, np.ndarray]:
    """The figures of `summary` for many weightings of the examples at once.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_draws, n_examples)], how often each example was drawn

    Returns
    -------
    dict of np.ndarray [shape=(n_draws,)], NaN where a figure is not defined
    """
    seen, truth = ~np.isnan(targets), np.nan_to_num(targets) > 0.5
    with np.errstate(invalid="ignore", divide="ignore"):
        hits, said_seen, present = (
            weights @ part for part in ((said & truth).astype(float), (said & seen).astype(float), truth.astype(float))
        )
        total = weights @ seen.astype(float)
        judged = np.where(present > 0, 1.0, np.nan)
        figures = {
            "macro_precision": macro(np.where(said_seen > 0, hits / said_seen, 0.0) * judged),
            "macro_recall": macro(hits / present),
            "macro_f1": macro(2 * hits / (said_seen + present) * judged),
        }
        curves = [
            ranked(scores[seen[:, k], k], truth[seen[:, k], k], weights[:, seen[:, k]]) for k in range(scores.shape[1])
        ]
        figures["macro_auc"] = macro(np.stack([auc for auc, _ in curves], axis=1))
        figures["mean_average_precision"] = macro(np.stack([ap for _, ap in curves], axis=1))
        if task == "single":
            figures["accuracy"] = hits.sum(axis=1) / weights.sum(axis=1)
        else:
            absent, right = total - present, total - said_seen - present + hits
            f1_absent = 2 * right / (total - said_seen + absent)
            two_sided = np.where(
                (present > 0) & (absent > 0), (2 * hits / (said_seen + present) + f1_absent) / 2, np.nan
            )
            figures["mean_f1_both_sides"] = macro(two_sided)
    return figures


def macro(values: np.ndarray) -> np.ndarray:
    """The mean over classes of those that are defined: [shape=(n_draws, n_classes)] → [shape=(n_draws,)]."""
    defined = np.isfinite(values)
    return np.where(defined, values, 0).sum(axis=1) / defined.sum(axis=1)


def ranked(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ROC-AUC and average precision of one class for many weightings, as scikit-learn defines them.

    Parameters
    ----------
    scores, truth : np.ndarray [shape=(n,)]
    weights : np.ndarray [shape=(n_draws, n)]
    """
    if len(scores) == 0:
        nothing = np.full(len(weights), np.nan)
        return nothing, nothing
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores are one step of the curve
    hits = np.cumsum(weights[:, order] * truth[order], axis=1)[:, last]
    misses = np.cumsum(weights[:, order] * ~truth[order], axis=1)[:, last]
    steps = np.diff(hits, axis=1, prepend=0)
    present, absent = hits[:, -1], misses[:, -1]
    precision = np.where(hits + misses > 0, hits / np.maximum(hits + misses, 1e-300), 0)
    below = absent[:, None] - misses + np.diff(misses, axis=1, prepend=0) / 2
    defined = np.where((present > 0) & (absent > 0), 1.0, np.nan)
    return (steps * below).sum(axis=1) / (present * absent) * defined, (steps * precision).sum(
        axis=1
    ) / present * defined


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
