"""Show every setting with its value and its origin, and the experiment file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import layout
from dashboard.app_pages.run import formatting
from dashboard.runs import RunView
from musicml.experiment import read_experiment_text
from musicml.utils import InputError

say = layout.LazyText("run")


def show(one: RunView) -> None:
    """Show every setting with its origin, and the experiment file."""
    text = _read_experiment(one)
    file = _parse_tables(text)
    st.markdown(say("settings_words"))
    changed = one.info.overrides
    if changed:
        st.markdown(say("overrides", n=len(changed)))
    rows = [
        {
            say("table"): table,
            say("key"): key,
            say("value"): formatting.format_toml(value),
            say("comes_from"): _find_origin(one, file, table, key),
        }
        for table, values in one.info.settings.items()
        for key, value in (values or {}).items()
    ]
    first = say("from_set")
    layout.show_table(sorted(rows, key=lambda row: row[say("comes_from")] != first), "run-settings")
    if text:
        st.markdown(say("experiment_file", name=layout.escape_markdown(one.info.experiment)))
        st.code(text, language="toml")
    else:
        st.markdown(say("no_experiment_file"))


def _read_experiment(one: RunView) -> str:
    """Read the run's copy of the experiment file; empty where it is missing."""
    try:
        return read_experiment_text(one.run)
    except InputError:
        return ""


def _parse_tables(text: str) -> Mapping[str, Any] | None:
    """Parse an experiment file; None where it is missing or damaged."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff")) or None
    except (tomllib.TOMLDecodeError, RecursionError):
        return None


def _find_origin(one: RunView, file: Mapping[str, Any] | None, table: str, key: str) -> str:
    """Return the origin of a setting: the command line, the file, its `[sample]` table, or the default."""
    if f"{table}.{key}" in one.info.overrides:
        return say("from_set")
    if file is None:
        return say("from_unknown")
    if one.sample and key in (file.get("sample", {}).get(table) or {}):
        return say("from_sample")
    return say("from_file") if key in (file.get(table) or {}) else say("from_default")
