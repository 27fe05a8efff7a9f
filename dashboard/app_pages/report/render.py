"""Making: a report of runs as a page to show, and in each format as bytes to download; nothing stays on the disk."""

from __future__ import annotations

import importlib
import io
import os
import sys
import tempfile
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from dashboard import runs
from dashboard.runs import RunView
from musicml.reports import build_document, to_html, write_report

ONE_AT_A_TIME = threading.Lock()
FILES = ("run.json", "report.json", "predictions.csv", "history.csv", "layers.json", "split.csv")


def _import_matplotlib() -> None:
    """Import Matplotlib so that its list of fonts, which it keeps in its user's home, stays nowhere on this server."""
    with ONE_AT_A_TIME:
        if "matplotlib.font_manager" not in sys.modules:
            _import_without_a_trace()


def _import_without_a_trace() -> None:
    """Import Matplotlib's fonts with a folder for its list that is gone afterwards."""
    before = os.environ.get("MPLCONFIGDIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            importlib.import_module("matplotlib.font_manager")
        finally:
            os.environ.pop("MPLCONFIGDIR")
            if before is not None:
                os.environ["MPLCONFIGDIR"] = before


def _render_page(chosen: Sequence[RunView], language: str) -> str:
    """The report as one HTML page, made anew only where one of the runs has changed.

    Raises
    ------
    InputError
        If a run's files are missing or damaged, or what draws the figures is not installed.
    """
    changed = tuple(runs.get_stamp(one.run.path, *FILES) for one in chosen)
    return _render_cached_page(
        tuple(str(one.run.path) for one in chosen), changed, language, [one.run for one in chosen]
    )


@st.cache_resource(max_entries=10, show_spinner=False)
def _render_cached_page(paths: tuple[str, ...], changed: tuple, language: str, _runs: list) -> str:
    """As `page`."""
    _import_matplotlib()
    return to_html(build_document(_runs, language))


def _render_file(chosen: Sequence[RunView], name: str, language: str, card: bool = False) -> bytes:
    """A report in the format that its name's ending says.

    Raises
    ------
    InputError
        As `page`.
    """
    with tempfile.TemporaryDirectory() as folder:
        return write_report([one.run for one in chosen], Path(folder) / name, language, card)[0].read_bytes()


def _render_archive(chosen: Sequence[RunView], name: str, language: str) -> bytes:
    """A report with its figures and tables beside it, as a zip.

    Raises
    ------
    InputError
        As `page`.
    """
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for path in write_report([one.run for one in chosen], Path(folder) / name, language):
            target.write(path, path.relative_to(folder).as_posix())
    return packed.getvalue()
