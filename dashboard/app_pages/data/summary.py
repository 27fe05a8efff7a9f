"""Show a dataset's size, its source, and the limits of results on it."""

from __future__ import annotations

import streamlit as st

from dashboard import layout
from dashboard.app_pages.data import tables
from dashboard.app_pages.data.tables import Chosen
from musicml.data.datasets import Dataset

say = layout.LazyText("data")


def show(chosen: Chosen) -> None:
    """Show the numbers first, then the source and known limits of the dataset."""
    dataset = chosen.dataset
    numbers = {
        "examples": len(dataset.examples),
        "classes": len(dataset.class_names),
        "n_groups": tables.count_groups(chosen.key, chosen),
        "n_left_out": len(tables.list_excluded(chosen.one) if chosen.one else dataset.excluded),
    }
    for column, (name, value) in zip(st.columns(4), numbers.items(), strict=True):
        column.metric(say(name), value)
    st.markdown(say(f"is_{dataset.kind}_{dataset.task}"))
    st.markdown(say("class_names", names=layout.escape_markdown(layout.format_list(dataset.class_names, 40))))
    st.header(say("source"))
    st.table([{say("what"): name, say("fact"): value} for name, value in _make_source_rows(dataset).items()])
    if dataset.notes:
        st.header(say("notes"))
        for note in dataset.notes:
            st.markdown(say("bullet", text=layout.escape_markdown(layout.translate_message(note))))


def _make_source_rows(dataset: Dataset) -> dict[str, str]:
    """Return SOURCE.json as rows, always with the license, because a missing one matters too."""
    facts = {name: value for name, value in dataset.source.items() if name not in ("sample", "licence", "license")}
    rows = {_name_key(name): layout.translate_message(str(value)) for name, value in facts.items()}
    licence = dataset.source.get("licence") or dataset.source.get("license")
    return {**rows, say("licence"): str(licence) if licence else say("no_licence")}


def _name_key(key: str) -> str:
    """Return the displayed name of a key of SOURCE.json."""
    return say(f"source_{key}") if say.has(f"source_{key}") else key
