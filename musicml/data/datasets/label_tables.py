"""Tables that name files and their classes, held against what is on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from musicml.data.datasets.base import Excluded, list_visible_files
from musicml.data.io import AUDIO_SUFFIXES
from musicml.utils import read_csv


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


def read_side(split: str, folder: Path, table: Path, classes: Mapping[str, str]) -> Side:
    """Read the side whose sound files lie in `folder` and whose `table` has the columns `FileName,Class`.

    Parameters
    ----------
    classes : class, as a row may write it → the class that this means
    """
    on_disk = [path for path in list_visible_files(folder) if path.suffix.lower() in AUDIO_SUFFIXES]
    rows, lost = read_rows(table, on_disk, classes)
    return Side(split, table.name, tuple(rows), tuple(lost), tuple(on_disk))


def read_rows(table: Path, on_disk: Iterable[Path], classes: Mapping[str, str]) -> tuple[list[Row], list[Excluded]]:
    """The rows that can be used, and the others. Capitals count only where two files differ by nothing else."""
    exact = {path.name: path for path in on_disk}
    folded = {name.lower(): exact[name] for name in sorted(exact, reverse=True)}
    rows, lost = [], []
    for row in read_csv(table, "FileName", "Class"):
        name, written = row["FileName"], row["Class"]
        path = exact.get(name) or folded.get(name.lower())
        if written not in classes:
            lost.append(Excluded(name, f"unknown class {written}"))
        elif path is None:
            lost.append(Excluded(name, f"in {table.name} but not on the disk"))
        else:
            rows.append(Row(name, written, classes[written], path))
    return rows, lost
