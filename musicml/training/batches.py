"""Batches of clips and targets for Keras, made ahead by threads.

The order of the clips and their augmentation depend only on the seed and the epoch.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import joblib
import keras
import numpy as np

from musicml.features import Augment, mix_examples

PLAIN = Augment()  # no augmentation
MAX_WORKERS = 4  # each holds a batch in memory, and a model seldom consumes more than four threads produce


class Batches(keras.utils.PyDataset):
    """Batches of clips with their targets.

    Parameters
    ----------
    clips : an array whose first axis is the clips, or an object with a length, `get(places)`, and for augmentation
        `get_augmented(places, augment, rng)`
    targets : np.ndarray [shape=(n_clips, n_classes)], or None for prediction
    seed : int for shuffling and augmentation, new in each epoch; None keeps the order and changes nothing
    augment : how clips are augmented and mixed
    weights : np.ndarray [shape=(n_classes,)], weight of an example of each class in the loss; None for equal weights
    workers : number of threads that make batches ahead; None for as many as help, 0 for none

    Attributes
    ----------
    seconds : time spent on making batches so far, in all threads
    blocked_seconds : time that the thread that made this object has waited for batches
    times : batch → when another thread requested it and when it was ready, from `time.perf_counter`
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
        super().__init__(workers=1)  # Keras's own threads end with each epoch, which costs a tenth of a second more
        self.clips, self.targets, self.batch_size, self.seed = clips, targets, batch_size, seed
        self.augment, self.weights = augment, weights
        self.n_workers = count_workers(clips, augment) if workers is None else workers
        self.pool = ThreadPoolExecutor(self.n_workers, "batches") if self.n_workers else None
        self.pending: dict[int, Future] = {}
        self.lock, self.thread = threading.Lock(), threading.get_ident()
        self.seconds = self.blocked_seconds = 0.0
        self.times: dict[int, tuple[float, float]] = {}
        self.share_among(1, 1, 0)
        self.start_at(0)

    def share_among(self, n_devices: int, n_processes: int, process: int) -> None:
        """Make only the part of this process of each batch, whose size becomes a multiple of the devices."""
        self.n_devices, self.n_processes, self.process = n_devices, n_processes, process

    def start_at(self, epoch: int) -> None:
        """Shuffle the clips for `epoch`, so that resumed training sees the same batches as uninterrupted training."""
        n = len(self.clips)
        self._cancel_pending()
        self.epoch = epoch
        # seed and epoch together: each epoch has an order of its own, and it can be repeated
        self.order = np.arange(n) if self.seed is None else np.random.default_rng([self.seed, epoch]).permutation(n)

    def on_epoch_end(self) -> None:
        """Start the next epoch. Keras calls this between epochs."""
        self.start_at(self.epoch + 1)

    def _cancel_pending(self) -> None:
        """Cancel the batches that were started ahead."""
        for future in self.pending.values():
            future.cancel()
        self.pending = {}

    def close(self) -> None:
        """Stop the threads. Batches can still be requested."""
        self._cancel_pending()
        if self.pool:
            self.pool.shutdown(wait=False)
            self.pool = None

    def __len__(self) -> int:
        n_whole, left = divmod(len(self.clips), self.batch_size)
        return n_whole + (left >= self.n_devices)

    def __getitem__(self, batch: int) -> tuple:
        requested = time.perf_counter()
        pool = self.pool
        if pool:  # start the next batches too; each is returned in its order, whichever is ready first
            for ahead in range(batch, min(batch + self.n_workers + 1, len(self))):
                if ahead not in self.pending:
                    self.pending[ahead] = pool.submit(self.make_batch, self.epoch, self.order, ahead)
            content = self.pending.pop(batch).result()
        else:
            content = self.make_batch(self.epoch, self.order, batch)
        ready = time.perf_counter()
        if threading.get_ident() == self.thread:
            self.blocked_seconds += ready - requested
        else:
            self.times[batch] = requested, ready
        return content

    def make_batch(self, epoch: int, order: np.ndarray, batch: int) -> tuple:
        """Make one batch. It depends on nothing that another thread may change."""
        start_time = time.perf_counter()
        places = order[batch * self.batch_size : (batch + 1) * self.batch_size]
        size = len(places) // self.n_devices * self.n_devices // self.n_processes
        places = places[self.process * size : (self.process + 1) * size]
        # a generator of its own for each batch: the result doesn't depend on which thread makes it
        seeds = [self.seed or 0, epoch, batch, *([self.process] if self.process else [])]
        content = self._assemble(places, np.random.default_rng(seeds))
        with self.lock:
            self.seconds += time.perf_counter() - start_time
        return content

    def _assemble(self, places: np.ndarray, rng: np.random.Generator) -> tuple:
        """Return inputs, and if there are any, targets and weights, of the clips at `places`."""
        if isinstance(self.clips, np.ndarray):
            x = self.clips[places]
        else:
            augmented = self.augment.is_varying
            x = self.clips.get_augmented(places, self.augment, rng) if augmented else self.clips.get(places)
        x = x.astype(np.float32, copy=False)
        if self.targets is None:
            return (x,)
        y = self.targets[places]
        if self.augment.is_mixing:
            x, y = mix_examples(x, y, self.augment, rng)
        # with mixed targets, y @ weights is the mean of the classes' weights in the same proportions
        return (x, y) if self.weights is None else (x, y, (y @ self.weights).astype(np.float32))


class AugmentedView:
    """Clips that are each augmented once, the same for every batch, as input for a frozen backbone.

    Parameters
    ----------
    clips : with a length and `get_augmented(places, augment, rng)`
    seed, number : int, the number of this view among all
    """

    def __init__(self, clips: Any, augment: Augment, seed: int, number: int):
        self.clips, self.augment, self.seed, self.number = clips, augment, seed, number

    def __len__(self) -> int:
        return len(self.clips)

    def get(self, places: np.ndarray) -> np.ndarray:
        """Return the augmented clips at `places`."""
        # one clip at a time: its generator depends on its place, not on the batch it is in
        return np.concatenate(
            [
                self.clips.get_augmented(
                    np.array([place]), self.augment, np.random.default_rng([self.seed, self.number, place])
                )
                for place in places
            ]
        )


class RandomViews:
    """A frozen backbone's outputs for several views of each clip. Each batch uses a random view of each.

    The backbone never changes, so its outputs are computed once for each view instead of in every epoch.

    Parameters
    ----------
    outputs : for each view, np.ndarray [shape=(n_clips, n_channels)]
    """

    def __init__(self, outputs: list[np.ndarray]):
        self.outputs = outputs

    def __len__(self) -> int:
        return len(self.outputs[0])

    def get_augmented(self, places: np.ndarray, augment: Augment, rng: np.random.Generator) -> np.ndarray:
        """Return the outputs for the clips at `places`, each of a random view, [shape=(n, n_channels)]."""
        views = rng.integers(0, len(self.outputs), len(places))
        return np.stack([self.outputs[view][place] for view, place in zip(views, places, strict=True)])


def count_workers(clips: Any, augment: Augment) -> int:
    """Return the number of threads that help: none if a batch is only copied from memory."""
    if not augment.is_varying or isinstance(clips, np.ndarray | RandomViews):
        return 0
    n_cores = joblib.cpu_count()
    return min(MAX_WORKERS, n_cores) if n_cores > 1 else 0
