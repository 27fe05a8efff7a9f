"""Find and copy the notebooks of the lessons, and make their data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from musicml.experiment import find_checkout
from musicml.utils import InputError, write_bytes

if TYPE_CHECKING:
    from musicml.data.datasets import Dataset

# share of the synthetic data that lessons use: enough to learn from, generated in seconds
SCALES = {"gtzan": 0.1, "instrument_images": 0.3, "instrument_sounds": 0.2, "openmic": 0.3}
PACKAGE = Path(__file__).parents[1]


def load_data(name: str) -> Dataset:
    """Load the synthetic data that a lesson uses; the first time, generate it in the folder of data.

    Parameters
    ----------
    name : `gtzan`, `instrument_images`, `instrument_sounds` or `openmic`

    Returns
    -------
    Dataset
        Generated, not recorded: what is measured on it says nothing about real music.

    Raises
    ------
    InputError
        If there is no such dataset, or its folder holds other files.
    """
    from musicml.data import generate_sample_data
    from musicml.data.datasets import load_dataset

    root = _get_data_root()
    # data of any size that is there already is used: a lesson does not replace what `musicml fetch --sample` made
    if not (root / "sample" / name).is_dir():
        generate_sample_data(root / "sample", only=[name], scale=SCALES.get(name, 1.0))
    return load_dataset(name, root, "sample")


def find_musicnn() -> bool:
    """Return whether musicnn's weights are in the folder of data; copy them from the checkout's `data` if needed.

    `make install` downloads them there, but the notebooks of a student have a folder of data of their own.
    """
    from musicml.data.download import get_musicnn_path

    path, source = (get_musicnn_path(root, "msd") for root in (_get_data_root(), (find_checkout() or Path()) / "data"))
    if not path.is_file() and source.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, source.read_bytes())
    return path.is_file()


def find_lessons_folder() -> Path:
    """Find the folder of the lessons, which has one folder of notebooks per language."""
    return (find_checkout() or PACKAGE) / "lessons"


def copy_lessons(folder: Path, language: str) -> list[Path]:
    """Copy the notebooks of one language into a folder, and keep those that are already there.

    Parameters
    ----------
    folder : made if needed; notebooks in it may have answers in them, so none is replaced
    language : `en` or `id`

    Returns
    -------
    notebooks : all of them in the folder, in order

    Raises
    ------
    InputError
        If the lessons were not installed.
    """
    source = find_lessons_folder() / language
    notebooks = sorted(source.glob("*.ipynb"))
    if not notebooks:
        raise InputError("Expected notebooks in {folder}, but there is none. Install musicml again.", folder=source)
    for notebook in notebooks:
        if not (folder / notebook.name).exists():
            write_bytes(folder / notebook.name, notebook.read_bytes())
    return [folder / notebook.name for notebook in notebooks]


def _get_data_root() -> Path:
    return Path(os.environ.get("MUSICML_DATA") or "data")
