"""Loss and metrics that skip unobserved cells of the targets, which are marked by -1.

A cell is one class of one example. In OpenMIC most cells were never annotated, and a missing label is not a negative
one: counting it as 0 would train the model to deny instruments that are there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras


def make_masked_crossentropy(smoothing: float = 0.0) -> Any:
    """Return a loss: binary cross-entropy over the observed cells of a batch, sum(mask * loss) / sum(mask).

    With label `smoothing`, targets 0 and 1 become smoothing / 2 and 1 - smoothing / 2.
    """

    def loss(y_true: Any, y_pred: Any) -> Any:
        """Compute the mean loss over the observed cells of a batch."""
        mask = make_mask(y_true)
        cells = compute_cell_losses(y_true, y_pred, smoothing)
        # at least 1, since a batch may have no observed cell
        return keras.ops.sum(mask * cells) / keras.ops.maximum(keras.ops.sum(mask), 1.0)

    return loss


def make_mask(y_true: Any) -> Any:
    """Return 1 for each observed cell and 0 for the others, float32."""
    return keras.ops.cast(y_true >= 0, "float32")


def compute_cell_losses(y_true: Any, y_pred: Any, smoothing: float = 0.0) -> Any:
    """Compute the binary cross-entropy of each cell. Values of unobserved cells are meaningless."""
    # smoothed targets keep logits finite: no probability has to reach exactly 0 or 1
    truth = keras.ops.clip(y_true, 0.0, 1.0) * (1 - smoothing) + 0.5 * smoothing
    return keras.ops.binary_crossentropy(truth, keras.ops.cast(y_pred, "float32"))


class ObservedMean(keras.metrics.Mean):
    """The mean of `compute_cells(targets, scores)` over all observed cells of an epoch, independent of the batch size.

    Keras averages batch means by number of examples. But batches differ in observed cells, so that mean would give a
    cell more weight in a sparsely annotated batch.
    """

    def __init__(self, compute_cells: Callable[[Any, Any], Any], name: str):
        super().__init__(name)
        self.compute_cells = compute_cells

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch. Each observed cell has the same weight."""
        cells = keras.ops.reshape(self.compute_cells(y_true, y_pred), (-1,))
        super().update_state(cells, keras.ops.reshape(make_mask(y_true), (-1,)))


def make_observed_metrics(smoothing: float = 0.0) -> list[ObservedMean]:
    """Return the metrics of a multi-label model.

    The first replaces Keras's own `loss` in everything that is reported, and does not affect training. It
    leaves out the penalty on weights.
    """
    return [
        ObservedMean(lambda y_true, y_pred: compute_cell_losses(y_true, y_pred, smoothing), "loss"),
        # 1 for each cell whose score is on the correct side of 0.5
        ObservedMean(lambda y_true, y_pred: keras.ops.cast((y_pred >= 0.5) == (y_true >= 0.5), "float32"), "accuracy"),
    ]
