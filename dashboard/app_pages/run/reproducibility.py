"""Show which choices a run made by itself, and in which environment it was made."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import layout
from dashboard.app_pages.run import formatting
from dashboard.runs import RunView

say = layout.LazyText("run")


def show(one: RunView) -> None:
    """Show the run's choices with their reasons, and its environment."""
    st.markdown(say("chosen_head"))
    for sentence in _list_choices(one):
        st.markdown(say("note", note=sentence))
    st.markdown(say("machine_head"))
    rows = [
        formatting.make_fact(say(key), value) for key, value in list_environment(one).items() if value not in (None, "")
    ]
    rows += [formatting.make_fact(name, version) for name, version in one.info.versions.items()]
    layout.show_table(rows, "run-machine", height="content")
    if (one.info.git_commit or "").endswith("+changes"):
        st.caption(say("changes"))


def _list_choices(one: RunView) -> list[str]:
    """List the choices that the run made by itself, with the reason of each."""
    info, found = one.info, []
    for key, decided in (("precision", info.precision), ("weights", info.weights)):
        if decided:
            choice = decided.get("policy") or decided.get("choice")
            reason = layout.escape_markdown(layout.translate_message(str(decided.get("reason"))))
            found.append(say(f"chose_{key}", choice=layout.escape_markdown(str(choice)), reason=reason))
    if info.best_epoch:
        training = one.settings("training")
        kept = say("kept_last" if training.get("keep") == "last" else "kept_best")
        found.append(
            say(
                "chose_epoch",
                epoch=info.best_epoch,
                n=info.epochs,
                monitor=layout.escape_markdown(str(training.get("monitor"))),
                kept=kept,
            )
        )
    if info.export:
        found.append(say("chose_export", export=layout.escape_markdown(layout.translate_message(info.export))))
    return found or [say("nothing_chosen")]


def list_environment(one: RunView) -> dict[str, Any]:
    """Return the machine, the software and the start of the run."""
    info = one.info
    return {
        "started": info.started,
        "train_time": layout.format_duration(info.train_seconds) if info.train_seconds else None,
        "device": info.device,
        "backend": info.backend,
        "precision": (info.precision or {}).get("policy"),
        "system": info.machine.get("system"),
        "processor": info.machine.get("processor_name") or info.machine.get("processor"),
        "cores": info.machine.get("cores"),
        "seed": info.seed,
        "reproduces": info.reproduces,
        "deterministic": say("yes" if info.deterministic else "no"),
        "commit": info.git_commit,
    }
