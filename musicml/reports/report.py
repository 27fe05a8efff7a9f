"""Write run folders up as what a student hands in: HTML, Markdown, LaTeX or PDF, in English or Indonesian.

    run_data      what a run folder holds, read once and checked
    contents      run folders → blocks (document), section by section (sections/), in the words of words/*.toml
    render        blocks → one template a format (templates/), each blank escaped as formats says; plots draws
    model_card    what Hugging Face reads of one run
    report        writes it all, with figures and tables as files of their own beside it

Every number is read from a file of the run folder, and the caption says from which. All is written, or nothing, and
never over something else.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from musicml.experiment import Run
from musicml.reports import model_card, plots
from musicml.reports.contents import build_document
from musicml.reports.document import Cell, Document, Estimate, Table
from musicml.reports.formats import FORMATS
from musicml.reports.render import render, render_table
from musicml.reports.wording import Words
from musicml.utils import InputError, make_printable, os_error_to_input_error, write_bytes

LIST = "CONTENTS.txt"  # of what lies beside a report, which begins with this mark
MARK = "Written by musicml report"
# how each format's report begins: its mark elsewhere makes nothing a report
BEGINS = {
    ".html": r"\A<!doctype html>\n<html lang=\"\w+\">\n<head>\n<meta charset=\"utf-8\">\n{mark}\n",
    ".md": r"\A(?:---\n(?:[\w-]+: .*\n)+---\n\n)?{mark}\n",  # a card's facts stand before it
    ".tex": r"\A{mark}\n",
    ".pdf": r"\A%PDF-(?s:.*)/Keywords\s*\({mark}\)\s*/Creator\s*\(Typst ",
}


def write_report(
    runs: Sequence[Run], to: Path, language: str = "en", card: bool = False, data_root: Path | None = None
) -> list[Path]:
    """Write a report of runs to `to`, its figures and tables into a folder beside it.

    Parameters
    ----------
    runs : whole ones
    to : `report.html`, `.md`, `.tex` or `.pdf`; a report that is there is replaced
    language : `en` or `id`
    card : a model card of one run in Hugging Face's form, as `README.md`; nothing lies beside it
    data_root : where the runs' data is now, if it was moved

    Returns
    -------
    what was written, the report first

    Raises
    ------
    InputError
        If a run is not whole, something else stands at `to`, or Matplotlib or Typst is not installed.
    """
    to = Path(to)
    _check(to, card)
    if card:
        if len(runs) != 1:
            raise InputError(
                "a model card must be of one run, and {n_runs} were named: write one for each.", n_runs=len(runs)
            )
        return _write(to, model_card.render(runs[0], language).encode(errors="backslashreplace"), {})
    made = build_document(runs, language, data_root)
    content = render(made, to.suffix.lower(), _get_folder(to).name)
    return _write(to, content, make_attachments(made))


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
        texts[f"{table.name}.tex"] = render_table(table, document.language)
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


def _check(to: Path, card: bool = False) -> None:
    """Refuse a path that is no report's, before any work and before something else is written over."""
    shown = make_printable(str(to))
    if card and to.suffix.lower() != ".md":
        raise InputError(
            "a model card must be a file that ends in .md, and {shown} does not: choose README.md.", shown=shown
        )
    if to.suffix.lower() not in FORMATS:
        raise InputError(
            "a report must end in {formats}, which says how it is written, and {shown} does not: choose one of them.",
            formats=", ".join(FORMATS),
            shown=shown,
        )
    if to.exists() and not _is_ours(to):
        raise InputError(
            "{shown} is there already and is no report of musicml's, so it is not written over: choose another name.",
            shown=shown,
        )
    if not card and _get_folder(to).exists():
        _check_folder(_get_folder(to))


def _check_folder(folder: Path) -> None:
    """Refuse a folder in which anything lies that a report did not put there, since it is replaced as a whole."""
    shown, listed = make_printable(str(folder)), _list_names(folder / LIST)
    if not listed:
        raise InputError(
            "{folder} is there already and holds no report's files, so it is not written over: "
            "choose another name for the report.",
            folder=shown,
        )
    if others := sorted({path.name for path in folder.iterdir()} - listed):
        raise InputError(
            "{folder} is there already and holds {others}, which no report "
            "put there, so it is not replaced: move that away, or choose another name for the report.",
            folder=shown,
            others=make_printable(others[0]),
        )


def _list_names(path: Path) -> set[str]:
    """List what a list of a report's files names, itself too; nothing where it is not a list of ours."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if not text.startswith(f"{MARK}: "):
        return set()
    found = re.findall(r"^(\S+)(\.\w+), (\.\w+): ", text, re.MULTILINE)
    return {LIST, *(f"{name}{ending}" for name, *endings in found for ending in endings)}


def _is_ours(path: Path) -> bool:
    """Whether a file is a report that musicml wrote, in the format that its name's ending says."""
    ending = path.suffix.lower()
    begins = BEGINS[ending].replace("{mark}", re.escape(FORMATS[ending].mark)).encode()
    return path.is_file() and re.match(begins, path.read_bytes()) is not None


def _get_folder(to: Path) -> Path:
    """Return where a report's figures and tables lie: `report.html-files` beside `report.html`."""
    return to.with_name(f"{to.name}-files")


def _write(to: Path, content: bytes, others: Mapping[str, bytes]) -> list[Path]:
    """Write a report, and its folder before it, so that the report never shows what is not there."""
    if others:
        with _replace_folder(_get_folder(to)) as temporary:
            for name, inside in others.items():
                (temporary / name).write_bytes(inside)
    write_bytes(to, content)
    return [to, *(_get_folder(to) / name for name in others)]


@contextlib.contextmanager
def _replace_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; it takes the place of `path` once the block ends well."""
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{part}") for part in ("new", "old"))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if path.exists():
            os.replace(path, old)
        os.replace(temporary, path)
    except OSError as error:
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise os_error_to_input_error(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
