"""Found: what the latest `musicml replay` kept beside the runs, as far as it can be read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import runs
from musicml.utils import InputError, read_json

FIGURE = ("replayed", "honest")


def _get_replays() -> Mapping[str, Mapping[str, Any]]:
    """Each reference that was replayed → what its latest replay gave; nothing where none was."""
    folder = runs.get_runs_root() / "replays"
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    return _read_replays(tuple((str(path), *runs.get_stamp(path.parent, path.name)) for path in paths))


@st.cache_resource(max_entries=20, show_spinner=False)
def _read_replays(paths: tuple[tuple[str, float], ...]) -> Mapping[str, Mapping[str, Any]]:
    """As `latest`; of two replays of one reference the newer counts, and a file that is none is passed over."""
    found: dict[str, Mapping[str, Any]] = {}
    for path, _ in paths:
        try:
            kept = read_json(Path(path))
        except (InputError, OSError, ValueError):
            continue
        rows = kept.get("replays") if isinstance(kept, dict) else None
        found |= {one["reference"]: one for one in (rows if isinstance(rows, list) else []) if _is_replay(one)}
    return found


def _is_replay(one: Any) -> bool:
    """Whether this is what a replay keeps, and it went well."""
    return (
        isinstance(one, dict)
        and not one.get("error")
        and isinstance(one.get("reference"), str)
        and isinstance(one.get("runs"), dict)
        and isinstance(one.get("sentences"), list)
        and isinstance(one.get("rows"), list)
        and bool(one["rows"])
        and all(_is_row(row) for row in one["rows"])
    )


def _is_row(row: Any) -> bool:
    """Whether this is one metric of a replay."""
    return (
        isinstance(row, dict)
        and isinstance(row.get("metric"), str)
        and (_is_number(row.get("published")) or _is_pair(row.get("published")))
        and _is_pair(row.get("published_interval"))
        and all(_is_figure(row.get(k)) for k in FIGURE)
    )


def _is_figure(found: Any) -> bool:
    """Whether this is a figure with its interval, or none."""
    return (
        found is None or isinstance(found, dict) and _is_number(found.get("value")) and _is_pair(found.get("interval"))
    )


def _is_number(found: Any) -> bool:
    """Whether this is a number, or none is there."""
    return isinstance(found, int | float | None)


def _is_pair(found: Any) -> bool:
    """Whether these are two numbers, or nothing."""
    return (
        found is None
        or isinstance(found, list)
        and len(found) == 2
        and all(isinstance(one, int | float) for one in found)
    )
