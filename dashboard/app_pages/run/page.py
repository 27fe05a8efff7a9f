"""A run: everything about one of them, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.run import commands, examples, formatting, model, reproducibility, result, settings
from dashboard.app_pages.run import data as material
from dashboard.runs import Entry

PARTS = {
    "result": result,
    "examples": examples,
    "model": model,
    "settings": settings,
    "data": material,
    "made": reproducibility,
    "use": commands,
}

say = layout.begin("run")


def show() -> None:
    """The whole page."""
    one = layout.pick_run(layout.entries())
    if one.trouble:
        layout.refuse(one.trouble)
        return
    layout.sample_note(one)
    headline(one)
    ways = {name: say(f"part_{name}") for name in PARTS}
    part = layout.one_of(say("part"), ways, "run-part", persist_state="session", wrap=True)
    st.header(say(f"part_{part}"))
    PARTS[part].show(one)


def headline(one: Entry) -> None:
    """The main figure with its interval, what it was measured on, and how."""
    cards = st.columns(4)
    name = one.report.main_metric if one.report else None
    value, interval = one.figure(name)
    cards[0].metric(
        layout.capital(layout.metric_name(name)) if name else say("main_figure"),
        layout.figure_text(value),
        say("interval", interval=between(interval))
        if interval
        else say("no_interval" if one.report else f"status_{one.status}"),
        delta_color="off",
        delta_arrow="off",
        help=say("interval_help"),
    )
    tested = say("of_groups", n=one.report.n_groups) if one.report else say(f"status_{one.status}")
    card(cards[1], "tested_on", one.report.n if one.report else layout.figure_text(None), tested, "groups_help")
    card(
        cards[2],
        "part_data",
        say("is_sample" if one.sample else "is_real"),
        one.data.dataset,
        "origin_help",
    )
    protocol = "honest" if one.is_honest else "published"
    card(cards[3], "protocol", say(f"is_{protocol}"), split_text(one), "protocol_help")
    unfinished(one)


def between(interval: Sequence[float]) -> str:
    """An interval."""
    return f"{interval[0]:.3f} – {interval[1]:.3f}"


def card(place: Any, label: str, value: Any, below: str, help_key: str) -> None:
    """One fact of the headline."""
    place.metric(
        layout.capital(say(label)), str(value), below, delta_color="off", delta_arrow="off", help=say(help_key)
    )


def split_text(one: Entry) -> str:
    """How many files stand on each side of the split."""
    split = one.split
    return say("sides", train=split.train, val=split.val, test=split.test)


def unfinished(one: Entry) -> None:
    """Say of a run without a report how far it has come and how it goes on."""
    if one.report:
        return
    done, planned = len(runs.history(one)), one.info.max_epochs
    key = "is_training" if one.status == "training" else "is_stopped"
    st.info(say(key, n=done, planned=planned, ago=layout.duration(one.silence)), icon=":material/hourglass:")
    if one.status != "training":
        st.code(say("code_resume", run=formatting.path_of(one)), language="sh")


show()
