"""Predict files with a run, and show which parts of a file it used."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import layout, runs
from dashboard.app_pages.predict import batch, inputs, one_file, predictors, results, text
from dashboard.app_pages.predict.files import UploadedFile
from dashboard.app_pages.predict.results import Answer
from dashboard.runs import RunView
from musicml.inference import Prediction

MAX_FILES = 100  # of one batch

say = layout.begin_page("predict")


def show() -> None:
    """Show the page."""
    chosen = _select_runs()
    files = inputs.select_files(chosen[0])
    if "sound" in predictors.get_input_kinds(chosen[0]):
        with st.expander(say("teach"), icon=":material/school:"):
            st.markdown(say("teach_how"))
    if not files:
        results.clear_session()
        predictors.preload(chosen)
        return
    if len(files) > MAX_FILES:
        st.warning(say("too_many", n=len(files), most=MAX_FILES))
        files = files[:MAX_FILES]
    found = _get_answers(chosen, files)
    batch.show_errors(files, found)
    st.header(say("answers"))
    if len(files) > 1:
        batch.show_table(chosen, files, found)
    good = [file for file in files if any(isinstance(found[one.name, file.key], Prediction) for one in chosen)]
    if good:
        one_file.show(chosen, batch.select_file(good), found)


def _select_runs() -> list[RunView]:
    """Let the user choose a run, and a second one to compare with."""
    found = layout.list_runs_or_stop()
    able = [one for one in found if predictors.is_servable(one)]
    if not able:
        _show_left_out(found)
        layout.show_empty_and_stop(say("none_able"), say("train_one"))
    left, right = st.columns(2)
    with left:
        one = layout.select_run(able)
    others = {other.name: other for other in able if other is not one and _is_comparable(one, other)}
    name = right.selectbox(
        say("beside"),
        list(others),
        index=None,
        placeholder=say("beside_none"),
        key="beside",
        bind="query-params",
        disabled=not others,
    )
    if name:
        right.caption(layout.describe_run(others[name]))
    chosen = [one, others[name]] if name else [one]
    _show_remarks(found, chosen)
    return chosen


def _is_comparable(one: RunView, other: RunView) -> bool:
    """Return whether two runs take the same kinds of files."""
    return predictors.get_input_kinds(one) == predictors.get_input_kinds(other)


def _show_remarks(found: Sequence[RunView], chosen: Sequence[RunView]) -> None:
    """Show the runs' classes, the runs that can't be used, and whether the first prediction is slow."""
    layout.show_data_notes(*chosen)
    for one in chosen:
        if remark := predictors.get_predictor(one).apart_remark:
            st.info(layout.escape_markdown(layout.translate_message(remark)), icon=":material/shield:")
    for key in dict.fromkeys(_get_sample_note(one) for one in chosen if one.sample):
        st.caption(say(key))
    # runs of one data set know the same classes, which are said once
    for classes, one in {tuple(runs.get_manifest(one).class_names): one for one in reversed(chosen)}.items():
        st.caption(
            say(
                "knows",
                run=layout.escape_markdown(one.name),
                n=len(classes),
                names=layout.escape_markdown(layout.format_list(classes, 10)),
            )
        )
    _show_left_out(found)
    if any(predictors.is_slow_to_start(one) for one in chosen):
        st.info(say("first_slow"), icon=":material/hourglass_top:")


def _get_sample_note(one: RunView) -> str:
    """Return what to say of the answers of a run that was trained on sample data."""
    return "sample_answer_pretrained" if one.info.family == "pretrained_audio" else "sample_answer"


def _show_left_out(found: Sequence[RunView]) -> None:
    """Show which runs can't be used here, and why."""
    bound, broken = [], []
    for one in found:
        served = predictors.get_manifest(one)
        if isinstance(served, str):
            broken.append(served)
        elif served and not predictors.is_servable(one):
            bound.append(one.name)
    if bound:
        st.caption(say("bound", names=layout.escape_markdown(layout.format_list(bound, 4))))
    for sentence in broken:
        st.caption(layout.escape_markdown(layout.translate_message(sentence)))


def _get_answers(chosen: Sequence[RunView], files: Sequence[UploadedFile]) -> dict[tuple, Answer]:
    """Return the predictions, with a progress bar while they are computed."""
    bar = st.empty()

    def step(done: float, file: UploadedFile) -> None:
        bar.progress(done, say("asking", name=layout.escape_markdown(text.format_title(file))))

    found = results.get_answers(chosen, files, step)
    bar.empty()
    return found


show()
