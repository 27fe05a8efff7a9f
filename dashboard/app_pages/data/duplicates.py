"""Show the duplicates of a dataset in pairs to see or to hear, and as a table."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import layout, media
from dashboard.app_pages.data import example
from dashboard.app_pages.data.excluded import translate_reasons
from dashboard.app_pages.data.splits import get_split_name
from dashboard.app_pages.data.tables import Chosen
from musicml.data.audit import DuplicatePair

MAX_ROWS = 1000  # rows of a table, at most
PAIRS_PER_PAGE = 4  # pairs to look at or listen to
WAYS = {"all": lambda pair: True, "splits": lambda pair: pair.across_splits, "classes": lambda pair: pair.across_labels}

say = layout.LazyText("data")


def show(pairs: Sequence[DuplicatePair], chosen: Chosen) -> None:
    """Show the duplicates in pairs, and all of them as a table."""
    st.subheader(say("alike"))
    if not pairs:
        st.info(say("no_pairs"), icon=":material/check_circle:")
        return
    st.markdown(say(f"pairs_{chosen.dataset.kind}"))
    by_way = {way: [pair for pair in pairs if wanted(pair)] for way, wanted in WAYS.items()}
    ways = {way: say(f"pairs_{way}", n=len(some)) for way, some in by_way.items() if some}
    way = layout.select_option(say("which_pairs"), ways, "pairs", persist_state="session", label_visibility="collapsed")
    some = by_way[way]
    for number in media.select_page(range(len(some)), f"pairs-{chosen.dataset.name}-{way}", PAIRS_PER_PAGE):
        _show_pair(some[number], chosen)
    show_row_limit(len(some))
    reasons = translate_reasons(tuple(pair.how for pair in some[:MAX_ROWS]), layout.get_language())
    layout.show_table([_make_row(pair, how) for pair, how in zip(some, reasons, strict=False)], "audit-pairs")


def _show_pair(pair: DuplicatePair, chosen: Chosen) -> None:
    """Show two duplicates next to each other, with how they were found."""
    with st.container(border=True):
        two = zip(st.columns(2), (pair.first, pair.second), pair.labels, pair.sides, strict=True)
        for column, name, label, side in two:
            with column:
                _show_file(name, label, side, chosen)
        marks = [f"**{say(f'two_{of}')}**" for of in ("splits", "classes") if WAYS[of](pair)]
        st.markdown(" ".join([*marks, layout.escape_markdown(layout.capitalize(layout.translate_message(pair.how)))]))


def _show_file(name: str, label: str, side: str, chosen: Chosen) -> None:
    """Show one file of a pair."""
    if name in chosen.files.examples:
        example.show_media(chosen.files.examples[name], chosen.dataset.kind)
    else:
        st.caption(layout.get_words()("gone"))
    lines = [
        say("file_is", name=layout.escape_markdown(name)),
        say("class_is", name=layout.escape_markdown(label) or say("nothing")),
        say("side_is", name=get_split_name(side)),
    ]
    st.markdown("  \n".join(lines))


def _make_row(pair: DuplicatePair, how: str) -> dict[str, str]:
    """Return a pair as a row of a table."""
    row: dict[str, str] = {}
    for number, name, label, side in zip((1, 2), (pair.first, pair.second), pair.labels, pair.sides, strict=True):
        row |= {
            say("file_number", n=number): name,
            say("class_number", n=number): label,
            say("side_number", n=number): get_split_name(side),
        }
    return {**row, say("how"): how}


def show_row_limit(n: int) -> None:
    """Say so where a table does not show all rows."""
    if n > MAX_ROWS:
        st.caption(say("rows_cut", n=MAX_ROWS, all=n))
