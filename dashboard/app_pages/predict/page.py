"""Predict files with a run, and show which parts of a file it used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.predict import files, one_file, predictors, results, saliency
from dashboard.app_pages.predict.files import UploadedFile
from dashboard.app_pages.predict.results import Answer, translate_answer
from dashboard.runs import RunView
from musicml.inference import Prediction

MAX_FILES = 100  # predicted at once
WIDTHS = {"file": 180, "run": 200, "label": 130, "present": 160, "warnings": 320, "error": 320}  # pixels

say = layout.begin_page("predict")


def show() -> None:
    """Show the page."""
    chosen = _select_runs()
    uploads = files.select_files(chosen[0])
    if "sound" in predictors.get_input_kinds(chosen[0]):
        with st.expander(say("teach"), icon=":material/school:"):
            st.markdown(say("teach_how"))
    if not uploads:
        for key in (results.ANSWERS, saliency.EXPLANATIONS, files.SHOWN):  # forget a file when it is removed
            st.session_state.pop(key, None)
        predictors.preload(chosen)  # so that the first prediction is fast
        return
    if len(uploads) > MAX_FILES:
        st.warning(say("too_many", n=len(uploads), most=MAX_FILES))
        uploads = uploads[:MAX_FILES]
    found = _get_answers(chosen, uploads)
    _show_errors(uploads, found)
    st.header(say("answers"))
    if len(uploads) > 1:
        _show_table(chosen, uploads, found)
    good = [file for file in uploads if any(isinstance(found[view.name, file.key], Prediction) for view in chosen)]
    if good:
        one_file.show(chosen, _select_file(good), found)


def _select_runs() -> list[RunView]:
    """Let the user choose a run, and a second one to compare with."""
    found = layout.list_runs_or_stop()
    able = [view for view in found if predictors.is_servable(view)]
    if not able:
        _show_left_out(found)
        layout.show_empty_and_stop(say("none_able"), say("train_one"))
    left, right = st.columns(2)
    with left:
        view = layout.select_run(able)
    kinds = predictors.get_input_kinds(view)  # a second run must accept the same files
    others = {other.name: other for other in able if other is not view and predictors.get_input_kinds(other) == kinds}
    layout.follow_address("beside", others)
    name = right.selectbox(
        say("beside"),
        list(others),
        index=None,
        format_func=layout.make_formatter(layout.label_runs(others.values())),
        placeholder=say("beside_none"),
        key="beside",
        disabled=not others,
    )
    layout.write_address("beside", [name] if name else [])
    if name:
        right.caption(layout.describe_run(others[name]))
    chosen = [view, others[name]] if name else [view]
    _show_remarks(found, chosen)
    return chosen


def _show_remarks(found: Sequence[RunView], chosen: Sequence[RunView]) -> None:
    """Show the runs' classes, the runs that can't be used, and whether the first prediction is slow."""
    layout.show_data_notes(*chosen)
    for view in chosen:
        if remark := predictors.get_predictor(view).isolation_notice:
            st.info(layout.localize(remark), icon=":material/shield:")
    notes = {True: "sample_answer_pretrained", False: "sample_answer"}
    for key in dict.fromkeys(notes[view.info.family == "pretrained_audio"] for view in chosen if view.sample):
        st.caption(say(key))
    # runs on one dataset have the same classes, which are listed once
    for classes, view in {tuple(runs.get_manifest(view).class_names): view for view in reversed(chosen)}.items():
        say.show(
            "knows",
            st.caption,
            run=layout.shorten_run_name(view.name),
            n=len(classes),
            names=layout.format_list(classes, 10),
        )
    _show_left_out(found)
    if any(predictors.is_slow_to_start(view) for view in chosen):
        st.info(say("first_slow"), icon=":material/hourglass_top:")


def _show_left_out(found: Sequence[RunView]) -> None:
    """Show which runs can't predict files, and why."""
    bound, broken = [], []
    for view in found:
        served = predictors.get_manifest(view)
        if isinstance(served, str):
            broken.append(served)
        elif served and not predictors.is_servable(view):
            bound.append(layout.shorten_run_name(view.name))
    if bound:
        say.show("bound", st.caption, names=layout.format_list(bound, 4))
    for sentence in broken:
        st.caption(layout.localize(sentence))


def _get_answers(chosen: Sequence[RunView], uploads: Sequence[UploadedFile]) -> dict[tuple, Answer]:
    """Return the predictions, with a progress bar while they are computed."""
    bar = st.empty()

    def step(done: float, file: UploadedFile) -> None:
        """Show the progress of the predictions."""
        bar.progress(done, say("asking", name=layout.escape_markdown(file.shown_title)))

    found = results.get_answers(chosen, uploads, step)
    bar.empty()  # the bar disappears when all predictions are done
    return found


def _show_errors(uploads: Sequence[UploadedFile], found: dict[tuple, Answer]) -> None:
    """Show why files were rejected, each reason once; where the dashboard itself failed, with the file's name."""
    sentences: dict[str, None] = {}
    bad = set()
    for file in uploads:
        for answer in (answer for (_, key), answer in found.items() if key == file.key and isinstance(answer, str)):
            bad.add(file.key)
            sentence = translate_answer(answer)
            if answer == results.MISHAP:
                sentence = say("failed", name=file.shown_title, sentence=sentence)
            sentences[layout.escape_markdown(sentence)] = None
    if sentences:
        lines = "\n".join(say("item", sentence=sentence) for sentence in sentences)
        words = next(iter(sentences)) if len(sentences) == 1 else say("refused", n=len(bad), lines=lines)
        st.error(words, icon=":material/error:")


def _show_table(chosen: Sequence[RunView], uploads: Sequence[UploadedFile], found: dict[tuple, Answer]) -> None:
    """Show a table of all predictions, whose CSV has every probability."""
    names = ["file", "run", "label", "probability", "present", "unlike_training", "warnings", "error"]
    hidden = set() if len(chosen) > 1 else {"run"}  # no run column for a single run
    if all(runs.get_manifest(view).task == "single" for view in chosen):
        hidden.add("present")  # a single-label run has exactly one predicted label
    st.markdown(say("batch", n=len(uploads)))
    columns: dict[str, Any] = {
        name: st.column_config.TextColumn(say(f"column_{name}"), width=WIDTHS[name])
        for name in names
        if name not in ("probability", "unlike_training")
    }
    columns["probability"] = st.column_config.NumberColumn(say("probability"), format="percent")
    columns["unlike_training"] = st.column_config.CheckboxColumn(say("column_unlike_training"))
    order = [name for name in names if name not in hidden]
    layout.show_table(results.make_rows(chosen, uploads, found), "predict-answers", columns, column_order=order)


def _select_file(uploads: Sequence[UploadedFile]) -> UploadedFile:
    """Let the user choose the file to show in full."""
    if len(uploads) == 1:
        return uploads[0]
    names = {place: say("numbered", n=place + 1, name=file.shown_title) for place, file in enumerate(uploads)}
    named = layout.make_formatter(names)
    return uploads[st.selectbox(say("which"), list(names), format_func=named, key="predict-which")]


show()
