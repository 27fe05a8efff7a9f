"""Run jobs on a cluster of dask: processes of this machine, jobs of SLURM, or workers on any machines.

Workers import the same musicml, and read and write the same folders as this process. Dask sends each a function and its
arguments, gives the job of a killed worker to another one, and balances the load.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import queue
import re
import signal
import sys
import threading
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from musicml.utils.cluster_worker import Call, call_on_worker, get_host, get_versions_of_process
from musicml.utils.errors import InputError, make_printable
from musicml.utils.messages import Message
from musicml.utils.terminal import PACKAGE

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 15  # to wait for the scheduler, and for the first worker
POLL_SECONDS = 1.0  # between two looks at a cluster whose tasks take long
MAX_SECONDS_WITHOUT_WORKERS = 60.0  # a killed worker is started again sooner, if it has a nanny
LOST_JOB = Message("it ended several workers, most likely because memory ran out: start workers with more memory")

_client: Any = None  # of the cluster that this process is connected to
_patience = 0.0  # seconds to wait for a worker if all are gone
_folders: tuple[str, ...] = ()  # that each worker must have


class LostClusterError(InputError):
    """Raised when the scheduler or all workers have ended, so that no other job can be done either."""


def get_client() -> Any:
    """Return dask's client of the cluster that this process is connected to, or None."""
    return _client


@contextlib.contextmanager
def connect_cluster(address: str | None, folders: Iterable[Path] = ()) -> Iterator[None]:
    """Run the jobs of `map_in_processes` on a cluster within the block.

    Parameters
    ----------
    address : `local` for processes of this machine, or `slurm` for jobs of SLURM as dask's configuration describes
        them, both with a number after a colon if wanted; or a scheduler's address such as tcp://host:8786; None for no
        cluster
    folders : absolute paths that the jobs use

    Raises
    ------
    InputError
        If dask is missing, there is no scheduler at the address, or it has no workers.
    """
    global _client, _patience, _folders
    if address is None:
        yield
        return
    try:
        import dask
        import distributed
    except ImportError:
        raise InputError(
            '--cluster needs dask, which is not installed. Run `pip install "musicml[cluster]"` on each machine.'
        ) from None
    for name in logging.root.manager.loggerDict:
        if name.startswith(("distributed", "tornado", "asyncio")):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # their errors are explained here
    kind = address.partition(":")[0]
    with contextlib.ExitStack() as stack:
        # a job may have many files
        stack.enter_context(dask.config.set({"distributed.admin.large-graph-warning-threshold": sys.maxsize}))
        if match := re.fullmatch(r"(?:local|slurm)(?::([1-9]\d{0,3}))?", address):
            start = _start_local_cluster if kind == "local" else _start_slurm_cluster
            target = stack.enter_context(start(int(match[1]) if match[1] else None))
        elif ":" in address and kind not in ("local", "slurm"):
            target = address
        else:
            raise InputError(
                "Expected --cluster local, slurm or an address such as tcp://host:8786, got {address!r}.",
                address=address,
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about versions, which are checked on each worker
                client = stack.enter_context(distributed.Client(target, timeout=CONNECT_SECONDS, name="musicml"))
            is_queued = kind == "slurm"  # for hours perhaps
            client.wait_for_workers(1, timeout=None if is_queued else CONNECT_SECONDS)
        except TimeoutError as error:
            raise _make_connection_error(address, has_scheduler="client" in locals()) from error
        except Exception as error:  # of many types, such as OverflowError for a port above 65535
            raise _make_connection_error(address, has_scheduler=False) from error
        _client, _patience = client, math.inf if is_queued else MAX_SECONDS_WITHOUT_WORKERS
        _folders = tuple(str(folder) for folder in folders if folder.is_dir())
        stack.callback(_disconnect)
        try:
            yield
        except LostClusterError as error:
            raise InputError("{error} Then run the same command again.", error=error.message) from None


def _disconnect() -> None:
    """Use no cluster any more."""
    global _client
    _client = None


def _make_connection_error(address: str, has_scheduler: bool) -> InputError:
    """Return the error for a scheduler that can't be reached, or for one without workers."""
    if has_scheduler:
        return InputError(
            "The cluster at {address} has no workers. Start one on each machine: `dask worker {address} --nworkers "
            "-1 --nthreads 1`.",
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
        with _ignore_ctrl_c(), _restore_environment():  # in the workers too, which inherit both
            cluster = LocalCluster(
                n_workers=n_workers or joblib.cpu_count(),
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # dask always starts its server: on any port, and not on the network
                memory_limit=0,  # as without a cluster: dask's own limit would pause workers that use much memory
                silence_logs=logging.CRITICAL,
                # a worker that is started again does not inherit it
                preload=["import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"],
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
    except (ValueError, TypeError):
        raise InputError(
            "SLURM's jobs need a number of cores and memory. Write them to ~/.config/dask/jobqueue.yaml, as the guide "
            "Use several machines describes."
        ) from None
    n_jobs = n_jobs or 1
    with cluster:
        _submit_jobs(cluster, n_jobs)
        cluster.adapt(minimum_jobs=n_jobs, maximum_jobs=n_jobs)  # jobs that have ended are submitted again
        logger.info(Message("waiting for SLURM to start the first of {n} jobs", n=n_jobs))
        yield cluster


def _submit_jobs(cluster: Any, n_jobs: int) -> None:
    """Submit jobs to SLURM. Adapting the cluster would do so too, but would wait forever for jobs that are refused.

    Raises
    ------
    InputError
        If there is no SLURM, or it refuses a job.
    """
    from distributed import Status

    async def submit() -> None:
        """Start the jobs that the cluster has planned."""
        await cluster

    for _ in range(n_jobs):
        cluster.worker_spec.update(cluster.new_worker_spec())
    try:
        cluster.sync(submit)
    except (OSError, RuntimeError, ValueError) as error:
        for job in cluster.workers.values():
            job.status = Status.failed  # dask can't close the cluster otherwise
        raise InputError(
            "SLURM's `sbatch` submitted no job ({error}). Start the command on a machine of the cluster, and check "
            "~/.config/dask/jobqueue.yaml.",
            error=(str(error).strip() or repr(error)).splitlines()[-1],
        ) from None


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
    call = Call(f"musicml-{name}", PACKAGE.getEffectiveLevel(), get_versions_of_process(), {}, _folders)
    pending, results = dict[Any, tuple[int, Any]](), dict[int, Any]()  # future → place and job; place → result
    numbered, due, finished = enumerate(jobs), 0, queue.SimpleQueue[Any]()
    # of the workers; an error says that the scheduler has ended since the last map
    addresses, last_check, last_seen = _list_addresses(client), float("-inf"), time.monotonic()
    client.subscribe_topic(call.topic, _log_event)
    try:
        while True:
            if time.monotonic() - last_check > POLL_SECONDS:  # workers may come and go
                addresses, last_check = _list_addresses(client), time.monotonic()
                call = call._replace(workers=dict(Counter(map(get_host, addresses))))
                last_seen = last_check if addresses else last_seen
            for place, job in itertools.islice(numbered, max(0, max(len(addresses), 1) - len(pending))):
                # as bytes, since the scheduler unpickles a task, and would import the function's module
                task = cloudpickle.dumps((function, job))
                future = client.submit(call_on_worker, call, task, key=f"musicml-{name}-{place}", pure=False)
                pending[future] = place, job
                future.add_done_callback(finished.put)
            while due in results:
                yield results.pop(due)
                due += 1
            if not pending:
                return
            if time.monotonic() - last_seen > _patience:
                raise LostClusterError(
                    "All workers of the cluster are gone. The last job was {job}. Memory may have run out. Start "
                    "workers again.",
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
    LostClusterError
        If the scheduler is gone.
    """
    try:
        return list(client.nthreads())
    except Exception:  # of any kind, depending on when the connection broke
        raise _make_lost_scheduler_error() from None


def _make_lost_scheduler_error() -> LostClusterError:
    """Return the error for a scheduler that ended while jobs were running."""
    return LostClusterError("The scheduler of the cluster is gone. Start it again.")


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
    except Exception as error:
        if future.status != "error":  # the job has a result, which could not be fetched
            raise _make_lost_scheduler_error() from None
        # dask wraps the scheduler's error in a RuntimeError
        is_import = isinstance(error, (ImportError, AttributeError, RuntimeError))
        if not is_import or "musicml" not in f"{error} {error.__cause__}":
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
