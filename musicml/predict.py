"""Predictor: the one way a run is asked, from the command line, the dashboard, Python, and its own evaluation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musicml import audio, calibrate, features, options
from musicml.errors import BadInput
from musicml.runs import Run

BATCH = 64
ENGINES = ("auto", "onnx", "keras")


@dataclass(frozen=True)
class Prediction:
    """What a run answers for one file.

    Attributes
    ----------
    file : the name it was given
    class_names : in the order of the scores
    scores : np.ndarray [shape=(n_classes,)], calibrated probabilities for the whole file
    starts : np.ndarray [shape=(n_clips,)], where each clip begins, in seconds
    clip_scores : np.ndarray [shape=(n_clips, n_classes)], raw scores of each clip; their mean, calibrated, is `scores`
    thresholds : for several classes at once, from which score each counts as present
    warnings : what a listener should know, a sentence each
    seconds : how long it took: `read` (decode and features), `model`
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

    @property
    def label(self) -> str:
        """The class with the highest probability."""
        return self.class_names[int(self.scores.argmax())]

    @property
    def probability(self) -> float:
        """The probability of `label`."""
        return float(self.scores.max())

    def as_table(self) -> dict[str, Any]:
        """The prediction as plain values for JSON: file, label, probability, probabilities by class, warnings."""
        probabilities = {
            name: round(float(score), 6) for name, score in zip(self.class_names, self.scores, strict=True)
        }
        table = {
            "file": self.file,
            "label": self.label,
            "probability": probabilities[self.label],
            "probabilities": probabilities,
            "warnings": list(self.warnings),
        }
        return {**table, "present": self.present} if self.task == "multi" else table

    @property
    def present(self) -> list[str]:
        """Of several classes at once, those above their thresholds; of one class, that one."""
        if self.task == "single":
            return [self.label]
        return [
            name
            for name, score, least in zip(self.class_names, self.scores, self.thresholds, strict=True)
            if score >= least
        ]


@dataclass(frozen=True)
class Question:
    """What a model is asked: one file's features, [shape=(n_frames, n_bins)], or one picture or VGGish table."""

    name: str
    values: np.ndarray
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


class Predictor:
    """Answers for one run; the model is loaded once, at the first question, by whichever thread asks first.

    Parameters
    ----------
    run : a run that has been trained
    engine : `onnx` (quick to start), `keras`, or `auto`: the exported model where the run has one

    Raises
    ------
    BadInput
        If the run's folder lacks what serving needs, or its parts do not fit each other.
    """

    def __init__(self, run: Run, engine: str = "auto"):
        self.run = run
        self.serving = complete(run)
        self.class_names: list[str] = run.read("labels.json")
        self.settings = options.read(
            features.KINDS[self.serving["kind"]], self.serving["features"], "features", "serving.json"
        )
        self.task: str = self.serving["task"]
        self.clip = self.serving["clips"]
        self.engine = engine
        self._lock = threading.Lock()
        self._model: Callable[[np.ndarray], np.ndarray] | None = None

    def predict(self, source: str | Path | bytes, name: str | None = None) -> Prediction:
        """Answer for one file.

        Parameters
        ----------
        source : path of a sound or picture file, or its content
        name : what to call it, where `source` is content

        Raises
        ------
        BadInput
            If the file can't be read, or the run can't be asked about a file at all.
        """
        return self.answer([self.read(source, name)])[0]

    def read(self, source: str | Path | bytes, name: str | None = None) -> Question:
        """A file's features as a question, not yet answered; so that many can be answered together.

        Raises
        ------
        BadInput
            As `predict`.
        """
        if isinstance(self.settings, features.VGGish):
            raise BadInput(
                f"run {self.run.name} answers for the VGGish features of its data set only, and can't be asked "
                "about a file: ask a run of openmic_cnn."
            )
        begun = time.perf_counter()
        values, warnings = features.from_file(source, self.settings, self.clip["least_samples"], name)
        shown = name or ("upload" if isinstance(source, bytes) else str(source))
        return Question(shown, values, warnings, time.perf_counter() - begun)

    def answer(self, questions: list[Question]) -> list[Prediction]:
        """Answer for features that are there already, all of them in one pass through the model."""
        begun = time.perf_counter()
        places = [self.places(question.values) for question in questions]
        clips = [
            clip for question, found in zip(questions, places, strict=True) for clip in self.cut(question.values, found)
        ]
        raw = np.split(self.scores_of(np.stack(clips)), np.cumsum([len(found) for found in places])[:-1])
        share = (time.perf_counter() - begun) / len(questions)
        return [self.summed_up(*three, share) for three in zip(questions, places, raw, strict=True)]

    def summed_up(self, question: Question, places: np.ndarray, raw: np.ndarray, seconds: float) -> Prediction:
        """One file's answer from its clips' raw scores: their mean, calibrated."""
        scores = calibrate.temper(raw.mean(axis=0), self.serving["temperature"], self.task)
        starts = places * (self.clip["frame_seconds"] or 0.0)
        return Prediction(
            question.name,
            self.class_names,
            scores,
            starts,
            raw,
            self.serving["thresholds"],
            tuple(question.warnings),
            {"read": question.seconds, "model": seconds},
            self.task,
        )

    def cut(self, values: np.ndarray, places: np.ndarray) -> list[np.ndarray]:
        """The clips that begin at `places`; a picture is its own and only clip."""
        length = self.clip["n_frames"]
        return [values] if length is None else [values[place : place + length] for place in places]

    def places(self, values: np.ndarray) -> np.ndarray:
        """The frames at which clips begin, [shape=(n_clips,)], int; a picture is one clip."""
        if self.clip["n_frames"] is None:
            return np.zeros(1, dtype=int)
        return audio.starts(len(values), self.clip["n_frames"], self.clip["hop_frames"])

    def scores_of(self, clips: np.ndarray) -> np.ndarray:
        """Raw scores of a batch of clips: [shape=(n, ...)] → [shape=(n, n_classes)], float32."""
        model = self.model()
        parts = [model(np.ascontiguousarray(clips[place : place + BATCH])) for place in range(0, len(clips), BATCH)]
        return np.concatenate(parts)

    def model(self) -> Callable[[np.ndarray], np.ndarray]:
        """The loaded model as a function; loaded once even if many threads ask at the same time."""
        with self._lock:
            if self._model is None:
                self._model = load_model(self.run.path, self.serving, self.class_names, self.engine)
        return self._model


NEEDED = ("task", "kind", "features", "clips", "temperature", "thresholds", "asks_for")


def complete(run: Run) -> dict[str, Any]:
    """serving.json, if it says all that serving needs."""
    serving = run.read("serving.json")
    missing = [key for key in NEEDED if not isinstance(serving, dict) or key not in serving]
    if missing or serving["kind"] not in features.KINDS:
        said = f"{', '.join(missing)} missing" if missing else f"unknown features {serving['kind']!r}"
        raise BadInput(f"serving.json of run {run.name} must say how it is asked, and does not ({said}): {run.cure()}")
    return serving


def load_model(
    path: Path, serving: dict[str, Any], class_names: list[str], engine: str
) -> Callable[[np.ndarray], np.ndarray]:
    """The run's model as a function from clips to raw scores.

    Raises
    ------
    BadInput
        If the model is missing, or does not answer for the classes that the run names.
    """
    try:
        model, n_scores = opened(path, serving, engine)
    except BadInput:
        raise
    except Exception as error:  # each library has its own way to say that a file is damaged
        raise BadInput(
            f"the model of {path.name} must be whole and can't be ({(str(error) or repr(error)).splitlines()[0]}): "
            "train it again."
        ) from error
    if n_scores != len(class_names):
        raise BadInput(
            f"the model of {path.name} must answer for its {len(class_names)} classes and answers for {n_scores}: its "
            "folder was changed; train the run again."
        )
    return model


def opened(path: Path, serving: dict[str, Any], engine: str) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """The run's model by the engine asked for, and its number of scores."""
    if (path / "model.skops").is_file():
        return forest(path, serving["task"])
    if engine != "keras" and (path / "model.onnx").is_file():
        return exported(path / "model.onnx")
    if engine == "onnx":
        raise BadInput(f"{path.name} has no exported model (model.onnx): ask it with the engine keras.")
    return keras_model(path / "model.keras")


def forest(path: Path, task: str) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """The forests and their number."""
    from musicml.models import forest as family

    trees = family.load(path / "model.skops")
    return lambda clips: family.scores(trees, clips, task), len(trees)


def exported(path: Path) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """The exported model in ONNX Runtime, and its number of scores."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (taken,), given = session.get_inputs(), session.get_outputs()[0]
    kind = np.uint8 if "uint8" in taken.type else np.float32
    return lambda clips: session.run([given.name], {taken.name: clips.astype(kind, copy=False)})[0], given.shape[-1]


def keras_model(path: Path) -> tuple[Callable[[np.ndarray], np.ndarray], int]:
    """The model in Keras, and its number of scores."""
    if not path.is_file():
        raise BadInput(
            f"run {path.parent.name} must hold a model, and model.keras is missing: finish it with "
            f"`musicml train --resume {path.parent}`."
        )
    from musicml import console

    keras = console.import_keras()
    model = keras.saving.load_model(path, compile=False)
    return lambda clips: np.asarray(
        model(clips.astype(np.float32, copy=False), training=False), dtype=np.float32
    ), model.output_shape[-1]
