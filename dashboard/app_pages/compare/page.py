"""Compare: runs on the same test examples, figure by figure, class by class, example by example."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.compare import classes, common_examples, differences, labels, metrics, overall
from dashboard.app_pages.compare.common_examples import Shared
from dashboard.app_pages.compare.labels import LETTERS
from dashboard.runs import Entry

say = layout.begin("compare")


def show() -> None:
    """The whole page."""
    found = common_examples.partners(layout.entries(layout.whole))
    chosen = layout.pick_runs(found, 2, key="compared")
    if len(chosen) < 2:
        st.info(say("two_needed"), icon=":material/info:")
        return
    layout.sample_note(*chosen)
    reason = common_examples.trouble([runs.predictions(one) for one in chosen])
    if reason:
        st.error(say(f"refused_{reason}"), icon=":material/error:")
        return
    common = common_examples.shared(chosen)
    lettered(chosen)
    tested_on(chosen, common)
    if not len(common.names):
        return
    protocols(chosen)
    with st.spinner(say("counting")):
        made = metrics.figures(chosen, common)
    overall.show(chosen, common, made)
    classes.show(chosen, common, made)
    differences.show(chosen, common)


def lettered(chosen: Sequence[Entry]) -> None:
    """Which letter stands for which run."""
    for k, one in enumerate(chosen):
        st.markdown(
            say("lettered", letter=LETTERS[k], name=layout.plain(one.name), kind=layout.plain(labels.kind(one)))
        )


def tested_on(chosen: Sequence[Entry], common: Shared) -> None:
    """How many test examples they share, and why not all."""
    n = len(common.names)
    if common.is_all:
        st.success(say("same", n=n), icon=":material/check_circle:")
        return
    reasons = [say(f"differ_{key}") for key in common_examples.differences(chosen)]
    reasons += [say("differ_labels", n=common.relabelled)] if common.relabelled else []
    told = say("shared" if n else "none_shared", n=n, why=layout.listed(reasons) or say("differ_unread"))
    (st.warning if n else st.error)(told, icon=":material/warning:" if n else ":material/error:")
    rows = [
        {
            say("run"): labels.name_of(chosen, k),
            say("dataset"): one.data.dataset,
            say("origin"): say("sample" if one.sample else "real"),
            say("split"): layout.translated(one.split.statement),
            say("n_test"): size,
            say("n_shared"): n,
            say("n_alone"): size - n,
        }
        for k, (one, size) in enumerate(zip(chosen, common.sizes, strict=True))
    ]
    layout.table(rows, "tested-on")


def protocols(chosen: Sequence[Entry]) -> None:
    """Say that figures of a published protocol are no rivals of honest ones, where both are chosen."""
    published = [LETTERS[k] for k, one in enumerate(chosen) if labels.protocol(one) != "honest"]
    if published and len(published) < len(chosen):
        st.warning(say("not_ranked", names=layout.plain(layout.listed(published))), icon=":material/warning:")


show()
