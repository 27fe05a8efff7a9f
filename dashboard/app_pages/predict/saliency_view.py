"""Show which parts of a file a run used: over a picture, over a sound, or as feature importances."""

from __future__ import annotations

import numpy as np
import streamlit as st

from dashboard import layout, media
from dashboard.app_pages.predict import saliency, text
from dashboard.app_pages.predict.files import UploadedFile
from dashboard.app_pages.predict.saliency import Saliency
from dashboard.charts import prediction
from dashboard.runs import RunView
from musicml.inference import Prediction

say = layout.LazyText("predict")


def show_explanation(one: RunView, file: UploadedFile, answer: Prediction, key: str) -> None:
    """Explain one class of a prediction when the user asks for it."""
    st.markdown(f"**{say('why')}**")
    order = [answer.class_names[k] for k in np.argsort(-answer.scores, kind="stable")]
    # a key of its own for each file, so that another file begins with its own answer
    label = st.selectbox(say("why_class"), order, key=f"{key}-why-{file.key}")
    found: Saliency | None
    if saliency.is_slow_to_explain(one):
        st.caption(say("why_slow"))
    if st.button(say("why_button"), key=f"{key}-look", icon=":material/search:"):
        with st.spinner(say("looking")):
            found = saliency.explain_file(one, file, label)
    else:
        found = saliency.get_cached_explanation(one, file, label)
    if found:
        _show_saliency(found, file, f"{key}-map")


def _show_saliency(found: Saliency, file: UploadedFile, key: str) -> None:
    """Show the method, the map, and the deciding seconds."""
    st.markdown(say(f"method_{found.method}"))
    if found.over is not None:
        _show_over_picture(found, found.over, file)
        return
    if found.decided is None:
        st.info(say("nothing_speaks", label=layout.escape_markdown(found.label)))
        return
    if found.leans_on is not None:
        _show_feature_shares(found, found.leans_on, key)
    else:
        _show_over_sound(found, found.decided, key)
    begin, end = found.decided
    st.markdown(say("decided", label=layout.escape_markdown(found.label), begin=f"{begin:.1f}", end=f"{end:.1f}"))
    if found.sound is not None:
        st.audio(found.sound, alt=say("player_of", name=say("decided_name", begin=f"{begin:.1f}", end=f"{end:.1f}")))


def _show_over_picture(found: Saliency, over: np.ndarray, file: UploadedFile) -> None:
    """Show the map over a picture, next to the model's input."""
    for column, pixels, words in zip(
        st.columns(2),
        (found.seen, over),
        (say("saw", width=found.seen.shape[1], height=found.seen.shape[0]), _describe_picture(found)),
        strict=True,
    ):
        column.image(pixels, width=media.THUMBNAIL_SIZE, alt=say("alt_of", name=text.format_title(file), words=words))
        column.caption(layout.escape_markdown(words))


def _describe_picture(found: Saliency) -> str:
    """Describe a picture's map in words."""
    if found.peak is None:
        return say("nothing_speaks", label=found.label)
    x, y = found.peak
    return say("picture_words", label=found.label, x=f"{100 * x:.0f}", y=f"{100 * y:.0f}")


def _show_over_sound(found: Saliency, decided: tuple[float, float], key: str) -> None:
    """Show the map over a sound's spectrogram."""
    if found.hertz is None or found.peak is None:
        return
    second, hertz = found.peak
    words = say(
        "sound_words",
        label=found.label,
        second=f"{second:.1f}",
        hertz=f"{hertz:.0f}",
        begin=f"{decided[0]:.1f}",
        end=f"{decided[1]:.1f}",
    )
    rows = [
        {
            say("seconds"): f"{start:.1f}",
            say("share"): round(share, 4),
            say("strongest"): round(float(found.hertz[place])),
        }
        for start, share, place in found.windows
    ]
    figure = prediction.draw_over_sound(
        found.seen, found.share, found.seconds, found.hertz, decided, say("seconds"), say("hertz"), say("spoke")
    )
    layout.show_chart(figure, words, rows, key)


def _show_feature_shares(found: Saliency, shares: np.ndarray, key: str) -> None:
    """Show the importance of a forest's features."""
    if found.hertz is None:
        names = [say("coefficient", n=place + 1) for place in range(len(shares))]
    else:
        names = [say("hertz_of", hertz=f"{hertz:,.0f}") for hertz in found.hertz]
    order = np.argsort(-shares, kind="stable")
    rows = [{say("feature"): names[k], say("share"): round(float(shares[k]), 4)} for k in order]
    words = say(
        "leaned_words",
        label=found.label,
        names=layout.format_list(say("share_of", name=names[k], share=f"{shares[k]:.0%}") for k in order[:3]),
    )
    layout.show_chart(prediction.draw_feature_shares(names, shares, say("feature"), say("share")), words, rows, key)
