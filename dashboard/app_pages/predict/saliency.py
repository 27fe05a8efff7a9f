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

EXPLANATIONS = "asking-explanations"  # session key
MAX_EXPLANATIONS = 6  # per session
MAX_COLUMNS = 600  # of a map over a sound; a screen shows no more
MAX_WINDOWS = 60  # rows of the table under a map
METHODS = {
    "class activation map": "cam",
    "Grad-CAM (LayerCAM)": "layer_cam",
    "occlusion": "occlusion",
    "feature importance": "leaned",
}
EXPLAINING = threading.Lock()  # one at a time: each uses all cores and some hundred megabytes


@dataclass(frozen=True)
class Saliency:
    """Hold which parts of a file a run used, reduced to the displayed size.

    Attributes
    ----------
    label, method : the explained class, and the method: one of `METHODS`' values
    seen : the model's input: a sound [shape=(n_bins, n_columns)], uint8, percent of the loudest; a picture
        [shape=(height, width, 3)], uint8
    share : the evidence for the class in each place, [shape=(n_bins, n_columns) or (height, width)], uint8, percent
    over : the map over the picture, [shape=(height, width, 3)], uint8; None for a sound
    seconds : duration of the sound
    hertz : frequency of each bin; None where bins are not frequencies
    peak : the strongest place: (x, y) as shares of a picture's width and height, or (seconds, Hz); None without one
    decided : start and end of the deciding seconds of a sound; None where nothing supports the class
    sound : the deciding seconds as a wav file; None where the file is a picture of a spectrogram
    leans_on : of a random forest, the importance of each feature, [shape=(n_bins,)]
    windows : of a sound, the start of each part, its share of the evidence, and its strongest bin
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


def explain_file(view: RunView, file: UploadedFile, label: str) -> Saliency:
    """Explain a run's prediction for a file, and keep the result for this session.

    Raises
    ------
    InputError
        If the run has no such class, or a package for the explanation is missing.
    """
    from musicml.inference import explain_prediction

    with EXPLAINING:
        try:
            found = explain_prediction(predictors.get_predictor(view), file.content(), label, name=file.name)
        except ImportError as error:
            raise InputError(
                "The model of {one_name} needs a package that is not installed ({error}). Install musicml's extra cpu, "
                "gpu or jax, or predict with the engine onnx.",
                one_name=view.name,
                error=error,
            ) from error
    explanations = st.session_state.setdefault(EXPLANATIONS, {})
    explanations[view.name, predictors.get_stamp(view), file.key, label] = made = _condense(found)
    for oldest in list(explanations)[:-MAX_EXPLANATIONS]:
        del explanations[oldest]  # dicts keep their order, so the first ones are the oldest
    return made


def get_cached_explanation(view: RunView, file: UploadedFile, label: str) -> Saliency | None:
    """Return an earlier result of `explain_file`; None where there is none."""
    return st.session_state.get(EXPLANATIONS, {}).get((view.name, predictors.get_stamp(view), file.key, label))


def _condense(found: Any) -> Saliency:
    """Reduce an explanation to the displayed size."""
    from musicml.inference import DECIBELS, draw_overlay

    method = METHODS[found.method]
    if found.frame_seconds is None:  # a picture has no time axis
        y, x = found.peak
        height, width = found.map.shape
        peak = ((x + 0.5) / width, (y + 0.5) / height) if found.map.any() else None
        return Saliency(found.label, method, found.seen, _to_percent(found.map), draw_overlay(found), peak=peak)
    # decibels to 0..1, where 1 is the loudest bin
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
    """Convert shares to whole percent, uint8, a quarter of the size of float32."""
    return np.round(100 * shares).astype(np.uint8)


def narrow_frames(values: np.ndarray) -> np.ndarray:
    """Reduce [shape=(n_frames, n_bins)] to at most `MAX_COLUMNS` frames by the maximum of neighbors."""
    n = min(len(values), MAX_COLUMNS)
    return np.maximum.reduceat(values, np.arange(n) * len(values) // n, axis=0)


def find_windows(shares: np.ndarray, frame_seconds: float) -> Iterator[tuple[float, float, int]]:
    """Yield parts of a sound: the start, the share of all evidence for the class, and the strongest bin."""
    n, total = min(len(shares), MAX_WINDOWS), max(float(shares.sum()), 1e-9)
    edges = np.arange(n + 1) * len(shares) // n  # parts of nearly equal length
    for begin, end in zip(edges, edges[1:], strict=False):
        part = shares[begin:end].sum(axis=0)
        yield float(begin * frame_seconds), float(part.sum()) / total, int(part.argmax())


def is_slow_to_explain(view: RunView) -> bool:
    """Return whether the first explanation has to import Keras."""
    return "keras" not in sys.modules and _needs_keras(view)


@cache_by(predictors.get_stamp, cache_data, max_entries=100)
def _needs_keras(view: RunView) -> bool:
    """Return whether a run's explanations need Keras; the others use its exported model."""
    from musicml.inference import is_fine_map, is_recurrent_run

    predictor = predictors.get_predictor(view)
    if predictor.serving.model["file"] == "model.skops":
        return False
    if predictor.serving.clip.n_frames is not None and is_recurrent_run(predictor):
        return False
    maps, shape = predictor.load_model().maps, read_layers(predictor.run)[0]["output_shape"]
    if maps is None:
        return True
    return not is_fine_map(maps(np.zeros((1, *shape), np.float32)).shape[1:3], tuple(shape[:2]))
