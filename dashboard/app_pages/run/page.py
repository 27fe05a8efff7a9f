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
PRETRAINED_PARTS = ("model", "made", "use")  # of a pretrained model, which has no results or data

say = layout.begin_page("run")


def show() -> None:
    """Show the page."""
    view = layout.select_run(layout.list_runs_or_stop())
    layout.show_notes(view)  # the user's own note and tags
    if view.error:
        layout.show_error(view.error)
        return
    layout.show_data_notes(view)
    if view.status == "pretrained":
        st.info(say("is_pretrained"), icon=":material/download_done:")
    else:
        _show_headline(view)
    parts = PRETRAINED_PARTS if view.status == "pretrained" else tuple(PARTS)
    part = say.select("part", parts, "run-part", persist_state="session", wrap=True)
    st.header(say(f"part_{part}"))
    PARTS[part](view)


def _show_headline(view: RunView) -> None:
    """Show the main metric with its interval, the test set, the data and the protocol."""
    report, split, state = view.report, view.info.split, say(f"status_{view.status}")
    name = report.main_metric if report else None
    value, interval = view.get_metric(name)
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
        "origin_help": (say("part_data"), say("is_sample" if view.sample else "is_real"), view.info.data.dataset),
        "protocol_help": (
            say("protocol"),
            say("is_honest" if view.info.is_honest else "is_published"),
            say("sides", train=split.train, val=split.val, test=split.test),
        ),
    }
    for column, (key, (label, shown, below)) in zip(st.columns(4), cards.items(), strict=True):
        label = layout.capitalize(label)
        column.metric(label, shown, below, delta_color="off", delta_arrow="off", help=say(key))
    if not report:
        key, planned = "is_training" if view.status == "training" else "is_stopped", view.info.max_epochs
        words = say(key, n=len(runs.get_history(view)), planned=planned, ago=layout.format_ago(view.silence))
        st.info(words, icon=":material/hourglass:")
        if view.status != "training":
            st.code(say("code_resume", run=_format_path(view)), language="sh")


def _format_path(view: RunView) -> str:
    """Format a run's folder for a terminal."""
    return shlex.quote(str(view.run.path))


def _format_toml(value: Any) -> str:
    """Format a setting as in a TOML file."""
    return value if isinstance(value, str) else json.dumps(value)


def _show_facts(facts: Mapping[str, Any], key: str) -> None:
    """Show facts as a table, without the unknown ones."""
    rows = [say.make_row({"what": what, "value": str(v)}) for what, v in facts.items() if v not in (None, "")]
    layout.show_table(rows, key, height="content")


# Test examples


def _show_examples(view: RunView) -> None:
    """Show a gallery of test predictions, filtered by correctness, confidence and class."""
    if not view.report:
        st.markdown(say("no_report"))
        return
    table = runs.get_predictions(view)  # test predictions
    correct, confidence = _judge(view, table)
    st.markdown(say(f"examples_{table.task}"))
    say.show_help(f"examples_more_{table.task}")
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
    keep = {"wrong": ~correct, "right": correct, "any": np.ones(len(correct), dtype=bool)}[verdict]
    if k is not None and k in names:  # only examples of the chosen class
        keep = keep & (table.targets[:, k] == 1)
    places = sorted(
        np.flatnonzero(keep).tolist(), key=lambda place: confidence[place] * (-1 if order == "surest" else 1)
    )
    st.markdown(say(f"found_{verdict}", n=len(places), of=len(correct)))
    media.show_grid(view, places, f"run-grid-{view.name}-{verdict}-{order}-{k}")


def _judge(view: RunView, table: PredictionTable) -> tuple[np.ndarray, np.ndarray]:
    """Return which predictions are correct, and how confident each is.

    A multi-label prediction is correct if every labeled class is. Its confidence is the smallest distance of a labeled
    class's score from its threshold.
    """
    thresholds: np.ndarray | list[float] = runs.get_thresholds(view) if table.task == "multi" else []
    labeled = ~np.isnan(table.targets)
    correct = ~(labeled & (apply_thresholds(table.scores, table.task, thresholds) != (table.targets > 0.5))).any(axis=1)
    if table.task == "single":
        return correct, table.scores.max(axis=1)
    return correct, np.where(labeled, np.abs(table.scores - np.asarray(thresholds)), np.inf).min(axis=1)


# Settings


def _show_settings(view: RunView) -> None:
    """Show every setting with its value and its origin, and the experiment file."""
    try:
        text = read_experiment_text(view.run)
    except InputError:  # missing or unreadable
        text = ""
    try:
        file = tomllib.loads(text.removeprefix("\ufeff")) or None  # Windows editors may write a byte order mark
    except (tomllib.TOMLDecodeError, RecursionError):
        file = None
    st.markdown(say("settings_words"))
    if view.info.overrides:
        st.markdown(say("overrides", n=len(view.info.overrides)))
    found = [(table, key, v) for table, values in view.info.settings.items() for key, v in (values or {}).items()]
    rows = [
        {"table": table, "key": key, "value": _format_toml(v), "comes_from": _find_origin(view, file, table, key)}
        for table, key, v in found
    ]
    rows = sorted(rows, key=lambda row: row["comes_from"] != "from_set")  # changes on the command line first
    layout.show_table([say.make_row({**row, "comes_from": say(row["comes_from"])}) for row in rows], "run-settings")
    if text:
        say.show("experiment_file", name=view.info.experiment)
        st.code(text, language="toml")
    else:
        st.markdown(say("no_experiment_file"))


def _find_origin(view: RunView, file: Mapping[str, Any] | None, table: str, key: str) -> str:
    """Return the origin of a setting: the command line, the file, its `[sample]` table, or the default."""
    if f"{table}.{key}" in view.info.overrides:
        return "from_set"
    if file is None:  # the experiment file is not readable
        return "from_unknown"
    if view.sample and key in (file.get("sample", {}).get(table) or {}):
        return "from_sample"
    return "from_file" if key in (file.get(table) or {}) else "from_default"


# Data


def _show_data(view: RunView) -> None:
    """Show the source of the data, its split, and the excluded and repaired files."""
    found = view.info.data
    facts = {"dataset": found.dataset, "origin": say("sample" if view.sample else "real"), "hash": found.hash}
    facts["root"] = found.folder or found.root
    shown = say.make_row(facts)
    for key, value in found.source.items():
        if key != "sample":
            shown[say("source" if key == "source" else "source_of", name=key)] = _format_toml(value)
    _show_facts(shown, "run-data")
    for note in found.notes:
        say.show("note", note=layout.translate_message(note))
    st.markdown(say("warned", n=found.with_warnings))
    _show_sides(view)
    _show_files(view, "excluded.csv", "excluded", "reason")
    _show_files(view, "repairs.csv", "repairs", "words")


def _show_sides(view: RunView) -> None:
    """Show how many examples and groups each split has."""
    st.markdown(say("split_head"))
    say.show("statement", words=layout.translate_message(view.info.split.statement))
    groups: dict[str, set[str]] = {}
    for row in runs.read_table(view, "split.csv"):  # one row per example: its group and split
        groups.setdefault(str(row.get("split")), set()).add(str(row.get("group")))
    rows = [
        {
            "side": say(f"side_{side}"),
            "files": getattr(view.info.split, side),
            "groups": len(groups.get(side, ())) or None,
        }
        for side in (SIDES[:-1] if view.info.split.folds else SIDES)
    ]
    if view.info.split.folds:
        st.markdown(say("folds", n=view.info.split.folds, files=view.info.split.test))
    layout.show_table([say.make_row(row) for row in rows], "run-sides")
    is_ungrouped = is_ungrouped_split(view.info.data.as_published, view.info.split_rule)
    st.caption(say("groups_words_none" if is_ungrouped else "groups_words"))


def _show_files(view: RunView, table: str, key: str, why: str) -> None:
    """Show the files in a table of the run, each with a reason."""
    st.markdown(say(f"{key}_head"))
    found = view.run.table(table)
    st.markdown(say(key, n=len(found)) if found else say(f"{key}_none"))
    if found:
        cells = [{"file": row.get("file"), "reason": layout.translate_message(row.get(why) or "")} for row in found]
        wide = {say("reason"): st.column_config.TextColumn(width="large")}
        layout.show_table([say.make_row(row) for row in cells], f"run-{key}", wide)


# Environment


def _show_making(view: RunView) -> None:
    """Show the automatic choices of the training with their reasons, and its environment."""
    st.markdown(say("chosen_head"))
    for sentence in _list_choices(view) or [say("nothing_chosen")]:
        st.markdown(say("note", note=sentence))
    st.markdown(say("machine_head"))
    _show_facts(say.make_row(_list_environment(view)) | view.info.versions, "run-machine")
    if (view.info.git_commit or "").endswith("+changes"):
        st.caption(say("changes"))


def _list_choices(view: RunView) -> list[str]:
    """List the automatic choices of the training, each with its reason."""
    info, found = view.info, {}
    for key, choices in (("precision", info.precision), ("weights", info.weights)):
        if choices:
            choice, reason = choices.get("policy") or choices.get("choice"), choices.get("reason") or ""
            found[f"chose_{key}"] = {"choice": str(choice), "reason": layout.translate_message(reason)}
    if info.best_epoch:
        training = info.get_settings("training")
        weights = say("kept_last" if training.get("keep") == "last" else "kept_best")
        epochs = {"epoch": str(info.best_epoch), "n": str(info.epochs)}
        found["chose_epoch"] = {**epochs, "monitor": str(training.get("monitor")), "kept": weights}
    if info.export:
        found["chose_export"] = {"export": layout.translate_message(info.export)}
    return [
        say(key, **{name: layout.escape_markdown(word) for name, word in words.items()}) for key, words in found.items()
    ]


def _list_environment(view: RunView) -> dict[str, Any]:
    """Return the machine, the software and the start of the run."""
    info = view.info
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


def _show_commands(view: RunView) -> None:
    """Show the commands to predict with the run, to resume it, and to train it again."""
    run, names = _format_path(view), []
    if view.is_ours and not view.report:
        names.append("resume")
    elif runs.get_manifest(view).asks_for == "features":  # such as VGGish, which musicml can't compute
        st.markdown(say("no_files"))
    else:
        names += ["predict", "explain"]
    if view.report:
        names += [*(["evaluate"] if view.info.task == "single" else []), "export", "reproduce"]
    if view.is_ours:
        names.append("again")
    # shlex.quote protects names with blanks or quotes
    blanks = {"run": run, "file": say("a_sound" if view.is_sound else "a_picture")}
    blanks |= {"experiment": shlex.quote(view.info.experiment), "options": _format_options(view)}
    for name in names:
        st.markdown(say(f"to_{name}"))
        st.code(say(f"code_{name}", **blanks).strip(), language="sh")


def _format_options(view: RunView) -> str:
    """Return the command-line options that repeat the training."""
    info = view.info
    words = ["--seed", str(info.seed)] + (["--deterministic"] if info.deterministic else [])
    words += ["--data", "sample"] if view.sample and not view.info.data.folder else []
    words += ["--folder", shlex.quote(view.info.data.folder)] if view.info.data.folder else []
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
