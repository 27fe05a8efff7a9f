"""Call jobs on a worker of a dask cluster: check it, send its log messages to the client, and stop when that does."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import os
import platform
import sys
import threading
from collections.abc import Iterator
from importlib import metadata
from typing import Any, NamedTuple

from musicml.utils.errors import InputError, make_readable
from musicml.utils.terminal import PACKAGE, choose_backend, get_log_prefix, is_hidden, set_log_prefix

POLL_SECONDS = 1.0  # between two looks at a task that may have been cancelled
# whose versions must be equal on all machines, or results may differ
PACKAGES = {"Keras": ["keras"], "NumPy": ["numpy"], "dask": ["distributed"]}
BACKEND_PACKAGES = {"tensorflow": ["tensorflow", "tensorflow-cpu"], "jax": ["jax"]}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, KEPT_SIZE = -1, -3, 2**25  # options of mallopt, and glibc's own limit in bytes

_is_worker = False  # whether this process has had a job of a client


class _StoppedError(Exception):
    """Raised on a worker in place of KeyboardInterrupt, which would end the worker itself."""


class Call(NamedTuple):
    """What a worker needs besides the function and the job.

    Attributes
    ----------
    topic : of dask's events, for the log messages of the job
    level : of the log messages that are sent to the client
    versions : of the client
    workers : number of workers on each host
    folders : that exist on the client, so each worker must have them
    """

    topic: str
    level: int
    versions: dict[str, str]
    workers: dict[str, int]
    folders: tuple[str, ...]


@functools.cache
def get_versions_of_process() -> dict[str, str]:
    """Return the versions that must be equal on a client and its workers."""
    version = sys.modules["musicml"].__version__  # its code imports higher rooms, so it can't be imported here
    python, backend = ".".join(platform.python_version_tuple()[:2]), choose_backend()
    versions = {"musicml": version, "Python": python, "backend": backend}
    for name, packages in {**PACKAGES, backend: BACKEND_PACKAGES.get(backend, [])}.items():
        for package in packages:
            with contextlib.suppress(metadata.PackageNotFoundError):
                versions[name] = metadata.version(package)
    return versions


def call_on_worker(call: Call, task: bytes) -> Any:
    """Call a function with a job, both pickled, and send its log messages to the client."""
    import cloudpickle
    from distributed import get_worker

    global _is_worker
    _is_worker, worker = True, get_worker()
    check_worker(get_versions_of_process(), call.versions, worker.state.nthreads, worker.address)
    _check_folders(call.folders, worker.address)
    _limit_threads(call.workers.get(get_host(worker.address), 1))
    _keep_freed_memory()
    try:
        with _send_messages(worker, call), _interrupt_if_cancelled(worker, worker.get_current_task()):
            function, job = cloudpickle.loads(task)
            return function(job)
    except KeyboardInterrupt:  # it must not reach dask
        raise _StoppedError("the client has stopped") from None


def check_worker(versions: dict[str, str], expected: dict[str, str], n_threads: int, address: str) -> None:
    """Raise an error for a worker with other versions than the client's, or with several threads.

    Threads of one process would share Keras's random numbers and the log, so each worker has one.
    """
    for name, version in expected.items():
        if versions.get(name) != version:
            raise InputError(
                "Expected the same {name} on each machine, but worker {address} has {found}, and the client has "
                "{version}. Install the same versions: `musicml doctor --cluster ADDRESS` lists them.",
                name=name,
                address=address,
                found=versions.get(name, "-"),
                version=version,
            )
    if n_threads > 1:
        raise InputError(
            "Expected workers of one thread, but worker {address} has {n}. Start it with --nthreads 1, and with "
            "--nworkers for several processes.",
            address=address,
            n=n_threads,
        )


def _check_folders(folders: tuple[str, ...], address: str) -> None:
    """Raise an error for a worker without a folder: each of its files would count as unreadable, and be left out."""
    for folder in folders:
        if not os.path.isdir(folder):
            raise InputError(
                "Expected the folder {folder} on each machine, but worker {address} has none. Mount the shared folder "
                "at the same place: `musicml doctor --cluster ADDRESS` checks it.",
                folder=folder,
                address=address,
            )


def get_host(address: str) -> str:
    """Return the host in an address such as tcp://host:8786."""
    return address.rpartition(":")[0]


def _limit_threads(n_workers: int) -> None:
    """Share the cores of this host among its workers. TensorFlow reads the variable when it is imported."""
    import joblib

    n_cores = max(1, joblib.cpu_count() // n_workers)
    for name in ("TF_NUM_INTRAOP_THREADS", "LOKY_MAX_CPU_COUNT"):
        os.environ.setdefault(name, str(n_cores))


def _keep_freed_memory() -> None:
    """Let the C library keep freed memory for the next array, as in any other process.

    Dask starts workers that return it at once, and every large array then costs page faults. Only glibc has these
    settings.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # of macOS, musl and Windows
        set_option = ctypes.CDLL(None).mallopt
        set_option(M_MMAP_THRESHOLD, KEPT_SIZE)
        set_option(M_TRIM_THRESHOLD, 2 * KEPT_SIZE)


@contextlib.contextmanager
def _send_messages(worker: Any, call: Call) -> Iterator[None]:
    """Send the package's log messages to the client within the block."""

    class Sender(logging.Handler):
        """A handler that sends messages as events of dask."""

        def emit(self, record: logging.LogRecord) -> None:
            """Send one message, with the name of the experiment before it if there are several."""
            if not is_hidden():
                # dask ends a worker that sends a file name which is not valid UTF-8
                text = make_readable(record.getMessage().strip("\n"))
                worker.log_event(call.topic, (record.levelno, get_log_prefix() + text))

    handler, level = Sender(call.level), PACKAGE.level
    PACKAGE.addHandler(handler)
    PACKAGE.setLevel(call.level)
    try:
        yield
    finally:
        PACKAGE.removeHandler(handler)
        PACKAGE.setLevel(level)
        set_log_prefix("")  # train-all sets one


@contextlib.contextmanager
def _interrupt_if_cancelled(worker: Any, key: Any) -> Iterator[None]:
    """Raise KeyboardInterrupt in the block once the client has cancelled its task, or has exited.

    Dask only stops tasks that have not started. A training stops as after Ctrl-C, so that its run can be resumed.
    """
    thread, lock, is_over = threading.get_ident(), threading.Lock(), threading.Event()

    def watch() -> None:
        """Look at the task's state until it is over."""
        while not is_over.wait(POLL_SECONDS):
            task = worker.state.tasks.get(key)
            with lock:
                if (task is None or task.state == "cancelled") and not is_over.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt)
                    )
                    return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            is_over.set()


def is_on_worker() -> bool:
    """Return whether this process is a worker of a cluster."""
    return _is_worker
