"""How facts of a run are written: as a row, as in a TOML file, as a share, as a path for a terminal."""

from __future__ import annotations

import json
import shlex
from typing import Any

from dashboard import layout
from dashboard.runs import RunView

say = layout.LazyText("run")


def make_fact(what: str, value: Any) -> dict[str, str]:
    """One fact as a row."""
    return {say("what"): what, say("value"): str(value)}


def format_toml(value: Any) -> str:
    """A setting as it stands in a TOML file."""
    return value if isinstance(value, str) else json.dumps(value)


def format_percent(share: float) -> str:
    """A share in hundredths."""
    return f"{100 * share:.1f}"


def format_path(one: RunView) -> str:
    """A run's folder as a terminal takes it."""
    return shlex.quote(str(one.run.path))
