"""Show examples: the file, its label, the prediction, and the scores over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from dashboard import datasets, layout, runs
from dashboard.caching import cache_data
from dashboard.charts import timeline
from dashboard.runs import RunView
from musicml.data.io import load_audio, load_image
from musicml.utils import InputError

MAX_PLAYED_BYTES = 5_000_000  # bytes of a file that is sent to the browser as it is
MAX_PLAYED_SECONDS = 30.0  # of a longer one
THUMBNAIL_SIZE = 320  # pixels of a picture in a gallery
N_COLUMNS = 3


def select_page(places: Sequence[int], key: str, size: int = 6) -> Sequence[int]:
    """Return the examples on the page of a long list that the user chose."""
    n = -(-len(places) // size)
    if n < 2:
        return places
    say = layout.get_words()
    turned = st.number_input(say("page_of", n=n), 1, n, 1, key=key)
    return places[(turned - 1) * size : turned * size]


def show_grid(one: RunView, places: Sequence[int], key: str, about: str = "") -> None:
    """Show examples in a grid.

    Parameters
    ----------
    places : their rows in the run's predictions
    key : what sets their widgets apart from others on the page
    about : a class whose probability is told even where others are likelier
    """
    places = select_page(places, f"{key}-page")
    for begin in range(0, len(places), N_COLUMNS):
        for column, place in zip(st.columns(N_COLUMNS), places[begin : begin + N_COLUMNS], strict=False):
            with column.container(border=True):
                _show_card(one, place, f"{key}-{place}", about)


def _show_card(one: RunView, place: int, key: str, about: str = "") -> None:
    """Show one example: the file, its label and the prediction."""
    say, table = layout.get_words(), runs.get_predictions(one)
    name = table.names[place]
    st.markdown(f"**{layout.escape_markdown(name)}**")
    show_media(one, name)
    truth = layout.format_list(table.truth(place)) or say("none")
    if table.task == "multi":
        st.markdown(say("is_multi", truth=layout.escape_markdown(truth)))
    else:
        st.markdown(say("is", truth=layout.escape_markdown(truth)))
    ranked = np.argsort(-table.scores[place], kind="stable")
    for k in [k for rank, k in enumerate(ranked) if rank < 3 or table.class_names[k] == about]:
        st.markdown(
            say(
                "said",
                label=layout.escape_markdown(table.class_names[k]),
                percent=f"{100 * table.scores[place, k]:.0f}",
            )
        )
    _show_scores_over_time(one, place, key)


def show_media(one: RunView, name: str) -> None:
    """Show the example's picture, or a player for its sound."""
    path = datasets.find_file(one, name)
    if path is None:
        trouble = datasets.find_unnamed(one)
        said = layout.translate_message(str(trouble)) if trouble else layout.get_words()("gone")
        st.caption(layout.escape_markdown(said))
    elif one.is_sound:
        show_player(path, name)
    else:
        show_picture(path, name)


def show_player(path: Path, name: str) -> None:
    """Show a player; of a large file only its beginning."""
    say = layout.get_words()
    if path.stat().st_size <= MAX_PLAYED_BYTES:
        st.audio(path, alt=say("player_of", name=name))
        return
    try:
        st.audio(_read_beginning(str(path), path.stat().st_mtime), alt=say("player_of", name=name))
        st.caption(say("beginning_only", seconds=f"{MAX_PLAYED_SECONDS:.0f}"))
    except InputError as error:
        layout.show_error(error)


@cache_data(max_entries=8)
def _read_beginning(path: str, changed: float) -> bytes:
    """Read the first half minute of a sound file as a wav file."""
    sound = load_audio(path, 22_050)
    return encode_wav(sound.y[: round(MAX_PLAYED_SECONDS * 22_050)], 22_050)


def encode_wav(y: np.ndarray, sample_rate: int) -> bytes:
    """Encode samples as a 16-bit wav file."""
    import io

    import soundfile

    made = io.BytesIO()
    soundfile.write(made, y, sample_rate, format="WAV", subtype="PCM_16")
    return made.getvalue()


def show_picture(path: Path, name: str) -> None:
    """Show a picture, reduced to the displayed size."""
    try:
        st.image(_make_thumbnail(str(path), path.stat().st_mtime), alt=layout.get_words()("picture_of", name=name))
    except InputError as error:
        layout.show_error(error)


@cache_data(max_entries=200)
def _make_thumbnail(path: str, changed: float) -> np.ndarray:
    """Shrink a picture to the size of a gallery, [shape=(height, width, 3)], uint8."""
    from PIL import Image

    image = Image.fromarray(load_image(path).pixels)
    image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    return np.asarray(image)


def _show_scores_over_time(one: RunView, place: int, key: str) -> None:
    """Show the scores of each clip of a sound, where there are several."""
    starts, scores = runs.get_clip_scores(one, place)
    if len(starts) < 2 or not one.is_sound:
        return
    say, names = layout.get_words(), runs.get_predictions(one).class_names
    if st.toggle(say("over_time"), key=f"{key}-toggle"):
        seconds = one.settings("clips").get("seconds", 0.0)
        best = [names[k] for k in scores.argmax(axis=1)]
        rows = [
            {
                say("seconds"): f"{start:.1f}",
                **{name: round(float(score), 4) for name, score in zip(names, row, strict=True)},
            }
            for start, row in zip(starts, scores, strict=True)
        ]
        layout.show_chart(
            timeline.draw_timeline(starts, scores, names, seconds, say("seconds"), say("raw_score")),
            say("over_time_words", n=len(starts), labels=layout.format_list(dict.fromkeys(best))),
            rows,
            f"{key}-time",
        )
