"""The examples of a dataset, in columns: as objects, those of a million files would take a gigabyte."""

from __future__ import annotations

import itertools
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from musicml.utils import Texts

NONE = -1  # code of a row without a value of its own


@dataclass(frozen=True, slots=True)  # slots: no dict for each example
class Example:
    """One labeled file. A dataset has one for every file, so it has to be small.

    Attributes
    ----------
    id : unique and the same on every machine; usually the path below the dataset's folder, with forward slashes
    folder : folder of the dataset's files, shared by all examples: a `Path` for each would take half a kilobyte
    labels : class name → present or absent, for the annotated classes; only its own class in single-label data
    group : what must not cross splits, such as the artist, the piece or the drum kit; the id if none is known
    split : the split in the dataset's own lists (`train`, `val`, `test`), or empty
    file : path below `folder`, if it differs from the id
    """

    id: str
    folder: Path
    labels: Mapping[str, bool]
    group: str
    split: str = ""
    file: str = ""

    @property
    def path(self) -> Path:
        """The path of the file."""
        return Path(self.file_path)

    @property
    def file_path(self) -> str:
        """The path as str: each `Path` leaves its parts in Python's table of interned strings, a megabyte in all."""
        return os.path.join(self.folder, self.file or self.id)

    @property
    def label(self) -> str:
        """The class of a single-label example; the present classes joined by `|` for a multi-label one."""
        return "|".join(name for name, present in self.labels.items() if present)

    def is_inside(self, *roots: Path) -> bool:
        """Return whether the file, after following links, is below its dataset's folder or one of `roots`."""
        place = os.path.realpath(self.file_path)  # a link may lead out of the folder
        return any(place.startswith(os.path.join(os.path.realpath(root), "")) for root in (self.folder, *roots))

    def make_segment(self, number: int) -> Example:
        """Make an example of a segment of this track, `TRACK#0`, in the same group and in no split yet."""
        return replace(self, id=f"{self.id}#{number}", split="", file=self.file or self.id)


class Examples(Sequence[Example]):
    """The examples of a dataset; a sequence that behaves like a tuple of `Example`.

    Each column has an entry per example. Names of groups and files, folders, splits and labels are stored once, and
    their columns are codes. A selection shares the texts of the ids. An example takes 36 bytes and those of its id.

    Attributes
    ----------
    ids : Texts, the ids
    label_of : np.ndarray [shape=(n,)], int32, the place of each example's labels in `label_sets`
    label_sets : the different labels; some may be those of no example, after a selection
    """

    def __init__(self, examples: Iterable[Example] = ()):
        self.ids, self.group_names, self.file_names = Texts(), Texts(), Texts()
        self.folders: list[Path] = []
        self.split_names: list[str] = []
        self.label_sets: list[Mapping[str, bool]] = []
        code_of: tuple[dict[Any, int], ...] = ({}, {}, {}, {}, {})
        columns = [array("i") for _ in code_of]
        tables: tuple[Any, ...] = (self.group_names, self.file_names, self.folders, self.split_names, self.label_sets)
        known: tuple[Mapping[str, bool] | None, tuple] = (None, ())
        for example in examples:
            self.ids.append(example.id)
            if example.labels is not known[0]:  # neighbors often share their labels
                known = (example.labels, tuple(example.labels.items()))
            group = None if example.group == example.id else example.group
            keys = (group, example.file or None, example.folder, example.split, known[1])
            values = (group, example.file, example.folder, example.split, example.labels)
            for column, codes, table, key, value in zip(columns, code_of, tables, keys, values, strict=True):
                if key is not None and key not in codes:
                    codes[key] = len(table)
                    table.append(value)
                column.append(NONE if key is None else codes[key])
        self.group_of, self.file_of, self.folder_of, self.split_of, self.label_of = (
            np.array(column, np.int32) for column in columns
        )

    @property
    def groups(self) -> np.ndarray:
        """The group of each example, [shape=(n,)], str; for a moment, this takes much more memory than the examples."""
        groups = np.array([*self.group_names, None], dtype=object)[self.group_of]
        own = np.flatnonzero(self.group_of == NONE)
        groups[own] = list(self.ids.take(own))
        return groups

    def assign_group_numbers(self) -> tuple[int, np.ndarray]:
        """Return the number of groups, and the place of each example's group in their sorted names, [shape=(n,)]."""
        is_own = self.group_of == NONE
        codes, place = np.unique(self.group_of[~is_own], return_inverse=True)
        # each name once, except that a group of its own may have the name of a shared one
        names = [*self.ids.take(is_own), *self.group_names.take(codes)]
        order = np.fromiter(sorted(range(len(names)), key=names.__getitem__), np.int64, len(names))
        is_new = (one != other for one, other in itertools.pairwise(names[row] for row in order))
        numbers = np.empty(len(names), int)
        numbers[order] = np.cumsum(np.fromiter(itertools.chain([False], is_new), bool)[: len(names)])
        n_own = int(is_own.sum())
        number = np.empty(len(self), int)
        number[is_own], number[~is_own] = numbers[:n_own], numbers[n_own:][place]
        return len(np.unique(numbers)), number

    @property
    def splits(self) -> np.ndarray:
        """The split of each example, [shape=(n,)], str."""
        return np.array(self.split_names, dtype=object)[self.split_of]

    def take(self, rows: Sequence[int] | np.ndarray | slice) -> Examples:
        """Return the examples at some rows; `rows` is an index of NumPy, such as a mask."""
        taken = self._copy()
        taken.ids = self.ids.take(rows)
        for name in ("group_of", "file_of", "folder_of", "split_of", "label_of"):
            setattr(taken, name, getattr(self, name)[rows])
        return taken

    def replace_groups(self, groups: Iterable[str]) -> Examples:
        """Return the examples with other groups, one for each example."""
        changed = self._copy()
        code_of: dict[str, int] = {}
        changed.group_of = np.array(
            [
                NONE if group == name else code_of.setdefault(group, len(code_of))
                for name, group in zip(self.ids, groups, strict=True)
            ],
            np.int32,
        )
        changed.group_names = Texts(code_of)
        return changed

    def separate_groups(self) -> Examples:
        """Return the examples with a group of its own for each."""
        changed = self._copy()
        changed.group_of = np.full(len(self), NONE, np.int32)
        return changed

    def share_groups(self, first: np.ndarray) -> Examples:
        """Return the examples with the group of another example for each: of that at row `first`, [shape=(n,)]."""
        changed = self._copy()
        changed.group_of = self.group_of[first]
        # a group of its own has no name yet that others could have
        others = np.flatnonzero((changed.group_of == NONE) & (first != np.arange(len(self))))
        rows, place = np.unique(first[others], return_inverse=True)
        changed.group_of[others] = len(self.group_names) + place
        changed.group_names = Texts([*self.group_names, *self.ids.take(rows)])
        return changed

    def replace_labels(self, label_sets: Iterable[Mapping[str, bool]]) -> Examples:
        """Return the examples with other labels, one mapping for each of `label_sets`."""
        changed = self._copy()
        changed.label_sets = list(label_sets)
        return changed

    def _copy(self) -> Examples:
        """Return a copy with the same columns, to replace some of them."""
        changed = Examples()
        changed.__dict__.update(self.__dict__)
        return changed

    @property
    def nbytes(self) -> int:
        """The bytes of memory, without the labels, which few examples have of their own."""
        texts = (self.ids, self.group_names, self.file_names)
        codes = (self.group_of, self.file_of, self.folder_of, self.split_of, self.label_of)
        return sum(part.nbytes for part in (*texts, *codes))

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Example]:
        return map(self._make_example, range(len(self)), self.ids)

    @overload
    def __getitem__(self, row: int) -> Example: ...
    @overload
    def __getitem__(self, row: slice) -> Examples: ...
    def __getitem__(self, row: int | slice) -> Example | Examples:
        return self.take(row) if isinstance(row, slice) else self._make_example(row, self.ids[row])

    def _make_example(self, row: int, name: str) -> Example:
        """Make the example of a row from its id and the columns."""
        group, file = self.group_of[row], self.file_of[row]
        return Example(
            name,
            self.folders[self.folder_of[row]],
            self.label_sets[self.label_of[row]],
            name if group == NONE else self.group_names[group],
            self.split_names[self.split_of[row]],
            "" if file == NONE else self.file_names[file],
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple | Examples):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # like a tuple of examples, whose labels can't be hashed

    def __repr__(self) -> str:
        return f"Examples({tuple(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Examples, (tuple(self),)  # of a selection, only its own texts are copied
