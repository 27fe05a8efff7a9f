"""What lies beside a report: each figure as SVG and PDF, each table as CSV and LaTeX, with a list of what is what."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from musicml.reports import matplotlib_plots, render_latex
from musicml.reports.document import Cell, Document, Estimate, Table
from musicml.reports.wording import Words

LIST = "CONTENTS.txt"
MARK = "Written by musicml report"


def contents(document: Document) -> dict[str, bytes]:
    """File name → its content."""
    found: dict[str, bytes] = {}
    for figure in document.figures:
        found[f"{figure.name}.svg"] = matplotlib_plots.svg(figure.drawing)
        found[f"{figure.name}.pdf"] = matplotlib_plots.pdf(figure.drawing)
    for table in document.tables:
        found[f"{table.name}.csv"] = as_csv(table, document.language).encode(errors="backslashreplace")
        found[f"{table.name}.tex"] = render_latex.fragment(table, document.language).encode(errors="backslashreplace")
    found[LIST] = ("\n".join(listed(document)) + "\n").encode(errors="backslashreplace")
    return found


def listed(document: Document) -> Iterator[str]:
    """A line for each figure and table: its files, what it shows, where it comes from."""
    yield f"{MARK}: {document.title}"
    yield ""
    for figure in document.figures:
        yield f"{figure.name}.svg, .pdf: {document.of_figure} {figure.number}. {figure.caption} {figure.source}"
    for table in document.tables:
        number = f"{document.of_table} {table.number}. " if table.number else ""
        yield f"{table.name}.csv, .tex: {number}{table.caption} {table.source}"


def as_csv(table: Table, language: str = "en") -> str:
    """A table for a spreadsheet: figures with a point and all digits, an interval's ends in columns of their own."""
    with_ends = [any(_has_interval(row[k]) for row in table.rows) for k in range(len(table.columns))]
    words = Words(language)
    heads = [
        [name, *(f"{name}, {words(f'ends.{end}')}" for end in ("low", "high"))] if ends else [name]
        for name, ends in zip(table.columns, with_ends, strict=True)
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for names in heads for name in names])
    for row in table.rows:
        writer.writerow([value for cell, ends in zip(row, with_ends, strict=True) for value in spread(cell, ends)])
    return text.getvalue()


def _has_interval(cell: Cell) -> bool:
    return isinstance(cell, Estimate) and bool(cell.interval)


def spread(cell: Cell, with_ends: bool) -> list[str]:
    """A cell as one column, or three: the figure and both ends of its interval."""
    value = cell.value if isinstance(cell, Estimate) else cell
    ends = (cell.interval if isinstance(cell, Estimate) else None) or (None, None)
    return [raw(one) for one in ((value, *ends) if with_ends else (value,))]


def raw(value: str | int | float | None) -> str:
    """A value as a spreadsheet reads it; nothing where it is not defined, and no text that would run as a formula."""
    if value is None:
        return ""
    text = repr(float(value)) if isinstance(value, float) else str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in ("=", "+", "-", "@", "\t") else text
