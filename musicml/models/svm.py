"""Support vector machine on a clip's statistics: the classic baseline that a deep network should beat.

Each coefficient of a clip becomes two numbers: its mean over the frames, and its mean absolute deviation from that
mean. A support vector machine with a Gaussian kernel separates each class from all others (scikit-learn's SVC). The
result is written as layers of a `keras.Model`, so such a run is used and exported like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from musicml.models.base import ModelSpec, add_output_layer, make_standardized_input, standardize_frozen
from musicml.utils import define_option, keras


@dataclass(frozen=True)
class Options:
    """Settings: `c` is the inverse strength of regularization. `gamma` = 0 is one over the number of statistics."""

    c: float = define_option(3.0, least=1e-6, most=1e6)
    gamma: float = define_option(0.0, least=0.0, most=1e3)

    frozen = True  # the statistics are not trained, like a frozen backbone's outputs


def build(options: Options, spec: ModelSpec) -> Any:
    """Build a `keras.Model`: features [shape=(batch, n_frames, n_bins)] → scores [shape=(batch, n_classes)].

    Its layer `pooled` outputs the statistics. Its last layer is a placeholder that `add_support_vectors` replaces.
    """
    inputs, x = make_standardized_input(spec)
    mean = keras.layers.GlobalAveragePooling1D(keepdims=True, name="mean")(x)
    difference = keras.layers.Subtract(name="apart")([x, mean])
    # |x| = relu(x) + relu(-x), out of layers that export well
    above = keras.layers.ReLU(name="above")(difference)
    below = keras.layers.ReLU(name="below")(keras.layers.Rescaling(-1.0, name="mirrored")(difference))
    deviation = keras.layers.GlobalAveragePooling1D(name="deviation")(keras.layers.Add(name="size")([above, below]))
    flat = keras.layers.Flatten(name="mean_flat")(mean)
    x = keras.layers.Concatenate(dtype="float32", name="pooled")([flat, deviation])
    return keras.Model(inputs, add_output_layer(standardize_frozen(x, "float32"), spec), name="svm")


def add_support_vectors(model: Any, vectors: np.ndarray, gamma: float, kernel: np.ndarray, bias: np.ndarray) -> Any:
    """Return the model with a Gaussian kernel before its last layer.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n_vectors, n_statistics)], standardized
    gamma : the kernel is exp(-gamma * |x - vector|^2)
    kernel, bias : of the last layer, [shape=(n_vectors, n_classes)] and [(n_classes,)]
    """
    x, last = model.get_layer("standardised_pooled").output, model.layers[-1]
    square = keras.layers.Dot(axes=1, dtype="float32", name="square")([x, x])
    both = keras.layers.Concatenate(dtype="float32", name="statistics_and_square")([x, square])
    # |x - v|^2 = |x|^2 - 2 x v + |v|^2 is linear in x and |x|^2, so a dense layer computes it
    distance = keras.layers.Dense(len(vectors), trainable=False, dtype="float32", name="support_vectors")
    similarity = keras.layers.Activation("exponential", dtype="float32", name="similarity")(distance(both))
    output = keras.layers.Dense(last.units, activation=last.activation, dtype="float32", name=last.name)
    result = keras.Model(model.input, output(similarity), name=model.name)
    weights = np.concatenate([2 * vectors.T, -np.ones((1, len(vectors)))])
    distance.set_weights([gamma * weights, -gamma * np.square(vectors).sum(axis=1)])
    output.set_weights([kernel, bias])
    return result
