"""Writing a report and what lies beside it: whole or not at all, and never over something else."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from musicml.reports import attachments
from musicml.reports.formats import FORMATS
from musicml.utils import InputError, make_printable, os_error_to_input_error, write_bytes

# how each format's report begins: its mark elsewhere makes nothing a report
BEGINS = {
    ".html": r"\A<!doctype html>\n<html lang=\"\w+\">\n<head>\n<meta charset=\"utf-8\">\n{mark}\n",
    ".md": r"\A(?:---\n(?:[\w-]+: .*\n)+---\n\n)?{mark}\n",  # a card's facts stand before it
    ".tex": r"\A{mark}\n",
    ".pdf": r"\A%PDF-(?s:.*)/Keywords\s*\({mark}\)\s*/Creator\s*\(Typst ",
}


def check(to: Path, card: bool = False) -> None:
    """Refuse a path that is no report's, before any work and before something else is written over.

    Raises
    ------
    InputError
        If its ending is none of `FORMATS`, or something that is no report of ours stands there or beside it.
    """
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
    if not card and folder_of(to).exists():
        _check_folder(folder_of(to))


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


def folder_of(to: Path) -> Path:
    """Return where a report's figures and tables lie: `report.html-files` beside `report.html`."""
    return to.with_name(f"{to.name}-files")


def write(to: Path, content: bytes, others: Mapping[str, bytes]) -> list[Path]:
    """Write a report, and its folder before it, so that the report never shows what is not there.

    Returns
    -------
    the report, then the files beside it
    """
    if others:
        with _replace_folder(folder_of(to)) as temporary:
            for name, inside in others.items():
                (temporary / name).write_bytes(inside)
    write_bytes(to, content)
    return [to, *(folder_of(to) / name for name in others)]


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
