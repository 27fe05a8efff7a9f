"""Losses and metrics that skip the cells nobody looked at, which -1 marks."""

from __future__ import annotations

from typing import Any

import keras


def masked_binary_crossentropy(smoothing: float = 0.0) -> Any:
    """Binary cross-entropy over the observed cells of a batch: sum(mask * loss) / sum(mask); -1 marks the others."""

    def loss(y_true: Any, y_pred: Any) -> Any:
        mask = keras.ops.cast(y_true >= 0, "float32")
        truth = keras.ops.clip(y_true, 0.0, 1.0) * (1 - smoothing) + 0.5 * smoothing
        cells = keras.ops.binary_crossentropy(truth, keras.ops.cast(y_pred, "float32"))
        return keras.ops.sum(mask * cells) / keras.ops.maximum(keras.ops.sum(mask), 1.0)

    return loss


def observed_accuracy(y_true: Any, y_pred: Any) -> Any:
    """The share of a batch's observed cells that are on the right side of 0.5."""
    mask = keras.ops.cast(y_true >= 0, "float32")
    right = keras.ops.cast((y_pred >= 0.5) == (y_true >= 0.5), "float32")
    return keras.ops.sum(mask * right) / keras.ops.maximum(keras.ops.sum(mask), 1.0)
