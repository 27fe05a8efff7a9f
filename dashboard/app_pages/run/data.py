"""Data: where a run's data comes from, how it was split, what was left out and what was mended."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.run import formatting
from dashboard.runs import Entry
from musicml.data.splits import is_ungrouped_split
from musicml.experiment import Run
from musicml.utils import InputError

SIDES = ("train", "val", "test")

say = layout.Saying("run")


def show(one: Entry) -> None:
    """Where the data comes from, how it was split, what was left out."""
    found = one.data
    facts = {
        "dataset": found.dataset,
        "origin": say("sample" if one.sample else "real"),
        "hash": found.hash,
        "root": found.folder or found.root,
    }
    rows = [formatting.fact(say(key), value) for key, value in facts.items() if value is not None]
    rows += [
        formatting.fact(say("source" if key == "source" else "source_of", name=key), formatting.as_toml(value))
        for key, value in found.source.items()
        if key != "sample"
    ]
    layout.table(rows, "run-data", height="content")
    for note in found.notes:
        st.markdown(say("note", note=layout.plain(layout.translated(note))))
    st.markdown(say("warned", n=found.with_warnings))
    sides(one)
    listed(one, "excluded.csv", "excluded", "reason")
    listed(one, "repairs.csv", "repairs", "words")


def sides(one: Entry) -> None:
    """How the examples were split, and how many groups stand on each side."""
    st.markdown(say("split_head"))
    st.markdown(say("statement", words=layout.plain(layout.translated(one.split.statement))))
    groups = groups_of(str(one.run.path), runs.stamp(one.run.path, "split.csv"))
    rows = [
        {say("side"): say(f"side_{side}"), say("files"): getattr(one.split, side), say("groups"): groups.get(side)}
        for side in (SIDES[:-1] if one.split.folds else SIDES)
    ]
    if one.split.folds:
        st.markdown(say("folds", n=one.split.folds, files=one.split.test))
    layout.table(rows, "run-sides")
    apart = is_ungrouped_split(one.data.as_published, one.info.split_rule)
    st.caption(say("groups_words_none" if apart else "groups_words"))


@st.cache_data(max_entries=50, show_spinner=False)
def groups_of(path: str, changed: tuple[float, ...]) -> dict[str, int]:
    """How many groups stand on each side; nothing where split.csv is gone or damaged."""
    found: dict[str, set[str]] = {}
    try:
        for row in Run(Path(path)).table("split.csv"):
            found.setdefault(str(row.get("split")), set()).add(str(row.get("group")))
    except InputError:
        return {}
    return {side: len(groups) for side, groups in found.items()}


def listed(one: Entry, table: str, key: str, why: str) -> None:
    """The files that a table of the run names, each with a sentence."""
    st.markdown(say(f"{key}_head"))
    found = one.run.table(table)
    st.markdown(say(key, n=len(found)) if found else say(f"{key}_none"))
    if found:
        rows = [{say("file"): row.get("file"), say("reason"): layout.translated(str(row.get(why)))} for row in found]
        layout.table(rows, f"run-{key}", {say("reason"): st.column_config.TextColumn(width="large")})
