"""Train a model in stages: all of it at once, or the head on a frozen backbone's cached outputs and then upper layers.

A frozen backbone gives the same output for the same clip in every epoch. So its outputs are computed once and kept
on disk, and an epoch of the head takes milliseconds instead of minutes.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from musicml.data import CACHE_FOLDER
from musicml.experiment import Experiment, Run, TrainingOptions
from musicml.features import RESAMPLING, Augment, get_frozen_outputs
from musicml.training import fit
from musicml.training.batches import AugmentedView, Batches, RandomViews
from musicml.training.device import is_out_of_memory
from musicml.training.distribution import Devices
from musicml.training.sklearn_heads import fit_kernel_machine, fit_linear_head
from musicml.utils import InputError, Message, to_dict

logger = logging.getLogger(__name__)

CHUNK_ROWS = 65_536  # of a frozen backbone's outputs, converted to float64 at a time
STANDARDIZED_LAYER = "standardised_pooled"  # only after a frozen backbone; saved models contain the name


def train_stages(
    model: Any,
    clips: dict[str, Any],
    targets: dict[str, np.ndarray],
    experiment: Experiment,
    task: str,
    run: Run,
    all_clips: Any = None,
    jit_compile: Any = "auto",
    on_epoch_end: Any = None,
    devices: Devices | None = None,
) -> dict[str, Any]:
    """Train a model in the stages that its family and its experiment need.

    Parameters
    ----------
    clips : `train` and `val` → clips
    targets : `train` and `val` → np.ndarray [shape=(n_clips, n_classes)]
    task : `single` or `multi`
    all_clips : clips of all examples, if several models share the frozen backbone's outputs
    jit_compile, on_epoch_end : as for `fit.fit_model`
    devices : those that the model was built on; None for one

    Returns
    -------
    dict with `epochs`, the `best_epoch` of its stage, `input` (the time of making batches), `warnings`, and the
    `batch_size` that fit in memory; if scikit-learn fits the model, which has no epochs, only the `model`
    """
    training, seed, devices = experiment.training, run.info.seed, devices or Devices()
    weights = compute_class_weights(targets["train"]) if training.class_weights == "balanced" else None
    inputs, augment = clips, experiment.augment
    is_frozen = any(layer.name == STANDARDIZED_LAYER for layer in model.layers)
    if is_frozen:
        inputs = store_frozen_outputs(model, clips, all_clips, experiment, run)
        outputs = inputs["train"].outputs[0] if isinstance(inputs["train"], RandomViews) else inputs["train"]
        # statistics of the training clips alone: validation must not influence the model
        model.get_layer(STANDARDIZED_LAYER).set_weights(compute_channel_statistics(outputs))
        augment = replace(augment, cutmix=0.0)  # CutMix cuts time and frequency, and the outputs no longer have both
    trained_part, stage = (make_head(model), "head") if is_frozen else (model, "all")
    if experiment.is_fitted_at_once:
        model = fit_by_sklearn(model, inputs["train"], targets["train"], experiment)
        return {"model": model}

    def fit_stage(part: Any, inputs: dict[str, Any], augment: Augment, options: TrainingOptions, stage: str) -> Any:
        """Fit one stage. If memory runs out, continue from the last saved epoch with half the batch size."""
        initial_weights = [keras.ops.convert_to_numpy(variable) for variable in part.variables]
        while True:
            size = get_batch_size(run, training)
            # a smaller batch has a noisier gradient, so the learning rate shrinks by the same factor
            scaled = replace(options, batch_size=size, learning_rate=options.learning_rate * size / training.batch_size)
            train = Batches(inputs["train"], targets["train"], size, seed, augment, weights)
            try:
                shared = (task, run.path, stage, jit_compile, on_epoch_end, result)
                with devices.divide_batches(train):
                    n_val = len(clips["val"])
                    val_size = devices.choose_whole_size(n_val, size)
                    val = Batches(inputs["val"], targets["val"], val_size) if n_val else None
                    return fit.fit_model(part, train, val, scaled, *shared)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                record_smaller_batch(run, training.batch_size, size, error)
            # outside the except block, in which the error still holds the tensors that did not fit
            gc.collect()
            for variable, value in zip(part.variables, initial_weights, strict=True):
                variable.assign(value)

    result = None
    result = fit_stage(trained_part, inputs, augment, training, stage)
    if is_frozen and training.finetune_epochs:
        logger.info("fine-tuning: %s", unfreeze(model, training.finetune_layers))
        stage = "all" if training.finetune_layers == 1 else "top"
        # fine-tuning starts with a trained head, whose small gradients spare the pretrained weights
        finetuning = replace(training, epochs=training.finetune_epochs, learning_rate=training.finetune_rate)
        result = fit_stage(model, clips, experiment.augment, finetuning, stage)
    return {**result, "batch_size": get_batch_size(run, training)}


def get_batch_size(run: Run, training: TrainingOptions) -> int:
    """Return the batch size that a run trains with: the experiment's, or a smaller one that fit in memory."""
    used = (run.info.batch_size or {}).get("used")
    return used if isinstance(used, int) and 1 <= used <= training.batch_size else training.batch_size


def record_smaller_batch(run: Run, requested: int, size: int, error: Exception) -> None:
    """Halve the run's batch size in run.json after memory ran out. Raise an `InputError` at one example."""
    if size == 1:
        raise InputError(
            "Expected enough memory for one example at a time, but it ran out. Choose a smaller model or shorter "
            "clips, or close other programs that use the memory of {device}.",
            device=run.info.device,
        ) from error
    logger.warning(
        "out of memory with batches of %s: training continues with batches of %s and a learning rate scaled by %g",
        size,
        size // 2,
        size // 2 / requested,
    )
    run.update(
        batch_size={
            "asked": requested,
            "used": size // 2,
            "reason": Message("out of memory with batches of {size}", size=size),
        }
    )


def fit_by_sklearn(model: Any, inputs: Any, targets: np.ndarray, experiment: Experiment) -> Any:
    """Fit a model's head with scikit-learn on its frozen part's outputs, including views, and return the model."""
    views = inputs.outputs if isinstance(inputs, RandomViews) else [inputs]
    standardize = model.get_layer(STANDARDIZED_LAYER)
    x = np.concatenate([np.asarray(standardize(np.asarray(view, dtype=np.float32))) for view in views])
    balanced = experiment.training.class_weights == "balanced"
    targets = np.tile(targets, (len(views), 1))
    if experiment.family == "svm":
        return fit_kernel_machine(model, x, targets, experiment.model, balanced)
    fit_linear_head(model, model.layers[-1].name, x, targets, experiment.model, balanced)
    return model


def compute_class_weights(targets: np.ndarray) -> np.ndarray:
    """Compute weights with which all classes count equally, [shape=(n_classes,)], float32.

    Without weights, a model can get a low loss by predicting the frequent classes only.
    """
    counts = targets.sum(axis=0)
    # n / (n_classes * count), as scikit-learn's class_weight='balanced'; 0 for a class without examples
    return np.where(counts > 0, len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0).astype(np.float32)


def unfreeze(model: Any, share: float) -> str:
    """Unfreeze the upper `share` of the backbone's layers, but not its batch normalizations.

    Their means and variances come from a million pictures; those of a small batch would be worse. Upper layers come
    first, because lower ones detect edges and textures that any picture has.

    Returns
    -------
    str, the layers that are trained now
    """
    names = [layer.name for layer in model.layers]
    body = model.layers[names.index("preprocessed") : names.index("pooled")]
    fixed = (keras.layers.BatchNormalization, keras.layers.Dense)  # a dense layer before `pooled` only resizes
    candidates = [layer for layer in body if layer.weights and not isinstance(layer, fixed)]
    chosen = candidates[len(candidates) - max(1, round(share * len(candidates))) :]
    for layer in chosen:
        layer.trainable = True
    return Message(
        "{n_chosen} of the backbone's {n_able} layers are trained too, from {name} on",
        n_chosen=len(chosen),
        n_able=len(candidates),
        name=chosen[0].name,
    )


def store_frozen_outputs(
    model: Any, clips: dict[str, Any], all_clips: Any, experiment: Experiment, run: Run
) -> dict[str, Any]:
    """Return the frozen backbone's outputs for each split's clips, with augmented views for training."""
    info, augment = run.info, experiment.augment
    data, seed = info.data, info.seed
    root = Path(data.root) / CACHE_FOLDER

    def compute(part: Any, view: int = 0) -> np.ndarray:
        """Return the outputs for one split's clips. View 0 is the plain one."""
        source = all_clips or part
        facts = {"data": data.hash, "features": source.features.key, "clips": digest_clips(source)}
        if view:  # augmented clips depend on the seed, so each seed has outputs of its own
            facts |= {"augment": to_dict(augment), "seed": seed, "view": view, "drawn": RESAMPLING}
            source = AugmentedView(source, augment, seed, view)
        outputs = compute_frozen_outputs(model, source, facts, root)
        return outputs[np.isin(all_clips.example, part.example)] if all_clips else outputs

    stored: dict[str, Any] = {split: compute(part) for split, part in clips.items() if len(part)}
    if augment.views:
        views = [compute(clips["train"], view) for view in range(1, augment.views + 1)]
        stored["train"] = RandomViews([stored["train"], *views])
    return stored


def compute_channel_statistics(outputs: np.ndarray) -> list[np.ndarray]:
    """Compute mean and variance of each channel, the last axis."""
    rows = outputs.reshape(-1, outputs.shape[-1])  # a sequence's steps are rows too
    # in chunks: float64 of all rows would not fit in memory
    blocks = [slice(start, start + CHUNK_ROWS) for start in range(0, len(rows), CHUNK_ROWS)]
    mean = sum(rows[block].sum(axis=0, dtype=np.float64) for block in blocks) / len(rows)
    variance = sum(np.square(rows[block] - mean).sum(axis=0) for block in blocks) / len(rows)
    # a lower limit, so that nearly constant channels are not amplified into noise
    return [mean, np.maximum(variance, 1e-3 * variance.mean())]


def digest_clips(clips: Any) -> str:
    """Return a digest of the places of clips: 32 hex digits."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (clips.features.begin[clips.example], clips.start, np.array([clips.n_frames or 0])):
        digest.update(np.ascontiguousarray(part, dtype=np.int64).tobytes())
    return digest.hexdigest()


def compute_frozen_outputs(model: Any, clips: Any, facts: dict[str, Any], root: Path) -> np.ndarray:
    """Return the outputs of the model's frozen part, up to its layer `pooled`, from the cache or computed now.

    Parameters
    ----------
    facts : what the clips depend on; a digest of the frozen part is added
    root : the cache's folder
    """
    body = keras.Model(model.input, model.get_layer("pooled").output)
    facts = {**facts, "model": digest_model(body), "policy": keras.config.dtype_policy().name}
    shape = (len(clips), *body.output_shape[1:])
    # sequences of frames are large, and half precision suffices as input of a head
    dtype = "float16" if len(shape) == 3 else "float32"
    return get_frozen_outputs(root, facts, shape, lambda: fit.predict_scores(body, clips, 32, dtype), dtype)


def make_head(model: Any) -> Any:
    """Return the part of the model after its layer `pooled`, as a model that shares its layers."""
    return keras.Model(model.get_layer("pooled").output, model.output)


def digest_model(model: Any) -> str:
    """Return a digest of a model's layers, their settings and all weights: 32 hex digits."""
    settings = [[layer.__class__.__name__, {**layer.get_config(), "name": ""}] for layer in model.layers]
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True, default=str).encode(), digest_size=16)
    for weights in model.get_weights():
        digest.update(np.ascontiguousarray(weights).tobytes())
    return digest.hexdigest()
