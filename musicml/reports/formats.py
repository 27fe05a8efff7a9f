"""Escape text, code and links for each output format, so that no name is read as markup."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from musicml.reports.document import clean_text, split_spans

MAX_UNBROKEN = 18  # characters; a longer word in a cell may break
BREAK = "\\u{200b}"  # a zero-width space in a Typst string: a line may break there
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$@^])")  # in Markdown
LATEX = {char: f"\\{char}" for char in "{}#$%&_"}
# at the start of a row or an item, LaTeX would read these as an argument of the line before
LATEX |= {char: f"{{{char}}}" for char in "[]*-"}
LATEX |= {"…": r"\ldots{}", "→": r"\(\rightarrow\)", "≥": r"\(\geq\)", "≤": r"\(\leq\)"}
NAMES = "backslash asciitilde asciicircum less greater bar quotedbl quotesingle asciigrave"
NAMES += " endash emdash times periodcentered pm"
LATEX |= {char: f"\\text{name}{{}}" for char, name in zip("\\~^<>|\"'`–—×·±", NAMES.split(), strict=True)}


@dataclass(frozen=True)
class Format:
    """How an output format writes text.

    Attributes
    ----------
    mark : text near the start of every report in this format, by which musicml recognizes its own files
    escape : make all characters of a text literal; for Typst, a string
    code, link : write a name or command, and an address, in running text
    text : write other running text, where that differs from `escape`
    long : write a cell with a long word, where the format does not break words by itself
    """

    mark: str
    escape: Callable[[str], str]
    code: Callable[[str], str]
    link: Callable[[str], str]
    text: Callable[[str], str] | None = None
    long: Callable[[str], str] | None = None

    def set_inline(self, text: str) -> str:
        """Write running text with its code and links."""
        writers = {"text": self.text or self.escape, "code": self.code, "link": self.link}
        return "".join(writers[kind](span) for kind, span in split_spans(text))

    def set_cell(self, text: str) -> str:
        """Write a table cell; a long word in it may break."""
        is_long = "://" not in text and any(len(word) > MAX_UNBROKEN for word in text.split())
        return self.long(text) if self.long and is_long else self.set_inline(text)


def _escape_markdown(text: str) -> str:
    """Escape the special characters of Markdown, HTML and GitHub's formulas."""
    text = SPECIAL.sub(r"\\\1", html.escape(clean_text(text), quote=False))
    return re.sub(r"^([-=]|\d+\.)(?=\s|$)", r"\\\1", text)  # else a list item or the underline of a heading


def _escape_latex(text: str) -> str:
    """Escape the special characters of LaTeX; letters of all scripts stay, for LuaLaTeX or XeLaTeX."""
    return "".join(LATEX.get(char, char) for char in unicodedata.normalize("NFC", clean_text(text)))


def _break_latex(text: str) -> str:
    """Write a name or command that may break after `/`, `_`, `.` and `=`, and keep its leading spaces."""
    indent = len(text) - len(text.lstrip(" "))
    broken = re.sub(r"(\\_|[/.=]|[0-9a-f]{10}(?=[0-9a-f]))", r"\1\\allowbreak{}", _escape_latex(text.lstrip(" ")))
    return "\\ " * indent + broken


def _link_latex(address: str) -> str:
    """Write an address, with special characters percent-encoded as a browser does."""
    safe = "".join(
        char if char.isascii() and char not in "\\{}^`|\"'<>" else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in address
    )
    escaped = re.sub("([%#&])", r"\\\1", safe)
    return f"\\url{{{escaped}}}"


def _escape_typst(text: str) -> str:
    """Write a text as a Typst string, in which no character is markup."""
    inside = clean_text(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


def _break_typst(text: str) -> str:
    """Write a long name, address or digest as a Typst string that may break."""
    places = r"(?<=\w)[/_.=-](?=\w)|[0-9a-f]{10}(?=[0-9a-f])"
    return re.sub(places, lambda match: match[0] + BREAK, _escape_typst(text))


FORMATS = {
    ".html": Format(
        '<meta name="generator" content="musicml report">',
        html.escape,
        lambda span: f"<code>{html.escape(span)}</code>",
        lambda address: f'<a href="{html.escape(address)}">{html.escape(address)}</a>',
    ),
    ".md": Format(
        "<!-- written by musicml report -->",
        _escape_markdown,
        # in a table, | would end the cell: it is escaped in code, and percent-encoded in an address
        lambda span: f"`{span.replace('|', chr(92) + '|')}`",
        lambda address: f"<{re.sub('[|<>]', lambda match: f'%{ord(match[0]):02X}', address)}>",
    ),
    ".tex": Format(
        "% written by musicml report",
        _escape_latex,
        lambda span: f"\\texttt{{{_break_latex(span)}}}",
        _link_latex,
        long=_break_latex,
    ),
    ".pdf": Format(
        "musicml report",  # a keyword in the file's metadata
        _escape_typst,
        lambda span: f"#raw({_break_typst(span)});",
        lambda address: f"#link({_escape_typst(address)}, {_break_typst(address)});",
        text=lambda span: f"#{_escape_typst(span)};",
        long=lambda text: f"#{_break_typst(text)};",
    ),
}
BREAKS = {".tex": _break_latex, ".pdf": _break_typst}  # how a name on its own is written
