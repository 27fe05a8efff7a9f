"""Four instruments from sound: guitar, drum, violin, piano; 2,629 training rows and 80 test rows, 44,100 Hz.

Kaggle `soumendraprasad/musical-instruments-sound-dataset`; `Train_submission/Train_submission/*.wav`,
`Test_submission/Test_submission/*.wav`, `Metadata_{Train,Test}.csv` with the columns `FileName,Class`.

The published training table is faulty: all 700 `Sound_Violin` rows name the 700 drum files, and the violins on the disk
are in no row. Repaired here: a violin row that names a drum file is dropped, and violins are taken from the disk by the
pattern of their names, never a test name. `Sound_Guiatr` in the test table means guitar. A file that several rows name
counts once. Groups are the piece, the kit or the player that a file's name tells.

As published every row is an example with the label it has: each drum is a violin as well, and so no model can get past
a macro AUC of 0.909. `Sound_Guiatr` is a class that nothing has learnt, by which no test score was ever computed: those
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
    Example,
    Excluded,
    Repair,
    check_classes,
    find_path,
    list_visible_files,
    read_source,
)
from musicml.data.io import AUDIO_SUFFIXES
from musicml.utils import Message, read_csv

CLASSES = {
    "Sound_Guitar": "guitar",
    "Sound_Guiatr": "guitar",
    "Sound_Drum": "drum",
    "Sound_Violin": "violin",
    "Sound_Piano": "piano",
}
LABELS = {label: {label: True} for label in CLASSES.values()}  # one for all examples of a class
MISSPELT = "Sound_Guiatr"
BY_ITS_NAME = Message("no row names it, and its own name says violin: taken as one")
KEPT_OUT = Message("a test file has the same name: it does not train")
VIOLIN = re.compile(r"violin_sound|^vn-ord|_bwv", re.IGNORECASE)
# what a name tells of its piece, kit or player; a name that fits none is a group of its own
GROUPS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"ROOM[-_]room\d+[-_]MUS[-_](?P<piece>[a-z]+)",
        r"(?P<kit>(?:Wave|Real|Techno)Drum\d+)_",
        r"_(?P<lick>Lick\d+)_",
        r"^(?:AR|FS|LP)_(?P<notes>.+)",  # the same notes on three guitars
        r"^(?:slow_)?(?P<tune>[a-z]+_\d+)_\d+BPM$",  # a tune at two or three tempi, one of which may be a test
        r"^(?P<player>Vn-ord)",
        r"_(?P<bwv>bwv\d+)",
        r"^(?P<guitar>G\d+)-\d+",
        r"^(?P<take>\d+-E\d+)-",
        r"^(?P<upload>.+-\d{4,})\s\(\d+\)$",  # one upload, downloaded again
    )
]


@dataclass(frozen=True)
class Row:
    """A row that can be used.

    Attributes
    ----------
    file : the file's name, as the row writes it
    written : its class, as the row writes it
    label : the class that this means
    path : the file on the disk
    """

    file: str
    written: str
    label: str
    path: Path


@dataclass(frozen=True)
class Side:
    """One side as it came.

    Attributes
    ----------
    split : `train`, `val` or `test`
    table : its table's name
    rows : the rows that can be used, in the table's order
    lost : the other rows, and why
    on_disk : the sound files in its folder, sorted
    """

    split: str
    table: str
    rows: tuple[Row, ...]
    lost: tuple[Excluded, ...]
    on_disk: tuple[Path, ...]

    def by_file(self) -> dict[Path, list[Row]]:
        """Each file that is named, sorted, with its rows in the table's order."""
        found: dict[Path, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.path, []).append(row)
        return {path: found[path] for path in in_order(found)}

    def unlisted(self) -> list[Path]:
        """The files that no row names."""
        named = {row.path for row in self.rows}
        return [path for path in self.on_disk if path not in named]

    def names(self) -> set[str]:
        """Every name of this side, in small letters: in its table, on the disk, or both."""
        written = {row.file for row in self.rows} | {item.file for item in self.lost}
        return {name.lower() for name in written | {path.name for path in self.on_disk}}


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Files sorted by name, whatever its capitals."""
    return sorted(paths, key=lambda path: (path.name.lower(), path.name))


def read_side(split: str, folder: Path, table: Path) -> Side:
    """Read the side whose sound files lie in `folder` and whose `table` has the columns `FileName,Class`."""
    on_disk = [path for path in list_visible_files(folder) if path.suffix.lower() in AUDIO_SUFFIXES]
    rows, lost = read_rows(table, on_disk)
    return Side(split, table.name, tuple(rows), tuple(lost), tuple(on_disk))


def read_rows(table: Path, on_disk: Iterable[Path]) -> tuple[list[Row], list[Excluded]]:
    """The rows that can be used, and the others. Capitals count only where two files differ by nothing else."""
    exact = {path.name: path for path in on_disk}
    folded = {name.lower(): exact[name] for name in sorted(exact, reverse=True)}
    rows, lost = [], []
    for row in read_csv(table, "FileName", "Class"):
        name, written = row["FileName"], row["Class"]
        path = exact.get(name) or folded.get(name.lower())
        if written not in CLASSES:
            lost.append(Excluded(name, Message("unknown class {written}", written=written)))
        elif path is None:
            lost.append(Excluded(name, Message("in {name} but not on the disk", name=table.name)))
        else:
            rows.append(Row(name, written, CLASSES[written], path))
    return rows, lost


class Taken(NamedTuple):
    """What becomes of the two sides."""

    examples: list[Example]
    excluded: list[Excluded]
    repairs: list[Repair]
    notes: list[str]


def load(root: Path, as_published: bool = False) -> Dataset:
    """Load the four instruments from `root`, repaired or as published, as the module's docstring says."""
    train, test = (
        read_side(
            name.lower(),
            find_path(root, f"{name}_submission/{name}_submission", f"{name}_submission"),
            find_path(root, f"Metadata_{name}.csv"),
        )
        for name in ("Train", "Test")
    )
    taken = (published if as_published else repaired)(train, test, root)
    dataset = Dataset(
        "instrument_sounds",
        "sound",
        "single",
        "instrument",
        ("drum", "guitar", "piano", "violin"),
        tuple(taken.examples),
        (*train.lost, *test.lost, *taken.excluded),
        read_source(root),
        tuple(taken.notes),
        tuple(taken.repairs),
        as_published,
        ("official",),
    )
    return check_classes(dataset, root)


def repaired(train: Side, test: Side, root: Path) -> Taken:
    """Every file once, with the label that it deserves, and no test name in training."""
    labels, repairs = {}, []
    for side in (train, test):
        for path, rows in side.by_file().items():
            labels[path], mended = judge(rows, side.table, id_of(path, root))
            repairs += mended
    violins, test_names = [path for path in train.unlisted() if VIOLIN.search(path.name)], test.names()
    barred = {path for path in (*train.by_file(), *violins) if path.name.lower() in test_names}
    found = [path for path in violins if path not in barred]
    labels |= dict.fromkeys(found, "violin")
    repairs += [Repair("taken_from_disk", id_of(path, root), BY_ITS_NAME) for path in found]
    repairs += [Repair("test_name", id_of(path, root), KEPT_OUT) for path in in_order(barred)]
    training = in_order([path for path in (*train.by_file(), *found) if path not in barred])
    examples = [example_of(path, labels[path], "train", root) for path in training]
    examples += [example_of(path, labels[path], "test", root) for path in test.by_file()]
    left = [path for path in (*train.unlisted(), *test.unlisted()) if path not in labels and path not in barred]
    excluded = [Excluded(f"train: {path.name}", Message("a test file has the same name")) for path in in_order(barred)]
    return Taken(examples, excluded + unused(left, root), repairs, notes_on(repairs))


def judge(rows: list[Row], table: str, name: str) -> tuple[str, list[Repair]]:
    """The one label of a file that `rows` of a table name, and what had to be mended for it."""
    kept = [row for row in rows if row.label != "violin"] or rows
    label, said = kept[0].label, ", ".join(dict.fromkeys(row.label for row in kept))
    dropped = Message("{table} calls it violin beside {label}: the violin row is dropped", table=table, label=label)
    repairs = [Repair("label_dropped", name, dropped)] * (len(rows) - len(kept))
    if len(kept) > 1:
        words = Message(
            "{n_kept} rows of {table} name it, as {said}: it counts once, as the first of them says",
            n_kept=len(kept),
            table=table,
            said=said,
        )
        repairs.append(Repair("counted_once", name, words))
    for row in kept:
        if row.written == MISSPELT:
            repairs.append(
                Repair(
                    "class_spelling",
                    name,
                    Message(
                        "{table} calls it {written}: read as {label}", table=table, written=row.written, label=label
                    ),
                )
            )
        if row.file != row.path.name:
            repairs.append(
                Repair(
                    "file_spelling",
                    name,
                    Message("{table} writes {file}: found by other capitals", table=table, file=row.file),
                )
            )
    return label, repairs


def notes_on(repairs: list[Repair]) -> list[str]:
    """What was mended, in counts."""
    n = Counter(repair.repair for repair in repairs)
    notes = {
        "label_dropped": Message(
            "{label_dropped} violin rows that name files of another class were dropped",
            label_dropped=n["label_dropped"],
        ),
        "taken_from_disk": Message(
            "{taken_from_disk} violins were taken from the disk by their names", taken_from_disk=n["taken_from_disk"]
        ),
        "counted_once": Message(
            "files that several rows name, and that count once: {counted_once}", counted_once=n["counted_once"]
        ),
        "class_spelling": Message(
            "rows with a misspelt class, read as what they mean: {class_spelling}", class_spelling=n["class_spelling"]
        ),
        "file_spelling": Message(
            "rows that name their file in other capitals than the disk: {file_spelling}",
            file_spelling=n["file_spelling"],
        ),
        "test_name": Message(
            "files with the name of a test file, which do not train: {test_name}", test_name=n["test_name"]
        ),
    }
    return [note for kind, note in notes.items() if n[kind]]


def published(train: Side, test: Side, root: Path) -> Taken:
    """Every row an example with the label that it has, whatever others say; what is in no row is not there."""
    learnt = {row.written for row in train.rows}
    strange = [row for row in test.rows if row.written not in learnt]
    examples: list[Example] = []
    for side in (train, test):
        for path, rows in side.by_file().items():
            examples += as_written(path, [row for row in rows if row.written in learnt], side.split, root)
    excluded = [
        Excluded(id_of(row.path, root), Message("its class {written} is in no training row", written=row.written))
        for row in strange
    ]
    excluded += unused([*train.unlisted(), *test.unlisted()], root)
    return Taken(examples, excluded, [], faults_of(train, test, strange))


def as_written(path: Path, rows: list[Row], split: str, root: Path) -> Iterator[Example]:
    """An example a row: `x.wav` for the first, `x.wav#violin` for another label, `x.wav#2` for the same again."""
    seen: Counter[str] = Counter()
    for row in rows:
        seen[row.label] += 1
        other = f"#{row.label}" if row.label != rows[0].label else ""
        again = f"#{seen[row.label]}" if seen[row.label] > 1 else ""
        example = example_of(path, row.label, split, root)
        yield replace(example, id=f"{example.id}{other}{again}", file=example.id)


def faults_of(train: Side, test: Side, strange: list[Row]) -> list[str]:
    """Which faults stand, in counts."""
    classes = ", ".join(sorted({row.written for row in strange}))
    contradictory = sum(len({row.label for row in rows}) > 1 for rows in train.by_file().values())
    same_names = len({path.name.lower() for path in train.by_file()} & test.names())
    notes = {
        Message("{n} training files stand under more than one class, as published", n=contradictory): contradictory,
        Message(
            "{n} training files that no row names are left out, as published", n=len(train.unlisted())
        ): train.unlisted(),
        Message(
            "{n} test rows are left out, since no training row has their class ({classes}): the published system never "
            "had a test score",
            n=len(strange),
            classes=classes,
        ): strange,
        Message("files with the name of a test file that train, as published: {n}", n=same_names): same_names,
    }
    return [note for note, stands in notes.items() if stands]


def unused(paths: Iterable[Path], root: Path) -> list[Excluded]:
    """Files that no row names, and why they are left out."""
    return [Excluded(id_of(path, root), Message("in no row of its table")) for path in paths]


def example_of(path: Path, label: str, split: str, root: Path) -> Example:
    """The example that a file is."""
    return Example(id_of(path, root), root, LABELS[label], group_of(path.stem), split)


def id_of(path: Path, root: Path) -> str:
    """A file's path below the data set's folder, with forward slashes."""
    return path.relative_to(root).as_posix()


def group_of(stem: str) -> str:
    """The piece, kit or player that a file's name tells, or the name itself.

    >>> group_of("ROOM_room3_MUS_mozart_DEV_lg")
    'mozart'
    """
    for pattern in GROUPS:
        match = pattern.search(stem)
        if match:
            return match.group(1).lower()
    return stem.lower()
