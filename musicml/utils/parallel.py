"""Map a function over many jobs in several processes, and tell whether a process exists."""

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

IDLE_SECONDS = 20  # until a process ends whose parent was killed


def count_processes(most: int | None = None) -> int:
    """Count the processes that may be started: one a usable core, `most` in all; 1, this one, below a daemonic one."""
    import joblib

    if multiprocessing.current_process().daemon:  # it may have no children
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
    """Yield what `function` makes of each job, in their order; each job is made when it is due.

    Where a process is killed, for want of memory most likely, this one does what is left. The main module is not run
    again by the processes. They leave Ctrl-C to this one, and are ended with the last result: joblib would keep them,
    and the memory that they hold, for a next time.

    Parameters
    ----------
    n_processes : 1 for this process alone; each other has at most two batches of jobs before it
    n_threads : of BLAS in each process: two processes of two threads on two cores take longer than one
    batch_size : how many jobs a process is handed at a time; "auto" for jobs of milliseconds
    on_kill : called where a process was killed
    """
    if n_processes < 2:
        yield from map(function, jobs)
        return
    import joblib

    due, pending = iter(jobs), deque[Job]()

    def take() -> Iterator[Any]:
        for job in due:
            pending.append(job)
            yield joblib.delayed(_call)(function, job)

    try:
        with joblib.parallel_config("loky", inner_max_num_threads=n_threads, idle_worker_timeout=IDLE_SECONDS):
            results = joblib.Parallel(
                n_processes, return_as="generator", batch_size=batch_size, pre_dispatch=2 * n_processes
            )(take())
        try:
            for result in results:
                pending.popleft()
                yield result
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of jobs that are not done, where a loop is left early
                results.close()
    except BrokenProcessPool:
        _end_processes()
        on_kill()
        yield from map(function, itertools.chain(pending, due))
    finally:
        _end_processes()


def _call(function: Callable[[Job], Result], job: Job) -> Result:
    """Call the function in a process that leaves Ctrl-C to its parent."""
    # where joblib can't start processes, it calls this in the parent
    if multiprocessing.parent_process() is not None and not multiprocessing.current_process().daemon:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return function(job)


def _end_processes() -> None:
    """End the processes that joblib keeps."""
    from joblib.externals import loky

    loky.get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


def has_exited(process: Any) -> bool:
    """Whether no process of this machine has the number `process`; False of what is no number of a process."""
    import psutil

    return isinstance(process, int) and 0 < process < 2**31 and not psutil.pid_exists(process)
