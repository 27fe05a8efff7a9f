"""Settings: every one as it held, where it comes from, and the experiment file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import layout
from dashboard.app_pages.run import formatting
from dashboard.runs import Entry

say = layout.Saying("run")


def show(one: Entry) -> None:
    """Every setting with where it comes from, and the experiment file."""
    text = experiment_text(one)
    file = file_tables(text)
    st.markdown(say("settings_words"))
    changed = one.info.overrides
    if changed:
        st.markdown(say("overrides", n=len(changed)))
    rows = [
        {
            say("table"): table,
            say("key"): key,
            say("value"): formatting.as_toml(value),
            say("comes_from"): origin(one, file, table, key),
        }
        for table, values in one.info.settings.items()
        for key, value in values.items()
    ]
    first = say("from_set")
    layout.table(sorted(rows, key=lambda row: row[say("comes_from")] != first), "run-settings")
    if text:
        st.markdown(say("experiment_file", name=layout.plain(one.info.experiment)))
        st.code(text, language="toml")
    else:
        st.markdown(say("no_experiment_file"))


def experiment_text(one: Entry) -> str:
    """The experiment file as the run keeps it; empty where it is gone."""
    try:
        return (one.run.path / "experiment.toml").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def file_tables(text: str) -> Mapping[str, Any] | None:
    """The tables of an experiment file; None where it is gone or damaged."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff")) or None
    except tomllib.TOMLDecodeError:
        return None


def origin(one: Entry, file: Mapping[str, Any] | None, table: str, key: str) -> str:
    """Where a setting's value comes from: the command line, the file, its `[sample]` table, or the default."""
    if f"{table}.{key}" in one.info.overrides:
        return say("from_set")
    if file is None:
        return say("from_unknown")
    if one.sample and key in (file.get("sample", {}).get(table) or {}):
        return say("from_sample")
    return say("from_file") if key in (file.get(table) or {}) else say("from_default")
