"""Explain predictions by maps of the input that show which parts speak for a class.

The method depends on the model: class activation maps for a head of pooling and one dense layer, Grad-CAM for more
layers after the last convolution, occlusion for recurrent networks, feature importance for a random forest. No method
proves a cause. Each shows what the prediction is sensitive to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.io import pad_audio
from musicml.experiment import make_record_error, read_layers
from musicml.features import MAX_LEVEL, Spectrogram, compute_band_centers, compute_log_mel
from musicml.inference.explain import class_activation, occlusion
from musicml.inference.explain.overlay import DECIBELS, save_explanation
from musicml.inference.predictor import ModelInput, Prediction, Predictor
from musicml.utils import Message

__all__ = ["Explanation", "explain_prediction", "save_explanation"]

LISTEN_SECONDS = 3.0
FEATURE_IMPORTANCE = Message("feature importance")


@dataclass(frozen=True)
class Explanation:
    """The map of one file for one class, and the input that it explains.

    Attributes
    ----------
    file : the name of the file
    label : the explained class
    method : `class activation map`, `Grad-CAM (LayerCAM)`, `occlusion` or `feature importance`
    seen : np.ndarray, the input under the map: a picture [shape=(height, width, 3)], uint8, as the model gets it; for a
        sound its log-mel spectrogram [shape=(n_frames, n_mels)], dB (MFCC for a forest on MFCC), or its gray
        spectrogram [shape=(n_columns, n_bins)], scaled to 80 dB
    map : np.ndarray [shape=(height, width)] or [shape=(n_frames, n_bins)], 0 to 1: the evidence for the label,
        relative to the strongest place
    settings : the features of the run
    frame_seconds : the time between frames; None for a picture, unless of a spectrogram
    decided : start and end of the deciding seconds of a sound; None if nothing in it speaks for the label
    y, sample_rate : the samples of the deciding seconds, mono float32; None for a picture
    """

    file: str
    label: str
    method: str
    seen: np.ndarray
    map: np.ndarray
    settings: Any
    frame_seconds: float | None = None
    decided: tuple[float, float] | None = None
    y: np.ndarray | None = None
    sample_rate: int | None = None

    @property
    def peak(self) -> tuple[int, int]:
        """The strongest place, the middle one if several are equal: (row, column) or (frame, bin)."""
        tied = np.argwhere(self.map == self.map.max())
        row, column = tied[np.abs(tied - tied.mean(axis=0)).sum(axis=1).argmin()]
        return int(row), int(column)

    def to_dict(self) -> dict[str, Any]:
        """Convert the explanation to plain values for JSON, without its arrays."""
        row, column = self.peak
        table: dict[str, Any] = {"file": self.file, "label": self.label, "method": str(self.method)}
        if self.frame_seconds is None:
            size = {"width": self.map.shape[1], "height": len(self.map)}
            return {**table, "peak": {"x": column, "y": row}, "size": size}
        if self.decided is None:
            return table
        table["decided"] = [round(second, 3) for second in self.decided]
        if self.method == FEATURE_IMPORTANCE:  # a map of features, in which frequencies have no peak
            return table
        hertz = round(float(compute_band_centers(self.settings)[column]), 1)
        return {**table, "peak": {"seconds": round(row * self.frame_seconds, 3), "hertz": hertz}}


def explain_prediction(
    predictor: Predictor,
    source: str | Path | bytes | np.ndarray,
    label: str | None = None,
    name: str | None = None,
    sample_rate: int | None = None,
) -> Explanation:
    """Explain the prediction for a file.

    Parameters
    ----------
    predictor : the predictor of the run
    source, name, sample_rate : as in `Predictor.predict`
    label : the class to explain; by default the one with the highest probability

    Raises
    ------
    InputError
        As in `Predictor.predict`, or if the run has no such class.
    """
    blocks: list[np.ndarray] = []
    model_input = predictor.read(source, name, sample_rate, listen=blocks.append)
    (prediction,) = predictor.predict_features([model_input])
    k = predictor.get_class_index(label or prediction.label)
    clip = predictor.serving.clip
    label, settings = predictor.class_names[k], predictor.settings
    if clip.n_frames is None or clip.frame_seconds is None:
        method, maps = class_activation.compute_maps(predictor, model_input.values[None].astype(np.float32), k)
        return Explanation(model_input.name, label, method, model_input.values, _normalize_map(maps[0]), settings)
    y = np.concatenate(blocks) if blocks else None  # None for a picture of a spectrogram
    n_samples = settings.n_columns * settings.hop_length if y is None else len(y)
    spectra = model_input.values
    if y is not None and not isinstance(settings, Spectrogram):  # for MFCC too, since a log-mel map can be drawn
        spectra = compute_log_mel(pad_audio(y, max(clip.least_samples, settings.n_fft)), settings)
    method, seen, evidence = _explain_audio(predictor, model_input, prediction, spectra, k)
    if n_samples < max(clip.least_samples, settings.n_fft):  # a short sound, which was repeated to fill a clip
        seen, evidence = _average_repetitions(seen, evidence, n_samples / settings.hop_length)
    if isinstance(settings, Spectrogram):
        seen = seen * (DECIBELS / MAX_LEVEL)
    rate, decided = settings.sample_rate, None
    if evidence.max() > 0:
        decided = _find_deciding_seconds(evidence.sum(axis=1), clip.frame_seconds, n_samples / rate)
    begin, end = (round(second * rate) for second in decided or (0, 0))
    audio = (None, None) if y is None else (y[begin:end], rate)
    map_ = _normalize_map(evidence)
    return Explanation(model_input.name, label, method, seen, map_, settings, clip.frame_seconds, decided, *audio)


def _explain_audio(
    predictor: Predictor, model_input: ModelInput, prediction: Prediction, spectra: np.ndarray, k: int
) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the method, the input under the map, and the map of a whole sound, [shape=(n_frames, n_bins)]."""
    values, starts = model_input.values, predictor.compute_clip_starts(len(model_input.values))
    if predictor.serving.model["file"] == "model.skops":
        layers, n_bins = read_layers(predictor.run), values.shape[1]
        if len(layers) != len(predictor.class_names) or len(layers[k].get("leans_on", ())) != n_bins:
            raise make_record_error(predictor.run.name, "layers.json", "leans_on", layers)
        importance = np.array(layers[k]["leans_on"])
        # a forest has importances of features only; the position in time comes from the probabilities of the clips
        length = predictor.serving.clip.length
        clips = [np.outer(np.full(length, scores[k]), importance) for scores in prediction.over_time]
        return FEATURE_IMPORTANCE, values, _average_overlaps(clips, starts, values.shape)
    if is_recurrent_run(predictor):
        clips = occlusion.compute_maps(predictor, values, spectra, starts, prediction.over_time[:, k], k)
        return Message("occlusion"), spectra, _average_overlaps(clips, starts, spectra.shape)
    batch = np.stack(list(predictor.cut_clips(values, starts))).astype(np.float32)
    method, clips = class_activation.compute_maps(predictor, batch, k)
    return method, spectra, _average_overlaps(clips, starts, spectra.shape)


def is_recurrent_run(predictor: Predictor) -> bool:
    """Return whether the model needs occlusion, since no layer of it keeps the positions of its input."""
    kinds = {layer["kind"] for layer in read_layers(predictor.run)}
    return (
        predictor.run.info.family == "pretrained_audio"  # its filters cover all frequency bands at once
        or bool(kinds & {"GRU", "LSTM", "Bidirectional", "Permute"})
        or not any(kind.endswith("Conv2D") for kind in kinds)
    )


def _average_overlaps(clips: list[np.ndarray], starts: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Assemble the maps of clips to one of the whole sound, averaged where they overlap, [shape=(n_frames, n_bins)]."""
    total, count = np.zeros(shape, np.float32), np.zeros((shape[0], 1), np.float32)
    for clip, start in zip(clips, starts, strict=True):
        total[start : start + len(clip)] += clip
        count[start : start + len(clip)] += 1
    return total / np.maximum(count, 1)


def _average_repetitions(seen: np.ndarray, evidence: np.ndarray, period: float) -> tuple[np.ndarray, np.ndarray]:
    """Average the map of a repeated sound over its repetitions, `period` frames long; return one period of both."""
    n = max(1, round(period))
    if n >= len(evidence):
        return seen, evidence
    frames = np.round(np.arange(len(evidence)) % period).astype(int) % n
    total = np.zeros((n, evidence.shape[1]), np.float32)
    np.add.at(total, frames, evidence)  # unlike `total[frames] += evidence`, this adds repeated frames
    return seen[:n], total / np.bincount(frames, minlength=n)[:, None]


def _normalize_map(evidence: np.ndarray) -> np.ndarray:
    """Divide a map by its maximum; negative values, which speak against the label, become 0."""
    positive = np.maximum(evidence, 0)
    return (positive / positive.max() if positive.max() > 0 else positive).astype(np.float32)


def _find_deciding_seconds(evidence: np.ndarray, frame_seconds: float, seconds: float) -> tuple[float, float]:
    """Find the start and end of the seconds with the most evidence: three, or half of a shorter sound."""
    window = min(LISTEN_SECONDS, seconds / 2)
    n = max(1, min(round(window / frame_seconds), len(evidence)))
    sums = np.convolve(np.maximum(evidence, 0), np.ones(n), "valid")
    begin = min(float(sums.argmax()) * frame_seconds, max(0.0, seconds - window))
    return begin, begin + window
