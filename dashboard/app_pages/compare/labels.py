"""What runs are called beside each other: a letter, since their names are long, and their protocol."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import layout
from dashboard.runs import RunView

LETTERS = "ABCDEFGH"  # of as many runs as can be chosen

say = layout.LazyText("compare")


def format_name(chosen: Sequence[RunView], k: int) -> str:
    """A run with its letter."""
    return say("letter_name", letter=LETTERS[k], name=chosen[k].name)


def get_protocol(one: RunView) -> str:
    """How a run's figures were obtained: `honest` or `as published`."""
    return str(one.facts.get("protocol") or "honest")


def describe_protocol(one: RunView) -> str:
    """A run's protocol, and that it comes from generated data, in words."""
    key = f"protocol_{get_protocol(one)}"
    word = say(key) if say.has(key) else get_protocol(one)
    return say("on_sample", protocol=word) if one.sample else word
