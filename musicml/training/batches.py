"""Batches: clips and their targets, in an order, and varied in a way, that only the seed and the epoch decide."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import joblib
import keras
import numpy as np

from musicml.features import Augment, mix_examples

PLAIN = Augment()
MAX_WORKERS = 4  # each holds a batch, and a model seldom takes more than four threads make


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
    workers : how many threads make batches ahead; None for as many as help, 0 for none

    Attributes
    ----------
    seconds : how long making batches has taken so far, in all threads, beside the training or before it
    blocked_seconds : how long the thread that made this object has waited for batches it asked for itself
    times : batch → when another thread asked for it, and when it had it, as `time.perf_counter` tells
    """

    def __init__(
        self,
        clips: Any,
        targets: np.ndarray | None,
        batch_size: int,
        seed: int | None = None,
        augment: Augment = PLAIN,
        weights: np.ndarray | None = None,
        workers: int | None = None,
    ):
        super().__init__(workers=1)  # of Keras's own: its threads end with each epoch and take a tenth of a second more
        self.clips, self.targets, self.batch_size, self.seed = clips, targets, batch_size, seed
        self.augment, self.weights = augment, weights
        self.n_workers = count_workers(clips, augment) if workers is None else workers
        self.pool = ThreadPoolExecutor(self.n_workers, "batches") if self.n_workers else None
        self.pending: dict[int, Future] = {}
        self.lock, self.thread = threading.Lock(), threading.get_ident()
        self.seconds = self.blocked_seconds = 0.0
        self.times: dict[int, tuple[float, float]] = {}
        self.start_at(0)

    def start_at(self, epoch: int) -> None:
        """Put the clips in the order of `epoch`, so that a resumed training sees what an uncut one would."""
        n = len(self.clips)
        self._cancel_pending()
        self.epoch = epoch
        self.order = np.arange(n) if self.seed is None else np.random.default_rng([self.seed, epoch]).permutation(n)

    def on_epoch_end(self) -> None:
        """Called by Keras between epochs."""
        self.start_at(self.epoch + 1)

    def _cancel_pending(self) -> None:
        """Forget the batches that were begun ahead."""
        for future in self.pending.values():
            future.cancel()
        self.pending = {}

    def close(self) -> None:
        """End the threads; batches can still be asked for."""
        self._cancel_pending()
        if self.pool:
            self.pool.shutdown(wait=False)
            self.pool = None

    def __len__(self) -> int:
        return -(-len(self.clips) // self.batch_size)

    def __getitem__(self, batch: int) -> tuple:
        asked = time.perf_counter()
        pool = self.pool
        if pool:  # the threads go on with the batches behind it; in their order, whichever thread is faster
            for ahead in range(batch, min(batch + self.n_workers + 1, len(self))):
                if ahead not in self.pending:
                    self.pending[ahead] = pool.submit(self.make_batch, self.epoch, self.order, ahead)
            made = self.pending.pop(batch).result()
        else:
            made = self.make_batch(self.epoch, self.order, batch)
        ready = time.perf_counter()
        if threading.get_ident() == self.thread:
            self.blocked_seconds += ready - asked
        else:
            self.times[batch] = asked, ready
        return made

    def make_batch(self, epoch: int, order: np.ndarray, batch: int) -> tuple:
        """Make a batch of an epoch, which hangs on nothing that another thread may change."""
        begun = time.perf_counter()
        places = order[batch * self.batch_size : (batch + 1) * self.batch_size]
        made = self._assemble(places, np.random.default_rng([self.seed or 0, epoch, batch]))
        with self.lock:
            self.seconds += time.perf_counter() - begun
        return made

    def _assemble(self, places: np.ndarray, rng: np.random.Generator) -> tuple:
        """The batch of the clips at `places`: inputs, targets where there are any, weights where there are any."""
        if isinstance(self.clips, np.ndarray):
            x = self.clips[places]
        else:
            x = (
                self.clips.get_augmented(places, self.augment, rng)
                if self.augment.is_varying
                else self.clips.get(places)
            )
        x = x.astype(np.float32, copy=False)
        if self.targets is None:
            return (x,)
        y = self.targets[places]
        if self.augment.is_mixing:
            x, y = mix_examples(x, y, self.augment, rng)
        return (x, y) if self.weights is None else (x, y, (y @ self.weights).astype(np.float32))


class AugmentedView:
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

    def get(self, places: np.ndarray) -> np.ndarray:
        """The clips at `places` as this view has them."""
        return np.concatenate(
            [
                self.clips.get_augmented(
                    np.array([place]), self.augment, np.random.default_rng([self.seed, self.number, place])
                )
                for place in places
            ]
        )


class RandomViews:
    """A frozen backbone's outputs for several views of each clip, of which each batch takes one at random.

    Parameters
    ----------
    outputs : for each view, np.ndarray [shape=(n_clips, n_channels)]
    """

    def __init__(self, outputs: list[np.ndarray]):
        self.outputs = outputs

    def __len__(self) -> int:
        return len(self.outputs[0])

    def get_augmented(self, places: np.ndarray, augment: Augment, rng: np.random.Generator) -> np.ndarray:
        """The outputs for the clips at `places`, each of a view drawn anew, [shape=(n, n_channels)]."""
        views = rng.integers(0, len(self.outputs), len(places))
        return np.stack([self.outputs[view][place] for view, place in zip(views, places, strict=True)])


def count_workers(clips: Any, augment: Augment) -> int:
    """How many threads make batches: none where a batch is taken from memory as it is, which takes no longer."""
    if not augment.is_varying or isinstance(clips, np.ndarray | RandomViews):
        return 0
    n_cores = joblib.cpu_count()
    return min(MAX_WORKERS, n_cores) if n_cores > 1 else 0
