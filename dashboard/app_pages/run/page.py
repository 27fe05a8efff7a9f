"""Show everything about one run, part by part."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout, media, runs
from dashboard.app_pages.run import model, result
from dashboard.runs import RunView
from musicml.data.splits import is_ungrouped_split
from musicml.evaluation import PredictionTable, apply_thresholds
from musicml.experiment import read_experiment_text
from musicml.utils import InputError

SIDES = ("train", "val", "test")
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
    if one.status == "pretrained":
        st.info(say("is_pretrained"), icon=":material/download_done:")
    else:
        _show_headline(one)
    parts = OF_PRETRAINED if one.status == "pretrained" else tuple(PARTS)
    part = say.select("part", parts, "run-part", persist_state="session", wrap=True)
    st.header(say(f"part_{part}"))
    PARTS[part](one)


def _show_headline(one: RunView) -> None:
    """Show the main metric with its interval, the test set, the data and the protocol."""
    report, split, state = one.report, one.info.split, say(f"status_{one.status}")
    name = report.main_metric if report else None
    value, interval = one.figure(name)
    below = say("no_interval") if report else state
    cards = {
        "interval_help": (
            layout.get_metric_name(name) if name else say("main_figure"),
            layout.format_metric(value),
            say("interval", interval=layout.format_interval(interval)) if interval else below,
        ),
        "groups_help": (
            say("tested_on"),
            str(report.n) if report else layout.format_metric(None),
            say("of_groups", n=report.n_groups) if report else state,
        ),
        "origin_help": (say("part_data"), say("is_sample" if one.sample else "is_real"), one.info.data.dataset),
        "protocol_help": (
            say("protocol"),
            say("is_honest" if one.info.is_honest else "is_published"),
            say("sides", train=split.train, val=split.val, test=split.test),
        ),
    }
    for column, (key, (label, shown, below)) in zip(st.columns(4), cards.items(), strict=True):
        label = layout.capitalize(label)
        column.metric(label, shown, below, delta_color="off", delta_arrow="off", help=say(key))
    if not report:
        key, planned = "is_training" if one.status == "training" else "is_stopped", one.info.max_epochs
        words = say(key, n=len(runs.get_history(one)), planned=planned, ago=layout.format_duration(one.silence))
        st.info(words, icon=":material/hourglass:")
        if one.status != "training":
            st.code(say("code_resume", run=_format_path(one)), language="sh")


def _format_path(one: RunView) -> str:
    """Format a run's folder for a terminal."""
    return shlex.quote(str(one.run.path))


def _format_toml(value: Any) -> str:
    """Format a setting as in a TOML file."""
    return value if isinstance(value, str) else json.dumps(value)


def _show_facts(facts: Mapping[str, Any], key: str) -> None:
    """Show facts as a table, without those that are not known."""
    rows = [say.make_row({"what": what, "value": str(v)}) for what, v in facts.items() if v not in (None, "")]
    layout.show_table(rows, key, height="content")


# Test examples


def _show_examples(one: RunView) -> None:
    """Show a gallery of test predictions, filtered by correctness, confidence and class."""
    if not one.report:
        st.markdown(say("no_report"))
        return
    table = runs.get_predictions(one)
    right, sure = _judge(one, table)
    st.markdown(say(f"examples_{table.task}"))
    left, middle, last = st.columns((3, 4, 3))
    options = {"verdict": (left, ("wrong", "right", "any")), "order": (middle, ("surest", "least_sure"))}
    chosen = {}
    for name, (column, ways) in options.items():
        with column:
            words = {way: say(way) for way in ways}
            chosen[name] = layout.select_option(say(name), words, f"run-{name}", persist_state="session", wrap=True)
    verdict, order = chosen["verdict"], chosen["order"]
    names: dict[int | None, str] = {None: say("every"), **dict(enumerate(table.class_names))}
    k = last.selectbox(say("of_class"), list(names), format_func=layout.make_formatter(names), key="run-class")
    keep = {"wrong": ~right, "right": right, "any": np.ones(len(right), dtype=bool)}[verdict]
    if k is not None and k in names:
        keep = keep & (table.targets[:, k] == 1)
    places = sorted(np.flatnonzero(keep).tolist(), key=lambda place: sure[place] * (-1 if order == "surest" else 1))
    st.markdown(say(f"found_{verdict}", n=len(places), of=len(right)))
    media.show_grid(one, places, f"run-grid-{one.name}-{verdict}-{order}-{k}")


def _judge(one: RunView, table: PredictionTable) -> tuple[np.ndarray, np.ndarray]:
    """Return which predictions are correct, and how confident each is.

    Of several classes at once, right means that every class that somebody looked for is decided rightly, and sure is a
    prediction whose closest decision lies far from its threshold.
    """
    thresholds: np.ndarray | list[float] = runs.get_thresholds(one) if table.task == "multi" else []
    seen = ~np.isnan(table.targets)
    right = ~(seen & (apply_thresholds(table.scores, table.task, thresholds) != (table.targets > 0.5))).any(axis=1)
    if table.task == "single":
        return right, table.scores.max(axis=1)
    return right, np.where(seen, np.abs(table.scores - np.asarray(thresholds)), np.inf).min(axis=1)


# Settings


def _show_settings(one: RunView) -> None:
    """Show every setting with its value and its origin, and the experiment file."""
    try:
        text = read_experiment_text(one.run)
    except InputError:
        text = ""
    try:
        file = tomllib.loads(text.removeprefix("\ufeff")) or None
    except (tomllib.TOMLDecodeError, RecursionError):
        file = None
    st.markdown(say("settings_words"))
    if one.info.overrides:
        st.markdown(say("overrides", n=len(one.info.overrides)))
    found = [(table, key, v) for table, values in one.info.settings.items() for key, v in (values or {}).items()]
    rows = [
        {"table": table, "key": key, "value": _format_toml(v), "comes_from": _find_origin(one, file, table, key)}
        for table, key, v in found
    ]
    rows = sorted(rows, key=lambda row: row["comes_from"] != "from_set")
    layout.show_table([say.make_row({**row, "comes_from": say(row["comes_from"])}) for row in rows], "run-settings")
    if text:
        say.show("experiment_file", name=one.info.experiment)
        st.code(text, language="toml")
    else:
        st.markdown(say("no_experiment_file"))


def _find_origin(one: RunView, file: Mapping[str, Any] | None, table: str, key: str) -> str:
    """Return the origin of a setting: the command line, the file, its `[sample]` table, or the default."""
    if f"{table}.{key}" in one.info.overrides:
        return "from_set"
    if file is None:
        return "from_unknown"
    if one.sample and key in (file.get("sample", {}).get(table) or {}):
        return "from_sample"
    return "from_file" if key in (file.get(table) or {}) else "from_default"


# Data


def _show_data(one: RunView) -> None:
    """Show the source of the data, its split, and the excluded and repaired files."""
    found = one.info.data
    facts = {"dataset": found.dataset, "origin": say("sample" if one.sample else "real"), "hash": found.hash}
    facts["root"] = found.folder or found.root
    shown = say.make_row(facts)
    for key, value in found.source.items():
        if key != "sample":
            shown[say("source" if key == "source" else "source_of", name=key)] = _format_toml(value)
    _show_facts(shown, "run-data")
    for note in found.notes:
        say.show("note", note=layout.translate_message(note))
    st.markdown(say("warned", n=found.with_warnings))
    _show_sides(one)
    _show_files(one, "excluded.csv", "excluded", "reason")
    _show_files(one, "repairs.csv", "repairs", "words")


def _show_sides(one: RunView) -> None:
    """Show how many examples and groups each split has."""
    st.markdown(say("split_head"))
    say.show("statement", words=layout.translate_message(one.info.split.statement))
    groups: dict[str, set[str]] = {}
    for row in runs.read_table(one, "split.csv"):
        groups.setdefault(str(row.get("split")), set()).add(str(row.get("group")))
    rows = [
        {
            "side": say(f"side_{side}"),
            "files": getattr(one.info.split, side),
            "groups": len(groups.get(side, ())) or None,
        }
        for side in (SIDES[:-1] if one.info.split.folds else SIDES)
    ]
    if one.info.split.folds:
        st.markdown(say("folds", n=one.info.split.folds, files=one.info.split.test))
    layout.show_table([say.make_row(row) for row in rows], "run-sides")
    apart = is_ungrouped_split(one.info.data.as_published, one.info.split_rule)
    st.caption(say("groups_words_none" if apart else "groups_words"))


def _show_files(one: RunView, table: str, key: str, why: str) -> None:
    """Show the files that a table of the run lists, each with a sentence."""
    st.markdown(say(f"{key}_head"))
    found = one.run.table(table)
    st.markdown(say(key, n=len(found)) if found else say(f"{key}_none"))
    if found:
        cells = [{"file": row.get("file"), "reason": layout.translate_message(row.get(why) or "")} for row in found]
        wide = {say("reason"): st.column_config.TextColumn(width="large")}
        layout.show_table([say.make_row(row) for row in cells], f"run-{key}", wide)


# How it was made


def _show_making(one: RunView) -> None:
    """Show the run's choices with their reasons, and its environment."""
    st.markdown(say("chosen_head"))
    for sentence in _list_choices(one) or [say("nothing_chosen")]:
        st.markdown(say("note", note=sentence))
    st.markdown(say("machine_head"))
    _show_facts(say.make_row(_list_environment(one)) | one.info.versions, "run-machine")
    if (one.info.git_commit or "").endswith("+changes"):
        st.caption(say("changes"))


def _list_choices(one: RunView) -> list[str]:
    """List the choices that the run made by itself, with the reason of each."""
    info, found = one.info, {}
    for key, decided in (("precision", info.precision), ("weights", info.weights)):
        if decided:
            choice, reason = decided.get("policy") or decided.get("choice"), decided.get("reason") or ""
            found[f"chose_{key}"] = {"choice": str(choice), "reason": layout.translate_message(reason)}
    if info.best_epoch:
        training = info.get_settings("training")
        kept = say("kept_last" if training.get("keep") == "last" else "kept_best")
        epochs = {"epoch": str(info.best_epoch), "n": str(info.epochs)}
        found["chose_epoch"] = {**epochs, "monitor": str(training.get("monitor")), "kept": kept}
    if info.export:
        found["chose_export"] = {"export": layout.translate_message(info.export)}
    return [
        say(key, **{name: layout.escape_markdown(word) for name, word in words.items()}) for key, words in found.items()
    ]


def _list_environment(one: RunView) -> dict[str, Any]:
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


# Commands for a terminal


def _show_commands(one: RunView) -> None:
    """Show the commands to predict with the run, to resume it, and to train it again."""
    run, names = _format_path(one), []
    if one.is_ours and not one.report:
        names.append("resume")
    elif runs.get_manifest(one).asks_for == "features":
        st.markdown(say("no_files"))
    else:
        names += ["predict", "explain"]
    if one.report:
        names += [*(["evaluate"] if one.info.task == "single" else []), "export", "reproduce"]
    if one.is_ours:
        names.append("again")
    blanks = {"run": run, "file": say("a_sound" if one.is_sound else "a_picture")}
    blanks |= {"experiment": shlex.quote(one.info.experiment), "options": _format_options(one)}
    for name in names:
        st.markdown(say(f"to_{name}"))
        st.code(say(f"code_{name}", **blanks).strip(), language="sh")


def _format_options(one: RunView) -> str:
    """Return the options that repeat the same training."""
    info = one.info
    words = ["--seed", str(info.seed)] + (["--deterministic"] if info.deterministic else [])
    words += ["--data", "sample"] if one.sample and not one.info.data.folder else []
    words += ["--folder", shlex.quote(one.info.data.folder)] if one.info.data.folder else []
    for key, value in info.overrides.items():
        words += ["--set", shlex.quote(f"{key}={_format_toml(value)}")]
    return " ".join(words)


PARTS = {
    "result": result.show,
    "examples": _show_examples,
    "model": model.show,
    "settings": _show_settings,
    "data": _show_data,
    "made": _show_making,
    "use": _show_commands,
}

show()
