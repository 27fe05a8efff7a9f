"""Compute features in a temporary folder that is renamed once it is complete, with several processes if that is faster.

Processes and not threads, because most of the work holds Python's global lock. A process returns its features as a
file, because copying a file is much cheaper than sending arrays between processes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import socket
import tempfile
import time
from array import array
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from musicml.data.datasets import Dataset, Example
from musicml.data.io import READER_VERSION, AudioSource
from musicml.features import audio_features
from musicml.utils import (
    InputError,
    Message,
    count_processes,
    describe_os_error,
    has_exited,
    make_progress_bar,
    map_in_processes,
    os_error_to_input_error,
    to_dict,
    write_json,
)

UNFINISHED_PREFIX = ".making-"
REMOVED_PREFIX = ".leaving-"
ABANDONED_SECONDS = 86_400.0  # age after which an unfinished folder of another machine counts as abandoned
N_TIMED_FILES = 4  # files timed in this process to estimate the rest, after a first one that pays for imports
MIN_PARALLEL_SECONDS = 4.0  # of work left: processes take one second to start, and two halve the rest
TASK_SECONDS = 0.2  # of work handed to a process at a time: long compared with the handing over, short for the bar
MAX_TASK_FILES = 16
COPY_SIZE = 2**20  # bytes at a time


@dataclass(frozen=True)
class FileResult:
    """The outcome of one file.

    Attributes
    ----------
    length : number of frames, 1 for a picture, 0 for an unreadable file
    refused : why it can't be read
    warnings : tuple of sentences
    """

    length: int = 0
    refused: str = ""
    warnings: tuple[str, ...] = ()


def compute_and_store(
    dataset: Dataset, settings: Any, folder: Path, least_samples: int, processes: int | None = None
) -> None:
    """Compute every file's features into the folder `folder`, which appears only once it is complete.

    Parameters
    ----------
    processes : as for `compute_all`

    Raises
    ------
    InputError
        If the disk is full or not writable.
    """
    try:
        with make_temporary_folder(folder) as work:
            index = _write_features(dataset, settings, least_samples, work, processes)
            about = {  # not part of the key; describes the features to readers
                "dataset": dataset.name,
                "sample": dataset.sample,
                "kind": next(name for name, kind in audio_features.FEATURE_KINDS.items() if kind is type(settings)),
                "settings": to_dict(settings),
                "least_samples": least_samples,
                "version": audio_features.FEATURES_VERSION,
                "reader": READER_VERSION,
            }
            write_json(work / "index.json", about | index)
            publish_folder(work, folder)
    except OSError as error:
        raise os_error_to_input_error(error, folder) from error


def _write_features(
    dataset: Dataset, settings: Any, least_samples: int, work: Path, processes: int | None
) -> dict[str, list | dict]:
    """Write the features of all files one after another. Return frames per file, excluded files and warnings."""
    lengths = array("q")
    excluded: list[list[str]] = []
    warnings: dict[str, list[str]] = {}
    with open(work / "array.bin", "wb") as out:
        results = compute_all(dataset.examples, settings, least_samples, work, out, processes)
        bar = make_progress_bar("features", len(dataset.examples), results, has_lines=False, unit="file")
        with contextlib.closing(results), bar:
            for example, result in zip(dataset.examples, bar, strict=True):
                lengths.append(result.length)
                if result.refused:
                    excluded.append([example.id, result.refused])
                if result.warnings:
                    warnings[example.id] = list(result.warnings)
    return {"lengths": lengths.tolist(), "excluded": excluded, "warnings": warnings}


def compute_all(
    examples: Sequence[Example],
    settings: Any,
    least_samples: int,
    folder: Path,
    out: BinaryIO,
    processes: int | None = None,
) -> Generator[FileResult]:
    """Write the features of each file to `out`, in order, and yield the outcome of each.

    Parameters
    ----------
    settings : which features
    least_samples : a shorter track is repeated up to this length
    folder : where processes put what they have computed, until it is copied
    processes : at most so many; 1 for this one alone, None for one per core if that is faster
    """
    n_processes = count_processes() if processes is None else processes
    done, start_time, seconds_left = 0, time.perf_counter(), 0.0
    for example in examples:
        # a requested number of processes is used from the start; otherwise only if enough work is left
        if n_processes > 1 and (processes or (done > N_TIMED_FILES and seconds_left > MIN_PARALLEL_SECONDS)):
            break
        yield _compute_file(example.file_path, example.id, settings, least_samples, out)
        done += 1
        if done == 1:
            start_time = time.perf_counter()
        else:
            seconds_left = (time.perf_counter() - start_time) / (done - 1) * (len(examples) - done)
    if done == len(examples):
        return
    seconds_each = seconds_left / (len(examples) - done) or TASK_SECONDS / 5
    task_size = max(1, min(MAX_TASK_FILES, int(TASK_SECONDS / seconds_each)))
    tasks = (
        # strings: each `Path` would leave some memory behind in the process
        ([(example.file_path, example.id) for example in examples[place : place + task_size]], f"{folder}/part-{place}")
        for place in range(done, len(examples), task_size)
    )
    compute = functools.partial(_compute_part, settings=settings, least_samples=least_samples)
    for results, part in map_in_processes(compute, tasks, n_processes):
        with open(part, "rb") as source:
            shutil.copyfileobj(source, out, COPY_SIZE)
        os.unlink(part)
        yield from results


def _compute_part(
    task: tuple[Sequence[tuple[str, str]], str], settings: Any, least_samples: int
) -> tuple[list[FileResult], str]:
    """Write the features of a few files, each with its path and name, to one file, and return outcomes and path."""
    jobs, part = task
    with open(part, "wb") as out:
        return [_compute_file(*job, settings, least_samples, out) for job in jobs], part


def _compute_file(path: Path | str, name: str, settings: Any, least_samples: int, out: BinaryIO) -> FileResult:
    """Write the features of one file to `out`. A disk error while reading counts as an unreadable file."""
    try:
        values, warnings = audio_features.compute_features(AudioSource(path, name), settings, least_samples)
    except InputError as error:
        return FileResult(refused=error.message)
    except OSError as error:
        return FileResult(
            refused=Message(
                "Expected {name} to be a readable file, but reading failed ({value}). Copy it again.",
                name=name,
                value=describe_os_error(error),
            )
        )
    out.write(np.ascontiguousarray(values).data)
    return FileResult(1 if isinstance(settings, audio_features.Pixels) else len(values), warnings=warnings)


@contextlib.contextmanager
def make_temporary_folder(folder: Path) -> Iterator[Path]:
    """Make a folder to work in, removed afterwards unless it was renamed. Also remove those of dead processes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    for path in folder.parent.glob(".*"):
        if is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{UNFINISHED_PREFIX}{make_owner_name()}-"))
    try:
        work.chmod(0o755)  # students of a class may share one cache
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def publish_folder(work: Path, folder: Path) -> None:
    """Rename `work` to `folder`. If another process was faster, keep its equal result."""
    try:
        work.rename(folder)
    except OSError:
        if not (folder / "index.json").is_file():
            raise


# Names of unfinished folders, and which of them were abandoned by a killed process


def make_owner_name() -> str:
    """Return a name of this process for use in the cache, with the machine, since machines may share the folder."""
    return f"{get_host_name()}-{os.getpid()}"


def get_host_name() -> str:
    """Return the machine's name in letters and digits only, since `-` separates the parts of a folder name."""
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:40] or "here"


def is_abandoned(path: Path) -> bool:
    """Return whether an unfinished file or folder is of a dead process of this machine, or a day old."""
    of_folder = re.fullmatch(rf"(?:{UNFINISHED_PREFIX}|{REMOVED_PREFIX})([A-Za-z0-9]+)-(\d+)-.*", path.name)
    if of_folder and of_folder[1] == get_host_name():
        return has_exited(int(of_folder[2]))
    try:
        newest = max(part.stat().st_mtime for part in (path, *path.glob("*")))
    except OSError:  # removed meanwhile
        return False
    return time.time() - newest > ABANDONED_SECONDS
