"""Use it: what to type in a terminal to ask a run, to go on with it, and to train it again."""

from __future__ import annotations

import shlex

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.run import formatting
from dashboard.runs import Entry

say = layout.Saying("run")


def show(one: Entry) -> None:
    """What to type in a terminal to ask the run, to go on with it, and to train it again."""
    if not one.report:
        command("resume", run=formatting.path_of(one))
    elif runs.serving_of(one).asks_for == "features":
        st.markdown(say("no_files"))
    else:
        file = say("a_sound" if one.is_sound else "a_picture")
        command("predict", run=formatting.path_of(one), file=file)
        command("explain", run=formatting.path_of(one), file=file)
    if one.report and one.info.task == "single":
        command("evaluate", run=formatting.path_of(one))
    if one.report:
        command("export", run=formatting.path_of(one))
    command("again", experiment=shlex.quote(one.info.experiment), options=options_of(one))


def command(name: str, **blanks: str) -> None:
    """A command with what it is for."""
    st.markdown(say(f"to_{name}"))
    st.code(say(f"code_{name}", **blanks).strip(), language="sh")


def options_of(one: Entry) -> str:
    """The options with which the same training begins again."""
    info = one.info
    words = ["--seed", str(info.seed)] + (["--deterministic"] if info.deterministic else [])
    words += ["--data", "sample"] if one.sample and not one.data.folder else []
    words += ["--folder", shlex.quote(one.data.folder)] if one.data.folder else []
    for key, value in info.overrides.items():
        words += ["--set", shlex.quote(f"{key}={formatting.as_toml(value)}")]
    return " ".join(words)
