"""Explain: where a run looked when it answered.

Which way depends on the model: class activation maps where its head is pooling and one dense layer, Grad-CAM where more
layers stand behind the last convolution map, occlusion for recurrent networks, and for a forest the features that it
leans on. None of them proves why; each says what the answer would change with.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.io import pad_audio
from musicml.experiment import make_record_error, read_layers
from musicml.features import WHITE, Spectrogram, compute_band_centers, compute_log_mel
from musicml.inference.explain import class_activation, occlusion
from musicml.inference.explain.overlay import DECIBELS, save_explanation
from musicml.inference.predictor import ModelInput, Prediction, Predictor
from musicml.utils import Message

__all__ = ["Explanation", "explain_prediction", "save_explanation"]

LISTEN_SECONDS = 3.0
LEANED_ON = Message("leaned-on features")


@dataclass(frozen=True)
class Explanation:
    """Where a run looked in one file.

    Attributes
    ----------
    file : the name it was given
    label : the class explained
    method : `class activation map`, `Grad-CAM (LayerCAM)`, `occlusion` or `leaned-on features`
    seen : np.ndarray, what the map lies over: a picture [shape=(height, width, 3)], uint8, as the model takes it; of a
        sound its log-mel spectrogram [shape=(n_frames, n_mels)], dB (of a forest on MFCC these), or its grey
        spectrogram [shape=(n_columns, n_bins)], 0 to 80, so that whoever draws 80 dB shows all of it
    map : np.ndarray [shape=(height, width)] or [shape=(n_frames, n_bins)], 0 to 1: how much each place spoke for the
        label, as a share of the strongest
    settings : the run's features
    frame_seconds : from one frame to the next; None for a picture, unless of a spectrogram
    decided : where the deciding seconds of a sound begin and end; None where nothing in it speaks for the label
    y, sample_rate : the deciding seconds themselves, mono float32; None where the file is a picture
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
        """The strongest place, the middle of equal ones: (row, column) of a picture, (frame, bin) of a sound."""
        tied = np.argwhere(self.map == self.map.max())
        row, column = tied[np.abs(tied - tied.mean(axis=0)).sum(axis=1).argmin()]
        return int(row), int(column)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain values for JSON: file, label, method, peak, deciding seconds."""
        row, column = self.peak
        table: dict[str, Any] = {"file": self.file, "label": self.label, "method": str(self.method)}
        if self.frame_seconds is None:
            size = {"width": self.map.shape[1], "height": len(self.map)}
            return {**table, "peak": {"x": column, "y": row}, "size": size}
        if self.decided is None:  # nothing in it speaks for the label
            return table
        table["decided"] = [round(second, 3) for second in self.decided]
        if self.method == LEANED_ON:  # which tells features, and no places
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
    """Where the run looked when it answered for a file.

    Parameters
    ----------
    predictor : of the run
    source, name, sample_rate : as `Predictor.predict` takes them
    label : the class to explain; by default the one with the highest probability

    Raises
    ------
    InputError
        As `Predictor.predict`, or if the run knows no such class.
    """
    blocks: list[np.ndarray] = []
    question = predictor.read(source, name, sample_rate, listen=blocks.append)
    (prediction,) = predictor.predict_features([question])
    k = predictor.index_of(label or prediction.label)
    clip = predictor.serving.clip
    label, settings = predictor.class_names[k], predictor.settings
    if clip.n_frames is None or clip.frame_seconds is None:
        method, maps = class_activation.maps(predictor, question.values[None].astype(np.float32), k)
        return Explanation(question.name, label, method, question.values, shares(maps[0]), settings)
    y = np.concatenate(blocks) if blocks else None  # a picture of a spectrogram has no sound
    n_samples = settings.n_columns * settings.hop_length if y is None else len(y)
    spectra = question.values  # what the map lies over and patches are taken out of
    if y is not None and not isinstance(settings, Spectrogram):
        spectra = compute_log_mel(pad_audio(y, max(clip.least_samples, settings.n_fft)), settings)
    method, seen, found = of_sound(predictor, question, prediction, spectra, k)
    if n_samples < max(clip.least_samples, settings.n_fft):
        seen, found = once(seen, found, n_samples / settings.hop_length)
    if isinstance(settings, Spectrogram):
        seen = seen * (DECIBELS / WHITE)
    rate, decided = settings.sample_rate, None
    if found.max() > 0:
        decided = deciding(found.sum(axis=1), clip.frame_seconds, n_samples / rate)
    begin, end = (round(second * rate) for second in decided or (0, 0))
    its = (None, None) if y is None else (y[begin:end], rate)
    return Explanation(question.name, label, method, seen, shares(found), settings, clip.frame_seconds, decided, *its)


def of_sound(
    predictor: Predictor, question: ModelInput, prediction: Prediction, spectra: np.ndarray, k: int
) -> tuple[str, np.ndarray, np.ndarray]:
    """The method, what the map lies over, and the map of a whole sound, [shape=(n_frames, n_bins)]."""
    places = predictor.places(len(question.values))
    if predictor.serving.model["file"] == "model.skops":
        layers, n_bins = read_layers(predictor.run), question.values.shape[1]
        if len(layers) != len(predictor.class_names) or len(layers[k].get("leans_on", ())) != n_bins:
            raise make_record_error(predictor.run.name, "layers.json", "leans_on", layers)
        leaned = np.array(layers[k]["leans_on"])
        # a forest says which features, not when: the time comes from how sure each clip is by itself
        clips = [np.outer(np.full(predictor.serving.clip.length, scores[k]), leaned) for scores in prediction.over_time]
        return LEANED_ON, question.values, laid_out(clips, places, question.values.shape)
    if is_recurrent_run(predictor):
        clips = occlusion.maps(predictor, question.values, spectra, places, prediction.over_time[:, k], k)
        return Message("occlusion"), spectra, laid_out(clips, places, spectra.shape)
    values = np.stack(list(predictor.cut(question.values, places))).astype(np.float32)
    method, clips = class_activation.maps(predictor, values, k)
    return method, spectra, laid_out(clips, places, spectra.shape)


def is_recurrent_run(predictor: Predictor) -> bool:
    """Whether the run's model has no map whose places are those of its input: none, read in turn, or turned round."""
    kinds = {layer["kind"] for layer in read_layers(predictor.run)}
    return (
        predictor.run.info.family == "pretrained_audio"  # whose filters go over all bands at once
        or bool(kinds & {"GRU", "LSTM", "Bidirectional", "Permute"})
        or not any(kind.endswith("Conv2D") for kind in kinds)
    )


def laid_out(clips: list[np.ndarray], places: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The clips' maps at their places in the whole sound, averaged where they overlap, [shape=(n_frames, n_bins)]."""
    total, count = np.zeros(shape, np.float32), np.zeros((shape[0], 1), np.float32)
    for one, place in zip(clips, places, strict=True):
        total[place : place + len(one)] += one
        count[place : place + len(one)] += 1
    return total / np.maximum(count, 1)


def once(seen: np.ndarray, found: np.ndarray, period: float) -> tuple[np.ndarray, np.ndarray]:
    """What was seen of a sound that was repeated, and the mean of its map over the repetitions; `period` in frames."""
    n = max(1, round(period))
    if n >= len(found):
        return seen, found
    frames = np.round(np.arange(len(found)) % period).astype(int) % n
    total = np.zeros((n, found.shape[1]), np.float32)
    np.add.at(total, frames, found)
    return seen[:n], total / np.bincount(frames, minlength=n)[:, None]


def shares(found: np.ndarray) -> np.ndarray:
    """The map as shares of its strongest place; nothing speaks for the label where there is none."""
    found = np.maximum(found, 0)
    return (found / found.max() if found.max() > 0 else found).astype(np.float32)


def deciding(evidence: np.ndarray, frame_seconds: float, seconds: float) -> tuple[float, float]:
    """Where the seconds begin and end that speak most for the label: three of them, or half of a shorter sound."""
    window = min(LISTEN_SECONDS, seconds / 2)
    n = max(1, min(round(window / frame_seconds), len(evidence)))
    sums = np.convolve(np.maximum(evidence, 0), np.ones(n), "valid")
    begin = min(float(sums.argmax()) * frame_seconds, max(0.0, seconds - window))
    return begin, begin + window
