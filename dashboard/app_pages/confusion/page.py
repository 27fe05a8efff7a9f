"""Confusion: what a run takes for what, and the very files behind each square of the matrix."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import layout, media, runs
from dashboard.app_pages.confusion.cells import Squares, classes_of, sides_of
from dashboard.charts import matrix
from dashboard.runs import Entry
from musicml.evaluation import PredictionTable

TRUTH, ANSWER = "confusion-is", "confusion-says"  # what the reader has chosen, by click or by name
FIGURE = "confusion"
MOST = 5  # pairs told in words

say = layout.begin("confusion")


def show() -> None:
    """The whole page."""
    one = layout.pick_run(layout.entries(layout.whole))
    table = runs.predictions(one)
    layout.sample_note(one)
    squares, by_share = asked(one, table)
    drop_unknown(squares)
    drawn(squares, by_share)
    st.header(say("files"))
    if squares.task == "single":
        pairs(squares)
    files(one, squares)


def asked(one: Entry, table: PredictionTable) -> tuple[Squares, bool]:
    """The squares that the reader wants to see, and whether with shares."""
    if table.task == "multi":
        return sides_of(one, table), one_of("numbers", ("count", "share")) == "share"
    left, right = st.columns(2)
    with left:
        order = one_of("order", ("labels", "confused"))
    with right:
        numbers = one_of("numbers", ("count", "share"))
    return classes_of(table, order), numbers == "share"


def one_of(what: str, ways: tuple[str, ...]) -> str:
    """A choice of a few words, the first of them to begin with."""
    return layout.one_of(say(what), {way: say(f"{what}_{way}") for way in ways}, f"confusion-{what}")


def drop_unknown(squares: Squares) -> None:
    """Forget a choice that another run left behind and this one does not have."""
    for key, known in ((TRUTH, squares.rows), (ANSWER, squares.columns)):
        if st.session_state.get(key) not in known:
            st.session_state[key] = None


def chosen(squares: Squares) -> tuple[int, int] | None:
    """The square that the reader has chosen."""
    truth, answer = st.session_state[TRUTH], st.session_state[ANSWER]
    return None if truth is None or answer is None else (squares.rows.index(truth), squares.columns.index(answer))


def drawn(squares: Squares, by_share: bool) -> None:
    """The matrix, with how to read it."""
    if squares.task == "single":
        st.markdown(say("how_single"))
    figure = matrix.matrix(
        squares.counts,
        [squares.named(key) for key in squares.rows],
        [squares.named(key) for key in squares.columns],
        say("axis_says"),
        say("axis_is"),
        told(squares),
        by_share,
        layout.is_dark(),
        chosen(squares),
    )
    with st.container(width=320 + 60 * len(squares.rows)):
        layout.chart(figure, in_words(squares), rows_of(squares), FIGURE, lambda: clicked(squares))


def clicked(squares: Squares) -> None:
    """Choose by name what was clicked; a second click on a square, which unmarks it in the figure, changes nothing."""
    points = st.session_state[FIGURE].selection.points
    if points:
        choose(squares, *points[0]["customdata"])


def choose(squares: Squares, row: int, column: int) -> None:
    """Set both names to a square's."""
    st.session_state[TRUTH], st.session_state[ANSWER] = squares.rows[row], squares.columns[column]


def told(squares: Squares) -> list[list[str]]:
    """What each square says under the pointer."""
    counts = squares.counts.tolist()
    return [
        [told_square(squares, row, column, n, sum(counts[row])) for column, n in enumerate(counts[row])]
        for row in range(len(counts))
    ]


def told_square(squares: Squares, row: int, column: int, n: int, of: int) -> str:
    """One square in words."""
    truth, answer = squares.named(squares.rows[row]), squares.named(squares.columns[column])
    if not n:
        return say("square_empty", truth=truth, answer=answer, of=of)
    return say("square", truth=truth, answer=answer, n=n, of=of, percent=matrix.percent(n, of))


def in_words(squares: Squares) -> str:
    """What the matrix shows, in words."""
    counts = squares.counts
    if squares.task == "multi":
        (found, missed), (wrong, _) = counts.tolist()
        positives, negatives = counts.sum(axis=1).tolist()
        counted = {"positives": positives, "found": found, "missed": missed, "negatives": negatives, "wrong": wrong}
        return say("words_multi", name=squares.name, **counted)
    n, right = int(counts.sum()), int(counts.trace())
    words = [say("words_single", n=n, right=right, percent=matrix.percent(right, n))]
    for row, column in matrix.confusions(counts)[:1]:
        words.append(say("words_most", **pair(squares, row, column)))
    empty = [name for name, n in zip(squares.rows, counts.sum(axis=1), strict=True) if not n]
    if n == right:
        words.append(say("words_none"))
    if empty:
        words.append(say("words_no_row", names=layout.listed(empty)))
    return " ".join(words)


def pair(squares: Squares, row: int, column: int) -> dict[str, Any]:
    """What fills the blanks of a sentence about a square."""
    n, of = int(squares.counts[row, column]), int(squares.counts[row].sum())
    return {"truth": squares.rows[row], "answer": squares.columns[column], "n": n, "of": of}


def rows_of(squares: Squares) -> list[dict[str, Any]]:
    """The squares that hold something as rows of a table: the most frequent confusions first, then what is right."""
    counts = squares.counts
    places = matrix.confusions(counts) + [(k, k) for k in range(len(counts)) if counts[k, k]]
    part = matrix.shares(counts)
    return [
        {
            say("axis_is"): squares.named(squares.rows[row]),
            say("axis_says"): squares.named(squares.columns[column]),
            say("count"): int(counts[row, column]),
            say("share"): round(float(part[row, column]), 3),
        }
        for row, column in places
    ]


def pairs(squares: Squares) -> None:
    """The most frequent confusions in words, each to be chosen."""
    found = matrix.confusions(squares.counts)[:MOST]
    if not found:
        return
    st.markdown(say("pairs"))
    with st.container(horizontal=True):
        for place, square in enumerate(found):
            words = pair(squares, *square)
            label = say("pair", **words, percent=matrix.percent(words["n"], words["of"]))
            st.button(layout.plain(label), key=f"pair-{place}", on_click=choose, args=(squares, *square))


def files(one: Entry, squares: Squares) -> None:
    """The files behind the square that was chosen, by click or by name."""
    st.markdown(say("hint"))
    for column, key, label, known in zip(
        st.columns(2), (TRUTH, ANSWER), ("it_is", "run_says"), (squares.rows, squares.columns), strict=True
    ):
        names = {name: squares.named(name) for name in known}
        column.selectbox(say(label), known, index=None, format_func=names.get, key=key, placeholder=say("choose"))
    square = chosen(squares)
    if square is None:
        st.info(say("nothing_chosen"), icon=":material/info:")
        return
    places = squares.behind(*square)
    st.markdown(headed(squares, *square))
    if places:
        media.grid(one, places, f"files-{squares.rows[square[0]]}-{squares.columns[square[1]]}", squares.name)


def headed(squares: Squares, row: int, column: int) -> str:
    """What the files behind a square are."""
    words = {key: layout.plain(str(word)) for key, word in pair(squares, row, column).items()}
    n, of = words.pop("n"), words.pop("of")
    if squares.task == "multi":
        key = f"{squares.rows[row]}_{squares.columns[column]}"
        return say(key, n=n, of=of) if n != "0" else say("no_side", of=of)
    if of == "0":
        return say("no_row", truth=words["truth"])
    key = "right" if row == column else "wrong"
    return say(key, **words, n=n, of=of) if n != "0" else say(f"{key}_none", **words, of=of)


show()
