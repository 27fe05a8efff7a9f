"""Class-wise attention: for each class, a weight for every frame decides how much that frame counts.

Residual dense layers embed each frame by itself. Then each class has a weight and a probability in each frame, and
its score is their weighted sum. So a label for ten seconds can be learned from the one second in which the
instrument plays. Made for OpenMIC's VGGish frames, [shape=(10, 128)], with about 55,000 parameters.

After Gururani, Sharma and Lerch, "An Attention Mechanism for Musical Instrument Recognition" (ISMIR 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from musicml.models.base import ModelSpec, make_standardized_input
from musicml.utils import define_option, keras


@dataclass(frozen=True)
class Options:
    """Settings of class-wise attention: `layers` dense layers of `units` each embed a frame."""

    layers: int = define_option(3, least=1, most=32)
    units: int = define_option(128, least=1, most=8192)
    dropout: float = define_option(0.5, least=0.0, most=0.95)


def build(options: Options, spec: ModelSpec) -> Any:
    """Build a `keras.Model`: features [shape=(batch, n_frames, n_bins)] → scores [shape=(batch, n_classes)]."""
    inputs, x = make_standardized_input(spec)
    for number in range(1, options.layers + 1):
        x = add_residual_block(x, options, f"embedding{number}")
    return keras.Model(inputs, add_class_attention(x, spec), name="attention")


def add_residual_block(x: Any, options: Options, name: str) -> Any:
    """Add a dense layer that acts on each frame, and its input to its output if both are equally wide."""
    shortcut = x
    # no bias: the batch normalization that follows subtracts any constant
    x = keras.layers.Dense(options.units, use_bias=False, name=name)(x)
    # Keras's momentum of 0.99 needs more steps than a small dataset gives for good running means
    x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
    if options.dropout:
        x = keras.layers.Dropout(options.dropout, name=f"{name}_dropout")(x)
    # the shortcut lets gradients pass the layer unchanged, which makes deep stacks trainable
    return keras.layers.Add(name=f"{name}_added")([shortcut, x]) if shortcut.shape[-1] == options.units else x


def add_class_attention(x: Any, spec: ModelSpec) -> Any:
    """Add class-wise attention: embedded frames [shape=(batch, n_frames, units)] → scores [shape=(batch, n_classes)].

    If classes exclude each other, logits are summed and the softmax comes last: weighted sums of probabilities, with
    other weights for each class, would not add up to one. All layers are float32.
    """
    single, n_frames = spec.task == "single", x.shape[1]
    # no bias: a softmax over frames ignores a constant
    score = keras.layers.Dense(spec.n_classes, use_bias=False, dtype="float32", name="attention_score")(x)
    # the softmax over time makes the weights of each class sum to one
    weights = keras.layers.Softmax(axis=1, dtype="float32", name="attention")(score)
    frame_scores = keras.layers.Dense(
        spec.n_classes, activation="linear" if single else "sigmoid", dtype="float32", name="in_each_frame"
    )(x)
    weighted = keras.layers.Multiply(dtype="float32", name="weighed")([weights, frame_scores])
    # n_frames times the mean is the sum; Keras has no layer for a sum over time
    mean = keras.layers.GlobalAveragePooling1D(dtype="float32", name="mean")(weighted)
    name = "logits" if single else spec.output_name
    summed = keras.layers.Rescaling(float(n_frames), dtype="float32", name=name)(mean)
    return keras.layers.Activation("softmax", dtype="float32", name=spec.output_name)(summed) if single else summed
