"""Fit: Keras's own `fit`, stage by stage, with everything kept that a killed training needs to go on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from musicml import store
from musicml.datasets import Dataset
from musicml.experiment import Training
from musicml.learning import callbacks, losses
from musicml.learning.batches import Batches
from musicml.runs import Run


def stages(
    model: Any,
    sides: dict[str, Any],
    targets_of: Callable,
    dataset: Dataset,
    training: Training,
    run: Run,
    data: dict[str, Any],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Train a model as its kind asks: a frozen backbone's head on stored outputs, any other model whole.

    Parameters
    ----------
    sides : `train` and `val` → clips
    targets_of : clips, targets of examples → targets of clips
    data : what run.json says of the data; the store lies below its root

    Returns
    -------
    dict with `epochs` that were run and the `best_epoch`
    """
    targets = {side: targets_of(clips, dataset.targets()) for side, clips in sides.items()}
    learner, given, stage = model, sides, "all"
    if any(layer.name == "standardised_pooled" for layer in model.layers):
        root = Path(data["root"]) / store.FOLDER
        given = {
            side: frozen_outputs(
                model, clips, {"data": data["hash"], "features": clips.features.key, "clips": digest(clips)}, root, say
            )
            for side, clips in sides.items()
            if len(clips)
        }
        outputs = np.asarray(given["train"], dtype=np.float64)
        model.get_layer("standardised_pooled").set_weights([outputs.mean(axis=0), spread_of(outputs)])
        learner, stage = head_of(model), "head"
    train = Batches(given["train"], targets["train"], training.batch_size, seed=run.facts()["seed"])
    val = Batches(given["val"], targets["val"], training.batch_size) if len(sides["val"]) else None
    return fit(learner, train, val, training, dataset.task, run.path, stage)


def spread_of(outputs: np.ndarray) -> np.ndarray:
    """The variance of each channel, [shape=(n_channels,)]; a nearly constant one is not blown up into noise."""
    variance = outputs.var(axis=0)
    return np.maximum(variance, 1e-3 * variance.mean())


def digest(clips: Any) -> str:
    """A digest of which clips these are: 32 hex digits."""
    found = hashlib.blake2b(digest_size=16)
    for part in (clips.features.begin[clips.example], clips.start, np.array([clips.n_frames or 0])):
        found.update(np.ascontiguousarray(part, dtype=np.int64).tobytes())
    return found.hexdigest()


def fit(
    model: Any, train: Batches, val: Batches | None, training: Training, task: str, folder: Path, stage: str
) -> dict[str, Any]:
    """Train `model` and leave it with the weights that the experiment keeps.

    Parameters
    ----------
    model : keras.Model
    train, val : batches with targets; without validation the last epoch is kept
    task : `single` or `multi`
    folder : the run folder; history.csv and checkpoints/ go there
    stage : `head` or `all`, for history.csv

    Returns
    -------
    dict with `epochs` that were run and the `best_epoch`
    """
    compile_model(model, training, task, n_steps=training.epochs * len(train))
    monitor = training.monitor if val is not None else "loss"
    watching = watchers(training, monitor) if val is not None else []
    keep = callbacks.Keep(folder / "checkpoints", monitor, watching)
    history = callbacks.History(folder / "history.csv", stage)
    train.start_at(keep.next_epoch)
    model.fit(
        train,
        validation_data=val,
        epochs=training.epochs,
        initial_epoch=keep.next_epoch,
        verbose=0,
        shuffle=False,
        callbacks=[callbacks.Progress(), history, *watching, keep],
    )
    if training.keep == "best" and val is not None:
        keep.restore_best()
    return {"epochs": len(history.rows), "best_epoch": keep.best_epoch}


def watchers(training: Training, monitor: str) -> list[Any]:
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


def compile_model(model: Any, training: Training, task: str, n_steps: int) -> None:
    """Give the model its loss, optimiser and metric; `n_steps` is the length of a cosine schedule."""
    if task == "single":
        loss: Any = keras.losses.CategoricalCrossentropy(label_smoothing=training.label_smoothing)
        metric: Any = keras.metrics.CategoricalAccuracy(name="accuracy")
    else:
        loss = losses.masked_binary_crossentropy(training.label_smoothing)
        metric = keras.metrics.MeanMetricWrapper(losses.observed_accuracy, name="accuracy")
    model.compile(optimizer=optimizer(training, n_steps), loss=loss, metrics=[metric])


def optimizer(training: Training, n_steps: int) -> Any:
    """The optimiser as the experiment names it."""
    rate: Any = training.learning_rate
    if training.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(training.learning_rate, n_steps)
    clipping = {"clipnorm": training.clipnorm} if training.clipnorm else {}
    decay = {"weight_decay": training.weight_decay} if training.weight_decay or training.optimizer == "adamw" else {}
    kinds = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}
    return kinds[training.optimizer](rate, **clipping, **decay)


def scores_of(model: Any, clips: Any, batch_size: int) -> np.ndarray:
    """Raw scores of clips, in their order, [shape=(n_clips, n_classes)], float32."""
    batches = Batches(clips, None, batch_size)
    if keras.backend.backend() == "tensorflow":
        # called and not predicted: tracing a ResNet50 once more takes longer than the few batches asked for here
        parts = [np.asarray(model(batches[place][0], training=False)) for place in range(len(batches))]
        return np.concatenate(parts).astype(np.float32, copy=False)
    return np.asarray(model.predict(batches, verbose=0), dtype=np.float32)


def frozen_outputs(model: Any, clips: Any, facts: dict[str, Any], root: Path, say: Callable[[str], None]) -> np.ndarray:
    """What the model's frozen part, up to its layer `pooled`, makes of clips: from the store, or computed once.

    Parameters
    ----------
    facts : what the clips depend on; the weights' own digest is added
    root : the store's folder
    """
    body = keras.Model(model.input, model.get_layer("pooled").output)
    facts = {**facts, "weights": digest_of(body), "policy": keras.config.dtype_policy().name}
    shape = (len(clips), body.output_shape[-1])
    return store.outputs(root, facts, shape, lambda: scores_of(body, clips, 32), say)


def head_of(model: Any) -> Any:
    """The part of the model behind its layer `pooled`, as a model that shares its layers."""
    return keras.Model(model.get_layer("pooled").output, model.output)


def digest_of(model: Any) -> str:
    """A digest of all weights: 32 hex digits."""
    found = hashlib.blake2b(digest_size=16)
    for weights in model.get_weights():
        found.update(np.ascontiguousarray(weights).tobytes())
    return found.hexdigest()


def layers_of(model: Any) -> list[dict[str, Any]]:
    """The model's layers for layers.json: name, kind, shape of its output, number of parameters, what it reads."""
    return [
        {
            "name": layer.name,
            "kind": layer.__class__.__name__,
            "output_shape": shape_of(layer),
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


def shape_of(layer: Any) -> list[int | None]:
    """The shape of a layer's output without its batch axis."""
    return list(layer.output.shape[1:])
