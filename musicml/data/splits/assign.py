"""Assign: groups spread over sides, each class as evenly as its groups allow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from musicml.data.datasets import Dataset

TIE = 1e-3  # examples; more than what the shuffle adds


def assign(
    dataset: Dataset, members: np.ndarray, wanted: dict[str, float], seed: int, present: np.ndarray | None = None
) -> np.ndarray:
    """Spread the groups of `members` over the sides of `wanted`, [shape=(n_members,)], str.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML 2011) by group: the class with the fewest groups
    left goes first, and its largest group goes to the side that lacks that class most. A class with at least as many
    groups as there are sides stands on every side; a side of which nothing is wanted gets nothing.

    Parameters
    ----------
    present : np.ndarray [shape=(n_examples, n_classes)], bool, as `find_present`, where it was found before
    """
    even = len(set(wanted.values())) == 1
    wanted = {side: share for side, share in wanted.items() if share > 0}
    present = find_present(dataset) if present is None else present
    n_groups, group_of = _number_groups(dataset, members)
    counts = np.zeros((n_groups, len(dataset.class_names)))
    np.add.at(counts, group_of, present[members])
    # the shuffle decides between groups of one size, so that another seed gives another split
    counts += np.random.default_rng(seed).uniform(0, 1e-6, (n_groups, 1)) * (counts > 0)
    home = spread_groups(counts, np.array(list(wanted.values())), even)
    return np.array(list(wanted), dtype=object)[home[group_of]]


def find_present(dataset: Dataset) -> np.ndarray:
    """Which class is present in which example, [shape=(n_examples, n_classes)], bool."""
    return np.nan_to_num(dataset.targets()) > 0.5


def _number_groups(dataset: Dataset, members: np.ndarray) -> tuple[int, np.ndarray]:
    """How many groups `members` are of, and the place of each one's in their sorted names, [shape=(n_members,)]."""
    groups = [str(dataset.examples[member].group) for member in members]
    place_of = {name: place for place, name in enumerate(sorted(set(groups)))}
    return len(place_of), np.array([place_of[group] for group in groups], dtype=int)


def spread_groups(counts: np.ndarray, shares: np.ndarray, even: bool) -> np.ndarray:
    """The side of each group, [shape=(n_groups,)], int.

    Every step costs what there are classes and sides, however many groups there are.

    Parameters
    ----------
    counts : np.ndarray [shape=(n_groups, n_classes)], examples of each class in each group
    shares : np.ndarray [shape=(n_sides,)], > 0, what each side wants of all
    even : whether all sides want the same, as folds do; what is left over goes then to whichever lacks most in all
    """
    holds = counts > 0
    lacking = np.outer(shares, counts.sum(axis=0))  # examples that each side still wants
    standing = np.zeros(lacking.shape, dtype=bool)  # whether a side has a group of the class
    left = np.where(holds.any(axis=0), holds.sum(axis=0), np.inf)  # groups of the class that have no side yet
    largest: dict[int, Iterator[int]] = {}
    home = [-1] * len(counts)
    for _ in range(int(holds.any(axis=1).sum())):
        k = int(left.argmin())
        if k not in largest:
            largest[k] = iter(np.argsort(-counts[:, k], kind="stable").tolist())
        group = next(group for group in largest[k] if home[group] < 0)
        home[group] = side = _choose_side(k, int(left[k]), lacking, standing, even)
        lacking[side] -= counts[group]
        standing[side] |= holds[group]
        left -= holds[group]
        if not left[k]:  # and of no other class are fewer left
            left[left == 0] = np.inf
    return _place_rest(np.array(home, dtype=int), len(shares), even)


def _choose_side(k: int, n_left: int, lacking: np.ndarray, standing: np.ndarray, even: bool) -> int:
    """The side of the next group of class `k`, of which `n_left` have none yet.

    Parameters
    ----------
    lacking, standing : np.ndarray [shape=(n_sides, n_classes)], what each side still wants and whether it has some
    """
    empty = np.flatnonzero(~standing[:, k]) if n_left <= len(lacking) else ()
    if len(empty) and n_left <= len(empty):
        if even:
            return int(empty[lacking[empty].sum(axis=1).argmax()])
        # the last chance to put this class on every side: training first, then test, then validation
        order = (0, 2, 1) if len(lacking) == 3 else range(len(lacking))
        return next(side for side in order if side in empty)
    if not even:
        return int(lacking[:, k].argmax())
    near = np.flatnonzero(lacking[:, k] >= lacking[:, k].max() - TIE)
    return int(near[lacking[near].sum(axis=1).argmax()] if len(near) > 1 else near[0])


def _place_rest(home: np.ndarray, n_sides: int, even: bool) -> np.ndarray:
    """The same with the groups in which no class was found: they can only train, or go to the smallest fold."""
    sizes = np.bincount(home[home >= 0], minlength=n_sides)
    for group in np.flatnonzero(home < 0):
        home[group] = side = int(sizes.argmin()) if even else 0
        sizes[side] += 1
    return home
