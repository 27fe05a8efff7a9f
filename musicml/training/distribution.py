"""Train one model on several devices, each with a copy of it and a part of each batch.

TensorFlow distributes by `MirroredStrategy` over the GPUs of this machine, JAX by `keras.distribution.DataParallel`
over the devices of all machines whose processes run the same command. The gradients of all parts are averaged in every
step, so the copies stay equal. A batch has the same size as on one device, whatever their number.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musicml.experiment import Run
from musicml.utils import InputError, import_keras

# variables of JAX, of SLURM and of Open MPI that count the processes of one command
PROCESS_VARIABLES = ("JAX_NUM_PROCESSES", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")


@dataclass
class Devices:
    """The devices that train a model, and which of several processes this is.

    Attributes
    ----------
    n : int, number of devices of all processes
    n_processes, process : int, number of processes that train the model together, and the number of this one
    strategy : TensorFlow's strategy or Keras's distribution; None for one device
    divided : on JAX, sizes of this process's part of a batch. Each device computes a batch of another size whole.
    """

    n: int = 1
    n_processes: int = 1
    process: int = 0
    strategy: Any = None
    divided: set[int] = field(default_factory=set)

    @contextlib.contextmanager
    def activate(self) -> Iterator[None]:
        """Have models that are built in this context copied to all devices."""
        if self.strategy is None:
            yield
            return
        with self.strategy.scope():
            yield

    @contextlib.contextmanager
    def divide_batches(self, batches: Any) -> Iterator[None]:
        """Have the devices share the training batches in this context, and every process make its own part only.

        The last batch of an epoch is shortened to a multiple of the devices. The clips left out are others in the next
        epoch, since the order is random.

        Raises
        ------
        InputError
            If the batch size is no multiple of the number of devices, or there are fewer clips than devices.
        """
        if self.n == 1:
            yield
            return
        n_clips = len(batches.clips)
        if batches.batch_size % self.n or n_clips < self.n:
            raise InputError(
                "Expected training.batch_size to be a multiple of the {n_devices} devices, and at least {n_devices} "
                "clips, got a batch size of {batch_size} and {n_clips} clips. Change it with "
                "`--set training.batch_size=N`, or train on one device with `--set training.devices=first`.",
                n_devices=self.n,
                batch_size=batches.batch_size,
                n_clips=n_clips,
            )
        batches.share_among(self.n, self.n_processes, self.process)
        if import_keras().backend.backend() == "jax":
            sizes = {batches.batch_size, n_clips % batches.batch_size // self.n * self.n}
            self.divided = {size // self.n_processes for size in sizes if size}
        try:
            yield
        finally:
            self.divided = set()

    def choose_whole_size(self, n_clips: int, size: int) -> int:
        """Return the batch size of at most `size` for clips in their order, such as validation's.

        TensorFlow divides these batches too: Keras needs parts of the same size from the first one, and no device may
        be left without a clip. On JAX each device scores them whole, and only the number of rows tells such a batch
        from a part: no batch may have as many rows as a part.

        Raises
        ------
        InputError
            If no size fits.
        """
        if self.n == 1 or not n_clips:
            return size
        if self.divided:
            return next((s for s in range(size, 0, -1) if not self.divided & {s, n_clips % s}), size)
        for s in range(size, 0, -self.n):
            if min(s, n_clips) % self.n == 0 and not 0 < n_clips % s < self.n:
                return s
        raise InputError(
            "{n_clips} clips for validation can't be divided among {n_devices} devices in batches of at most {size}. "
            "Add files, set a larger training.batch_size, or train on one device with "
            "`--set training.devices=first`.",
            n_clips=n_clips,
            n_devices=self.n,
            size=size,
        )


def connect_processes() -> None:
    """Connect the processes that train one model together on JAX, if this command was started as several.

    JAX finds the others by SLURM's or Open MPI's variables, or by JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and
    JAX_PROCESS_ID.

    Raises
    ------
    InputError
        If they can't be connected.
    """
    expected = next((os.environ[name] for name in PROCESS_VARIABLES if os.environ.get(name)), "1")
    if import_keras().backend.backend() != "jax" or expected == "1":
        return
    import jax

    if not jax.distributed.is_initialized():
        names = {"num_processes": "JAX_NUM_PROCESSES", "process_id": "JAX_PROCESS_ID"}
        try:
            numbers = {key: int(os.environ[name]) for key, name in names.items() if name in os.environ}
            jax.distributed.initialize(os.environ.get("JAX_COORDINATOR_ADDRESS"), **numbers)
        except (IndexError, RuntimeError, ValueError) as error:  # IndexError: of an address without a port
            raise InputError(
                "Expected {n} processes that train together, but they can't be connected ({error}). Start all of them "
                "at once, with the same HOST:PORT in JAX_COORDINATOR_ADDRESS.",
                n=expected,
                error=str(error).partition("\n")[0],
            ) from error
    if is_secondary():  # the first process shows what happens
        logging.getLogger("musicml").setLevel(logging.ERROR)


def is_secondary() -> bool:
    """Return whether another process, connected by `connect_processes`, writes the run that this one helps to train."""
    jax = sys.modules.get("jax")  # not imported here: forests need neither JAX nor Keras
    return jax is not None and jax.distributed.is_initialized() and jax.process_index() > 0


def make_own_folder(run: Run | None = None) -> Path:
    """Return a folder for the run of a secondary process, with a copy of a run to resume; removed at exit."""
    folder = tempfile.mkdtemp(prefix="musicml-process-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(shutil.copytree(run.path, Path(folder, run.name))) if run else Path(folder)


def choose_devices(setting: str) -> Devices:
    """Return the devices for an experiment's `training.devices`: `first`, or `all` that the backend finds."""
    backend = import_keras().backend.backend()
    if setting == "first" or backend not in ("tensorflow", "jax"):
        return Devices()
    return _mirror_tensorflow() if backend == "tensorflow" else _distribute_jax()


def _mirror_tensorflow() -> Devices:
    """Return all GPUs of this machine, or its logical CPU devices if there is no GPU."""
    import tensorflow as tf

    names = [device.name for device in tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")]
    return Devices(len(names), strategy=tf.distribute.MirroredStrategy(names)) if len(names) > 1 else Devices()


def _distribute_jax() -> Devices:
    """Return the devices of all processes."""
    import jax
    import keras

    if jax.device_count() == 1:
        return Devices()
    devices = Devices(jax.device_count(), jax.process_count(), jax.process_index())

    class PartOrWhole(keras.distribution.DataParallel):
        """Data parallelism in which a batch that can't be divided is computed whole by each device."""

        def get_data_layout(self, data_shape: tuple[int, ...]) -> Any:
            """Return how a batch of this shape is laid out on the devices."""
            axes: list[Any] = [None] * len(data_shape)
            if data_shape[0] in devices.divided:
                axes[0] = self.batch_dim_name
            return keras.distribution.TensorLayout(axes, self.device_mesh)

    devices.strategy = PartOrWhole(devices=keras.distribution.list_devices(), auto_shard_dataset=False)
    return devices
