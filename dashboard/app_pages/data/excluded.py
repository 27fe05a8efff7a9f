"""Show the files of a dataset that are not used, and why."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from dashboard import layout
from dashboard.app_pages.data import tables
from dashboard.app_pages.data.tables import Chosen
from dashboard.caching import cache_data

MAX_ROWS = 1000  # rows of a table, at most
MAX_REASONS = 6  # reasons shown above the table, at most

say = layout.LazyText("data")


def show(chosen: Chosen) -> None:
    """Show the files that are not used, and why."""
    rows = (
        [(row.file, row.reason) for row in chosen.dataset.excluded]
        if chosen.one is None
        else tables.list_excluded(chosen.one)
    )
    st.markdown(say("left_out_lead"))
    if not rows:
        st.info(say("nothing_left_out" if chosen.one else "nothing_by_lists"), icon=":material/info:")
        return
    st.markdown(say("left_out_n", n=len(rows)))
    translated = translate_reasons(tuple(reason for _, reason in rows[:MAX_ROWS]), layout.get_language())
    for reason, n in Counter(translated).most_common(MAX_REASONS):
        st.markdown(say("bullet", text=say("times", n=n, reason=layout.escape_markdown(reason))))
    if len(rows) > MAX_ROWS:
        st.caption(say("left_out_listed", n=MAX_ROWS))
    layout.show_table(
        [{say("file"): rows[k][0], say("reason"): reason} for k, reason in enumerate(translated)], "left-out"
    )


@cache_data(max_entries=20)
def translate_reasons(reasons: tuple[str, ...], language: str) -> list[str]:
    """Translate reasons, each one once per language."""
    return [layout.translate_message(reason) for reason in reasons]
