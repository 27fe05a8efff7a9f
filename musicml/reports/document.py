"""Blocks: a report as plain data, before anybody decides whether it becomes a page, a PDF or LaTeX."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle

from musicml.reports.plots import Drawing

DIGITS = 3  # of a share; more would pretend to know more than a test side of some hundred files tells
COMMA = {"id"}  # languages that write 0,775 and 12.345
SWAPPED = str.maketrans(".,", ",.")
SPANS = re.compile(r"`([^`\n]+)`|(https?://[^\s<>\"`]+[^\s<>\"`.,;:)])")


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval: `value` and both `interval` ends as they stand in a file; None where undefined."""

    value: float | None
    interval: tuple[float, float] | None = None


Cell = str | int | float | Estimate | None  # None: not defined, which is not 0


@dataclass(frozen=True)
class Heading:
    """The title of a section (level 1) or of a part of one (2)."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Paragraph:
    """Running text; `code` between backticks and addresses are told apart by `spans`."""

    text: str


@dataclass(frozen=True)
class Note:
    """Something that must not be missed; `kind`: `sample`, `published`, `training` or `missing`."""

    text: str
    kind: str = "missing"


@dataclass(frozen=True)
class Listing:
    """Sentences one below another."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Lines to copy: a command, BibTeX."""

    text: str


@dataclass(frozen=True)
class Table:
    """Cells under columns.

    Attributes
    ----------
    name : of its files, `per_class`; one of a kind in a document
    columns, rows : as many cells in each row as there are columns
    caption : what it shows; `source` : from which files of which run
    number : its place among the shown tables, from 1
    beside : whether it is too wide for the text and only written beside it
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str
    source: str
    number: int = 0
    beside: bool = False


@dataclass(frozen=True)
class Figure:
    """A drawing with its words; `alt` says in a sentence what it shows to who can't see it."""

    name: str
    drawing: Drawing
    caption: str
    source: str
    alt: str
    number: int = 0


Block = Heading | Paragraph | Note | Listing | Code | Table | Figure
KINDS = (Heading, Paragraph, Note, Listing, Code, Table, Figure)


@dataclass(frozen=True)
class Document:
    """A report: its blocks in order; `language` is `en` or `id`."""

    title: str
    language: str
    blocks: tuple[Block, ...]

    @property
    def tables(self) -> list[Table]:
        """Every table, those that are only written beside the document too."""
        return [block for block in self.blocks if isinstance(block, Table)]

    @property
    def figures(self) -> list[Figure]:
        """Every figure."""
        return [block for block in self.blocks if isinstance(block, Figure)]


def number_blocks(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Count the shown tables and the figures, each from 1."""
    counts: Counter[type] = Counter()
    made: list[Block] = []
    for block in blocks:
        if isinstance(block, Figure) or (isinstance(block, Table) and not block.beside):
            counts[type(block)] += 1
            block = replace(block, number=counts[type(block)])
        made.append(block)
    return tuple(made)


def shown(cell: Cell, language: str) -> str:
    """Write a cell as it is read: `0.775 (0.717–0.875)`; a dash for what is not defined.

    >>> shown(Estimate(0.775, (0.7167, 0.8754)), "id")
    '0,775 (0,717–0,875)'
    >>> shown(-0.00004, "en"), shown(12_345, "en")
    ('0.000', '12,345')
    """
    if isinstance(cell, Estimate):
        ends = "–".join(shown(float(end), language) for end in cell.interval or ())
        value = None if cell.value is None else float(cell.value)
        return shown(value, language) + (f" ({ends})" if ends and value is not None else "")
    if cell is None or cell == "":
        return "–"
    if isinstance(cell, str | bool):
        return plain(cell) if isinstance(cell, str) else str(cell).lower()
    # a count is grouped from five digits on; the z drops the sign of what rounds to 0
    text = f"{cell:z.{DIGITS}f}" if isinstance(cell, float) else f"{cell:,}" if abs(cell) >= 10_000 else str(cell)
    return text.translate(SWAPPED) if language in COMMA else text


def plain(text: str) -> str:
    """Replace what is no character by a question mark, and a line's end by a space."""
    return "".join(one if one.isprintable() else " " if one in "\n\t\r" else "?" for one in text)


def spans(text: str) -> Iterator[tuple[str, str]]:
    """Cut a text into pieces, each with what it is: `text`, `code` or `link`."""
    pieces = zip(cycle(("text", "code", "link")), SPANS.split(plain(text)), strict=False)
    return ((kind, piece) for kind, piece in pieces if piece)


def is_of_numbers(table: Table, column: int) -> bool:
    """Whether a column holds figures, which stand to the right."""
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(isinstance(cell, int | float | Estimate) for cell in cells)
