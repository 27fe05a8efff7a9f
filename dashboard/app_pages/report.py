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

from dashboard import i18n, layout
from dashboard.caching import cache_by, cache_resource, stamp_runs
from dashboard.runs import RunView
from musicml.reports import build_document, to_html, write_report

HEIGHT = 800  # pixels of the preview
PACKED = "application/zip"  # formats with separate chart files are downloaded as an archive
WAYS = {".html": "text/html", ".pdf": "application/pdf", ".md": PACKED, ".tex": PACKED}
FILES = ("run.json", "report.json", "predictions.csv", "history.csv", "layers.json", "split.csv")

say = layout.LazyText("report")


def show() -> None:
    """Show the page."""
    layout.begin_page("report")
    found = layout.list_runs_or_stop(layout.is_complete)
    chosen = layout.select_runs(found, [min(found, key=layout.rank_as_default)], key="reported")
    if not chosen:
        layout.show_info(say("one_needed"))
        return
    layout.show_data_notes(*chosen)
    others = [code for code in i18n.LANGUAGES if code != layout.get_language()]
    names = {code: i18n.LANGUAGES[code] for code in (layout.get_language(), *others)}
    language = layout.select_option(say("in_language"), names, "report-language")
    if find_spec("matplotlib") is None:
        st.warning(say("no_drawing"), icon=":material/extension_off:")
        return
    with st.spinner(say("making")):
        page = render_page(chosen, language)  # HTML is rendered for the preview, other formats on request
    _show_downloads(chosen, language)
    st.header(say("preview"))
    # a data: address has an origin of its own, so scripts in the report could not reach the dashboard
    address = "data:text/html;charset=utf-8;base64," + base64.b64encode(page.encode()).decode()
    st.iframe(address, height=HEIGHT, alt=say("preview"))


def _show_downloads(chosen: Sequence[RunView], language: str) -> None:
    """Show a button for each format; the file is made when the button is pressed."""
    stem = chosen[0].name if len(chosen) == 1 else "runs"
    buttons = [(ending, f"{stem}{ending}", kind, {"packed": kind == PACKED}) for ending, kind in WAYS.items()]
    if len(chosen) == 1:
        buttons.append(("_card", "README.md", "text/markdown", {"card": True}))
    with st.container(horizontal=True):
        for key, name, kind, options in buttons:
            missing = key == ".pdf" and find_spec("typst") is None
            st.download_button(
                say(f"as{key.replace('.', '_')}"),
                functools.partial(render_file, chosen, name, language, **options),
                f"{name}.zip" if kind == PACKED else name,
                kind,
                key=f"report{key}",
                on_click="ignore",
                icon=":material/download:",
                disabled=missing,
                help=say("no_setting") if missing else None,
            )
    st.caption(say("beside"))


@cache_resource()  # a lock as well: only one session at a time imports it
def _import_matplotlib() -> None:
    """Import Matplotlib's font manager with a temporary folder, so that its list of fonts is never stored."""
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


@cache_by(stamp_runs(*FILES), max_entries=10)
def render_page(chosen: Sequence[RunView], language: str) -> str:
    """Render the report as one HTML page; render it again only when a run has changed."""
    _import_matplotlib()
    return to_html(build_document([view.run for view in chosen], language))


def render_file(chosen: Sequence[RunView], name: str, language: str, card: bool = False, packed: bool = False) -> bytes:
    """Render a report in the format of the name's suffix; with `packed`, as a zip archive with charts and tables."""
    made = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_report([view.run for view in chosen], Path(folder) / name, language, card)
        if not packed:
            return paths[0].read_bytes()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
            for path in paths:
                target.write(path, path.relative_to(folder).as_posix())
    return made.getvalue()


if __name__ == "__main__":
    show()
