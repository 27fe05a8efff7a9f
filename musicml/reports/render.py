"""Render a document as HTML, Markdown, LaTeX or PDF, from one template per format (templates/)."""

from __future__ import annotations

import functools
import html
import math
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from musicml.reports import document as blocks
from musicml.reports import fonts, plots
from musicml.reports.document import Document, Estimate, Note, Table, format_cell, is_numeric
from musicml.reports.formats import BREAKS, FORMATS
from musicml.reports.wording import Words
from musicml.utils import InputError

TEMPLATES = Path(__file__).with_name("templates")
LONG_CELL = 36  # characters; a column with a longer cell is kept wide on a narrow screen
PDF_LINE_WIDTHS = (104, 120)  # characters of a table row in small type, and in the smallest
LATEX_LINE_WIDTHS = (88, 104)
COLUMN_GAP = 2  # characters
MIN_COLUMN_WIDTH = 4  # characters of a column that may wrap
WRAP_WIDTHS = (22, 12, 6, 3)  # wider columns may wrap: tried in order, so that few do
MAX_SMALL_COLUMNS = 6  # a table with more is set in the smallest type
MAX_UNBROKEN_ROWS = 22  # a table with more rows may break between pages
# the usual Jinja delimiters {{, {% and {# have a meaning in LaTeX or Typst
ANGLE_DELIMITERS: dict[str, Any] = {
    f"{part}_{place}_string": mark
    for part, marks in (("block", ("<%", "%>")), ("variable", ("<<", ">>")), ("comment", ("<#", "#>")))
    for place, mark in zip(("start", "end"), marks, strict=True)
}


@dataclass(frozen=True)
class Column:
    """The layout of a table column.

    Attributes
    ----------
    heading : its title
    is_right : aligned to the right, as numbers are
    css_class : `num`, `long` (kept wide on a narrow screen) or `word`
    share : share of the line width if it may wrap; 0 if it is as wide as its longest cell
    """

    heading: str
    is_right: bool
    css_class: str
    share: float


def render(document: Document, ending: str, folder: str = "") -> bytes:
    """Render a document and return the content of its file.

    Parameters
    ----------
    ending : a key of `FORMATS`
    folder : folder of the figures, relative to the report

    Raises
    ------
    InputError
        If Matplotlib (for figures) or Typst (for a PDF) is not installed.
    """
    text = render_text(add_note_on_fonts(document), ending, folder)
    return _compile_pdf(document, text) if ending == ".pdf" else text.encode(errors="backslashreplace")


def to_html(document: Document) -> str:
    """Render a document as a single HTML page."""
    return render(document, ".html").decode()


def render_text(document: Document, ending: str, folder: str = "") -> str:
    """Render a document as text; for a PDF, this is the Typst source."""
    template = _open_templates(ending).get_template(f"report{ending if ending != '.pdf' else '.typ'}")
    say, language = Words(document.language), document.language
    return template.render(document=document, folder=folder, say=say, language=language)


def render_table(table: Table, language: str) -> str:
    """Render a single table as LaTeX, to `\\input` it into a thesis."""
    return _open_templates(".tex").get_template("table.tex").render(block=table, language=language)


def add_note_on_fonts(document: Document) -> Document:
    """Add a note to a document if no font on this machine has some letters of its figures."""
    missing = fonts.find_fonts(repr(document))[1] if document.figures else ""
    if not missing:
        return document
    note = Note(Words(document.language)("note.fonts", scripts=fonts.name_scripts(missing)))
    return replace(document, blocks=(*document.blocks[:1], note, *document.blocks[1:]))


def _compile_pdf(document: Document, text: str) -> bytes:
    """Compile a PDF with Typst; letters that its own fonts lack come from system fonts."""
    try:
        import typst
    except ImportError:
        raise InputError(
            'A PDF report needs Typst, which is not installed. Run `pip install -e ".[report]"` or write .html instead.'
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        for figure in document.figures:
            content = plots.save(figure.drawing, "svg", language=document.language)
            (Path(folder) / f"{figure.name}.svg").write_bytes(content)
        shutil.copy(fonts.get_own_font(), folder)
        main = Path(folder) / "report.typ"
        main.write_text(text, encoding="utf-8", errors="backslashreplace")
        return typst.compile(str(main), root=folder, format="pdf", font_paths=[folder])


@functools.cache
def _open_templates(ending: str) -> Environment:
    """Open the templates of a format; values are escaped unless a filter has written them."""
    form = FORMATS[ending]

    def escape(value: Any) -> Any:
        """Escape text for the format; leave markup and numbers as they are."""
        is_plain = isinstance(value, str) and not isinstance(value, Markup)
        return Markup(form.escape(value)) if is_plain else value

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=True,  # so that Jinja does not escape the output of a macro again; `finalize` runs first
        finalize=escape,
        **(ANGLE_DELIMITERS if ending in BREAKS else {}),
    )
    environment.globals["mark"] = form.mark
    environment.filters |= {
        "inline": lambda text: Markup(form.set_inline(text)),
        "cell": lambda cell, language: Markup(form.set_cell(format_cell(cell, language))),
        "broken": lambda text: Markup(BREAKS[ending](text)),
        # a code fence in Markdown needs more backticks than any run of them in the text
        "fence": lambda text: Markup("`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))),
        "drawn": lambda block, language: Markup(
            plots.render_inline(block.drawing, block.name, html.escape(block.alt), language)
        ),
        "columns": functools.partial(lay_out, line_widths=PDF_LINE_WIDTHS if ending == ".pdf" else LATEX_LINE_WIDTHS),
    }
    for kind in (*blocks.KINDS, Estimate):
        environment.tests[kind.__name__.lower()] = lambda block, kind=kind: isinstance(block, kind)
    environment.tests["short"] = _is_short
    return environment


def _is_short(table: Table, language: str) -> bool:
    """Return whether a table fits on one page: few rows that do not wrap."""
    lines = [sum(len(format_cell(cell, language)) for cell in row) for row in table.rows]
    return len(lines) <= MAX_UNBROKEN_ROWS and max(lines, default=0) <= PDF_LINE_WIDTHS[0]


def lay_out(table: Table, language: str, line_widths: tuple[int, int]) -> list[Column]:
    """Lay out the columns of a table: numbers to the right, and long text wrapped to fit the line.

    Parameters
    ----------
    line_widths : characters of a line, in small type and in the smallest
    """
    cells = [[format_cell(row[k], language) for row in table.rows] for k in range(len(table.columns))]
    cell_widths = [max(map(len, column), default=0) for column in cells]
    widths = [max(len(heading), width) for heading, width in zip(table.columns, cell_widths, strict=True)]
    line_width = line_widths[len(widths) > MAX_SMALL_COLUMNS]
    shares = _share_line(widths, line_width, line_width - COLUMN_GAP * (len(widths) - 1))
    is_right = [is_numeric(table, k) for k in range(len(widths))]
    classes = ["num" if is_right[k] else "long" if cell_widths[k] > LONG_CELL else "word" for k in range(len(widths))]
    return [Column(*parts) for parts in zip(table.columns, is_right, classes, shares, strict=True)]


def _share_line(widths: list[int], line_width: int, room: int) -> list[float]:
    """Share a line among the columns that may wrap, so that all columns fit; 0 for a column that does not wrap.

    Parameters
    ----------
    widths : characters of each column's longest cell
    line_width : characters of the line
    room : characters of it without the gaps between columns
    """
    wraps, left = [False] * len(widths), room
    for wrap_width in WRAP_WIDTHS if sum(widths) > room else ():
        wraps = [width > wrap_width for width in widths]
        left = room - sum(width for width, can_wrap in zip(widths, wraps, strict=True) if not can_wrap)
        if left >= max(0.3 * line_width, MIN_COLUMN_WIDTH * sum(wraps)):
            break
    # the power favors shorter columns, so that one long text does not squeeze the others
    weights = [min(width, 70) ** 0.7 if can_wrap else 0 for width, can_wrap in zip(widths, wraps, strict=True)]
    thousandths = 1000 * max(left, 0) / line_width  # rounded down, so that the shares never add up to more than 1
    return [math.floor(thousandths * weight / sum(weights)) / 1000 if weight else 0.0 for weight in weights]
