"""Files of a data set that are alike: two and two beside each other, to look at or to listen to, and as a table."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import layout, media
from dashboard.app_pages.data import example
from dashboard.app_pages.data.excluded import reasons
from dashboard.app_pages.data.splits import called
from dashboard.app_pages.data.tables import Chosen
from musicml.data.audit import DuplicatePair

LISTED = 1000  # rows of a table, at most
AT_ONCE = 4  # pairs to look at or listen to
WAYS = {"all": lambda pair: True, "splits": lambda pair: pair.across_splits, "classes": lambda pair: pair.across_labels}

say = layout.Saying("data")


def show(pairs: Sequence[DuplicatePair], chosen: Chosen) -> None:
    """The files that are alike, beside each other, and all of them as a table."""
    st.subheader(say("alike"))
    if not pairs:
        st.info(say("no_pairs"), icon=":material/check_circle:")
        return
    st.markdown(say(f"pairs_{chosen.dataset.kind}"))
    by_way = {way: [pair for pair in pairs if wanted(pair)] for way, wanted in WAYS.items()}
    ways = {way: say(f"pairs_{way}", n=len(some)) for way, some in by_way.items() if some}
    way = layout.one_of(say("which_pairs"), ways, "pairs", persist_state="session", label_visibility="collapsed")
    some = by_way[way]
    for number in media.pages_of(range(len(some)), f"pairs-{chosen.dataset.name}-{way}", AT_ONCE):
        show_pair(some[number], chosen)
    cut(len(some))
    told = reasons(tuple(pair.how for pair in some[:LISTED]), layout.language())
    layout.table([as_row(pair, how) for pair, how in zip(some, told, strict=False)], "audit-pairs")


def show_pair(pair: DuplicatePair, chosen: Chosen) -> None:
    """Two files beside each other, with what is known of them and what says that they are alike."""
    with st.container(border=True):
        two = zip(st.columns(2), (pair.first, pair.second), pair.labels, pair.sides, strict=True)
        for column, name, label, side in two:
            with column:
                show_file(name, label, side, chosen)
        marks = [f"**{say(f'two_{of}')}**" for of in ("splits", "classes") if WAYS[of](pair)]
        st.markdown(" ".join([*marks, layout.plain(layout.capital(layout.translated(pair.how)))]))


def show_file(name: str, label: str, side: str, chosen: Chosen) -> None:
    """One file of a pair."""
    if name in chosen.shelf.examples:
        example.media(chosen.shelf.examples[name], chosen.dataset.kind)
    else:
        st.caption(layout.words()("gone"))
    lines = [
        say("file_is", name=layout.plain(name)),
        say("class_is", name=layout.plain(label) or say("nothing")),
        say("side_is", name=called(side)),
    ]
    st.markdown("  \n".join(lines))


def as_row(pair: DuplicatePair, how: str) -> dict[str, str]:
    """A pair as a row of a table, and what says that the two are alike."""
    row = {}
    for number, name, label, side in zip((1, 2), (pair.first, pair.second), pair.labels, pair.sides, strict=True):
        row |= {
            say("file_number", n=number): name,
            say("class_number", n=number): label,
            say("side_number", n=number): called(side),
        }
    return {**row, say("how"): how}


def cut(n: int) -> None:
    """Say so where a table shows less than all."""
    if n > LISTED:
        st.caption(say("rows_cut", n=LISTED, all=n))
