"""What each example is and what the run says of it: rows and columns of a matrix, and who is behind each square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from dashboard import layout, runs
from dashboard.charts import matrix
from dashboard.runs import RunView
from musicml.evaluation import PredictionTable

say = layout.LazyText("confusion")


@dataclass(frozen=True)
class Squares:
    """What each example is and what the run says of it.

    Attributes
    ----------
    name : of the class, of `multi`
    task : `single` or `multi`
    rows, columns : keys of what an example can be, and be said to be: class names, or of `multi` sides of one class
    truth, answer : np.ndarray [shape=(n_examples,)], the row of each example, below 0 where nobody looked; its column
    sure : np.ndarray [shape=(n_examples,)], the score behind the answer
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
        """How many examples are behind each square, [shape=(n_rows, n_columns)], int."""
        return matrix.count_cells(self.truth, self.answer, (len(self.rows), len(self.columns)))

    def named(self, key: str) -> str:
        """A row's or column's name as it is shown."""
        return key if self.task == "single" else say(f"side_{key}")

    def behind(self, row: int, column: int) -> list[int]:
        """The examples of a square, the surest answers first."""
        found = np.flatnonzero((self.truth == row) & (self.answer == column))
        return found[np.argsort(-self.sure[found], kind="stable")].tolist()


def _make_class_squares(table: PredictionTable, chosen: str) -> Squares:
    """The squares of a run that gives one class to each example, in the order chosen."""
    truth, answer = table.targets.argmax(axis=1), table.scores.argmax(axis=1)
    n = len(table.class_names)
    order = list(range(n))
    if chosen == "confused":
        order = matrix.sort_by_confusion(matrix.count_cells(truth, answer, (n, n)))
    place_of = np.argsort(order)
    names = tuple(table.class_names[k] for k in order)
    return Squares("", "single", names, names, place_of[truth], place_of[answer], table.scores.max(axis=1))


def _make_side_squares(one: RunView, table: PredictionTable) -> Squares:
    """The squares of one class of a run that gives any number of classes to an example."""
    name = layout.select_class(table.class_names)
    k = table.class_names.index(name)
    threshold = runs.get_thresholds(one)[..., k]
    judged, scores = table.targets[:, k], table.scores[:, k]
    if np.isnan(judged).all():
        st.info(layout.escape_markdown(say("unobserved_all", name=name, all=len(judged))), icon=":material/info:")
        st.stop()
    st.markdown(say("how_multi", threshold=runs.format_thresholds(threshold)))
    if np.isnan(judged).any():
        st.markdown(
            layout.escape_markdown(say("unobserved", name=name, n=int(np.isnan(judged).sum()), all=len(judged)))
        )
    truth = np.where(np.isnan(judged), -1, judged < 0.5).astype(int)
    answer = (scores < threshold).astype(int)
    sure = np.where(answer == 0, scores, -scores)
    return Squares(name, "multi", ("present", "absent"), ("said", "unsaid"), truth, answer, sure)
