"""Run jobs on a cluster of dask: processes of this machine, jobs of SLURM, or workers on any machines.

Workers import the same musicml, and read and write the same folders as this process. Dask sends each a function and its
arguments, gives the job of a killed worker to another one, and balances the load.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import logging
import math
import os
import platform
import queue
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from importlib import metadata
from typing import Any, NamedTuple

from musicml.utils.errors import InputError, make_printable
from musicml.utils.messages import Message
from musicml.utils.terminal import PACKAGE, choose_backend, get_log_prefix, set_log_prefix

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 15  # to wait for the scheduler, and for the first worker
POLL_SECONDS = 1.0  # between two looks at a cluster whose tasks take long
MAX_SECONDS_WITHOUT_WORKERS = 60.0  # a killed worker is started again sooner, if it has a nanny
# whose versions must be equal on all machines, or results may differ
PACKAGES = {"Keras": ["keras"], "NumPy": ["numpy"], "dask": ["distributed"]}
BACKEND_PACKAGES = {"tensorflow": ["tensorflow", "tensorflow-cpu"], "jax": ["jax"]}
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, KEPT_SIZE = -1, -3, 2**25  # options of mallopt, and glibc's own limit in bytes
LOST_JOB = Message("it ended several workers, most likely because memory ran out: start workers with more memory")

_client: Any = None  # of the cluster that this process is connected to
_patience = 0.0  # seconds to wait for a worker if all are gone
_is_worker = False  # whether this process has had a job of a client


class _StoppedError(Exception):
    """Raised on a worker in place of KeyboardInterrupt, which would end the worker itself."""


class _Call(NamedTuple):
    """What a worker needs besides the function and the job.

    Attributes
    ----------
    topic : of dask's events, for the log messages of the job
    level : of the log messages that are sent to the client
    versions : of the client
    workers : number of workers on each host
    """

    topic: str
    level: int
    versions: dict[str, str]
    workers: dict[str, int]


def get_client() -> Any:
    """Return dask's client of the cluster that this process is connected to, or None."""
    return _client


@contextlib.contextmanager
def connect_cluster(address: str | None) -> Iterator[None]:
    """Run the jobs of `map_in_processes` on a cluster within the block.

    Parameters
    ----------
    address : `local` for processes of this machine, or `slurm` for jobs of SLURM as dask's configuration describes
        them, both with a number after a colon if wanted; or a scheduler's address such as tcp://host:8786; None for no
        cluster

    Raises
    ------
    InputError
        If dask is missing, there is no scheduler at the address, or it has no workers.
    """
    global _client, _patience
    if address is None:
        yield
        return
    try:
        import distributed
    except ImportError:
        raise InputError(
            '--cluster needs dask, which is not installed. Run `pip install "musicml[cluster]"` on each machine.'
        ) from None
    for name in logging.root.manager.loggerDict:
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # its errors are explained here
    kind, _, count = address.partition(":")
    with contextlib.ExitStack() as stack:
        if kind in ("local", "slurm") and (not count or count.isdecimal()):
            start = _start_local_cluster if kind == "local" else _start_slurm_cluster
            target = stack.enter_context(start(int(count) if count else None))
        elif ":" in address:
            target = address
        else:
            raise InputError(
                "Expected --cluster local, slurm or an address such as tcp://host:8786, got {address!r}.",
                address=address,
            )
        try:
            client = stack.enter_context(distributed.Client(target, timeout=CONNECT_SECONDS, name="musicml"))
            is_queued = kind == "slurm"  # for hours perhaps
            client.wait_for_workers(1, timeout=None if is_queued else CONNECT_SECONDS)
        except TimeoutError as error:
            raise _make_connection_error(address, has_scheduler="client" in locals()) from error
        except (OSError, ValueError) as error:
            raise _make_connection_error(address, has_scheduler=False) from error
        _client, _patience = client, math.inf if is_queued else MAX_SECONDS_WITHOUT_WORKERS
        stack.callback(_disconnect)
        yield


def _disconnect() -> None:
    """Use no cluster any more."""
    global _client
    _client = None


def _make_connection_error(address: str, has_scheduler: bool) -> InputError:
    """Return the error for a scheduler that can't be reached, or for one without workers."""
    if has_scheduler:
        return InputError(
            "The cluster at {address} has no workers. Start one on each machine: `dask worker {address} --nworkers "
            "auto --nthreads 1`.",
            address=address,
        )
    return InputError(
        "Expected dask's scheduler at {address}, but none answered. Start one with `dask scheduler`, and copy the "
        "address that it prints.",
        address=address,
    )


@contextlib.contextmanager
def _start_local_cluster(n_workers: int | None) -> Iterator[Any]:
    """Start a cluster of worker processes on this machine, by default one per core."""
    import dask
    import joblib
    from distributed import LocalCluster

    # a killed worker is started again; on a busy machine this takes longer than the 15 s after which dask gives it up
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}), _restore_environment():
        with _ignore_ctrl_c():  # in the workers too, which inherit it
            cluster = LocalCluster(
                n_workers=n_workers or joblib.cpu_count(),
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # dask always starts its server: on any port, and not on the network
                memory_limit=0,  # as without a cluster: dask's own limit would pause workers that use much memory
                silence_logs=logging.CRITICAL,
            )
        with cluster:
            yield cluster


@contextlib.contextmanager
def _start_slurm_cluster(n_jobs: int | None) -> Iterator[Any]:
    """Submit jobs of workers to SLURM, by default one. Its settings are in ~/.config/dask/jobqueue.yaml."""
    import dask

    try:
        from dask_jobqueue import SLURMCluster

        settings = dask.config.get("jobqueue.slurm")  # filled with defaults by the import
        cluster = SLURMCluster(
            processes=settings["processes"] or settings["cores"],
            scheduler_options={"dashboard_address": "127.0.0.1:0", **settings["scheduler-options"]},
        )
    except ImportError:
        raise InputError('--cluster slurm needs dask-jobqueue. Run `pip install "musicml[cluster]"`.') from None
    except (ValueError, TypeError) as error:
        raise InputError(
            "SLURM's jobs need a number of cores and memory ({error}). Write them to ~/.config/dask/jobqueue.yaml, as "
            "the guide Use several machines describes.",
            error=error,
        ) from None
    with cluster:
        cluster.adapt(minimum_jobs=n_jobs or 1, maximum_jobs=n_jobs or 1)  # jobs that have ended are submitted again
        logger.info(Message("waiting for SLURM to start the first of {n} jobs", n=n_jobs or 1))
        yield cluster


@contextlib.contextmanager
def _restore_environment() -> Iterator[None]:
    """Restore what dask sets in this process for its workers, such as their number of threads, after the block."""
    import dask

    names = [*dask.config.get("distributed.nanny.pre-spawn-environ"), "PYTHONHASHSEED"]
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def _ignore_ctrl_c() -> Iterator[None]:
    """Let processes that are started within the block ignore Ctrl-C, which this process handles."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def count_workers() -> int:
    """Count the workers of the cluster: at least 2, since 1 means this process alone, as without a cluster."""
    return 1 if _client is None else max(2, len(_list_addresses(_client)))


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


# The client's side


def map_on_cluster(
    function: Callable[[Any], Any], jobs: Iterable[Any], on_loss: Callable[[Any], Any] | None = None
) -> Generator[Any]:
    """Yield the result of `function` for each job, in order, as `map_in_processes` does.

    Each worker has one job at a time, and gets the next one when it has finished.

    Parameters
    ----------
    on_loss : called with a job that no worker survives; returns a result for it. By default, an error names the job.
    """
    import cloudpickle

    client, name = _client, uuid.uuid4().hex[:12]
    call = _Call(f"musicml-{name}", PACKAGE.getEffectiveLevel(), get_versions_of_process(), {})
    pending, results = dict[Any, tuple[int, Any]](), dict[int, Any]()  # future → place and job; place → result
    numbered, due, finished = enumerate(jobs), 0, queue.SimpleQueue[Any]()
    addresses, last_check, last_seen = list[str](), float("-inf"), time.monotonic()  # of the workers
    client.subscribe_topic(call.topic, _log_event)
    try:
        while True:
            if time.monotonic() - last_check > POLL_SECONDS:  # workers may come and go
                addresses, last_check = _list_addresses(client), time.monotonic()
                call = call._replace(workers=dict(Counter(map(_get_host, addresses))))
                last_seen = last_check if addresses else last_seen
            for place, job in itertools.islice(numbered, max(0, max(len(addresses), 1) - len(pending))):
                # as bytes, since the scheduler unpickles a task, and would import the function's module
                task = cloudpickle.dumps((function, job))
                future = client.submit(_call_on_worker, call, task, key=f"musicml-{name}-{place}", pure=False)
                pending[future] = place, job
                future.add_done_callback(finished.put)
            while due in results:
                yield results.pop(due)
                due += 1
            if not pending:
                return
            if time.monotonic() - last_seen > _patience:
                raise InputError(
                    "All workers of the cluster are gone. The last job was {job}. Memory may have run out. Start "
                    "workers again, and run the same command to continue.",
                    job=_describe_job(*min(pending.values(), key=lambda item: item[0])),
                )
            with contextlib.suppress(queue.Empty):
                future = finished.get(timeout=POLL_SECONDS)
                place, job = pending.pop(future)
                results[place] = _get_result(future, place, job, on_loss)
    finally:
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.cancel(list(pending), force=True)
            client.unsubscribe_topic(call.topic)


def _list_addresses(client: Any) -> list[str]:
    """List the addresses of the workers.

    Raises
    ------
    InputError
        If the scheduler is gone.
    """
    try:
        return list(client.nthreads())
    except (OSError, ValueError, AttributeError):  # depending on when the connection broke
        raise _make_lost_scheduler_error() from None


def _make_lost_scheduler_error() -> InputError:
    """Return the error for a scheduler that ended while jobs were running."""
    return InputError("The scheduler of the cluster is gone. Start it again, and run the same command to continue.")


def _get_result(future: Any, place: int, job: Any, on_loss: Callable[[Any], Any] | None) -> Any:
    """Return a job's result, or raise its error."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        if on_loss is not None:
            return on_loss(job)
        raise InputError(
            "{n} workers were killed one after another by the same job, {job}. Memory has probably run out: start "
            "workers with more of it, or fewer on each machine.",
            n=error.allowed_failures + 1,
            job=_describe_job(place, job),
        ) from None
    except CancelledError:  # nobody else cancels a job
        raise _make_lost_scheduler_error() from None
    except (ImportError, AttributeError, RuntimeError) as error:
        # dask wraps the scheduler's error in a RuntimeError
        if "musicml" not in f"{error} {error.__cause__}":
            raise
        raise InputError(
            "The scheduler or a worker has no musicml, or another version ({error}). Install the same on each machine, "
            "and check it with `musicml doctor --cluster ADDRESS`.",
            error=error.__cause__ or error,
        ) from error


def _describe_job(place: int, job: Any) -> str:
    """Return a job's own text, such as a path, or else its number: the text of other objects can fill pages."""
    return Message("number {n}", n=place + 1) if type(job).__str__ is object.__str__ else make_printable(str(job))


def _log_event(event: tuple[float, Any]) -> None:
    """Log a message that a worker has sent."""
    level, text = event[1]
    PACKAGE.log(level, "%s", text)


# The worker's side


def _call_on_worker(call: _Call, task: bytes) -> Any:
    """Call a function with a job, both pickled, and send its log messages to the client."""
    import cloudpickle
    from distributed import get_worker

    global _is_worker
    _is_worker, worker = True, get_worker()
    check_worker(get_versions_of_process(), call.versions, worker.state.nthreads, worker.address)
    _limit_threads(call.workers.get(_get_host(worker.address), 1))
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


def _get_host(address: str) -> str:
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

    Dask starts workers that return it at once, and every large array then costs page faults: computing features takes
    more than twice as long. Only glibc has these settings.
    """
    with contextlib.suppress(AttributeError, OSError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(M_MMAP_THRESHOLD, KEPT_SIZE)
        set_option(M_TRIM_THRESHOLD, 2 * KEPT_SIZE)


@contextlib.contextmanager
def _send_messages(worker: Any, call: _Call) -> Iterator[None]:
    """Send the package's log messages to the client within the block."""

    class Sender(logging.Handler):
        """A handler that sends messages as events of dask."""

        def emit(self, record: logging.LogRecord) -> None:
            """Send one message, with the name of the experiment before it if there are several."""
            worker.log_event(call.topic, (record.levelno, get_log_prefix() + record.getMessage().strip("\n")))

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
