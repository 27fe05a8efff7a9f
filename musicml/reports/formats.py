"""How each format writes text, code and addresses, so that no name means anything to it, and its mark."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from musicml.reports.document import plain, spans

LONG_WORD = 18  # letters of a word in a cell from which it may break
BREAK = "\\u{200b}"  # in a string of Typst's: a place where a long name may break
SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$@^])")  # to Markdown
LATEX = {one: f"\\{one}" for one in "{}#$%&_"}
# at the start of a row or an item they would be an argument of what ends the one before
LATEX |= {one: f"{{{one}}}" for one in "[]*-"}
LATEX |= {"…": r"\ldots{}", "→": r"\(\rightarrow\)", "≥": r"\(\geq\)", "≤": r"\(\leq\)"}
NAMES = "backslash asciitilde asciicircum less greater bar quotedbl quotesingle asciigrave"
NAMES += " endash emdash times periodcentered pm"
LATEX |= {one: f"\\text{name}{{}}" for one, name in zip("\\~^<>|\"'`–—×·±", NAMES.split(), strict=True)}


@dataclass(frozen=True)
class Format:
    """What a format makes of a report's words.

    Attributes
    ----------
    mark : how each report begins that is written in it, and no other file does
    escape : a text → one in which nothing means anything; in Typst a string
    code, link : what a name or command and an address become in running text
    text : what the rest of it becomes, where that is not `escape`
    long : what a cell with a long word becomes, where the format doesn't know by itself where to break
    """

    mark: str
    escape: Callable[[str], str]
    code: Callable[[str], str]
    link: Callable[[str], str]
    text: Callable[[str], str] | None = None
    long: Callable[[str], str] | None = None

    def set_inline(self, text: str) -> str:
        """Set running text with its code and its links."""
        ways = {"text": self.text or self.escape, "code": self.code, "link": self.link}
        return "".join(ways[kind](piece) for kind, piece in spans(text))

    def set_cell(self, text: str) -> str:
        """Set a table's cell; a long word in it may break."""
        is_long = "://" not in text and any(len(word) > LONG_WORD for word in text.split())
        return self.long(text) if self.long and is_long else self.set_inline(text)


def _escape_markdown(text: str) -> str:
    """Escape what means something to Markdown, to HTML or to GitHub's formulas."""
    text = SPECIAL.sub(r"\\\1", html.escape(plain(text), quote=False))
    return re.sub(r"^([-=]|\d+\.)(?=\s|$)", r"\\\1", text)


def _escape_latex(text: str) -> str:
    """Escape what means something to LaTeX; letters of any script stay, which a Unicode engine reads."""
    return "".join(LATEX.get(one, one) for one in unicodedata.normalize("NFC", plain(text)))


def _break_latex(text: str) -> str:
    """Write a name or command, which may break behind `/`, `_`, `.` and `=`; its leading spaces stay."""
    indent = len(text) - len(text.lstrip(" "))
    broken = re.sub(r"(\\_|[/.=]|[0-9a-f]{10}(?=[0-9a-f]))", r"\1\\allowbreak{}", _escape_latex(text.lstrip(" ")))
    return "\\ " * indent + broken


def _link_latex(address: str) -> str:
    """Write an address; what means something inside one is written as a browser would."""
    safe = "".join(
        one if one.isascii() and one not in "\\{}^`|\"'<>" else "".join(f"%{byte:02X}" for byte in one.encode())
        for one in address
    )
    escaped = re.sub("([%#&])", r"\\\1", safe)
    return f"\\url{{{escaped}}}"


def _escape_typst(text: str) -> str:
    """Write a text as a string of Typst's, in which nothing means anything."""
    inside = plain(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


def _break_typst(text: str) -> str:
    """Write a long name, address or digest as a string in which a line may break."""
    places = r"(?<=\w)[/_.=-](?=\w)|[0-9a-f]{10}(?=[0-9a-f])"
    return re.sub(places, lambda found: found[0] + BREAK, _escape_typst(text))


FORMATS = {
    ".html": Format(
        '<meta name="generator" content="musicml report">',
        html.escape,
        lambda piece: f"<code>{html.escape(piece)}</code>",
        lambda address: f'<a href="{html.escape(address)}">{html.escape(address)}</a>',
    ),
    ".md": Format(
        "<!-- written by musicml report -->",
        _escape_markdown,
        # also in a table's cell: what would end it there is escaped, or in an address written as a browser would
        lambda piece: f"`{piece.replace('|', chr(92) + '|')}`",
        lambda address: f"<{re.sub('[|<>]', lambda found: f'%{ord(found[0]):02X}', address)}>",
    ),
    ".tex": Format(
        "% written by musicml report",
        _escape_latex,
        lambda piece: f"\\texttt{{{_break_latex(piece)}}}",
        _link_latex,
        long=_break_latex,
    ),
    ".pdf": Format(
        "musicml report",  # among the file's keywords
        _escape_typst,
        lambda piece: f"#raw({_break_typst(piece)});",
        lambda address: f"#link({_escape_typst(address)}, {_break_typst(address)});",
        text=lambda piece: f"#{_escape_typst(piece)};",
        long=lambda text: f"#{_break_typst(text)};",
    ),
}
BREAKS = {".tex": _break_latex, ".pdf": _break_typst}  # how a name by itself is written that may break
