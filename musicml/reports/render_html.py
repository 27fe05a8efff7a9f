"""A report as one HTML file: figures inside it, light and dark, for a phone, a screen and paper."""

from __future__ import annotations

from html import escape
from pathlib import Path

from musicml.reports import matplotlib_plots
from musicml.reports.document import (
    Block,
    Code,
    Document,
    Estimate,
    Figure,
    Heading,
    Listing,
    Note,
    Paragraph,
    Table,
    is_of_numbers,
    shown,
    spans,
)

STYLE = Path(__file__).with_name("page.css")
LONG = 36  # characters of a cell from which its column is kept wide
MARK = '<meta name="generator" content="musicml report">'


def to_html(document: Document) -> str:
    """The whole page.

    Raises
    ------
    InputError
        If Matplotlib, which draws the figures, is not installed.
    """
    title = escape(document.title)
    body = "\n".join(element(block, place, document) for place, block in enumerate(document.blocks))
    return f"""<!doctype html>
<html lang="{document.language}">
<head>
<meta charset="utf-8">
{MARK}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{contents(document)}
{body}
</main>
</body>
</html>
"""


def contents(document: Document) -> str:
    """Links to the sections."""
    links = [
        f'<li><a href="#part-{place}">{escape(block.text)}</a></li>'
        for place, block in enumerate(document.blocks)
        if isinstance(block, Heading) and block.level == 1
    ]
    words = escape(document.of_contents)
    return f'<nav aria-label="{words}"><details><summary>{words}</summary><ol>{"".join(links)}</ol></details></nav>'


def element(block: Block, place: int, document: Document) -> str:
    """One block."""
    if isinstance(block, Heading):
        return f'<h{block.level + 1} id="part-{place}">{escape(block.text)}</h{block.level + 1}>'
    if isinstance(block, Paragraph):
        return f"<p>{inline(block.text)}</p>"
    if isinstance(block, Note):
        return f'<p class="note {block.kind}" role="note">{inline(block.text)}</p>'
    if isinstance(block, Listing):
        return f"<ul>{''.join(f'<li>{inline(item)}</li>' for item in block.items)}</ul>"
    if isinstance(block, Code):
        return f'<pre tabindex="0"><code>{escape(block.text)}</code></pre>'
    if isinstance(block, Figure):
        return drawn(block, document)
    return "" if block.beside else table(block, document)


def inline(text: str) -> str:
    """Running text with its code and its links."""
    made = {
        "text": escape,
        "code": lambda piece: f"<code>{escape(piece)}</code>",
        "link": lambda piece: f'<a href="{escape(piece)}">{escape(piece)}</a>',
    }
    return "".join(made[kind](piece) for kind, piece in spans(text))


def captioned(words: str, block: Table | Figure) -> str:
    """What a table or figure shows, and which files it comes from."""
    said = f'{inline(block.caption)} <span class="from">{inline(block.source)}</span>'
    return f"<b>{escape(words)} {block.number}.</b> {said}"


def drawn(block: Figure, document: Document) -> str:
    """A figure with its drawing in it."""
    picture = matplotlib_plots.inline(block.drawing, block.name, escape(block.alt))
    caption = captioned(document.of_figure, block)
    label = escape(f"{document.of_figure} {block.number}")
    scroll = f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{picture}</div>'
    return f'<figure id="figure-{block.name}">{scroll}<figcaption>{caption}</figcaption></figure>'


def kind_of(block: Table, column: int, language: str) -> str:
    """How a column is set: figures to the right, words as wide as they need to be read."""
    if is_of_numbers(block, column):
        return "num"
    return "long" if any(len(shown(row[column], language)) > LONG for row in block.rows) else "word"


def table(block: Table, document: Document) -> str:
    """A table that scrolls where a screen is narrower than it."""
    places = range(len(block.columns))
    kinds = [kind_of(block, column, document.language) for column in places]
    heads = "".join(f'<th scope="col" class="{kinds[k]}">{escape(block.columns[k])}</th>' for k in places)
    lines = []
    for row in block.rows:
        cells = [inline(shown(cell, document.language)) for cell in row]
        own = ["estimate " if isinstance(cell, Estimate) else "" for cell in row]
        first = f'<th scope="row" class="{kinds[0]}">{cells[0]}</th>'
        rest = "".join(f'<td class="{own[k]}{kinds[k]}">{cells[k]}</td>' for k in places[1:])
        lines.append(f"<tr>{first}{rest}</tr>")
    label = escape(f"{document.of_table} {block.number}")
    return (
        f'<figure class="table" id="table-{block.name}"><figcaption>{captioned(document.of_table, block)}</figcaption>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div></figure>"
    )
