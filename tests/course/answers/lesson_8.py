"""Right and wrong answers to the exercises of lesson 8."""

import numpy as np


def compute_share(table):
    return (~np.isnan(table)).mean(axis=0)


def compute_share_by_row(table):
    return (~np.isnan(table)).mean(axis=1)


def compute_share_by_comparison(table):
    return (table != np.nan).mean(axis=0)


def rank(scores, labels):
    known = ~np.isnan(labels)
    return labels[known][np.argsort(-scores[known])]


def compute_average_precision(scores, labels):
    ranked = rank(scores, labels)
    return (np.cumsum(ranked) / np.arange(1, len(ranked) + 1))[ranked == 1].mean()


def compute_mean_precision(scores, labels):
    ranked = rank(scores, labels)
    return (np.cumsum(ranked) / np.arange(1, len(ranked) + 1)).mean()


def compute_with_unknown_absent(scores, labels):
    return compute_average_precision(scores, np.nan_to_num(labels))


def compute_count(table):
    return (~np.isnan(table)).sum(axis=0)


def compute_precision(scores, labels):
    ranked = rank(scores, labels)
    return np.cumsum(ranked) / np.arange(1, len(ranked) + 1), np.cumsum(ranked) / ranked.sum()


def compute_without_first_rank(scores, labels):
    precision, recall = compute_precision(scores, labels)
    return (np.diff(recall) * precision[1:]).sum()


def compute_unsorted(scores, labels):
    return compute_average_precision(-np.arange(len(labels)), labels)


ANSWERS = {
    "8.1": (0.5, (1.0, 0.05)),
    "8.2": (
        compute_share,
        (
            compute_share_by_row,
            compute_share_by_comparison,
            compute_count,
            lambda table: np.nanmean(table, axis=0),
            lambda table: None,
            lambda table: np.zeros(20) + 0.1,
        ),
    ),
    "8.3": (5, (1, 0.2)),
    "8.4": (0.25, (1.0, 0.075, 0.2, 25)),
    "8.5": (
        compute_average_precision,
        (
            compute_with_unknown_absent,
            compute_mean_precision,
            compute_without_first_rank,
            compute_unsorted,
            lambda scores, labels: None,
        ),
    ),
    "8.6": (0.75, (0.5, 1.0, 75)),
    "8.7": (0.49, (0.71, 0.8, 0.36)),
    "8.8": (6, (120, 30)),
    "8.9": (28 / 36, (1 / 3, 1.0, 9 / 12, 77.8)),
    "8.10": (["B", "(c)"], ({"b"}, {"B", "d"})),
}
