"""The single entry point for predictions from a trained run, also used to evaluate it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.io import AudioSource
from musicml.experiment import Run, make_record_error, open_run
from musicml.features import compute_features
from musicml.inference import backends, calibration, manifest, pooling, trust
from musicml.utils import InputError, Message, suggest_names

MAX_BATCH_CLIPS = 16  # larger batches need more memory without being faster
MAX_BATCH_VALUES = 2**21  # so that a batch of large clips has fewer of them
FILES_PER_BATCH = 16  # files whose features are in memory at the same time


@dataclass(frozen=True)
class Prediction:
    """The prediction of a run for one file.

    Attributes
    ----------
    file : the name of the file
    class_names : the classes in the order of the scores
    scores : np.ndarray [shape=(n_classes,)], calibrated probabilities for the whole file
    starts : np.ndarray [shape=(n_clips,)], the start of each clip in seconds
    clip_scores : np.ndarray [shape=(n_clips, n_classes)], raw scores of each clip; `scores` is their calibrated mean
    thresholds : for multi-label tasks, the probability from which each class counts as present; empty if not fitted
    warnings : problems with the file, a sentence each
    seconds : durations: `read` (decoding and features), `model`
    clip_seconds : the length of a clip; None for a picture
    temperature : the temperature of the calibration
    unlike : the `distance` of the file from the training files, and the out-of-distribution `limit`; None if not fitted
    """

    file: str
    class_names: list[str]
    scores: np.ndarray
    starts: np.ndarray
    clip_scores: np.ndarray
    thresholds: list[float]
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    task: str = "single"
    clip_seconds: float | None = None
    temperature: float = 1.0
    unlike: dict[str, float] | None = None

    @property
    def label(self) -> str:
        """The class with the highest probability."""
        return self.class_names[int(self.scores.argmax())]

    @property
    def probability(self) -> float:
        """The probability of `label`."""
        return float(self.scores.max())

    @property
    def present(self) -> list[str]:
        """For a multi-label task, the classes with a probability above their threshold; else `label` alone."""
        if self.task == "single":
            return [self.label]
        if not self.thresholds:
            return []
        rows = zip(self.class_names, self.scores, self.thresholds, strict=True)
        return [name for name, score, threshold in rows if score >= threshold]

    @property
    def over_time(self) -> np.ndarray:
        """Calibrated probabilities of each clip, [shape=(n_clips, n_classes)]."""
        return calibration.apply_temperature(self.clip_scores, self.temperature, self.task)

    @property
    def is_unlike_training(self) -> bool:
        """Whether the file is out of distribution: further from the training files than nearly all validation files."""
        return self.unlike is not None and self.unlike["distance"] > self.unlike["limit"]

    def to_dict(self, over_time: bool = False) -> dict[str, Any]:
        """Convert the prediction to plain values for JSON, including each clip's probabilities if `over_time`."""
        probabilities = self.name_scores(self.scores)
        table = {
            "file": self.file,
            "label": self.label,
            "probability": probabilities[self.label],
            "probabilities": probabilities,
            "warnings": list(self.warnings),
            "unlike_training": self.is_unlike_training,
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
        }
        if self.task == "multi" and self.thresholds:
            table["present"] = self.present
        if over_time:
            clips = zip(self.windows(), self.over_time, strict=True)
            table["over_time"] = [{**window, "probabilities": self.name_scores(scores)} for window, scores in clips]
        return table

    def windows(self) -> list[dict[str, float]]:
        """Return the start and end of each clip in seconds; empty tables for a picture."""
        if self.clip_seconds is None:
            return [{} for _ in self.starts]
        ends = ((float(start), float(start + self.clip_seconds)) for start in self.starts)
        return [{"start": round(start, 3), "end": round(end, 3)} for start, end in ends]

    def name_scores(self, scores: np.ndarray) -> dict[str, float]:
        """Return scores as plain numbers by class name."""
        return {name: round(float(score), 6) for name, score in zip(self.class_names, scores, strict=True)}


@dataclass(frozen=True)
class ModelInput:
    """The features of one file, [shape=(n_frames, n_bins)], or one picture or VGGish table, with warnings."""

    name: str
    values: np.ndarray
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


class Predictor:
    """Predicts files with the model of a run. The model is loaded once, at the first prediction; threads can share it.

    Parameters
    ----------
    run : a trained run, its folder or its name
    engine : `onnx` (fast to load), `keras`, or `auto`: the exported model if the run has one

    Raises
    ------
    InputError
        If a file of the run is missing, or its files do not belong together.

    Examples
    --------
    >>> import numpy as np
    >>> predictor = musicml.Predictor(musicml.load_run("genre_gru"))
    >>> tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(3 * 22_050) / 22_050)
    >>> prediction = predictor.predict(tone, sample_rate=22_050)
    >>> prediction.label in predictor.class_names
    True
    >>> prediction.over_time.shape[1] == len(predictor.class_names)
    True
    """

    def __init__(self, run: Run | Path | str, engine: str = "auto"):
        self.run = run if isinstance(run, Run) else open_run(run)
        self.serving = manifest.read_manifest(self.run)
        if not trust.is_own(self.run):
            manifest.check_costs(self.serving, self.run)
        self.class_names = self.serving.class_names
        self.settings = self.serving.settings
        self.task = self.serving.task
        self.engine = engine
        self._lock = threading.Lock()
        self._model: backends.Model | None = None

    def predict(
        self, source: str | Path | bytes | np.ndarray, name: str | None = None, sample_rate: int | None = None
    ) -> Prediction:
        """Predict one file.

        Parameters
        ----------
        source : path of an audio or picture file, its content, or an array: samples [shape=(n_samples,) or
            (n_samples, channels)], float in [-1, 1] or int16; a picture [shape=(height, width, 3)], uint8 RGB
        name : a name for messages, if `source` is not a path
        sample_rate : int, Hz, of samples given as an array

        Raises
        ------
        InputError
            If the file can't be read, or the run does not accept files.
        """
        return self.predict_features([self.read(source, name, sample_rate)])[0]

    def predict_all(self, sources: Iterable[str | Path]) -> Iterator[Prediction | InputError]:
        """Predict many files in order, several at a time; yield the error of a file that can't be read."""
        for paths in batch_items(sources, FILES_PER_BATCH):
            items: list[ModelInput | InputError] = []
            for path in paths:
                try:
                    items.append(self.read(path))
                except InputError as error:
                    items.append(error)
            predictions = iter(self._predict_each([item for item in items if isinstance(item, ModelInput)]))
            yield from (next(predictions) if isinstance(item, ModelInput) else item for item in items)

    def _predict_each(self, inputs: list[ModelInput]) -> Sequence[Prediction | InputError]:
        """Predict all inputs together, or one by one if that raises an error."""
        try:
            return list(self.predict_features(inputs))
        except InputError as error:
            if len(inputs) == 1:
                return [error]
            return [result for item in inputs for result in self._predict_each([item])]

    def read(
        self,
        source: str | Path | bytes | np.ndarray,
        name: str | None = None,
        sample_rate: int | None = None,
        listen: Callable[[np.ndarray], object] | None = None,
    ) -> ModelInput:
        """Read the features of a file, so that many files can be predicted together.

        Parameters
        ----------
        source, name, sample_rate : as in `predict`
        listen : as in `compute_features`
        """
        self.check_accepts_files()
        start_time = time.perf_counter()
        audio = AudioSource(source, name or "", sample_rate)
        values, warnings = compute_features(audio, self.settings, self.serving.clip.least_samples, listen)
        return ModelInput(audio.name, values, warnings, time.perf_counter() - start_time)

    def check_accepts_files(self) -> None:
        """Raise an InputError if the model needs features that come with a dataset only."""
        if self.serving.asks_for != "file":
            raise InputError(
                "Run {run_name} predicts from the VGGish features of its dataset, so it does not accept files. Use a "
                "run of openmic_cnn.",
                run_name=self.run.name,
            )

    def predict_features(self, inputs: list[ModelInput]) -> list[Prediction]:
        """Predict from the features of one or more files, with their clips in common batches.

        Raises
        ------
        InputError
            If the model returns NaN or infinite scores.
        """
        if not inputs:
            return []
        start_time = time.perf_counter()
        starts = [self.compute_clip_starts(len(item.values)) for item in inputs]
        cuts = (self.cut_clips(item.values, frames) for item, frames in zip(inputs, starts, strict=True))
        scores = self.score_clips(itertools.chain.from_iterable(cuts))
        raw = np.split(scores, np.cumsum([len(frames) for frames in starts])[:-1])  # back to one array per file
        seconds = (time.perf_counter() - start_time) / len(inputs)
        return [self.make_prediction(*parts, seconds) for parts in zip(inputs, starts, raw, strict=True)]

    def compute_clip_starts(self, n_frames: int) -> np.ndarray:
        """Compute the first frame of each clip, [shape=(n_clips,)], int; a picture is one clip."""
        return self.serving.clip.compute_starts(n_frames)

    def cut_clips(self, values: np.ndarray, starts: np.ndarray) -> Iterator[np.ndarray]:
        """Cut the clips that begin at the frames `starts`; a picture is returned whole."""
        length = self.serving.clip.n_frames
        return (values if length is None else values[start : start + length] for start in starts)

    def score_clips(self, clips: Iterable[np.ndarray]) -> np.ndarray:
        """Compute raw scores of clips, [shape=(n_clips, n_classes)], float32, with one batch in memory at a time."""
        model, clips = self.load_model(), iter(clips)
        first = next(clips)
        size = max(1, min(MAX_BATCH_CLIPS, MAX_BATCH_VALUES // first.size))
        batches = batch_items(itertools.chain([first], clips), size)
        return np.concatenate([model.scores(np.stack(batch)) for batch in batches])

    def make_prediction(self, item: ModelInput, starts: np.ndarray, raw: np.ndarray, seconds: float) -> Prediction:
        """Make the prediction for a file: pool the raw scores of its clips, and calibrate them."""
        serving = self.serving
        if not np.isfinite(raw).all():
            raise InputError(
                "The model of run {run_name} returned NaN or infinite scores for {file}, so its training probably "
                "diverged. Train it again with a lower training.learning_rate.",
                run_name=self.run.name,
                file=item.name,
            )
        unlike, warnings = self._measure_ood(item.values)
        pooled = pooling.pool_clips(raw, self.task, serving.average)
        return Prediction(
            item.name,
            self.class_names,
            calibration.apply_temperature(pooled, serving.temperature, self.task),
            starts * (serving.clip.frame_seconds or 0.0),
            raw,
            serving.thresholds,
            (*item.warnings, *warnings),
            {"read": item.seconds, "model": seconds},
            self.task,
            serving.clip_seconds,
            serving.temperature,
            unlike,
        )

    def _measure_ood(self, values: np.ndarray) -> tuple[dict[str, float] | None, list[str]]:
        """Measure the distance of a file from the training files; warn if it is out of distribution."""
        fitted = self.serving.unlike
        if fitted is None or fitted["version"] != calibration.TRAITS_VERSION:
            return None, []
        traits = calibration.compute_traits(values, self.serving.kind)
        if len(traits) != len(fitted["mean"]):
            raise make_record_error(self.run.name, "serving.json", "unlike.mean", fitted["mean"])
        distance, limit = calibration.compute_ood_distance(traits, fitted), fitted["limit"]
        unlike = {"distance": distance, "limit": limit}
        if distance <= limit:
            return unlike, []
        n = next((n for n in range(1, 7) if round(distance, n) != round(limit, n)), 7)  # decimals until they differ
        warning = Message(
            "This file is out of distribution, so the prediction is a guess. Its distance from the training data is "
            "{distance}, the limit {limit}; only {exceptions} exceed it.",
            distance=round(distance, n),
            limit=round(limit, n),
            exceptions=self._describe_false_alarms(fitted),
        )
        return unlike, [warning]

    def _describe_false_alarms(self, fitted: dict[str, Any]) -> str:
        """Count the flagged test files of a complete run, or the flagged validation files of another one."""
        count = self.run.report.unlike_training if self.run.is_complete else None
        if count:
            return Message("{flagged} of {n} test files", flagged=count["flagged"], n=count["n"])
        return Message("{beyond} of {n} validation files", beyond=fitted["beyond"], n=fitted["n"])

    def get_class_index(self, label: str) -> int:
        """Return the index of a class in the scores.

        Raises
        ------
        InputError
            If the run has no such class.
        """
        if label not in self.class_names:
            raise InputError(
                "Run {run_name} has no class {label!r}: {hint}",
                run_name=self.run.name,
                label=label,
                hint=suggest_names(label, self.class_names),
            )
        return self.class_names.index(label)

    @property
    def isolation_notice(self) -> str | None:
        """A notice that the model runs in an isolated process, if the run is not the user's own; else None."""
        return None if trust.is_own(self.run) else trust.describe_isolation(self.run)

    def load_model(self) -> backends.Model:
        """Load the model at the first call, and return it; safe to call from several threads."""
        with self._lock:
            if self._model is None:
                self._model = backends.load_model(self.run.path, self.serving, self.engine)
        return self._model


def batch_items(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of `size` items, the last possibly shorter (`itertools.batched` needs Python 3.12)."""
    items = iter(items)
    while batch := list(itertools.islice(items, size)):
        yield batch
