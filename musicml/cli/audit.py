"""What `musicml audit` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicml.cli import output
from musicml.utils import make_printable

if TYPE_CHECKING:
    from musicml.data.audit import Audit, DuplicatePair

MOST_PAIRS = 20
SAMPLE = "This is generated sample data: it shows how an audit works, and says nothing about real music or pictures."


def show(found: Audit) -> None:
    """The findings as a table, what they do to a figure, the first pairs that are alike."""
    published = ", as published" if found.as_published else ""
    print(f"{make_printable(found.dataset)}{published}: {found.n} examples in {len(found.classes)} classes")
    output.print_table([(one.weight, named(one.kind), printable_words(one.words)) for one in found.findings])
    effects = [(named(one.kind), printable_words(one.effect)) for one in found.findings if one.effect]
    if effects:
        print("\nwhat that does to a figure")
        output.print_table(effects)
    show_pairs(found.pairs)
    if found.sample:
        print(SAMPLE)


def named(kind: str) -> str:
    """A finding's kind as it is read."""
    return kind.replace("_", " ")


def printable_words(words: str) -> str:
    """A finding's words on one line, since a file's name in them can hold anything."""
    return "".join(character if character.isprintable() else "?" for character in words)


def show_pairs(pairs: tuple[DuplicatePair, ...]) -> None:
    """The first of the pairs, those across splits and labels before others."""
    if not pairs:
        return
    print("\nalike")
    output.print_table([row(pair) for pair in pairs[:MOST_PAIRS]])
    if len(pairs) > MOST_PAIRS:
        print(f"and {len(pairs) - MOST_PAIRS} more pairs: --html shows the first of them, --json names them all")


def row(pair: DuplicatePair) -> tuple[str, str, str, str]:
    """A pair as a line of a table."""
    across = [name for name, so in (("splits", pair.across_splits), ("labels", pair.across_labels)) if so]
    return (
        make_printable(pair.first),
        make_printable(pair.second),
        f"across {' and '.join(across)}" if across else "",
        printable_words(pair.how),
    )
