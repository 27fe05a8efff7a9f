"""Load a folder of the user's own: class folders of pictures or sound files.

`root/<class>/*`, or `root/{train,val or valid,test}/<class>/*`; most of the files decide between sound and pictures.
An optional `root/groups.csv` (`file,group`) lists the files that belong together and must stay in one split.
The type of a file is given by its extension, or by its content if the extension is missing or wrong. Links are
followed. Hidden folders and those of the operating system are no classes.
"""

from __future__ import annotations

import itertools
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from musicml.data.datasets.base import KINDS, Dataset, Excluded, check_classes, read_source
from musicml.data.datasets.examples import Example, Examples
from musicml.data.datasets.group_table import GROUPS_FILE, NO_GROUPS, GroupTable, find_group_table, read_group_table
from musicml.data.datasets.split_folders import find_class_folders
from musicml.data.io import Listing, describe_unknown, detect_kind, is_visible, list_files
from musicml.utils import InputError, Message, Texts, describe_os_error, drop_invisible, make_readable


def load(root: Path) -> Dataset:
    """Load the folder `root`.

    Raises
    ------
    InputError
        If the folder is missing, can't be opened, or contains no sound and no pictures, fewer than two classes, or an
        empty class; if splits can't be told from classes, or groups.csv is inconsistent.
    """
    if not root.is_dir():
        raise InputError("Expected a folder with class folders, but {root} does not exist. Check the path.", root=root)
    classes = find_class_folders(root)
    # all folders together, so that a linked folder is listed only once
    listings = list_files([folder for _, folder in classes])
    kinds = [[detect_kind(path) for path in listing.files] for listing in listings]
    kind = _find_main_kind(itertools.chain(*kinds), root)
    used = [_find_used(listing.files, seen, kind) for listing, seen in zip(listings, kinds, strict=True)]
    paths_of_classes = [listing.files.take(mask) for listing, mask in zip(listings, used, strict=True)]
    groups_file = find_group_table(root)
    paths = itertools.chain(*paths_of_classes) if groups_file else ()
    table = read_group_table(groups_file, Texts(make_readable(_name_file(path, root)) for path in paths))
    groups = table.groups if table else {}  # without a table each file is a group of its own
    class_names = _name_classes([folder for _, folder in classes])  # one class may have a folder in each split
    examples = Examples(
        _make_example(_name_file(path, root), root, labels, groups, split)
        for (split, _), labels, class_files in zip(
            classes, [{name: True} for name in class_names], paths_of_classes, strict=True
        )
        for path in class_files
    )
    dataset = Dataset(
        make_readable(root.resolve().name),  # `.` has no name
        kind,
        "single",
        "class",
        tuple(sorted(set(class_names))),  # sorted: the same order of scores on every machine
        examples,
        (
            *_find_unused(root, [folder for _, folder in classes]),
            *_list_excluded(root, kind, listings, used, table),
        ),
        {"source": Message("own folder"), "sample": is_sample(root)},
        (*(table.notes if table else (NO_GROUPS,)), *_note_capitals(set(class_names))),
        lists=("official",) if any(split for split, _ in classes) else (),
    )
    return check_classes(dataset, root)


def _make_example(name: str, root: Path, labels: Mapping[str, bool], groups: Mapping[str, str], split: str) -> Example:
    """Make an example; its id is always printable, even if the name of its file is not."""
    readable = make_readable(name)
    return Example(readable, root, labels, groups.get(readable, readable), split, name if name != readable else "")


def _find_used(files: Texts, kinds: Sequence[str | None], kind: str) -> np.ndarray:
    """Return which files are of a kind, [shape=(n,)], bool."""
    # a file with an extension of the other kind may still have content of this kind
    used = [
        seen == kind or (seen is not None and detect_kind(path, kind) == kind)
        for path, seen in zip(files, kinds, strict=True)
    ]
    return np.array(used, dtype=bool)


def is_sample(root: Path) -> bool:
    """Return whether the folder is part of synthetic data, according to a SOURCE.json above it."""
    return any(bool(read_source(folder).get("sample")) for folder in (root.resolve(), *root.resolve().parents[:4]))


def _name_classes(folders: Sequence[Path]) -> list[str]:
    """Return the class of each folder: its name, or the common spelling of folders with visually identical names.

    Such names differ only in Unicode normalization, surrounding spaces or invisible characters.
    """
    names = ["".join(c if c.isprintable() else "?" for c in make_readable(folder.name)) for folder in folders]
    shared = [drop_invisible(unicodedata.normalize("NFC", make_readable(folder.name))).strip() for folder in folders]
    spellings: dict[str, set[str]] = defaultdict(set)  # common spelling → actual folder names
    for folder, common in zip(folders, shared, strict=True):
        spellings[common].add(folder.name)
    return [common if len(spellings[common]) > 1 else name for common, name in zip(shared, names, strict=True)]


def _find_main_kind(kinds: Iterable[str | None], root: Path) -> str:
    """Return the kind that most of the files have, `sound` or `picture`."""
    counts = Counter(kind for kind in kinds if kind)
    if not counts:
        raise InputError(
            "Expected class folders with sound or picture files in {root}, but found no such file. Put the files "
            "of each class in a folder named after it.",
            root=root,
        )
    return counts.most_common(1)[0][0]  # a stray cover picture does not make music a picture dataset


def _find_unused(root: Path, classes: Sequence[Path]) -> list[Excluded]:
    """List the files that are in no class folder, except groups.csv."""
    parents = {root} | {folder.parent for folder in classes}
    used = parents | set(classes) | {root / "SOURCE.json"}
    siblings = [path for parent in sorted(parents) for path in sorted(parent.iterdir())]
    unused = [
        path for path in siblings if path not in used and is_visible(path.name) and path.name.lower() != GROUPS_FILE
    ]
    files = [os.path.join(top, name) for path in unused for top, _, names in os.walk(path) for name in sorted(names)]
    files += [str(path) for path in unused if not path.is_dir()]
    return [
        Excluded(
            make_readable(_name_file(path, root)),
            Message("not in a class folder") if os.path.exists(path) else Message("a broken link"),
        )
        for path in files
    ]


def _note_capitals(class_names: Collection[str]) -> list[str]:
    """Return a note if class names differ only in case: they may be one class, or chords such as `A` and `a`."""
    counts = Counter(name.casefold() for name in class_names)
    alike = sorted(name for name in class_names if counts[name.casefold()] > 1)
    return [Message("classes whose names differ only in capitals: {alike}", alike=", ".join(alike))] if alike else []


def _list_excluded(
    root: Path,
    kind: str,
    listings: Sequence[Listing],
    used: Sequence[np.ndarray],
    table: GroupTable | None,
) -> Iterable[Excluded]:
    """Yield the files in class folders that are no examples, and the rows of groups.csv that match no file."""
    for listing, mask in zip(listings, used, strict=True):
        others = listing.files.take(~mask)
        yield from (Excluded(make_readable(_name_file(path, root)), _explain_content(path, kind)) for path in others)
        yield from (Excluded(make_readable(_name_file(item.path, root)), item.reason) for item in listing.skipped)
    for row in table.unmatched if table else ():
        yield Excluded(
            GROUPS_FILE, Message("row {number} matches no file, or several: {file}", number=row.number, file=row.file)
        )


def _explain_content(path: str, kind: str) -> str:
    """Explain why a file is not an example, with its actual type."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)  # enough for every signature
    except OSError as error:
        return Message("it cannot be opened ({reason})", reason=describe_os_error(error))
    return (
        Message("not a {kind} file: it {seen}", kind=KINDS[kind], seen=describe_unknown(head))
        if head
        else Message("an empty file")
    )


def _name_file(path: str, root: Path) -> str:
    """Return a path relative to `root`, with forward slashes; `os.path.relpath` takes ten times as long."""
    prefix = "" if root == Path() else os.path.join(root, "")
    return path.removeprefix(prefix).replace(os.sep, "/")
