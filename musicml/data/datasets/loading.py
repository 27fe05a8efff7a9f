"""Load datasets by name. Each one is a module of this package, discovered and not registered.

A dataset's module defines `load(root, as_published=False) -> Dataset`. Known errors in a dataset are corrected while it
is loaded, and listed in `Dataset.repairs`; `as_published` keeps them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path

from musicml.data.datasets.base import Dataset, read_source
from musicml.utils import InputError, Message, suggest_names

NOT_DATA = {"base", "examples", "folder", "group_table", "loading", "split_folders"}  # modules that are not datasets
DATASET_NAMES = tuple(
    sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.name not in NOT_DATA)
)

MISSING = Message(
    "Dataset {name} was not found in {real}, nor synthetic in {sample}. Run `musicml fetch {name}` for the real "
    "data, or `musicml fetch --sample` for sample data."
)


def load_dataset(
    name: str, data_root: Path, which: str = "auto", folder: Path | None = None, as_published: bool = False
) -> Dataset:
    """Load the dataset `name`, or the user's own `folder` instead, from disk; nothing is downloaded.

    Parameters
    ----------
    name : one of `DATASET_NAMES`
    data_root : the folder that contains `<name>/` (real) and `sample/<name>/` (synthetic)
    which : `real`, `sample`, or `auto`: real if it exists, otherwise sample
    folder : the user's own folder of class folders, or None
    as_published : whether to keep the dataset's errors, as published systems did

    Raises
    ------
    InputError
        If the dataset is unknown or not on the disk, or if `folder` is combined with `as_published`.
    """
    if folder is not None:
        if as_published:
            raise InputError(
                'data.protocol = "as_published" is only for datasets that musicml repairs, and nothing is repaired '
                'in your own folder {folder}. Use "honest".',
                folder=folder,
            )
        return load_folder(folder)
    if name not in DATASET_NAMES:
        raise InputError(
            "data.dataset = {name!r} is not a known dataset: {hint}", name=name, hint=suggest_names(name, DATASET_NAMES)
        )
    # imported only when needed: a new dataset is a new file
    return importlib.import_module(f"musicml.data.datasets.{name}").load(
        find_dataset_folder(name, data_root, which), as_published
    )


def reload_dataset(data: Mapping, data_root: Path | None = None) -> Dataset:
    """Load the dataset of a run.

    Parameters
    ----------
    data : its description in run.json: `dataset`, `root`, `sample`, `folder`, and `as_published` if known
    data_root : the current folder of the datasets, if they were moved
    """
    folder = Path(data["folder"]) if data["folder"] else None
    which = "sample" if data["sample"] and not folder else "real"  # never switch between real and synthetic data
    as_published = data.get("as_published", False)
    return load_dataset(data["dataset"], Path(data_root or data["root"]), which, folder, as_published)


def find_dataset_folder(name: str, data_root: Path, which: str = "auto") -> Path:
    """Return the folder that `load_dataset` reads for the dataset `name`."""
    real, sample = Path(data_root) / name, Path(data_root) / "sample" / name
    choices = {"auto": [real, sample], "real": [real], "sample": [sample]}
    if which not in choices:
        raise InputError(
            "data = {which!r} is not a kind of data: {hint}", which=which, hint=suggest_names(which, choices)
        )
    for folder in choices[which]:
        if folder.is_dir():
            return folder
    raise InputError(MISSING, name=name, real=real, sample=sample)


def is_sample_data(name: str, data_root: Path, which: str = "auto", folder: Path | None = None) -> bool:
    """Return whether `load_dataset` would read synthetic data; only its SOURCE.json is read."""
    if folder is not None:
        from musicml.data.datasets.folder import is_sample

        return is_sample(Path(folder))
    return name in DATASET_NAMES and bool(read_source(find_dataset_folder(name, data_root, which)).get("sample"))


def load_folder(root: Path) -> Dataset:
    """Load a user's own folder of labeled files; see `musicml.data.datasets.folder`."""
    from musicml.data.datasets import folder

    return folder.load(Path(root))
