"""Anyone's own data: a folder of class folders, pictures or sound.

`root/<class>/*`, or `root/{train,val or valid,test}/<class>/*`; whether it is sound or pictures is told by what most
files are. An optional `root/groups.csv` (`file,group`) keeps what belongs together on one side of a split.
A file is taken by its ending, or by its content where the ending says nothing or something else. Links are followed. A
folder that begins with a dot, or that an operating system left, is not a class.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from musicml.data.datasets.base import KINDS, Dataset, Example, Excluded, check_classes, read_source
from musicml.data.datasets.group_table import GROUPS_FILE, NO_GROUPS, GroupTable, find_group_table, read_group_table
from musicml.data.datasets.split_folders import find_class_folders
from musicml.data.io import Listing, describe_unknown, detect_kind, is_visible, list_files
from musicml.utils import InputError, Message, describe_os_error, drop_invisible, make_readable


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
    kinds = {path: detect_kind(path) for listing in listings for path in listing.files}
    kind = find_main_kind(kinds.values(), root)
    # what is named for the other kind may still be of this one
    taken = [
        [path for path in listing.files if kinds[path] == kind or (kinds[path] and detect_kind(path, kind) == kind)]
        for listing in listings
    ]
    names = [[_name_file(path, root) for path in paths] for paths in taken]
    groups_file = find_group_table(root)
    table = read_group_table(groups_file, [make_readable(name) for inside in names for name in inside])
    groups = table.groups if table else {}
    class_names = name_classes([folder for _, folder in classes])
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
        {"source": Message("own folder"), "sample": is_sample(root)},
        (*(table.notes if table else (NO_GROUPS,)), *_note_capitals(set(class_names))),
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


def name_classes(folders: Sequence[Path]) -> list[str]:
    """Return the class of each folder: its name, or what folders share that differ only in what nobody sees.

    That is their Unicode normalization, spaces around them, and invisible characters.
    """
    names = ["".join(c if c.isprintable() else "?" for c in make_readable(folder.name)) for folder in folders]
    shared = [drop_invisible(unicodedata.normalize("NFC", make_readable(folder.name))).strip() for folder in folders]
    spellings: dict[str, set[str]] = defaultdict(set)
    for folder, one in zip(folders, shared, strict=True):
        spellings[one].add(folder.name)
    return [one if len(spellings[one]) > 1 else name for one, name in zip(shared, names, strict=True)]


def find_main_kind(kinds: Iterable[str | None], root: Path) -> str:
    """Return `sound` or `picture`, whichever most of the files are."""
    counts = Counter(kind for kind in kinds if kind)
    if not counts:
        raise InputError(
            "{root} must hold class folders with sound or picture files, and no such file is there: "
            "put each class's files in a folder named for the class.",
            root=root,
        )
    return counts.most_common(1)[0][0]


def find_unused(root: Path, classes: Sequence[Path]) -> list[Excluded]:
    """Find what lies beside the class folders, and so in no class; groups.csv is no example."""
    homes = {root} | {folder.parent for folder in classes}
    kept = homes | set(classes) | {root / "SOURCE.json"}
    beside = [path for home in sorted(homes) for path in sorted(home.iterdir())]
    unread = [
        path for path in beside if path not in kept and is_visible(path.name) and path.name.lower() != GROUPS_FILE
    ]
    files = [os.path.join(home, name) for path in unread for home, _, names in os.walk(path) for name in sorted(names)]
    files += [str(path) for path in unread if not path.is_dir()]
    return [
        Excluded(
            make_readable(_name_file(path, root)),
            Message("in no class folder") if os.path.exists(path) else Message("a broken link"),
        )
        for path in files
    ]


def _note_capitals(class_names: Collection[str]) -> list[str]:
    """Return a note if classes differ only in capitals: they may be meant as one, or be chords."""
    counts = Counter(name.casefold() for name in class_names)
    alike = sorted(name for name in class_names if counts[name.casefold()] > 1)
    return [Message("classes that differ only in capitals: {alike}", alike=", ".join(alike))] if alike else []


def _list_excluded(
    root: Path, kind: str, listings: Sequence[Listing], taken: Sequence[Sequence[str]], table: GroupTable | None
) -> Iterable[Excluded]:
    """Yield what lies in class folders and is no example, and the rows of groups.csv that name none."""
    for listing, paths in zip(listings, taken, strict=True):
        kept = set(paths)
        others = (path for path in listing.files if path not in kept)
        yield from (Excluded(make_readable(_name_file(path, root)), _explain_content(path, kind)) for path in others)
        yield from (Excluded(make_readable(_name_file(one.path, root)), one.reason) for one in listing.skipped)
    for row in table.unmatched if table else ():
        yield Excluded(
            GROUPS_FILE,
            Message("row {number} names no file, or may mean several: {file}", number=row.number, file=row.file),
        )


def _explain_content(path: str, kind: str) -> str:
    """Return why a file is not taken, with what it is instead."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError as error:
        return Message("it can't be opened ({reason})", reason=describe_os_error(error))
    return (
        Message("not a {kind} file: it {seen}", kind=KINDS[kind], seen=describe_unknown(head))
        if head
        else Message("an empty file")
    )


def _name_file(path: str, root: Path) -> str:
    """Return a path below `root`, with forward slashes; `os.path.relpath` takes ten times as long."""
    outer = "" if root == Path() else os.path.join(root, "")
    return path.removeprefix(outer).replace(os.sep, "/")
