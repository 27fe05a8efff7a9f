"""Batches: clips and their targets, in an order that only the seed and the epoch decide."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


class Batches(keras.utils.PyDataset):
    """Batches of clips with their targets.

    Parameters
    ----------
    clips : an array whose first axis is the clips, or anything with a length and `take(places) -> array`
    targets : np.ndarray [shape=(n_clips, n_classes)], or None for prediction
    seed : int to shuffle by anew in each epoch, or None to keep the order
    """

    def __init__(self, clips: Any, targets: np.ndarray | None, batch_size: int, seed: int | None = None):
        super().__init__(workers=1)
        self.clips, self.targets, self.batch_size, self.seed = clips, targets, batch_size, seed
        self.start_at(0)

    def start_at(self, epoch: int) -> None:
        """Put the clips in the order of `epoch`, so that a resumed training sees what an uncut one would."""
        n = len(self.clips)
        self.epoch = epoch
        self.order = np.arange(n) if self.seed is None else np.random.default_rng([self.seed, epoch]).permutation(n)

    def on_epoch_end(self) -> None:
        """Called by Keras between epochs."""
        self.start_at(self.epoch + 1)

    def __len__(self) -> int:
        return -(-len(self.clips) // self.batch_size)

    def __getitem__(self, batch: int) -> tuple:
        places = self.order[batch * self.batch_size : (batch + 1) * self.batch_size]
        x = self.clips[places] if isinstance(self.clips, np.ndarray) else self.clips.take(places)
        x = x.astype(np.float32, copy=False)
        return (x,) if self.targets is None else (x, self.targets[places])
