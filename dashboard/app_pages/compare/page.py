"""Compare runs on the same test examples: overall, by class and by example."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.compare import classes, common_examples, differences, labels, metrics, overall
from dashboard.app_pages.compare.common_examples import SharedExamples
from dashboard.app_pages.compare.labels import LETTERS
from dashboard.runs import RunView

say = layout.begin_page("compare")


def show() -> None:
    """Show the page."""
    found = common_examples.sort_by_shared_examples(layout.list_runs_or_stop(layout.is_complete))
    chosen = layout.select_runs(found, 2, key="compared")
    if len(chosen) < 2:
        st.info(say("two_needed"), icon=":material/info:")
        return
    layout.show_data_notes(*chosen)
    reason = common_examples.find_mismatch([runs.get_predictions(one) for one in chosen])
    if reason:
        st.error(say(f"refused_{reason}"), icon=":material/error:")
        return
    common = common_examples.get_shared_examples(chosen)
    _show_letters(chosen)
    _show_test_examples(chosen, common)
    if not len(common.names):
        return
    _show_protocol_warning(chosen)
    with st.spinner(say("counting")):
        made = metrics.get_metrics(chosen, common)
    overall.show(chosen, common, made)
    classes.show(chosen, common, made)
    differences.show(chosen, common)


def _show_letters(chosen: Sequence[RunView]) -> None:
    """Show which letter stands for which run."""
    for k, one in enumerate(chosen):
        st.markdown(
            say(
                "lettered",
                letter=LETTERS[k],
                name=layout.escape_markdown(one.name),
                kind=layout.escape_markdown(labels.describe_protocol(one)),
            )
        )


def _show_test_examples(chosen: Sequence[RunView], common: SharedExamples) -> None:
    """Show how many test examples the runs share, and why not all."""
    n = len(common.names)
    if common.is_all:
        st.success(say("same", n=n), icon=":material/check_circle:")
        return
    reasons = [say(f"differ_{key}") for key in common_examples.list_differences(chosen)]
    reasons += [say("differ_labels", n=common.relabelled)] if common.relabelled else []
    words = say("shared" if n else "none_shared", n=n, why=layout.format_list(reasons) or say("differ_unread"))
    (st.warning if n else st.error)(words, icon=":material/warning:" if n else ":material/error:")
    rows = [
        {
            say("run"): labels.format_name(chosen, k),
            say("dataset"): one.data.dataset,
            say("origin"): say("sample" if one.sample else "real"),
            say("split"): layout.translate_message(one.split.statement),
            say("n_test"): size,
            say("n_shared"): n,
            say("n_alone"): size - n,
        }
        for k, (one, size) in enumerate(zip(chosen, common.sizes, strict=True))
    ]
    layout.show_table(rows, "tested-on")


def _show_protocol_warning(chosen: Sequence[RunView]) -> None:
    """Warn that results of a published protocol can't be ranked with honest ones, where both are chosen."""
    published = [LETTERS[k] for k, one in enumerate(chosen) if labels.get_protocol(one) != "honest"]
    if published and len(published) < len(chosen):
        st.warning(
            say("not_ranked", names=layout.escape_markdown(layout.format_list(published))), icon=":material/warning:"
        )


show()
