"""The content of a report as plain data: headings, paragraphs, tables and figures, independent of the output format."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle

from musicml.reports.plots import Drawing
from musicml.utils import format_number

DIGITS = 3  # decimals of a metric: a test split of some hundred files does not support more
SPANS = re.compile(r"`([^`\n]+)`|(https?://[^\s<>\"`]+[^\s<>\"`.,;:)])")


@dataclass(frozen=True)
class Estimate:
    """A value with its confidence interval; `value` is None where the metric is not defined."""

    value: float | None
    interval: tuple[float, float] | None = None


Cell = str | int | float | Estimate | None  # None means not defined, which is not 0


@dataclass(frozen=True)
class Heading:
    """The title of a section (level 1) or of a subsection (2)."""

    text: str
    level: int = 1


@dataclass(frozen=True)
class Paragraph:
    """Running text; `split_spans` finds the `code` and the addresses in it."""

    text: str


@dataclass(frozen=True)
class Note:
    """A highlighted remark; `kind`: `sample`, `published`, `pretrained`, `training` or `missing`."""

    text: str
    kind: str = "missing"


@dataclass(frozen=True)
class Listing:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Lines to copy: a command, BibTeX."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table with its caption.

    Attributes
    ----------
    name : stem of its files, such as `per_class`; unique in a document
    columns, rows : each row has as many cells as there are columns
    caption, source : what the table holds, and the files that its numbers come from
    number : position among the tables in the text, from 1
    is_attachment : too wide for the text, so only written to a file of its own
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str
    source: str
    number: int = 0
    is_attachment: bool = False


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption; `alt` describes it for screen readers."""

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
        """All tables, attachments included."""
        return [block for block in self.blocks if isinstance(block, Table)]

    @property
    def figures(self) -> list[Figure]:
        """All figures."""
        return [block for block in self.blocks if isinstance(block, Figure)]


def number_blocks(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Number the tables in the text and the figures, each from 1."""
    counts: Counter[type] = Counter()
    numbered: list[Block] = []
    for block in blocks:
        if isinstance(block, Figure) or (isinstance(block, Table) and not block.is_attachment):
            counts[type(block)] += 1
            block = replace(block, number=counts[type(block)])
        numbered.append(block)
    return tuple(numbered)


def format_cell(cell: Cell, language: str) -> str:
    """Format a cell as text: `0.775 (0.717–0.875)`; a dash where it is not defined.

    >>> format_cell(Estimate(0.775, (0.7167, 0.8754)), "id")
    '0,775 (0,717–0,875)'
    >>> format_cell(-0.00004, "en"), format_cell(12_345, "en")
    ('0.000', '12,345')
    """
    if isinstance(cell, Estimate):
        bounds = "–".join(format_cell(float(bound), language) for bound in cell.interval or ())
        value = None if cell.value is None else float(cell.value)
        return format_cell(value, language) + (f" ({bounds})" if bounds and value is not None else "")
    if cell is None or cell == "":
        return "–"
    if isinstance(cell, str | bool):
        return clean_text(cell) if isinstance(cell, str) else str(cell).lower()
    if isinstance(cell, float):
        return format_number(cell, language, f"z.{DIGITS}f")  # z drops the sign of what rounds to 0
    return format_number(cell, language, "," if abs(cell) >= 10_000 else "")  # 9999, but 10,000


def clean_text(text: str) -> str:
    """Replace line breaks and tabs with a space, and other unprintable characters with a question mark."""
    return "".join(char if char.isprintable() else " " if char in "\n\t\r" else "?" for char in text)


def split_spans(text: str) -> Iterator[tuple[str, str]]:
    """Split a text into spans, each with its kind: `text`, `code` or `link`."""
    # re.split with two groups returns text, code, link, text, code, link, ...
    spans = zip(cycle(("text", "code", "link")), SPANS.split(clean_text(text)), strict=False)
    return ((kind, span) for kind, span in spans if span)


def is_numeric(table: Table, column: int) -> bool:
    """Return whether a column holds only numbers, which are aligned to the right."""
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(isinstance(cell, int | float | Estimate) for cell in cells)
