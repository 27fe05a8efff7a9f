"""Split: who trains, who chooses, who judges. By group, before anything is cut into clips.

    official   the sides that the data set's own lists give; what they lack, by group
    filtered   the same, and nothing else will do: GTZAN's fault-filtered lists
    group      everything by group, whatever the lists say
    artist     by group, where artists are known
    track      every file by itself, which puts an artist on both sides and flatters
    clean      by group, where files that are nearly alike share a group too

Any but the first two can be a cross-validation, in which every file is judged once, by a model that never saw its
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
LIST_SPLITS = ("official", "filtered")  # by the data set's own lists, which are no cross-validation
UNGROUPED = Message("by file, whatever group it is of, which flatters")
DEFAULT_FOLDS = {"artist": 3, "clean": 5}  # of a kind that is a cross-validation unless told otherwise


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


def make_split(
    dataset: Dataset, kind: str, val_fraction: float, test_fraction: float, seed: int
) -> tuple[Dataset, Split]:
    """Split a data set; examples that may stand on no side are left out of the data set that comes back.

    Parameters
    ----------
    kind : one of `SPLIT_KINDS`; `official` takes the sides of the data set's own lists, and is `group` without them
    val_fraction, test_fraction : float in [0, 0.5], share of all examples
    seed : int, of the shuffle

    Raises
    ------
    InputError
        If a class has no training example, there is nothing to test on, or what the kind needs is not known.
    """
    dataset = regroup(dataset, kind)
    if kind in LIST_SPLITS and any(example.split for example in dataset.examples):
        made = split_by_lists(dataset, val_fraction, seed)
    else:
        how = UNGROUPED if is_ungrouped_split(dataset.as_published, kind) else Message("by group")
        made = dataset, split_by_group(dataset, val_fraction, test_fraction, seed, how)
    check_split(*made)
    return made


def make_folds(
    dataset: Dataset, kind: str, n: int, val_fraction: float, seed: int
) -> tuple[Dataset, tuple[Split, ...], Split]:
    """Split a data set for a cross-validation: each example is tested in one of `n` splits.

    Parameters
    ----------
    kind : one of `SPLIT_KINDS` but for `LIST_SPLITS`
    n : int >= 2
    val_fraction : float, share of all examples that chooses, in every split

    Returns
    -------
    dataset : with the groups that the kind asks for
    splits : one a fold
    served : one without a test side, for the model that is served: trained and chosen on everything

    Raises
    ------
    InputError
        As `make_split`, and if the kind knows no folds or there are fewer groups than folds.
    """
    if kind in LIST_SPLITS:
        raise InputError(describe_fixed_split(kind, n))
    dataset = regroup(dataset, kind)
    everyone, n_groups = np.arange(len(dataset.examples)), len(set(dataset.groups))
    if n_groups < n:
        raise InputError(
            "{dataset_name} must have at least {n} groups for {n} folds, and has {n_groups}: take fewer.",
            dataset_name=dataset.name,
            n=n,
            n_groups=n_groups,
        )
    present = find_present(dataset)  # once for all folds, since it takes as long as spreading does
    home = assign(dataset, everyone, {str(k): 1 / n for k in range(n)}, seed, present)
    made = tuple(
        make_fold(
            dataset,
            home == str(k),
            val_fraction,
            seed,
            Message("fold {k} of {n}, {kind}", k=k + 1, n=n, kind=kind),
            present,
        )
        for k in range(n)
    )
    for split in made:
        if not len(split.indices("test")):
            raise InputError(
                "each of {n} folds must have something to test, and the {n_groups} groups of {dataset_name} leave one "
                "without: take fewer folds.",
                n=n,
                n_groups=n_groups,
                dataset_name=dataset.name,
            )
        check_split(dataset, split, present)
    nobody = np.zeros(len(home), dtype=bool)
    served = make_fold(dataset, nobody, val_fraction, seed, Message("{n} folds, {kind}", n=n, kind=kind), present)
    return dataset, made, served


def describe_fixed_split(kind: str, n: int) -> str:
    """The sentence for folds of a split that has none."""
    return Message(
        'data.folds = {n} must go with a split that can be turned, and data.split = "{kind}" is '
        "fixed by the data set's own lists: take group, artist, track or clean.",
        n=n,
        kind=kind,
    )


def make_fold(
    dataset: Dataset, test: np.ndarray, val_fraction: float, seed: int, statement: str, present: np.ndarray
) -> Split:
    """The split whose test side is `test`; of the rest, a share of all examples chooses."""
    sides = np.where(test, "test", "train").astype(object)
    rest = np.flatnonzero(~test)
    share = min(0.5, val_fraction * len(sides) / len(rest))
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
    """Everything split by group, each class spread over the sides as evenly as its groups allow; `how`, in words."""
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


def split_by_lists(dataset: Dataset, val_fraction: float, seed: int) -> tuple[Dataset, Split]:
    """The data set's own sides. A side `val` without a `test` becomes the test, since what chooses can't judge."""
    sides = np.array([example.split for example in dataset.examples], dtype=object)
    statement = [Message("the data set's own sides")]
    if not (sides == "test").any():
        sides[sides == "val"] = "test"
        statement.append(Message("it has no test side, so its validation side is kept for the test"))
    if not (sides == "test").any():
        raise InputError(
            "{dataset_name} must have files to test on, and its own sides hold none: add a test folder, "
            'or take --set data.split="group".',
            dataset_name=dataset.name,
        )
    kept, excluded = drop_leaking_examples(dataset, sides)
    dataset, sides = dataset.keep(kept, excluded), sides[kept]
    if not (sides == "val").any():
        train = np.flatnonzero(sides == "train")
        sides[train] = assign(dataset, train, {"train": 1 - val_fraction, "val": val_fraction}, seed)
        template = Message("validation is {val_fraction:.0%} of its training side, by group, seed {seed}")
        statement.append(Message(template, val_fraction=val_fraction, seed=seed))
    return dataset, Split(sides, join_messages(statement, "; "))


def drop_leaking_examples(dataset: Dataset, sides: np.ndarray) -> tuple[np.ndarray, list[Excluded]]:
    """Which examples may stay: test keeps its groups, validation what test has not, training what neither has."""
    groups = dataset.groups
    taken = {"test": set(groups[sides == "test"]), "val": set(groups[sides == "val"])}
    kept, excluded = np.ones(len(sides), dtype=bool), []
    for place, (side, group) in enumerate(zip(sides, groups, strict=True)):
        above = {"train": ("test", "val"), "val": ("test",)}.get(side, ())
        reason = next(
            (
                Message("its group {group!r} is also in {other}", group=group, other=other)
                for other in above
                if group in taken[other]
            ),
            "",
        )
        if side not in SPLITS:
            reason = Message("on none of the data set's own lists")
        if reason:
            kept[place] = False
            excluded.append(Excluded(dataset.examples[place].id, reason))
    return kept, excluded


def check_split(dataset: Dataset, split: Split, present: np.ndarray | None = None) -> None:
    """Refuse a split that nothing can be learnt from or judged by, or that has a group on two sides.

    Parameters
    ----------
    present : np.ndarray [shape=(n_examples, n_classes)], bool, as `find_present`, where it was found before
    """
    present = find_present(dataset) if present is None else present
    unseen = [
        name
        for name, seen in zip(dataset.class_names, present[split.indices("train")].any(axis=0), strict=True)
        if not seen
    ]
    if unseen:
        raise InputError(
            "every class of {dataset_name} must have a training example, and {unseen} has none: add files that can be "
            "read, of groups that are not in the test.",
            dataset_name=dataset.name,
            unseen=", ".join(unseen),
        )
    if not len(split.indices("test")):
        raise InputError(
            "{dataset_name} must leave something to test on, and all of its groups are needed for training: "
            "add files of other groups.",
            dataset_name=dataset.name,
        )
    side_of: dict[str, str] = {}
    crossing = [
        group
        for group, side in zip(dataset.groups, split.sides, strict=True)
        if side_of.setdefault(group, side) != side
    ]
    if crossing:
        raise RuntimeError(f"a fault of musicml: groups on two sides: {list(dict.fromkeys(crossing))[:3]}")
