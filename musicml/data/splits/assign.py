"""Assign groups to splits, with each class spread as evenly as its groups allow."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

from musicml.data.datasets import Dataset

TIE = 1e-3  # examples; larger than the noise that shuffles equal groups


def assign(
    dataset: Dataset, members: np.ndarray, wanted: dict[str, float], seed: int, present: np.ndarray | None = None
) -> np.ndarray:
    """Assign the examples `members` to the splits in `wanted` by group; return names, [shape=(n_members,)], str.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML 2011) by group: the class with the fewest groups
    left goes first, and its largest group goes to the split that lacks most of that class. A class with at least as
    many groups as there are splits occurs in every split.

    Parameters
    ----------
    members : np.ndarray [shape=(n_members,)], int, indices of examples
    wanted : split → share of the members; a split with share 0 gets nothing
    present : np.ndarray [shape=(n_examples, n_classes)], bool, from `find_present`, if already computed
    """
    is_even = len(set(wanted.values())) == 1  # as for the folds of a cross-validation
    wanted = {split: share for split, share in wanted.items() if share > 0}
    present = find_present(dataset) if present is None else present
    n_groups, group_of = dataset.examples.take(members).assign_group_numbers()
    counts = np.zeros((n_groups, len(dataset.class_names)))
    np.add.at(counts, group_of, present[members])
    # noise decides between groups of equal size, so that another seed gives another split
    np.add(counts, np.random.default_rng(seed).uniform(0, 1e-6, (n_groups, 1)), out=counts, where=counts > 0)
    split_of = spread_groups(counts, np.array(list(wanted.values())), is_even)
    return np.array(list(wanted), dtype=object)[split_of[group_of]]


def find_present(dataset: Dataset) -> np.ndarray:
    """Return which class is present in which example, [shape=(n_examples, n_classes)], bool."""
    examples = dataset.examples
    sets = [[bool(labels.get(name)) for name in dataset.class_names] for labels in examples.label_sets]
    return np.array(sets, dtype=bool).reshape(len(sets), len(dataset.class_names))[examples.label_of]


def spread_groups(counts: np.ndarray, shares: np.ndarray, is_even: bool) -> np.ndarray:
    """Return the split of each group, [shape=(n_groups,)], int.

    The cost of a step depends on the number of classes and splits, not on the number of groups.

    Parameters
    ----------
    counts : np.ndarray [shape=(n_groups, n_classes)], examples of each class in each group
    shares : np.ndarray [shape=(n_splits,)], > 0, the share of all examples that each split should get
    is_even : whether all shares are equal, as for folds; then a tie goes to the split that lacks most in total
    """
    has_class = counts > 0
    missing = np.outer(shares, counts.sum(axis=0))  # examples that each split still lacks
    is_covered = np.zeros(missing.shape, dtype=bool)  # whether a split already has a group of the class
    left = np.where(has_class.any(axis=0), has_class.sum(axis=0), np.inf)  # groups of each class without a split
    by_size: dict[int, Iterator[int]] = {}
    split_of = [-1] * len(counts)
    for _ in range(int(has_class.any(axis=1).sum())):
        k = int(left.argmin())
        if k not in by_size:
            members = np.flatnonzero(has_class[:, k])
            by_size[k] = iter(array("q", members[np.argsort(-counts[members, k], kind="stable")].tobytes()))
        group = next(group for group in by_size[k] if split_of[group] < 0)
        split_of[group] = split = _choose_split(k, int(left[k]), missing, is_covered, is_even)
        missing[split] -= counts[group]
        is_covered[split] |= has_class[group]
        left -= has_class[group]
        if not left[k]:  # the class is finished: never the smallest again
            left[left == 0] = np.inf
    return _assign_rest(np.array(split_of, dtype=int), len(shares), is_even)


def _choose_split(k: int, n_left: int, missing: np.ndarray, is_covered: np.ndarray, is_even: bool) -> int:
    """Choose the split of the next group of class `k`, which has `n_left` groups without a split.

    Parameters
    ----------
    missing, is_covered : np.ndarray [shape=(n_splits, n_classes)], examples still missing, and whether there are any
    """
    empty = np.flatnonzero(~is_covered[:, k]) if n_left <= len(missing) else ()
    if len(empty) and n_left <= len(empty):
        if is_even:
            return int(empty[missing[empty].sum(axis=1).argmax()])
        # the last chance for this class to occur in every split: train first, then test, then val
        order = (0, 2, 1) if len(missing) == 3 else range(len(missing))
        return next(split for split in order if split in empty)
    if not is_even:
        return int(missing[:, k].argmax())
    near = np.flatnonzero(missing[:, k] >= missing[:, k].max() - TIE)
    return int(near[missing[near].sum(axis=1).argmax()] if len(near) > 1 else near[0])


def _assign_rest(split_of: np.ndarray, n_splits: int, is_even: bool) -> np.ndarray:
    """Assign the groups without any class: to train, or to the smallest fold."""
    sizes = np.bincount(split_of[split_of >= 0], minlength=n_splits)
    for group in np.flatnonzero(split_of < 0):
        split_of[group] = split = int(sizes.argmin()) if is_even else 0
        sizes[split] += 1
    return split_of
