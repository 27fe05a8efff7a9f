"""Fit: Keras's own `fit`, with everything kept that a killed training needs to go on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from musicml.experiment import TrainingOptions
from musicml.models import compute_batch_limit
from musicml.training import callbacks, losses
from musicml.training.batches import Batches
from musicml.utils import Message, write_atomically, write_json


def fit_model(
    model: Any,
    train: Batches,
    val: Batches | None,
    training: TrainingOptions,
    task: str,
    folder: Path,
    stage: str,
    compiled: Any = "auto",
    watch: Callable[[int, dict[str, Any]], None] | None = None,
    before: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train `model` and leave it with the weights that the experiment keeps.

    Parameters
    ----------
    model : keras.Model
    train, val : batches with targets; without validation the last epoch is kept
    task : `single` or `multi`
    folder : the run folder; history.csv and checkpoints/ go there
    stage : `head`, `top` or `all`, for history.csv
    compiled : whether XLA compiles the steps, as Keras's `jit_compile`
    watch : told each epoch and its metrics; what it raises ends the training
    before : what came out of the stage before this one, whose best epoch is kept where none of these is better

    Returns
    -------
    dict with `epochs` that were run in all stages, the `best_epoch` of its stage and its `best` value, and `input`:
    what making batches and waiting for them took, in seconds and as a share of the time that training took; and
    `warnings`, a sentence for each stage that ended early since its loss was no finite number

    Raises
    ------
    InputError
        If that happens before there is an epoch whose weights can be kept.
    """
    compile_model(model, training, task, training.epochs * len(train), compiled)
    monitor = training.monitor if val is not None else "loss"
    watching = make_callbacks(training, monitor) if val is not None else []
    averaged = [callbacks.SwapAverage()] if training.ema else []
    name = "checkpoints/finetuned" if before else "checkpoints"
    keep = callbacks.Checkpoint(folder / name, monitor, [*watching, *averaged], training.batch_size, before)
    history = callbacks.History(folder / "history.csv", stage)
    told = [keras.callbacks.LambdaCallback(on_epoch_end=watch)] if watch else []
    clock = callbacks.StepTimer(train)
    always = [callbacks.Progress(), interrupts := callbacks.StopOnInterrupt(), callbacks.StopOnNotFinite()]
    train.start_at(keep.next_epoch)
    keeps_best = training.keep == "best" and val is not None
    warnings = list(before["warnings"]) if before else []
    try:
        with interrupts, contextlib.closing(train):
            model.fit(
                train,
                validation_data=val,
                epochs=training.epochs,
                initial_epoch=keep.next_epoch,
                verbose=0,
                shuffle=False,
                callbacks=[*always, history, clock, *watching, *averaged, keep, *told],
            )
        if keeps_best:
            keep.restore()
    except callbacks.LossNotFiniteError as error:
        if not keep.restore(callbacks.BEST_FILE if keeps_best else callbacks.STATE_FILE):
            raise
        epoch = keep.best_epoch if keeps_best else keep.next_epoch
        is_earlier = keeps_best and before is not None and keep.best == before["best"]  # the stage before is better
        warnings.append(describe_early_end(error, stage, 0 if is_earlier else epoch))
    return {
        "epochs": len(history.rows),
        "best_epoch": keep.best_epoch,
        "best": keep.best,
        "input": clock.summarize(before and before["input"]),
        "warnings": warnings,
    }


def describe_early_end(error: callbacks.LossNotFiniteError, stage: str, epoch: int) -> str:
    """Say that a stage ended early, and which weights are kept."""
    template = ENDED_EARLY if epoch else ENDED_AT_ONCE
    values = error.message.values
    return Message(
        template, epoch=values["epoch"], stage=stage, loss=values["loss"], **({"kept": epoch} if epoch else {})
    )


ENDED_AT_ONCE = Message(
    "The training stopped in epoch {epoch} (stage {stage}), since its loss became {loss}: the weights that it began "
    "with are kept. To train longer, lower training.learning_rate or set training.clipnorm=1.0."
)
ENDED_EARLY = Message(
    "The training stopped in epoch {epoch} (stage {stage}), since its loss became {loss}: the weights of epoch "
    "{kept} are kept. To train longer, lower training.learning_rate or set training.clipnorm=1.0."
)


def make_callbacks(training: TrainingOptions, monitor: str) -> list[Any]:
    """Early stopping and the plateau rule, where the experiment asks for them."""
    found: list[Any] = []
    mode = "max" if monitor.endswith("accuracy") else "min"  # Keras does not know which way a metric of ours is better
    if training.plateau_patience:
        found.append(
            keras.callbacks.ReduceLROnPlateau(
                monitor, training.plateau_factor, training.plateau_patience, mode=mode, min_lr=training.plateau_least
            )
        )
    if training.early_stopping:
        found.append(keras.callbacks.EarlyStopping(monitor, patience=training.early_stopping, mode=mode))
    return found


def compile_model(model: Any, training: TrainingOptions, task: str, n_steps: int, compiled: Any = "auto") -> None:
    """Give the model its loss, optimiser and metric; `n_steps` is the length of a cosine schedule."""
    if task == "single":
        loss: Any = keras.losses.CategoricalCrossentropy(label_smoothing=training.label_smoothing)
        metrics: list[Any] = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    else:
        loss = losses.make_masked_crossentropy(training.label_smoothing)
        metrics = losses.make_observed_metrics(training.label_smoothing)
    model.compile(optimizer=make_optimizer(training, n_steps), loss=loss, metrics=metrics, jit_compile=compiled)


def make_optimizer(training: TrainingOptions, n_steps: int) -> Any:
    """The optimiser as the experiment names it."""
    rate: Any = training.learning_rate
    if training.schedule == "cosine":
        rising = round(training.warmup * n_steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if rising else training.learning_rate,
            n_steps - rising,
            warmup_target=training.learning_rate if rising else None,
            warmup_steps=rising,
        )
    averaging = {"use_ema": True, "ema_momentum": training.ema} if training.ema else {}
    clipping = {"clipnorm": training.clipnorm} if training.clipnorm else {}
    decay = {"weight_decay": training.weight_decay} if training.weight_decay or training.optimizer == "adamw" else {}
    plain, averaged = OPTIMIZERS[training.optimizer]
    return (averaged if training.ema else plain)(rate, **clipping, **decay, **averaging)


class _RampedAverage:
    """Let an optimizer's moving average follow the weights closely at first, so that a short training has an average.

    The momentum in step t is min(ema, (1 + t) / (10 + t)); the average begins with the weights after the first step.
    """

    use_ema: bool
    ema_momentum: float
    iterations: Any
    _model_variables_moving_average: list[Any]

    def _update_model_variables_moving_average(self, trainable_variables: list[Any]) -> None:
        """Update the averages; Keras calls this after each step."""
        if not self.use_ema:
            return
        step = keras.ops.cast(self.iterations, "float32")
        ramped = keras.ops.minimum(self.ema_momentum, (1 + step) / (10 + step))
        momentum = keras.ops.where(step > 0, ramped, 0.0)
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            if average is not None:
                share = keras.ops.cast(momentum, variable.dtype)
                average.assign(share * average + (1 - share) * variable)


@keras.saving.register_keras_serializable("musicml")
class AveragedAdam(_RampedAverage, keras.optimizers.Adam):
    """Adam with a ramped moving average; TensorFlow takes no scope whose name begins with an underscore."""


@keras.saving.register_keras_serializable("musicml")
class AveragedAdamW(_RampedAverage, keras.optimizers.AdamW):
    """AdamW with a ramped moving average."""


@keras.saving.register_keras_serializable("musicml")
class AveragedSGD(_RampedAverage, keras.optimizers.SGD):
    """SGD with a ramped moving average."""


OPTIMIZERS = {  # without a moving average, and with one
    "adam": (keras.optimizers.Adam, AveragedAdam),
    "adamw": (keras.optimizers.AdamW, AveragedAdamW),
    "sgd": (keras.optimizers.SGD, AveragedSGD),
}


def predict_scores(model: Any, clips: Any, batch_size: int, dtype: str = "float32") -> np.ndarray:
    """Raw scores of clips, in their order, [shape=(n_clips, n_classes)], or whatever the model gives of each."""
    batches = Batches(clips, None, min(batch_size, compute_batch_limit(model)))
    if keras.backend.backend() == "tensorflow":
        # called and not predicted: tracing a ResNet50 once more takes longer than the few batches asked for here
        parts = [np.asarray(model(batches[place][0], training=False), dtype=dtype) for place in range(len(batches))]
        return np.concatenate(parts)
    return np.asarray(model.predict(batches, verbose=0), dtype=dtype)


def save_model(model: Any, folder: Path) -> None:
    """Write model.keras and layers.json into a run folder."""
    with write_atomically(folder / "model.keras") as temporary:
        model.save(temporary, include_optimizer=False)
    write_json(folder / "layers.json", describe_layers(model))


def describe_layers(model: Any) -> list[dict[str, Any]]:
    """The model's layers for layers.json: name, kind, shape of its output, number of parameters, what it reads."""
    return [
        {
            "name": layer.name,
            "kind": layer.__class__.__name__,
            "output_shape": list(layer.output.shape[1:]),  # without its batch axis
            "parameters": layer.count_params(),
            "trainable": int(sum(np.prod(weights.shape) for weights in layer.trainable_weights)),
            "reads": [
                tensor._keras_history.operation.name
                for node in layer._inbound_nodes[:1]
                for tensor in node.input_tensors
            ],
        }
        for layer in model.layers
    ]
