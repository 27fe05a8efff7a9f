"""Answers to the exercises of lesson 7: a right one each, and wrong ones that are recognized."""

from collections import Counter, defaultdict

import numpy as np


def _count_files(rows):
    classes_of = defaultdict(set)
    for name, label in rows:
        classes_of[name].add(label)
    return sum(len(labels) > 1 for labels in classes_of.values())


def _count_repeated(rows):
    return sum(count > 1 for count in Counter(name for name, _ in rows).values())


def _count_rows(rows):
    classes_of = defaultdict(set)
    for name, label in rows:
        classes_of[name].add(label)
    return sum(len(classes_of[name]) > 1 for name, _ in rows)


ANSWERS = {
    "7.1": (0.0625, (0.03125, 1e-40)),
    "7.2": (3, (1, 2, 4)),
    "7.3": (lambda n: np.e / (np.e + n - 1), (lambda n: np.e / (np.e + n), lambda n: 1 / n, lambda n: 1)),
    "7.4": (6, (100, 12, 5, 17)),
    "7.5": (0.8, (0.2, 0.64, 0.32, 0.5, 1)),
    "7.6": ({"piece"}, (set(), {"piece", "track"}, {"piece", "track", "artist"})),
    "7.7": ("b", ("a", "c")),
    "7.8": (_count_files, (_count_repeated, _count_rows, lambda rows: None)),
    "7.9": ((2 + 2 * (1229 + 0.5 * 700) / 1929) / 4, (1, 0.8186, 0.75, 0.734, 0.9546, 0.9034)),
    "7.10": ("c", ("a", "b", "d")),
    "7.11": ([0.94, 1, 0.43, 1], ([94, 100, 43, 100], [1, 0.94, 1, 0.43], [0.94, 0.94, 0.43, 0.43])),
    "7.12": ({"a", "b", "d"}, ({"a", "b", "c", "d"}, {"a", "b", "d", "e"}, {"b", "d"}, {"a", "d"}, {"a", "b"})),
}
