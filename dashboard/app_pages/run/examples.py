"""Test examples: a gallery of what a run said, right or wrong, sure or not, by class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout, media, runs
from dashboard.runs import Entry
from musicml.evaluation import apply_thresholds

say = layout.Saying("run")


def show(one: Entry) -> None:
    """A gallery of test predictions: right or wrong, sure or not, by class."""
    if not one.report:
        st.markdown(say("no_report"))
        return
    table = runs.predictions(one)
    right, sure = judged(one, table)
    st.markdown(say(f"examples_{table.task}"))
    left, middle, last = st.columns((3, 4, 3))
    with left:
        verdict = choice("verdict", ("wrong", "right", "any"))
    with middle:
        order = choice("order", ("surest", "least_sure"))
    names = {None: say("every"), **dict(enumerate(table.class_names))}
    k = last.selectbox(say("of_class"), list(names), format_func=names.get, key="run-class")
    keep = {"wrong": ~right, "right": right, "any": np.ones(len(right), dtype=bool)}[verdict]
    if k is not None and k in names:
        keep = keep & (table.targets[:, k] == 1)
    places = sorted(np.flatnonzero(keep).tolist(), key=lambda place: sure[place] * (-1 if order == "surest" else 1))
    st.markdown(say(f"found_{verdict}", n=len(places), of=len(right)))
    media.grid(one, places, f"run-grid-{one.name}-{verdict}-{order}-{k}")


def choice(name: str, options: Sequence[str]) -> str:
    """One of a few ways to look."""
    ways = {option: say(option) for option in options}
    return layout.one_of(say(name), ways, f"run-{name}", persist_state="session", wrap=True)


def judged(one: Entry, table: Any) -> tuple[np.ndarray, np.ndarray]:
    """Which predictions are right, and how sure each is.

    Of several classes at once, right means that every class that somebody looked for is decided rightly, and sure is a
    prediction whose closest decision lies far from its threshold.
    """
    thresholds = runs.thresholds(one) if table.task == "multi" else []
    seen = ~np.isnan(table.targets)
    right = ~(seen & (apply_thresholds(table.scores, table.task, thresholds) != (table.targets > 0.5))).any(axis=1)
    if table.task == "single":
        return right, table.scores.max(axis=1)
    return right, np.where(seen, np.abs(table.scores - np.asarray(thresholds)), np.inf).min(axis=1)
