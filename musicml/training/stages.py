"""Stages: a model learns whole; or its head on a frozen backbone's stored outputs first, and then its upper layers."""

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
from musicml.training.sklearn_heads import fit_kernel_machine, fit_linear_head
from musicml.utils import InputError, Message, to_dict

logger = logging.getLogger(__name__)

CHUNK_ROWS = 65_536  # rows of a frozen backbone's outputs taken at a time
STANDARDIZED_LAYER = "standardised_pooled"  # the layer that only a frozen backbone has behind it


def train_stages(
    model: Any,
    sides: dict[str, Any],
    targets: dict[str, np.ndarray],
    experiment: Experiment,
    task: str,
    run: Run,
    everything: Any = None,
    **how: Any,
) -> dict[str, Any]:
    """Train a model as its kind and its experiment ask.

    Parameters
    ----------
    sides : `train` and `val` → clips
    targets : the same → np.ndarray [shape=(n_clips, n_classes)]
    task : `single` or `multi`
    everything : the clips of all examples, where other models shall find what a frozen backbone makes of them
    how : `compiled` and `watch`, as `fit.fit` takes them

    Returns
    -------
    dict with `epochs` that were run, the `best_epoch` of its stage, `input`, what making batches took, `warnings`, and
    the `batch_size` that memory had room for; of what scikit-learn fits, which has no epochs, only the `model`
    """
    training, seed = experiment.training, run.info.seed
    weights = compute_class_weights(targets["train"]) if training.class_weights == "balanced" else None
    given, varied = sides, experiment.augment
    frozen = any(layer.name == STANDARDIZED_LAYER for layer in model.layers)
    if frozen:
        given = store_frozen_outputs(model, sides, everything, experiment, run)
        outputs = given["train"].outputs[0] if isinstance(given["train"], RandomViews) else given["train"]
        model.get_layer(STANDARDIZED_LAYER).set_weights(compute_channel_statistics(outputs))
        varied = replace(varied, cutmix=0.0)  # outputs have no place in time or space to cut
    learner, stage = (make_head(model), "head") if frozen else (model, "all")
    if experiment.is_fitted_at_once:
        model = fit_by_sklearn(model, given["train"], targets["train"], experiment)
        return {"model": model}

    def fit_stage(learner: Any, given: dict[str, Any], varied: Augment, options: TrainingOptions, stage: str) -> Any:
        """Fit one stage; where memory does not suffice, again with half the batch from where it was kept last."""
        begun = [keras.ops.convert_to_numpy(variable) for variable in learner.variables]
        while True:
            size = get_batch_size(run, training)
            scaled = replace(options, batch_size=size, learning_rate=options.learning_rate * size / training.batch_size)
            train = Batches(given["train"], targets["train"], size, seed, varied, weights)
            val = Batches(given["val"], targets["val"], size) if len(sides["val"]) else None
            try:
                return fit.fit_model(learner, train, val, scaled, task, run.path, stage, before=done, **how)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                note_smaller_batch(run, training.batch_size, size, error)
            # after the block, so that the error no longer holds what did not fit
            gc.collect()
            for variable, value in zip(learner.variables, begun, strict=True):
                variable.assign(value)

    done = None
    done = fit_stage(learner, given, varied, training, stage)
    if frozen and training.finetune_epochs:
        logger.info("fine-tuning: %s", unfreeze(model, training.finetune_layers))
        stage = "all" if training.finetune_layers == 1 else "top"
        second = replace(training, epochs=training.finetune_epochs, learning_rate=training.finetune_rate)
        done = fit_stage(model, sides, experiment.augment, second, stage)
    return {**done, "batch_size": get_batch_size(run, training)}


def get_batch_size(run: Run, training: TrainingOptions) -> int:
    """The batch size that a run trains with: what it asks for, or what memory had room for when it was tried."""
    used = (run.info.batch_size or {}).get("used")
    return used if isinstance(used, int) and 1 <= used <= training.batch_size else training.batch_size


def note_smaller_batch(run: Run, asked: int, size: int, error: Exception) -> None:
    """Write into run.json, and say, that memory is too small for batches of `size`, and that half of it is next.

    Raises
    ------
    InputError
        If a batch is one example already.
    """
    if size == 1:
        raise InputError(
            "Expected memory for one example at a time, and there was not enough. Choose a smaller model or shorter "
            "clips, or end what else uses the memory of {device}.",
            device=run.info.device,
        ) from error
    logger.warning(
        "out of memory with batches of %s: training goes on with batches of %s, and with its learning "
        "rate scaled by %g",
        size,
        size // 2,
        size // 2 / asked,
    )
    run.update(
        batch_size={
            "asked": asked,
            "used": size // 2,
            "reason": Message("out of memory with batches of {size}", size=size),
        }
    )


def fit_by_sklearn(model: Any, given: Any, targets: np.ndarray, experiment: Experiment) -> Any:
    """Fit a model's head by scikit-learn on its frozen part's outputs, views included, and return the model."""
    views = given.outputs if isinstance(given, RandomViews) else [given]
    standardised = model.get_layer(STANDARDIZED_LAYER)
    x = np.concatenate([np.asarray(standardised(np.asarray(view, dtype=np.float32))) for view in views])
    balanced = experiment.training.class_weights == "balanced"
    targets = np.tile(targets, (len(views), 1))
    if experiment.family == "svm":
        return fit_kernel_machine(model, x, targets, experiment.model, balanced)
    fit_linear_head(model, model.layers[-1].name, x, targets, experiment.model, balanced)
    return model


def compute_class_weights(targets: np.ndarray) -> np.ndarray:
    """What an example of each class counts so that all classes count alike, [shape=(n_classes,)], float32."""
    counts = targets.sum(axis=0)
    return np.where(counts > 0, len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0).astype(np.float32)


def unfreeze(model: Any, share: float) -> str:
    """Let the upper `share` of the backbone's layers learn, but for batch normalisations, which stay as they are.

    Their means and variances come from a million pictures, those of a small batch would be worse.

    Returns
    -------
    str, in words, what learns now
    """
    names = [layer.name for layer in model.layers]
    body = model.layers[names.index("preprocessed") : names.index("pooled")]
    fixed = (
        keras.layers.BatchNormalization,
        keras.layers.Dense,
    )  # a dense layer in here draws, and has nothing to learn
    able = [layer for layer in body if layer.weights and not isinstance(layer, fixed)]
    chosen = able[len(able) - max(1, round(share * len(able))) :]
    for layer in chosen:
        layer.trainable = True
    return Message(
        "{n_chosen} of the backbone's {n_able} layers learn too, from {name} on",
        n_chosen=len(chosen),
        n_able=len(able),
        name=chosen[0].name,
    )


def store_frozen_outputs(
    model: Any, sides: dict[str, Any], everything: Any, experiment: Experiment, run: Run
) -> dict[str, Any]:
    """What the frozen backbone makes of each side's clips, and of the varied views of those to train on."""
    info, augment = run.info, experiment.augment
    data, seed = info.data, info.seed
    root = Path(data.root) / CACHE_FOLDER

    def outputs(clips: Any, view: int = 0) -> np.ndarray:
        whole = everything or clips
        facts = {"data": data.hash, "features": whole.features.key, "clips": digest_clips(whole)}
        if view:
            facts |= {"augment": to_dict(augment), "seed": seed, "view": view, "drawn": RESAMPLING}
            found = compute_frozen_outputs(model, AugmentedView(whole, augment, seed, view), facts, root)
        else:
            found = compute_frozen_outputs(model, whole, facts, root)
        return found[np.isin(whole.example, clips.example)] if everything else found

    found: dict[str, Any] = {side: outputs(clips) for side, clips in sides.items() if len(clips)}
    if augment.views:
        views = [outputs(sides["train"], view) for view in range(1, augment.views + 1)]
        found["train"] = RandomViews([found["train"], *views])
    return found


def compute_channel_statistics(outputs: np.ndarray) -> list[np.ndarray]:
    """Mean and variance of each channel, the last axis; a nearly constant channel is not blown up into noise."""
    rows = outputs.reshape(-1, outputs.shape[-1])  # of a sequence, its steps
    blocks = [
        slice(start, start + CHUNK_ROWS) for start in range(0, len(rows), CHUNK_ROWS)
    ]  # float64 of all would not fit
    mean = sum(rows[block].sum(axis=0, dtype=np.float64) for block in blocks) / len(rows)
    variance = sum(np.square(rows[block] - mean).sum(axis=0) for block in blocks) / len(rows)
    return [mean, np.maximum(variance, 1e-3 * variance.mean())]


def digest_clips(clips: Any) -> str:
    """A digest of which clips these are: 32 hex digits."""
    found = hashlib.blake2b(digest_size=16)
    for part in (clips.features.begin[clips.example], clips.start, np.array([clips.n_frames or 0])):
        found.update(np.ascontiguousarray(part, dtype=np.int64).tobytes())
    return found.hexdigest()


def compute_frozen_outputs(model: Any, clips: Any, facts: dict[str, Any], root: Path) -> np.ndarray:
    """What the model's frozen part, up to its layer `pooled`, makes of clips: from the store, or computed once.

    Parameters
    ----------
    facts : what the clips depend on; a digest of the frozen part is added
    root : the store's folder
    """
    body = keras.Model(model.input, model.get_layer("pooled").output)
    facts = {**facts, "model": digest_model(body), "policy": keras.config.dtype_policy().name}
    shape = (len(clips), *body.output_shape[1:])
    # a sequence of frames is large, and half the digits do for a head that learns from it
    dtype = "float16" if len(shape) == 3 else "float32"
    return get_frozen_outputs(root, facts, shape, lambda: fit.predict_scores(body, clips, 32, dtype), dtype)


def make_head(model: Any) -> Any:
    """The part of the model behind its layer `pooled`, as a model that shares its layers."""
    return keras.Model(model.get_layer("pooled").output, model.output)


def digest_model(model: Any) -> str:
    """A digest of what a model computes, its layers' settings and all weights: 32 hex digits."""
    settings = [[layer.__class__.__name__, {**layer.get_config(), "name": ""}] for layer in model.layers]
    found = hashlib.blake2b(json.dumps(settings, sort_keys=True, default=str).encode(), digest_size=16)
    for weights in model.get_weights():
        found.update(np.ascontiguousarray(weights).tobytes())
    return found.hexdigest()
