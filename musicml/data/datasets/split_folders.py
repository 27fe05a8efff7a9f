"""Distinguish split folders from class folders, by their names and contents."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from musicml.data.datasets.base import list_names, list_visible_folders
from musicml.utils import InputError

# common names of splits, in English and in Indonesian
SPLIT_WORDS = {
    "train": ("training", "train", "pelatihan", "latihan", "latih", "pembelajaran"),
    "val": ("validation", "validate", "validasi", "valid", "val", "development", "dev"),
    "test": ("testing", "test", "tes", "pengujian", "ujian", "uji"),
}
FILLER_WORDS = (  # words around them that carry no meaning, as in `my_training_data`
    ""
    "dataset|data|subset|set|seg|split|part|images?|imgs?|pictures?|gambar|audios?|sounds?|suara|songs?|lagu|music|musik|clips?|files?|samples?|wavs?|spectrograms?|folder|folds?|my|the|x|new|raw|original|final"
)
MAX_NAMES = 6  # listed in a message


def read_split(name: str) -> str:
    """Return the split that a folder name stands for (`train`, `val`, `test`), or an empty string.

    >>> read_split("Training_Data"), read_split("seg_test"), read_split("trains")
    ('train', 'test', '')
    """
    plain = re.sub(r"[\W\d_]+", "", name.lower())  # letters only
    for split, words in SPLIT_WORDS.items():
        if re.fullmatch(f"(?:{FILLER_WORDS})*(?:{'|'.join(words)})(?:{FILLER_WORDS})*", plain):
            return split
    return ""


def find_class_folders(root: Path) -> list[tuple[str, Path]]:
    """Return each class folder with its split; the split is empty if `root` has no split folders.

    Raises
    ------
    InputError
        If folders may be splits as well as classes, there is no training folder, or all is inside one more folder.
    """
    folders = list_visible_folders(root)
    inner = {folder: list_visible_folders(folder) for folder in folders}
    _check_no_wrapper(root, inner)
    splits = {folder: split for folder, split in read_splits(folders).items() if inner[folder]}
    if "train" in splits.values():
        _check_no_more_splits(root, splits, inner)
        classes = [(split, inside) for folder, split in splits.items() for inside in inner[folder]]
        _check_spelling(classes)
        return classes
    if splits and len(splits) == len(folders):
        names = ", ".join(folder.name for folder in folders)
        raise InputError(
            "Expected a folder train in {root} next to {names}, but there is none. Add it.", root=root, names=names
        )
    _check_no_hidden_splits(root, inner)
    return [("", folder) for folder in folders]


def read_splits(folders: Sequence[Path]) -> dict[Path, str]:
    """Return the split of each folder that is named for one, alone or in a series of names that differ in one word.

    So `gtzan_train` and `gtzan_test` are splits, and so are `train_v2` and `test_v2`.
    """
    splits = {folder: read_split(folder.name) for folder in folders if read_split(folder.name)}
    parsed = {folder: _parse_name(folder.name) for folder in folders if folder not in splits}
    for folder, (split, rest) in parsed.items():
        alike = {other for other, other_rest in parsed.values() if other_rest == rest}
        if split and len(alike) > 1 and "train" in alike:  # `test` alone may be the name of a class
            splits[folder] = split
    return {folder: splits[folder] for folder in folders if folder in splits}


def _parse_name(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the only split word in a name, and the other words."""
    words = re.findall(r"[A-Za-z][a-z]*|\d+", name)
    splits = [read_split(word) for word in words]
    known = [split for split in splits if split]
    rest = tuple(word.lower() for word, split in zip(words, splits, strict=True) if not split)
    return (known[0], rest) if len(known) == 1 else ("", (name,))


def _check_no_wrapper(root: Path, inner: dict[Path, list[Path]]) -> None:
    """Reject a folder whose only subfolder contains the classes, as when an archive was unpacked."""
    only = next(iter(inner), root)
    if len(inner) == 1 and len(inner[only]) > 1 and not read_split(only.name):
        raise InputError(
            "Expected class folders in {root}, but all of them ({names}) are in {only}. Give that folder instead.",
            root=root,
            names=list_names([folder.name for folder in inner[only]], MAX_NAMES),
            only=only,
        )


def _name_classes(folders: Sequence[Path]) -> set[str]:
    """Return the names of class folders, without regard to case and Unicode normalization."""
    return {unicodedata.normalize("NFC", folder.name).casefold() for folder in folders}


def _check_no_more_splits(root: Path, splits: dict[Path, str], inner: dict[Path, list[Path]]) -> None:
    """Reject a folder next to the splits that contains their classes: it is a split with an unknown name."""
    classes = set().union(*(_name_classes(inner[folder]) for folder in splits))
    for folder, inside in inner.items():
        if folder not in splits and inside and _name_classes(inside) <= classes:
            raise InputError(
                "Expected the splits of {root} to be named train, val and test, but {name} contains classes of "
                "{known}. Rename it, or move it away.",
                root=root,
                name=folder.name,
                known=", ".join(split.name for split in splits),
            )


def _check_spelling(classes: Sequence[tuple[str, Path]]) -> None:
    """Reject a class whose name differs in case between splits."""
    first: dict[str, Path] = {}
    for _, folder in classes:
        name = unicodedata.normalize("NFC", folder.name)
        other = first.setdefault(name.casefold(), folder)
        if unicodedata.normalize("NFC", other.name) != name and other.parent != folder.parent:
            raise InputError(
                "Expected the same class name in all splits, but {first} and {second} differ in capitals. Rename "
                "one of them.",
                first=other,
                second=folder,
            )


def _check_no_hidden_splits(root: Path, inner: dict[Path, list[Path]]) -> None:
    """Reject folders with mostly the same subfolders: these may be the classes, and the folders the splits."""
    within = {folder: _name_classes(inside) for folder, inside in inner.items()}
    for one, other in itertools.combinations(within, 2):
        shared = within[one] & within[other]
        if len(shared) < 2 or 2 * len(shared) <= max(len(within[one]), len(within[other])):
            continue
        outer = list_names([folder.name for folder in inner if len(within[folder] & shared) > 1], MAX_NAMES)
        names = [folder.name for folder in inner[one] if _name_classes([folder]) <= shared]
        if all(read_split(name) for name in names):
            raise InputError(
                "Expected split folders above class folders, but in {root} each of {outer} contains {inner}. Put "
                "train above the classes.",
                root=root,
                outer=outer,
                inner=list_names(names, MAX_NAMES),
            )
        raise InputError(
            "Expected a folder for each class, or folders train and test with the same classes in them. In {root} "
            "each of {outer} contains the folders {inner}. If {outer} are splits, rename them to train, val or "
            "test. If they are classes, move the files out of {inner}.",
            root=root,
            outer=outer,
            inner=list_names(names, MAX_NAMES),
        )
