"""Class-wise attention: each class chooses for itself which frames it is judged by.

Residual dense layers embed each frame by itself; then each class has a weight for each frame and a probability in each
frame, and its answer is their weighted sum. So a label of ten seconds can be learnt from the one in which the
instrument plays. Made for OpenMIC's VGGish frames, [shape=(10, 128)]: some 55,000 parameters.

After Gururani, Sharma and Lerch, "An Attention Mechanism for Musical Instrument Recognition" (ISMIR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from musicml.models.base import ModelSpec, make_standardized_input
from musicml.utils import define_option, keras


@dataclass(frozen=True)
class Options:
    """Settings of class-wise attention: how many dense layers embed a frame, of how many units."""

    layers: int = define_option(3, least=1, most=32)
    units: int = define_option(128, least=1, most=8192)
    dropout: float = define_option(0.5, least=0.0, most=0.95)


def build(options: Options, spec: ModelSpec) -> Any:
    """A `keras.Model`: features [shape=(batch, n_frames, n_bins)] → scores [shape=(batch, n_classes)]."""
    inputs, x = make_standardized_input(spec)
    for number in range(1, options.layers + 1):
        x = add_residual_block(x, options, f"embedding{number}")
    return keras.Model(inputs, add_class_attention(x, spec), name="attention")


def add_residual_block(x: Any, options: Options, name: str) -> Any:
    """One dense layer on each frame, added to what it was given where the two are equally wide."""
    before = x
    x = keras.layers.Dense(options.units, use_bias=False, name=name)(x)
    # a momentum of 0.9: Keras's 0.99 needs more steps than a course's data set gives
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
    if options.dropout:
        x = keras.layers.Dropout(options.dropout, name=f"{name}_dropout")(x)
    return keras.layers.Add(name=f"{name}_added")([before, x]) if before.shape[-1] == options.units else x


def add_class_attention(x: Any, spec: ModelSpec) -> Any:
    """Embedded frames [shape=(batch, n_frames, units)] → scores [shape=(batch, n_classes)], all in float32.

    Where classes exclude each other, the weighted sum is of logits and the softmax comes after it: sums of
    probabilities, each class's over frames of its own choice, would not add up to one.
    """
    single, n_frames = spec.task == "single", x.shape[1]
    # without a bias, which a softmax over frames would not see
    score = keras.layers.Dense(spec.n_classes, use_bias=False, dtype="float32", name="attention_score")(x)
    weights = keras.layers.Softmax(axis=1, dtype="float32", name="attention")(score)
    said = keras.layers.Dense(
        spec.n_classes, activation="linear" if single else "sigmoid", dtype="float32", name="in_each_frame"
    )(x)
    weighed = keras.layers.Multiply(dtype="float32", name="weighed")([weights, said])
    # n_frames times their mean: a sum out of layers that every Keras can load
    mean = keras.layers.GlobalAveragePooling1D(dtype="float32", name="mean")(weighed)
    summed = keras.layers.Rescaling(float(n_frames), dtype="float32", name="logits" if single else spec.output_name)(
        mean
    )
    return keras.layers.Activation("softmax", dtype="float32", name=spec.output_name)(summed) if single else summed
