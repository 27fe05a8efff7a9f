"""Choose and merge the groups that a split keeps together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from musicml.data.datasets import Dataset
from musicml.utils import InputError, Message

Name = TypeVar("Name", bound=Hashable)
# kind of split → the list that it needs
REQUIRED_LISTS = {"filtered": Message("fault-filtered lists"), "artist": Message("an index of artists")}
USE_GROUP = Message("Use group.")
HOW_TO_GET = {"gtzan": Message("Run `musicml fetch gtzan`, or give your own with `musicml fetch gtzan --lists DIR`.")}


def check_lists(dataset: Dataset, kind: str) -> None:
    """Check that the dataset has the lists that a kind of split needs, without reading any of its files.

    Raises
    ------
    InputError
        If a list is missing, or the dataset is loaded as published and its lists are not used.
    """
    if kind == "filtered" and dataset.as_published:
        raise InputError(
            'data.split = "filtered" requires data.protocol = "honest", but {dataset_name} is loaded as published. '
            "Change one of them.",
            dataset_name=dataset.name,
        )
    if kind in ("filtered", "artist") and kind not in dataset.lists:
        raise InputError(
            'data.split = "{kind}" requires {needs}, but {dataset_name} has none here. {get}',
            kind=kind,
            needs=REQUIRED_LISTS[kind],
            dataset_name=dataset.name,
            get=HOW_TO_GET.get(dataset.name, USE_GROUP),
        )


def regroup(dataset: Dataset, kind: str) -> Dataset:
    """Return the dataset with the groups that a kind of split keeps together; raise InputError as `check_lists`."""
    check_lists(dataset, kind)
    if not is_ungrouped_split(dataset.as_published, kind):
        return dataset
    first: dict[str, str] = {}  # digest → id of the first file with this content
    own = [first.setdefault(dataset.digests.get(example.id, example.id), example.id) for example in dataset.examples]
    return replace(
        dataset,
        examples=tuple(replace(example, group=group) for example, group in zip(dataset.examples, own, strict=True)),
    )


def is_ungrouped_split(as_published: bool, kind: str) -> bool:
    """Return whether a kind of split ignores groups: `track`, and `official` for data loaded as published."""
    return kind == "track" or as_published and kind == "official"


def group_identical_files(dataset: Dataset, digests: Mapping[str, str]) -> Dataset:
    """Return the dataset with identical files in one group, so that a copy never ends up in another split.

    Parameters
    ----------
    digests : example id → digest of the content of its file
    """
    group_of: dict[str, str] = {}  # digest → group of the first file with this content
    examples = [
        replace(example, group=group_of.setdefault(digests.get(example.id, example.id), example.group))
        for example in dataset.examples
    ]
    return replace(dataset, examples=tuple(examples), digests=dict(digests))


def merge_groups(dataset: Dataset, cluster_of: Mapping[str, str]) -> Dataset:
    """Return the dataset with the groups of near-duplicates merged.

    Parameters
    ----------
    cluster_of : example id → its cluster (`musicml.data.audit.audit.find_clusters`)
    """
    groups = [
        ("group", group) for group in sorted(set(dataset.groups), reverse=True)
    ]  # the first in sorted order gives the name
    links = [(("group", example.group), ("cluster", cluster_of[example.id])) for example in dataset.examples]
    root_of = find_connected([*groups, *(cluster for _, cluster in links)], links)
    names = (root_of[group][1] for group, _ in links)
    examples = (replace(example, group=group) for example, group in zip(dataset.examples, names, strict=True))
    return replace(dataset, examples=tuple(examples))


def find_connected(names: Iterable[Name], links: Iterable[tuple[Name, Name]]) -> dict[Name, Name]:
    """Return for each name the first of `names` in its connected component; `links` are the edges."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    index = {name: n for n, name in enumerate(dict.fromkeys(names))}
    edges = np.array([(index[first], index[second]) for first, second in links], int).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), edges.T), (len(index), len(index)))
    components = connected_components(graph, directed=False)[1].tolist()
    first_name: dict[int, Name] = {}
    return {name: first_name.setdefault(part, name) for name, part in zip(index, components, strict=True)}
