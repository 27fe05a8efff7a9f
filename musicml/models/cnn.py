"""Convolutional network: blocks of convolution, batch normalisation and pooling, then one dense answer.

Sees a clip's features as a picture of one channel, [shape=(n_frames, n_bins)].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from musicml.models.base import ModelSpec, add_dense_head, add_output_layer, make_standardized_input
from musicml.utils import define_option


@dataclass(frozen=True)
class Options:
    """Settings of a convolutional network."""

    filters: tuple[int, ...] = define_option((32, 64, 128), least=1, most=2048)
    kernel_size: int = define_option(3, least=1, most=31)
    batch_normalization: bool = define_option(True)
    head: str = define_option("average", choices=("average", "flatten"))
    dense_units: int = define_option(0, least=0, most=8192)
    dropout: float = define_option(0.0, least=0.0, most=0.95)


def build(options: Options, spec: ModelSpec) -> Any:
    """A `keras.Model`: features [shape=(batch, n_frames, n_bins)] → scores [shape=(batch, n_classes)]."""
    import keras

    inputs, x = make_standardized_input(spec)
    x = keras.layers.Reshape((*spec.shape, 1), name="channel")(x)
    for number, filters in enumerate(options.filters, 1):
        x = block(x, filters, options, f"block{number}")
    if options.head == "average":
        x = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    else:
        x = keras.layers.Flatten(name="pooled")(x)
    x = add_dense_head(x, options.dense_units, options.dropout)
    return keras.Model(inputs, add_output_layer(x, spec), name="cnn")


def block(x: Any, filters: int, options: Options, name: str) -> Any:
    """One convolution with its normalisation, and pooling by two wherever there are two to pool."""
    import keras

    x = keras.layers.Conv2D(
        filters, options.kernel_size, padding="same", use_bias=not options.batch_normalization, name=f"{name}_conv"
    )(x)
    if options.batch_normalization:
        # a momentum of 0.9: Keras's 0.99 needs more steps than a course's data set gives
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    x = keras.layers.Activation("relu", name=f"{name}_relu")(x)
    pool = tuple(2 if size >= 2 else 1 for size in x.shape[1:3])
    return keras.layers.MaxPooling2D(pool, name=f"{name}_pool")(x)
