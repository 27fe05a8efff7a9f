"""Blocks: a report as plain data, before anybody decides whether it becomes a page, a PDF or LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from musicml.reports.plot_specs import Drawing

DIGITS = 3  # of a share; more would pretend to know more than a test side of some hundred files tells
COMMA = {"id"}  # languages that write 0,775
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


@dataclass(frozen=True)
class Document:
    """A report: its blocks in order; `language` is `en` or `id`, `of_table` and `of_figure` its words for those."""

    title: str
    language: str
    blocks: tuple[Block, ...]
    of_table: str = "Table"
    of_figure: str = "Figure"
    of_contents: str = "Contents"

    @property
    def tables(self) -> list[Table]:
        """Every table, those that are only written beside the document too."""
        return [block for block in self.blocks if isinstance(block, Table)]

    @property
    def figures(self) -> list[Figure]:
        """Every figure."""
        return [block for block in self.blocks if isinstance(block, Figure)]


def shown(cell: Cell, language: str) -> str:
    """A cell as it is read: `0.775 (0.717–0.875)`; a dash for what is not defined.

    >>> shown(Estimate(0.775, (0.7167, 0.8754)), "id")
    '0,775 (0,717–0,875)'
    """
    if isinstance(cell, Estimate):
        if cell.value is None:
            return "–"
        ends = "" if cell.interval is None else f" ({'–'.join(shown(float(end), language) for end in cell.interval)})"
        return shown(float(cell.value), language) + ends
    if cell is None or cell == "":
        return "–"
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, int):
        return thousands(cell, language)
    if isinstance(cell, float):
        return number(cell, DIGITS, language)
    return plain(cell)


def number(value: float, digits: int, language: str) -> str:
    """A number with so many digits behind the point, or the comma.

    >>> number(-0.00004, 3, "en")
    '0.000'
    """
    text = f"{value:.{digits}f}"
    text = text.removeprefix("-") if not float(text) else text
    return text.replace(".", ",") if language in COMMA else text


def thousands(value: int, language: str) -> str:
    """A count; from five digits on in groups of three."""
    if abs(value) < 10_000:
        return str(value)
    return f"{value:,}".replace(",", ".") if language in COMMA else f"{value:,}"


def plain(text: str) -> str:
    """Text with nothing in it that is no character; a line's end becomes a space."""
    return "".join(one if one.isprintable() else " " if one in "\n\t\r" else "?" for one in text)


def spans(text: str) -> Iterator[tuple[str, str]]:
    """A text in pieces, each with what it is: `text`, `code` or `link`."""
    text, end = plain(text), 0
    for found in SPANS.finditer(text):
        if found.start() > end:
            yield "text", text[end : found.start()]
        yield ("code", found[1]) if found[1] else ("link", found[2])
        end = found.end()
    if end < len(text):
        yield "text", text[end:]


def is_of_numbers(table: Table, column: int) -> bool:
    """Whether a column holds figures, which stand to the right."""
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(isinstance(cell, int | float | Estimate) for cell in cells)
