"""Tell folders of splits from folders of classes by their names and by what lies in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from musicml.data.datasets.base import list_visible_folders
from musicml.utils import InputError

# how people name splits, in English and in Indonesian; the longer word first, since the first that fits is taken
WORDS = {
    "train": ("training", "train", "pelatihan", "latihan", "latih"),
    "val": ("validation", "validate", "validasi", "valid", "val", "development", "dev"),
    "test": ("testing", "test", "pengujian", "uji"),
}
FILLER = (
    "dataset|data|subset|set|seg|split|part|images?|imgs?|pictures?|gambar|audios?|sounds?|suara|songs?|lagu|music|musik|"
    "clips?|files?|samples?|wavs?|spectrograms?|folder|folds?|my|the|x|new|raw|original|final"
)
MOST_NAMES = 6  # in a message


def read_side(name: str) -> str:
    """Return the split that a folder's name tells (`train`, `val`, `test`), or nothing.

    >>> read_side("Training_Data"), read_side("seg_test"), read_side("trains")
    ('train', 'test', '')
    """
    plain = re.sub(r"[\W\d_]+", "", name.lower())
    for side, words in WORDS.items():
        if re.fullmatch(f"(?:{FILLER})*(?:{'|'.join(words)})(?:{FILLER})*", plain):
            return side
    return ""


def find_class_folders(root: Path) -> list[tuple[str, Path]]:
    """Return each class folder with its side; the side is empty where `root` has no folders of splits.

    Raises
    ------
    InputError
        If folders may be splits as well as classes, or there is no folder to train on.
    """
    folders = list_visible_folders(root)
    inner = {folder: list_visible_folders(folder) for folder in folders}
    sides = {folder: read_side(folder.name) for folder in folders if inner[folder] and read_side(folder.name)}
    if "train" in sides.values():
        _check_no_more_splits(root, sides, inner)
        return [(side, one) for folder, side in sides.items() for one in inner[folder]]
    if sides and len(sides) == len(folders):
        names = ", ".join(folder.name for folder in folders)
        raise InputError(
            "{root} must have a folder train beside {names}, and has none: add it.", root=root, names=names
        )
    _check_no_hidden_splits(root, inner)
    return [("", folder) for folder in folders]


def _name_classes(folders: Sequence[Path]) -> set[str]:
    """Return the names of class folders, however they are written."""
    return {unicodedata.normalize("NFC", folder.name).casefold() for folder in folders}


def _check_no_more_splits(root: Path, sides: dict[Path, str], inner: dict[Path, list[Path]]) -> None:
    """Refuse a folder beside those of splits that holds the same classes: it is a split whose name says nothing."""
    classes = set().union(*(_name_classes(inner[folder]) for folder in sides))
    for folder, inside in inner.items():
        if folder not in sides and inside and _name_classes(inside) <= classes:
            raise InputError(
                "Expected splits of {root} to be called train, val and test, and {name} holds the same classes as "
                "{known}. Rename it, or move it away.",
                root=root,
                name=folder.name,
                known=", ".join(side.name for side in sides),
            )


def _check_no_hidden_splits(root: Path, inner: dict[Path, list[Path]]) -> None:
    """Refuse folders that all hold the same folders: these may be the classes, and those the splits."""
    within = [_name_classes(inside) for inside in inner.values()]
    if len(within) < 2 or len(within[0]) < 2 or any(names != within[0] for names in within):
        return
    raise InputError(
        "Expected a folder for each class, or folders train and test above the same classes, and in {root} each of "
        "{outer} holds the folders {inner}. If {outer} are splits, rename them to train, val or test; if they are "
        "classes, take the files out of {inner}.",
        root=root,
        outer=_list_names([folder.name for folder in inner]),
        inner=_list_names([folder.name for folder in next(iter(inner.values()))]),
    )


def _list_names(names: Sequence[str]) -> str:
    """Return the first names in a row."""
    return ", ".join([*names[:MOST_NAMES], *["..."] * (len(names) > MOST_NAMES)])
