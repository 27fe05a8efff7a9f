"""Losses and metrics that skip the cells nobody looked at, which -1 marks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def make_masked_crossentropy(smoothing: float = 0.0) -> Any:
    """Binary cross-entropy over the observed cells of a batch: sum(mask * loss) / sum(mask); -1 marks the others."""

    def loss(y_true: Any, y_pred: Any) -> Any:
        mask = make_mask(y_true)
        cells = compute_cell_losses(y_true, y_pred, smoothing)
        return keras.ops.sum(mask * cells) / keras.ops.maximum(keras.ops.sum(mask), 1.0)

    return loss


def make_mask(y_true: Any) -> Any:
    """Return 1 for each observed cell and 0 for the others, float32."""
    return keras.ops.cast(y_true >= 0, "float32")


def compute_cell_losses(y_true: Any, y_pred: Any, smoothing: float = 0.0) -> Any:
    """Compute the binary cross-entropy of each cell; what it is of a cell that nobody looked at means nothing."""
    truth = keras.ops.clip(y_true, 0.0, 1.0) * (1 - smoothing) + 0.5 * smoothing
    return keras.ops.binary_crossentropy(truth, keras.ops.cast(y_pred, "float32"))


class ObservedMean(keras.metrics.Mean):
    """The mean of a function over all observed cells of an epoch, which does not depend on the size of a batch.

    Keras averages what it gets of each batch by the batch's examples, and some have more observed cells than others.

    Parameters
    ----------
    compute_cells : takes the targets and the scores, and returns a value for each cell
    """

    def __init__(self, compute_cells: Callable[[Any, Any], Any], name: str):
        super().__init__(name)
        self.compute_cells = compute_cells

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch; all its observed cells count alike."""
        cells = keras.ops.reshape(self.compute_cells(y_true, y_pred), (-1,))
        super().update_state(cells, keras.ops.reshape(make_mask(y_true), (-1,)))


def make_observed_metrics(smoothing: float = 0.0) -> list[ObservedMean]:
    """Return the metrics of a multi-label model.

    The first takes the place of Keras's own `loss` in all that is reported, and leaves the training as it is. A penalty
    on weights is not in it.
    """
    return [
        ObservedMean(lambda y_true, y_pred: compute_cell_losses(y_true, y_pred, smoothing), "loss"),
        # 1 for each cell that is on the right side of 0.5
        ObservedMean(lambda y_true, y_pred: keras.ops.cast((y_pred >= 0.5) == (y_true >= 0.5), "float32"), "accuracy"),
    ]
