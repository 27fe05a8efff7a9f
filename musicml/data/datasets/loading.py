"""The data sets: one file each, found by its name, not registered.

A data set's module has `load(root, as_published=False) -> Dataset`; whatever module of this package has one is a data
set. What is wrong with a data set is mended as it is loaded, and listed in `Dataset.repairs`; `as_published` leaves it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path

from musicml.data.datasets.base import Dataset, read_source
from musicml.utils import InputError, Message, suggest_names

NOT_DATA = {"base", "folder", "group_table", "loading", "split_folders"}
DATASET_NAMES = tuple(
    sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.name not in NOT_DATA)
)

MISSING = Message(
    "{name} must be in {real} (or, generated, in {sample}), and neither folder is there: "
    "`musicml fetch --sample` makes sample data, `musicml fetch {name}` brings the real data."
)


def load_dataset(
    name: str, data_root: Path, which: str = "auto", folder: Path | None = None, as_published: bool = False
) -> Dataset:
    """Load the data set `name`, or the folder `folder` in its place, from disk; nothing is fetched.

    Parameters
    ----------
    name : one of `DATASET_NAMES`
    data_root : the folder that holds `<name>/` (real) and `sample/<name>/` (generated)
    which : `real`, `sample`, or `auto`: real where it is there, else sample
    folder : anyone's own folder of class folders, or None
    as_published : whether to take the data set with its faults, as published systems took it

    Raises
    ------
    InputError
        If there is no such data set, or it is not on the disk; or if one's own folder shall be as published.
    """
    if folder is not None:
        if as_published:
            raise InputError(
                'data.protocol = "as_published" must go with a data set that musicml repairs, and {folder} is a '
                'folder of your own, in which nothing is repaired: take "honest".',
                folder=folder,
            )
        return load_folder(folder)
    if name not in DATASET_NAMES:
        raise InputError(
            "data.dataset = {name!r} must be a data set that musicml knows: {hint}",
            name=name,
            hint=suggest_names(name, DATASET_NAMES),
        )
    return importlib.import_module(f"musicml.data.datasets.{name}").load(
        find_dataset_folder(name, data_root, which), as_published
    )


def reload_dataset(data: Mapping, data_root: Path | None = None) -> Dataset:
    """The data set that a run was made from.

    Parameters
    ----------
    data : what run.json says of it: `dataset`, `root`, `sample`, `folder`, and `as_published` where it is known
    data_root : where it is now, if it was moved
    """
    folder = Path(data["folder"]) if data["folder"] else None
    which = "sample" if data["sample"] and not folder else "real"
    as_published = data.get("as_published", False)
    return load_dataset(data["dataset"], Path(data_root or data["root"]), which, folder, as_published)


def find_dataset_folder(name: str, data_root: Path, which: str = "auto") -> Path:
    """The folder that `load` reads for the data set `name`."""
    real, sample = Path(data_root) / name, Path(data_root) / "sample" / name
    choices = {"auto": [real, sample], "real": [real], "sample": [sample]}
    if which not in choices:
        raise InputError(
            "data = {which!r} must be a kind of data: {hint}", which=which, hint=suggest_names(which, choices)
        )
    for folder in choices[which]:
        if folder.is_dir():
            return folder
    raise InputError(MISSING, name=name, real=real, sample=sample)


def is_sample_data(name: str, data_root: Path, which: str = "auto", folder: Path | None = None) -> bool:
    """Return whether `load_dataset` would read generated data; no more than its SOURCE.json is read."""
    if folder is not None:
        from musicml.data.datasets.folder import is_sample

        return is_sample(Path(folder))
    return name in DATASET_NAMES and bool(read_source(find_dataset_folder(name, data_root, which)).get("sample"))


def load_folder(root: Path) -> Dataset:
    """Load anyone's own folder of labelled files; see `musicml.data.datasets.folder`."""
    from musicml.data.datasets import folder

    return folder.load(Path(root))
