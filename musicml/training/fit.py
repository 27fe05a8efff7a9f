"""Fit a Keras model with `model.fit`, saving after every epoch what interrupted training needs to resume."""

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
    jit_compile: Any = "auto",
    on_epoch_end: Callable[[int, dict[str, Any]], None] | None = None,
    previous: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train `model` and leave it with the weights that the experiment keeps.

    Parameters
    ----------
    model : keras.Model
    train, val : batches with targets; without validation the last epoch is kept
    task : `single` or `multi`
    folder : the run folder, for history.csv and checkpoints/
    stage : `head`, `top` or `all`, for history.csv
    jit_compile : whether XLA compiles the steps, as in Keras
    on_epoch_end : called with each epoch and its metrics; an exception it raises ends training
    previous : result of the stage before, whose best epoch is kept if no epoch of this one is better

    Returns
    -------
    dict with `epochs` of all stages, the `best_epoch` of its stage and its `best` value; `input`, the time of making
    batches and waiting for them, in seconds and as a share of training time; and `warnings`, a sentence for each
    stage that ended early because its loss was not finite

    Raises
    ------
    InputError
        If that happens before there is an epoch whose weights can be kept.
    """
    compile_model(model, training, task, training.epochs * len(train), jit_compile)
    monitor = training.monitor if val is not None else "loss"
    schedulers = make_callbacks(training, monitor) if val is not None else []
    # validation scores the averaged weights, which are kept
    averaged = [callbacks.SwapAverage()] if training.ema else []
    name = "checkpoints/finetuned" if previous else "checkpoints"
    checkpoint = callbacks.Checkpoint(folder / name, monitor, [*schedulers, *averaged], training.batch_size, previous)
    history = callbacks.History(folder / "history.csv", stage)
    listeners = [keras.callbacks.LambdaCallback(on_epoch_end=on_epoch_end)] if on_epoch_end else []
    timer = callbacks.StepTimer(train)
    basic = [callbacks.Progress(), interrupts := callbacks.StopOnInterrupt(), callbacks.StopOnNotFinite()]
    train.start_at(checkpoint.next_epoch)
    keeps_best = training.keep == "best" and val is not None
    warnings = list(previous["warnings"]) if previous else []
    try:
        with interrupts, contextlib.closing(train):
            model.fit(
                train,
                validation_data=val,
                epochs=training.epochs,
                initial_epoch=checkpoint.next_epoch,
                verbose=0,
                shuffle=False,  # the batches are shuffled already
                # the checkpoint is last but for the caller's: it saves the state of the others
                callbacks=[*basic, history, timer, *schedulers, *averaged, checkpoint, *listeners],
            )
        if keeps_best:
            checkpoint.restore()
    except callbacks.LossNotFiniteError as error:
        if not checkpoint.restore(callbacks.BEST_FILE if keeps_best else callbacks.STATE_FILE):
            raise
        epoch = checkpoint.best_epoch if keeps_best else checkpoint.next_epoch
        # true if no epoch of this stage was better than the stage before
        is_earlier = keeps_best and previous is not None and checkpoint.best == previous["best"]
        warnings.append(describe_early_end(error, stage, 0 if is_earlier else epoch))
    return {
        "epochs": len(history.rows),
        "best_epoch": checkpoint.best_epoch,
        "best": checkpoint.best,
        "input": timer.summarize(previous and previous["input"]),
        "warnings": warnings,
    }


def describe_early_end(error: callbacks.LossNotFiniteError, stage: str, epoch: int) -> str:
    """Return a warning that a stage ended early, and which weights are kept."""
    template = ENDED_EARLY if epoch else ENDED_AT_ONCE
    values = error.message.values
    return Message(
        template, epoch=values["epoch"], stage=stage, loss=values["loss"], **({"kept": epoch} if epoch else {})
    )


ENDED_AT_ONCE = Message(
    "Training stopped in epoch {epoch} (stage {stage}) because the loss became {loss}. The initial weights are kept. "
    "To train longer, lower training.learning_rate or set training.clipnorm=1.0."
)
ENDED_EARLY = Message(
    "Training stopped in epoch {epoch} (stage {stage}) because the loss became {loss}. The weights of epoch {kept} are "
    "kept. To train longer, lower training.learning_rate or set training.clipnorm=1.0."
)


def make_callbacks(training: TrainingOptions, monitor: str) -> list[Any]:
    """Return early stopping and learning-rate reduction on a plateau, if the experiment enables them."""
    enabled: list[Any] = []
    mode = "max" if monitor.endswith("accuracy") else "min"  # Keras can't infer it for custom metrics
    if training.plateau_patience:
        enabled.append(
            keras.callbacks.ReduceLROnPlateau(  # smaller steps once validation stops improving
                monitor, training.plateau_factor, training.plateau_patience, mode=mode, min_lr=training.plateau_least
            )
        )
    if training.early_stopping:
        enabled.append(keras.callbacks.EarlyStopping(monitor, patience=training.early_stopping, mode=mode))
    return enabled


def compile_model(model: Any, training: TrainingOptions, task: str, n_steps: int, jit_compile: Any = "auto") -> None:
    """Compile the model with its loss, optimizer and metrics. `n_steps` is the length of a cosine schedule."""
    if task == "single":
        loss: Any = keras.losses.CategoricalCrossentropy(label_smoothing=training.label_smoothing)
        metrics: list[Any] = [keras.metrics.CategoricalAccuracy(name="accuracy")]
    else:
        loss = losses.make_masked_crossentropy(training.label_smoothing)
        metrics = losses.make_observed_metrics(training.label_smoothing)
    model.compile(optimizer=make_optimizer(training, n_steps), loss=loss, metrics=metrics, jit_compile=jit_compile)


def make_optimizer(training: TrainingOptions, n_steps: int) -> Any:
    """Return the experiment's optimizer."""
    rate: Any = training.learning_rate
    # cosine: large steps first, ever smaller ones later; warmup starts small, while random weights have large gradients
    if training.schedule == "cosine":
        warmup_steps = round(training.warmup * n_steps)
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup_steps else training.learning_rate,
            n_steps - warmup_steps,
            warmup_target=training.learning_rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )
    # averaging weights over steps cancels the noise of single batches
    averaging = {"use_ema": True, "ema_momentum": training.ema} if training.ema else {}
    # a clipped gradient limits the damage of one unusual batch
    clipping = {"clipnorm": training.clipnorm} if training.clipnorm else {}
    decay = {"weight_decay": training.weight_decay} if training.weight_decay or training.optimizer == "adamw" else {}
    plain, averaged = OPTIMIZERS[training.optimizer]
    return (averaged if training.ema else plain)(rate, **clipping, **decay, **averaging)


class _RampedAverage:
    """Exponential moving average (EMA) of the weights, whose momentum rises during training.

    With a momentum of 0.999 the average covers about a thousand steps, so the first ones would count for most of a
    short training. In step t the momentum is min(ema, (1 + t) / (10 + t)). The average begins with the weights after
    the first step.
    """

    use_ema: bool
    ema_momentum: float
    iterations: Any
    _model_variables_moving_average: list[Any]

    def _update_model_variables_moving_average(self, trainable_variables: list[Any]) -> None:
        """Update the averages. Keras calls this after each step."""
        if not self.use_ema:
            return
        step = keras.ops.cast(self.iterations, "float32")
        ramped = keras.ops.minimum(self.ema_momentum, (1 + step) / (10 + step))
        momentum = keras.ops.where(step > 0, ramped, 0.0)  # in step 0 the average becomes the weights
        for variable, average in zip(trainable_variables, self._model_variables_moving_average, strict=True):
            if average is not None:
                share = keras.ops.cast(momentum, variable.dtype)
                average.assign(share * average + (1 - share) * variable)


@keras.saving.register_keras_serializable("musicml")
class AveragedAdam(_RampedAverage, keras.optimizers.Adam):
    """Adam with a ramped moving average.

    TensorFlow names a scope after the class, and allows no scope that begins with an underscore.
    """


@keras.saving.register_keras_serializable("musicml")
class AveragedAdamW(_RampedAverage, keras.optimizers.AdamW):
    """AdamW with a ramped moving average."""


@keras.saving.register_keras_serializable("musicml")
class AveragedSGD(_RampedAverage, keras.optimizers.SGD):
    """SGD with a ramped moving average."""


OPTIMIZERS = {  # without and with a moving average
    "adam": (keras.optimizers.Adam, AveragedAdam),
    "adamw": (keras.optimizers.AdamW, AveragedAdamW),
    "sgd": (keras.optimizers.SGD, AveragedSGD),
}


def predict_scores(model: Any, clips: Any, batch_size: int, dtype: str = "float32") -> np.ndarray:
    """Return raw scores of clips, in their order, [shape=(n_clips, n_classes)], or the model's other output."""
    batches = Batches(clips, None, min(batch_size, compute_batch_limit(model)))
    if keras.backend.backend() == "tensorflow":
        # not model.predict, which would trace the model once more: longer than these few batches take
        parts = [np.asarray(model(batches[place][0], training=False), dtype=dtype) for place in range(len(batches))]
        return np.concatenate(parts)
    return np.asarray(model.predict(batches, verbose=0), dtype=dtype)


def save_model(model: Any, folder: Path) -> None:
    """Write model.keras and layers.json to a run folder."""
    with write_atomically(folder / "model.keras") as temporary:
        model.save(temporary, include_optimizer=False)
    write_json(folder / "layers.json", describe_layers(model))


def describe_layers(model: Any) -> list[dict[str, Any]]:
    """Describe the model's layers for layers.json: name, kind, output shape, parameters and inputs."""
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
