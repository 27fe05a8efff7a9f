"""Show where two runs differ: how often only one of them is correct, and on which examples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import streamlit as st

from dashboard import layout
from dashboard.app_pages.compare import examples, significance
from dashboard.app_pages.compare.common_examples import SharedExamples
from dashboard.app_pages.compare.labels import LETTERS
from dashboard.charts import class_counts
from dashboard.runs import RunView

say = layout.LazyText("compare")


def show(chosen: Sequence[RunView], common: SharedExamples) -> None:
    """Show how often two runs are correct together and alone, and the examples."""
    st.header(say("differ"))
    st.markdown(say(f"differ_lead_{common.task}"))
    pairs = list(combinations(range(len(chosen)), 2))
    found, (a, b) = significance.get_comparisons(chosen, common), pairs[0]
    if len(pairs) > 1:
        layout.show_table(
            [_make_row(common, *pair) | significance.make_row(found.get(pair)) for pair in pairs], "pairs"
        )
        names = {(a, b): say("a_and_b", a=LETTERS[a], b=LETTERS[b]) for a, b in pairs}
        a, b = st.selectbox(say("pair"), pairs, format_func=layout.make_formatter(names), key="pair")
    _show_two_by_two(common, a, b)
    significance.show(found.get((a, b)), len(found))
    examples.show(chosen, common, a, b)


def _make_row(common: SharedExamples, a: int, b: int) -> dict[str, Any]:
    """Return the four counts of two runs as a row."""
    (both, only_a), (only_b, neither) = class_counts.count_agreement(common.right[a], common.right[b]).tolist()
    return {
        say("first"): LETTERS[a],
        say("second"): LETTERS[b],
        say("both"): both,
        say("only_first"): only_a,
        say("only_second"): only_b,
        say("neither"): neither,
    }


def _show_two_by_two(common: SharedExamples, a: int, b: int) -> None:
    """Show the four counts of two runs as a chart and in words."""
    held = class_counts.count_agreement(common.right[a], common.right[b])
    (both, only_a), (only_b, neither) = held.tolist()
    names = {"a": LETTERS[a], "b": LETTERS[b]}
    rows = [say("is_right", name=names["a"]), say("is_wrong", name=names["a"])]
    columns = [say("is_right", name=names["b"]), say("is_wrong", name=names["b"])]
    words = say("two_words", n=held.sum(), both=both, neither=neither, only_a=only_a, only_b=only_b, **names)
    layout.show_chart(
        class_counts.draw_two_by_two(held, rows, columns, layout.is_dark()),
        words,
        [_make_row(common, a, b)],
        f"two-{a}-{b}",
    )
    _describe_agreement(common, a, b, names)


def _describe_agreement(common: SharedExamples, a: int, b: int, names: dict[str, str]) -> None:
    """Describe how often two runs make the same decision."""
    if common.task == "single":
        same = int((common.said[a] == common.said[b]).all(axis=1).sum())
        n = len(common.names)
        st.markdown(say("alike_single", same=same, n=n, percent=f"{same / n:.0%}"))
        return
    seen = common.seen
    n, right = max(1, int(seen.sum())), common.right_cells
    same = int(((common.said[a] == common.said[b]) & seen).sum())
    figures = {"n": n, "right_a": right[a].sum(), "right_b": right[b].sum(), "same": same, "percent": f"{same / n:.0%}"}
    st.markdown(say("alike_multi", **figures, **names))
