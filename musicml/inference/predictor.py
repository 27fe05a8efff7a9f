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

BATCH = 16  # clips in one pass, and fewer of large ones; more take more memory and no less time
BATCH_VALUES = 2**21
TOGETHER = 16  # files whose features are held at a time


@dataclass(frozen=True)
class Prediction:
    """What a run answers for one file.

    Attributes
    ----------
    file : the name it was given
    class_names : in the order of the scores
    scores : np.ndarray [shape=(n_classes,)], calibrated probabilities for the whole file
    starts : np.ndarray [shape=(n_clips,)], where each clip begins, in seconds
    clip_scores : np.ndarray [shape=(n_clips, n_classes)], raw scores of each clip; `scores` is their calibrated mean
    thresholds : for several classes at once, from which score each counts as present; empty where none was fitted
    warnings : what a listener should know, a sentence each
    seconds : how long it took: `read` (decode and features), `model`
    clip_seconds : how long each clip is; None for a picture
    temperature : what the scores were calibrated with
    unlike : how far the file lies from training, `distance`, and the `limit` that is flagged beyond; None without one
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
        """Of several classes at once, those above their thresholds, if there are any; of one class, that one."""
        if self.task == "single":
            return [self.label]
        if not self.thresholds:
            return []
        rows = zip(self.class_names, self.scores, self.thresholds, strict=True)
        return [name for name, score, least in rows if score >= least]

    @property
    def over_time(self) -> np.ndarray:
        """Calibrated probabilities of each clip by itself, [shape=(n_clips, n_classes)]."""
        return calibration.apply_temperature(self.clip_scores, self.temperature, self.task)

    @property
    def is_unlike_training(self) -> bool:
        """Whether the file lies further from the training files than all but a few of validation did."""
        return self.unlike is not None and self.unlike["distance"] > self.unlike["limit"]

    def to_dict(self, over_time: bool = False) -> dict[str, Any]:
        """The prediction as plain values for JSON; with `over_time` each clip's probabilities too."""
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
        """Where each clip begins and ends, in seconds; empty tables for a picture."""
        if self.clip_seconds is None:
            return [{} for _ in self.starts]
        ends = ((float(start), float(start + self.clip_seconds)) for start in self.starts)
        return [{"start": round(start, 3), "end": round(end, 3)} for start, end in ends]

    def name_scores(self, scores: np.ndarray) -> dict[str, float]:
        """Scores by class, as plain numbers."""
        return {name: round(float(score), 6) for name, score in zip(self.class_names, scores, strict=True)}


@dataclass(frozen=True)
class ModelInput:
    """What a model is asked: one file's features, [shape=(n_frames, n_bins)], or one picture or VGGish table."""

    name: str
    values: np.ndarray
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0


class Predictor:
    """Answers for one run; the model is loaded once, at the first question, by whichever thread asks first.

    Parameters
    ----------
    run : a run that has been trained, or its folder
    engine : `onnx` (quick to start), `keras`, or `auto`: the exported model where the run has one

    Raises
    ------
    InputError
        If the run's folder lacks what serving needs, or its parts do not fit each other.

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
        """Answer for one file.

        Parameters
        ----------
        source : path of a sound or picture file, its content, or an array: samples [shape=(n_samples,) or
            (n_samples, channels)], float in [-1, 1] or int16; a picture [shape=(height, width, 3)], uint8 RGB
        name : what to call it, where `source` is no path
        sample_rate : int, Hz, of samples given as an array

        Raises
        ------
        InputError
            If the file can't be read, or the run can't be asked about a file at all.
        """
        return self.predict_features([self.read(source, name, sample_rate)])[0]

    def predict_all(self, sources: Iterable[str | Path]) -> Iterator[Prediction | InputError]:
        """Answer for many files, in their order and several in one pass; for one that can't be read, why."""
        for some in batch_items(sources, TOGETHER):
            asked: list[ModelInput | InputError] = []
            for source in some:
                try:
                    asked.append(self.read(source))
                except InputError as error:
                    asked.append(error)
            questions = [question for question in asked if isinstance(question, ModelInput)]
            answers = iter(self.answered(questions))
            yield from (next(answers) if isinstance(question, ModelInput) else question for question in asked)

    def answered(self, questions: list[ModelInput]) -> Sequence[Prediction | InputError]:
        """`predict_features`, each question by itself where one of them can't be answered."""
        try:
            return list(self.predict_features(questions))
        except InputError as error:
            if len(questions) == 1:
                return [error]
            return [answer for question in questions for answer in self.answered([question])]

    def read(
        self,
        source: str | Path | bytes | np.ndarray,
        name: str | None = None,
        sample_rate: int | None = None,
        listen: Callable[[np.ndarray], object] | None = None,
    ) -> ModelInput:
        """Read a file's features as a question, so that many can be answered together.

        Parameters
        ----------
        source, name, sample_rate : as `predict` takes them
        listen : as `compute_features` takes it
        """
        self.check_asks_for_files()
        begun = time.perf_counter()
        asked = AudioSource(source, name or "", sample_rate)
        values, warnings = compute_features(asked, self.settings, self.serving.clip.least_samples, listen)
        return ModelInput(asked.name, values, warnings, time.perf_counter() - begun)

    def check_asks_for_files(self) -> None:
        """Refuse to be asked about files where the features come with a data set only."""
        if self.serving.asks_for != "file":
            raise InputError(
                "run {run_name} answers for the VGGish features of its data set only, and can't be asked "
                "about a file: ask a run of openmic_cnn.",
                run_name=self.run.name,
            )

    def predict_features(self, questions: list[ModelInput]) -> list[Prediction]:
        """Answer for features that are there already, all of them in as few passes through the model as can be.

        Raises
        ------
        InputError
            If what the model answers is no number.
        """
        if not questions:
            return []
        begun = time.perf_counter()
        places = [self.places(len(question.values)) for question in questions]
        cuts = (self.cut(question.values, found) for question, found in zip(questions, places, strict=True))
        scores = self.scores_of(itertools.chain.from_iterable(cuts))
        raw = np.split(scores, np.cumsum([len(found) for found in places])[:-1])
        share = (time.perf_counter() - begun) / len(questions)
        return [self.summed_up(*parts, share) for parts in zip(questions, places, raw, strict=True)]

    def places(self, n_frames: int) -> np.ndarray:
        """The frames at which clips begin, [shape=(n_clips,)], int; a picture is one clip."""
        return self.serving.clip.compute_starts(n_frames)

    def cut(self, values: np.ndarray, places: np.ndarray) -> Iterator[np.ndarray]:
        """The clips that begin at `places`; a picture is its own and only clip."""
        length = self.serving.clip.n_frames
        return (values if length is None else values[place : place + length] for place in places)

    def scores_of(self, clips: Iterable[np.ndarray]) -> np.ndarray:
        """Raw scores of clips, [shape=(n_clips, n_classes)], float32; a batch of them is held at a time."""
        model, clips = self.load_model(), iter(clips)
        first = next(clips)
        size = max(1, min(BATCH, BATCH_VALUES // first.size))
        batches = batch_items(itertools.chain([first], clips), size)
        return np.concatenate([model.scores(np.stack(some)) for some in batches])

    def summed_up(self, question: ModelInput, places: np.ndarray, raw: np.ndarray, seconds: float) -> Prediction:
        """One file's answer from its clips' raw scores: their average, calibrated."""
        served = self.serving
        if not np.isfinite(raw).all():
            raise InputError(
                "a model must answer numbers, and that of run {run_name} answers something else for "
                "{question_name}: its training went astray; train it again, with a lower training.learning_rate.",
                run_name=self.run.name,
                question_name=question.name,
            )
        unlike, remarks = self.likeness(question.values)
        pooled = pooling.pool_clips(raw, self.task, served.average)
        return Prediction(
            question.name,
            self.class_names,
            calibration.apply_temperature(pooled, served.temperature, self.task),
            places * (served.clip.frame_seconds or 0.0),
            raw,
            served.thresholds,
            (*question.warnings, *remarks),
            {"read": question.seconds, "model": seconds},
            self.task,
            served.clip_seconds,
            served.temperature,
            unlike,
        )

    def likeness(self, values: np.ndarray) -> tuple[dict[str, float] | None, list[str]]:
        """How far a file lies from the training files, and what there is to say of it."""
        fitted = self.serving.unlike
        if fitted is None or fitted["version"] != calibration.TRAITS_VERSION:
            return None, []
        traits = calibration.compute_traits(values, self.serving.kind)
        if len(traits) != len(fitted["mean"]):
            raise make_record_error(self.run.name, "serving.json", "unlike.mean", fitted["mean"])
        distance = calibration.compute_ood_distance(traits, fitted)
        unlike = {"distance": distance, "limit": fitted["limit"]}
        if distance <= fitted["limit"]:
            return unlike, []
        said = Message(
            "This is unlike anything in training, so the answer is a guess: its distance is "
            "{distance:.1f}, the limit {limit:.1f}, and beyond that lay only {false_alarms}.",
            distance=distance,
            limit=fitted["limit"],
            false_alarms=self.false_alarms(fitted),
        )
        return unlike, [said]

    def false_alarms(self, fitted: dict[str, Any]) -> str:
        """How many files of the run's own data are taken for unlike it: of the test side, once that was judged."""
        found = self.run.report.unlike_training if self.run.is_complete else None
        if found:
            return Message("{flagged} of {n} test files", flagged=found["flagged"], n=found["n"])
        return Message("{beyond} of {n} validation files", beyond=fitted["beyond"], n=fitted["n"])

    def index_of(self, label: str) -> int:
        """The place of a class among the scores.

        Raises
        ------
        InputError
            If the run knows no such class.
        """
        if label not in self.class_names:
            raise InputError(
                "class {label!r} must be one that run {run_name} knows: {hint}",
                label=label,
                run_name=self.run.name,
                hint=suggest_names(label, self.class_names),
            )
        return self.class_names.index(label)

    @property
    def isolation_notice(self) -> str | None:
        """What to know of a run that is not the user's own, and so is asked in a process of its own; else None."""
        return None if trust.is_own(self.run) else trust.describe_isolation(self.run)

    def load_model(self) -> backends.Model:
        """The loaded model; loaded once even if many threads ask at the same time."""
        with self._lock:
            if self._model is None:
                self._model = backends.load_model(self.run.path, self.serving, self.engine)
        return self._model


def batch_items(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size` items each, the last perhaps shorter (itertools has this from Python 3.12 on)."""
    items = iter(items)
    while some := list(itertools.islice(items, size)):
        yield some
