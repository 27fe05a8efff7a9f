"""Show a confusion matrix, and the files behind each of its cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout, media, runs
from dashboard.charts import matrix
from dashboard.runs import RunView
from musicml.evaluation import PredictionTable

TRUTH, ANSWER = "confusion-is", "confusion-says"  # session keys of the chosen cell: true and predicted label
FIGURE = "confusion"
MAX_PAIRS = 5  # confusions with a button

say = layout.begin_page("confusion")


@dataclass(frozen=True)
class Squares:
    """Hold the true and the predicted row and column of each example.

    Attributes
    ----------
    name : the class; only for `multi`
    task : `single` or `multi`
    rows, columns : keys of the true and predicted labels: class names, or for `multi` one class present and absent
    truth, answer : np.ndarray [shape=(n_examples,)], the row and column of each example; a row below 0 is unlabeled
    sure : np.ndarray [shape=(n_examples,)], the confidence of the prediction
    """

    name: str
    task: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    truth: np.ndarray
    answer: np.ndarray
    sure: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """The number of examples in each cell, [shape=(n_rows, n_columns)], int."""
        return matrix.count_cells(self.truth, self.answer, (len(self.rows), len(self.columns)))

    def get_name(self, key: str) -> str:
        """Return a row's or column's name as it is shown."""
        return key if self.task == "single" else say(f"side_{key}")

    def list_examples(self, row: int, column: int) -> list[int]:
        """Return the examples of a cell, the most confident predictions first."""
        found = np.flatnonzero((self.truth == row) & (self.answer == column))
        return found[np.argsort(-self.sure[found], kind="stable")].tolist()


def show() -> None:
    """Show the page."""
    view = layout.select_run(layout.list_runs_or_stop(layout.is_complete))
    table = runs.get_predictions(view)
    layout.show_data_notes(view)
    squares, by_share = _select_squares(view, table)  # one class has a 2 × 2 matrix in a multi-label run
    for key, known in ((TRUTH, squares.rows), (ANSWER, squares.columns)):  # names of another run's classes
        if st.session_state.get(key) not in known:
            st.session_state[key] = None
    _show_matrix(squares, by_share)
    st.header(say("files"))
    if squares.task == "single":
        _show_pairs(squares)
    _show_files(view, squares)


def _select_squares(view: RunView, table: PredictionTable) -> tuple[Squares, bool]:
    """Let the user choose the matrix, and whether it shows shares."""
    if table.task == "multi":
        squares = _make_side_squares(view, table)
        return squares, say.select("numbers", ("count", "share"), "confusion-numbers") == "share"
    left, right = st.columns(2)
    with left:
        order = say.select("order", ("labels", "confused"), "confusion-order")
    with right:
        numbers = say.select("numbers", ("count", "share"), "confusion-numbers")
    return _make_class_squares(table, order), numbers == "share"


def _get_chosen(squares: Squares) -> tuple[int, int] | None:
    """Return the cell that the user chose."""
    truth, answer = st.session_state[TRUTH], st.session_state[ANSWER]
    return None if truth is None or answer is None else (squares.rows.index(truth), squares.columns.index(answer))


def _show_matrix(squares: Squares, by_share: bool) -> None:
    """Show the matrix, with how to read it."""
    if squares.task == "single":
        st.markdown(say("how_single"))
        say.show_help("how_single_more")
    texts = [
        [
            say("square" if n else "square_empty", **_fill_blanks(squares, row, column))
            for column, n in enumerate(counts)
        ]
        for row, counts in enumerate(squares.counts.tolist())
    ]
    rows, columns = ([squares.get_name(key) for key in keys] for keys in (squares.rows, squares.columns))
    chosen, titles = _get_chosen(squares), (say("axis_says"), say("axis_is"))
    figure = matrix.draw_matrix(squares.counts, rows, columns, *titles, texts, by_share, layout.is_dark(), chosen)

    def choose_clicked() -> None:
        """Choose the cell that was clicked."""
        points = st.session_state[FIGURE].selection.points
        if points:  # a second click on a cell changes nothing
            _choose(squares, *points[0]["customdata"])

    with st.container(width=320 + 60 * len(squares.rows)):
        layout.show_chart(figure, _describe_matrix(squares), _make_rows(squares), FIGURE, choose_clicked)


def _choose(squares: Squares, row: int, column: int) -> None:
    """Set both names to those of a cell."""
    st.session_state[TRUTH], st.session_state[ANSWER] = squares.rows[row], squares.columns[column]


def _describe_matrix(squares: Squares) -> str:
    """Describe the matrix in words."""
    counts = squares.counts
    if squares.task == "multi":
        (found, missed), (wrong, _) = counts.tolist()
        positives, negatives = counts.sum(axis=1).tolist()
        counted = {"positives": positives, "found": found, "missed": missed, "negatives": negatives, "wrong": wrong}
        return say("words_multi", name=squares.name, **counted)
    n, right = int(counts.sum()), int(counts.trace())
    words = [say("words_single", n=n, right=right, percent=matrix.format_percent(right, n))]
    for row, column in matrix.list_confusions(counts)[:1]:
        words.append(say("words_most", **_fill_blanks(squares, row, column)))  # the largest cell off the diagonal
    empty = [name for name, n in zip(squares.rows, counts.sum(axis=1), strict=True) if not n]
    if n == right:
        words.append(say("words_none"))
    if empty:
        words.append(say("words_no_row", names=layout.format_list(empty)))
    return " ".join(words)


def _fill_blanks(squares: Squares, row: int, column: int) -> dict[str, Any]:
    """Return the values that fill a sentence about a cell."""
    truth, answer = squares.get_name(squares.rows[row]), squares.get_name(squares.columns[column])
    n, of = int(squares.counts[row, column]), int(squares.counts[row].sum())
    percent = matrix.format_percent(n, of) if of else ""
    return {"truth": truth, "answer": answer, "n": n, "of": of, "percent": percent}


def _make_rows(squares: Squares) -> list[dict[str, Any]]:
    """Return the non-empty cells as rows of a table: the most frequent confusions first, then the diagonal."""
    counts, heads = squares.counts, {"axis_is": "truth", "axis_says": "answer", "count": "n"}
    part, rows = matrix.compute_shares(counts), []
    for place in matrix.list_confusions(counts) + [(k, k) for k in range(len(counts)) if counts[k, k]]:
        words = _fill_blanks(squares, *place)
        cells = {head: words[key] for head, key in heads.items()}
        rows.append(say.make_row({**cells, "share": round(float(part[place]), 3)}))
    return rows


def _show_pairs(squares: Squares) -> None:
    """Show a button for each of the most frequent confusions."""
    found = matrix.list_confusions(squares.counts)[:MAX_PAIRS]
    if not found:
        return
    st.markdown(say("pairs"))
    with st.container(horizontal=True):
        for place, square in enumerate(found):
            label = layout.escape_markdown(say("pair", **_fill_blanks(squares, *square)))
            st.button(label, key=f"pair-{place}", on_click=_choose, args=(squares, *square))


def _show_files(view: RunView, squares: Squares) -> None:
    """Show the files behind the chosen cell."""
    st.markdown(say("hint"))
    boxes = ((TRUTH, "it_is", squares.rows), (ANSWER, "run_says", squares.columns))
    for column, (key, label, known) in zip(st.columns(2), boxes, strict=True):
        named = layout.make_formatter({name: squares.get_name(name) for name in known})
        column.selectbox(say(label), known, index=None, format_func=named, key=key, placeholder=say("choose"))
    square = _get_chosen(squares)
    if square is None:
        layout.show_info(say("nothing_chosen"))
        return
    places = squares.list_examples(*square)
    _show_heading(squares, *square)
    if places:
        media.show_grid(view, places, f"files-{squares.rows[square[0]]}-{squares.columns[square[1]]}", squares.name)


def _show_heading(squares: Squares, row: int, column: int) -> None:
    """Show the heading above the files of a cell."""
    words = _fill_blanks(squares, row, column)
    if squares.task == "multi":
        key = f"{squares.rows[row]}_{squares.columns[column]}" if words["n"] else "no_side"
    elif not words["of"]:
        key = "no_row"
    else:
        key = ("right" if row == column else "wrong") + ("" if words["n"] else "_none")
    say.show(key, **words)


def _make_class_squares(table: PredictionTable, chosen: str) -> Squares:
    """Return the cells of a single-label run, its classes in the chosen order."""
    # one-hot targets: the position of the 1 is the class
    truth, answer = table.targets.argmax(axis=1), table.scores.argmax(axis=1)
    n = len(table.class_names)
    order = list(range(n))
    if chosen == "confused":
        order = matrix.sort_by_confusion(matrix.count_cells(truth, answer, (n, n)))
    place_of = np.argsort(order)  # argsort inverts a permutation: class → row
    names = tuple(table.class_names[k] for k in order)
    return Squares("", "single", names, names, place_of[truth], place_of[answer], table.scores.max(axis=1))


def _make_side_squares(view: RunView, table: PredictionTable) -> Squares:
    """Return the cells of one class of a multi-label run."""
    name = layout.select_class(table.class_names)
    k = table.class_names.index(name)
    threshold = runs.get_thresholds(view)[..., k]
    judged, scores = table.targets[:, k], table.scores[:, k]
    if np.isnan(judged).all():
        say.show("unobserved_all", layout.show_info, name=name, all=len(judged))
        st.stop()
    st.markdown(say("how_multi", threshold=layout.format_thresholds(threshold)))
    if np.isnan(judged).any():
        say.show("unobserved", name=name, n=int(np.isnan(judged).sum()), all=len(judged))
    truth = np.where(np.isnan(judged), -1, judged < 0.5).astype(int)  # row 0 is present, row 1 absent, -1 unlabeled
    answer = (scores < threshold).astype(int)  # column 0 is predicted present
    sure = np.where(answer == 0, scores, -scores)  # a low score is a confident absence
    return Squares(name, "multi", ("present", "absent"), ("said", "unsaid"), truth, answer, sure)


show()
