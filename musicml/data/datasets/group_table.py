"""Match the rows of a groups.csv with files, however names were written by the program that saved it."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from musicml.utils import InputError, drop_invisible, read_csv

GROUPS_FILE = "groups.csv"  # beside the class folders


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
    unmatched : rows that name no file, or may name several
    without : ids that no row names
    """

    groups: dict[str, str]
    unmatched: tuple[Row, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a figure should know of the groups, a sentence each."""
        n, n_groups = len(self.groups) + len(self.without), len(set(self.groups.values()))
        found = [f"groups.csv puts {len(self.groups)} of {n} files into {n_groups} groups"]
        if self.unmatched:
            first = self.unmatched[0]
            found.append(f"rows of groups.csv that name no file: {len(self.unmatched)}, the first {first.file!r}")
        if self.without:
            found.append(
                f"files that no row of groups.csv names, each a group of its own: {len(self.without)}, the first "
                f"{self.without[0]}"
            )
        return tuple(found)


def read_group_table(path: Path, ids: Sequence[str]) -> GroupTable | None:
    """Read which file is of which group, from a CSV with the columns `file` and `group`.

    Names are compared without regard to capitals, Unicode normalization, kind of slash, spaces around them, leading
    zeros of numbers, and folders above the data's own.

    Parameters
    ----------
    ids : of the examples, paths below the data's folder

    Returns
    -------
    GroupTable, or None where there is no such file or it has no rows with a group

    Raises
    ------
    InputError
        If a file is in two groups, no row names a file, or a column is missing.
    """
    if not path.is_file():
        return None
    cells = [(row["file"] or "", row["group"] or "") for row in read_csv(path, "file", "group")]
    rows = [Row(number, *cell) for number, cell in enumerate(cells, start=2) if cell[1].strip()]
    if not rows:
        return None
    matcher = _Matcher(ids)
    found: dict[str, Row] = {}
    unmatched = []
    for row in rows:
        name = matcher.find(row.file)
        if name is None:
            unmatched.append(row)
        else:
            _check_one_group(name, found.setdefault(name, row), row)
    if ids and not found:
        raise InputError(
            "groups.csv must name files as they lie below {root}, such as {examples_id}, and names none of them "
            "(its first is {next}): mend its column file.",
            root=path.parent,
            examples_id=ids[0],
            next=rows[0].file,
        )
    spelling: dict[str, str] = {}
    groups = {name: spelling.setdefault(_normalize_group(row.group), row.group) for name, row in found.items()}
    return GroupTable(groups, tuple(unmatched), tuple(name for name in ids if name not in found))


def _check_one_group(name: str, first: Row, row: Row) -> None:
    """Refuse a second row that puts a file into another group."""
    if _normalize_group(first.group) != _normalize_group(row.group):
        raise InputError(
            "Expected one group for each file, and groups.csv puts {name} into {first_group} (row {first_number}) and "
            "{group} (row {number}). Remove one of the rows.",
            name=name,
            first_group=first.group,
            first_number=first.number,
            group=row.group,
            number=row.number,
        )


class _Matcher:
    """Finds the file that a cell names, by the first way of reading it that fits exactly one."""

    def __init__(self, ids: Iterable[str]):
        self.exact = set(ids)
        self.by_path: dict[str, list[str]] = defaultdict(list)
        self.by_number: dict[str, list[str]] = defaultdict(list)
        self.by_name: dict[str, list[str]] = defaultdict(list)
        for name in self.exact:
            path = _normalize_path(name)
            self.by_path[path].append(name)
            self.by_number[_drop_zeros(path)].append(name)
            self.by_name[path.rpartition("/")[2]].append(name)

    def find(self, cell: str) -> str | None:
        """Return the id of the file that a cell names; None where there is none, or several may be meant."""
        if cell in self.exact:
            return cell
        path = _normalize_path(cell)
        parts = path.split("/")
        inner = ["/".join(parts[k:]) for k in range(len(parts) - 1)]  # without folders above the data's own
        choices = [self.by_path.get(one, []) for one in inner]
        choices += [self.by_number.get(_drop_zeros(one), []) for one in inner]
        choices += [self.by_name.get(path, [])]
        return next((names[0] for names in choices if len(names) == 1), None)


def _normalize_path(name: str) -> str:
    """Return a path as it is compared: its letters, and single forward slashes."""
    return (
        re.sub(r"/(?:\./|/)*", "/", _normalize_text(name.strip("\"' \t")).replace("\\", "/"))
        .removeprefix("./")
        .strip("/")
    )


def _drop_zeros(path: str) -> str:
    """Return a path without its ending and the zeros that a spreadsheet takes off numbers."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"\.[^./]*$", "", path))


def _normalize_group(group: str) -> str:
    """Return a group as it is compared: `007`, `7` and `7.0` are one."""
    plain = _normalize_text(group)
    return str(int(float(plain))) if re.fullmatch(r"\d{1,15}(\.0+)?", plain) else plain


def _normalize_text(text: str) -> str:
    """Return a text without regard to capitals, Unicode normalization, spaces and what nobody sees."""
    return " ".join(drop_invisible(unicodedata.normalize("NFC", text)).casefold().split())
