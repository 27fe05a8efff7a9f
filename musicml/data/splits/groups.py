"""Groups: what a kind of split keeps together, beside what the data set itself says."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from musicml.data.datasets import Dataset
from musicml.utils import InputError, Message

Name = TypeVar("Name", bound=Hashable)
NEEDS = {"filtered": Message("fault-filtered lists"), "artist": Message("an index of artists")}
CURES = {"gtzan": Message("`musicml fetch gtzan` gets them, or `musicml fetch gtzan --lists DIR` takes yours.")}


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
            get=CURES.get(dataset.name, Message("take group.")),
        )


def regroup(dataset: Dataset, kind: str) -> Dataset:
    """The data set with the groups that a kind of split keeps together; InputError as `check_lists`."""
    check_lists(dataset, kind)
    if not is_ungrouped_split(dataset.as_published, kind):
        return dataset
    first: dict[str, str] = {}
    own = [first.setdefault(dataset.digests.get(example.id, example.id), example.id) for example in dataset.examples]
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
    return replace(dataset, examples=tuple(examples), digests=dict(digests))


def merge_groups(dataset: Dataset, cluster_of: Mapping[str, str]) -> Dataset:
    """The data set with the groups of files that are alike joined into one.

    Parameters
    ----------
    cluster_of : example id → its cluster (`musicml.data.audit.audit.find_clusters`)
    """
    groups = [("group", group) for group in sorted(set(dataset.groups), reverse=True)]  # the first gives the name
    links = [(("group", example.group), ("cluster", cluster_of[example.id])) for example in dataset.examples]
    home = find_connected([*groups, *(cluster for _, cluster in links)], links)
    named = (home[group][1] for group, _ in links)
    examples = (replace(example, group=group) for example, group in zip(dataset.examples, named, strict=True))
    return replace(dataset, examples=tuple(examples))


def find_connected(names: Iterable[Name], links: Iterable[tuple[Name, Name]]) -> dict[Name, Name]:
    """Name → the first of `names` that links lead to from it; itself where none does."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    place = {name: n for n, name in enumerate(dict.fromkeys(names))}
    ends = np.array([(place[one], place[other]) for one, other in links], int).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), ends.T), (len(place), len(place)))
    parts = connected_components(graph, directed=False)[1].tolist()
    first: dict[int, Name] = {}
    return {name: first.setdefault(part, name) for name, part in zip(place, parts, strict=True)}
