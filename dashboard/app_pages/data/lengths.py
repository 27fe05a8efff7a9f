"""Show how long the sounds of a dataset are, when the user asks for it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import layout
from dashboard.app_pages.data import tables
from dashboard.app_pages.data.tables import Chosen
from dashboard.charts import class_counts

say = layout.LazyText("data")


def show(chosen: Chosen) -> None:
    """Show a histogram of lengths in seconds, when the user asks for it."""
    n = len(chosen.dataset.examples)
    st.markdown(say("lengths_lead", n=min(n, tables.MAX_MEASURED), all=n))
    if not st.toggle(say("measure"), key="measure"):
        return
    with st.spinner(say("measuring")):
        seconds, unknown = tables.measure_lengths(chosen.key, chosen)
    if not len(seconds):
        st.info(say("no_lengths"), icon=":material/info:")
        return
    edges, held = class_counts.bin_values(seconds)
    middle = (f"{value:.1f}" for value in np.percentile(seconds, (0, 50, 100)))
    words = say("lengths_words", n=len(seconds), all=n, **dict(zip(("least", "median", "most"), middle, strict=True)))
    rows = [
        {say("from"): round(float(low), 3), say("to"): round(float(high), 3), say("files"): int(count)}
        for low, high, count in zip(edges[:-1], edges[1:], held, strict=True)
    ]
    layout.show_chart(class_counts.draw_histogram(edges, held, say("seconds"), say("files")), words, rows, "lengths")
    if unknown:
        st.markdown(say("lengths_unknown", n=unknown))
