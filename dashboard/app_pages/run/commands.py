"""Show the terminal commands that use, resume and repeat a run."""

from __future__ import annotations

import shlex

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.run import formatting
from dashboard.runs import RunView

say = layout.LazyText("run")


def show(one: RunView) -> None:
    """Show the commands to predict with the run, to resume it, and to train it again."""
    if one.is_ours and not one.report:
        _show_command("resume", run=formatting.format_path(one))
    elif runs.get_manifest(one).asks_for == "features":
        st.markdown(say("no_files"))
    else:
        file = say("a_sound" if one.is_sound else "a_picture")
        _show_command("predict", run=formatting.format_path(one), file=file)
        _show_command("explain", run=formatting.format_path(one), file=file)
    if one.report and one.info.task == "single":
        _show_command("evaluate", run=formatting.format_path(one))
    if one.report:
        _show_command("export", run=formatting.format_path(one))
        _show_command("reproduce", run=formatting.format_path(one))
    if one.is_ours:
        _show_command("again", experiment=shlex.quote(one.info.experiment), options=_format_options(one))


def _show_command(name: str, **blanks: str) -> None:
    """Show a command with its purpose."""
    st.markdown(say(f"to_{name}"))
    st.code(say(f"code_{name}", **blanks).strip(), language="sh")


def _format_options(one: RunView) -> str:
    """Return the options that repeat the same training."""
    info = one.info
    words = ["--seed", str(info.seed)] + (["--deterministic"] if info.deterministic else [])
    words += ["--data", "sample"] if one.sample and not one.data.folder else []
    words += ["--folder", shlex.quote(one.data.folder)] if one.data.folder else []
    for key, value in info.overrides.items():
        words += ["--set", shlex.quote(f"{key}={formatting.format_toml(value)}")]
    return " ".join(words)
