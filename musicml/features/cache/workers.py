"""Reading: the features of many files, in their order, in several processes where that pays.

Processes and not threads, because most of the work holds Python's lock; and BLAS at one thread in each, since two
processes of two threads on two cores take longer than one. A process hands over its features as a file, which is
copied into its place at a fraction of what it costs to send arrays from one process to another.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from musicml.data.datasets import Example
from musicml.data.io import AudioSource
from musicml.features import audio_features
from musicml.utils import InputError

TRIED = 4  # files read in this process before it is decided; the first one, which pays for imports, does not count
PAYS = 4.0  # seconds of work left from which processes are started: they take one to start, and two halve the rest
TASK = 0.2  # seconds of work handed to a process at a time: long beside the handing, short beside the whole
MOST = 16  # files in a task
COPIED = 2**20  # bytes at a time
IDLE = 20  # seconds until a process ends whose parent was killed


@dataclass(frozen=True)
class FileResult:
    """What came of one file.

    Attributes
    ----------
    values : its features; None where it can't be read, or where another process has written them
    warnings : what there is to warn of
    refused : why it can't be read
    length : how many frames there are, 1 of a picture, 0 of what can't be read
    size : bytes, of what another process has written
    source : the open file that holds these, at their beginning
    """

    values: np.ndarray | None
    warnings: tuple[str, ...] = ()
    refused: str = ""
    length: int = 0
    size: int = 0
    source: BinaryIO | None = None

    def write(self, out: BinaryIO) -> int:
        """Write the features to `out`, from wherever they are; how many bytes."""
        if self.values is not None:
            return out.write(np.ascontiguousarray(self.values).data)
        if self.source is not None:
            shutil.copyfileobj(Part(self.source, self.size), out, COPIED)
        return self.size


class Part:
    """The next bytes of an open file, so many and no more, as `shutil.copyfileobj` reads them."""

    def __init__(self, source: BinaryIO, left: int):
        self.source, self.left = source, left

    def read(self, size: int = COPIED, /) -> bytes:
        """At most `size` bytes; none at the end of the part."""
        found = self.source.read(min(size, self.left))
        self.left -= len(found)
        return found


def read_all(
    examples: Sequence[Example], settings: Any, least_samples: int, folder: Path, processes: int | None = None
) -> Generator[FileResult]:
    """What came of each file, in order; those that are read and not yet asked for are few.

    Parameters
    ----------
    folder : where processes put what they have read, until it is asked for
    settings : which features
    least_samples : a shorter track is repeated up to this length
    processes : how many at the most; 1 for this one alone, None for as many as there are cores where that pays
    """
    most = allowed(processes)
    done, begun, left = 0, time.perf_counter(), 0.0
    for example in examples:
        # one that was asked for is not asked whether it pays
        if most > 1 and (processes or (done > TRIED and left > PAYS)):
            break
        yield read(example.place, example.id, settings, least_samples)
        done += 1
        if done == 1:
            begun = time.perf_counter()
        else:
            left = (time.perf_counter() - begun) / (done - 1) * (len(examples) - done)
    if done < len(examples):
        each = left / (len(examples) - done) or TASK
        a_task = max(1, min(MOST, int(TASK / each)))
        yield from read_at_once(examples[done:], settings, least_samples, folder, most, a_task)


def allowed(processes: int | None) -> int:
    """How many processes may be started: of the cores that this one may use, or as many as are asked for."""
    if processes is not None:
        return processes
    import multiprocessing

    import joblib

    return 1 if multiprocessing.current_process().daemon else joblib.cpu_count()  # a daemonic one may have no children


def read_at_once(
    examples: Sequence[Example], settings: Any, least_samples: int, folder: Path, processes: int, a_task: int
) -> Iterator[FileResult]:
    """What came of each file, in order, by several processes; where one of them is killed, the rest by this one."""
    import joblib

    places, done = range(0, len(examples), a_task), 0  # each task is made when it is due: all at once are megabytes
    try:
        with joblib.parallel_config("loky", inner_max_num_threads=1, idle_worker_timeout=IDLE):
            parallel = joblib.Parallel(processes, return_as="generator", batch_size=1, pre_dispatch=2 * processes)
            found = parallel(
                joblib.delayed(read_some)(
                    [(example.place, example.id) for example in examples[place : place + a_task]],
                    settings,
                    least_samples,
                    part_at(folder, place),
                )
                for place in places
            )
        with contextlib.closing(found):
            for place, some in zip(places, found, strict=True):
                part = part_at(folder, place)
                with open(part, "rb") as source:
                    for one in some:
                        yield replace(one, source=source)
                        done += 1
                os.unlink(part)
    except BrokenProcessPool:  # the system was short of memory, most likely: one process needs less
        dismiss()
        for example in examples[done:]:
            yield read(example.place, example.id, settings, least_samples)
    finally:
        dismiss()


def part_at(folder: Path, place: int) -> str:
    """Where a process puts what it has read of the task at `place`; a `Path` would leave a trace in each process."""
    return os.path.join(folder, f"part-{place}")


def dismiss() -> None:
    """End the processes: joblib keeps them for a next time, with the memory that they hold."""
    from joblib.externals import loky

    loky.get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)


def read_some(jobs: Sequence[tuple[str, str]], settings: Any, least_samples: int, part: str) -> list[FileResult]:
    """What came of a few files, in a process that leaves Ctrl-C to its parent; their features go to the file `part`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(part, "wb") as out:
        found = (read(*job, settings, least_samples) for job in jobs)
        return [replace(one, size=one.write(out), values=None) for one in found]


def read(path: Path | str, name: str, settings: Any, least_samples: int) -> FileResult:
    """What came of one file; a disk that gives trouble is trouble with the file."""
    try:
        values, warnings = audio_features.compute_features(AudioSource(path, name), settings, least_samples)
        return FileResult(values, warnings, length=1 if isinstance(settings, audio_features.Pixels) else len(values))
    except InputError as error:
        return FileResult(None, refused=str(error))
    except OSError as error:
        return FileResult(
            None,
            refused=f"{name} must be a file that can be read, and can't be ({error.strerror or error}): copy it again.",
        )
