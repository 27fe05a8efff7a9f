"""Convolutional recurrent network: convolutions pool the frequencies, then a GRU reads the frames in both directions.

The output comes from a mean over frames, weighted by an attention that is trained. Made for log-mel spectrograms,
treated as a picture of one channel, [shape=(n_frames, n_bins)].

After Choi, Fazekas, Sandler and Cho, "Convolutional Recurrent Neural Networks for Music Classification" (ICASSP 2017),
which uses the last frame's state instead.
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
    """Settings of a convolutional recurrent network.

    Each block shrinks the frequencies by `frequency_pool`; the first `time_poolings` blocks also halve the frames.
    `units` are the GRU's, in each direction.
    """

    filters: tuple[int, ...] = define_option((32, 64, 64), least=1, most=2048)
    kernel_size: int = define_option(3, least=1, most=31)
    frequency_pool: int = define_option(4, least=1, most=16)
    time_poolings: int = define_option(2, least=0, most=8)
    units: int = define_option(64, least=1, most=2048)
    dropout: float = define_option(0.0, least=0.0, most=0.95)


def build(options: Options, spec: ModelSpec) -> Any:
    """Build a `keras.Model`: features [shape=(batch, n_frames, n_bins)] → scores [shape=(batch, n_classes)]."""
    inputs, x = make_standardized_input(spec)
    # frequencies are pooled faster than time, because the GRU needs a sequence to read
    pools = [(2 if k < options.time_poolings else 1, options.frequency_pool) for k in range(len(options.filters))]
    x = add_convolution_blocks(x, options.filters, options.kernel_size, pools)
    n_frames, n_bands, n_channels = x.shape[1:]
    # one vector for each frame: all channels of all remaining bands
    x = keras.layers.Reshape((n_frames, n_bands * n_channels), name="frames")(x)
    if options.dropout:
        x = keras.layers.Dropout(options.dropout, name="frames_dropout")(x)
    # a whole clip is known at once, so each frame may use the future as well as the past
    x = keras.layers.Bidirectional(keras.layers.GRU(options.units, return_sequences=True, name="gru"), name="both")(x)
    x = add_dense_head(_add_attention_pooling(x), 0, options.dropout)
    return keras.Model(inputs, add_output_layer(x, spec), name="crnn")


def _add_attention_pooling(x: Any) -> Any:
    """Add a weighted mean over frames: [shape=(batch, n_frames, n_channels)] → [shape=(batch, n_channels)].

    In float32 under any policy: in half precision the weights of a hundred frames don't sum to one.
    """
    hidden = keras.layers.Dense(x.shape[-1], activation="tanh", name="attention_hidden")(x)
    # no bias: a softmax over frames ignores a constant
    score = keras.layers.Dense(1, use_bias=False, dtype="float32", name="attention_score")(hidden)
    weights = keras.layers.Softmax(axis=1, dtype="float32", name="attention")(score)
    summed = keras.layers.Dot(axes=1, dtype="float32", name="weighted_sum")([x, weights])
    return keras.layers.Reshape((x.shape[-1],), dtype="float32", name="attended")(summed)
