"""Recurrent network: GRU or LSTM layers over a clip's frames, then one dense layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from musicml.models.base import ModelSpec, add_dense_head, add_output_layer, make_standardized_input
from musicml.utils import define_option, keras


@dataclass(frozen=True)
class Options:
    """Settings of a recurrent network.

    `pooling` is the head's input: the last layer's final state (`last`), or the mean of its states (`average`).
    """

    cell: str = define_option("gru", choices=("gru", "lstm"))
    units: tuple[int, ...] = define_option((128, 64, 32), least=1, most=2048)
    layer_normalization: bool = define_option(True)
    bidirectional: bool = define_option(False)
    pooling: str = define_option("last", choices=("last", "average"))
    dense_units: int = define_option(0, least=0, most=8192)
    dropout: float = define_option(0.0, least=0.0, most=0.95)


def build(options: Options, spec: ModelSpec) -> Any:
    """Build a `keras.Model`: features [shape=(batch, n_frames, n_bins)] → scores [shape=(batch, n_classes)]."""
    inputs, x = make_standardized_input(spec)
    cell = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[options.cell]
    for number, units in enumerate(options.units, 1):
        is_last = number == len(options.units)
        # the next recurrent layer, or the mean, needs the state at every frame
        returns_all = not is_last or options.pooling == "average"
        layer = cell(units, return_sequences=returns_all, name=f"{options.cell}{number}")
        if options.bidirectional:
            layer = keras.layers.Bidirectional(layer, name=f"both_{options.cell}{number}")
        x = layer(x)
        if options.layer_normalization and not is_last:
            # layer and not batch normalization: it treats each frame by itself, at any batch size
            x = keras.layers.LayerNormalization(name=f"norm{number}")(x)
    if options.pooling == "average":
        x = keras.layers.GlobalAveragePooling1D(name="pooled")(x)
    x = add_dense_head(x, options.dense_units, options.dropout)
    return keras.Model(inputs, add_output_layer(x, spec), name=options.cell)
