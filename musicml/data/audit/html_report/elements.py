"""Elements of a page, whose words are always words: nothing in them becomes markup."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from musicml.data.datasets import SPLITS

SIDES = (*SPLITS, "none")
SIDED = {"train": "Training", "val": "Validation", "test": "Test", "none": "On no side"}
STANDING = {"train": "on the training side", "val": "on the validation side", "test": "on the test side"}
SIGNS = {"fault": "✖\ufe0e", "caution": "▲\ufe0e", "fine": "✔\ufe0e"}  # drawn as text, never as an emoji
WEIGHED = {"fault": "Fault", "caution": "Caution", "fine": "Fine"}

Say = Callable[[str], str]  # turns an English sentence of ours into the page's language


def add(parent: Element, tag: str, words: str = "", look: str = "", **attributes: object) -> Element:
    """A new element with words in it; `look` is its class, and `_` in the name of an attribute stands for `-`."""
    given = {name.replace("_", "-"): readable(str(value)) for name, value in attributes.items()}
    new = ElementTree.SubElement(parent, tag, {**({"class": look} if look else {}), **given})
    new.text = readable(words)
    return new


def readable(words: str) -> str:
    """Words without the characters that turn the direction of writing or that no page may hold."""
    return "".join(one if one.isprintable() or one.isspace() else "?" for one in words)


def section(main: Element, heading: str) -> Element:
    """A new part of the page under its heading."""
    part = add(main, "section")
    add(part, "h2", heading)
    return part


def weighed(parent: Element, weight: str, say: Say) -> None:
    """A weight by a sign and a word, so that its colour carries nothing alone."""
    mark = add(parent, "span", look=weight)
    add(mark, "span", SIGNS[weight], aria_hidden="true").tail = f" {say(WEIGHED[weight])}"
