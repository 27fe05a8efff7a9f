"""Show the examples on which two runs differ, with both predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard import layout, media
from dashboard.app_pages.compare.common_examples import SharedExamples
from dashboard.app_pages.compare.labels import LETTERS
from dashboard.runs import RunView

FIELDS = ("only_a", "only_b", "neither", "both")  # of the two by two, those to look at first first

say = layout.LazyText("compare")


def show(chosen: Sequence[RunView], common: SharedExamples, a: int, b: int) -> None:
    """Show the examples behind one of the four counts, with both predictions."""
    right_a, right_b = common.right[a], common.right[b]
    members = {
        "only_a": right_a & ~right_b,
        "only_b": ~right_a & right_b,
        "neither": ~right_a & ~right_b,
        "both": right_a & right_b,
    }
    there = [field for field in FIELDS if members[field].any()]
    names = {"a": LETTERS[a], "b": LETTERS[b]}
    st.markdown(say("look"))
    ways = {field: say(f"look_{field}", n=members[field].sum(), **names) for field in there}
    field = st.radio(say("which"), there, format_func=ways.get, key=f"field-{a}-{b}", label_visibility="collapsed")
    places = np.flatnonzero(members[field])
    # those in which the runs are furthest apart first
    places = places[np.argsort(-np.abs(common.sure[a] - common.sure[b])[places], kind="stable")].tolist()
    shown = media.select_page(places, f"page-{field}-{a}-{b}")
    for begin in range(0, len(shown), media.N_COLUMNS):
        for column, place in zip(st.columns(media.N_COLUMNS), shown[begin : begin + media.N_COLUMNS], strict=False):
            with column.container(border=True):
                _show_card(chosen, common, (a, b), place)


def _show_card(chosen: Sequence[RunView], common: SharedExamples, pair: tuple[int, int], place: int) -> None:
    """Show one example with the predictions of two runs."""
    name = common.names[place]
    st.markdown(say("strong", text=layout.escape_markdown(name)))
    media.show_media(chosen[pair[0]], name)
    truth = [label for label, target in zip(common.class_names, common.targets[place], strict=True) if target == 1]
    truth_words = layout.escape_markdown(layout.format_list(truth)) or say("none")
    st.markdown(say(f"truth_{common.task}", truth=truth_words))
    for k in pair:
        key = "says_rightly" if common.right[k, place] else "says_wrongly"
        st.markdown(say(key, name=LETTERS[k], answers=layout.escape_markdown(_describe_answers(common, k, place))))


def _describe_answers(common: SharedExamples, k: int, place: int) -> str:
    """Describe a run's prediction for one example: the likeliest classes, or the wrong labels."""
    scores = common.scores[k, place]
    if common.task == "single":
        best = np.argsort(-scores, kind="stable")[:2]
        return layout.format_list(_format_answer(common.class_names[j], scores[j]) for j in best)
    seen, right = common.seen[place], common.right_cells[k, place]
    wrong = [
        say("missed" if common.targets[place, j] == 1 else "not_there", name=common.class_names[j])
        for j in np.flatnonzero(seen & ~right)
    ]
    words = say("cells", right=right.sum(), n=seen.sum())
    return say("cells_wrong", cells=words, wrong=layout.format_list(wrong)) if wrong else words


def _format_answer(name: str, score: float) -> str:
    """Format a class with its probability."""
    return say("answer", name=name, percent=f"{100 * score:.0f}")
