"""Parts that the model families share: their specification, standardized input, and output layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.utils import keras

LINEAR_HEADS = ("logistic", "svm")  # heads that scikit-learn fits in one call
FITTED_FAMILIES = ("forest", "svm")  # whose trainable part scikit-learn fits in one call
MAX_VALUES = 2**23  # values in one layer's output for a batch: 34 MB of float32
# random backbones have channels whose variance is far below Keras's epsilon of 1e-3, which would flatten them
FROZEN_EPSILON = 1e-12


@dataclass(frozen=True)
class ModelSpec:
    """The input and output that a model is built for.

    Attributes
    ----------
    shape : (n_frames, n_bins) of sound features, (height, width, 3) of pictures
    n_classes : int > 1
    task : `single` (one class per example, softmax) or `multi` (any number of classes, sigmoids)
    output_name : the last layer's name: `genre`, `instrument`, `class`
    mean, variance : np.ndarray [shape=(n_bins,)] of the training clips, or None for pictures
    seed : int >= 0, for random initialization
    data_root : the datasets' folder, which also holds the weights of pretrained audio networks
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
    """Return whether scikit-learn fits the trainable part of this family and head, so that there are no epochs."""
    return family in FITTED_FAMILIES or head in LINEAR_HEADS


def compute_batch_limit(model: Any) -> int:
    """Return the largest batch for which a Keras model's outputs are computed.

    Outside a compiled graph, Keras keeps the output of every layer until the last one is computed. So memory grows with
    the largest of them.
    """
    sizes = [np.prod(layer.output.shape[1:]) for layer in model.layers if hasattr(layer.output, "shape")]
    return max(1, int(MAX_VALUES // max([*sizes, 1])))


def make_standardized_input(spec: ModelSpec) -> tuple[Any, Any]:
    """Make the input, and the input with each bin at mean 0 and variance 1 over the training clips.

    Standardization is part of the model, so callers in Keras or of an exported model pass plain features.
    """
    if spec.mean is None or spec.variance is None:
        raise ValueError("mean=None")
    # inputs of similar size keep the first steps of training stable; statistics come from training clips alone
    inputs = keras.Input(spec.shape, name="features")
    scale = 1 / np.sqrt(spec.variance.astype(np.float64))
    # not Normalization: ONNX export turns its statistics into inputs that nothing fills
    # the layer keeps its name, since saved models contain it
    layer = keras.layers.Rescaling(scale.tolist(), (-spec.mean * scale).tolist(), name="standardised")
    return inputs, layer(inputs)


def add_convolution_blocks(
    x: Any, filters: Sequence[int], kernel_size: int, pools: Sequence[tuple[int, int]], is_normalized: bool = True
) -> Any:
    """Treat features as a picture of one channel, and add blocks of convolution, normalization, ReLU and max pooling.

    `pools` says by how much each block shrinks frames and bins, as far as they can be shrunk.
    """
    x = keras.layers.Reshape((*x.shape[1:], 1), name="channel")(x)
    for number, (n_filters, pool) in enumerate(zip(filters, pools, strict=True), 1):
        name = f"block{number}"
        # batch normalization has its own offset, so a bias would have no effect
        x = keras.layers.Conv2D(
            n_filters, kernel_size, padding="same", use_bias=not is_normalized, name=f"{name}_conv"
        )(x)
        if is_normalized:
            # Keras's momentum of 0.99 needs more steps than a small dataset gives for good running means
            x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
        pool_size = tuple(min(by, size) for by, size in zip(pool, x.shape[1:3], strict=True))
        # pooling keeps the strongest response, so small shifts in time or pitch change little
        x = keras.layers.MaxPooling2D(pool_size, name=f"{name}_pool")(x)
    return x


def standardize_frozen(x: Any, dtype: str | None = None) -> Any:
    """Standardize the output of a frozen part by statistics that are set before training and never trained."""
    layer = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=FROZEN_EPSILON, trainable=False, dtype=dtype, name="standardised_pooled"
    )
    return layer(x)


def add_dense_head(x: Any, units: int, dropout: float) -> Any:
    """Add a hidden dense layer if `units` > 0, and dropout if `dropout` > 0."""
    if units:
        x = keras.layers.Dense(units, activation="relu", name="hidden")(x)
    return keras.layers.Dropout(dropout, name="dropout")(x) if dropout else x


def add_output_layer(x: Any, spec: ModelSpec, l2: float = 0.0) -> Any:
    """Add the last layer: softmax or sigmoids. `l2` > 0 penalizes large weights."""
    activation = "softmax" if spec.task == "single" else "sigmoid"
    penalty = keras.regularizers.L2(l2) if l2 else None
    # float32 even under mixed precision: probabilities near 0 and 1 lose too many digits in float16
    return keras.layers.Dense(
        spec.n_classes, activation=activation, kernel_regularizer=penalty, dtype="float32", name=spec.output_name
    )(x)


def add_class_activation_maps(model: Any) -> Any | None:
    """Return the model with class activation maps as a second output `maps`, or None if its head has none.

    If the head is average pooling and one dense layer, the dense layer can be applied at each place of the last
    convolution map instead. The mean of these values is the logit. So the map needs no gradient, and can be exported.
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
    # in prediction both are linear (dropout does nothing), so averaging may come after them
    linear = (keras.layers.Dropout, keras.layers.BatchNormalization)
    if not isinstance(last, keras.layers.Dense) or not all(isinstance(layer, linear) for layer in between):
        return None
    dense = keras.layers.Dense(last.units, dtype="float32", name="maps")
    maps = dense(model.get_layer("pooled").input)
    dense.set_weights(fold_batch_norm(between, *last.get_weights()))
    return keras.Model(model.inputs[0], [*model.outputs, maps], name=model.name)


def fold_batch_norm(between: list[Any], kernel: np.ndarray, bias: np.ndarray) -> list[np.ndarray]:
    """Return weights of a dense layer that also does the batch normalizations before it, since both are linear."""
    for layer in reversed(between):
        if layer.__class__.__name__ == "BatchNormalization":
            mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
            scale = (np.asarray(layer.gamma) if layer.scale else 1) / np.sqrt(variance + layer.epsilon)
            shift = (np.asarray(layer.beta) if layer.center else 0) - mean * scale
            kernel, bias = kernel * scale[:, None], bias + shift @ kernel
    return [kernel, bias]
