"""Show a report of one or more runs, and offer it for download."""

from __future__ import annotations

import base64
import functools
import importlib
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from dashboard import i18n, layout, runs
from dashboard.caching import cache_resource
from dashboard.runs import RunView
from musicml.reports import build_document, to_html, write_report

HEIGHT = 800  # pixels, of the preview
WAYS = {".html": "text/html", ".pdf": "application/pdf"}
PACKED = (".md", ".tex")  # with their figures beside them, so as an archive
FILES = ("run.json", "report.json", "predictions.csv", "history.csv", "layers.json", "split.csv")

say = layout.LazyText("report")


def show() -> None:
    """Show the page."""
    layout.begin_page("report")
    chosen = layout.select_runs(layout.list_runs_or_stop(layout.is_complete), 1, key="reported")
    if not chosen:
        st.info(say("one_needed"), icon=":material/info:")
        return
    layout.show_data_notes(*chosen)
    others = [code for code in i18n.LANGUAGES if code != layout.get_language()]
    names = {code: i18n.LANGUAGES[code] for code in (layout.get_language(), *others)}
    language = layout.select_option(say("in_language"), names, "report-language")
    if find_spec("matplotlib") is None:
        st.warning(say("no_drawing"), icon=":material/extension_off:")
        return
    with st.spinner(say("making")):
        page = render_page(chosen, language)
    _show_downloads(chosen, language)
    st.header(say("preview"))
    # as an address of its own, so that nothing in the report can reach the dashboard
    address = "data:text/html;charset=utf-8;base64," + base64.b64encode(page.encode()).decode()
    st.iframe(address, height=HEIGHT, alt=say("preview"))


def _show_downloads(chosen: Sequence[RunView], language: str) -> None:
    """Show a button for each format; the file is made when the button is pressed."""
    stem = chosen[0].name if len(chosen) == 1 else "runs"
    with st.container(horizontal=True):
        for ending, kind in WAYS.items():
            name, missing = f"{stem}{ending}", ending == ".pdf" and find_spec("typst") is None
            _show_button(ending, functools.partial(render_file, chosen, name, language), name, kind, missing)
        for ending in PACKED:
            packed = functools.partial(render_archive, chosen, f"{stem}{ending}", language)
            _show_button(ending, packed, f"{stem}{ending}.zip", "application/zip")
        if len(chosen) == 1:
            card = functools.partial(render_file, chosen, "README.md", language, card=True)
            _show_button("_card", card, "README.md", "text/markdown")
    st.caption(say("beside"))


def _show_button(key: str, make: functools.partial[bytes], name: str, kind: str, missing: bool = False) -> None:
    """Show one download button; it is disabled where a needed package is missing."""
    st.download_button(
        say(f"as{key.replace('.', '_')}"),
        make,
        name,
        kind,
        key=f"report{key}",
        on_click="ignore",
        icon=":material/download:",
        disabled=missing,
        help=say("no_setting") if missing else None,
    )


@cache_resource()  # only one session at a time imports it
def _import_matplotlib() -> None:
    """Import Matplotlib's fonts with a temporary folder for its list of fonts, so that the list is never stored."""
    if "matplotlib.font_manager" in sys.modules:
        return
    before = os.environ.get("MPLCONFIGDIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            importlib.import_module("matplotlib.font_manager")
        finally:
            os.environ.pop("MPLCONFIGDIR")
            if before is not None:
                os.environ["MPLCONFIGDIR"] = before


def render_page(chosen: Sequence[RunView], language: str) -> str:
    """Render the report as one HTML page; again only when a run has changed.

    Raises
    ------
    InputError
        If a run's files are missing or damaged, or what draws the figures is not installed.
    """
    changed = tuple(runs.get_stamp(one.run.path, *FILES) for one in chosen)
    return _render_cached_page(
        tuple(str(one.run.path) for one in chosen), changed, language, [one.run for one in chosen]
    )


@cache_resource(max_entries=10)
def _render_cached_page(paths: tuple[str, ...], changed: tuple, language: str, _runs: list) -> str:
    """Render what `render_page` returns."""
    _import_matplotlib()
    return to_html(build_document(_runs, language))


def render_file(chosen: Sequence[RunView], name: str, language: str, card: bool = False) -> bytes:
    """Render a report in the format of the name's suffix.

    Raises
    ------
    InputError
        As `render_page`.
    """
    with tempfile.TemporaryDirectory() as folder:
        return write_report([one.run for one in chosen], Path(folder) / name, language, card)[0].read_bytes()


def render_archive(chosen: Sequence[RunView], name: str, language: str) -> bytes:
    """Render a report with its charts and tables as a zip archive.

    Raises
    ------
    InputError
        As `render_page`.
    """
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for path in write_report([one.run for one in chosen], Path(folder) / name, language):
            target.write(path, path.relative_to(folder).as_posix())
    return packed.getvalue()


if __name__ == "__main__":
    show()
