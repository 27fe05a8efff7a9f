"""Tell folders of splits from folders of classes by their names and by what lies in them."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from musicml.data.datasets.base import list_names, list_visible_folders
from musicml.utils import InputError

# how people name splits, in English and in Indonesian
WORDS = {
    "train": ("training", "train", "pelatihan", "latihan", "latih", "pembelajaran"),
    "val": ("validation", "validate", "validasi", "valid", "val", "development", "dev"),
    "test": ("testing", "test", "tes", "pengujian", "ujian", "uji"),
}
FILLER = (
    ""
    "dataset|data|subset|set|seg|split|part|images?|imgs?|pictures?|gambar|audios?|sounds?|suara|songs?|lagu|music|musik|clips?|files?|samples?|wavs?|spectrograms?|folder|folds?|my|the|x|new|raw|original|final"
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
        If folders may be splits as well as classes, there is no folder to train on, or all lies in one folder more.
    """
    folders = list_visible_folders(root)
    inner = {folder: list_visible_folders(folder) for folder in folders}
    _check_no_wrapper(root, inner)
    sides = {folder: side for folder, side in read_sides(folders).items() if inner[folder]}
    if "train" in sides.values():
        _check_no_more_splits(root, sides, inner)
        classes = [(side, one) for folder, side in sides.items() for one in inner[folder]]
        _check_spelling(classes)
        return classes
    if sides and len(sides) == len(folders):
        names = ", ".join(folder.name for folder in folders)
        raise InputError(
            "{root} must have a folder train beside {names}, and has none: add it.", root=root, names=names
        )
    _check_no_hidden_splits(root, inner)
    return [("", folder) for folder in folders]


def read_sides(folders: Sequence[Path]) -> dict[Path, str]:
    """Return the split of each folder whose name tells one: by itself, or as one of several names with one word apart.

    So `gtzan_train` and `gtzan_test` are splits, and so are `train_v2` and `test_v2`.
    """
    sides = {folder: read_side(folder.name) for folder in folders if read_side(folder.name)}
    apart = {folder: _take_apart(folder.name) for folder in folders if folder not in sides}
    for folder, (side, rest) in apart.items():
        alike = {one for one, others in apart.values() if others == rest}
        if side and len(alike) > 1 and "train" in alike:
            sides[folder] = side
    return {folder: sides[folder] for folder in folders if folder in sides}


def _take_apart(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the split that the one such word in a name tells, and the name's other words."""
    words = re.findall(r"[A-Za-z][a-z]*|\d+", name)
    sides = [read_side(word) for word in words]
    told = [side for side in sides if side]
    rest = tuple(word.lower() for word, side in zip(words, sides, strict=True) if not side)
    return (told[0], rest) if len(told) == 1 else ("", (name,))


def _check_no_wrapper(root: Path, inner: dict[Path, list[Path]]) -> None:
    """Refuse a folder whose only folder holds the classes, as archives are unpacked."""
    only = next(iter(inner), root)
    if len(inner) == 1 and len(inner[only]) > 1 and not read_side(only.name):
        raise InputError(
            "Expected class folders in {root}, and all of them ({names}) lie in {only}. Name that folder instead.",
            root=root,
            names=list_names([folder.name for folder in inner[only]], MOST_NAMES),
            only=only,
        )


def _name_classes(folders: Sequence[Path]) -> set[str]:
    """Return the names of class folders, however they are written."""
    return {unicodedata.normalize("NFC", folder.name).casefold() for folder in folders}


def _check_no_more_splits(root: Path, sides: dict[Path, str], inner: dict[Path, list[Path]]) -> None:
    """Refuse a folder beside those of splits that holds their classes: it is a split whose name says nothing."""
    classes = set().union(*(_name_classes(inner[folder]) for folder in sides))
    for folder, inside in inner.items():
        if folder not in sides and inside and _name_classes(inside) <= classes:
            raise InputError(
                "Expected splits of {root} to be called train, val and test, and {name} holds classes of {known}. "
                "Rename it, or move it away.",
                root=root,
                name=folder.name,
                known=", ".join(side.name for side in sides),
            )


def _check_spelling(classes: Sequence[tuple[str, Path]]) -> None:
    """Refuse a class that is written in other capitals in another split."""
    first: dict[str, Path] = {}
    for _, folder in classes:
        name = unicodedata.normalize("NFC", folder.name)
        other = first.setdefault(name.casefold(), folder)
        if unicodedata.normalize("NFC", other.name) != name and other.parent != folder.parent:
            raise InputError(
                "Expected a class to have one name in all splits, and {first} and {second} differ in capitals. Rename "
                "one of them.",
                first=other,
                second=folder,
            )


def _check_no_hidden_splits(root: Path, inner: dict[Path, list[Path]]) -> None:
    """Refuse folders that hold mostly the same folders: these may be the classes, and those the splits."""
    within = {folder: _name_classes(inside) for folder, inside in inner.items()}
    for one, other in itertools.combinations(within, 2):
        shared = within[one] & within[other]
        if len(shared) < 2 or 2 * len(shared) <= max(len(within[one]), len(within[other])):
            continue
        outer = list_names([folder.name for folder in inner if len(within[folder] & shared) > 1], MOST_NAMES)
        names = [folder.name for folder in inner[one] if _name_classes([folder]) <= shared]
        if all(read_side(name) for name in names):
            raise InputError(
                "Expected the folders of splits above those of classes, and in {root} each of {outer} holds {inner}. "
                "Put train above the classes.",
                root=root,
                outer=outer,
                inner=list_names(names, MOST_NAMES),
            )
        raise InputError(
            "Expected a folder for each class, or folders train and test above the same classes, and in {root} each of "
            "{outer} holds the folders {inner}. If {outer} are splits, rename them to train, val or test; if they are "
            "classes, take the files out of {inner}.",
            root=root,
            outer=outer,
            inner=list_names(names, MOST_NAMES),
        )
