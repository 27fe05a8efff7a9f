"""Name runs in a comparison: a letter, because their names are long, and their protocol."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import layout
from dashboard.runs import RunView

LETTERS = "ABCDEFGH"  # of as many runs as can be chosen

say = layout.LazyText("compare")


def format_name(chosen: Sequence[RunView], k: int) -> str:
    """Return a run's name with its letter."""
    return say("letter_name", letter=LETTERS[k], name=chosen[k].name)


def get_protocol(one: RunView) -> str:
    """Return the protocol of a run: `honest` or `as published`."""
    return one.info.protocol


def describe_protocol(one: RunView) -> str:
    """Describe a run's protocol, and whether its data is generated."""
    key = f"protocol_{get_protocol(one)}"
    word = say(key) if say.has(key) else get_protocol(one)
    return say("on_sample", protocol=word) if one.sample else word
