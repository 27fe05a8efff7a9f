"""A report as PDF, set by Typst, which the package of that name on PyPI brings whole."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from musicml.reports import matplotlib_plots
from musicml.reports.document import (
    Block,
    Code,
    Document,
    Figure,
    Heading,
    Listing,
    Note,
    Paragraph,
    Table,
    is_of_numbers,
    plain,
    shown,
    spans,
)
from musicml.utils import InputError

MARK = "musicml report"  # among the file's keywords
STYLE = Path(__file__).with_name("page.typ")
BREAK = "\\u{200b}"  # in a string: a place where a long name may break
FEW_ROWS = 22  # of a table that is not broken between pages
WIDE = 95  # characters of a table's line that the page has room for


def to_pdf(document: Document) -> bytes:
    """The whole file.

    Raises
    ------
    InputError
        If Typst or Matplotlib is not installed.
    """
    try:
        import typst
    except ImportError:
        raise InputError(
            'a PDF needs Typst, and it is not installed: `pip install -e ".[report]"` brings it; .html does without.'
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        for figure in document.figures:
            (Path(folder) / f"{figure.name}.svg").write_bytes(matplotlib_plots.svg(figure.drawing))
        main = Path(folder) / "report.typ"
        main.write_text(markup(document), encoding="utf-8")
        return typst.compile(str(main), root=folder, format="pdf")


def markup(document: Document) -> str:
    """The document in Typst's own language; every text in it is a string, in which nothing means anything."""
    head = STYLE.read_text(encoding="utf-8")
    title, plainly = breakable(document.title), string(document.title)
    lang, mark = string(document.language), string(MARK)
    settings = f"#show: report.with(title: {title}, plain: {plainly}, lang: {lang}, mark: {mark})"
    return "\n\n".join([head, settings, *(part for block in document.blocks if (part := element(block, document)))])


def string(text: str) -> str:
    """A text as a string of Typst's."""
    inside = plain(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


def breakable(text: str) -> str:
    """A long name, address or digest as a string in which a line may break."""
    places = r"(?<=\w)[/_.=-](?=\w)|[0-9a-f]{10}(?=[0-9a-f])"
    return re.sub(places, lambda found: found[0] + BREAK, string(text))


def element(block: Block, document: Document) -> str:
    """One block."""
    if isinstance(block, Heading):
        return f"#heading(level: {block.level}, {string(block.text)})"
    if isinstance(block, Paragraph):  # one that announces what follows stays with it
        return f"#{'leading' if block.text.endswith(':') else 'par'}[{inline(block.text)}]"
    if isinstance(block, Note):
        return f"#note({string(block.kind)})[{inline(block.text)}]"
    if isinstance(block, Listing):
        return f"#list({', '.join(f'[{inline(item)}]' for item in block.items)})"
    if isinstance(block, Code):
        lines = ", ".join(string(line) for line in block.text.splitlines())
        return f"#lines(({lines},))"
    words = string(document.of_table if isinstance(block, Table) else document.of_figure)
    if isinstance(block, Figure):
        picture = f"image({string(f'{block.name}.svg')}, width: 100%, alt: {string(block.alt)})"
        return f"#figure({picture}, kind: image, supplement: {words}, caption: [{captioned(block)}])"
    if block.beside:
        return ""
    inside = f"caption: [{captioned(block)}], {table(block, document.language)}"
    made = f"#figure(kind: table, supplement: {words}, {inside})"
    return f"#whole[{made}]" if is_short(block, document.language) else made


def inline(text: str) -> str:
    """Running text with its code and its links."""
    made = {
        "text": lambda piece: f"#{string(piece)}",
        "code": lambda piece: f"#raw({breakable(piece)})",
        "link": lambda piece: f"#link({string(piece)}, {breakable(piece)})",
    }
    return "".join(f"{made[kind](piece)};" for kind, piece in spans(text))


def captioned(block: Table | Figure) -> str:
    """What a table or figure shows, and which files it comes from."""
    return f"{inline(block.caption)} #from[{inline(block.source)}]"


def table(block: Table, language: str) -> str:
    """A table whose head is repeated on every page."""
    places = range(len(block.columns))
    right = [is_of_numbers(block, column) for column in places]
    cells = [[shown(cell, language) for cell in row] for row in block.rows]
    inner = [max((len(row[k]) for row in cells), default=0) for k in places]
    is_wide = sum(max(len(block.columns[k]), inner[k]) for k in places) > WIDE
    names = [
        in_two(block.columns[k]) if is_wide and len(block.columns[k]) > inner[k] else (block.columns[k],)
        for k in places
    ]
    widths = [max(inner[k], *map(len, names[k])) for k in places]
    heads = ", ".join(" + linebreak() + ".join(f"strong({breakable(part)})" for part in parts) for parts in names)
    lines = ",\n  ".join(", ".join(f"[{inline_cell(cell, places)}]" for cell in row) for row in cells)
    aligned = ", ".join("right" if one else "left" for one in right)
    size = "7.5pt" if len(block.columns) > 7 else "8.5pt"
    settings = f"columns: ({sized(widths, right)},), align: ({aligned},)"
    return f"sized({size}, table({settings},\n  table.header({heads}),\n  {lines}))"


def in_two(head: str) -> tuple[str, ...]:
    """A head over two lines that are as long as each other as its words allow; in one of a single word."""
    places = [place for place, letter in enumerate(head) if letter == " " and head[place + 1 : place + 2] != "%"]
    if not places:
        return (head,)
    middle = min(places, key=lambda place: abs(2 * place - len(head)))
    return head[:middle], head[middle + 1 :]


def is_short(block: Table, language: str) -> bool:
    """Whether a table is to stand on one page: few rows, each a line."""
    lines = [sum(len(shown(cell, language)) for cell in row) for row in block.rows]
    return len(lines) <= FEW_ROWS and max(lines, default=0) <= WIDE


def inline_cell(cell: str, places: range) -> str:
    """A cell; a long word without a space in it may break."""
    if len(places) > 1 and any(len(word) > 18 for word in cell.split()) and "://" not in cell:
        return f"#{breakable(cell)};"
    return inline(cell)


def sized(widths: list[int], right: list[bool]) -> str:
    """How wide the columns are: as wide as they need, but where the line is too long, words share what is left."""
    if sum(widths) <= WIDE:
        return ", ".join(["auto"] * len(widths))
    return ", ".join(
        "auto" if width <= 21 or (is_right and len(widths) < 8) else f"{max(width, 20) ** 0.6:.1f}fr"
        for width, is_right in zip(widths, right, strict=True)
    )
