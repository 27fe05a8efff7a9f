"""Write run folders up as what a student hands in: HTML, Markdown, LaTeX or PDF, in English or Indonesian.

    run_data      what a run folder holds, read once and checked
    contents      run folders → blocks (document), section by section (sections/), in the words of words/*.toml
    render        blocks → one template a format (templates/), each blank escaped as formats says; plots draws
    model_card    what Hugging Face reads of one run
    attachments   figures and tables as files of their own

Every number is read from a file of the run folder, and the caption says from which. All is written, or nothing, and
never over something else.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from musicml.experiment import Run
from musicml.reports import attachments, model_card
from musicml.reports.contents import build_document
from musicml.reports.formats import FORMATS
from musicml.reports.render import render
from musicml.utils import InputError, make_printable, os_error_to_input_error, write_bytes

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
    return _write(to, content, attachments.make_attachments(made))


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
    shown, listed = make_printable(str(folder)), _list_names(folder / attachments.LIST)
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
    if not text.startswith(f"{attachments.MARK}: "):
        return set()
    found = re.findall(r"^(\S+)(\.\w+), (\.\w+): ", text, re.MULTILINE)
    return {attachments.LIST, *(f"{name}{ending}" for name, *endings in found for ending in endings)}


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
