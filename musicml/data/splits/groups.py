"""Groups: what a kind of split keeps together, beside what the data set itself says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from musicml.data.datasets import Dataset
from musicml.utils import InputError

NEEDS = {"filtered": "fault-filtered lists", "artist": "an index of artists"}
CURES = {"gtzan": "`musicml fetch gtzan` gets them, or `musicml fetch gtzan --lists DIR` takes yours."}


def check_lists(dataset: Dataset, kind: str) -> None:
    """Refuse a kind of split whose lists the data set lacks; no file has to be read to tell.

    Raises
    ------
    InputError
        If the data set lacks what the kind needs.
    """
    if kind == "filtered" and dataset.as_published:
        raise InputError(
            'data.split = "filtered" must go with data.protocol = "honest", and {dataset_name} is taken as published: '
            "change one.",
            dataset_name=dataset.name,
        )
    if kind in ("filtered", "artist") and kind not in dataset.lists:
        raise InputError(
            'data.split = "{kind}" must go with a data set that has {needs}, and {dataset_name} has none here: {get}',
            kind=kind,
            needs=NEEDS[kind],
            dataset_name=dataset.name,
            get=CURES.get(dataset.name, "take group."),
        )


def regroup(dataset: Dataset, kind: str) -> Dataset:
    """The data set with the groups that a kind of split keeps together; InputError as `check_lists`."""
    check_lists(dataset, kind)
    if not is_ungrouped_split(dataset.as_published, kind):
        return dataset
    first: dict[str, str] = {}
    own = [first.setdefault(dataset.same.get(example.id, example.id), example.id) for example in dataset.examples]
    return replace(
        dataset,
        examples=tuple(replace(example, group=group) for example, group in zip(dataset.examples, own, strict=True)),
    )


def is_ungrouped_split(as_published: bool, kind: str) -> bool:
    """Whether a kind of split puts a group on both sides: `track`, and the one of data taken as it was published."""
    return kind == "track" or as_published and kind == "official"


def group_identical_files(dataset: Dataset, digests: Mapping[str, str]) -> Dataset:
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
    return replace(dataset, examples=tuple(examples), same=dict(digests))


def merge_groups(dataset: Dataset, cluster_of: Mapping[str, str]) -> Dataset:
    """The data set with the groups of files that are alike joined into one.

    Parameters
    ----------
    cluster_of : example id → its cluster (`musicml.data.audit.audit.find_clusters`)
    """
    home: dict[str, str] = {}

    def find(name: str) -> str:
        way = []
        while home.setdefault(name, name) != name:
            way.append(name)
            name = home[name]
        home.update(dict.fromkeys(way, name))  # or a long chain would be walked for every file
        return name

    for example in dataset.examples:
        first, second = sorted(
            (find(f"group {example.group}"), find(f"cluster {cluster_of[example.id]}")), reverse=True
        )
        home[second] = first  # a group gives the name, since it sorts behind a cluster
    examples = tuple(
        replace(example, group=find(f"group {example.group}").removeprefix("group ")) for example in dataset.examples
    )
    return replace(dataset, examples=examples)
