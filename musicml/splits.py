"""Split: who trains, who chooses, who judges. By group, before anything is cut into clips."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from musicml.datasets import Dataset, Excluded
from musicml.datasets.base import SPLITS
from musicml.errors import BadInput


@dataclass(frozen=True)
class Split:
    """Which example stands on which side.

    Attributes
    ----------
    sides : np.ndarray [shape=(n_examples,)], str: `train`, `val` or `test`, in the data set's order
    statement : how the split came about, in a sentence
    """

    sides: np.ndarray
    statement: str

    def indices(self, side: str) -> np.ndarray:
        """The places of one side's examples, [shape=(n,)], int."""
        return np.flatnonzero(self.sides == side)

    def hash(self, dataset: Dataset) -> str:
        """A stable digest of who stands where: 16 hex digits."""
        pairs = sorted(zip((example.id for example in dataset.examples), self.sides.tolist(), strict=True))
        return hashlib.blake2b(json.dumps(pairs).encode(), digest_size=8).hexdigest()


def make(dataset: Dataset, kind: str, val_fraction: float, test_fraction: float, seed: int) -> tuple[Dataset, Split]:
    """Split a data set; examples that may stand on no side are left out of the data set that comes back.

    Parameters
    ----------
    kind : `official` takes the sides that the data set's own lists give, and what they lack by group;
        `group` ignores them and splits everything by group
    val_fraction, test_fraction : float in (0, 0.5], share of all examples
    seed : int, of the shuffle

    Raises
    ------
    BadInput
        If a class has no training example, or there is nothing to test on.
    """
    official = [example.split for example in dataset.examples]
    if kind == "group" or not any(official):
        made = dataset, by_group(dataset, val_fraction, test_fraction, seed)
    else:
        made = by_lists(dataset, val_fraction, seed)
    check(*made)
    return made


def together(dataset: Dataset, digests: Mapping[str, str]) -> Dataset:
    """The data set with files of equal content in one group, so that no copy stands on another side of a split.

    Parameters
    ----------
    digests : example id → digest of its file's content
    """
    group_of: dict[str, str] = {}
    examples = [
        replace(example, group=group_of.setdefault(digests.get(example.id, example.id), example.group))
        for example in dataset.examples
    ]
    return replace(dataset, examples=tuple(examples))


def by_group(dataset: Dataset, val_fraction: float, test_fraction: float, seed: int) -> Split:
    """Everything split by group, each class spread over the sides as evenly as its groups allow."""
    wanted = {"train": 1 - val_fraction - test_fraction, "val": val_fraction, "test": test_fraction}
    sides = assign(dataset, np.arange(len(dataset.examples)), wanted, seed)
    return Split(sides, f"by group: {val_fraction:.0%} validation, {test_fraction:.0%} test, seed {seed}")


def by_lists(dataset: Dataset, val_fraction: float, seed: int) -> tuple[Dataset, Split]:
    """The data set's own sides. A side `val` without a `test` becomes the test, since what chooses can't judge."""
    sides = np.array([example.split for example in dataset.examples], dtype=object)
    statement = "the data set's own sides"
    if not (sides == "test").any():
        sides[sides == "val"] = "test"
        statement += "; it has no test side, so its validation side is kept for the test"
    if not (sides == "test").any():
        raise BadInput(
            f"{dataset.name} must have files to test on, and its own sides hold none: add a test folder, "
            'or take --set data.split="group".'
        )
    kept, excluded = without_leaks(dataset, sides)
    dataset, sides = dataset.keep(kept, excluded), sides[kept]
    if not (sides == "val").any():
        train = np.flatnonzero(sides == "train")
        sides[train] = assign(dataset, train, {"train": 1 - val_fraction, "val": val_fraction}, seed)
        statement += f"; validation is {val_fraction:.0%} of its training side, by group, seed {seed}"
    return dataset, Split(sides, statement)


def without_leaks(dataset: Dataset, sides: np.ndarray) -> tuple[np.ndarray, list[Excluded]]:
    """Which examples may stay: test keeps its groups, validation what test has not, training what neither has."""
    groups = dataset.groups
    taken = {"test": set(groups[sides == "test"]), "val": set(groups[sides == "val"])}
    kept, excluded = np.ones(len(sides), dtype=bool), []
    for place, (side, group) in enumerate(zip(sides, groups, strict=True)):
        above = {"train": ("test", "val"), "val": ("test",)}.get(side, ())
        reason = next((f"its group {group!r} is also in {other}" for other in above if group in taken[other]), "")
        if side not in SPLITS:
            reason = "on none of the data set's own lists"
        if reason:
            kept[place] = False
            excluded.append(Excluded(dataset.examples[place].id, reason))
    return kept, excluded


def assign(dataset: Dataset, members: np.ndarray, wanted: dict[str, float], seed: int) -> np.ndarray:
    """Spread the groups of `members` over the sides of `wanted`, [shape=(n_members,)], str.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, ECML 2011) by group: the class with the fewest groups
    left goes first, and its largest group goes to the side that lacks that class most. A class with at least as many
    groups as there are sides stands on every side.
    """
    names, group_of = np.unique(dataset.groups[members].astype(str), return_inverse=True)
    counts = np.zeros((len(names), len(dataset.class_names)))
    np.add.at(counts, group_of, np.nan_to_num(dataset.targets()[members]) > 0.5)
    # the shuffle decides between groups of one size, so that another seed gives another split
    counts += np.random.default_rng(seed).uniform(0, 1e-6, (len(names), 1)) * (counts > 0)
    sides = list(wanted)
    lacking = np.outer(list(wanted.values()), counts.sum(axis=0))
    home = np.full(len(names), -1)
    while (home < 0).any():
        group, side = next_group(counts, home, lacking)
        home[group] = side
        lacking[side] -= counts[group]
    return np.array(sides, dtype=object)[home[group_of]]


def next_group(counts: np.ndarray, home: np.ndarray, lacking: np.ndarray) -> tuple[int, int]:
    """The next group and its side.

    Parameters
    ----------
    counts : np.ndarray [shape=(n_groups, n_classes)], examples of each class in each group
    home : np.ndarray [shape=(n_groups,)], int, the side of each group, -1 where none yet
    lacking : np.ndarray [shape=(n_sides, n_classes)], examples that each side still wants
    """
    left = home < 0
    held = ((counts > 0) & left[:, None]).sum(axis=0)
    if not held.any():
        return int(np.flatnonzero(left)[0]), 0  # a group in which no class was found: it can only train
    k = int(np.argmin(np.where(held > 0, held, np.inf)))
    group = int(np.argmax(np.where(left, counts[:, k], -1)))
    standing = home[(home >= 0) & (counts[:, k] > 0)]
    empty = [side for side in range(len(lacking)) if side not in standing]
    if empty and held[k] <= len(empty):
        # the last chance to put this class on every side: training first, then test, then validation
        return group, min(empty, key=(0, 2, 1).index)
    return group, int(np.argmax(lacking[:, k]))


def check(dataset: Dataset, split: Split) -> None:
    """Refuse a split that nothing can be learnt from or judged by, or that has a group on two sides."""
    present = np.nan_to_num(dataset.targets()) > 0.5
    unseen = [
        name
        for name, seen in zip(dataset.class_names, present[split.indices("train")].any(axis=0), strict=True)
        if not seen
    ]
    if unseen:
        raise BadInput(
            f"every class of {dataset.name} must have a training example, and {', '.join(unseen)} has none: add "
            "files, or name fewer groups."
        )
    if not len(split.indices("test")):
        raise BadInput(
            f"{dataset.name} must leave something to test on, and all of its groups are needed for training: "
            "add files of other groups."
        )
    sides_of: dict[str, set[str]] = {}
    for group, side in zip(dataset.groups, split.sides, strict=True):
        sides_of.setdefault(group, set()).add(side)
    crossing = [group for group, sides in sides_of.items() if len(sides) > 1]
    if crossing:
        raise RuntimeError(f"a fault of musicml: groups on two sides: {crossing[:3]}")
