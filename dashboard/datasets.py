"""Data sets on this disk, each with its examples by name, read once for all sessions; nothing is ever written."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from dashboard.runs import Entry, data_root, stamp
from musicml.data.datasets import DATASET_NAMES, Dataset, Example, find_dataset_folder, load_dataset
from musicml.utils import InputError

READINGS = itertools.count(1)


@dataclass(frozen=True)
class Shelf:
    """A data set with its examples by name.

    Attributes
    ----------
    examples : id → Example
    number : tells one reading from another
    """

    dataset: Dataset
    examples: Mapping[str, Example]
    number: int = 0


def shelf(
    name: str, which: str = "auto", folder: str | None = None, root: str | None = None, as_published: bool = False
) -> Shelf:
    """A data set from the disk.

    Parameters
    ----------
    name : one of `datasets.NAMES`
    which : `real`, `sample` or `auto`
    folder : anyone's own folder in its place
    root : the folder of all data sets; the dashboard's own by default
    as_published : whether it is taken with its faults

    Raises
    ------
    InputError
        If it is not there.
    """
    root = root or str(data_root())
    home = Path(folder) if folder else find_dataset_folder(name, Path(root), which)
    return read_shelf(name, which, folder, root, as_published, stamp(home, ".", "SOURCE.json"))


@st.cache_resource(max_entries=8, ttl=60, show_spinner=False)
def read_shelf(
    name: str, which: str, folder: str | None, root: str, as_published: bool, changed: tuple[float, ...]
) -> Shelf:
    """As `shelf`."""
    dataset = load_dataset(name, Path(root), which, Path(folder) if folder else None, as_published)
    return Shelf(dataset, {example.id: example for example in dataset.examples}, next(READINGS))


def shelf_of(one: Entry) -> Shelf:
    """The data set that a run was made from, where it was then, or else where the dashboard's data sets are.

    Raises
    ------
    InputError
        If it is in neither place, or what lies there is from another source: generated data has the same names
        whatever its seed.
    """
    data, which = one.data, "sample" if one.sample and not one.data.folder else "real"
    try:
        return checked(one, shelf(data.dataset, which, data.folder, data.root, data.as_published))
    except InputError:
        return checked(one, shelf(data.dataset, which, data.folder, None, data.as_published))


def checked(one: Entry, found: Shelf) -> Shelf:
    """The data set, if it comes from the source that the run names."""
    if dict(found.dataset.source) != one.data.source:
        raise InputError(
            "run {one_name} was made from other data than is there now under the name {found_dataset_name}: put its "
            "own back, or train again.",
            one_name=one.name,
            found_dataset_name=found.dataset.name,
        )
    return found


def file_of(one: Entry, example: str) -> Path | None:
    """Where a test example's file lies; None where its data is gone. Its name is looked up, never used as a path."""
    try:
        examples = shelf_of(one).examples
        # of a piece of a track, which a replay deals out one by one, the whole track
        found = examples.get(example) or examples.get(example.rpartition("#")[0])
    except InputError:
        return None
    return found.path if found and found.path.is_file() else None


def present() -> list[tuple[str, str]]:
    """The data sets on this disk: (name, `real` or `sample`)."""
    found = []
    for name in DATASET_NAMES:
        for which in ("real", "sample"):
            try:
                find_dataset_folder(name, data_root(), which)
            except InputError:
                continue
            found.append((name, which))
    return found
