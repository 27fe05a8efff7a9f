"""Answers to the exercises of lesson 7: a right one each, and wrong ones that are recognized."""

from collections import Counter, defaultdict

import numpy as np
import pandas as pd


def _count_repeated(rows):
    return sum(count > 1 for count in Counter(name for name, _ in rows).values())


def _count_rows(rows):
    classes_of = defaultdict(set)
    for name, label in rows:
        classes_of[name].add(label)
    return sum(len(classes_of[name]) > 1 for name, _ in rows)


def _count_with_pandas(rows):
    return (pd.DataFrame(rows).groupby(0)[1].nunique() > 1).sum()


def _count_changes(rows):
    class_of, changes = {}, 0
    for name, label in rows:
        changes += class_of.get(name, label) != label
        class_of[name] = label
    return changes


def _round(n):
    return round(float(np.e / (np.e + n - 1)), 2)


ANSWERS = {
    "7.1": (0.06, (0.03125, 1e-40, 1, 6.25)),
    "7.2": (3, (1, 2, 4)),
    "7.3": (
        lambda n: np.e / (np.e + n - 1),
        (lambda n: np.e / (np.e + n), lambda n: 1 / n, lambda n: 1, lambda n: None, _round),
    ),
    "7.4": (6, (100, 23, 5, 17, 10)),
    "7.5": (0.8, (0.2, 0.64, 0.32, 0.5, 1, 0.16, 80)),
    "7.6": ("Piece", (set(), {"piece", "track"}, {"piece", "track", "artist"})),
    "7.7": ("b)", ("a", "c")),
    "7.8": (
        _count_with_pandas,
        (_count_repeated, _count_rows, _count_changes, lambda rows: None, lambda rows: [rows[0]], lambda rows: 9),
    ),
    "7.9": ((2 + 2 * (1229 + 0.5 * 700) / 1929) / 4, (1, 0.8186, 0.75, 0.734, 0.9546, 0.9034, 1 - 700 / 1929, 90.9)),
    "7.10": ("(c)", ("a", "b", "d")),
    "7.11": (
        [0.94, 1, 0.43, 1],
        (
            [94, 100, 43, 100],
            [1, 0.94, 1, 0.43],
            [0.94, 0.94, 0.43, 0.43],
            [0, 94, 1, 0, 43, 1],
            [0.93, 1, 0.43, 1],
        ),
    ),
    "7.12": ({"a", "b", "d"}, ({"a", "b", "c", "d"}, {"a", "b", "d", "e"}, {"b", "d"}, {"a", "d"}, {"a", "b"})),
}
