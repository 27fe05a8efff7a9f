"""Answers to the exercises of lesson 2: a right one, and two wrong ones whose mistakes are recognized."""

import numpy as np


def share_known(groups, train, test):
    """Right: the share of test tracks whose artist is in training."""
    return np.isin(groups[test], groups[train]).mean()


def share_known_artists(groups, train, test):
    """Wrong: each artist counts once."""
    return len(set(groups[test]) & set(groups[train])) / len(set(groups[test]))


def share_of_all(groups, train, test):
    """Wrong: divided by all tracks."""
    return np.isin(groups[test], groups[train]).sum() / len(groups)


def compare_positions(groups, train, test):
    """Wrong: positions are compared, not artists."""
    return len(set(train) & set(test)) / len(test)


def share_train(groups, train, test):
    """Wrong: the share of the training tracks."""
    return np.isin(groups[train], groups[test]).mean()


def macro_f1(confusion):
    """Right: each class counts the same, and a class that is never predicted has 0."""
    scores = []
    for i in range(len(confusion)):
        total = confusion[i].sum() + confusion[:, i].sum()
        scores.append(2 * confusion[i, i] / total if total else 0.0)
    return np.mean(scores)


def macro_f1_with_nan(confusion):
    """Wrong: the precision of a class that is never predicted is undefined."""
    with np.errstate(all="ignore"):
        precision = np.diag(confusion) / confusion.sum(axis=0)
        recall = np.diag(confusion) / confusion.sum(axis=1)
        return np.mean(2 * precision * recall / (precision + recall))


def macro_f1_of_predicted(confusion):
    """Wrong: classes without a correct prediction are left out."""
    with np.errstate(all="ignore"):
        precision = np.diag(confusion) / confusion.sum(axis=0)
        recall = np.diag(confusion) / confusion.sum(axis=1)
        return np.nanmean(2 * precision * recall / (precision + recall))


def mean_recall(confusion):
    """Wrong: the recall alone."""
    return np.mean(np.diag(confusion) / confusion.sum(axis=1))


def f1_of_means(confusion):
    """Wrong: F1 of the mean precision and the mean recall."""
    precision = np.mean(np.diag(confusion) / np.maximum(confusion.sum(axis=0), 1))
    recall = np.mean(np.diag(confusion) / confusion.sum(axis=1))
    return 2 * precision * recall / (precision + recall)


ANSWERS = {
    "2.1": ({"a", "d"}, ({"A", "B", "D"}, {"c"}, {"a"})),
    "2.2": (0.3, (0.5, 18 / 40)),
    "2.3": (
        share_known,
        (
            share_known_artists,
            share_train,
            share_of_all,
            compare_positions,
            lambda *split: 100 * share_known(*split),
            lambda groups, train, test: 1 - share_known(groups, train, test),
        ),
    ),
    "2.4": ({2, 7}, ({2}, {"7"}, {2, 3, 7}, {2, 6}, {2, 9}, {1, 2})),
    "2.5": (0.55, (0.60, 0.61, 0.85, 1, 10, 0.58, 55)),
    "2.6": (0.6, (0.48, 115 / 170, 0.533)),
    "2.7": (macro_f1, (macro_f1_with_nan, f1_of_means, macro_f1_of_predicted, mean_recall)),
    "2.8": (0.87, (0.95, 0.99, 0.25, 0.83, 348)),
    "2.9": (369, (384.16, 1475.2, 18.4)),
}
