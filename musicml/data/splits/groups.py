"""Choose and merge the groups that a split keeps together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from musicml.data.datasets import Dataset, Examples
from musicml.utils import InputError, Message, TextMap, Texts

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
    examples = dataset.examples.separate_groups()
    return replace(dataset, examples=examples.share_groups(_find_first(examples, dataset.digests)))


def is_ungrouped_split(as_published: bool, kind: str) -> bool:
    """Return whether a kind of split ignores groups: `track`, and `official` for data loaded as published."""
    return kind == "track" or as_published and kind == "official"


def group_identical_files(dataset: Dataset, digests: Mapping[str, str]) -> Dataset:
    """Return the dataset with identical files in one group, so that a copy never ends up in another split.

    Parameters
    ----------
    digests : example id → digest of the content of its file
    """
    examples = dataset.examples.share_groups(_find_first(dataset.examples, digests))
    return replace(dataset, examples=examples, digests=digests)


def _find_first(examples: Examples, digests: Mapping[str, str]) -> np.ndarray:
    """Return for each example the row of the first one with the same content, [shape=(n,)], int."""
    if isinstance(digests, TextMap) and digests.names is examples.ids:  # no need to look up each of them
        return digests.texts.find_first()
    return Texts(digests.get(name, name) for name in examples.ids).find_first()


def merge_groups(dataset: Dataset, cluster_of: Mapping[str, str]) -> Dataset:
    """Return the dataset with the groups of near-duplicates merged.

    Parameters
    ----------
    cluster_of : example id → its cluster (`musicml.data.audit.audit.find_clusters`)
    """
    groups = [
        ("group", group) for group in sorted(set(dataset.groups), reverse=True)
    ]  # the first in sorted order gives the name
    links = [
        (("group", group), ("cluster", cluster_of[name]))
        for name, group in zip(dataset.examples.ids, dataset.groups, strict=True)
    ]
    root_of = find_connected([*groups, *(cluster for _, cluster in links)], links)
    return replace(dataset, examples=dataset.examples.replace_groups(root_of[group][1] for group, _ in links))


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
