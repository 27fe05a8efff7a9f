"""Anyone's own data: a folder of class folders, pictures or sound.

`root/<class>/*`, or `root/{train,val or valid,test}/<class>/*`; whether it is sound or pictures is told by what most
files are. An optional `root/groups.csv` (`file,group`) keeps what belongs together on one side of a split.
A file is taken by its ending, or by its content where the ending says nothing or something else. Links are followed. A
folder that begins with a dot, or that an operating system left, is not a class.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from musicml.data.datasets.base import Dataset, Example, Excluded, check_classes, read_source
from musicml.data.datasets.group_table import GROUPS_FILE, GroupTable, read_group_table
from musicml.data.datasets.split_folders import find_class_folders
from musicml.data.io import Listing, detect_kind, is_of_kind, is_visible, list_files
from musicml.utils import InputError, make_readable


def load(root: Path) -> Dataset:
    """Load the folder `root`.

    Raises
    ------
    InputError
        If the folder is missing or can't be opened, holds no sound and no pictures, fewer than two classes, or an
        empty class; if splits can't be told from classes, or groups.csv contradicts itself.
    """
    if not root.is_dir():
        raise InputError(
            "a folder of class folders must be there to be read, and {root} is not: check the path.", root=root
        )
    classes = find_class_folders(root)
    listings = list_files([folder for _, folder in classes])
    kind = detect_main_kind((path for listing in listings for path in listing.files), root)
    taken = [[path for path in listing.files if is_of_kind(path, kind)] for listing in listings]
    names = [[_name_file(path, root) for path in paths] for paths in taken]
    table = read_group_table(root / GROUPS_FILE, [make_readable(name) for inside in names for name in inside])
    groups = table.groups if table else {}
    class_names = [unicodedata.normalize("NFC", make_readable(folder.name)) for _, folder in classes]
    examples = [
        _make_example(name, root, labels, groups, side)
        for (side, _), labels, inside in zip(classes, [{name: True} for name in class_names], names, strict=True)
        for name in inside
    ]
    dataset = Dataset(
        make_readable(root.resolve().name),
        kind,
        "single",
        "class",
        tuple(sorted(set(class_names))),
        tuple(examples),
        (*find_unused(root, [folder for _, folder in classes]), *_list_excluded(root, kind, listings, taken, table)),
        {"source": "own folder", "sample": is_sample(root)},
        table.notes if table else ("no groups.csv: every file is taken to be independent of every other",),
        lists=("official",) if any(side for side, _ in classes) else (),
    )
    return check_classes(dataset, root)


def _make_example(name: str, root: Path, labels: Mapping[str, bool], groups: Mapping[str, str], side: str) -> Example:
    """Return an example, whose id can be written anywhere even if its file's name can't."""
    readable = make_readable(name)
    return Example(readable, root, labels, groups.get(readable, readable), side, name if name != readable else "")


def is_sample(root: Path) -> bool:
    """Whether the folder lies in generated data, which says so in a SOURCE.json above it."""
    return any(bool(read_source(home).get("sample")) for home in (root.resolve(), *root.resolve().parents[:4]))


def detect_main_kind(paths: Iterable[str], root: Path) -> str:
    """Return `sound` or `picture`, whichever most of the files are."""
    kinds = Counter(kind for kind in map(detect_kind, paths) if kind)
    if not kinds:
        raise InputError(
            "{root} must hold class folders with sound or picture files, and no such file is there: "
            "put each class's files in a folder named for the class.",
            root=root,
        )
    return kinds.most_common(1)[0][0]


def find_unused(root: Path, classes: Sequence[Path]) -> list[Excluded]:
    """Find what lies beside the class folders, and so in no class; groups.csv is no example."""
    homes = {root} | {folder.parent for folder in classes}
    kept = homes | set(classes) | {root / GROUPS_FILE, root / "SOURCE.json"}
    beside = [path for home in sorted(homes) for path in sorted(home.iterdir())]
    return [
        Excluded(make_readable(_name_file(str(path), root)), _explain_unused(path))
        for path in beside
        if path not in kept and is_visible(path.name)
    ]


def _explain_unused(path: Path) -> str:
    """Return why a path beside the class folders is not read; of a folder, how many files that are."""
    if not path.is_dir():
        return "in no class folder"
    return f"in no class folder: {sum(len(names) for _, _, names in os.walk(path))} files"


def _list_excluded(
    root: Path, kind: str, listings: Sequence[Listing], taken: Sequence[Sequence[str]], table: GroupTable | None
) -> Iterable[Excluded]:
    """Yield what lies in class folders and is no example, and the rows of groups.csv that name none."""
    for listing, paths in zip(listings, taken, strict=True):
        kept = set(paths)
        others = (path for path in listing.files if path not in kept)
        yield from (
            Excluded(make_readable(_name_file(path, root)), f"not a {kind} file by its content") for path in others
        )
        yield from (Excluded(make_readable(_name_file(one.path, root)), one.reason) for one in listing.skipped)
    for row in table.unmatched if table else ():
        yield Excluded(GROUPS_FILE, f"row {row.number} names no file: {row.file}")


def _name_file(path: str, root: Path) -> str:
    """Return a path below `root`, with forward slashes; `os.path.relpath` takes ten times as long."""
    outer = "" if root == Path() else os.path.join(root, "")
    return path.removeprefix(outer).replace(os.sep, "/")
