"""Split a dataset into train, val and test by group, before tracks are cut into clips.

    official   the splits in the dataset's own lists; what they lack is assigned by group
    filtered   the same for GTZAN's fault-filtered lists, which must exist
    group      by group, whatever the lists say
    artist     by group, for data with known artists
    track      by file, so that an artist can be in train and test; results are too optimistic
    clean      by group, after merging the groups of near-duplicates

All but the first two can be a cross-validation: every file is tested once, by a model that was not trained on its
group.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from musicml.data.datasets import SPLITS, Dataset, Excluded
from musicml.data.splits.assign import assign, find_present
from musicml.data.splits.groups import is_ungrouped_split, regroup
from musicml.utils import InputError, Message, join_messages

SPLIT_KINDS = ("official", "filtered", "group", "artist", "track", "clean")
LIST_SPLITS = ("official", "filtered")  # fixed by the dataset's own lists, so no cross-validation
UNGROUPED = Message("by file, ignoring groups, which makes results too optimistic")
DEFAULT_FOLDS = {"artist": 3, "clean": 5}  # cross-validations by default


@dataclass(frozen=True)
class Split:
    """The split of each example.

    Attributes
    ----------
    sides : np.ndarray [shape=(n_examples,)], str: `train`, `val` or `test`, in the dataset's order
    statement : how the split was made, in a sentence
    """

    sides: np.ndarray
    statement: str

    def indices(self, split: str) -> np.ndarray:
        """Return the indices of the examples in a split, [shape=(n,)], int."""
        return np.flatnonzero(self.sides == split)

    def hash(self, dataset: Dataset) -> str:
        """Compute a stable digest of which example is in which split: 16 hex digits."""
        digest, names = hashlib.blake2b(b"[", digest_size=8), dataset.examples.ids
        for n, row in enumerate(names.sort_rows()):  # the JSON of all pairs, one at a time
            digest.update(f"{', ' if n else ''}{json.dumps([names[row], self.sides[row]])}".encode())
        digest.update(b"]")
        return digest.hexdigest()


def make_split(
    dataset: Dataset, kind: str, val_fraction: float, test_fraction: float, seed: int
) -> tuple[Dataset, Split]:
    """Split a dataset; the returned dataset lacks the examples that may be in no split.

    Parameters
    ----------
    kind : one of `SPLIT_KINDS`; `official` uses the dataset's own lists, and is the same as `group` without them
    val_fraction, test_fraction : float in [0, 0.5], shares of all examples
    seed : int, for shuffling

    Raises
    ------
    InputError
        If a class has no training example, the test split is empty, or a list for this kind is missing.
    """
    dataset = regroup(dataset, kind)
    if kind in LIST_SPLITS and any(dataset.examples.splits):
        result = _split_by_lists(dataset, val_fraction, seed)
    else:
        how = UNGROUPED if is_ungrouped_split(dataset.as_published, kind) else Message("by group")
        result = dataset, split_by_group(dataset, val_fraction, test_fraction, seed, how)
    check_split(*result)
    return result


def make_folds(
    dataset: Dataset, kind: str, n: int, val_fraction: float, seed: int
) -> tuple[Dataset, tuple[Split, ...], Split]:
    """Split a dataset for cross-validation: each example is tested in exactly one of `n` splits.

    Parameters
    ----------
    kind : one of `SPLIT_KINDS`, except `LIST_SPLITS`
    n : int >= 2
    val_fraction : float, share of all examples used for validation in every split

    Returns
    -------
    dataset : with the groups of this kind of split
    splits : one per fold
    served : a split without a test set, for the final model, which is trained on all data

    Raises
    ------
    InputError
        As `make_split`, and if this kind has no folds or there are fewer groups than folds.
    """
    if kind in LIST_SPLITS:
        raise InputError(describe_fixed_split(kind, n))
    dataset = regroup(dataset, kind)
    members, n_groups = np.arange(len(dataset.examples)), len(set(dataset.groups))
    if n_groups < n:  # a group can't be divided between folds
        raise InputError(
            "Expected at least {n} groups in {dataset_name} for {n} folds, got {n_groups}. Use fewer folds.",
            dataset_name=dataset.name,
            n=n,
            n_groups=n_groups,
        )
    present = find_present(dataset)  # once for all folds, since it takes as long as the assignment
    fold_of = assign(dataset, members, {str(k): 1 / n for k in range(n)}, seed, present)
    splits = tuple(
        _make_fold(
            dataset,
            fold_of == str(k),
            val_fraction,
            seed,
            Message("fold {k} of {n}, {kind}", k=k + 1, n=n, kind=kind),
            present,
        )
        for k in range(n)
    )
    for split in splits:
        if not len(split.indices("test")):
            raise InputError(
                "Expected test data in each of {n} folds, but with the {n_groups} groups of {dataset_name} one "
                "stays empty. Use fewer folds.",
                n=n,
                n_groups=n_groups,
                dataset_name=dataset.name,
            )
        check_split(dataset, split, present)
    no_test = np.zeros(len(fold_of), dtype=bool)
    served = _make_fold(dataset, no_test, val_fraction, seed, Message("{n} folds, {kind}", n=n, kind=kind), present)
    return dataset, splits, served


def describe_fixed_split(kind: str, n: int) -> str:
    """Return the error message for a cross-validation with a split that is fixed by lists."""
    return Message(
        'data.folds = {n} requires a split that can be repeated, but data.split = "{kind}" is fixed by the '
        "dataset's own lists. Use group, artist, track or clean.",
        n=n,
        kind=kind,
    )


def _make_fold(
    dataset: Dataset, test: np.ndarray, val_fraction: float, seed: int, statement: str, present: np.ndarray
) -> Split:
    """Make the split with the examples of the mask `test` for testing, and a share of all examples for validation."""
    sides = np.where(test, "test", "train").astype(object)
    rest = np.flatnonzero(~test)  # what is not tested is used for training and validation
    share = min(0.5, val_fraction * len(sides) / len(rest))  # a share of all examples, taken from the rest
    sides[rest] = assign(dataset, rest, {"train": 1 - share, "val": share}, seed, present)
    return Split(
        sides,
        Message(
            "{statement}: {val_fraction:.0%} validation, seed {seed}",
            statement=statement,
            val_fraction=val_fraction,
            seed=seed,
        ),
    )


def split_by_group(
    dataset: Dataset, val_fraction: float, test_fraction: float, seed: int, how: str = Message("by group")
) -> Split:
    """Split all examples by group, each class as evenly as its groups allow; `how` begins the statement."""
    wanted = {"train": 1 - val_fraction - test_fraction, "val": val_fraction, "test": test_fraction}
    sides = assign(dataset, np.arange(len(dataset.examples)), wanted, seed)
    return Split(
        sides,
        Message(
            "{how}: {val_fraction:.0%} validation, {test_fraction:.0%} test, seed {seed}",
            how=how,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            seed=seed,
        ),
    )


def _split_by_lists(dataset: Dataset, val_fraction: float, seed: int) -> tuple[Dataset, Split]:
    """Split by the dataset's own lists; without a test list, the val list is used for testing."""
    sides = dataset.examples.splits
    statement = [Message("the dataset's own splits")]
    if not (sides == "test").any():
        sides[sides == "val"] = "test"  # a split used to choose the model can't test it
        statement.append(Message("it has no test split, so its validation split is used for testing"))
    if not (sides == "test").any():
        raise InputError(
            "Expected files to test on in {dataset_name}, but its own splits have none. Add a test folder, or use "
            '--set data.split="group".',
            dataset_name=dataset.name,
        )
    keep, excluded = _find_leaking_examples(dataset, sides)
    dataset, sides = dataset.keep(keep, excluded), sides[keep]
    if not (sides == "val").any():
        train = np.flatnonzero(sides == "train")
        sides[train] = assign(dataset, train, {"train": 1 - val_fraction, "val": val_fraction}, seed)
        template = Message("validation is {val_fraction:.0%} of its training split, by group, seed {seed}")
        statement.append(Message(template, val_fraction=val_fraction, seed=seed))
    return dataset, Split(sides, join_messages(statement, "; "))


def _find_leaking_examples(dataset: Dataset, sides: np.ndarray) -> tuple[np.ndarray, list[Excluded]]:
    """Return which examples to keep: a group in test is removed from val and train, a group in val from train."""
    groups = dataset.groups
    groups_of = {"test": set(groups[sides == "test"]), "val": set(groups[sides == "val"])}
    keep, excluded = np.ones(len(sides), dtype=bool), []  # test is never reduced: results stay comparable
    for index, (split, group) in enumerate(zip(sides, groups, strict=True)):
        others = {"train": ("test", "val"), "val": ("test",)}.get(split, ())
        reason = next(
            (
                Message("its group {group!r} is also in {other}", group=group, other=other)
                for other in others
                if group in groups_of[other]
            ),
            "",
        )
        if split not in SPLITS:
            reason = Message("in none of the dataset's own lists")
        if reason:
            keep[index] = False
            excluded.append(Excluded(dataset.examples.ids[index], reason))
    return keep, excluded


def check_split(dataset: Dataset, split: Split, present: np.ndarray | None = None) -> None:
    """Reject a split that cannot be trained on or tested on, or that has a group in two splits.

    Parameters
    ----------
    present : np.ndarray [shape=(n_examples, n_classes)], bool, from `find_present`, if already computed
    """
    present = find_present(dataset) if present is None else present
    unseen = [
        name
        for name, seen in zip(dataset.class_names, present[split.indices("train")].any(axis=0), strict=True)
        if not seen
    ]
    if unseen:
        raise InputError(
            "Expected a training example of every class of {dataset_name}, but there is none of {unseen}. Add "
            "readable files, of groups that are not in the test split.",
            dataset_name=dataset.name,
            unseen=", ".join(unseen),
        )
    if not len(split.indices("test")):
        raise InputError(
            "Expected test data in {dataset_name}, but all its groups are needed for training. Add files of other "
            "groups.",
            dataset_name=dataset.name,
        )
    # the guarantee of this package, checked once more
    n_groups, group_of = dataset.examples.assign_group_numbers()
    n_splits = np.zeros(n_groups, dtype=int)
    for name in set(split.sides):
        n_splits[np.unique(group_of[split.sides == name])] += 1
    crossing = set(dataset.groups[(n_splits > 1)[group_of]]) if (n_splits > 1).any() else ()
    if crossing:
        raise RuntimeError(f"bug in musicml: groups in two splits: {sorted(crossing)[:3]}")
