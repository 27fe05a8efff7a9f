"""Reports: what a table of scores is worth. scikit-learn measures curves; intervals come from a bootstrap over groups.

Tracks of one artist resemble each other, so a figure varies more than its number of files suggests: groups, not files,
are drawn again (Field and Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society B, 2007).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musicml import calibrate

DRAWS = 1000
TOGETHER = 100  # draws ranked at a time: few enough for a core's cache, which halves the time
MAIN = {"single": "accuracy", "multi": "mean_average_precision"}
OF_A_CLASS = ("precision", "recall", "f1", "auc", "average_precision")  # with an interval for each class
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

    Returns
    -------
    dict with `n`, `n_groups`, `observed`, `main_metric`, `metrics`, `intervals` (95 %, from a bootstrap over groups;
    None where there is only one group), `per_class`, `calibration_error`, `confusion` (for `single`); each row of
    `per_class` with its own `intervals`, as `class_intervals` gives them
    """
    scores, targets = np.asarray(scores, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    said = decide(scores, task, thresholds)
    rows = [class_row(name, scores[:, k], targets[:, k], said[:, k]) for k, name in enumerate(class_names)]
    weights = drawn(groups, seed, draws)
    found = None if weights is None else by_class(scores, targets, said, weights)
    for row, its in zip(rows, intervals_of_classes(found, len(rows)), strict=True):
        row["intervals"] = its
    return {
        "n": len(scores),
        "n_groups": len(set(groups)),
        "observed": int((~np.isnan(targets)).sum()),
        "main_metric": MAIN[task],
        "metrics": summary(rows, targets, said, task),
        "intervals": None if found is None else intervals_of(figures(found, weights, task), groups),
        "per_class": rows,
        "calibration_error": rounded(calibrate.calibration_error(scores, targets, task)),
        "confusion": confusion(scores, targets).tolist() if task == "single" else None,
    }


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
    del row["right"]
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
    weights = drawn(groups, seed, draws)
    if weights is None:
        return None
    return intervals_of(weighted(scores, targets, said, weights, task), groups)


def class_intervals(
    scores: np.ndarray, targets: np.ndarray, said: np.ndarray, groups: np.ndarray, seed: int = 0, draws: int = DRAWS
) -> list[dict[str, list[float] | None]]:
    """95 % percentile intervals of each class's own figures, from the same draws as `intervals`.

    A precision is taken over the draws in which the class was answered, a recall and an F1 over those in which it
    occurs, the areas over those in which some examples are of it and some are not.

    Parameters
    ----------
    scores, targets : np.ndarray [shape=(n_examples, n_classes)], as `make` takes them
    said : np.ndarray [shape=(n_examples, n_classes)], bool, of `decide`
    groups : np.ndarray [shape=(n_examples,)]

    Returns
    -------
    list of dict, one a class: each of `OF_A_CLASS` → [low, high]; None where it is not defined, where there are fewer
    than two groups, or where every draw gives the same
    """
    weights = drawn(groups, seed, draws)
    found = None if weights is None else by_class(scores, targets, said, weights)
    return intervals_of_classes(found, targets.shape[1])


def drawn(groups: np.ndarray, seed: int, draws: int) -> np.ndarray | None:
    """How often each example is there when groups are drawn again, [shape=(draws, n_examples)]; None of one group."""
    names, group_of = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    if len(names) < 2:
        return None
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, group_of].astype(np.float64)


def mean_and_interval(
    values: np.ndarray, groups: np.ndarray, draws: int = DRAWS
) -> tuple[float | None, list[float] | None]:
    """The mean of a value an example, such as whether it was told right, or a difference of two models in that.

    Parameters
    ----------
    values : np.ndarray [shape=(n_examples,)]
    groups : np.ndarray [shape=(n_examples,)], what belongs together
    draws : of the bootstrap over groups

    Returns
    -------
    mean, and its 95 % interval; None for the interval of fewer than two groups, or where every draw gives the same
    """
    names, group_of = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    # a group's examples are drawn together, so their sums are all that is drawn
    weights, sizes = drawn(names, 0, draws), np.bincount(group_of)
    interval = None if weights is None else between(weights @ np.bincount(group_of, values) / (weights @ sizes))
    return rounded(np.mean(values)), interval


def intervals_of(found: dict[str, np.ndarray], groups: np.ndarray) -> dict[str, list[float] | None]:
    """The intervals of figures of which each draw gave one, [shape=(draws,)]; those without any are left out."""
    limits = {name: between(values) for name, values in found.items() if np.isfinite(values).any()}
    if "accuracy" in limits and limits["accuracy"] is None:
        n_groups = len(set(np.asarray(groups).astype(str)))
        limits["accuracy"] = [rounded(end) for end in wilson(float(np.median(found["accuracy"])), n_groups)]
    return limits


def intervals_of_classes(found: dict[str, np.ndarray] | None, n_classes: int) -> list[dict[str, list[float] | None]]:
    """The intervals of what `by_class` gives, a dict a class; without draws, None each."""
    if found is None:
        return [dict.fromkeys(OF_A_CLASS) for _ in range(n_classes)]
    return [{name: between(found[name][:, k]) for name in OF_A_CLASS} for k in range(n_classes)]


def between(values: np.ndarray) -> list[float] | None:
    """Where 95 % of the draws lie, [shape=(draws,)], those that are NaN aside; None where all give the same."""
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    # where every draw gives the same figure, drawing again can't tell how sure it is
    return [rounded(low), rounded(high)] if high > low else None


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
    return figures(by_class(scores, targets, said, weights), weights, task)


def by_class(scores: np.ndarray, targets: np.ndarray, said: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Each class's figures for many weightings of the examples at once.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_draws, n_examples)], how often each example was drawn

    Returns
    -------
    dict of np.ndarray [shape=(n_draws, n_classes)]: those of `OF_A_CLASS`, `f1_absent`, NaN where a figure is not
    defined; `right` and `present`, counts
    """
    seen, truth = ~np.isnan(targets), np.nan_to_num(targets) > 0.5
    right, answered, present, total = (
        weights @ part.astype(float) for part in (said & truth, said & seen, truth, seen)
    )
    absent, right_absent = total - present, total - answered - present + right
    with np.errstate(invalid="ignore", divide="ignore"):
        curves = [
            ranked(scores[seen[:, k], k], truth[seen[:, k], k], weights[:, seen[:, k]]) for k in range(scores.shape[1])
        ]
        return {
            "precision": right / answered,
            "recall": right / present,
            "f1": np.where(present > 0, 2 * right / (answered + present), np.nan),
            "auc": np.stack([auc for auc, _ in curves], axis=1),
            "average_precision": np.stack([area for _, area in curves], axis=1),
            "f1_absent": np.where((present > 0) & (absent > 0), 2 * right_absent / (total - answered + absent), np.nan),
            "right": right,
            "present": present,
        }


def figures(found: dict[str, np.ndarray], weights: np.ndarray, task: str) -> dict[str, np.ndarray]:
    """The figures over all classes, [shape=(n_draws,)] each, of what `by_class` found with these weights."""
    # a class that occurs and is never answered has a precision of 0 here, as in `summary`
    precision = np.where(found["present"] > 0, np.nan_to_num(found["precision"]), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        over_all = {
            "macro_precision": macro(precision),
            "macro_recall": macro(found["recall"]),
            "macro_f1": macro(found["f1"]),
            "macro_auc": macro(found["auc"]),
            "mean_average_precision": macro(found["average_precision"]),
        }
        if task == "single":
            return over_all | {"accuracy": found["right"].sum(axis=1) / weights.sum(axis=1)}
        return over_all | {"mean_f1_both_sides": macro((found["f1"] + found["f1_absent"]) / 2)}


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
        areas(weights[begin : begin + TOGETHER, order], truth[order], last)
        for begin in range(0, len(weights), TOGETHER)
    ]
    return np.concatenate([auc for auc, _ in some]), np.concatenate([area for _, area in some])


def areas(weights: np.ndarray, truth: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
