"""A report as Markdown, as GitHub reads it; its figures are SVG files beside it."""

from __future__ import annotations

import re

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

MARK = "<!-- written by musicml report -->"
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$@^])")


def to_markdown(document: Document, folder: str) -> str:
    """The whole text.

    Parameters
    ----------
    folder : where its figures lie, as a link in it says
    """
    parts = [MARK, f"# {escape(document.title)}"]
    parts += [part for block in document.blocks if (part := element(block, document, folder))]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Text in which nothing means anything to Markdown, to HTML or to GitHub's formulas."""
    text = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"^([-=]|\d+\.)(?=\s|$)", r"\\\1", SPECIAL.sub(r"\\\1", text))


def element(block: Block, document: Document, folder: str) -> str:
    """One block."""
    if isinstance(block, Heading):
        return f"{'#' * (block.level + 1)} {escape(block.text)}"
    if isinstance(block, Paragraph):
        return inline(block.text)
    if isinstance(block, Note):
        return f"> {inline(block.text)}"
    if isinstance(block, Listing):
        return "\n".join(f"- {inline(item)}" for item in block.items)
    if isinstance(block, Code):
        return fenced(block.text)
    if isinstance(block, Figure):
        picture = f"![{escape(block.alt)}](<{folder}/{block.name}.svg>)"
        return f"{picture}\n\n{captioned(document.of_figure, block)}"
    return "" if block.beside else f"{captioned(document.of_table, block)}\n\n{table(block, document.language)}"


def inline(text: str) -> str:
    """Running text with its code and its links."""
    made = {"text": escape, "code": code, "link": link}
    return "".join(made[kind](piece) for kind, piece in spans(text))


def link(address: str) -> str:
    """An address, also in a table's cell; what would end it there is written as a browser would."""
    return f"<{re.sub('[|<>]', lambda found: f'%{ord(found[0]):02X}', address)}>"


def code(piece: str) -> str:
    """A name or command between backticks, also in a table's cell."""
    return f"`{piece.replace('|', chr(92) + '|')}`"


def fenced(text: str) -> str:
    """Lines to copy, between more backticks than they have themselves."""
    fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def captioned(words: str, block: Table | Figure) -> str:
    """What a table or figure shows, and which files it comes from."""
    return f"**{escape(words)} {block.number}.** {inline(block.caption)} {inline(block.source)}"


def table(block: Table, language: str) -> str:
    """A table of GitHub's kind."""
    rules = ["---:" if is_of_numbers(block, column) else "---" for column in range(len(block.columns))]
    lines = [[escape(name) for name in block.columns], rules]
    lines += [[inline(shown(cell, language)) for cell in row] for row in block.rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
