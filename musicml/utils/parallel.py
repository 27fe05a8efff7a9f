"""Map a function over many jobs in several processes or on a cluster, and check whether a process still exists."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import signal
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, TypeVar

from musicml.utils import cluster

Job = TypeVar("Job")
Result = TypeVar("Result")

IDLE_SECONDS = 20  # after which a worker exits whose parent was killed
CLUSTER_BATCH_SIZE = 16  # for "auto" on a cluster


def count_processes(most: int | None = None) -> int:
    """Count the worker processes to use: one per usable core, at most `most`, or all workers of a cluster."""
    import joblib

    if cluster.get_client() is not None:
        return cluster.count_workers()
    if multiprocessing.current_process().daemon:  # Python forbids it to have children
        return 1
    return min(joblib.cpu_count(), most or joblib.cpu_count())


def map_in_processes(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    n_processes: int,
    n_threads: int = 1,
    batch_size: int | str = 1,
    on_kill: Callable[[], object] = lambda: None,
    on_loss: Callable[[Job], Result] | None = None,
) -> Generator[Result]:
    """Yield the result of `function` for each job, in order. `jobs` is consumed only as workers become free.

    If a worker is killed, most likely because memory ran out, this process does the remaining jobs. Workers ignore
    Ctrl-C, which this process handles. They exit with the last result, since idle ones would keep their memory.

    Within `connect_cluster`, the workers of the cluster do the jobs. Another worker does the job of a killed one.

    Parameters
    ----------
    n_processes : 1 for this process alone
    n_threads : BLAS threads per worker: two workers of two threads on two cores take longer than one
    batch_size : jobs sent to a worker at a time; "auto" for jobs of milliseconds
    on_kill : called if a worker is killed
    on_loss : called with a job that no worker of a cluster survives; returns a result for it (default: an error)
    """
    if n_processes > 1 and cluster.get_client() is not None:
        yield from _map_on_cluster(function, jobs, batch_size, on_loss)
        return
    if n_processes < 2:
        yield from map(function, jobs)
        return
    import joblib

    remaining, pending = iter(jobs), deque[Job]()  # not sent yet; sent and without a result

    def send() -> Iterator[Any]:
        """Yield jobs one by one, and remember those that have no result yet."""
        for job in remaining:
            pending.append(job)
            yield joblib.delayed(_call)(function, job)

    try:
        with joblib.parallel_config("loky", inner_max_num_threads=n_threads, idle_worker_timeout=IDLE_SECONDS):
            results = joblib.Parallel(
                n_processes, return_as="generator", batch_size=batch_size, pre_dispatch=2 * n_processes
            )(send())
        try:
            for result in results:
                pending.popleft()
                yield result
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about unfinished jobs, if the caller's loop stopped early
                results.close()
    except BrokenProcessPool:
        _end_processes()
        on_kill()
        yield from map(function, itertools.chain(pending, remaining))
    finally:
        _end_processes()


def _map_on_cluster(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    batch_size: int | str,
    on_loss: Callable[[Job], Result] | None,
) -> Iterator[Result]:
    """Yield the results of jobs that are sent to a cluster in batches."""
    size = batch_size if isinstance(batch_size, int) else CLUSTER_BATCH_SIZE
    if size == 1:
        yield from cluster.map_on_cluster(function, jobs, on_loss)
        return
    jobs = iter(jobs)
    batches = iter(lambda: list(itertools.islice(jobs, size)), [])
    with contextlib.closing(cluster.map_on_cluster(partial(_call_each, function), batches)) as results:
        for result in results:
            yield from result


def _call_each(function: Callable[[Job], Result], jobs: list[Job]) -> list[Result]:
    """Call the function for each job of a batch."""
    return [function(job) for job in jobs]


def _call(function: Callable[[Job], Result], job: Job) -> Result:
    """Call the function in a worker, with Ctrl-C left to the parent."""
    # if joblib can't start processes, it calls this in the parent itself
    if multiprocessing.parent_process() is not None and not multiprocessing.current_process().daemon:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return function(job)


def _end_processes() -> None:
    """Stop the workers that joblib keeps alive."""
    from joblib.externals import loky

    loky.get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


def has_exited(process: Any) -> bool:
    """Return whether no process of this machine has the ID `process`; False if it is not a process ID."""
    import psutil

    return isinstance(process, int) and 0 < process < 2**31 and not psutil.pid_exists(process)
