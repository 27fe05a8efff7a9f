"""Show everything about one run, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.run import commands, data, examples, formatting, model, reproducibility, result, settings
from dashboard.runs import RunView

PARTS = {
    "result": result,
    "examples": examples,
    "model": model,
    "settings": settings,
    "data": data,
    "made": reproducibility,
    "use": commands,
}
OF_PRETRAINED = ("model", "made", "use")  # the parts of a run that others trained

say = layout.begin_page("run")


def show() -> None:
    """Show the page."""
    one = layout.select_run(layout.list_runs_or_stop())
    layout.show_notes(one)
    if one.trouble:
        layout.show_error(one.trouble)
        return
    layout.show_data_notes(one)
    _show_headline(one)
    parts = OF_PRETRAINED if one.status == "pretrained" else tuple(PARTS)
    ways = {name: say(f"part_{name}") for name in parts}
    part = layout.select_option(say("part"), ways, "run-part", persist_state="session", wrap=True)
    st.header(say(f"part_{part}"))
    PARTS[part].show(one)


def _show_headline(one: RunView) -> None:
    """Show the main metric with its interval, the test set, the data and the protocol."""
    if one.status == "pretrained":
        st.info(say("is_pretrained"), icon=":material/download_done:")
        return
    cards = st.columns(4)
    name = one.report.main_metric if one.report else None
    value, interval = one.figure(name)
    cards[0].metric(
        layout.capitalize(layout.get_metric_name(name)) if name else say("main_figure"),
        layout.format_metric(value),
        say("interval", interval=_format_interval(interval))
        if interval
        else say("no_interval" if one.report else f"status_{one.status}"),
        delta_color="off",
        delta_arrow="off",
        help=say("interval_help"),
    )
    tested = say("of_groups", n=one.report.n_groups) if one.report else say(f"status_{one.status}")
    _show_card(cards[1], "tested_on", one.report.n if one.report else layout.format_metric(None), tested, "groups_help")
    _show_card(
        cards[2],
        "part_data",
        say("is_sample" if one.sample else "is_real"),
        one.data.dataset,
        "origin_help",
    )
    protocol = "honest" if one.is_honest else "published"
    _show_card(cards[3], "protocol", say(f"is_{protocol}"), _format_split(one), "protocol_help")
    _show_unfinished(one)


def _format_interval(interval: Sequence[float]) -> str:
    """Format an interval."""
    return f"{interval[0]:.3f} – {interval[1]:.3f}"


def _show_card(place: Any, label: str, value: Any, below: str, help_key: str) -> None:
    """Show one fact of the headline."""
    place.metric(
        layout.capitalize(say(label)), str(value), below, delta_color="off", delta_arrow="off", help=say(help_key)
    )


def _format_split(one: RunView) -> str:
    """Format how many files each split has."""
    split = one.split
    return say("sides", train=split.train, val=split.val, test=split.test)


def _show_unfinished(one: RunView) -> None:
    """Show how far a run without a report has come, and how to resume it."""
    if one.report:
        return
    done, planned = len(runs.get_history(one)), one.info.max_epochs
    key = "is_training" if one.status == "training" else "is_stopped"
    st.info(say(key, n=done, planned=planned, ago=layout.format_duration(one.silence)), icon=":material/hourglass:")
    if one.status != "training":
        st.code(say("code_resume", run=formatting.format_path(one)), language="sh")


show()
