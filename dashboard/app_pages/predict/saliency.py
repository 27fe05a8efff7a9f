"""Explanations: where a run looked in a file, as small as it is shown."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from dashboard import media
from dashboard.app_pages.predict import predictors
from dashboard.app_pages.predict.files import Asked
from dashboard.runs import Entry
from musicml.features import compute_band_centers
from musicml.utils import InputError

LOOKS = "asking-looks"  # where a session keeps them
MOST_LOOKS = 6  # explanations that a session keeps
MOST_COLUMNS = 600  # of a map over a sound
MOST_WINDOWS = 60  # rows of a map's table
METHODS = {
    "class activation map": "cam",
    "Grad-CAM (LayerCAM)": "layer_cam",
    "occlusion": "occlusion",
    "leaned-on features": "leaned",
}
EXPLAINING = threading.Lock()  # one at a time: each takes every core, and some hundred megabytes


@dataclass(frozen=True)
class Looked:
    """Where a run looked, as small as it is shown.

    Attributes
    ----------
    label, method : the class explained, and how: one of `METHODS`' values
    seen : what the model saw: of a sound [shape=(n_bins, n_columns)], uint8, in per cent of the loudest; a picture
        [shape=(height, width, 3)], uint8
    share : how much each place spoke for the class, [shape=(n_bins, n_columns) or (height, width)], uint8, per cent
    over : the map over the picture, [shape=(height, width, 3)], uint8; None for a sound
    seconds : how long the sound is
    hertz : what each bin hears; None where bins are no frequencies
    peak : the strongest place: (x, y) in shares of a picture's sides, (seconds, Hz) of a sound; None where none is
    decided : where the deciding seconds of a sound begin and end; None where nothing in it speaks for the class
    sound : the deciding seconds, as a wav file; None where the file is a picture of a spectrogram
    leans_on : of a forest, each feature's share in the decision, [shape=(n_bins,)]
    windows : of a sound, where each of up to sixty parts begins, its share, and the bin that spoke most
    """

    label: str
    method: str
    seen: np.ndarray
    share: np.ndarray
    over: np.ndarray | None = None
    seconds: float = 0.0
    hertz: np.ndarray | None = None
    peak: tuple[float, float] | None = None
    decided: tuple[float, float] | None = None
    sound: bytes | None = None
    leans_on: np.ndarray | None = None
    windows: tuple[tuple[float, float, int], ...] = ()


def look(one: Entry, file: Asked, label: str) -> Looked:
    """Where a run looked when it answered for a file, kept for this session.

    Raises
    ------
    InputError
        If the run knows no such class, or what explains it is not installed.
    """
    from musicml.inference import explain_prediction

    with EXPLAINING:
        try:
            found = explain_prediction(predictors.predictor(one), file.content(), label, name=file.name)
        except ImportError as error:
            raise InputError(
                "the model of {one_name} needs a package that is not installed ({error}): install musicml's extra "
                "cpu, gpu or jax, or ask it with the engine onnx.",
                one_name=one.name,
                error=error,
            ) from error
    looks = st.session_state.setdefault(LOOKS, {})
    looks[one.name, predictors.stamp(one), file.key, label] = made = condensed(found)
    for oldest in list(looks)[:-MOST_LOOKS]:
        del looks[oldest]
    return made


def looked(one: Entry, file: Asked, label: str) -> Looked | None:
    """What `look` gave before; None where nobody asked."""
    return st.session_state.get(LOOKS, {}).get((one.name, predictors.stamp(one), file.key, label))


def condensed(found: Any) -> Looked:
    """An explanation as small as it is shown."""
    from musicml.inference import DECIBELS, draw_overlay

    method = METHODS[found.method]
    if found.frame_seconds is None:
        y, x = found.peak
        height, width = found.map.shape
        peak = ((x + 0.5) / width, (y + 0.5) / height) if found.map.any() else None
        return Looked(found.label, method, found.seen, percent(found.map), draw_overlay(found), peak=peak)
    loudness = np.clip((found.seen - found.seen.max()) / DECIBELS + 1, 0, 1)
    hertz = compute_band_centers(found.settings)
    bins = hertz if len(hertz) == found.map.shape[1] else None
    frame, strongest = found.peak
    return Looked(
        found.label,
        method,
        percent(narrowed(loudness)).T,
        percent(narrowed(found.map)).T,
        None,
        len(found.map) * found.frame_seconds,
        bins,
        (frame * found.frame_seconds, float(bins[strongest])) if found.decided and bins is not None else None,
        found.decided,
        media.as_wav(found.y, found.sample_rate) if found.decided and found.y is not None else None,
        found.map.max(axis=0) / max(float(found.map.max(axis=0).sum()), 1e-9) if method == "leaned" else None,
        tuple(windows(found.map, found.frame_seconds)),
    )


def percent(shares: np.ndarray) -> np.ndarray:
    """Shares as whole per cent, uint8: a browser gets a fourth of the bytes."""
    return np.round(100 * shares).astype(np.uint8)


def narrowed(values: np.ndarray) -> np.ndarray:
    """[shape=(n_frames, n_bins)] with at most `MOST_COLUMNS` frames: of those that fall together, the strongest."""
    n = min(len(values), MOST_COLUMNS)
    return np.maximum.reduceat(values, np.arange(n) * len(values) // n, axis=0)


def windows(shares: np.ndarray, frame_seconds: float) -> Iterator[tuple[float, float, int]]:
    """Parts of a sound: when each begins, its share of all that speaks for the class, and its strongest bin."""
    n, total = min(len(shares), MOST_WINDOWS), max(float(shares.sum()), 1e-9)
    edges = np.arange(n + 1) * len(shares) // n
    for begin, end in zip(edges, edges[1:], strict=False):
        part = shares[begin:end].sum(axis=0)
        yield float(begin * frame_seconds), float(part.sum()) / total, int(part.argmax())


def explains_slowly(one: Entry) -> bool:
    """Whether the first explanation has to wait until Keras is imported."""
    return "keras" not in sys.modules and needs_keras(str(one.run.path), predictors.stamp(one))


@st.cache_data(max_entries=100, show_spinner=False)
def needs_keras(path: str, changed: tuple[float, ...]) -> bool:
    """Whether a run's explanations come from Keras; the others come from its exported model."""
    from musicml.inference import is_fine_map, is_recurrent_run

    asked = predictors.kept(path, changed)
    if asked.serving.model["file"] == "model.skops":
        return False
    if asked.serving.clip.n_frames is not None and is_recurrent_run(asked):
        return False
    maps, shape = asked.model().maps, asked.run.read("layers.json")[0]["output_shape"]
    if maps is None:
        return True
    return not is_fine_map(maps(np.zeros((1, *shape), np.float32)).shape[1:3], tuple(shape[:2]))
