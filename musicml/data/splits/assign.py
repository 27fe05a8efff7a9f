"""Assign: groups spread over sides, each class as evenly as its groups allow."""

from __future__ import annotations

import numpy as np

from musicml.data.datasets import Dataset

TIE = 1e-3  # examples; more than what the shuffle adds


def assign(dataset: Dataset, members: np.ndarray, wanted: dict[str, float], seed: int) -> np.ndarray:
    """Spread the groups of `members` over the sides of `wanted`, [shape=(n_members,)], str.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML 2011) by group: the class with the fewest groups
    left goes first, and its largest group goes to the side that lacks that class most. A class with at least as many
    groups as there are sides stands on every side; a side of which nothing is wanted gets nothing.
    """
    even = len(set(wanted.values())) == 1
    wanted = {side: share for side, share in wanted.items() if share > 0}
    names, group_of = np.unique(dataset.groups[members].astype(str), return_inverse=True)
    counts = np.zeros((len(names), len(dataset.class_names)))
    np.add.at(counts, group_of, np.nan_to_num(dataset.targets()[members]) > 0.5)
    # the shuffle decides between groups of one size, so that another seed gives another split
    counts += np.random.default_rng(seed).uniform(0, 1e-6, (len(names), 1)) * (counts > 0)
    sides = list(wanted)
    lacking = np.outer(list(wanted.values()), counts.sum(axis=0))
    home = np.full(len(names), -1)
    while (home < 0).any():
        group, side = next_group(counts, home, lacking, even)
        home[group] = side
        lacking[side] -= counts[group]
    return np.array(sides, dtype=object)[home[group_of]]


def next_group(counts: np.ndarray, home: np.ndarray, lacking: np.ndarray, even: bool = False) -> tuple[int, int]:
    """The next group and its side.

    Parameters
    ----------
    counts : np.ndarray [shape=(n_groups, n_classes)], examples of each class in each group
    home : np.ndarray [shape=(n_groups,)], int, the side of each group, -1 where none yet
    lacking : np.ndarray [shape=(n_sides, n_classes)], examples that each side still wants
    even : whether all sides want the same, as folds do; what is left over goes then to whichever lacks most in all
    """
    left = home < 0
    held = ((counts > 0) & left[:, None]).sum(axis=0)
    if not held.any():
        # a group in which no class was found: it can only train
        return int(np.flatnonzero(left)[0]), int(
            np.bincount(home[~left], minlength=len(lacking)).argmin()
        ) if even else 0
    k = int(np.argmin(np.where(held > 0, held, np.inf)))
    group = int(np.argmax(np.where(left, counts[:, k], -1)))
    standing = home[(home >= 0) & (counts[:, k] > 0)]
    empty = [side for side in range(len(lacking)) if side not in standing]
    if empty and held[k] <= len(empty):
        if even:
            return group, max(empty, key=lambda side: lacking[side].sum())
        # the last chance to put this class on every side: training first, then test, then validation
        order = (0, 2, 1) if len(lacking) == 3 else range(len(lacking))
        return group, min(empty, key=order.index)
    if even:
        near = np.flatnonzero(lacking[:, k] >= lacking[:, k].max() - TIE)
        return group, int(near[lacking[near].sum(axis=1).argmax()])
    return group, int(np.argmax(lacking[:, k]))
