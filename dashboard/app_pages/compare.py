"""Compare: runs on the same test examples, figure by figure, class by class, example by example."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import data, shell
from dashboard.data import Entry
from dashboard.parts.compare import classes, differences, figures, letters, overall, sharing
from dashboard.parts.compare.letters import LETTERS
from dashboard.parts.compare.sharing import Shared

say = shell.begin("compare")


def show() -> None:
    """The whole page."""
    found = sharing.partners(shell.entries(shell.whole))
    chosen = shell.pick_runs(found, 2, key="compared")
    if len(chosen) < 2:
        st.info(say("two_needed"), icon=":material/info:")
        return
    shell.sample_note(*chosen)
    reason = sharing.trouble([data.predictions(one) for one in chosen])
    if reason:
        st.error(say(f"refused_{reason}"), icon=":material/error:")
        return
    common = sharing.shared(chosen)
    lettered(chosen)
    tested_on(chosen, common)
    if not len(common.names):
        return
    protocols(chosen)
    with st.spinner(say("counting")):
        made = figures.figures(chosen, common)
    overall.show(chosen, common, made)
    classes.show(chosen, common, made)
    differences.show(chosen, common)


def lettered(chosen: Sequence[Entry]) -> None:
    """Which letter stands for which run."""
    for k, one in enumerate(chosen):
        st.markdown(say("lettered", letter=LETTERS[k], name=shell.plain(one.name), kind=shell.plain(letters.kind(one))))


def tested_on(chosen: Sequence[Entry], common: Shared) -> None:
    """How many test examples they share, and why not all."""
    n = len(common.names)
    if common.is_all:
        st.success(say("same", n=n), icon=":material/check_circle:")
        return
    reasons = [say(f"differ_{key}") for key in sharing.differences(chosen)]
    reasons += [say("differ_labels", n=common.relabelled)] if common.relabelled else []
    told = say("shared" if n else "none_shared", n=n, why=shell.listed(reasons) or say("differ_unread"))
    (st.warning if n else st.error)(told, icon=":material/warning:" if n else ":material/error:")
    rows = [
        {
            say("run"): letters.name_of(chosen, k),
            say("dataset"): one.data.get("dataset"),
            say("origin"): say("sample" if one.sample else "real"),
            say("split"): shell.translated(str(one.split.get("statement") or "")),
            say("n_test"): size,
            say("n_shared"): n,
            say("n_alone"): size - n,
        }
        for k, (one, size) in enumerate(zip(chosen, common.sizes, strict=True))
    ]
    shell.table(rows, "tested-on")


def protocols(chosen: Sequence[Entry]) -> None:
    """Say that figures of a published protocol are no rivals of honest ones, where both are chosen."""
    published = [LETTERS[k] for k, one in enumerate(chosen) if letters.protocol(one) != "honest"]
    if published and len(published) < len(chosen):
        st.warning(say("not_ranked", names=shell.plain(shell.listed(published))), icon=":material/warning:")


show()
