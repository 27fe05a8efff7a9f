"""Compute features beside their place, which they take when they are whole; in several processes where that pays.

Processes and not threads, because most of the work holds Python's lock. A process hands over its features as a file,
which is copied into its place at a fraction of what it costs to send arrays from one process to another.
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

MAKING = ".making-"
LEAVING = ".leaving-"
DAY = 86_400.0  # seconds after which what nobody has touched is nobody's
TRIED = 4  # files read in this process before it is decided; the first one, which pays for imports, does not count
PAYS = 4.0  # seconds of work left from which processes are started: they take one to start, and two halve the rest
TASK = 0.2  # seconds of work handed to a process at a time: long beside the handing, short beside the whole
MOST = 16  # files in a task
COPIED = 2**20  # bytes at a time


@dataclass(frozen=True)
class FileResult:
    """What came of one file.

    Attributes
    ----------
    length : how many frames there are, 1 of a picture, 0 of what can't be read
    refused : why it can't be read
    warnings : what there is to warn of
    """

    length: int = 0
    refused: str = ""
    warnings: tuple[str, ...] = ()


def compute_and_store(
    dataset: Dataset, settings: Any, home: Path, least_samples: int, processes: int | None = None
) -> None:
    """Compute every file's features into the folder `home`, which appears only when it is whole.

    Parameters
    ----------
    processes : as `compute_all` takes it

    Raises
    ------
    InputError
        If the disk is full or closed for writing.
    """
    try:
        with folder_beside(home) as work:
            index = _write_features(dataset, settings, least_samples, work, processes)
            about = {  # nobody needs it to find features, and everybody to tell what they are
                "dataset": dataset.name,
                "sample": dataset.sample,
                "kind": next(name for name, kind in audio_features.FEATURE_KINDS.items() if kind is type(settings)),
                "settings": to_dict(settings),
                "least_samples": least_samples,
                "version": audio_features.FEATURES_VERSION,
                "reader": READER_VERSION,
            }
            write_json(work / "index.json", about | index)
            take_place(work, home)
    except OSError as error:
        raise os_error_to_input_error(error, home) from error


def _write_features(
    dataset: Dataset, settings: Any, least_samples: int, work: Path, processes: int | None
) -> dict[str, list | dict]:
    """Write the features of every file one after another; how many frames each has, what was left out, warnings."""
    lengths = array("q")
    excluded: list[list[str]] = []
    warnings: dict[str, list[str]] = {}
    with open(work / "array.bin", "wb") as out:
        found = compute_all(dataset.examples, settings, least_samples, work, out, processes)
        bar = make_progress_bar("features", len(dataset.examples), found, has_lines=False, unit="file")
        with contextlib.closing(found), bar:
            for example, one in zip(dataset.examples, bar, strict=True):
                lengths.append(one.length)
                if one.refused:
                    excluded.append([example.id, one.refused])
                if one.warnings:
                    warnings[example.id] = list(one.warnings)
    return {"lengths": lengths.tolist(), "excluded": excluded, "warnings": warnings}


def compute_all(
    examples: Sequence[Example],
    settings: Any,
    least_samples: int,
    folder: Path,
    out: BinaryIO,
    processes: int | None = None,
) -> Generator[FileResult]:
    """Write the features of each file to `out`, in order, and yield what came of it.

    Parameters
    ----------
    settings : which features
    least_samples : a shorter track is repeated up to this length
    folder : where processes put what they have computed, until it is copied
    processes : how many at the most; 1 for this one alone, None for as many as there are cores where that pays
    """
    most = count_processes() if processes is None else processes
    done, begun, left = 0, time.perf_counter(), 0.0
    for example in examples:
        # one that was asked for is not asked whether it pays
        if most > 1 and (processes or (done > TRIED and left > PAYS)):
            break
        yield _compute_file(example.file_path, example.id, settings, least_samples, out)
        done += 1
        if done == 1:
            begun = time.perf_counter()
        else:
            left = (time.perf_counter() - begun) / (done - 1) * (len(examples) - done)
    if done == len(examples):
        return
    each = left / (len(examples) - done) or TASK / 5
    a_task = max(1, min(MOST, int(TASK / each)))
    tasks = (
        # a `Path` would leave a trace in each process
        ([(example.file_path, example.id) for example in examples[place : place + a_task]], f"{folder}/part-{place}")
        for place in range(done, len(examples), a_task)
    )
    compute = functools.partial(_compute_part, settings=settings, least_samples=least_samples)
    for results, part in map_in_processes(compute, tasks, most):
        with open(part, "rb") as source:
            shutil.copyfileobj(source, out, COPIED)
        os.unlink(part)
        yield from results


def _compute_part(
    task: tuple[Sequence[tuple[str, str]], str], settings: Any, least_samples: int
) -> tuple[list[FileResult], str]:
    """Write the features of a few files, each with its path and name, to a file; what came of them, and where."""
    jobs, part = task
    with open(part, "wb") as out:
        return [_compute_file(*job, settings, least_samples, out) for job in jobs], part


def _compute_file(path: Path | str, name: str, settings: Any, least_samples: int, out: BinaryIO) -> FileResult:
    """Write the features of one file to `out`; a disk that gives trouble in reading is trouble with the file."""
    try:
        values, warnings = audio_features.compute_features(AudioSource(path, name), settings, least_samples)
    except InputError as error:
        return FileResult(refused=error.message)
    except OSError as error:
        return FileResult(
            refused=Message(
                "{name} must be a file that can be read, and can't be ({value}): copy it again.",
                name=name,
                value=describe_os_error(error),
            )
        )
    out.write(np.ascontiguousarray(values).data)
    return FileResult(1 if isinstance(settings, audio_features.Pixels) else len(values), warnings=warnings)


@contextlib.contextmanager
def folder_beside(home: Path) -> Iterator[Path]:
    """A folder to work in, which is gone afterwards unless it was renamed; those of dead processes go too."""
    home.parent.mkdir(parents=True, exist_ok=True)
    for path in home.parent.glob(".*"):
        if abandoned(path):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    work = Path(tempfile.mkdtemp(dir=home.parent, prefix=f"{MAKING}{owner()}-"))
    try:
        work.chmod(0o755)  # a class may share one store
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def take_place(work: Path, home: Path) -> None:
    """Rename `work` to `home`; where another process was faster, its equal result stays."""
    try:
        work.rename(home)
    except OSError:
        if not (home / "index.json").is_file():
            raise


# What killed processes left behind


def owner() -> str:
    """This process, as names in the store tell it: the machine too, since another one may share the folder."""
    return f"{machine()}-{os.getpid()}"


def machine() -> str:
    """The machine's name, with nothing in it that parts of a name are told apart by."""
    return re.sub(r"[^A-Za-z0-9]", "", socket.gethostname())[:40] or "here"


def abandoned(path: Path) -> bool:
    """Whether what is half made was left by a process of this machine that is gone, or by any a day ago."""
    of_folder = re.fullmatch(rf"(?:{MAKING}|{LEAVING})([A-Za-z0-9]+)-(\d+)-.*", path.name)
    if of_folder and of_folder[1] == machine():
        return has_exited(int(of_folder[2]))
    try:
        newest = max(part.stat().st_mtime for part in (path, *path.glob("*")))
    except OSError:  # it went while it was looked at
        return False
    return time.time() - newest > DAY
