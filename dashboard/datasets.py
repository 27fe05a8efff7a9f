"""Load the datasets on this disk, cached for all sessions; never write to them."""

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

LOAD_NUMBERS = itertools.count(1)  # a number for each load, which caches of derived tables use as a key


@dataclass(frozen=True)
class LoadedDataset:
    """Hold a dataset with its examples by name.

    Attributes
    ----------
    examples : id → Example
    number : a new one for each load
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
    folder : the user's own folder, which replaces the named dataset
    root : the folder of all datasets; the dashboard's own by default
    as_published : load the dataset with its known faults"""
    root = root or str(get_data_root())
    path = Path(folder) if folder else find_dataset_folder(name, Path(root), which)
    return _read_dataset(name, which, folder, root, as_published, get_stamp(path, ".", "SOURCE.json"))


@cache_resource(max_entries=8, ttl=60)  # a new file deep inside a folder changes no time stamp that is watched
def _read_dataset(
    name: str, which: str, folder: str | None, root: str, as_published: bool, changed: tuple[float, ...]
) -> LoadedDataset:
    """Load what `open_dataset` returns."""
    dataset = load_dataset(name, Path(root), which, Path(folder) if folder else None, as_published)
    return LoadedDataset(dataset, {example.id: example for example in dataset.examples}, next(LOAD_NUMBERS))


def open_run_dataset(view: RunView) -> LoadedDataset:
    """Return a run's dataset, from its place at training time or from the dashboard's data folder.

    Raises
    ------
    InputError
        If it is in neither place, if the user named neither, or if the data there comes from another source: synthetic
        data has the same file names for every seed.
    """
    data, which = view.info.data, "sample" if view.sample and not view.info.data.folder else "real"
    own_root = functools.partial(open_dataset, data.dataset, which, data.folder, as_published=data.as_published)
    # a run folder may come from a stranger, and its run.json could name any folder of this machine
    if not is_named(data.folder or data.root):
        error = find_unnamed(view)
        if data.folder:
            raise _make_unnamed_error(view)
        try:
            return _check_source(view, own_root())
        except InputError:
            if error:
                raise error from None
            raise
    try:
        return _check_source(view, own_root(root=data.root))
    except InputError:
        return _check_source(view, own_root())


def find_unnamed(view: RunView) -> InputError | None:
    """Return an error if the run's data folder exists but only its run.json names it; else None."""
    place = view.info.data.folder or view.info.data.root
    return None if is_named(place) or not os.path.isdir(place) else _make_unnamed_error(view)


def _make_unnamed_error(view: RunView) -> InputError:
    return InputError(
        "The data of run {one_name} is in a folder that you have not named. To see its files, start the dashboard with "
        "`musicml dashboard --folder {place}`.",
        one_name=view.name,
        place=shlex.quote(make_printable(view.info.data.folder or view.info.data.root)),
    )


def _check_source(view: RunView, found: LoadedDataset) -> LoadedDataset:
    """Return the dataset if it comes from the source that the run names."""
    if dict(found.dataset.source) != view.info.data.source:
        raise InputError(
            "Run {one_name} was trained on other data than the {found_dataset_name} on this disk. Restore its data, or "
            "train again.",
            one_name=view.name,
            found_dataset_name=found.dataset.name,
        )
    return found


def find_file(view: RunView, example: str) -> Path | None:
    """Return the path of a test example's file; None where it is missing. The name is never used as a path."""
    try:
        examples = open_run_dataset(view).examples
        # a replication may split tracks into clips, named `track#clip`: show the whole track
        found = examples.get(example) or examples.get(example.rpartition("#")[0])
    except InputError:
        return None
    return found.path if found and is_viewable(found) else None


def is_viewable(example: Example) -> bool:
    """Return whether a page may show an example's file: it exists, and no link leads outside the data folders."""
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
