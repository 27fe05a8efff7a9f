"""What runs are called beside each other: a letter, since their names are long, and their protocol."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard import layout
from dashboard.runs import Entry

LETTERS = "ABCDEFGH"  # of as many runs as can be chosen

say = layout.Saying("compare")


def name_of(chosen: Sequence[Entry], k: int) -> str:
    """A run with its letter."""
    return say("letter_name", letter=LETTERS[k], name=chosen[k].name)


def protocol(one: Entry) -> str:
    """How a run's figures were obtained: `honest` or `as published`."""
    return one.info.protocol


def kind(one: Entry) -> str:
    """A run's protocol, and that it comes from generated data, in words."""
    key = f"protocol_{protocol(one)}"
    word = say(key) if say.has(key) else protocol(one)
    return say("on_sample", protocol=word) if one.sample else word
