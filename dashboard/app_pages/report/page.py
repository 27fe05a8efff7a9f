"""Report: what a student hands in about one run or several, to look at and to download."""

from __future__ import annotations

import base64
import functools
from collections.abc import Sequence
from importlib.util import find_spec

import streamlit as st

from dashboard import i18n, layout
from dashboard.app_pages.report import render
from dashboard.runs import RunView

HEIGHT = 800  # pixels, of the preview
WAYS = {".html": "text/html", ".pdf": "application/pdf"}
PACKED = (".md", ".tex")  # with their figures beside them, so as an archive

say = layout.begin_page("report")


def show() -> None:
    """The whole page."""
    chosen = layout.select_runs(layout.list_runs_or_stop(layout.is_complete), 1, key="reported")
    if not chosen:
        st.info(say("one_needed"), icon=":material/info:")
        return
    layout.show_sample_note(*chosen)
    others = [code for code in i18n.LANGUAGES if code != layout.get_language()]
    names = {code: i18n.LANGUAGES[code] for code in (layout.get_language(), *others)}
    language = layout.select_option(say("in_language"), names, "report-language")
    if find_spec("matplotlib") is None:
        st.warning(say("no_drawing"), icon=":material/extension_off:")
        return
    with st.spinner(say("making")):
        page = render._render_page(chosen, language)
    _show_downloads(chosen, language)
    st.header(say("preview"))
    # as an address of its own, so that nothing in the report can reach the dashboard
    address = "data:text/html;charset=utf-8;base64," + base64.b64encode(page.encode()).decode()
    st.iframe(address, height=HEIGHT, alt=say("preview"))


def _show_downloads(chosen: Sequence[RunView], language: str) -> None:
    """A button for each format; what it gives is made when it is pressed."""
    stem = chosen[0].name if len(chosen) == 1 else "runs"
    with st.container(horizontal=True):
        for ending, kind in WAYS.items():
            name, missing = f"{stem}{ending}", ending == ".pdf" and find_spec("typst") is None
            _show_button(ending, functools.partial(render._render_file, chosen, name, language), name, kind, missing)
        for ending in PACKED:
            packed = functools.partial(render._render_archive, chosen, f"{stem}{ending}", language)
            _show_button(ending, packed, f"{stem}{ending}.zip", "application/zip")
        if len(chosen) == 1:
            card = functools.partial(render._render_file, chosen, "README.md", language, card=True)
            _show_button("_card", card, "README.md", "text/markdown")
    st.caption(say("beside"))


def _show_button(key: str, make: functools.partial[bytes], name: str, kind: str, missing: bool = False) -> None:
    """One way to take the report along; what is not installed is said in its help."""
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


show()
