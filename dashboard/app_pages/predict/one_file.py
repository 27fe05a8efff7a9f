"""Show one file in full, with each run's prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from dashboard import layout, media
from dashboard.app_pages.predict import files, predictors, saliency_view, text
from dashboard.app_pages.predict.files import UploadedFile
from dashboard.app_pages.predict.results import Answer
from dashboard.charts import prediction, timeline
from dashboard.runs import RunView
from musicml.inference import Prediction

MAX_BARS = 8

say = layout.LazyText("predict")


def show(chosen: Sequence[RunView], file: UploadedFile, found: dict[tuple, Answer]) -> None:
    """Show one file with each run's prediction."""
    st.subheader(layout.escape_markdown(text.format_title(file)))
    _show_file(chosen[0], file)
    for place, (column, one) in enumerate(zip(st.columns(len(chosen)), chosen, strict=True)):
        with column:
            if len(chosen) > 1:
                st.markdown(say("answer_of", run=layout.escape_markdown(one.name)))
            answer = found[one.name, file.key]
            if isinstance(answer, Prediction):
                _show_answer(answer, one.sample, f"predict-{place}")
                saliency_view.show_explanation(one, file, answer, f"predict-{place}")
            else:
                st.error(layout.escape_markdown(text.translate_answer(answer)), icon=":material/error:")


def _show_file(one: RunView, file: UploadedFile) -> None:
    """Show the file in a player or as a picture, and the labels of a test example."""
    kinds = predictors.get_input_kinds(one)
    if "sound" not in kinds or ("picture" in kinds and files.is_picture(file)):
        st.image(files.make_thumbnail(file), alt=say("picture_of", name=text.format_title(file)))
    else:
        content, kind, whole = files.get_playable(file)
        st.audio(content, format=kind, alt=say("player_of", name=text.format_title(file)))
        if not whole:
            st.caption(say("beginning_only", seconds=f"{media.MAX_PLAYED_SECONDS:.0f}"))
    if truth := files.get_labels(one, file):
        st.markdown(say("truth", names=layout.escape_markdown(layout.format_list(truth, len(truth)))))


def _show_answer(answer: Prediction, is_sample: bool, key: str) -> None:
    """Show one run's prediction: a sentence, warnings, every class, and the scores over time."""
    has_thresholds = answer.task == "multi" and bool(answer.thresholds)
    st.markdown(_describe_answer(answer, has_thresholds))
    if is_sample:
        st.caption(say("sample_confidence"))
    _show_warnings(answer)
    _show_classes(answer, has_thresholds, key)
    if answer.clip_seconds and len(answer.starts) > 1:
        _show_over_time(answer, answer.clip_seconds, key)
    st.caption(say("took", read=f"{answer.seconds['read']:.2f}", model=f"{answer.seconds['model']:.2f}"))


def _describe_answer(answer: Prediction, has_thresholds: bool) -> str:
    """Describe the prediction in a sentence."""
    if answer.task == "single":
        key = "answer_guess" if answer.is_unlike_training else "answer"
        return say(key, label=layout.escape_markdown(answer.label), percent=f"{100 * answer.probability:.0f}")
    if not has_thresholds:
        return say("answer_top", names=layout.escape_markdown(_format_top(answer)))
    if answer.present:
        return say(
            "answer_present", names=layout.escape_markdown(layout.format_list(answer.present, len(answer.present)))
        )
    return say("answer_none", label=layout.escape_markdown(answer.label), percent=f"{100 * answer.probability:.0f}")


def _show_warnings(answer: Prediction) -> None:
    """Show the warnings, first of all that the file is out-of-distribution."""
    warnings = list(answer.warnings)
    if answer.is_unlike_training:
        st.warning(
            say("unlike", sentence=layout.escape_markdown(text.translate_answer(warnings.pop()))),
            icon=":material/priority_high:",
        )
    for warning in warnings:
        st.warning(layout.escape_markdown(text.translate_answer(warning)), icon=":material/warning:")


def _show_classes(answer: Prediction, has_thresholds: bool, key: str) -> None:
    """Show every class's probability, the highest first, with the thresholds of a multi-label run."""
    order = np.argsort(-answer.scores, kind="stable")
    rows = [
        {
            "name": answer.class_names[k],
            "value": float(answer.scores[k]),
            "least": float(answer.thresholds[k]) if has_thresholds else None,
            "kind": _get_kind(answer, k) if has_thresholds else say("probability"),
        }
        for k in order
    ]
    key_of_words = "bars" if answer.task == "single" else "bars_multi" if has_thresholds else "bars_top"
    top, most = _format_top(answer), min(MAX_BARS, len(rows))
    words = say(key_of_words, top=top, n=len(answer.present), most=most, all=len(rows))
    layout.show_chart(
        prediction.draw_bars(rows[:MAX_BARS], say("probability"), say("threshold")),
        words,
        [_make_row(row, has_thresholds) for row in rows],
        f"{key}-bars",
    )


def _format_top(answer: Prediction) -> str:
    """Format the three most probable classes."""
    order = np.argsort(-answer.scores, kind="stable")[:3]
    return layout.format_list(
        say("share_of", name=answer.class_names[k], share=f"{answer.scores[k]:.0%}") for k in order
    )


def _get_kind(answer: Prediction, k: int) -> str:
    """Return the legend entry of a class's bar."""
    return say("is_present" if answer.class_names[k] in answer.present else "is_absent")


def _make_row(row: dict[str, Any], has_thresholds: bool) -> dict[str, Any]:
    """Return a bar as a row of a table."""
    cells = {say("class"): row["name"], say("probability"): round(row["value"], 4)}
    return cells | (
        {say("threshold"): round(row["least"], 4), say("column_present"): row["kind"]} if has_thresholds else {}
    )


def _show_over_time(answer: Prediction, clip_seconds: float, key: str) -> None:
    """Show the prediction for each clip."""
    scores = answer.over_time
    rows = [
        {
            say("seconds"): f"{start:.1f}",
            **{name: round(float(p), 4) for name, p in zip(answer.class_names, row, strict=True)},
        }
        for start, row in zip(answer.starts, scores, strict=True)
    ]
    best = dict.fromkeys(answer.class_names[k] for k in scores.argmax(axis=1))
    most = scores.max(axis=1).argmax()
    words = say(
        "over_time_told",
        n=len(scores),
        seconds=f"{clip_seconds:.1f}",
        labels=layout.format_list(best, 5),
        surest=answer.class_names[int(scores[most].argmax())],
        percent=f"{100 * scores[most].max():.0f}",
        begin=f"{answer.starts[most]:.1f}",
    )
    figure = timeline.draw_timeline(
        answer.starts, scores, answer.class_names, clip_seconds, say("seconds"), say("probability")
    )
    st.markdown(f"**{say('over_time')}**")
    layout.show_chart(figure, words, rows, f"{key}-time")
