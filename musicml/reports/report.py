"""Write a report on runs as HTML, Markdown, LaTeX or PDF, in English or Indonesian.

    run_data      read and check the files of a run folder
    contents      build the report's document, section by section (sections/), with the words of words.toml
    render        fill one template per format (templates/); formats escapes text, plots draws the charts
    model_card    write a model card for Hugging Face
    report        write the report, with its figures and tables as separate files

Every number comes from a file of the run folder, which its caption names. A report is written completely or not at
all, and never replaces a file that is not a report.
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
from musicml.utils import InputError, escape_csv_formula, make_printable, os_error_to_input_error, write_bytes

LIST = "CONTENTS.txt"  # lists the files of a report; it begins with MARK
MARK = "Written by musicml report"
# how a report in each format begins: a file that only quotes the mark is not a report
BEGINNINGS = {
    ".html": r"\A<!doctype html>\n<html lang=\"\w+\">\n<head>\n<meta charset=\"utf-8\">\n{mark}\n",
    ".md": r"\A(?:---\n(?:[\w-]+: .*\n)+---\n\n)?{mark}\n",  # a model card has its metadata first
    ".tex": r"\A{mark}\n",
    ".pdf": r"\A%PDF-(?s:.*)/Keywords\s*\({mark}\)\s*/Creator\s*\(Typst ",
}


def write_report(
    runs: Sequence[Run], to: Path, language: str = "en", card: bool = False, data_root: Path | None = None
) -> list[Path]:
    """Write a report on runs to `to`, and its figures and tables to a folder next to it.

    Parameters
    ----------
    runs : complete runs
    to : `report.html`, `.md`, `.tex` or `.pdf`; an existing report is replaced
    language : `en` or `id`
    card : write a model card of one run for Hugging Face instead, as `README.md`, without further files
    data_root : folder of the datasets, if it was moved

    Returns
    -------
    the files written, the report first

    Raises
    ------
    InputError
        If a run is not complete, `to` is not a report's path, or Matplotlib or Typst is not installed.
    """
    to = Path(to)
    _check_path(to, card)
    if card:
        if len(runs) != 1:
            raise InputError(
                "Expected one run for a model card, got {n_runs}. Write one card per run.", n_runs=len(runs)
            )
        return _write(to, model_card.render(runs[0], language).encode(errors="backslashreplace"), {})
    document = build_document(runs, language, data_root)
    content = render(document, to.suffix.lower(), _get_folder(to).name)  # before anything is written, as it may fail
    return _write(to, content, make_attachments(document))


def make_attachments(document: Document) -> dict[str, bytes]:
    """Make the separate files of a report's figures and tables: file name → content."""
    charts = {
        f"{figure.name}.{kind}": plots.save(figure.drawing, kind, language=document.language)
        for figure in document.figures
        for kind in ("svg", "pdf")
    }
    texts: dict[str, str] = {}
    for table in document.tables:
        texts[f"{table.name}.csv"] = write_csv(table, document.language)
        texts[f"{table.name}.tex"] = render_table(table, document.language)
    texts[LIST] = "\n".join(_list_files(document)) + "\n"
    # lone surrogates, from file names that are not UTF-8, cannot be encoded
    return charts | {name: text.encode(errors="backslashreplace") for name, text in texts.items()}


def _list_files(document: Document) -> Iterator[str]:
    """Write a line for each figure and table: its files, caption and source."""
    words = Words(document.language)
    yield f"{MARK}: {document.title}"
    yield ""
    for figure in document.figures:
        yield f"{figure.name}.svg, .pdf: {words('name.figure')} {figure.number}. {figure.caption} {figure.source}"
    for table in document.tables:
        number = f"{words('name.table')} {table.number}. " if table.number else ""
        yield f"{table.name}.csv, .tex: {number}{table.caption} {table.source}"


def write_csv(table: Table, language: str = "en") -> str:
    """Write a table as CSV: full precision with a decimal point, and the bounds of intervals in their own columns."""
    words, text = Words(language), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    has_bounds = [any(getattr(row[k], "interval", None) for row in table.rows) for k in range(len(table.columns))]
    headings = []
    for name, with_bounds in zip(table.columns, has_bounds, strict=True):
        headings += [name, *(f"{name}, {words(f'ends.{end}')}" for end in ("low", "high"))] if with_bounds else [name]
    writer.writerow(headings)
    for row in table.rows:
        writer.writerow(
            [value for cell, bounds in zip(row, has_bounds, strict=True) for value in _expand(cell, bounds)]
        )
    return text.getvalue()


def _expand(cell: Cell, with_bounds: bool) -> Iterator[str]:
    """Write a cell as one CSV field, or as three: the value and both bounds; empty where it is not defined."""
    estimate = cell if isinstance(cell, Estimate) else None
    bounds = (estimate.interval if estimate else None) or (None, None)
    for value in (estimate.value if estimate else cell, *(bounds if with_bounds else ())):
        yield "" if value is None else str(escape_csv_formula(value))


def _check_path(to: Path, card: bool = False) -> None:
    """Reject a path that is not a report's, before any work is done and before another file is replaced."""
    path = make_printable(str(to))
    if card and to.suffix.lower() != ".md":
        raise InputError("Expected a file name ending in .md for a model card, got {path}. Use README.md.", path=path)
    if to.suffix.lower() not in FORMATS:
        raise InputError(
            "Expected a report name ending in {formats}, got {path}. The ending sets the format.",
            formats=", ".join(FORMATS),
            path=path,
        )
    if to.exists() and not _is_report(to):
        raise InputError(
            "{path} exists and is not a report from musicml, so it was not replaced. Choose another name.", path=path
        )
    if not card and _get_folder(to).exists():
        _check_folder(_get_folder(to))


def _check_folder(folder: Path) -> None:
    """Reject a folder with files that no report wrote, because the whole folder is replaced."""
    path, names = make_printable(str(folder)), _list_names(folder / LIST)
    if not names:
        raise InputError(
            "{folder} exists and does not belong to a report, so it was not replaced. Choose another report name.",
            folder=path,
        )
    if others := sorted({path.name for path in folder.iterdir()} - names):
        raise InputError(
            "{folder} contains {name}, which no report wrote, so the folder was not replaced. Move that file, or "
            "choose another report name.",
            folder=path,
            name=make_printable(others[0]),
        )


def _list_names(path: Path) -> set[str]:
    """List the file names in a report's CONTENTS.txt, with its own; empty if a report did not write it."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if not text.startswith(f"{MARK}: "):  # another program's CONTENTS.txt
        return set()
    lines = re.findall(r"^(\S+)(\.\w+), (\.\w+): ", text, re.MULTILINE)
    return {LIST, *(f"{name}{ending}" for name, *endings in lines for ending in endings)}


def _is_report(path: Path) -> bool:
    """Return whether musicml wrote a file as a report in the format of its ending."""
    ending = path.suffix.lower()
    pattern = BEGINNINGS[ending].replace("{mark}", re.escape(FORMATS[ending].mark)).encode()
    return path.is_file() and re.match(pattern, path.read_bytes()) is not None


def _get_folder(to: Path) -> Path:
    """Return the folder of a report's figures and tables: `report.html-files` for `report.html`."""
    return to.with_name(f"{to.name}-files")


def _write(to: Path, content: bytes, attachments: Mapping[str, bytes]) -> list[Path]:
    """Write the folder of a report and then the report, which thus never refers to a missing file."""
    if attachments:
        with _replace_folder(_get_folder(to)) as temporary:
            for name, attachment in attachments.items():
                (temporary / name).write_bytes(attachment)
    write_bytes(to, content)  # atomically, as all files of the package
    return [to, *(_get_folder(to) / name for name in attachments)]


@contextlib.contextmanager
def _replace_folder(path: Path) -> Iterator[Path]:
    """Open a temporary folder that replaces `path` if the block ends without an error."""
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{part}") for part in ("new", "old"))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if path.exists():
            os.replace(path, old)  # a folder that is not empty cannot be replaced in one step
        os.replace(temporary, path)
    except OSError as error:  # such as a full disk: put the old folder back
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise os_error_to_input_error(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
