"""Measure a few files of a dataset: their length by their headers, and the time and size of their features.

The headers are those of files chosen at random, always the same ones. Files whose features are computed are spread
evenly over the sizes of these, and so is any first part of them: a measurement may stop whenever its time is over.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from musicml.data.datasets import Dataset, Example
from musicml.data.io import AudioSource, open_stream
from musicml.features import VGGish, compute_features, get_storage_type
from musicml.utils import InputError, compute_digest, count_processes, describe_os_error, map_in_processes

MAX_HEADERS, MAX_HEADER_SECONDS = 500, 3.0
MAX_ALONE, MAX_ALONE_SECONDS = 32, 3.0  # in this process, which keeps their features to time training on
MAX_TOGETHER, MAX_TOGETHER_SECONDS = 300, 8.0  # on all cores at once, which slow each other down
MIN_PARALLEL_SECONDS = 4.0  # of work left: with less, features are computed by one process, as in training
START_SECONDS = 1.0  # until a worker process has imported what it needs, if that was not measured
GOLDEN_RATIO = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Mean:
    """A mean over some of the files, and how far the mean over all files may be from it.

    Attributes
    ----------
    spread : half of its 95% interval; 0 if all files were measured, None if a single one of several was
    n : number of files measured
    """

    value: float
    spread: float | None
    n: int


@dataclass(frozen=True)
class FileMeasurement:
    """The measurement of one file.

    Attributes
    ----------
    reading, features : seconds to read its content once, and to compute its features
    size : bytes of its features in the cache
    length : number of frames; 1 for a fixed size, 0 if it can't be read
    refused : why it can't be read
    """

    reading: float = 0.0
    features: float = 0.0
    size: int = 0
    length: int = 0
    refused: str = ""


@dataclass(frozen=True)
class FileSample:
    """Measurements of some files of a dataset.

    Attributes
    ----------
    n_files : number of all files
    length : seconds of sound per file by the headers; `n` is 0 for pictures, or if no header says
    n_headers : number of headers read
    files : the measurements
    values : place → features, for those that this process has computed
    reading : seconds per file to read its content once
    alone, together : seconds per file to compute features, in one process, and in one of a process per core
    n_processes : number of those processes; 1 if several are not worth it
    start_seconds : until a process does its first work
    """

    n_files: int
    length: Mean
    n_headers: int
    files: list[FileMeasurement]
    values: dict[int, np.ndarray]
    reading: Mean
    alone: Mean
    together: Mean
    n_processes: int
    start_seconds: float


def compute_mean(values: Sequence[float], n_all: int) -> Mean:
    """Compute the mean of a sample of `n_all` values, and its spread."""
    n = len(values)
    if n >= n_all or n < 2:
        return Mean(float(np.mean(values)), 0.0 if n >= n_all else None, n)
    from scipy.special import stdtrit

    # Student's t, since there may be few values; what was measured is known, so only the rest is uncertain
    spread = stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / math.sqrt(n) * math.sqrt(1 - n / n_all)
    return Mean(float(np.mean(values)), float(spread), n)


def spread_evenly(n: int) -> np.ndarray:
    """Return the numbers 0 to n - 1 in an order whose first few are spread evenly, however many they are."""
    # multiples of the golden ratio fill the interval from 0 to 1 without larger gaps
    return np.argsort(np.argsort(np.arange(n) * GOLDEN_RATIO % 1))


def measure_files(dataset: Dataset, settings: Any, least_samples: int, n_missing: int) -> FileSample:
    """Measure some files of a dataset, in about ten seconds.

    Parameters
    ----------
    settings, least_samples : of the features
    n_missing : number of files whose features are not in the cache

    Raises
    ------
    InputError
        If none of the measured files can be read.
    """
    n_files = len(dataset.examples)
    places, seconds = _read_headers(dataset)
    known = [value for value in seconds if value]
    length = compute_mean(known, n_files) if known else Mean(0.0, None, 0)
    if isinstance(settings, VGGish):
        return _take_vggish(dataset, sorted(places[:MAX_ALONE]), length, len(seconds))
    measure = functools.partial(_measure_file, settings=settings, least_samples=least_samples)
    files, values = _measure_alone(dataset, places, measure)
    if not values:
        raise InputError(
            "Expected readable files in {dataset_name}, but none of the {n} that were tried can be read. "
            "The first: {reason}",
            dataset_name=dataset.name,
            n=len(files),
            reason=files[0].refused,
        )
    # the first one also pays for imports
    alone = together = compute_mean([file.features for file in files[1:] or files], n_files)
    n_processes, start_seconds = 1, START_SECONDS
    if alone.value * n_missing > MIN_PARALLEL_SECONDS and count_processes() > 1 and len(files) < len(places):
        n_processes = count_processes()
        more, warm, start_seconds = _measure_together(dataset, places[len(files) :], measure, n_processes)
        files = files + more
        together = compute_mean([file.features for file in warm], n_files) if warm else alone
    reading = compute_mean([file.reading for file in files[1:] or files], n_files)
    times = (reading, alone, together, n_processes, start_seconds)
    return FileSample(n_files, length, len(seconds), files, values, *times)


def _take_vggish(dataset: Dataset, places: list[int], length: Mean, n_headers: int) -> FileSample:
    """Return a sample of features that came with the dataset, which takes no time."""
    vggish = np.asarray(dataset.vggish)
    files, values = [FileMeasurement(length=1)] * len(places), {place: vggish[place] for place in places}
    nothing = Mean(0.0, 0.0, len(places))
    times = (nothing, nothing, nothing, 1, START_SECONDS)
    return FileSample(len(dataset.examples), length, n_headers, files, values, *times)


def _read_headers(dataset: Dataset) -> tuple[list[int], list[float]]:
    """Return the places of random files, in an order that is spread evenly over their sizes.

    Also return the seconds in their headers, in another order, 0 if unknown.
    """
    n = len(dataset.examples)
    # at random, since every tenth file, say, could always be of the same kind
    places = np.random.default_rng(0).choice(n, min(MAX_HEADERS, n), replace=False)
    sizes, seconds, end = [], [], time.perf_counter() + MAX_HEADER_SECONDS
    for place in places.tolist():
        example = dataset.examples[place]
        sizes.append(_get_size(example))
        seconds.append(_read_seconds(example) if dataset.kind == "sound" else 0.0)
        if time.perf_counter() > end:
            break
    order = np.argsort(sizes, kind="stable")
    return places[order[spread_evenly(len(order))]].tolist(), seconds


def _get_size(example: Example) -> int:
    """Return the bytes of a file, or 0 if it is missing."""
    try:
        return os.stat(example.file_path).st_size
    except OSError:
        return 0


def _read_seconds(example: Example) -> float:
    """Return the length of a sound by its header, or 0 if it is not known or the file can't be read."""
    with contextlib.suppress(InputError, OSError), open_stream(AudioSource(example.file_path, example.id)) as stream:
        return stream.claimed / stream.sample_rate
    return 0.0


def _measure_file(
    job: tuple[str, str], settings: Any, least_samples: int
) -> tuple[FileMeasurement, np.ndarray | None, int]:
    """Read a file, given by path and name, and compute its features as training does.

    Returns
    -------
    file, values : its measurement and features
    process : ID of the process
    """
    path, name = job
    start_time = time.perf_counter()
    try:
        compute_digest(path)
        read_time = time.perf_counter()
        values, _ = compute_features(AudioSource(path, name), settings, least_samples)
    except (InputError, OSError) as error:
        refused = error.message if isinstance(error, InputError) else describe_os_error(error)
        return FileMeasurement(features=time.perf_counter() - start_time, refused=refused), None, os.getpid()
    has_frames = hasattr(settings, "n_bins")
    size, length = values.size * get_storage_type(settings).itemsize, len(values) if has_frames else 1
    file = FileMeasurement(read_time - start_time, time.perf_counter() - read_time, size, length)
    return file, values, os.getpid()


def _measure_alone(
    dataset: Dataset, places: list[int], measure: Any
) -> tuple[list[FileMeasurement], dict[int, np.ndarray]]:
    """Measure the first files of `places` in this process, until one is readable and the time is over."""
    files, kept, end = [], {}, time.perf_counter() + MAX_ALONE_SECONDS
    for place in places:
        example = dataset.examples[place]
        file, values, _ = measure((example.file_path, example.id))
        files.append(file)
        if values is not None:
            kept[place] = values
        if kept and (len(kept) >= MAX_ALONE or time.perf_counter() > end):
            break
    return files, kept


def _measure_together(
    dataset: Dataset, places: list[int], measure: Any, n_processes: int
) -> tuple[list[FileMeasurement], list[FileMeasurement], float]:
    """Measure the first files of `places` in several processes at once, as training computes them.

    Returns
    -------
    files, warm : all measurements, and those without the first one of each process, which pays for imports
    start_seconds : time until the first work began
    """
    start_time = time.perf_counter()
    end = start_time + MAX_TOGETHER_SECONDS

    def list_jobs() -> Iterator[tuple[str, str]]:
        """Yield files until the time is over."""
        for place in itertools.islice(places, MAX_TOGETHER):
            if time.perf_counter() > end:
                return
            example = dataset.examples[place]
            yield os.path.abspath(example.file_path), example.id

    files: list[FileMeasurement] = []
    warm: list[FileMeasurement] = []
    seen: set[int] = set()
    start_seconds = START_SECONDS
    results = map_in_processes(functools.partial(_drop_values, measure), list_jobs(), n_processes)
    for file, process in results:
        if not files:
            start_seconds = max(0.0, time.perf_counter() - start_time - file.reading - file.features)
        files.append(file)
        if process in seen:
            warm.append(file)
        seen.add(process)
    return files, warm, start_seconds


def _drop_values(measure: Any, job: tuple[str, str]) -> tuple[FileMeasurement, int]:
    """Measure a file in a worker, without sending its features back."""
    file, _, process = measure(job)
    return file, process
