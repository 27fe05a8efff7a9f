"""Convolutional network: blocks of convolution, batch normalization and pooling, then one dense layer.

It treats a clip's features as a picture of one channel, [shape=(n_frames, n_bins)].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from musicml.models.base import (
    ModelSpec,
    add_convolution_blocks,
    add_dense_head,
    add_output_layer,
    make_standardized_input,
)
from musicml.utils import define_option, keras


@dataclass(frozen=True)
class Options:
    """Settings of a convolutional network.

    `head`: `average` takes the mean of each channel over time and frequency, `flatten` keeps every place.
    """

    filters: tuple[int, ...] = define_option((32, 64, 128), least=1, most=2048)
    kernel_size: int = define_option(3, least=1, most=31)
    batch_normalization: bool = define_option(True)
    head: str = define_option("average", choices=("average", "flatten"))
    dense_units: int = define_option(0, least=0, most=8192)
    dropout: float = define_option(0.0, least=0.0, most=0.95)


def build(options: Options, spec: ModelSpec) -> Any:
    """Build a `keras.Model`: features [shape=(batch, n_frames, n_bins)] → scores [shape=(batch, n_classes)]."""
    inputs, x = make_standardized_input(spec)
    # each block halves both axes, so later filters see more time and more frequencies
    pools = [(2, 2)] * len(options.filters)
    x = add_convolution_blocks(x, options.filters, options.kernel_size, pools, options.batch_normalization)
    # averaging needs far fewer weights than flattening and does not depend on where a sound occurs
    pool = keras.layers.GlobalAveragePooling2D if options.head == "average" else keras.layers.Flatten
    x = pool(name="pooled")(x)
    x = add_dense_head(x, options.dense_units, options.dropout)
    return keras.Model(inputs, add_output_layer(x, spec), name="cnn")
