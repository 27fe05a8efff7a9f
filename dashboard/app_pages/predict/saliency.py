"""Explain predictions: compute which parts of a file a run used, reduced to the displayed size."""

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
from dashboard.app_pages.predict.files import UploadedFile
from dashboard.caching import cache_by, cache_data
from dashboard.runs import RunView
from musicml.experiment import read_layers
from musicml.features import compute_band_centers
from musicml.utils import InputError

LOOKS = "asking-explanations"  # where a session keeps them
MAX_LOOKS = 6  # explanations that a session keeps
MAX_COLUMNS = 600  # of a map over a sound
MAX_WINDOWS = 60  # rows of a map's table
METHODS = {
    "class activation map": "cam",
    "Grad-CAM (LayerCAM)": "layer_cam",
    "occlusion": "occlusion",
    "leaned-on features": "leaned",
}
EXPLAINING = threading.Lock()  # one at a time: each takes every core, and some hundred megabytes


@dataclass(frozen=True)
class Saliency:
    """Hold which parts of a file a run used, reduced to the displayed size.

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


def explain_file(one: RunView, file: UploadedFile, label: str) -> Saliency:
    """Explain a run's prediction for a file, and keep the result for this session.

    Raises
    ------
    InputError
        If the run knows no such class, or what explains it is not installed.
    """
    from musicml.inference import explain_prediction

    with EXPLAINING:
        try:
            found = explain_prediction(predictors.get_predictor(one), file.content(), label, name=file.name)
        except ImportError as error:
            raise InputError(
                "the model of {one_name} needs a package that is not installed ({error}): install musicml's extra "
                "cpu, gpu or jax, or ask it with the engine onnx.",
                one_name=one.name,
                error=error,
            ) from error
    explanations = st.session_state.setdefault(LOOKS, {})
    explanations[one.name, predictors.get_stamp(one), file.key, label] = made = _condense(found)
    for oldest in list(explanations)[:-MAX_LOOKS]:
        del explanations[oldest]
    return made


def get_cached_explanation(one: RunView, file: UploadedFile, label: str) -> Saliency | None:
    """Return what `explain_file` returned before; None where nothing is kept."""
    return st.session_state.get(LOOKS, {}).get((one.name, predictors.get_stamp(one), file.key, label))


def _condense(found: Any) -> Saliency:
    """Reduce an explanation to the displayed size."""
    from musicml.inference import DECIBELS, draw_overlay

    method = METHODS[found.method]
    if found.frame_seconds is None:
        y, x = found.peak
        height, width = found.map.shape
        peak = ((x + 0.5) / width, (y + 0.5) / height) if found.map.any() else None
        return Saliency(found.label, method, found.seen, _to_percent(found.map), draw_overlay(found), peak=peak)
    loudness = np.clip((found.seen - found.seen.max()) / DECIBELS + 1, 0, 1)
    hertz = compute_band_centers(found.settings)
    bins = hertz if len(hertz) == found.map.shape[1] else None
    frame, strongest = found.peak
    return Saliency(
        found.label,
        method,
        _to_percent(narrow_frames(loudness)).T,
        _to_percent(narrow_frames(found.map)).T,
        None,
        len(found.map) * found.frame_seconds,
        bins,
        (frame * found.frame_seconds, float(bins[strongest])) if found.decided and bins is not None else None,
        found.decided,
        media.encode_wav(found.y, found.sample_rate) if found.decided and found.y is not None else None,
        found.map.max(axis=0) / max(float(found.map.max(axis=0).sum()), 1e-9) if method == "leaned" else None,
        tuple(find_windows(found.map, found.frame_seconds)),
    )


def _to_percent(shares: np.ndarray) -> np.ndarray:
    """Convert shares to whole percent, uint8, a fourth of the bytes."""
    return np.round(100 * shares).astype(np.uint8)


def narrow_frames(values: np.ndarray) -> np.ndarray:
    """Reduce [shape=(n_frames, n_bins)] to at most `MAX_COLUMNS` frames by the maximum of neighbors."""
    n = min(len(values), MAX_COLUMNS)
    return np.maximum.reduceat(values, np.arange(n) * len(values) // n, axis=0)


def find_windows(shares: np.ndarray, frame_seconds: float) -> Iterator[tuple[float, float, int]]:
    """Yield parts of a sound: the start, the share of all evidence for the class, and the strongest bin."""
    n, total = min(len(shares), MAX_WINDOWS), max(float(shares.sum()), 1e-9)
    edges = np.arange(n + 1) * len(shares) // n
    for begin, end in zip(edges, edges[1:], strict=False):
        part = shares[begin:end].sum(axis=0)
        yield float(begin * frame_seconds), float(part.sum()) / total, int(part.argmax())


def is_slow_to_explain(one: RunView) -> bool:
    """Return whether the first explanation has to import Keras."""
    return "keras" not in sys.modules and _needs_keras(one)


@cache_by(predictors.get_stamp, cache_data, max_entries=100)
def _needs_keras(one: RunView) -> bool:
    """Return whether a run's explanations need Keras; the others use its exported model."""
    from musicml.inference import is_fine_map, is_recurrent_run

    predictor = predictors.get_predictor(one)
    if predictor.serving.model["file"] == "model.skops":
        return False
    if predictor.serving.clip.n_frames is not None and is_recurrent_run(predictor):
        return False
    maps, shape = predictor.load_model().maps, read_layers(predictor.run)[0]["output_shape"]
    if maps is None:
        return True
    return not is_fine_map(maps(np.zeros((1, *shape), np.float32)).shape[1:3], tuple(shape[:2]))
