"""A list of texts in one buffer, for the names of a million files: a `str` for each takes four times the memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np


class Texts(Sequence[str]):
    """Texts as bytes in one buffer; a text takes its bytes and 16 more.

    It behaves like a list of str that can only grow. A selection shares the buffer.

    >>> names = Texts(["a.wav", "b.wav", "a.wav"])
    >>> names[1], list(names.take([2, 0])), names.find_first().tolist()
    ('b.wav', ['a.wav', 'a.wav'], [0, 1, 0])
    """

    def __init__(self, texts: Iterable[str] = ()):
        self.buffer, self.begins, self.ends = bytearray(), array("q"), array("q")
        self.extend(texts)

    def append(self, text: str) -> None:
        """Add a text at the end."""
        self.begins.append(len(self.buffer))
        # file names that are not valid UTF-8 contain lone surrogates, which are restored
        self.buffer += text.encode("utf-8", "surrogatepass")
        self.ends.append(len(self.buffer))

    def extend(self, texts: Iterable[str]) -> None:
        """Add texts at the end."""
        for text in texts:
            self.append(text)

    def take(self, rows: Sequence[int] | np.ndarray | slice) -> Texts:
        """Return the texts at some rows; `rows` is an index of NumPy, such as a mask."""
        taken = Texts()
        taken.buffer = self.buffer
        for name in ("begins", "ends"):
            column = np.frombuffer(getattr(self, name), np.int64)[rows]
            setattr(taken, name, array("q", column.tobytes()))
        return taken

    def find_first(self) -> np.ndarray:
        """Return for each text the row of the first equal one, [shape=(n,)], int64."""
        _, place, counts = np.unique(self.compute_hashes(), return_inverse=True, return_counts=True)
        first = np.arange(len(self))
        row_of: dict[str, int] = {}  # only of texts whose hash is not the only one: usually few
        for row in np.flatnonzero(counts[place] > 1).tolist():
            first[row] = row_of.setdefault(self[row], row)
        return first

    def sort_rows(self) -> np.ndarray:
        """Return the rows in the order of their texts, [shape=(n,)], int64."""
        texts = list(self)
        return np.fromiter(sorted(range(len(texts)), key=texts.__getitem__), np.int64, len(texts))

    def compute_hashes(self) -> np.ndarray:
        """Compute a number for each text, [shape=(n,)], int64, the same for equal texts of this process."""
        return np.fromiter(map(hash, self), np.int64, len(self))

    @property
    def nbytes(self) -> int:
        """The bytes of memory, with those of the buffer."""
        return sum(part.__sizeof__() for part in (self.buffer, self.begins, self.ends))

    def __len__(self) -> int:
        return len(self.begins)

    def __iter__(self) -> Iterator[str]:
        for begin, end in zip(self.begins, self.ends, strict=True):
            yield self.buffer[begin:end].decode("utf-8", "surrogatepass")

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> Texts: ...
    def __getitem__(self, row: int | slice) -> str | Texts:
        if isinstance(row, slice):
            return self.take(row)
        return self.buffer[self.begins[row] : self.ends[row]].decode("utf-8", "surrogatepass")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __repr__(self) -> str:
        return f"Texts({list(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Texts, (list(self),)  # of a selection, only its own texts are copied


class TextMap(Mapping[str, str]):
    """A mapping from text to text in two columns; `keys` are distinct.

    >>> TextMap(Texts(["a.wav"]), Texts(["d41d"]))["a.wav"]
    'd41d'
    """

    def __init__(self, names: Texts, values: Texts):
        self.names, self.texts = names, values
        self.order: np.ndarray | None = None

    def __getitem__(self, name: str) -> str:
        if self.order is None:  # sorted at the first look-up: most maps are only read in order
            hashes = self.names.compute_hashes()
            self.order = np.argsort(hashes)
            self.hashes = hashes[self.order]
        wanted = hash(name)
        place = int(np.searchsorted(self.hashes, wanted))
        while place < len(self.hashes) and self.hashes[place] == wanted:
            row = int(self.order[place])
            if self.names[row] == name:
                return self.texts[row]
            place += 1
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __reduce__(self) -> tuple[Any, ...]:
        return TextMap, (self.names, self.texts)  # hashes differ between processes
