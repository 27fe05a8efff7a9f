"""Format facts of a run: as a row, as TOML, as a percentage, or as a path for a terminal."""

from __future__ import annotations

import json
import shlex
from typing import Any

from dashboard import layout
from dashboard.runs import RunView

say = layout.LazyText("run")


def make_fact(what: str, value: Any) -> dict[str, str]:
    """Return one fact as a row."""
    return {say("what"): what, say("value"): str(value)}


def format_toml(value: Any) -> str:
    """Format a setting as in a TOML file."""
    return value if isinstance(value, str) else json.dumps(value)


def format_percent(share: float) -> str:
    """Format a share as a percentage."""
    return f"{100 * share:.1f}"


def format_path(one: RunView) -> str:
    """Format a run's folder for a terminal."""
    return shlex.quote(str(one.run.path))
