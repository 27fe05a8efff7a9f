"""Match the rows of a groups.csv with files, whatever program wrote the file names."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from musicml.utils import InputError, Message, drop_invisible, make_printable, read_csv

GROUPS_FILE = "groups.csv"  # next to the class folders
NO_GROUPS = Message("no groups.csv: every file is treated as independent of the others")
MAX_PARTS = 8  # of a path in a cell that are compared


class Row(NamedTuple):
    """A row of groups.csv; the first row below the header has number 2."""

    number: int
    file: str
    group: str


@dataclass(frozen=True)
class GroupTable:
    """The content of a groups.csv, matched with the files.

    Attributes
    ----------
    groups : example id → group
    unmatched : rows that match no file, or several
    without : ids of files in no row
    """

    groups: dict[str, str]
    unmatched: tuple[Row, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for anyone who reads a result that depends on these groups."""
        n, n_groups = len(self.groups) + len(self.without), len(set(self.groups.values()))
        notes = [
            Message(
                "groups.csv assigns {n_grouped} of {n} files to {n_groups} groups",
                n_grouped=len(self.groups),
                n=n,
                n_groups=n_groups,
            )
        ]
        if self.unmatched:
            first = self.unmatched[0]
            notes.append(
                Message(
                    "rows of groups.csv that match no file, or several: {n_unmatched}, the first {file!r}",
                    n_unmatched=len(self.unmatched),
                    file=first.file,
                )
            )
        if self.without:
            notes.append(
                Message(
                    "files in no row of groups.csv, each in a group of its own: {n_without}, the first {without}",
                    n_without=len(self.without),
                    without=self.without[0],
                )
            )
        return tuple(notes)


def find_group_table(root: Path) -> Path | None:
    """Return the group table of a folder, whatever the case of its name; None if there is none.

    Raises
    ------
    InputError
        If there is none, but a file that was probably meant to be one.
    """
    names = sorted(path.name for path in root.iterdir() if path.is_file())
    tables = [name for name in names if name.lower() == GROUPS_FILE]  # also Groups.csv
    similar = [name for name in names if re.fullmatch(r"groups\b.*\.(csv|tsv|txt|xlsx?|ods)", name.lower())]
    if similar and not tables:
        raise InputError(
            "Expected the group table to be named groups.csv, but {root} contains {name}. Save it as groups.csv, "
            "or move it away.",
            root=root,
            name=similar[0],
        )
    return root / tables[0] if tables else None


def read_group_table(path: Path | None, ids: Sequence[str]) -> GroupTable | None:
    """Read the group of each file from a CSV with the columns `file` and `group`.

    File names are compared without regard to case, Unicode normalization, the kind of slash, surrounding spaces,
    leading zeros of numbers, and folders above the data's own.

    Parameters
    ----------
    ids : of the examples: paths below the data's folder

    Returns
    -------
    GroupTable, or None if `path` is None

    Raises
    ------
    InputError
        If a column is missing, a file is in two groups, no row names a file or has a group, or a row has extra cells or
        a line break in a cell.
    """
    if path is None:
        return None
    cells = [_check_row(row, number) for number, row in enumerate(read_csv(path, "file", "group"), start=2)]
    rows = [row for row in cells if row.group.strip()]  # an empty group: the file stays independent
    if not rows:
        raise InputError(
            "Expected a group for each file in {path}, but its column group is empty. Fill it in, or move the "
            "table away.",
            path=path,
        )
    rows_of = _match_rows(rows, ids)
    matched = {row.number for file_rows in rows_of.values() for row in file_rows}
    unmatched = [row for row in rows if row.number not in matched]
    if ids and not rows_of:
        raise InputError(
            "Expected paths below {root} in groups.csv, such as {example}, but none of them matches a file (the "
            "first is {first}). Correct its column file.",
            root=path.parent,
            example=ids[0],
            first=rows[0].file,
        )
    spelling: dict[str, str] = {}  # normalized group → its first spelling
    for name, file_rows in rows_of.items():
        _check_one_group(name, file_rows)
    groups = {
        name: spelling.setdefault(_normalize_group(file_rows[0].group), file_rows[0].group)
        for name, file_rows in rows_of.items()
    }
    return GroupTable(groups, tuple(unmatched), tuple(name for name in ids if name not in rows_of))


def _check_row(row: Mapping[Any, Any], number: int) -> Row:
    """Return a row with its number, after checking that it has no extra cells and no line breaks in a cell."""
    extra = [cell for cell in row.get(None) or () if cell.strip()]  # csv.DictReader puts extra cells under None
    cells = (row["file"] or "", row["group"] or "")
    if extra or any("\n" in cell.strip() or "\r" in cell.strip() for cell in cells):
        raise InputError(
            "Expected one file and one group in each row of groups.csv, but row {number} has more: {cells}. Put "
            "quotes around a cell with a comma in it, and close all quotes.",
            number=number,
            cells=", ".join(make_printable(cell) for cell in (*cells, *extra)),
        )
    return Row(number, *cells)


def _match_rows(rows: Sequence[Row], ids: Sequence[str]) -> dict[str, list[Row]]:
    """Return the rows of each file: the rows that match it exactly, or else those that match it loosely."""
    exact: dict[str, list[Row]] = defaultdict(list)
    loose: dict[str, list[Row]] = defaultdict(list)
    matcher = _Matcher(ids)
    for row in rows:
        name = matcher.find_exactly(row.file)
        if name is not None:
            exact[name].append(row)
        elif (name := matcher.find_loosely(row.file)) is not None:
            loose[name].append(row)
    # a loose match is used only if no row matches the file exactly
    return {**loose, **exact}


def _check_one_group(name: str, rows: Sequence[Row]) -> None:
    """Reject rows that assign a file to several groups."""
    first = rows[0]
    other = next((row for row in rows if _normalize_group(row.group) != _normalize_group(first.group)), None)
    if other is not None:
        raise InputError(
            "Expected one group for each file, but groups.csv assigns {name} to {first_group} (row {first_number}) "
            "and {group} (row {number}). Remove one of the rows.",
            name=name,
            first_group=first.group,
            first_number=first.number,
            group=other.group,
            number=other.number,
        )


class _Matcher:
    """An index of file names that finds the only file that a cell can mean."""

    def __init__(self, ids: Iterable[str]):
        self.exact = set(ids)
        self.by_path: dict[str, list[str]] = defaultdict(list)
        self.by_number: dict[str, list[str]] = defaultdict(list)
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        self.by_name: dict[str, list[str]] = defaultdict(list)
        for name in self.exact:
            path = _normalize_path(name)
            self.by_path[path].append(name)  # several files can have the same normalized path
            self.by_number[_drop_zeros(path)].append(name)  # 01.wav, which a spreadsheet turned into 1.wav
            self.by_stem[_drop_zeros(os.path.splitext(path)[0])].append(name)  # without extension
            self.by_name[path.rpartition("/")[2]].append(name)  # without folder

    def find_exactly(self, cell: str) -> str | None:
        """Return the file whose path a cell contains, in any spelling; None if there is not exactly one."""
        return cell if cell in self.exact else _pick_only([self.by_path.get(_normalize_path(cell), [])])

    def find_loosely(self, cell: str) -> str | None:
        """Return the file that a cell can mean; None if there is not exactly one.

        The cell may have extra folders in front, numbers without leading zeros, no extension, or no folder.
        """
        path = _normalize_path(cell)
        parts = path.split("/")[-MAX_PARTS:]
        inner = ["/".join(parts[k:]) for k in range(len(parts) - 1)]  # the path without its first k folders
        choices = [self.by_path.get(suffix, []) for suffix in inner]
        choices += [self.by_number.get(_drop_zeros(suffix), []) for suffix in inner]
        choices += [self.by_stem.get(_drop_zeros(suffix), []) for suffix in inner]
        return _pick_only([*choices, self.by_name.get(path, [])])


def _pick_only(choices: Iterable[Sequence[str]]) -> str | None:
    """Return the file of the first choice that has exactly one."""
    return next((names[0] for names in choices if len(names) == 1), None)


def _normalize_path(name: str) -> str:
    """Normalize a path for comparison: its letters, and single forward slashes."""
    return (
        re.sub(r"/(?:\./|/)*", "/", _normalize_text(name.strip("\"' \t")).replace("\\", "/"))
        .removeprefix("./")
        .strip("/")
    )


def _drop_zeros(path: str) -> str:
    """Remove the leading zeros that spreadsheets remove from numbers; digits after a decimal point stay."""
    return re.sub(r"(?<![\d.])0+(?=\d)", "", path)


def _normalize_group(group: str) -> str:
    """Normalize a group for comparison: `007`, `7` and `7.0` are the same."""
    plain = _normalize_text(group)
    return str(int(float(plain))) if re.fullmatch(r"\d{1,15}(\.0+)?", plain) else plain


def _normalize_text(text: str) -> str:
    """Normalize a text for comparison: case, Unicode normalization, spaces and invisible characters are ignored."""
    return " ".join(drop_invisible(unicodedata.normalize("NFC", text)).casefold().split())
