"""Compute the shards of a cache that do not exist yet, with several processes if that is faster.

Processes and not threads, because most of the work holds Python's global lock. A process writes its shards itself,
because sending arrays between processes takes longer.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
import stat
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from musicml.data.datasets import Dataset, Example
from musicml.data.io import READER_VERSION
from musicml.features import audio_features
from musicml.features.cache.shards import (
    MANIFEST,
    UNFINISHED_PREFIX,
    Layout,
    make_owner_name,
    read_shard_index,
    remove_abandoned,
    write_shard,
    write_small_json,
)
from musicml.utils import count_processes, make_progress_bar, map_in_processes, os_error_to_input_error, to_dict

N_TIMED_FILES = 4  # files timed in this process to estimate the rest, after a first one that pays for imports
MIN_PARALLEL_SECONDS = 4.0  # of work left: processes take one second to start, and two halve the rest


class Job(NamedTuple):
    """A shard to compute.

    Attributes
    ----------
    number : of the shard
    files : path and name of each of its files
    """

    number: int
    files: list[tuple[str, str]]

    def __str__(self) -> str:
        """Return the paths of the first and the last file."""
        return " ... ".join(dict.fromkeys(self.files[place][0] for place in (0, -1)))


def make_cache_folder(dataset: Dataset, settings: Any, folder: Path, least_samples: int, layout: Layout) -> None:
    """Make the folder of a cache, with a manifest that says what belongs there. If it exists by now, keep it.

    Raises
    ------
    InputError
        If the disk is full or not writable.
    """
    about = {  # not part of the key, except for the settings; describes the features to readers
        "dataset": dataset.name,
        "sample": dataset.sample,
        "kind": next(name for name, kind in audio_features.FEATURE_KINDS.items() if kind is type(settings)),
        "settings": to_dict(settings),
        "least_samples": least_samples,
        "version": audio_features.FEATURES_VERSION,
        "reader": READER_VERSION,
        "n_files": layout.n_files,
        "shard_files": layout.shard_files,
        "row_shape": layout.row_shape,
        "dtype": layout.dtype,
    }
    # renamed, since a folder without its manifest would look unusable to other processes
    work = folder.with_name(f"{UNFINISHED_PREFIX}{make_owner_name()}-{folder.name}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder.parent)
        work.mkdir(exist_ok=True)
        with contextlib.suppress(PermissionError):  # students of a class may share one cache, and go on with it
            work.chmod(stat.S_IMODE(folder.parent.stat().st_mode))
        write_small_json(work / MANIFEST, about)
        try:
            work.rename(folder)
        except OSError:
            if not (folder / MANIFEST).is_file():  # else another process was faster
                raise
    except OSError as error:
        raise os_error_to_input_error(error, folder) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def fill_cache(results: Generator[int], folder: Path, n_files: int, n_left: int) -> None:
    """Compute the missing shards, and show the progress.

    Parameters
    ----------
    results : of `compute_shards`
    folder : of the cache
    n_files, n_left : number of files, and of those whose features are missing

    Raises
    ------
    InputError
        If the disk is full or not writable.
    FileNotFoundError
        If another process cleared the cache meanwhile.
    """
    bar = make_progress_bar("features", n_files, has_lines=False, unit="file", initial=n_files - n_left)
    try:
        remove_abandoned(folder)
        with contextlib.closing(results), bar:
            for n in results:
                bar.update(n)
    except OSError as error:
        raise os_error_to_input_error(error, folder) from error
    finally:
        with contextlib.suppress(OSError):
            remove_abandoned(folder)  # of workers that were stopped


def compute_shards(
    examples: Sequence[Example],
    settings: Any,
    least_samples: int,
    folder: Path,
    layout: Layout,
    missing: Sequence[int],
    processes: int | None = None,
) -> Generator[int]:
    """Compute shards, and yield the number of files done since the last time.

    Parameters
    ----------
    settings : which features
    least_samples : a shorter track is repeated up to this length
    folder, layout : of the cache
    missing : numbers of the shards to compute
    processes : at most so many; 1 for this one alone, None for one per core if that is faster
    """
    n_processes = count_processes() if processes is None else processes
    options = {
        "folder": Path(os.path.abspath(folder)),  # a worker on another machine may be in another folder
        "layout": layout,
        "settings": settings,
        "least_samples": least_samples,
    }
    numbers = list(missing)
    # in a random order, or processes that fill one cache would all compute the same shard at the same time
    random.Random(make_owner_name()).shuffle(numbers)
    # a requested number of processes is used from the start; otherwise only if enough work is left
    if n_processes < 2 or not processes:
        yield from _compute_alone(examples, layout, numbers, n_processes > 1, options)
    jobs = (_make_job(examples, layout, number) for number in numbers)
    if numbers:
        yield from map_in_processes(functools.partial(_compute_shard, options=options), jobs, n_processes)


def _compute_alone(
    examples: Sequence[Example], layout: Layout, numbers: list[int], may_stop: bool, options: dict[str, Any]
) -> Generator[int]:
    """Compute shards in this process, and remove them from `numbers`.

    If `may_stop`, stop once several processes are faster. A shard that was begun is then left to them, and a last
    negative number takes its files back.
    """
    n_left, n_timed, start_time = sum(layout.count_files(number) for number in numbers), 0, 0.0
    has_long_rest = False
    while numbers and not has_long_rest:
        n_of_shard = 0
        with contextlib.closing(_compute_or_skip(_make_job(examples, layout, numbers[-1]), **options)) as results:
            for n in results:
                yield n
                n_of_shard, n_left, n_timed = n_of_shard + n, n_left - n, n_timed + 1
                if n_timed == 1:
                    start_time = time.perf_counter()
                    continue
                seconds_left = (time.perf_counter() - start_time) / (n_timed - 1) * n_left
                has_long_rest = may_stop and n_timed > N_TIMED_FILES and seconds_left > MIN_PARALLEL_SECONDS
                if has_long_rest and n_of_shard < layout.count_files(numbers[-1]):
                    yield -n_of_shard
                    return
        numbers.pop()


def _make_job(examples: Sequence[Example], layout: Layout, number: int) -> Job:
    """Return what a process needs to compute a shard. Strings, since each `Path` would leave some memory behind."""
    files = examples[layout.get_files(number)]
    return Job(number, [(os.path.abspath(example.file_path), example.id) for example in files])


def _compute_shard(job: Job, options: dict[str, Any]) -> int:
    """Compute a shard in a worker process, and return its number of files."""
    return sum(_compute_or_skip(job, **options))


def _compute_or_skip(job: Job, folder: Path, layout: Layout, settings: Any, least_samples: int) -> Generator[int]:
    """Compute a shard unless another process has written it meanwhile. Yield the number of files done each time."""
    number, files = job
    try:
        read_shard_index(folder, layout, number)
        yield len(files)
    except (FileNotFoundError, ValueError):
        for _ in write_shard(folder, layout, number, files, settings, least_samples):
            yield 1
