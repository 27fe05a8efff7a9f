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
    rows += [formatting.make_fact(name, version) for name, version in (one.facts.get("versions") or {}).items()]
    layout.show_table(rows, "run-machine", height="content")
    if str(one.facts.get("git_commit") or "").endswith("+changes"):
        st.caption(say("changes"))


def _list_choices(one: RunView) -> list[str]:
    """List the choices that the run made by itself, with the reason of each."""
    facts, found = one.facts, []
    for key in ("precision", "weights"):
        decided = facts.get(key) or {}
        if decided:
            choice = decided.get("policy") or decided.get("choice")
            reason = layout.escape_markdown(layout.translate_message(str(decided.get("reason"))))
            found.append(say(f"chose_{key}", choice=layout.escape_markdown(str(choice)), reason=reason))
    if facts.get("best_epoch"):
        training = one.settings("training")
        kept = say("kept_last" if training.get("keep") == "last" else "kept_best")
        found.append(
            say(
                "chose_epoch",
                epoch=facts["best_epoch"],
                n=facts.get("epochs"),
                monitor=layout.escape_markdown(str(training.get("monitor"))),
                kept=kept,
            )
        )
    if facts.get("export"):
        found.append(say("chose_export", export=layout.escape_markdown(layout.translate_message(str(facts["export"])))))
    return found or [say("nothing_chosen")]


def list_environment(one: RunView) -> dict[str, Any]:
    """Return the machine, the software and the start of the run."""
    facts, machine = one.facts, one.facts.get("machine") or {}
    seconds = facts.get("train_seconds")
    return {
        "started": facts.get("started"),
        "train_time": layout.format_duration(seconds) if seconds else None,
        "device": facts.get("device"),
        "backend": facts.get("backend"),
        "precision": (facts.get("precision") or {}).get("policy"),
        "system": machine.get("system"),
        "processor": machine.get("processor"),
        "cores": machine.get("cores"),
        "seed": facts.get("seed"),
        "deterministic": say("yes" if facts.get("deterministic") else "no"),
        "commit": facts.get("git_commit"),
    }
