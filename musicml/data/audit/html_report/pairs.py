"""Pairs of files that are alike, to look at or to listen to: on a page, beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from musicml.data.audit.findings import DuplicatePair
from musicml.data.audit.html_report.elements import STANDING, Say, add, section
from musicml.data.audit.html_report.media import SECONDS, Embedded, embed
from musicml.data.datasets import Dataset, Example
from musicml.utils import make_printable

PAIRS = 60  # embedded, at most
CHARACTERS = 4_500_000  # of all embedded files together, at most

EMPTY = "No two files are alike, as far as this audit looked."


def tell_pairs(main: Element, pairs: Sequence[DuplicatePair], dataset: Dataset, say: Say) -> None:
    """The pairs to look at or to listen to: those on two sides first, then those in two classes."""
    sound = dataset.kind == "sound"
    part = section(main, say("Pairs to listen to") if sound else say("Pairs to look at"))
    if not pairs:
        add(part, "p", say(EMPTY))
        return
    if sound:
        add(part, "p", say(f"Of each file the first {SECONDS:.0f} seconds. Play both: are they the same recording?"))
    else:
        add(part, "p", say("Are both the same picture? If they are, a model that has seen one knows the other."))
    shown, examples = Shown(dataset.kind), {example.id: example for example in dataset.examples}
    heading, n = "", 0
    for pair in pairs[:PAIRS]:
        two = [shown.of(examples.get(name)) for name in (pair.first, pair.second)]
        if shown.characters > CHARACTERS:
            break
        if heading != (heading := heading_of(pair)):
            add(part, "h3", say(heading))
            listed = add(part, "ul", look="pairs")
        show_pair(add(listed, "li", look="pair"), pair, two, sound, say)
        n += 1
    if n < len(pairs):
        left = f"{len(pairs) - n} more pairs are not on this page, to keep it small; the dashboard shows them all."
        add(part, "p", say(left), "soft")


class Shown:
    """Files as parts of a page, each read once, and how many characters all of them take."""

    def __init__(self, kind: str):
        self.kind, self.characters = kind, 0
        self.known: dict[str, Embedded] = {}

    def of(self, example: Example | None) -> Embedded:
        """One file."""
        if example is None:
            return Embedded(trouble="This file is not among the data set's examples.")
        if example.id not in self.known:
            self.known[example.id] = embed(example, self.kind)
        self.characters += len(self.known[example.id].uri)
        return self.known[example.id]


def heading_of(pair: DuplicatePair) -> str:
    """What kind of pair it is; as `Audit.pairs` orders them."""
    if pair.across_splits:
        return "On two sides of the split"
    return "In two classes" if pair.across_labels else "In one class, on one side"


def show_pair(parent: Element, pair: DuplicatePair, two: Sequence[Embedded], sound: bool, say: Say) -> None:
    """Two files beside each other, with what is known of them and what says that they are alike."""
    beside = add(parent, "div", look="players" if sound else "two")
    for name, label, side, one in zip((pair.first, pair.second), pair.labels, pair.sides, two, strict=True):
        show_file(add(beside, "figure"), name, one, sound, say)
        caption = add(beside[-1], "figcaption")
        add(add(caption, "span"), "strong", make_printable(name))
        add(caption, "span", say(f"class: {make_printable(label)}") if label else say("class: none"))
        add(caption, "span", say(STANDING.get(side, "on no side")))
    crossing = [("Two sides", pair.across_splits), ("Two classes", pair.across_labels)]
    marks = " · ".join(say(words) for words, is_so in crossing if is_so)
    if marks:
        add(parent, "p", marks, "marks")
    how = say(pair.how)
    add(parent, "p", how[:1].upper() + how[1:], "how")


def show_file(figure: Element, name: str, one: Embedded, sound: bool, say: Say) -> None:
    """A picture, a player, or why there is neither."""
    if one.trouble:
        add(figure, "div", say(one.trouble), "gone")
    elif sound:
        label = say(f"Player of {make_printable(name)}")
        add(figure, "audio", controls="controls", preload="none", src=one.uri, aria_label=label)
    else:
        width, height = one.size
        add(figure, "img", src=one.uri, alt=say(f"Picture {make_printable(name)}"), width=width, height=height)
