"""Batches: clips and their targets, in an order, and varied in a way, that only the seed and the epoch decide."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from musicml.features import Augment, mix_examples

PLAIN = Augment()


class Batches(keras.utils.PyDataset):
    """Batches of clips with their targets.

    Parameters
    ----------
    clips : an array whose first axis is the clips, or anything with a length and `take(places) -> array`, and
        `varied(places, augment, rng)` where they are to be varied
    targets : np.ndarray [shape=(n_clips, n_classes)], or None for prediction
    seed : int to shuffle and vary by anew in each epoch, or None to keep the order and vary nothing
    augment : how clips are varied and mixed
    weights : np.ndarray [shape=(n_classes,)], what an example of each class counts in the loss; None for one each

    Attributes
    ----------
    seconds : how long making batches has taken so far, beside the training or before it
    """

    def __init__(
        self,
        clips: Any,
        targets: np.ndarray | None,
        batch_size: int,
        seed: int | None = None,
        augment: Augment = PLAIN,
        weights: np.ndarray | None = None,
    ):
        super().__init__(workers=1)
        self.clips, self.targets, self.batch_size, self.seed = clips, targets, batch_size, seed
        self.augment, self.weights = augment, weights
        self.seconds = 0.0
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
        begun = time.perf_counter()
        places = self.order[batch * self.batch_size : (batch + 1) * self.batch_size]
        made = self.made(places, np.random.default_rng([self.seed or 0, self.epoch, batch]))
        self.seconds += time.perf_counter() - begun
        return made

    def made(self, places: np.ndarray, rng: np.random.Generator) -> tuple:
        """The batch of the clips at `places`: inputs, targets where there are any, weights where there are any."""
        x = self.taken(places, rng).astype(np.float32, copy=False)
        if self.targets is None:
            return (x,)
        y = self.targets[places]
        if self.augment.mixes:
            x, y = mix_examples(x, y, self.augment, rng)
        return (x, y) if self.weights is None else (x, y, (y @ self.weights).astype(np.float32))

    def taken(self, places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The clips at `places`, varied where that is asked for."""
        if isinstance(self.clips, np.ndarray):
            return self.clips[places]
        return self.clips.varied(places, self.augment, rng) if self.augment.varies else self.clips.take(places)


class View:
    """Clips of which each is varied in one way, whichever batch asks for it: what a frozen backbone sees of them.

    Parameters
    ----------
    clips : with a length and `varied(places, augment, rng)`
    seed, number : int, which of all views this is
    """

    def __init__(self, clips: Any, augment: Augment, seed: int, number: int):
        self.clips, self.augment, self.seed, self.number = clips, augment, seed, number

    def __len__(self) -> int:
        return len(self.clips)

    def take(self, places: np.ndarray) -> np.ndarray:
        """The clips at `places` as this view has them."""
        return np.concatenate(
            [
                self.clips.varied(
                    np.array([place]), self.augment, np.random.default_rng([self.seed, self.number, place])
                )
                for place in places
            ]
        )


class Views:
    """A frozen backbone's outputs for several views of each clip, of which each batch takes one at random.

    Parameters
    ----------
    outputs : for each view, np.ndarray [shape=(n_clips, n_channels)]
    """

    def __init__(self, outputs: list[np.ndarray]):
        self.outputs = outputs

    def __len__(self) -> int:
        return len(self.outputs[0])

    def varied(self, places: np.ndarray, augment: Augment, rng: np.random.Generator) -> np.ndarray:
        """The outputs for the clips at `places`, each of a view drawn anew, [shape=(n, n_channels)]."""
        views = rng.integers(0, len(self.outputs), len(places))
        return np.stack([self.outputs[view][place] for view, place in zip(views, places, strict=True)])


def without_cutting(augment: Augment) -> Augment:
    """What is left of an augmentation for outputs that have no place in time or space."""
    return replace(augment, cutmix=0.0)
