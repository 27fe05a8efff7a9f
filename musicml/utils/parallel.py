"""Map a function over many jobs in several processes, and check whether a process still exists."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

IDLE_SECONDS = 20  # after which a worker exits whose parent was killed


def count_processes(most: int | None = None) -> int:
    """Count the worker processes to use: one per usable core, at most `most`."""
    import joblib

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
) -> Generator[Result]:
    """Yield the result of `function` for each job, in order. `jobs` is consumed only as workers become free.

    If a worker is killed, most likely because memory ran out, this process does the remaining jobs. Workers ignore
    Ctrl-C, which this process handles. They exit with the last result, since idle ones would keep their memory.

    Parameters
    ----------
    n_processes : 1 for this process alone
    n_threads : BLAS threads per worker: two workers of two threads on two cores take longer than one
    batch_size : jobs sent to a worker at a time; "auto" for jobs of milliseconds
    on_kill : called if a worker is killed
    """
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
