"""Time the steps of a model's training on a few clips, without a run folder."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil

from musicml.data.datasets import Dataset
from musicml.data.splits import Split
from musicml.experiment import Experiment
from musicml.features import Augment, Clips, Features, get_targets
from musicml.models import build_model, compute_batch_limit
from musicml.training import device, fit, stages, trainer
from musicml.training.batches import AugmentedView, Batches, RandomViews

MAX_STEPS, MIN_STEPS, MAX_STAGE_SECONDS = 30, 3, 8.0  # timed after the first one, which compiles
N_VAL_STEPS = 6
FROZEN_BATCH_SIZE, MAX_FROZEN_SECONDS = 32, 4.0  # as in `stages.compute_frozen_outputs`
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class StageTimes:
    """Time of one stage of training.

    Attributes
    ----------
    epochs : at most
    step, val_step : seconds per clip in training and in validation
    batch_size : what fit in memory
    """

    epochs: int
    step: float
    val_step: float
    batch_size: int


@dataclass(frozen=True)
class ModelTimes:
    """Time and memory of a model.

    Attributes
    ----------
    stages : of training; none if scikit-learn fits the model
    frozen : seconds per clip of a frozen backbone, whose outputs are computed once
    frozen_size : bytes per clip of these outputs in the cache; 0 without one
    peak : bytes of this process while the model was trained
    """

    stages: tuple[StageTimes, ...]
    frozen: float
    frozen_size: int
    peak: int


def time_model(
    experiment: Experiment, dataset: Dataset, features: Features, clips: Clips, n_clips: int, seed: int, data_root: Path
) -> ModelTimes:
    """Time the steps of the experiment's network.

    Parameters
    ----------
    dataset, features, clips : of the files to time it on
    n_clips : number of training clips of the whole dataset, which a batch can't exceed

    Raises
    ------
    InputError
        If the model can't be built for these clips.
    """
    device.take_one_gpu()
    keras.backend.clear_session()  # free the memory of earlier models
    policy, _ = device.choose_precision(experiment.training.precision)
    keras.config.set_dtype_policy(policy)
    everything = Split(np.full(len(dataset.examples), "train"), "")
    material = trainer.TrainingData(dataset, everything, features, trainer.ClipSpec())
    spec = trainer.make_model_spec(experiment, material, clips, seed, data_root)
    options = experiment.model
    if experiment.family == "transfer":  # random weights are as fast, and nothing is downloaded
        options = replace(options, weights="none")
    clips = replace(clips, fill=spec.mean, kind=experiment.kind)
    targets = get_targets(clips, dataset.targets())
    with _watch_memory() as peak:
        model = build_model(experiment.family, options, spec)
        clock = _Clock(experiment, dataset.task, targets, min(experiment.training.batch_size, n_clips), seed)
        if any(layer.name == stages.STANDARDIZED_LAYER for layer in model.layers):
            times = _time_frozen(model, clips, clock)
        else:
            times = (clock.time_stage(model, clips, experiment.augment, experiment.training.epochs),), 0.0, 0
    return ModelTimes(*times, peak[0])


def _time_frozen(model: Any, clips: Clips, clock: _Clock) -> tuple[tuple[StageTimes, ...], float, int]:
    """Time the frozen part of a model, its head, and fine-tuning, as `stages.train_stages` trains them."""
    experiment, training, augment = clock.experiment, clock.experiment.training, clock.experiment.augment
    body = keras.Model(model.input, model.get_layer("pooled").output)
    shape = body.output_shape[1:]
    dtype = "float16" if len(shape) == 2 else "float32"
    size = min(FROZEN_BATCH_SIZE, compute_batch_limit(body))

    def predict(n: int) -> tuple[np.ndarray, float]:
        """Return the outputs for `n` clips, and the seconds per clip."""
        source = _repeat(clips, n)
        view = AugmentedView(source, augment, clock.seed, 1) if augment.views else source
        start_time = time.perf_counter()
        outputs = fit.predict_scores(body, view, FROZEN_BATCH_SIZE, dtype)
        return outputs, (time.perf_counter() - start_time) / n

    _, first = predict(size)
    outputs, seconds = predict(size * int(np.clip(MAX_FROZEN_SECONDS / max(first * size, 1e-9), 1, 8)))
    found: list[StageTimes] = []
    if not experiment.is_fitted_at_once:
        inputs = RandomViews([outputs]) if augment.views else outputs
        head_augment = replace(augment, cutmix=0.0)
        found.append(clock.time_stage(stages.make_head(model), inputs, head_augment, training.epochs))
        if training.finetune_epochs:
            stages.unfreeze(model, training.finetune_layers)
            found.append(clock.time_stage(model, clips, augment, training.finetune_epochs))
    return tuple(found), seconds, int(np.prod(shape)) * np.dtype(dtype).itemsize


@dataclass
class _Clock:
    """Times the stages of one training, which share its targets and its batch size."""

    experiment: Experiment
    task: str
    targets: np.ndarray
    batch_size: int
    seed: int

    def time_stage(self, part: Any, inputs: Any, augment: Augment, epochs: int) -> StageTimes:
        """Train a model for a few steps. If memory runs out, try half the batch size, as training does."""
        size = self.batch_size
        while True:
            try:
                times, val_times = self._fit(part, inputs, augment, size)
                break
            except Exception as error:
                if not device.is_out_of_memory(error) or size == 1:
                    raise
            size //= 2
        return StageTimes(epochs, float(np.mean(times)) / size, float(np.mean(val_times)) / size, size)

    def _fit(self, part: Any, inputs: Any, augment: Augment, size: int) -> tuple[list[float], list[float]]:
        """Return the seconds of steps in training and in validation, without the first ones."""
        training = self.experiment.training
        weights = stages.compute_class_weights(self.targets) if training.class_weights == "balanced" else None
        jit_compile, _ = device.choose_compile(training.compile)
        fit.compile_model(part, training, self.task, training.epochs * MAX_STEPS, jit_compile)
        n, n_val = size * (MAX_STEPS + 1), size * N_VAL_STEPS
        train = Batches(_repeat(inputs, n), _repeat(self.targets, n), size, self.seed, augment, weights)
        plain = inputs.outputs[0] if isinstance(inputs, RandomViews) else inputs
        val = Batches(_repeat(plain, n_val), _repeat(self.targets, n_val), size)
        timer = _StepTimer()
        with contextlib.closing(train):
            part.fit(train, validation_data=val, epochs=1, verbose=0, shuffle=False, callbacks=[timer])
        return timer.list_seconds("train"), timer.list_seconds("val")


class _StepTimer(keras.callbacks.Callback):
    """Records when each step ends, and stops training when its time is over."""

    def __init__(self):
        super().__init__()
        self.ends: dict[str, list[float]] = {"train": [], "val": []}

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Record the end of a step, once its loss is known: a GPU computes it later than it is requested."""
        for value in (logs or {}).values():
            float(value)
        ends = self.ends["train"]
        ends.append(time.perf_counter())
        if len(ends) > MIN_STEPS and ends[-1] - ends[0] > MAX_STAGE_SECONDS:
            self.model.stop_training = True

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Record the end of a step of validation."""
        for value in (logs or {}).values():
            float(value)
        self.ends["val"].append(time.perf_counter())

    def list_seconds(self, split: str) -> list[float]:
        """Return the seconds of each step but the first, which compiles."""
        return np.diff(self.ends[split]).tolist()


def _repeat(clips: Any, n: int) -> Any:
    """Return `n` clips or targets, repeating those that there are."""
    if isinstance(clips, RandomViews):
        return RandomViews([_repeat(view, n) for view in clips.outputs])
    places = np.arange(n) % len(clips)
    if isinstance(clips, np.ndarray):
        return clips[places]
    return replace(clips, example=clips.example[places], start=clips.start[places])


@contextlib.contextmanager
def _watch_memory() -> Iterator[list[int]]:
    """Record the peak of this process's memory, in bytes, in a list of one."""
    process, stopped = psutil.Process(), threading.Event()
    peak = [process.memory_info().rss]

    def poll() -> None:
        """Update the peak until the thread is stopped."""
        while not stopped.wait(POLL_SECONDS):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stopped.set()
        thread.join()
        peak[0] = max(peak[0], process.memory_info().rss)
