"""What lies beside a report: each figure as SVG and PDF, each table as CSV and LaTeX, with a list of what is what."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from musicml.reports import plots, render
from musicml.reports.document import Cell, Document, Estimate, Table
from musicml.reports.wording import Words

LIST = "CONTENTS.txt"
MARK = "Written by musicml report"


def make_attachments(document: Document) -> dict[str, bytes]:
    """Make the files: file name → its content."""
    pictures = {
        f"{figure.name}.{kind}": plots.save(figure.drawing, kind)
        for figure in document.figures
        for kind in ("svg", "pdf")
    }
    texts: dict[str, str] = {}
    for table in document.tables:
        texts[f"{table.name}.csv"] = write_csv(table, document.language)
        texts[f"{table.name}.tex"] = render.render_table(table, document.language)
    texts[LIST] = "\n".join(_list_files(document)) + "\n"
    return pictures | {name: text.encode(errors="backslashreplace") for name, text in texts.items()}


def _list_files(document: Document) -> Iterator[str]:
    """Write a line for each figure and table: its files, what it shows, where it comes from."""
    words = Words(document.language)
    yield f"{MARK}: {document.title}"
    yield ""
    for figure in document.figures:
        yield f"{figure.name}.svg, .pdf: {words('name.figure')} {figure.number}. {figure.caption} {figure.source}"
    for table in document.tables:
        number = f"{words('name.table')} {table.number}. " if table.number else ""
        yield f"{table.name}.csv, .tex: {number}{table.caption} {table.source}"


def write_csv(table: Table, language: str = "en") -> str:
    """Write a table for a spreadsheet: figures with a point and all digits, an interval's ends in own columns."""
    words, text = Words(language), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    with_ends = [any(getattr(row[k], "interval", None) for row in table.rows) for k in range(len(table.columns))]
    heads = []
    for name, ends in zip(table.columns, with_ends, strict=True):
        heads += [name, *(f"{name}, {words(f'ends.{end}')}" for end in ("low", "high"))] if ends else [name]
    writer.writerow(heads)
    for row in table.rows:
        writer.writerow([value for cell, ends in zip(row, with_ends, strict=True) for value in _spread(cell, ends)])
    return text.getvalue()


def _spread(cell: Cell, with_ends: bool) -> Iterator[str]:
    """Write a cell as one column, or three: the figure and both ends of its interval; nothing where not defined."""
    estimate = cell if isinstance(cell, Estimate) else None
    ends = (estimate.interval if estimate else None) or (None, None)
    for value in (estimate.value if estimate else cell, *(ends if with_ends else ())):
        if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t"):
            yield f"'{value}"  # which would run as a formula
        else:
            yield "" if value is None else str(value)
