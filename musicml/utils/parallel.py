"""Labour: one function over many jobs, in two processes where that pays."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import ModuleType
from typing import Any

PROCESSES = 2  # at the most
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # what BLAS asks as it is loaded
FIRM = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
LOG_INTERVAL_S = 10.0  # seconds between two words on how far it is

Mapping = Callable[[Callable, Sequence[Any]], Iterator[Any]]


@contextlib.contextmanager
def open_parallel_map(n_jobs: int, pool_from: int) -> Iterator[Mapping]:
    """A function that maps another one over jobs, in order: in two processes from so many jobs on, else in this one."""
    alone = multiprocessing.current_process().daemon  # a daemonic process may have no children
    if n_jobs < pool_from or (os.cpu_count() or 1) < 2 or alone:
        yield map
        return
    # spawn: a fork would copy whatever threads and locks the caller has
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(PROCESSES, mp_context=context, initializer=signal.signal, initargs=FIRM)
    try:
        # where they can't start, `map_in_processes` meets the same and does without them
        with limit_blas_threads(), hide_main_module(), contextlib.suppress(BrokenProcessPool):
            for started in [pool.submit(int) for _ in range(PROCESSES)]:  # each starts where none is idle
                started.result()
        yield lambda function, jobs: map_in_processes(pool, function, jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def map_in_processes(pool: ProcessPoolExecutor, function: Callable, jobs: Sequence[Any]) -> Iterator[Any]:
    """The results of all jobs in order; where a process was killed, what is left is done in this one."""
    jobs, n_done = list(jobs), 0
    try:
        for result in pool.map(function, jobs, chunksize=max(1, min(16, len(jobs) // (4 * PROCESSES)))):
            n_done += 1
            yield result
    except BrokenProcessPool:
        yield from map(function, jobs[n_done:])


@contextlib.contextmanager
def limit_blas_threads() -> Iterator[None]:
    """Let processes that start meanwhile keep BLAS to one thread: two with two each on two cores take twice as long."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextlib.contextmanager
def hide_main_module() -> Iterator[None]:
    """Keep processes that start meanwhile from running the main module again: it may be a page, or have no guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class ProgressLog:
    """Says now and then how far it is."""

    def __init__(self, n: int, say: Callable[[str], None]):
        self.n, self.say, self.begun = n, say, time.monotonic()
        self.said = self.begun

    def at(self, n_done: int) -> None:
        """So many of them are done."""
        now = time.monotonic()
        if now - self.said < LOG_INTERVAL_S or not 0 < n_done < self.n:
            return
        self.said = now
        left = (now - self.begun) / n_done * (self.n - n_done)
        self.say(f"audit: {n_done} of {self.n}, {left:.0f} s left")
