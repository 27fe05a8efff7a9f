"""Show a run's data: its source, its split, and the excluded and repaired files."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.run import formatting
from dashboard.caching import cache_data
from dashboard.runs import RunView
from musicml.data.splits import is_ungrouped_split
from musicml.experiment import Run
from musicml.utils import InputError

SIDES = ("train", "val", "test")

say = layout.LazyText("run")


def show(one: RunView) -> None:
    """Show the source of the data, its split, and the excluded files."""
    found = one.data
    facts = {
        "dataset": found.dataset,
        "origin": say("sample" if one.sample else "real"),
        "hash": found.hash,
        "root": found.folder or found.root,
    }
    rows = [formatting.make_fact(say(key), value) for key, value in facts.items() if value is not None]
    rows += [
        formatting.make_fact(say("source" if key == "source" else "source_of", name=key), formatting.format_toml(value))
        for key, value in found.source.items()
        if key != "sample"
    ]
    layout.show_table(rows, "run-data", height="content")
    for note in found.notes:
        st.markdown(say("note", note=layout.escape_markdown(layout.translate_message(note))))
    st.markdown(say("warned", n=found.with_warnings))
    _show_sides(one)
    _show_files(one, "excluded.csv", "excluded", "reason")
    _show_files(one, "repairs.csv", "repairs", "words")


def _show_sides(one: RunView) -> None:
    """Show how many examples and groups each split has."""
    st.markdown(say("split_head"))
    st.markdown(say("statement", words=layout.escape_markdown(layout.translate_message(one.split.statement))))
    groups = _count_groups(str(one.run.path), runs.get_stamp(one.run.path, "split.csv"))
    rows = [
        {say("side"): say(f"side_{side}"), say("files"): getattr(one.split, side), say("groups"): groups.get(side)}
        for side in (SIDES[:-1] if one.split.folds else SIDES)
    ]
    if one.split.folds:
        st.markdown(say("folds", n=one.split.folds, files=one.split.test))
    layout.show_table(rows, "run-sides")
    apart = is_ungrouped_split(one.data.as_published, one.info.split_rule)
    st.caption(say("groups_words_none" if apart else "groups_words"))


@cache_data(max_entries=50)
def _count_groups(path: str, changed: tuple[float, ...]) -> dict[str, int]:
    """Count the groups of each split; empty where split.csv is missing or damaged."""
    found: dict[str, set[str]] = {}
    try:
        for row in Run(Path(path)).table("split.csv"):
            found.setdefault(str(row.get("split")), set()).add(str(row.get("group")))
    except InputError:
        return {}
    return {side: len(groups) for side, groups in found.items()}


def _show_files(one: RunView, table: str, key: str, why: str) -> None:
    """Show the files that a table of the run lists, each with a sentence."""
    st.markdown(say(f"{key}_head"))
    found = one.run.table(table)
    st.markdown(say(key, n=len(found)) if found else say(f"{key}_none"))
    if found:
        rows = [
            {say("file"): row.get("file"), say("reason"): layout.translate_message(str(row.get(why)))} for row in found
        ]
        layout.show_table(rows, f"run-{key}", {say("reason"): st.column_config.TextColumn(width="large")})
