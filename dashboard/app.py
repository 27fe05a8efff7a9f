"""Start the dashboard: list the pages and build the navigation. `make dashboard` runs this file."""

import logging
from pathlib import Path

import streamlit as st

from dashboard import i18n, layout
from dashboard.app_pages import find_page
from musicml.utils import show_messages

# group → page → icon
PAGES = {
    "results": {
        "overview": ":material/list_alt:",
        "curves": ":material/show_chart:",
        "run": ":material/description:",
        "confusion": ":material/grid_on:",
        "classes": ":material/bar_chart:",
        "compare": ":material/compare_arrows:",
        "why": ":material/psychology_alt:",
        "report": ":material/article:",
    },
    "try": {"predict": ":material/mic:", "data": ":material/library_music:"},
    "machine": {"setup": ":material/build:"},
}

show_messages(logging.WARNING)
# our own icon, because Streamlit loads its icons from the network
st.set_page_config(page_title="musicml", page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide")
# the address decides, then the browser's language
st.session_state.setdefault("lang", i18n.choose_language(st.query_params.get("lang"), st.context.locale))
with st.sidebar:
    st.segmented_control(
        layout.get_words()("language"),
        list(i18n.LANGUAGES),
        required=True,
        format_func=layout.make_formatter(i18n.LANGUAGES),
        key="lang",
    )
if st.query_params.get("lang", i18n.match_locale(st.context.locale)) != st.session_state["lang"]:
    st.query_params["lang"] = st.session_state["lang"]  # so that a reload or a shared link keeps it
say = layout.get_words()
page = st.navigation(
    {
        say(f"group_{group}"): [
            st.Page(
                find_page(name),
                title=layout.get_words(name)("title"),
                icon=icon,
                url_path=name,
                default=name == "overview",
            )
            for name, icon in pages.items()
        ]
        for group, pages in PAGES.items()
    }
)
layout.run_guarded(page.run)  # errors become messages on the page
