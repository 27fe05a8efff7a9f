"""Compare the features of 2,000 files with `--cluster local` and with plain processes, start-up apart.

    python -m benchmarks cluster           # some minutes; exits with 1 if the cluster takes a quarter longer
    python -m benchmarks.cluster 400       # on so many files, without storing the results

The files are 50 sounds of 30 s, each listed many times. A task is a shard of 64 files, about a second of work. Both
ways have as many processes as there are cores, and compute the same files in turn, since other load on the machine
affects both. The clock starts once every process has finished its first tasks.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

N_FILES = 2_000
N_DISTINCT = 50
SECONDS = 30.0
SAMPLE_RATE = 22_050
N_ROUNDS = 5  # odd, so that the median is one of them
WARM_TASKS = 2  # per process, before the clock starts
MAX_RATIO = 1.25


def measure(n_files: int = N_FILES) -> dict[str, Any]:
    """Measure both ways in turn: seconds per task, their ratio, and the seconds until a local cluster has started."""
    from musicml.utils import connect_cluster

    n_processes, rounds, starts = os.cpu_count() or 1, [], []
    with tempfile.TemporaryDirectory() as folder:
        examples = _write_sounds(Path(folder), n_files)
        for number in range(N_ROUNDS):
            plain = _time_tasks(examples, Path(folder) / f"plain-{number}", n_processes)
            begun = time.perf_counter()
            with connect_cluster(f"local:{n_processes}"):
                starts.append(time.perf_counter() - begun)
                rounds.append((plain, _time_tasks(examples, Path(folder) / f"cluster-{number}", n_processes)))
            _check_equal(*(Path(folder) / f"{way}-{number}" for way in ("plain", "cluster")))
    plain_seconds, cluster_seconds = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "files": n_files,
        "processes": n_processes,
        "plain_task_seconds": round(plain_seconds * n_processes, 3),
        "cluster_task_seconds": round(cluster_seconds * n_processes, 3),
        "ratio": round(statistics.median(cluster / plain for plain, cluster in rounds), 3),
        "rounds": [round(cluster / plain, 3) for plain, cluster in rounds],
        "start_seconds": round(statistics.median(starts), 1),
    }


def list_broken_bounds(results: dict[str, Any]) -> list[str]:
    """Return a sentence if the cluster takes too long."""
    ratio = results["ratio"]
    return [] if ratio <= MAX_RATIO else [f"the local cluster takes {ratio:.2f} times as long as plain processes"]


def _write_sounds(folder: Path, n_files: int) -> list[Any]:
    """Write the distinct sounds, and list them as `n_files` examples."""
    from musicml.data.datasets import Example

    for number in range(N_DISTINCT):
        y = 0.2 * np.random.default_rng(number).standard_normal(round(SECONDS * SAMPLE_RATE))
        soundfile.write(folder / f"{number:02}.wav", y, SAMPLE_RATE)
    return [Example(f"{k:06}", folder, {}, "", "", f"{k % N_DISTINCT:02}.wav") for k in range(n_files)]


def _time_tasks(examples: list[Any], folder: Path, n_processes: int) -> float:
    """Compute all features into a new folder. Return seconds per task, without the first ones."""
    from musicml.features import LogMel
    from musicml.features.cache import compute, shards

    # shards as of a large dataset
    layout = dataclasses.replace(shards.make_layout(len(examples), LogMel()), shard_files=shards.MAX_SHARD_FILES)
    folder.mkdir()
    numbers = range(layout.n_shards)
    results = compute.compute_shards(examples, LogMel(), 0, folder, layout, numbers, n_processes)
    for _ in itertools.islice(results, WARM_TASKS * n_processes):
        pass
    start = time.perf_counter()
    n_tasks = sum(1 for _ in results)
    return (time.perf_counter() - start) / n_tasks


def _check_equal(first: Path, second: Path) -> None:
    """Check that both folders hold the same bytes, and remove them."""
    for path in first.iterdir():
        if path.read_bytes() != (second / path.name).read_bytes():
            raise SystemExit(f"{path.name} differs between a cluster and plain processes")
    for path in (*first.iterdir(), *second.iterdir()):
        path.unlink()


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results in sentences."""
    ratio, rounds = results["ratio"], ", ".join(f"{ratio:.2f}" for ratio in results["rounds"])
    return [
        f"features of {results['files']:,} files of {SECONDS:g} s with {results['processes']} processes, in shards of "
        f"64 files: {results['plain_task_seconds']:.2f} s per shard with plain processes, "
        f"{results['cluster_task_seconds']:.2f} s with a local cluster ({ratio:.2f} times; rounds: {rounds})",
        f"a local cluster starts in {results['start_seconds']:.1f} s",
    ]


if __name__ == "__main__":
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else N_FILES)
    print(json.dumps(found, indent=1))
    print("\n".join([*describe_results(found), *list_broken_bounds(found)]))
    sys.exit(bool(list_broken_bounds(found)))
