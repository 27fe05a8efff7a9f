"""Match the rows of a groups.csv with files, however names were written by the program that saved it."""

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

GROUPS_FILE = "groups.csv"  # beside the class folders
NO_GROUPS = Message("no groups.csv: every file is taken to be independent of every other")
MOST_PARTS = 8  # of a path in a cell that are looked at


class Row(NamedTuple):
    """A row of groups.csv; the first below the header has number 2."""

    number: int
    file: str
    group: str


@dataclass(frozen=True)
class GroupTable:
    """What a groups.csv says of files.

    Attributes
    ----------
    groups : example id → group
    unmatched : rows that name no file, or may mean several
    without : ids that no row names
    """

    groups: dict[str, str]
    unmatched: tuple[Row, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a figure should know of the groups, a sentence each."""
        n, n_groups = len(self.groups) + len(self.without), len(set(self.groups.values()))
        found = [
            Message(
                "groups.csv puts {n_groups} of {n} files into {n_groups2} groups",
                n_groups=len(self.groups),
                n=n,
                n_groups2=n_groups,
            )
        ]
        if self.unmatched:
            first = self.unmatched[0]
            found.append(
                Message(
                    "rows of groups.csv that name no file, or may mean several: {n_unmatched}, the first {file!r}",
                    n_unmatched=len(self.unmatched),
                    file=first.file,
                )
            )
        if self.without:
            found.append(
                Message(
                    "files that no row of groups.csv names, each a group of its own: {n_without}, the first {without}",
                    n_without=len(self.without),
                    without=self.without[0],
                )
            )
        return tuple(found)


def find_group_table(root: Path) -> Path | None:
    """Return the table of groups in a folder, whatever its capitals; None where there is none.

    Raises
    ------
    InputError
        If there is none, but a file that seems to be meant as one.
    """
    names = sorted(path.name for path in root.iterdir() if path.is_file())
    found = [name for name in names if name.lower() == GROUPS_FILE]
    meant = [name for name in names if re.fullmatch(r"groups\b.*\.(csv|tsv|txt|xlsx?|ods)", name.lower())]
    if meant and not found:
        raise InputError(
            "Expected the table of groups to be called groups.csv, and {root} holds {name}. Save it as groups.csv, or "
            "move it away.",
            root=root,
            name=meant[0],
        )
    return root / found[0] if found else None


def read_group_table(path: Path | None, ids: Sequence[str]) -> GroupTable | None:
    """Read which file is of which group, from a CSV with the columns `file` and `group`.

    Names are compared without regard to capitals, Unicode normalization, kind of slash, spaces around them, leading
    zeros of numbers, and folders above the data's own.

    Parameters
    ----------
    ids : of the examples, paths below the data's folder

    Returns
    -------
    GroupTable, or None where there is no such file

    Raises
    ------
    InputError
        If a file is in two groups, no row names a file or has a group, a row has more cells than there are columns or
        a line break in one, or a column is missing.
    """
    if path is None:
        return None
    cells = [_check_row(row, number) for number, row in enumerate(read_csv(path, "file", "group"), start=2)]
    rows = [row for row in cells if row.group.strip()]
    if not rows:
        raise InputError(
            "Expected a group for each file in {path}, and its column group is empty. Fill it, or move the table away.",
            path=path,
        )
    found = _match_rows(rows, ids)
    matched = {row.number for named in found.values() for row in named}
    unmatched = [row for row in rows if row.number not in matched]
    if ids and not found:
        raise InputError(
            "groups.csv must name files as they lie below {root}, such as {examples_id}, and names none of them "
            "(its first is {next}): mend its column file.",
            root=path.parent,
            examples_id=ids[0],
            next=rows[0].file,
        )
    spelling: dict[str, str] = {}
    for name, named in found.items():
        _check_one_group(name, named)
    groups = {
        name: spelling.setdefault(_normalize_group(named[0].group), named[0].group) for name, named in found.items()
    }
    return GroupTable(groups, tuple(unmatched), tuple(name for name in ids if name not in found))


def _check_row(row: Mapping[Any, Any], number: int) -> Row:
    """Return a row with its number, if it has as many cells as the header and none goes over several lines."""
    extra = [cell for cell in row.get(None) or () if cell.strip()]
    cells = (row["file"] or "", row["group"] or "")
    if extra or any("\n" in cell.strip() or "\r" in cell.strip() for cell in cells):
        raise InputError(
            "Expected one file and one group in each row of groups.csv, and row {number} has more than that: {cells}. "
            "Put quotes around a cell with a comma in it, and close all quotes.",
            number=number,
            cells=", ".join(make_printable(cell) for cell in (*cells, *extra)),
        )
    return Row(number, *cells)


def _match_rows(rows: Sequence[Row], ids: Sequence[str]) -> dict[str, list[Row]]:
    """Return of each file the rows that name it: those that name it rightly, or else those that may mean it."""
    found: dict[str, list[Row]] = defaultdict(list)
    loose: dict[str, list[Row]] = defaultdict(list)
    matcher = _Matcher(ids)
    for row in rows:
        name = matcher.find_exactly(row.file)
        if name is not None:
            found[name].append(row)
        elif (name := matcher.find_loosely(row.file)) is not None:
            loose[name].append(row)
    return {**loose, **found}


def _check_one_group(name: str, rows: Sequence[Row]) -> None:
    """Refuse rows that put a file into several groups."""
    first = rows[0]
    other = next((row for row in rows if _normalize_group(row.group) != _normalize_group(first.group)), None)
    if other is not None:
        raise InputError(
            "Expected one group for each file, and groups.csv puts {name} into {first_group} (row {first_number}) and "
            "{group} (row {number}). Remove one of the rows.",
            name=name,
            first_group=first.group,
            first_number=first.number,
            group=other.group,
            number=other.number,
        )


class _Matcher:
    """Finds the one file that a cell names, or may mean."""

    def __init__(self, ids: Iterable[str]):
        self.exact = set(ids)
        self.by_path: dict[str, list[str]] = defaultdict(list)
        self.by_number: dict[str, list[str]] = defaultdict(list)
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        self.by_name: dict[str, list[str]] = defaultdict(list)
        for name in self.exact:
            path = _normalize_path(name)
            self.by_path[path].append(name)
            self.by_number[_drop_zeros(path)].append(name)
            self.by_stem[_drop_zeros(os.path.splitext(path)[0])].append(name)
            self.by_name[path.rpartition("/")[2]].append(name)

    def find_exactly(self, cell: str) -> str | None:
        """Return the file whose path a cell names, however it is written; None if there is not exactly one."""
        return cell if cell in self.exact else _pick_only([self.by_path.get(_normalize_path(cell), [])])

    def find_loosely(self, cell: str) -> str | None:
        """Return the file that a cell may mean; None if there is not exactly one.

        It may have folders above the data's own, numbers without their zeros, no ending, or no folder at all.
        """
        path = _normalize_path(cell)
        parts = path.split("/")[-MOST_PARTS:]
        inner = ["/".join(parts[k:]) for k in range(len(parts) - 1)]
        choices = [self.by_path.get(one, []) for one in inner]
        choices += [self.by_number.get(_drop_zeros(one), []) for one in inner]
        choices += [self.by_stem.get(_drop_zeros(one), []) for one in inner]
        return _pick_only([*choices, self.by_name.get(path, [])])


def _pick_only(choices: Iterable[Sequence[str]]) -> str | None:
    """Return the only file of the first choice that has just one."""
    return next((names[0] for names in choices if len(names) == 1), None)


def _normalize_path(name: str) -> str:
    """Return a path as it is compared: its letters, and single forward slashes."""
    return (
        re.sub(r"/(?:\./|/)*", "/", _normalize_text(name.strip("\"' \t")).replace("\\", "/"))
        .removeprefix("./")
        .strip("/")
    )


def _drop_zeros(path: str) -> str:
    """Return a path without the zeros that a spreadsheet takes off numbers; those behind a point stay."""
    return re.sub(r"(?<![\d.])0+(?=\d)", "", path)


def _normalize_group(group: str) -> str:
    """Return a group as it is compared: `007`, `7` and `7.0` are one."""
    plain = _normalize_text(group)
    return str(int(float(plain))) if re.fullmatch(r"\d{1,15}(\.0+)?", plain) else plain


def _normalize_text(text: str) -> str:
    """Return a text without regard to capitals, Unicode normalization, spaces and what nobody sees."""
    return " ".join(drop_invisible(unicodedata.normalize("NFC", text)).casefold().split())
