"""What happens each epoch: a line for the person, a row of history.csv, and all that resuming needs."""

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

STATE_FILE = "state.npz"
BEST_FILE = "best.npz"


class LossNotFiniteError(InputError):
    """Raised by `StopOnNotFinite`; its sentence is for a training with no good epoch to keep."""


class Progress(keras.callbacks.Callback):
    """A bar with the time left on a terminal, one plain line an epoch elsewhere; on standard error."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Open the epoch's bar; tqdm draws none where standard error is no terminal."""
        self.begun = time.perf_counter()
        self.title = f"epoch {epoch + 1}/{self.params['epochs']}"
        self.bar = make_progress_bar(self.title, self.params["steps"], has_lines=False, unit="batch", delay=0.0)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Move the bar on."""
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Close the bar and write the epoch's line."""
        self.bar.close()
        figures = "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items())
        passed = time.perf_counter() - self.begun
        left = passed * (self.params["epochs"] - epoch - 1)
        logger.info("%s  %s  %.1f s, about %.0f s left", self.title, figures, passed, left)


class History(keras.callbacks.Callback):
    """Writes history.csv, one row an epoch, as soon as the epoch ends."""

    def __init__(self, path: Path, stage: str):
        super().__init__()
        self.path, self.stage = path, stage
        self.rows: list[dict[str, Any]] = list(read_csv(path)) if path.is_file() else []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the epoch's clock."""
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add the epoch's row; an epoch that a resumed training repeats replaces its former row."""
        logs = dict(logs or {})
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {
            "stage": self.stage,
            "epoch": epoch + 1,
            **{name: f"{value:.6g}" for name, value in logs.items()},
            "learning_rate": f"{rate:.6g}",
            "seconds": f"{time.perf_counter() - self.begun:.3f}",
        }
        self.rows = [old for old in self.rows if (old["stage"], int(old["epoch"])) != (self.stage, epoch + 1)] + [row]
        write_csv(self.path, self.rows, list(row))


class StopOnNotFinite(keras.callbacks.Callback):
    """Stop training with the first batch whose loss is no finite number, since no later one can mend it.

    Keras has read the loss for the other callbacks, so that looking at it costs nothing.
    """

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remember the epoch."""
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Look at the mean loss of the epoch so far."""
        self._check(logs, "loss")

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Look at the validation loss too: the epoch's last step may have spoiled the weights."""
        self._check(logs, "loss")
        self._check(logs, "val_loss")

    def _check(self, logs: dict | None, name: str) -> None:
        value = (logs or {}).get(name, 0.0)
        if not np.isfinite(value):
            raise LossNotFiniteError(
                Message(
                    "the training must keep a finite loss, and it became {loss} in epoch {epoch}: lower "
                    "training.learning_rate or set training.clipnorm=1.0."
                ),
                loss=value,
                epoch=self.epoch,
            )


class StopOnInterrupt(keras.callbacks.Callback):
    """Stop training at the end of the batch if Python swallowed the KeyboardInterrupt of a Ctrl-C.

    Python ignores exceptions raised in finalizers and garbage-collection callbacks, which TensorFlow uses heavily. As a
    context manager it listens; it raises what is left when the block ends.
    """

    def __init__(self) -> None:
        super().__init__()
        self.was_interrupted = self.is_listening = False

    def __enter__(self) -> StopOnInterrupt:
        """Install the handler, in the main thread and only if SIGINT has Python's default handler."""
        self.is_listening = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        if self.is_listening:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Restore Python's handler."""
        if self.is_listening:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if kind is None:
            self._raise_swallowed()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.was_interrupted = True
        signal.default_int_handler(number, frame)

    def _raise_swallowed(self) -> None:
        if self.was_interrupted:
            raise KeyboardInterrupt

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Raise KeyboardInterrupt if one was swallowed."""
        self._raise_swallowed()

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Raise KeyboardInterrupt if one was swallowed."""
        self._raise_swallowed()


class SwapAverage(keras.callbacks.SwapEMAWeights):
    """Swap the averaged weights in for validation, and leave them in the model when early stopping ends the training.

    Keras does the latter only after the last of all epochs.
    """

    def __init__(self) -> None:
        super().__init__(swap_on_epoch=True)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Swap, and make the average final if this epoch is the last that is trained."""
        super().on_epoch_end(epoch, logs)
        if self.model.stop_training:
            self._finalize_ema_values()


class StepTimer(keras.callbacks.Callback):
    """Measures training's own steps, validation left out, and how long they wait for their batches.

    TensorFlow asks for a batch in a thread of its own: the training waits for it from the begin of its step, or from
    when it was asked for if that is later. JAX asks in the training's thread, which waits all the while.
    """

    def __init__(self, batches: Any):
        super().__init__()
        self.batches, self.training, self.waited = batches, 0.0, 0.0
        self.before = self.blocked = 0.0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forget the batches that Keras made before it began."""
        self.before, self.blocked = self.batches.seconds, self.batches.blocked_seconds

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the epoch's clock."""
        self.begun = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Start the step's clock."""
        self.step_begun = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Add what the step took, its waiting for input included."""
        now = time.perf_counter()
        self.training, self.begun = self.training + now - self.begun, now
        if batch in self.batches.times:
            asked, ready = self.batches.times.pop(batch)
            self.waited += max(0.0, ready - max(asked, self.step_begun))

    def summarize(self, before: dict[str, float] | None) -> dict[str, float]:
        """Return seconds of training, of making batches in all threads and of waiting, with those of a stage before."""
        before = before or {}
        training = self.training + before.get("training_seconds", 0.0)
        batches = self.batches.seconds - self.before + before.get("seconds", 0.0)
        waited = self.waited + self.batches.blocked_seconds - self.blocked + before.get("waited_seconds", 0.0)
        return {
            "training_seconds": round(training, 3),
            "seconds": round(batches, 3),
            "share": round(batches / training, 4) if training else 0.0,
            "waited_seconds": round(waited, 3),
            "waited_share": round(waited / training, 4) if training else 0.0,
            "workers": max(self.batches.n_workers, before.get("workers", 0)),
        }


class Checkpoint(keras.callbacks.Callback):
    """Keeps the weights of the best epoch, and after every epoch all that resuming needs, in one file.

    Written under a temporary name and renamed, so that a kill at any moment leaves the file of the epoch before.
    Has to be the last callback: what the others remember (best value, epochs waited) is kept too. A training that goes
    on with another `batch_size` than the one before it has its learning rate scaled by the same factor.
    """

    def __init__(
        self, folder: Path, monitor: str, others: list[Any], batch_size: int, before: dict[str, Any] | None = None
    ):
        super().__init__()
        self.folder, self.monitor, self.others, self.before = folder, monitor, others, before
        self.batch_size = batch_size
        self.sign = -1 if monitor.endswith("accuracy") else 1  # of an accuracy more is better, of a loss less
        self.best: float = before["best"] if before else np.inf
        self.best_epoch: int = before["best_epoch"] if before else 0

    @property
    def next_epoch(self) -> int:
        """The epoch that a resumed training begins with; 0 for a new one."""
        return self.read()["epoch"] if (self.folder / STATE_FILE).is_file() else 0

    def read(self) -> dict[str, Any]:
        """What was kept beside the arrays."""
        with np.load(self.folder / STATE_FILE, allow_pickle=False) as kept:
            return json.loads(str(kept["facts"]))

    def variables(self) -> list[Any]:
        """Everything that changes in training: weights, dropout's random states, the optimiser's."""
        return [*self.model.variables, *self.model.optimizer.variables]

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Go on where an earlier training was cut off."""
        self.model.optimizer.build(self.model.trainable_variables)
        if not (self.folder / STATE_FILE).is_file():
            if self.before:
                _save_variables(self.folder / BEST_FILE, self.model.variables)
            return
        facts = self.read()
        with np.load(self.folder / STATE_FILE, allow_pickle=False) as kept:
            _load_variables(self.variables(), kept)
        self.best, self.best_epoch = facts["best"], facts["best_epoch"]
        for callback, memory in zip(self.others, facts["others"], strict=True):
            vars(callback).update(memory)
        self._scale_rate(self.batch_size / facts.get("batch_size", self.batch_size))

    def _scale_rate(self, factor: float) -> None:
        """Scale a rate that was kept; a schedule has its own, and goes on from the same share of all steps."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)  # of mixed precision
        if factor == 1:
            return
        if hasattr(optimizer.learning_rate, "assign"):
            optimizer.learning_rate.assign(optimizer.learning_rate * factor)
        else:
            optimizer.iterations.assign(int(int(optimizer.iterations) / factor))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Checkpoint the best weights, then the state."""
        value = (logs or {}).get(self.monitor)
        if value is not None and self.sign * value < self.best:
            self.best, self.best_epoch = self.sign * float(value), epoch + 1
            _save_variables(self.folder / BEST_FILE, self.model.variables)
        facts = {
            # what early stopping has ended has no epoch left, however often it is resumed
            "epoch": self.params["epochs"] if self.model.stop_training else epoch + 1,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "batch_size": self.batch_size,
            "others": [_get_callback_state(callback) for callback in self.others],
        }
        _save_variables(self.folder / STATE_FILE, self.variables(), facts=json.dumps(facts))

    def restore(self, name: str = BEST_FILE) -> bool:
        """Give the model the weights of the best epoch, or of the last one that was kept; False where there are none.

        A stage that ends before its first epoch has the weights that it began with.
        """
        path = next((path for path in (self.folder / name, self.folder / BEST_FILE) if path.is_file()), None)
        if path is None:
            return False
        with np.load(path, allow_pickle=False) as kept:
            _load_variables(self.model.variables, kept)
        return True


def _get_callback_state(callback: Any) -> dict[str, Any]:
    """The plain numbers that a callback such as EarlyStopping changes while it watches."""
    names = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter", "_ema_weights_in_model")
    memory = {name: vars(callback)[name] for name in names if name in vars(callback)}
    return {
        name: value if value is None else float(value) if name == "best" else int(value)
        for name, value in memory.items()
    }


def _save_variables(path: Path, variables: list[Any], **more: Any) -> None:
    """Write variables as arrays, in their order; whole or not at all."""
    arrays = {f"v{place}": keras.ops.convert_to_numpy(variable) for place, variable in enumerate(variables)}
    with write_atomically(path) as temporary:
        np.savez(temporary, **arrays, **more)


def _load_variables(variables: list[Any], kept: Any) -> None:
    """Give variables the values that `save` wrote."""
    for place, variable in enumerate(variables):
        variable.assign(kept[f"v{place}"])
