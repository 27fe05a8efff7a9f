"""Render a document: one template a format (templates/), in which every blank is escaped as the format needs it."""

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
from musicml.reports.document import Document, Estimate, Note, Table, is_of_numbers, shown
from musicml.reports.formats import BREAKS, FORMATS
from musicml.reports.wording import Words
from musicml.utils import InputError

TEMPLATES = Path(__file__).with_name("templates")
LONG = 36  # characters of a cell from which its column is kept wide on a page
WIDE = {".pdf": (104, 120)}  # characters of a table's line in small type, and in the smallest; else those of LaTeX
BETWEEN = 2  # characters that the space between two columns is as wide as
LEAST = 4  # characters that a column which may break has at the least
FLOWING = (22, 12, 6, 3)  # characters from which a column may break: as few columns as need be
MANY = 6  # columns above which a table is in the smallest type
FEW_ROWS = 22  # of a table that is not broken between pages
# for LaTeX, to which {{ and {% mean something, and for Typst, to which {# does
ANGLED: dict[str, Any] = {
    f"{part}_{place}_string": mark
    for part, marks in (("block", ("<%", "%>")), ("variable", ("<<", ">>")), ("comment", ("<#", "#>")))
    for place, mark in zip(("start", "end"), marks, strict=True)
}


@dataclass(frozen=True)
class Column:
    """How a column of a table is set.

    Attributes
    ----------
    head : what stands above it
    is_right : whether it holds figures, which stand to the right
    look : its class on a page: `num`, `long` for what needs room on a narrow screen, or `word`
    share : how much of the line it gets where it may break; 0 where it is as wide as it needs
    """

    head: str
    is_right: bool
    look: str
    share: float


def render(document: Document, ending: str, folder: str = "") -> bytes:
    """Render a document as a file's content.

    Parameters
    ----------
    ending : a key of `FORMATS`
    folder : where its figures lie, as they are found from the report

    Raises
    ------
    InputError
        If Matplotlib, which draws the figures, or Typst, which sets a PDF, is not installed.
    """
    text = render_text(add_note_on_fonts(document), ending, folder)
    return _set_pdf(document, text) if ending == ".pdf" else text.encode(errors="backslashreplace")


def to_html(document: Document) -> str:
    """Render a document as one page, as `render` does."""
    return render(document, ".html").decode()


def render_text(document: Document, ending: str, folder: str = "") -> str:
    """Render a document as text: of a PDF, what Typst sets it from."""
    template = _open_templates(ending).get_template(f"report{ending if ending != '.pdf' else '.typ'}")
    say, language = Words(document.language), document.language
    return template.render(document=document, folder=folder, say=say, language=language)


def render_table(table: Table, language: str) -> str:
    """Render a table by itself as LaTeX, to be read into a thesis."""
    return _open_templates(".tex").get_template("table.tex").render(block=table, language=language)


def add_note_on_fonts(document: Document) -> Document:
    """Add a note to a document if no font of this machine has letters that it is to draw."""
    lacking = fonts.find_fonts(repr(document))[1] if document.figures else ""
    if not lacking:
        return document
    note = Note(Words(document.language)("note.fonts", scripts=fonts.name_scripts(lacking)))
    return replace(document, blocks=(*document.blocks[:1], note, *document.blocks[1:]))


def _set_pdf(document: Document, text: str) -> bytes:
    """Set a PDF with Typst, which takes from the system what its own fonts lack."""
    try:
        import typst
    except ImportError:
        raise InputError(
            'a PDF needs Typst, and it is not installed: `pip install -e ".[report]"` brings it; .html does without.'
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        for figure in document.figures:
            (Path(folder) / f"{figure.name}.svg").write_bytes(plots.save(figure.drawing, "svg"))
        shutil.copy(fonts.get_own_font(), folder)
        main = Path(folder) / "report.typ"
        main.write_text(text, encoding="utf-8", errors="backslashreplace")
        return typst.compile(str(main), root=folder, format="pdf", font_paths=[folder])


@functools.cache
def _open_templates(ending: str) -> Environment:
    """Open the templates of a format; whatever stands in a blank is escaped, unless a filter has set it."""
    form = FORMATS[ending]

    def escape(value: Any) -> Any:
        is_plain = isinstance(value, str) and not isinstance(value, Markup)
        return Markup(form.escape(value)) if is_plain else value

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=True,  # so that what a macro gives is not escaped again; `finalize` comes first
        finalize=escape,
        **(ANGLED if ending in BREAKS else {}),
    )
    made.globals["mark"] = form.mark
    made.filters |= {
        "inline": lambda text: Markup(form.set_inline(text)),
        "cell": lambda cell, language: Markup(form.set_cell(shown(cell, language))),
        "broken": lambda text: Markup(BREAKS[ending](text)),
        # more backticks than a text has itself
        "fence": lambda text: Markup("`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))),
        "drawn": lambda block: Markup(plots.render_inline(block.drawing, block.name, html.escape(block.alt))),
        "columns": functools.partial(lay_out, wide=WIDE.get(ending, (88, 104))),
    }
    for kind in (*blocks.KINDS, Estimate):
        made.tests[kind.__name__.lower()] = lambda block, kind=kind: isinstance(block, kind)
    made.tests["short"] = _is_short
    return made


def _is_short(table: Table, language: str) -> bool:
    """Whether a table is to stand on one page: few rows, each a line."""
    lines = [sum(len(shown(cell, language)) for cell in row) for row in table.rows]
    return len(lines) <= FEW_ROWS and max(lines, default=0) <= WIDE[".pdf"][0]


def lay_out(table: Table, language: str, wide: tuple[int, int]) -> list[Column]:
    """Lay out the columns: figures to the right, words to the left, long ones in a share of what room is left.

    Parameters
    ----------
    wide : characters of a line, in small type and in the smallest
    """
    cells = [[shown(row[k], language) for row in table.rows] for k in range(len(table.columns))]
    inner = [max(map(len, column), default=0) for column in cells]
    widths = [max(len(head), width) for head, width in zip(table.columns, inner, strict=True)]
    line = wide[len(widths) > MANY]
    shares = share_line(widths, line, line - BETWEEN * (len(widths) - 1))
    right = [is_of_numbers(table, k) for k in range(len(widths))]
    looks = ["num" if right[k] else "long" if inner[k] > LONG else "word" for k in range(len(widths))]
    return [Column(*parts) for parts in zip(table.columns, right, looks, shares, strict=True)]


def share_line(widths: list[int], line: int, room: int) -> list[float]:
    """Share a line among the columns that may break, so that all stay within it; 0 for one as wide as it is.

    Parameters
    ----------
    widths : characters of each column's longest cell
    line : characters of a whole line; `room` : those that are left of it for cells
    """
    flows, left = [False] * len(widths), room
    for least in FLOWING if sum(widths) > room else ():
        flows = [width > least for width in widths]
        left = room - sum(width for width, one in zip(widths, flows, strict=True) if not one)
        if left >= max(0.3 * line, LEAST * sum(flows)):
            break
    weights = [min(width, 70) ** 0.7 if one else 0 for width, one in zip(widths, flows, strict=True)]
    thousandths = 1000 * max(left, 0) / line  # rounded down, so that what is written is no more than there is
    return [math.floor(thousandths * weight / sum(weights)) / 1000 if weight else 0.0 for weight in weights]
