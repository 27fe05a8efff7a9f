"""Callbacks of training: progress, history.csv, early ends, and checkpoints to resume from."""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import keras
import numpy as np

from musicml.utils import InputError, Message, make_progress_bar, read_csv, write_atomically, write_csv

logger = logging.getLogger(__name__)

STATE_FILE = "state.npz"  # everything that resuming needs
BEST_FILE = "best.npz"  # the weights of the best epoch


class LossNotFiniteError(InputError):
    """Raised by `StopOnNotFinite`. Its message is for training that has no epoch whose weights can be kept."""


class Progress(keras.callbacks.Callback):
    """Shows a progress bar with the time left on a terminal, or logs one line per epoch elsewhere."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Open the epoch's bar, which tqdm does not draw if standard error is not a terminal."""
        self.start_time = time.perf_counter()
        self.title = f"epoch {epoch + 1}/{self.params['epochs']}"
        self.bar = make_progress_bar(self.title, self.params["steps"], has_lines=False, unit="batch", delay=0.0)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Advance the bar."""
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Close the bar and log the epoch's metrics."""
        self.bar.close()
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        elapsed = time.perf_counter() - self.start_time
        left = elapsed * (self.params["epochs"] - epoch - 1)  # as if all epochs took equally long
        logger.info("%s  %s  %.1f s, about %.0f s left", self.title, metrics, elapsed, left)


class History(keras.callbacks.Callback):
    """Writes history.csv, one row per epoch, as soon as the epoch ends."""

    def __init__(self, path: Path, stage: str):
        super().__init__()
        self.path, self.stage = path, stage
        # resumed training continues its table
        self.rows: list[dict[str, Any]] = list(read_csv(path)) if path.is_file() else []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the epoch's clock."""
        self.start_time = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add the epoch's row. If resumed training repeats an epoch, replace its former row."""
        logs = dict(logs or {})
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {
            "stage": self.stage,
            "epoch": epoch + 1,
            **{name: f"{value:.6g}" for name, value in logs.items()},
            "learning_rate": f"{rate:.6g}",
            "seconds": f"{time.perf_counter() - self.start_time:.3f}",
        }
        self.rows = [old for old in self.rows if (old["stage"], int(old["epoch"])) != (self.stage, epoch + 1)] + [row]
        write_csv(self.path, self.rows, list(row))


class StopOnNotFinite(keras.callbacks.Callback):
    """Stops training at the first batch whose loss is not finite, since training can't recover from it.

    Once a weight is NaN, every later output is NaN too. The check costs nothing, because Keras reads the loss anyway.
    """

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Store the number of the epoch."""
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Check the mean loss of the epoch so far."""
        self._check(logs, "loss")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Check the validation loss too, since the epoch's last step may have broken the weights."""
        self._check(logs, "loss")
        self._check(logs, "val_loss")

    def _check(self, logs: dict | None, name: str) -> None:
        value = (logs or {}).get(name, 0.0)  # without validation there is no val_loss
        if not np.isfinite(value):
            raise LossNotFiniteError(
                Message(
                    "Expected a finite loss, but it became {loss} in epoch {epoch}. Lower "
                    "training.learning_rate or set training.clipnorm=1.0."
                ),
                loss=value,
                epoch=self.epoch,
            )


class StopOnInterrupt(keras.callbacks.Callback):
    """Stops training at the end of the batch if Python lost the KeyboardInterrupt of a Ctrl-C.

    Python ignores exceptions raised in finalizers and garbage-collection callbacks, which TensorFlow uses heavily. As a
    context manager, it installs a signal handler, and raises a lost interrupt when the block ends.
    """

    def __init__(self) -> None:
        super().__init__()
        self.was_interrupted = self.is_installed = False

    def __enter__(self) -> StopOnInterrupt:
        """Install the handler, in the main thread and only if SIGINT has Python's default handler."""
        self.is_installed = (
            threading.current_thread() is threading.main_thread()  # other threads may not set signal handlers
            # a notebook or server has its own handler, which stays
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if self.is_installed:
            signal.signal(signal.SIGINT, self._record)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Restore Python's handler."""
        if self.is_installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if kind is None:
            self._raise_lost()

    def _record(self, number: int, frame: FrameType | None) -> None:
        self.was_interrupted = True
        signal.default_int_handler(number, frame)

    def _raise_lost(self) -> None:
        if self.was_interrupted:
            raise KeyboardInterrupt

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Raise KeyboardInterrupt if one was lost."""
        self._raise_lost()

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Raise KeyboardInterrupt if one was lost."""
        self._raise_lost()


class SwapAverage(keras.callbacks.SwapEMAWeights):
    """Swaps averaged weights in for validation, and leaves them in the model when early stopping ends training.

    Keras does the latter only after the last of all epochs.
    """

    def __init__(self) -> None:
        super().__init__(swap_on_epoch=True)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Swap, and keep the average if this epoch is the last one."""
        super().on_epoch_end(epoch, logs)
        if self.model.stop_training:
            self._finalize_ema_values()  # leaves the average in the model


class StepTimer(keras.callbacks.Callback):
    """Measures training steps, without validation, and how long they wait for their batches.

    TensorFlow requests batches in its own thread: a step waits from its start, or from the request if that is later.
    JAX requests them in the training's thread, which waits all the time.
    """

    def __init__(self, batches: Any):
        super().__init__()
        self.batches, self.training_seconds, self.waited_seconds = batches, 0.0, 0.0
        self.earlier_seconds = self.earlier_blocked = 0.0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Leave out the batches that Keras made before training began."""
        # Keras reads a batch to learn its shapes
        self.earlier_seconds, self.earlier_blocked = self.batches.seconds, self.batches.blocked_seconds

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the epoch's clock."""
        self.start_time = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Start the step's clock."""
        self.step_start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Add the time of the step, including its wait for input."""
        now = time.perf_counter()
        # the next step starts here, so waiting counts
        self.training_seconds, self.start_time = self.training_seconds + now - self.start_time, now
        if batch in self.batches.times:
            requested, ready = self.batches.times.pop(batch)
            self.waited_seconds += max(0.0, ready - max(requested, self.step_start))  # 0 if the batch was ready in time

    def summarize(self, previous: dict[str, float] | None) -> dict[str, float]:
        """Return seconds of training, of making batches in all threads and of waiting, added to an earlier stage's."""
        previous = previous or {}
        training = self.training_seconds + previous.get("training_seconds", 0.0)
        batches = self.batches.seconds - self.earlier_seconds + previous.get("seconds", 0.0)
        blocked = self.batches.blocked_seconds - self.earlier_blocked
        waited = self.waited_seconds + blocked + previous.get("waited_seconds", 0.0)
        return {
            "training_seconds": round(training, 3),
            "seconds": round(batches, 3),
            "share": round(batches / training, 4) if training else 0.0,
            "waited_seconds": round(waited, 3),
            "waited_share": round(waited / training, 4) if training else 0.0,
            "workers": max(self.batches.n_workers, previous.get("workers", 0)),
        }


class Checkpoint(keras.callbacks.Callback):
    """Saves the weights of the best epoch, and after every epoch everything that resuming needs, in one file.

    Files are written under a temporary name and renamed, so a kill at any moment leaves the file of the epoch before.
    It must be the last callback, because it also saves the state of the others, such as epochs without improvement.
    If training resumes with another `batch_size`, the learning rate is scaled by the same factor.
    """

    def __init__(
        self, folder: Path, monitor: str, others: list[Any], batch_size: int, previous: dict[str, Any] | None = None
    ):
        super().__init__()
        self.folder, self.monitor, self.others, self.previous = folder, monitor, others, previous
        self.batch_size = batch_size
        self.sign = -1 if monitor.endswith("accuracy") else 1  # a higher accuracy is better, a lower loss is better
        self.best: float = previous["best"] if previous else np.inf
        self.best_epoch: int = previous["best_epoch"] if previous else 0

    @property
    def next_epoch(self) -> int:
        """The epoch with which resumed training begins, or 0 for new training."""
        return self.read()["epoch"] if (self.folder / STATE_FILE).is_file() else 0

    def read(self) -> dict[str, Any]:
        """Read what was saved along with the arrays."""
        with np.load(self.folder / STATE_FILE, allow_pickle=False) as arrays:
            return json.loads(str(arrays["facts"]))

    def get_variables(self) -> list[Any]:
        """Return all variables that training changes: weights, dropout's random states, the optimizer's."""
        # without Adam's running moments, resumed training would take other steps
        return [*self.model.variables, *self.model.optimizer.variables]

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Restore the state at which earlier training was interrupted."""
        self.model.optimizer.build(self.model.trainable_variables)  # creates the variables that are restored below
        if not (self.folder / STATE_FILE).is_file():
            if self.previous:
                _save_variables(self.folder / BEST_FILE, self.model.variables)
            return
        facts = self.read()
        with np.load(self.folder / STATE_FILE, allow_pickle=False) as arrays:
            _load_variables(self.get_variables(), arrays)
        self.best, self.best_epoch = facts["best"], facts["best_epoch"]
        for callback, state in zip(self.others, facts["others"], strict=True):
            vars(callback).update(state)
        self._scale_rate(self.batch_size / facts.get("batch_size", self.batch_size))

    def _scale_rate(self, factor: float) -> None:
        """Scale a saved learning rate. A schedule instead continues from the same share of all steps."""
        # mixed precision wraps the optimizer
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if factor == 1:
            return
        if hasattr(optimizer.learning_rate, "assign"):
            optimizer.learning_rate.assign(optimizer.learning_rate * factor)
        else:
            # half the batch size means twice as many steps for the same number of examples
            optimizer.iterations.assign(int(int(optimizer.iterations) / factor))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Save the best weights, then the state."""
        value = (logs or {}).get(self.monitor)
        if value is not None and self.sign * value < self.best:  # never true for NaN
            self.best, self.best_epoch = self.sign * float(value), epoch + 1
            _save_variables(self.folder / BEST_FILE, self.model.variables)
        facts = {
            # after early stopping no epoch is left, even if training is resumed
            "epoch": self.params["epochs"] if self.model.stop_training else epoch + 1,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "batch_size": self.batch_size,
            "others": [_get_callback_state(callback) for callback in self.others],
        }
        _save_variables(self.folder / STATE_FILE, self.get_variables(), facts=json.dumps(facts))

    def restore(self, name: str = BEST_FILE) -> bool:
        """Restore the weights of the best epoch, or of the file `name`, and return False if there are none.

        A stage that ends before its first epoch has the weights that it began with.
        """
        path = next((path for path in (self.folder / name, self.folder / BEST_FILE) if path.is_file()), None)
        if path is None:
            return False
        with np.load(path, allow_pickle=False) as arrays:
            _load_variables(self.model.variables, arrays)
        return True


def _get_callback_state(callback: Any) -> dict[str, Any]:
    """Return the numbers that a callback such as EarlyStopping changes during training."""
    # state of EarlyStopping, ReduceLROnPlateau and SwapEMAWeights; a resumed callback must not count from 0
    names = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter", "_ema_weights_in_model")
    state = {name: vars(callback)[name] for name in names if name in vars(callback)}
    return {
        name: value if value is None else float(value) if name == "best" else int(value)
        for name, value in state.items()
    }


def _save_variables(path: Path, variables: list[Any], **more: Any) -> None:
    """Write variables as arrays, in their order, atomically."""
    arrays = {f"v{place}": keras.ops.convert_to_numpy(variable) for place, variable in enumerate(variables)}
    with write_atomically(path) as temporary:
        np.savez(temporary, **arrays, **more)


def _load_variables(variables: list[Any], arrays: Any) -> None:
    """Set variables to the values that `_save_variables` wrote."""
    for place, variable in enumerate(variables):
        variable.assign(arrays[f"v{place}"])
