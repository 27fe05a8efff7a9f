"""Show one file in full: each run's prediction, and which parts of the file the run used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from dashboard import layout, media
from dashboard.app_pages.predict import files, predictors, saliency
from dashboard.app_pages.predict.files import UploadedFile
from dashboard.app_pages.predict.results import Answer, translate_answer
from dashboard.app_pages.predict.saliency import Saliency
from dashboard.charts import metrics, sound
from dashboard.runs import RunView
from musicml.inference import Prediction

MAX_BARS = 8  # classes in the chart; the table lists all of them

say = layout.LazyText("predict")


def show(chosen: Sequence[RunView], file: UploadedFile, found: dict[tuple, Answer]) -> None:
    """Show one file with each run's prediction."""
    st.subheader(layout.escape_markdown(file.shown_title))
    _show_file(chosen[0], file)
    for place, (column, view) in enumerate(zip(st.columns(len(chosen)), chosen, strict=True)):
        with column:
            if len(chosen) > 1:
                say.show("answer_of", run=layout.shorten_run_name(view.name))
            answer = found[view.name, file.key]
            if isinstance(answer, Prediction):
                _show_answer(answer, view.sample, f"predict-{place}")
                _show_explanation(view, file, answer, f"predict-{place}")
            else:
                st.error(layout.escape_markdown(translate_answer(answer)), icon=":material/error:")


def _show_file(view: RunView, file: UploadedFile) -> None:
    """Show the file in a player or as a picture, and the labels of a test example."""
    kinds = predictors.get_input_kinds(view)
    if "sound" not in kinds or ("picture" in kinds and files.is_picture(file)):
        st.image(files.make_thumbnail(file), alt=say("picture_of", name=file.shown_title))
    else:
        content, kind, whole = files.get_playable(file)
        st.audio(content, format=kind, alt=say("player_of", name=file.shown_title))
        if not whole:
            st.caption(say("beginning_only", seconds=f"{media.MAX_PLAYED_SECONDS:.0f}"))
    if truth := files.get_labels(view, file):
        say.show("truth", names=layout.format_list(truth, len(truth)))


def _show_answer(answer: Prediction, is_sample: bool, key: str) -> None:
    """Show one run's prediction: a sentence, warnings, every class, and the scores over time."""
    has_thresholds = answer.task == "multi" and bool(answer.thresholds)
    _show_sentence(answer, has_thresholds)
    if is_sample:
        st.caption(say("sample_confidence"))
    warnings = [layout.escape_markdown(translate_answer(warning)) for warning in answer.warnings]
    if answer.is_unlike_training:  # its warning is the last one
        st.warning(say("unlike", sentence=warnings.pop()), icon=":material/priority_high:")
    for warning in warnings:
        layout.show_warning(warning)
    _show_classes(answer, has_thresholds, key)
    if answer.clip_seconds and len(answer.starts) > 1:  # a single clip has no course over time
        _show_over_time(answer, answer.clip_seconds, key)
    st.caption(say("took", read=answer.seconds["read"], model=answer.seconds["model"]))


def _show_sentence(answer: Prediction, has_thresholds: bool) -> None:
    """Show the prediction in a sentence."""
    likeliest = {"label": answer.label, "percent": 100 * float(answer.probability)}
    if answer.task == "single":
        say.show("answer_guess" if answer.is_unlike_training else "answer", **likeliest)
    elif not has_thresholds:
        say.show("answer_top", names=_format_top(answer.class_names, answer.scores))
    elif answer.present:
        say.show("answer_present", names=layout.format_list(answer.present, len(answer.present)))
    else:
        say.show("answer_none", **likeliest)


def _show_classes(answer: Prediction, has_thresholds: bool, key: str) -> None:
    """Show every class's probability, the highest first, with the thresholds of a multi-label run."""
    order, kinds = np.argsort(-answer.scores, kind="stable"), ("is_absent", "is_present")
    rows = [
        {
            "name": answer.class_names[k],
            "value": float(answer.scores[k]),
            "least": float(answer.thresholds[k]) if has_thresholds else None,  # single-label runs have no thresholds
            "kind": say(kinds[answer.class_names[k] in answer.present] if has_thresholds else "probability"),
        }
        for k in order
    ]
    key_of_words = "bars" if answer.task == "single" else "bars_multi" if has_thresholds else "bars_top"
    top, most = _format_top(answer.class_names, answer.scores), min(MAX_BARS, len(rows))
    words = say(key_of_words, top=top, n=len(answer.present), most=most, all=len(rows))
    figure = metrics.draw_probabilities(rows[:MAX_BARS], say("probability"), say("threshold"))
    columns = {"class": "name", "probability": "value"}
    columns |= {"threshold": "least", "column_present": "kind"} if has_thresholds else {}
    cells = [{**row, "value": round(row["value"], 4), "least": row["least"] and round(row["least"], 4)} for row in rows]
    table = [say.make_row({head: row[name] for head, name in columns.items()}) for row in cells]
    layout.show_chart(figure, words, table, f"{key}-bars")


def _format_top(names: Sequence[str], shares: np.ndarray) -> str:
    """Format the three largest shares with their names."""
    order = np.argsort(-shares, kind="stable")[:3]
    return layout.format_list(say("share_of", name=names[k], share=f"{shares[k]:.0%}") for k in order)


def _show_over_time(answer: Prediction, clip_seconds: float, key: str) -> None:
    """Show the prediction for each clip."""
    scores, names = answer.over_time, answer.class_names
    most = scores.max(axis=1).argmax()  # the clip with the highest score
    words = say(
        "over_time_told",
        n=len(scores),
        seconds=float(clip_seconds),
        labels=layout.format_list(dict.fromkeys(names[k] for k in scores.argmax(axis=1)), 5),
        surest=names[int(scores[most].argmax())],
        percent=100 * float(scores[most].max()),
        begin=float(answer.starts[most]),
    )
    st.markdown(f"**{say('over_time')}**")
    media.show_timeline(answer.starts, scores, names, clip_seconds, say("probability"), words, f"{key}-time")


# Explanations


def _show_explanation(view: RunView, file: UploadedFile, answer: Prediction, key: str) -> None:
    """Explain one class of a prediction when the user asks for it."""
    st.markdown(f"**{say('why')}**")
    order = [answer.class_names[k] for k in np.argsort(-answer.scores, kind="stable")]
    # one key per file, so that the box starts with the predicted class of each new file
    label = st.selectbox(say("why_class"), order, key=f"{key}-why-{file.key}")
    if saliency.is_slow_to_explain(view):
        st.caption(say("why_slow"))
    found = saliency.get_cached_explanation(view, file, label)
    if st.button(say("why_button"), key=f"{key}-look", icon=":material/search:"):
        with st.spinner(say("looking")):
            found = saliency.explain_file(view, file, label)
    if found:
        _show_saliency(found, file, f"{key}-map")


def _show_saliency(found: Saliency, file: UploadedFile, key: str) -> None:
    """Show the method, the map, and the deciding seconds."""
    st.markdown(say(f"method_{found.method}"))
    if found.over is not None:  # a picture
        _show_over_picture(found, found.over, file)
        return
    if found.decided is None:
        say.show("nothing_speaks", st.info, label=found.label)
        return
    if found.leans_on is not None:  # a random forest
        _show_feature_shares(found, found.leans_on, key)
    else:
        _show_over_sound(found, found.decided, key)
    begin, end = map(float, found.decided)
    say.show("decided", label=found.label, begin=begin, end=end)
    if found.sound is not None:
        st.audio(found.sound, alt=say("player_of", name=say("decided_name", begin=begin, end=end)))


def _show_over_picture(found: Saliency, over: np.ndarray, file: UploadedFile) -> None:
    """Show the map over a picture, next to the model's input."""
    description = say("nothing_speaks", label=found.label)
    if found.peak is not None:  # None where nothing supports the class
        x, y = (100 * float(share) for share in found.peak)
        description = say("picture_words", label=found.label, x=x, y=y)
    pictures = {say("saw", width=found.seen.shape[1], height=found.seen.shape[0]): found.seen, description: over}
    for column, (words, pixels) in zip(st.columns(2), pictures.items(), strict=True):
        column.image(pixels, width=media.THUMBNAIL_SIZE, alt=say("alt_of", name=file.shown_title, words=words))
        column.caption(layout.escape_markdown(words))


def _show_over_sound(found: Saliency, decided: tuple[float, float], key: str) -> None:
    """Show the map over a sound's spectrogram."""
    if found.hertz is None or found.peak is None:
        return
    second, hertz = found.peak
    words = say(
        "sound_words",
        label=found.label,
        second=float(second),
        hertz=float(hertz),
        begin=float(decided[0]),
        end=float(decided[1]),
    )
    windows = [(round(start, 1), round(share, 4), round(float(found.hertz[k]))) for start, share, k in found.windows]
    rows = [say.make_row(dict(zip(("seconds", "share", "strongest"), row, strict=True))) for row in windows]
    shown, titles = (found.seen, found.share, found.seconds, found.hertz), (say("seconds"), say("hertz"), say("spoke"))
    figure = sound.draw_over_sound(*shown, decided, *titles)
    layout.show_chart(figure, words, rows, key)


def _show_feature_shares(found: Saliency, shares: np.ndarray, key: str) -> None:
    """Show the importance of a forest's features."""
    if found.hertz is None:  # MFCC are numbered: a coefficient has no frequency
        names = [say("coefficient", n=place + 1) for place in range(len(shares))]
    else:
        names = [say("hertz_of", hertz=float(hertz)) for hertz in found.hertz]
    order = np.argsort(-shares, kind="stable")
    rows = [say.make_row({"feature": names[k], "share": round(float(shares[k]), 4)}) for k in order]
    words = say("leaned_words", label=found.label, names=_format_top(names, shares))
    layout.show_chart(metrics.draw_feature_shares(names, shares, say("feature"), say("share")), words, rows, key)
