"""A report as LaTeX that plain pdflatex compiles; its figures are PDF files beside it, its tables fragments too."""

from __future__ import annotations

import math
import re
import unicodedata

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

MARK = "% written by musicml report"
PREAMBLE = r"""\documentclass[11pt,a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage[margin=25mm]{geometry}
\usepackage{array}
\usepackage{booktabs}
\usepackage{longtable}
\usepackage{graphicx}
\IfFileExists{xurl.sty}{\usepackage{xurl}}{\usepackage[hyphens]{url}}
\usepackage[hidelinks]{hyperref}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt plus 2pt}
\setlength{\tabcolsep}{4pt}
\setlength{\LTcapwidth}{\linewidth}
\setlength{\emergencystretch}{4em}
\raggedbottom
% a figure stays where it is told of
\makeatletter
\newenvironment{here}{\par\medskip\noindent\begin{minipage}{\linewidth}\centering\def\@captype{figure}}{\end{minipage}\par\medskip}
\makeatother
"""
ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # at the start of a row or an item they would be an argument of what ends the one before
    "]": "{]}",
    "*": "{*}",
    "-": "{-}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "×": r"\texttimes{}",
    "·": r"\textperiodcentered{}",
    "→": r"\(\rightarrow\)",
    "≥": r"\(\geq\)",
    "≤": r"\(\leq\)",
    "±": r"\textpm{}",
}
# beyond ASCII, what the T1 fonts have
LETTERS = set(map(chr, range(0xC0, 0x100))) - {"×", "÷"} | set(
    "ĂăĄąĆćČčĎďĐđĘęĚěĞğĹĺĽľŁłŃńŇňŐőŔŕŘřŚśŞşŠšŢţŤťŮůŰűŹźŻżŽžŸŒœ§£¡¿«»“”‘’„"
)
WIDE = 88  # characters of a table's line that small type has room for
WIDER = 104  # and those that the smallest has
BETWEEN = 2  # characters that the space between two columns is as wide as
LEAST = 4  # characters that a column which may break has at the least
LONG = (22, 12, 6, 3)  # characters from which a column may break: as few columns as need be
MANY = 6  # columns above which a table is in the smallest type
MOST = 16  # columns above which a line has no room for words in each


def to_latex(document: Document, folder: str) -> str:
    """The whole text.

    Parameters
    ----------
    folder : where its figures lie, as LaTeX finds them from the report
    """
    names = f"\\renewcommand{{\\figurename}}{{{escape(document.of_figure)}}}\n"
    names += f"\\renewcommand{{\\tablename}}{{{escape(document.of_table)}}}\n"
    head = f"{MARK}\n{PREAMBLE}{names}\\title{{{escape(document.title)}}}\n\\author{{}}\n\\date{{}}\n"
    body = "\n\n".join(part for block in document.blocks if (part := element(block, document, folder)))
    return f"{head}\\begin{{document}}\n\\maketitle\n\n{body}\n\n\\end{{document}}\n"


def escape(text: str) -> str:
    """Text in which nothing means anything to LaTeX; a character that its fonts lack is a question mark."""
    text = unicodedata.normalize("NFC", plain(text))
    return "".join(ESCAPES.get(one) or (one if one.isascii() or one in LETTERS else without_marks(one)) for one in text)


def without_marks(letter: str) -> str:
    """The plain letter below an accent that the fonts lack; a question mark for anything else."""
    base = unicodedata.normalize("NFKD", letter)[0]
    return base if base.isascii() and base.isalnum() else "?"


def element(block: Block, document: Document, folder: str) -> str:
    """One block."""
    if isinstance(block, Heading):
        return f"\\{'section' if block.level == 1 else 'subsection'}{{{escape(block.text)}}}"
    if isinstance(block, Paragraph):
        return inline(block.text)
    if isinstance(block, Note):
        words = inline(block.text) if block.kind == "missing" else f"\\textbf{{{inline(block.text)}}}"
        return f"\\begin{{quote}}\n{words}\n\\end{{quote}}"
    if isinstance(block, Listing):
        return "\\begin{itemize}\n" + "\n".join(f"\\item {inline(item)}" for item in block.items) + "\n\\end{itemize}"
    if isinstance(block, Code):
        lines = [rf"\mbox{{}}\ttfamily {inline_code(line)}" for line in block.text.splitlines()]
        return "{\\footnotesize\\raggedright\\setlength{\\parskip}{0pt}\n" + "\\par\n".join(lines) + "\\par}"
    if isinstance(block, Figure):
        return (
            "\\begin{here}\n"
            f"\\includegraphics[width=\\linewidth,height=0.82\\textheight,keepaspectratio]{{{folder}/{block.name}.pdf}}\n"
            f"\\caption{{{captioned(block)}}}\n\\end{{here}}"
        )
    return "" if block.beside else long_table(block, document.language)


def inline(text: str) -> str:
    """Running text with its code and its links."""
    made = {"text": escape, "code": lambda piece: f"\\texttt{{{inline_code(piece)}}}", "link": link}
    return "".join(made[kind](piece) for kind, piece in spans(text))


def inline_code(text: str) -> str:
    """A name or command, which may break behind `/`, `_`, `.` and `=`; its leading spaces stay."""
    indent = len(text) - len(text.lstrip(" "))
    broken = re.sub(r"(\\_|[/.=]|[0-9a-f]{10}(?=[0-9a-f]))", r"\1\\allowbreak{}", escape(text.lstrip(" ")))
    return "\\ " * indent + broken


def link(address: str) -> str:
    """An address; what means something inside one is written as a browser would."""
    safe = "".join(
        one if one.isascii() and one not in "\\{}^`|\"'<>" else "".join(f"%{byte:02X}" for byte in one.encode())
        for one in address
    )
    return (
        f"\\url{{{re.sub(r'([%#&_$~])', lambda found: chr(92) + found[1] if found[1] in '%#&' else found[1], safe)}}}"
    )


def captioned(block: Table | Figure) -> str:
    """What a table or figure shows, and which files it comes from."""
    return f"{inline(block.caption)} \\textit{{{inline(block.source)}}}"


def long_table(block: Table, language: str) -> str:
    """A table that goes on over pages, its head repeated."""
    head, lines = cells_of(block, language)
    size = "\\scriptsize" if len(block.columns) > MANY else "\\small"
    return (
        f"{{{size}\n\\begin{{longtable}}{{{spec(block, language)}}}\n\\caption{{{captioned(block)}}}\\\\\n"
        f"\\toprule\n{head}\n\\midrule\n\\endfirsthead\n\\toprule\n{head}\n\\midrule\n\\endhead\n"
        f"\\bottomrule\n\\endfoot\n" + "\n".join(lines) + "\n\\end{longtable}\n}"
    )


def fragment(block: Table, language: str) -> str:
    """A table by itself, to be read into a thesis; where the columns are very many, their heads stand upright."""
    head, lines = cells_of(block, language)
    columns, size = spec(block, language), "\\scriptsize" if len(block.columns) > MANY else "\\small"
    begin, end = "", ""
    if len(block.columns) > MOST:
        head = " & ".join(rf"\rotatebox{{90}}{{{escape(name)}}}" for name in block.columns) + " \\\\"
        columns = f"@{{}}l{'r' * (len(block.columns) - 1)}@{{}}"
        begin, end = "\\resizebox{\\linewidth}{!}{%\n", "}"
    body = "\n".join(lines)
    return (
        f"{MARK}; needs \\usepackage{{booktabs, array, graphicx}}\n"
        f"% {escape(block.caption)}\n% {escape(block.source)}\n"
        f"{{{size}\\setlength{{\\tabcolsep}}{{4pt}}\n{begin}\\begin{{tabular}}{{{columns}}}\n"
        f"\\toprule\n{head}\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}{end}}}\n"
    )


def cells_of(block: Table, language: str) -> tuple[str, list[str]]:
    """The line of a table's head, and its other lines."""
    head = " & ".join(rf"\textbf{{{of_cell(name)}}}" for name in block.columns)
    lines = [" & ".join(of_cell(shown(cell, language)) for cell in row) for row in block.rows]
    return f"{head} \\\\", [f"{line} \\\\" for line in lines]


def of_cell(text: str) -> str:
    """A cell; a long name in it may break."""
    return inline_code(text) if "://" not in text and any(len(word) > 18 for word in text.split()) else inline(text)


def spec(block: Table, language: str) -> str:
    """The columns: figures to the right, words to the left, long ones in a share of what room is left."""
    widths = [
        max([len(name), *(len(shown(row[column], language)) for row in block.rows)])
        for column, name in enumerate(block.columns)
    ]
    line = WIDER if len(widths) > MANY else WIDE
    shares = shares_of(widths, line, line - BETWEEN * (len(widths) - 1))
    made = []
    for column, share in enumerate(shares):
        right = is_of_numbers(block, column)
        if share:  # without the space of no width, the first word of a cell would never break
            side = "left" if right else "right"
            made.append(rf">{{\ragged{side}\arraybackslash\hspace{{0pt}}}}p{{{share:.3f}\linewidth}}")
        else:
            made.append("r" if right else "l")
    return f"@{{}}{''.join(made)}@{{}}"


def shares_of(widths: list[int], line: int, room: int) -> list[float]:
    """How much of the line each column gets that may break, so that all stay within it; 0 for one as wide as it is.

    Parameters
    ----------
    widths : characters of each column's longest cell
    line : characters of a whole line; `room` : those that are left of it for cells
    """
    flows = [False] * len(widths)
    for least in LONG if sum(widths) > room else ():
        flows = [width > least for width in widths]
        left = room - sum(width for width, one in zip(widths, flows, strict=True) if not one)
        if left >= max(0.3 * line, LEAST * sum(flows)):
            break
    left = room - sum(width for width, one in zip(widths, flows, strict=True) if not one)
    weights = [min(width, 70) ** 0.7 if one else 0 for width, one in zip(widths, flows, strict=True)]
    # rounded down, so that the sum of what is written is no more than there is
    return [math.floor(1000 * left / line * weight / sum(weights)) / 1000 if weight else 0.0 for weight in weights]
