"""Show what this machine has and lacks, which datasets it has, and how to get the others."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import datasets, layout, runs
from dashboard.caching import cache_data
from musicml.data.datasets import DATASET_NAMES
from musicml.experiment import CheckResult, check_environment

say = layout.begin_page("setup")

SIGNS = {"ok": ":material/check_circle:", "note": ":material/info:", "problem": ":material/error:"}


def show() -> None:
    """Show the page."""
    st.header(say("machine"))
    with st.spinner(say("looking")):
        findings = _check_machine(str(runs.get_data_root()), str(runs.get_runs_root()))
    for finding in findings:
        if finding.what not in DATASET_NAMES:  # datasets have their own section below
            what, words = layout.localize(finding.what), layout.localize(finding.words)
            st.markdown(f"{SIGNS[finding.state]} **{what}** ({say(finding.state)}): {words}")
    st.header(say("data_sets"))
    st.markdown(say("sample_how"))
    there = datasets.list_datasets()  # (name, `real` or `sample`)
    for name in DATASET_NAMES:
        state = layout.format_list(say(kind) for known, kind in there if known == name) or say("absent")
        with st.expander(say("data_set", name=name, state=state)):
            st.markdown(say(f"get_{name}"))
            st.code(str(runs.get_data_root() / name), language=None)
    layout.show_lesson(say("lesson"), "01_sound_and_pictures")
    st.header(say("folders"))
    st.markdown(say("folders_how"))
    folders = {"runs": runs.get_runs_root(), "data": runs.get_data_root()}
    rows = [
        {"what": say(f"{name}_folder"), "where": str(where), "variable": f"MUSICML_{name.upper()}"}
        for name, where in folders.items()
    ]
    st.table([say.make_row(row) for row in rows])


@cache_data(ttl=30)  # the checks take a second, and pages rerun often
def _check_machine(data_root: str, runs_root: str) -> list[CheckResult]:
    """Return the results of `musicml doctor`, cached for half a minute."""
    return check_environment(Path(data_root), Path(runs_root))


show()
