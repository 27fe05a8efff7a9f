"""What the model families share: what a model has to fit, its standardised input and its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.utils import keras

LINEAR_HEADS = ("logistic", "svm")  # heads that scikit-learn fits at once
FITTED_FAMILIES = ("forest", "svm")
MAX_VALUES = 2**23  # that one layer gives for a batch, 34 MB
FROZEN_EPSILON = (
    1e-12  # of a frozen backbone's standardization: random weights leave variances far below the usual epsilon
)


@dataclass(frozen=True)
class ModelSpec:
    """What a model has to fit: its input and its answer.

    Attributes
    ----------
    shape : (n_frames, n_bins) of sound features, (height, width, 3) of pictures
    n_classes : int > 1
    task : `single` (softmax) or `multi` (sigmoids)
    answers : the last layer's name: `genre`, `instrument`, `class`
    mean, variance : np.ndarray [shape=(n_bins,)] of the training clips, or None for pictures
    seed : int >= 0, for what starts at random
    data_root : the folder of the data sets, with the weights of pretrained audio networks in it
    """

    shape: tuple[int, ...]
    n_classes: int
    task: str
    output_name: str
    mean: np.ndarray | None = None
    variance: np.ndarray | None = None
    seed: int = 0
    data_root: Path | None = None


def is_fitted_at_once(family: str, head: str | None) -> bool:
    """Return whether scikit-learn fits what learns in a model of this family and head, so that it has no epochs."""
    return family in FITTED_FAMILIES or head in LINEAR_HEADS


def compute_batch_limit(model: Any) -> int:
    """Return how many examples a Keras model can be asked about at a time.

    Outside a compiled graph Keras holds what every layer gives until the last one is done, so memory grows with the
    largest of them.
    """
    sizes = [np.prod(layer.output.shape[1:]) for layer in model.layers if hasattr(layer.output, "shape")]
    return max(1, int(MAX_VALUES // max([*sizes, 1])))


def make_standardized_input(spec: ModelSpec) -> tuple[Any, Any]:
    """The input, and the input with each bin at mean 0 and variance 1 over the training clips.

    Inside the model, so that whoever asks it, in Keras or exported, gives plain features. `Normalization` would say it
    more plainly, but its numbers become inputs of the exported model that nobody feeds.
    """
    if spec.mean is None or spec.variance is None:
        raise ValueError("mean=None")
    inputs = keras.Input(spec.shape, name="features")
    scale = 1 / np.sqrt(spec.variance.astype(np.float64))
    layer = keras.layers.Rescaling(scale.tolist(), (-spec.mean * scale).tolist(), name="standardised")
    return inputs, layer(inputs)


def add_convolution_blocks(
    x: Any, filters: Sequence[int], kernel_size: int, pools: Sequence[tuple[int, int]], is_normalized: bool = True
) -> Any:
    """Features as a picture of one channel through blocks: a convolution, its normalization, and pooling.

    `pools` says by how much each block shrinks frames and bins; it does so wherever there is as much to pool.
    """
    x = keras.layers.Reshape((*x.shape[1:], 1), name="channel")(x)
    for number, (n_filters, pool) in enumerate(zip(filters, pools, strict=True), 1):
        name = f"block{number}"
        x = keras.layers.Conv2D(
            n_filters, kernel_size, padding="same", use_bias=not is_normalized, name=f"{name}_conv"
        )(x)
        if is_normalized:
            # a momentum of 0.9: Keras's 0.99 needs more steps than a course's data set gives
            x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
        fitting = tuple(min(by, size) for by, size in zip(pool, x.shape[1:3], strict=True))
        x = keras.layers.MaxPooling2D(fitting, name=f"{name}_pool")(x)
    return x


def standardize_frozen(x: Any, dtype: str | None = None) -> Any:
    """What a frozen part gives, standardized by the mean and variance that training sets: it never learns."""
    layer = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=FROZEN_EPSILON, trainable=False, dtype=dtype, name="standardised_pooled"
    )
    return layer(x)


def add_dense_head(x: Any, units: int, dropout: float) -> Any:
    """A hidden dense layer and dropout, each only where asked for."""
    if units:
        x = keras.layers.Dense(units, activation="relu", name="hidden")(x)
    return keras.layers.Dropout(dropout, name="dropout")(x) if dropout else x


def add_output_layer(x: Any, spec: ModelSpec, l2: float = 0.0) -> Any:
    """The last layer: softmax or sigmoids in float32, named for what it answers; `l2` > 0 keeps its weights small."""
    activation = "softmax" if spec.task == "single" else "sigmoid"
    kept = keras.regularizers.L2(l2) if l2 else None
    return keras.layers.Dense(
        spec.n_classes, activation=activation, kernel_regularizer=kept, dtype="float32", name=spec.output_name
    )(x)


def add_class_activation_maps(model: Any) -> Any | None:
    """The model with its class activation maps as a second output, named `maps`; None where its head has none.

    Where the head is average pooling and one dense layer, the dense layer can as well be asked at each place of the
    last convolution map: the mean of these answers is the logit. So the map needs no gradient, and can be exported.
    Source: Zhou, Khosla, Lapedriza, Oliva and Torralba, "Learning Deep Features for Discriminative Localization"
    (CVPR 2016).

    Returns
    -------
    keras.Model with the outputs scores [shape=(batch, n_classes)] and maps [shape=(batch, height, width, n_classes)]
    """
    names = [layer.name for layer in model.layers]
    if "pooled" not in names or not isinstance(model.get_layer("pooled"), keras.layers.GlobalAveragePooling2D):
        return None
    *between, last = model.layers[names.index("pooled") + 1 :]
    linear = (keras.layers.Dropout, keras.layers.BatchNormalization)
    if not isinstance(last, keras.layers.Dense) or not all(isinstance(layer, linear) for layer in between):
        return None
    dense = keras.layers.Dense(last.units, dtype="float32", name="maps")
    maps = dense(model.get_layer("pooled").input)
    dense.set_weights(fold_batch_norm(between, *last.get_weights()))
    return keras.Model(model.inputs[0], [*model.outputs, maps], name=model.name)


def fold_batch_norm(between: list[Any], kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    """The weights of a dense layer that does the batch normalisations before it as well: both are linear."""
    for layer in reversed(between):
        if layer.__class__.__name__ == "BatchNormalization":
            mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
            scale = (np.asarray(layer.gamma) if layer.scale else 1) / np.sqrt(variance + layer.epsilon)
            shift = (np.asarray(layer.beta) if layer.center else 0) - mean * scale
            kernel, bias = kernel * scale[:, None], bias + shift @ kernel
    return [kernel, bias]
