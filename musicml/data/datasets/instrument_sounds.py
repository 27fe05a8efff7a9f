"""Four instruments from sound: guitar, drum, violin, piano; 2,629 training rows and 80 test rows, 44,100 Hz.

Kaggle `soumendraprasad/musical-instruments-sound-dataset`; `Train_submission/Train_submission/*.wav`,
`Test_submission/Test_submission/*.wav`, `Metadata_{Train,Test}.csv` with the columns `FileName,Class`.

The published training table is faulty: all 700 `Sound_Violin` rows name the 700 drum files, and the violin files are in
no row. The repair drops a violin row that names a drum file, and adds the violin files on the disk by the pattern of
their names, except the names of test files. `Sound_Guiatr` in the test table means guitar. A file in several rows
counts once. A group is the piece, the drum kit or the player in a file's name.

As published, every row is an example with its own label. So each drum is a violin as well, and no model can exceed a
macro AUC of 0.909. `Sound_Guiatr` is a class without training examples, and no test score was ever published: those
rows are left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from musicml.data.datasets.base import (
    Dataset,
    Excluded,
    Repair,
    check_classes,
    find_path,
    list_visible_files,
    read_source,
)
from musicml.data.datasets.examples import Example, Examples
from musicml.data.io import AUDIO_SUFFIXES
from musicml.utils import Message, read_csv

CLASSES = {
    "Sound_Guitar": "guitar",
    "Sound_Guiatr": "guitar",  # sic, in the test table
    "Sound_Drum": "drum",
    "Sound_Violin": "violin",
    "Sound_Piano": "piano",
}
LABELS = {label: {label: True} for label in CLASSES.values()}  # one dict for all examples of a class saves memory
MISSPELLED = "Sound_Guiatr"
VIOLIN_BY_NAME = Message("in no row, but its name says violin: added as a violin")
SAME_NAME_AS_TEST = Message("a test file has the same name: not used for training")
VIOLIN = re.compile(r"violin_sound|^vn-ord|_bwv", re.IGNORECASE)  # names of the violin files on the disk
# the piece, kit or player in a file name; a name that matches none of these is a group of its own
GROUPS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"ROOM[-_]room\d+[-_]MUS[-_](?P<piece>[a-z]+)",
        r"(?P<kit>(?:Wave|Real|Techno)Drum\d+)_",
        r"_(?P<lick>Lick\d+)_",
        r"^(?:AR|FS|LP)_(?P<notes>.+)",  # the same notes on three guitars
        r"^(?:slow_)?(?P<tune>[a-z]+_\d+)_\d+BPM$",  # one tune at several tempi, one of them possibly a test file
        r"^(?P<player>Vn-ord)",
        r"_(?P<bwv>bwv\d+)",
        r"^(?P<guitar>G\d+)-\d+",
        r"^(?P<take>\d+-E\d+)-",
        r"^(?P<upload>.+-\d{4,})\s\(\d+\)$",  # one upload, downloaded again
    )
]


@dataclass(frozen=True)
class LabelRow:
    """A usable row of a label table.

    Attributes
    ----------
    file : the file name in the row
    written : the class in the row
    label : the class that this means
    path : the file on the disk
    """

    file: str
    written: str
    label: str
    path: Path


@dataclass(frozen=True)
class SplitTable:
    """The table and the files of one split, before any repair.

    Attributes
    ----------
    split : `train`, `val` or `test`
    table : the name of the table
    rows : the usable rows, in the order of the table
    lost : the other rows, and the reasons
    on_disk : the sound files in its folder, sorted
    """

    split: str
    table: str
    rows: tuple[LabelRow, ...]
    lost: tuple[Excluded, ...]
    on_disk: tuple[Path, ...]

    def group_by_file(self) -> dict[Path, list[LabelRow]]:
        """Return the rows of each file, in the order of the table; files are sorted by name."""
        rows_of: dict[Path, list[LabelRow]] = {}
        for row in self.rows:
            rows_of.setdefault(row.path, []).append(row)
        return {path: rows_of[path] for path in _sort_by_name(rows_of)}

    def list_unlisted(self) -> list[Path]:
        """List the files that are in no row."""
        named = {row.path for row in self.rows}
        return [path for path in self.on_disk if path not in named]

    def get_names(self) -> set[str]:
        """Return every file name of this split in lower case, from its table and from the disk."""
        written = {row.file for row in self.rows} | {item.file for item in self.lost}
        return {name.lower() for name in written | {path.name for path in self.on_disk}}


def _sort_by_name(paths: Iterable[Path]) -> list[Path]:
    """Sort files by name without regard to case."""
    return sorted(paths, key=lambda path: (path.name.lower(), path.name))


def _read_split_table(split: str, folder: Path, table: Path) -> SplitTable:
    """Read the split with sound files in `folder` and a `table` with the columns `FileName,Class`."""
    on_disk = [path for path in list_visible_files(folder) if path.suffix.lower() in AUDIO_SUFFIXES]
    rows, lost = read_rows(table, on_disk)
    return SplitTable(split, table.name, tuple(rows), tuple(lost), tuple(on_disk))


def read_rows(table: Path, on_disk: Iterable[Path]) -> tuple[list[LabelRow], list[Excluded]]:
    """Return the usable rows and the others; case matters only if two file names differ in nothing else."""
    exact = {path.name: path for path in on_disk}
    # reversed: the first of several names wins
    folded = {name.lower(): exact[name] for name in sorted(exact, reverse=True)}
    rows, lost = [], []
    for row in read_csv(table, "FileName", "Class"):
        name, written = row["FileName"], row["Class"]
        path = exact.get(name) or folded.get(name.lower())  # Windows ignores case, Linux does not
        if written not in CLASSES:
            lost.append(Excluded(name, Message("unknown class {written}", written=written)))
        elif path is None:
            lost.append(Excluded(name, Message("in {name} but not on the disk", name=table.name)))
        else:
            rows.append(LabelRow(name, written, CLASSES[written], path))
    return rows, lost


class LoadedRows(NamedTuple):
    """The examples and remarks that result from the rows of both splits."""

    examples: list[Example]
    excluded: list[Excluded]
    repairs: list[Repair]
    notes: list[str]


def load(root: Path, as_published: bool = False) -> Dataset:
    """Load the four instruments from `root`, repaired or as published; see the module's docstring."""
    train, test = (
        _read_split_table(
            name.lower(),
            find_path(root, f"{name}_submission/{name}_submission", f"{name}_submission"),
            find_path(root, f"Metadata_{name}.csv"),
        )
        for name in ("Train", "Test")
    )
    loaded = (_load_as_published if as_published else _load_repaired)(train, test, root)
    dataset = Dataset(
        "instrument_sounds",
        "sound",
        "single",
        "instrument",
        ("drum", "guitar", "piano", "violin"),
        Examples(loaded.examples),
        (*train.lost, *test.lost, *loaded.excluded),
        read_source(root),
        tuple(loaded.notes),
        tuple(loaded.repairs),
        as_published,
        ("official",),
    )
    return check_classes(dataset, root)


def _load_repaired(train: SplitTable, test: SplitTable, root: Path) -> LoadedRows:
    """Load every file once, with its correct label, and no file with the name of a test file in training."""
    labels, repairs = {}, []
    for table in (train, test):
        for path, rows in table.group_by_file().items():
            labels[path], row_repairs = _choose_label(rows, table.table, _get_id(path, root))
            repairs += row_repairs
    violins, test_names = [path for path in train.list_unlisted() if VIOLIN.search(path.name)], test.get_names()
    # the same name in train and test means the same recording
    leaking = {path for path in (*train.group_by_file(), *violins) if path.name.lower() in test_names}
    added = [path for path in violins if path not in leaking]
    labels |= dict.fromkeys(added, "violin")
    repairs += [Repair("taken_from_disk", _get_id(path, root), VIOLIN_BY_NAME) for path in added]
    repairs += [Repair("test_name", _get_id(path, root), SAME_NAME_AS_TEST) for path in _sort_by_name(leaking)]
    training = _sort_by_name([path for path in (*train.group_by_file(), *added) if path not in leaking])
    examples = [_make_example(path, labels[path], "train", root) for path in training]
    examples += [_make_example(path, labels[path], "test", root) for path in test.group_by_file()]
    left = [
        path for path in (*train.list_unlisted(), *test.list_unlisted()) if path not in labels and path not in leaking
    ]
    excluded = [
        Excluded(f"train: {path.name}", Message("a test file has the same name")) for path in _sort_by_name(leaking)
    ]
    return LoadedRows(examples, excluded + _list_unused(left, root), repairs, _list_notes(repairs))


def _choose_label(rows: list[LabelRow], table: str, name: str) -> tuple[str, list[Repair]]:
    """Choose the one label of a file that several `rows` of a table name, and list the corrections."""
    valid = [row for row in rows if row.label != "violin"] or rows  # only violin rows name wrong files
    label, labels = valid[0].label, ", ".join(dict.fromkeys(row.label for row in valid))
    dropped = Message(
        "{table} labels it violin as well as {label}: the violin row is dropped", table=table, label=label
    )
    repairs = [Repair("label_dropped", name, dropped)] * (len(rows) - len(valid))
    if len(valid) > 1:
        words = Message(
            "{n_rows} rows of {table} name it, as {labels}: it counts once, with the label of the first",
            n_rows=len(valid),
            table=table,
            labels=labels,
        )
        repairs.append(Repair("counted_once", name, words))
    for row in valid:
        if row.written == MISSPELLED:
            repairs.append(
                Repair(
                    "class_spelling",
                    name,
                    Message(
                        "{table} labels it {written}: read as {label}", table=table, written=row.written, label=label
                    ),
                )
            )
        if row.file != row.path.name:
            repairs.append(
                Repair(
                    "file_spelling",
                    name,
                    Message("{table} spells it {file}: matched without regard to capitals", table=table, file=row.file),
                )
            )
    return label, repairs


def _list_notes(repairs: list[Repair]) -> list[str]:
    """Count the corrections of each kind."""
    n = Counter(repair.repair for repair in repairs)
    notes = {
        "label_dropped": Message(
            "{label_dropped} violin rows that name files of another class were dropped",
            label_dropped=n["label_dropped"],
        ),
        "taken_from_disk": Message(
            "{taken_from_disk} violin files on the disk were added by their names", taken_from_disk=n["taken_from_disk"]
        ),
        "counted_once": Message(
            "files in several rows, which count once: {counted_once}", counted_once=n["counted_once"]
        ),
        "class_spelling": Message(
            "rows with a misspelled class, which were corrected: {class_spelling}", class_spelling=n["class_spelling"]
        ),
        "file_spelling": Message(
            "rows whose file name differs from the disk in capitals: {file_spelling}", file_spelling=n["file_spelling"]
        ),
        "test_name": Message(
            "files with the name of a test file, which are not used for training: {test_name}", test_name=n["test_name"]
        ),
    }
    return [note for kind, note in notes.items() if n[kind]]


def _load_as_published(train: SplitTable, test: SplitTable, root: Path) -> LoadedRows:
    """Load every row as an example with its own label; files in no row are left out."""
    train_classes = {row.written for row in train.rows}  # as spelled: `Sound_Guiatr` is not `Sound_Guitar`
    unknown = [row for row in test.rows if row.written not in train_classes]
    examples: list[Example] = []
    for table in (train, test):
        for path, rows in table.group_by_file().items():
            known = [row for row in rows if row.written in train_classes]
            examples += _list_row_examples(path, known, table.split, root)
    excluded = [
        Excluded(_get_id(row.path, root), Message("its class {written} is in no training row", written=row.written))
        for row in unknown
    ]
    excluded += _list_unused([*train.list_unlisted(), *test.list_unlisted()], root)
    return LoadedRows(examples, excluded, [], _list_faults(train, test, unknown))


def _list_row_examples(path: Path, rows: list[LabelRow], split: str, root: Path) -> Iterator[Example]:
    """Yield an example per row: `x.wav`, `x.wav#violin` for another label, `x.wav#2` for a repeated row."""
    seen: Counter[str] = Counter()
    for row in rows:
        seen[row.label] += 1
        label = f"#{row.label}" if row.label != rows[0].label else ""
        number = f"#{seen[row.label]}" if seen[row.label] > 1 else ""
        example = _make_example(path, row.label, split, root)
        yield replace(example, id=f"{example.id}{label}{number}", file=example.id)


def _list_faults(train: SplitTable, test: SplitTable, unknown: list[LabelRow]) -> list[str]:
    """Describe the errors that are kept when the data is loaded as published, with counts."""
    classes = ", ".join(sorted({row.written for row in unknown}))
    contradictory = sum(len({row.label for row in rows}) > 1 for rows in train.group_by_file().values())
    same_names = len({path.name.lower() for path in train.group_by_file()} & test.get_names())
    notes = {
        Message("{n} training files have more than one class, as published", n=contradictory): contradictory,
        Message(
            "{n} training files in no row are left out, as published", n=len(train.list_unlisted())
        ): train.list_unlisted(),
        Message(
            "{n} test rows are left out, because no training row has their class ({classes}): no test score was "
            "ever published for this system",
            n=len(unknown),
            classes=classes,
        ): unknown,
        Message(
            "files with the name of a test file that are used for training, as published: {n}", n=same_names
        ): same_names,
    }
    return [note for note, stands in notes.items() if stands]


def _list_unused(paths: Iterable[Path], root: Path) -> list[Excluded]:
    """List files that are in no row, with the reason for excluding them."""
    return [Excluded(_get_id(path, root), Message("in no row of its table")) for path in paths]


def _make_example(path: Path, label: str, split: str, root: Path) -> Example:
    """Make the example of a file."""
    return Example(_get_id(path, root), root, LABELS[label], find_group(path.stem), split)


def _get_id(path: Path, root: Path) -> str:
    """Return the path of a file below the dataset's folder, with forward slashes."""
    return path.relative_to(root).as_posix()


def find_group(stem: str) -> str:
    """Return the piece, kit or player in a file's name, or the name itself.

    >>> find_group("ROOM_room3_MUS_mozart_DEV_lg")
    'mozart'
    """
    for pattern in GROUPS:
        match = pattern.search(stem)
        if match:
            return match.group(1).lower()  # patterns have one group each
    return stem.lower()
