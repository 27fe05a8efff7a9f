"""Show which groups are in which split, and that none is in two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard import layout
from dashboard.app_pages.data import tables
from dashboard.app_pages.data.tables import Chosen

MAX_ROWS = 1000  # rows of a table, at most

say = layout.LazyText("data")


def show(chosen: Chosen) -> None:
    """Show the groups, and whether any of them is in two splits."""
    st.markdown(say("groups_lead"))
    names, held, sides = tables.count_group_sides(chosen.key, chosen)
    if not len(names):
        st.info(say("no_split"), icon=":material/info:")
        return
    statement = chosen.one.split.statement if chosen.one else None
    if statement:
        st.markdown(say("statement", text=layout.escape_markdown(layout.translate_message(str(statement)))))
    _check_groups(names, held, sides, chosen)
    order = np.lexsort((-held.sum(axis=1), ~tables.find_crossing_groups(held, sides)))[:MAX_ROWS]
    rows = [
        {
            say("group"): names[place],
            **{get_split_name(name): int(held[place, k]) for k, name in enumerate(sides)},
            say("total"): int(held[place].sum()),
        }
        for place in order
    ]
    if len(names) > MAX_ROWS:
        st.caption(say("groups_listed", n=MAX_ROWS, all=len(names)))
    layout.show_table(rows, "groups")


def get_split_name(name: str) -> str:
    """Return a split's name in the chosen language."""
    return say(f"side_{name or 'none'}")


def _check_groups(names: np.ndarray, held: np.ndarray, sides: Sequence[str], chosen: Chosen) -> None:
    """Show whether a group is in two splits, and which."""
    alone = int((held.sum(axis=1) == 1).sum())
    st.markdown(say("groups_words", n=len(names), alone=alone, largest=int(held.sum(axis=1).max())))
    if not any(sides):
        st.info(say("no_sides"), icon=":material/info:")
        return
    if alone == len(names):
        st.warning(say("all_alone"), icon=":material/warning:")  # whoever stands alone can't stand on two sides
        return
    across = names[tables.find_crossing_groups(held, sides)]
    if not len(across):
        st.success(say("no_crossing", n=len(names)), icon=":material/check_circle:")
        return
    words = say("crossing", n=len(across), names=layout.escape_markdown(layout.format_list(across)))
    st.warning(words if chosen.one else say("two", first=words, second=say("crossing_own")), icon=":material/warning:")
