"""How it was made: what a run chose by itself and why, and with what it was made."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import layout
from dashboard.app_pages.run import formatting
from dashboard.runs import Entry

say = layout.Saying("run")


def show(one: Entry) -> None:
    """What was chosen and why, and with what the run was made."""
    st.markdown(say("chosen_head"))
    for sentence in chosen(one):
        st.markdown(say("note", note=sentence))
    st.markdown(say("machine_head"))
    rows = [formatting.fact(say(key), value) for key, value in environment(one).items() if value not in (None, "")]
    rows += [formatting.fact(name, version) for name, version in one.info.versions.items()]
    layout.table(rows, "run-machine", height="content")
    if (one.info.git_commit or "").endswith("+changes"):
        st.caption(say("changes"))


def chosen(one: Entry) -> list[str]:
    """What the run chose by itself and why, a sentence each."""
    info, found = one.info, []
    for key, decided in (("precision", info.precision), ("weights", info.weights)):
        if decided:
            choice = decided.get("policy") or decided.get("choice")
            reason = layout.plain(layout.translated(str(decided.get("reason"))))
            found.append(say(f"chose_{key}", choice=layout.plain(str(choice)), reason=reason))
    if info.best_epoch:
        training = one.settings("training")
        kept = say("kept_last" if training.get("keep") == "last" else "kept_best")
        found.append(
            say(
                "chose_epoch",
                epoch=info.best_epoch,
                n=info.epochs,
                monitor=layout.plain(str(training.get("monitor"))),
                kept=kept,
            )
        )
    if info.export:
        found.append(say("chose_export", export=layout.plain(layout.translated(info.export))))
    return found or [say("nothing_chosen")]


def environment(one: Entry) -> dict[str, Any]:
    """The machine and how the run began."""
    info = one.info
    return {
        "started": info.started,
        "train_time": layout.duration(info.train_seconds) if info.train_seconds else None,
        "device": info.device,
        "backend": info.backend,
        "precision": (info.precision or {}).get("policy"),
        "system": info.machine.get("system"),
        "processor": info.machine.get("processor"),
        "cores": info.machine.get("cores"),
        "seed": info.seed,
        "deterministic": say("yes" if info.deterministic else "no"),
        "commit": info.git_commit,
    }
