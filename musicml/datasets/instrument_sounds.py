"""Four instruments from sound: guitar, drum, violin, piano; 2,629 training rows and 80 test rows, 44,100 Hz.

Kaggle `soumendraprasad/musical-instruments-sound-dataset`; `Train_submission/Train_submission/*.wav`,
`Test_submission/Test_submission/*.wav`, `Metadata_{Train,Test}.csv` with the columns `FileName,Class`.

The published training table is faulty: all 700 `Sound_Violin` rows name the 700 drum files, and the violins on the disk
are in no row. Repaired here: a violin row that names a drum file is dropped, and violins are taken from the disk by the
pattern of their names, never a test name. `Sound_Guiatr` in the test table means guitar. A file that several rows name
counts once. Groups are the piece, the kit or the player that a file's name tells.
"""

from __future__ import annotations

import re
from pathlib import Path

from musicml import audio, files
from musicml.datasets.base import Dataset, Example, Excluded, check_classes, find, source_of, visible_files

CLASSES = {
    "Sound_Guitar": "guitar",
    "Sound_Guiatr": "guitar",
    "Sound_Drum": "drum",
    "Sound_Violin": "violin",
    "Sound_Piano": "piano",
}
VIOLIN = re.compile(r"violin_sound|^vn-ord|_bwv", re.IGNORECASE)
# what a name tells of its piece, kit or player; a name that fits none is a group of its own
GROUPS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"ROOM[-_]room\d+[-_]MUS[-_](?P<piece>[a-z]+)",
        r"(?P<kit>(?:Wave|Real|Techno)Drum\d+)_",
        r"_(?P<lick>Lick\d+)_",
        r"^(?P<player>Vn-ord)",
        r"_(?P<bwv>bwv\d+)",
        r"^(?P<guitar>G\d+)-\d+",
        r"^(?P<take>\d+-E\d+)-",
    )
]


def load(root: Path) -> Dataset:
    """Load the four instruments from `root`, repaired as the module's docstring says."""
    folders = {
        side: find(root, f"{name}/{name}", name)
        for side, name in (("train", "Train_submission"), ("test", "Test_submission"))
    }
    on_disk = {
        side: {path.name.lower(): path for path in visible_files(folder) if path.suffix.lower() in audio.SUFFIXES}
        for side, folder in folders.items()
    }
    test, lost_test = listed(find(root, "Metadata_Test.csv"), on_disk["test"])
    train, lost_train = listed(find(root, "Metadata_Train.csv"), on_disk["train"])
    dropped = [name for name, labels in train.items() if len(labels) > 1 and "violin" in labels]
    for name in dropped:
        train[name].remove("violin")
    found = [name for name in sorted(on_disk["train"]) if VIOLIN.search(name) and name not in train]
    train |= {name: ["violin"] for name in found}
    twice = [name for name in train if name in test]
    examples = examples_of(train, "train", on_disk, root, skip=set(twice)) + examples_of(test, "test", on_disk, root)
    notes = (
        f"{len(dropped)} violin rows that name files of another class were dropped",
        f"{len(found)} violins were taken from the disk by their names",
    )
    excluded = lost_train + lost_test + [Excluded(f"train: {name}", "a test file has the same name") for name in twice]
    dataset = Dataset(
        "instrument_sounds",
        "sound",
        "single",
        "instrument",
        ("drum", "guitar", "piano", "violin"),
        tuple(examples),
        tuple(excluded),
        source_of(root),
        notes,
    )
    return check_classes(dataset, root)


def listed(table: Path, on_disk: dict[str, Path]) -> tuple[dict[str, list[str]], list[Excluded]]:
    """File name in lower case → its classes, by the table; and the rows whose file is not on the disk."""
    labels: dict[str, list[str]] = {}
    lost = []
    for row in files.read_csv(table):
        name, label = row["FileName"].lower(), CLASSES.get(row["Class"])
        if label is None:
            lost.append(Excluded(row["FileName"], f"unknown class {row['Class']}"))
        elif name not in on_disk:
            lost.append(Excluded(row["FileName"], f"in {table.name} but not on the disk"))
        elif label not in labels.setdefault(name, []):
            labels[name].append(label)
    return labels, lost


def examples_of(
    labels: dict[str, list[str]],
    side: str,
    on_disk: dict[str, dict[str, Path]],
    root: Path,
    skip: set[str] = frozenset(),
) -> list[Example]:
    """One example a file of one side, sorted by name; a file that still has two classes keeps the first."""
    paths = [(on_disk[side][name], label[0]) for name, label in sorted(labels.items()) if name not in skip]
    return [
        Example(path.relative_to(root).as_posix(), path, {label: True}, group_of(path.stem), side)
        for path, label in paths
    ]


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
