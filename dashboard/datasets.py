"""Load the datasets on this disk, once for all sessions; nothing is ever written."""

from __future__ import annotations

import functools
import itertools
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dashboard.caching import cache_resource
from dashboard.runs import RunView, get_data_root, get_stamp
from musicml.data.datasets import DATASET_NAMES, Dataset, Example, find_dataset_folder, load_dataset
from musicml.experiment import is_named
from musicml.utils import InputError, make_printable

READINGS = itertools.count(1)


@dataclass(frozen=True)
class LoadedDataset:
    """Hold a dataset with its examples by name.

    Attributes
    ----------
    examples : id → Example
    number : tells one reading from another
    """

    dataset: Dataset
    examples: Mapping[str, Example]
    number: int = 0


def open_dataset(
    name: str, which: str = "auto", folder: str | None = None, root: str | None = None, as_published: bool = False
) -> LoadedDataset:
    """Return a dataset from the disk.

    Parameters
    ----------
    name : one of `loading.DATASET_NAMES`
    which : `real`, `sample` or `auto`
    folder : anyone's own folder in its place
    root : the folder of all data sets; the dashboard's own by default
    as_published : whether it is taken with its faults"""
    root = root or str(get_data_root())
    home = Path(folder) if folder else find_dataset_folder(name, Path(root), which)
    return _read_dataset(name, which, folder, root, as_published, get_stamp(home, ".", "SOURCE.json"))


@cache_resource(max_entries=8, ttl=60)
def _read_dataset(
    name: str, which: str, folder: str | None, root: str, as_published: bool, changed: tuple[float, ...]
) -> LoadedDataset:
    """Load what `open_dataset` returns."""
    dataset = load_dataset(name, Path(root), which, Path(folder) if folder else None, as_published)
    return LoadedDataset(dataset, {example.id: example for example in dataset.examples}, next(READINGS))


def open_run_dataset(one: RunView) -> LoadedDataset:
    """Return a run's dataset, from its place at training time or from the dashboard's data folder.

    Raises
    ------
    InputError
        If it is in neither place, the user named neither, or what lies there is from another source: generated data
        has the same names whatever its seed.
    """
    data, which = one.info.data, "sample" if one.sample and not one.info.data.folder else "real"
    own_root = functools.partial(open_dataset, data.dataset, which, data.folder, as_published=data.as_published)
    if not is_named(data.folder or data.root):  # a run folder may come from anyone, and name any folder of this machine
        trouble = find_unnamed(one)
        if data.folder:
            raise _make_unnamed_error(one)
        try:
            return _check_source(one, own_root())
        except InputError:
            if trouble:
                raise trouble from None
            raise
    try:
        return _check_source(one, own_root(root=data.root))
    except InputError:
        return _check_source(one, own_root())


def find_unnamed(one: RunView) -> InputError | None:
    """Return the error about a run's folder of data that is there, and that only its run.json names; else None."""
    place = one.info.data.folder or one.info.data.root
    return None if is_named(place) or not os.path.isdir(place) else _make_unnamed_error(one)


def _make_unnamed_error(one: RunView) -> InputError:
    return InputError(
        "The data of run {one_name} lies in a folder that you have not named: to see its files, start the dashboard "
        "with `musicml dashboard --folder {place}`.",
        one_name=one.name,
        place=shlex.quote(make_printable(one.info.data.folder or one.info.data.root)),
    )


def _check_source(one: RunView, found: LoadedDataset) -> LoadedDataset:
    """Return the dataset if it comes from the source that the run names."""
    if dict(found.dataset.source) != one.info.data.source:
        raise InputError(
            "run {one_name} was made from other data than is there now under the name {found_dataset_name}: put its "
            "own back, or train again.",
            one_name=one.name,
            found_dataset_name=found.dataset.name,
        )
    return found


def find_file(one: RunView, example: str) -> Path | None:
    """Return the path of a test example's file; None where it is missing. The name is never used as a path."""
    try:
        examples = open_run_dataset(one).examples
        # of a piece of a track, which a replay deals out one by one, the whole track
        found = examples.get(example) or examples.get(example.rpartition("#")[0])
    except InputError:
        return None
    return found.path if found and is_viewable(found) else None


def is_viewable(example: Example) -> bool:
    """Return whether a page may show an example's file: it is there, and no link leads out of the data's folders."""
    return example.path.is_file() and example.is_inside(get_data_root())


def list_datasets() -> list[tuple[str, str]]:
    """List the datasets on this disk: (name, `real` or `sample`)."""
    found = []
    for name in DATASET_NAMES:
        for which in ("real", "sample"):
            try:
                find_dataset_folder(name, get_data_root(), which)
            except InputError:
                continue
            found.append((name, which))
    return found
