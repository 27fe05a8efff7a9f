"""Show examples: the file, its label, the prediction, and the scores over time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from dashboard import datasets, layout, runs
from dashboard.caching import cache_by, cache_data, stamp_file
from dashboard.charts import sound
from dashboard.runs import RunView
from musicml.data.datasets import Example
from musicml.data.io import load_audio, load_image
from musicml.utils import InputError

MAX_PLAYED_BYTES = 5_000_000  # a larger sound is shortened before it is sent to the browser
MAX_PLAYED_SECONDS = 30.0  # of a shortened sound
THUMBNAIL_SIZE = 320  # pixels, the longer side of a picture in a gallery
N_COLUMNS = 3  # of a gallery

say = layout.LazyText("common")


def select_page(places: Sequence[int], key: str, size: int = 6) -> Sequence[int]:
    """Return the examples on the page of a long list that the user chose."""
    n = -(-len(places) // size)  # division rounded up
    if n < 2:
        return places
    page = st.number_input(say("page_of", n=n), 1, n, 1, key=key)
    return places[(page - 1) * size : page * size]


def show_grid(view: RunView, places: Sequence[int], key: str, about: str = "") -> None:
    """Show examples in a grid.

    Parameters
    ----------
    places : their rows in the run's predictions
    key : prefix of the widget keys
    about : a class whose probability is always shown
    """
    shown = select_page(places, f"{key}-page")
    layout.show_in_columns(
        shown, N_COLUMNS, lambda place: _show_card(view, place, f"{key}-{place}", about), border=True
    )


def _show_card(view: RunView, place: int, key: str, about: str) -> None:
    """Show one example: the file, its label and the prediction."""
    table = runs.get_predictions(view)
    name = table.names[place]
    st.markdown(f"**{layout.escape_markdown(name)}**")
    show_media(view, name)
    truth = layout.format_list(table.get_labels(place)) or say("none")
    say.show("is_multi" if table.task == "multi" else "is", truth=truth)
    ranked = np.argsort(-table.scores[place], kind="stable")  # the most probable class first
    # the three most probable classes, and the one that the page is about
    for k in [k for rank, k in enumerate(ranked) if rank < 3 or table.class_names[k] == about]:
        say.show("said", label=table.class_names[k], percent=100 * float(table.scores[place, k]))
    _show_scores_over_time(view, place, key)


def show_media(view: RunView, name: str) -> None:
    """Show the example's picture, or a player for its sound."""
    path = datasets.find_file(view, name)  # the name is never used as a path
    if path is None:
        error = datasets.find_unnamed(view)
        st.caption(layout.localize(error.message) if error else layout.escape_markdown(say("gone")))
    else:
        (show_player if view.is_sound else show_picture)(path, name)


def show_example(example: Example | None, kind: str) -> None:
    """Show an example's picture, or a player for its sound; a note where its file can't be shown."""
    if example is None or not datasets.is_viewable(example):
        st.caption(say("gone"))
    else:
        (show_player if kind == "sound" else show_picture)(example.path, example.id)


def show_player(path: Path, name: str) -> None:
    """Show an audio player; of a large file only its beginning."""
    if path.stat().st_size <= MAX_PLAYED_BYTES:
        st.audio(path, alt=say("player_of", name=name))
        return
    try:
        st.audio(_read_beginning(path), alt=say("player_of", name=name))
        st.caption(say("beginning_only", seconds=f"{MAX_PLAYED_SECONDS:.0f}"))
    except InputError as error:
        layout.show_error(error)


@cache_by(stamp_file, cache_data, max_entries=8)
def _read_beginning(path: Path) -> bytes:
    """Read the first half minute of a sound file as a wav file."""
    beginning = load_audio(path, 22_050)
    return encode_wav(beginning.y[: round(MAX_PLAYED_SECONDS * 22_050)], 22_050)


def encode_wav(y: np.ndarray, sample_rate: int) -> bytes:
    """Encode samples as a 16-bit wav file."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, y, sample_rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def show_picture(path: Path, name: str) -> None:
    """Show a picture, reduced to the displayed size."""
    try:
        st.image(_make_thumbnail(path), alt=say("picture_of", name=name))
    except InputError as error:
        layout.show_error(error)


@cache_by(stamp_file, cache_data, max_entries=200)
def _make_thumbnail(path: Path) -> np.ndarray:
    """Shrink a picture to the size of a gallery."""
    return shrink_picture(load_image(path).pixels)


def shrink_picture(pixels: np.ndarray) -> np.ndarray:
    """Shrink a picture to the displayed size, [shape=(height, width, 3)], uint8."""
    from PIL import Image

    image = Image.fromarray(pixels)
    image.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    return np.asarray(image)


def _show_scores_over_time(view: RunView, place: int, key: str) -> None:
    """Show the scores of each clip of a sound, where there are several."""
    starts, scores = runs.get_clip_scores(view, place)
    if len(starts) < 2 or not view.is_sound or not st.toggle(say("over_time"), key=f"{key}-toggle"):
        return
    names = runs.get_predictions(view).class_names
    best = layout.format_list(dict.fromkeys(names[k] for k in scores.argmax(axis=1)))
    seconds, words = (
        view.info.get_settings("clips").get("seconds", 0.0),
        say("over_time_words", n=len(starts), labels=best),
    )
    show_timeline(starts, scores, names, seconds, say("raw_score"), words, f"{key}-time")


def show_timeline(
    starts: Any, scores: np.ndarray, names: Sequence[str], seconds: float, axis: str, words: str, key: str
) -> None:
    """Show the scores of a sound's clips over time; `axis` names the scores, `words` describe the chart."""
    rows = [
        {say("seconds"): round(float(start), 1), **dict(zip(names, np.round(row, 4).tolist(), strict=True))}
        for start, row in zip(starts, scores.astype(float), strict=True)
    ]
    layout.show_chart(sound.draw_timeline(starts, scores, names, seconds, say("seconds"), axis), words, rows, key)
