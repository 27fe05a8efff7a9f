"""Show a gallery of test predictions, filtered by correctness, confidence and class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout, media, runs
from dashboard.runs import RunView
from musicml.evaluation import apply_thresholds

say = layout.LazyText("run")


def show(one: RunView) -> None:
    """Show a gallery of test predictions, filtered by correctness, confidence and class."""
    if not one.report:
        st.markdown(say("no_report"))
        return
    table = runs.get_predictions(one)
    right, sure = _judge(one, table)
    st.markdown(say(f"examples_{table.task}"))
    left, middle, last = st.columns((3, 4, 3))
    with left:
        verdict = _select("verdict", ("wrong", "right", "any"))
    with middle:
        order = _select("order", ("surest", "least_sure"))
    names: dict[int | None, str] = {None: say("every"), **dict(enumerate(table.class_names))}
    k = last.selectbox(say("of_class"), list(names), format_func=layout.make_formatter(names), key="run-class")
    keep = {"wrong": ~right, "right": right, "any": np.ones(len(right), dtype=bool)}[verdict]
    if k is not None and k in names:
        keep = keep & (table.targets[:, k] == 1)
    places = sorted(np.flatnonzero(keep).tolist(), key=lambda place: sure[place] * (-1 if order == "surest" else 1))
    st.markdown(say(f"found_{verdict}", n=len(places), of=len(right)))
    media.show_grid(one, places, f"run-grid-{one.name}-{verdict}-{order}-{k}")


def _select(name: str, options: Sequence[str]) -> str:
    """Let the user choose one of a few options."""
    ways = {option: say(option) for option in options}
    return layout.select_option(say(name), ways, f"run-{name}", persist_state="session", wrap=True)


def _judge(one: RunView, table: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return which predictions are correct, and how confident each is.

    Of several classes at once, right means that every class that somebody looked for is decided rightly, and sure is a
    prediction whose closest decision lies far from its threshold.
    """
    thresholds: np.ndarray | list[float] = runs.get_thresholds(one) if table.task == "multi" else []
    seen = ~np.isnan(table.targets)
    right = ~(seen & (apply_thresholds(table.scores, table.task, thresholds) != (table.targets > 0.5))).any(axis=1)
    if table.task == "single":
        return right, table.scores.max(axis=1)
    return right, np.where(seen, np.abs(table.scores - np.asarray(thresholds)), np.inf).min(axis=1)
