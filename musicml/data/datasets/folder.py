"""Anyone's own data: a folder of class folders, pictures or sound.

`root/<class>/*`, or `root/{train,val or valid,test}/<class>/*`; whether it is sound or pictures is told by what most
files are. An optional `root/groups.csv` (`file,group`) keeps what belongs together on one side of a split.
A folder that begins with a dot is not a class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from musicml.data.datasets.base import (
    Dataset,
    Example,
    Excluded,
    check_classes,
    list_visible_files,
    list_visible_folders,
    read_source,
)
from musicml.data.io import AUDIO_SUFFIXES, IMAGE_SUFFIXES
from musicml.utils import InputError, read_csv

SIDES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def load(root: Path) -> Dataset:
    """Load the folder `root`.

    Raises
    ------
    InputError
        If the folder is missing, holds no sound and no pictures, fewer than two classes, or an empty class.
    """
    if not root.is_dir():
        raise InputError(
            "a folder of class folders must be there to be read, and {root} is not: check the path.", root=root
        )
    classes = list(class_folders(root))
    kind = kind_of((path for _, folder in classes for path in list_visible_files(folder)), root)
    suffixes = AUDIO_SUFFIXES if kind == "sound" else IMAGE_SUFFIXES
    groups = read_groups(root / "groups.csv")
    examples, excluded = [], unused(root, {folder for _, folder in classes})
    for side, folder in classes:
        labels = {folder.name: True}  # one for all in the folder
        for path in list_visible_files(folder):
            name = path.relative_to(root).as_posix()
            if path.suffix.lower() in suffixes:
                examples.append(Example(name, root, labels, groups.get(name, name), side))
            else:
                excluded.append(Excluded(name, f"not a {kind} file by its ending"))
    if groups and examples and not any(example.id in groups for example in examples):
        raise InputError(
            "groups.csv must name files as they lie below {root}, such as {examples_id}, and names none of them "
            "(its first is {next}): mend its column file.",
            root=root,
            examples_id=examples[0].id,
            next=next(iter(groups)),
        )
    names = tuple(sorted({folder.name for _, folder in classes}))
    dataset = Dataset(
        root.resolve().name,
        kind,
        "single",
        "class",
        names,
        tuple(examples),
        tuple(excluded),
        {"source": "own folder", "sample": is_sample(root)},
        notes_on(groups, examples),
        lists=("official",) if any(side for side, _ in classes) else (),
    )
    return check_classes(dataset, root)


def is_sample(root: Path) -> bool:
    """Whether the folder lies in generated data, which says so in a SOURCE.json above it."""
    return any(bool(read_source(home).get("sample")) for home in (root.resolve(), *root.resolve().parents[:4]))


def class_folders(root: Path) -> list[tuple[str, Path]]:
    """Each class folder with its side; the side is empty where `root` has no `train` folder."""
    folders = list_visible_folders(root)
    sides = [(SIDES[folder.name.lower()], folder) for folder in folders if folder.name.lower() in SIDES]
    if "train" in dict(sides):
        return [(side, folder) for side, home in sides for folder in list_visible_folders(home)]
    if sides and len(sides) == len(folders):
        names = ", ".join(folder.name for folder in folders)
        raise InputError(
            "{root} must have a folder train beside {names}, and has none: add it.", root=root, names=names
        )
    return [("", folder) for folder in folders]


def unused(root: Path, classes: set[Path]) -> list[Excluded]:
    """The folders and files beside the class folders, which are in no class; groups.csv is no example."""
    homes = {root} | {folder.parent for folder in classes}
    beside = [path for home in sorted(homes) for path in sorted(home.iterdir())]
    kept = homes | classes | {root / "groups.csv", root / "SOURCE.json"}
    return [
        Excluded(path.relative_to(root).as_posix(), "in no class folder")
        for path in beside
        if path not in kept and not path.name.startswith(".")
    ]


def kind_of(paths: Iterable[Path], root: Path) -> str:
    """`sound` or `picture`, whichever most of the files are."""
    endings = Counter(
        "sound" if path.suffix.lower() in AUDIO_SUFFIXES else "picture"
        for path in paths
        if path.suffix.lower() in AUDIO_SUFFIXES | IMAGE_SUFFIXES
    )
    if not endings:
        raise InputError(
            "{root} must hold class folders with sound or picture files, and no such file is there: "
            "put each class's files in a folder named for the class.",
            root=root,
        )
    return endings.most_common(1)[0][0]


def read_groups(path: Path) -> dict[str, str]:
    """File → group, from a CSV with the columns `file` and `group`; nothing where there is no such file."""
    if not path.is_file():
        return {}
    return {row["file"]: row["group"] for row in read_csv(path, "file", "group") if row["group"]}


def notes_on(groups: dict[str, str], examples: list[Example]) -> tuple[str, ...]:
    """What groups.csv did, in words."""
    if not groups:
        return ("no groups.csv: every file is taken to be independent of every other",)
    named = sum(example.id in groups for example in examples)
    return (f"groups.csv puts {named} of {len(examples)} files into {len(set(groups.values()))} groups",)
