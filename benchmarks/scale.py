"""Measure how time and memory grow with the number of files: splitting, a list of a million files, the bootstrap.

    python -m benchmarks scale             # two minutes; exits with 1 if a bound is broken

Each measurement runs in a process of its own, and reports the peak memory of that process in all (resident, with its
imports). The million files exist only as the entries of ten folders that `os.scandir` returns. The list, the dataset,
its digest, the digests of files, the split and the tables of the run folder are made by the real code. A slope is that
of seconds over groups, on logarithmic scales: 1 means that ten times the groups take ten times as long.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

ROOT = Path(__file__).parent.parent
GROUPS = (1_000, 3_000, 10_000, 30_000, 100_000)
FILES_PER_GROUP = 2
N_CLASSES = 10
N_LISTED = 1_000_000
N_TESTED = 20_000
REPEATS = 3  # the fastest of them counts
# result → the highest value at which the benchmark passes
BOUNDS = {
    "splitting": {"slope": 1.1},
    "listing": {"bytes_per_file": 150, "megabytes": 600},
    "bootstrap, one class per file": {"seconds": 2, "megabytes": 200},
    "bootstrap, several classes per file": {"seconds": 2, "megabytes": 200},
}


def measure() -> dict[str, Any]:
    """Run each measurement in a new process."""
    return {
        "splitting": _run_in_process("splitting"),
        "listing": _run_in_process("listing"),
        "bootstrap, one class per file": _run_in_process("bootstrap", "single"),
        "bootstrap, several classes per file": _run_in_process("bootstrap", "multi"),
    }


def list_broken_bounds(results: dict[str, Any]) -> list[str]:
    """Return a sentence for each bound that a result exceeds."""
    return [
        f"{name}: {key} is {results[name][key]:g}, which is above {bound:g}"
        for name, bounds in BOUNDS.items()
        for key, bound in bounds.items()
        if not results[name][key] <= bound
    ]


def _run_in_process(what: str, *words: str) -> Any:
    """Run one of the functions in `COMMANDS` in a new process, and return its result with the peak memory in MB."""
    command = [sys.executable, "-m", "benchmarks.scale", what, *words]
    process = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(process.stdout.splitlines()[-1])


def measure_splitting() -> dict[str, Any]:
    """Measure the processor seconds of splitting datasets of more and more groups."""
    from musicml.data.datasets import Dataset, Example
    from musicml.data.splits import make_split

    names, root = [f"class {k}" for k in range(N_CLASSES)], Path("nowhere")
    labels = [{name: True} for name in names]
    seconds = {}
    for n_groups in GROUPS:
        examples = (
            Example(f"{k}.wav", root, labels[k % N_CLASSES], f"artist {k // FILES_PER_GROUP}")
            for k in range(n_groups * FILES_PER_GROUP)
        )
        dataset = Dataset("scale", "sound", "single", "class", tuple(names), examples)
        seconds[n_groups] = min(_time(make_split, dataset, "group", 0.15, 0.15, 0)[0] for _ in range(REPEATS))
    slope = np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0]
    return {"seconds": {str(n): round(value, 3) for n, value in seconds.items()}, "slope": round(float(slope), 3)}


def measure_listing() -> dict[str, Any]:
    """Measure memory and processor seconds from the list of a million files to the tables of a run folder."""
    from musicml.data import collect_digests, file_digests
    from musicml.data.datasets import load_folder
    from musicml.data.splits import group_identical_files, make_split
    from musicml.training import train

    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, _simulate_files(Path(folder)):
        before = _read_memory()
        seconds["listing"], dataset = _time(load_folder, Path(folder))
        listed = _read_memory() - before
        seconds["digest of the dataset"], _ = _time(dataset.hash)
        with mock.patch.object(file_digests, "compute_digest", lambda path: f"{hash(path) % 2**128:032x}"):
            seconds["digests of the files"], digests = _time(collect_digests, dataset)
        seconds["identical files"], dataset = _time(group_identical_files, dataset, digests)
        seconds["splitting"], (dataset, split) = _time(make_split, dataset, "group", 0.15, 0.15, 0)
        seconds["digest of the split"], _ = _time(split.hash, dataset)
        run = SimpleNamespace(path=Path(folder))
        material = SimpleNamespace(dataset=dataset, split=split, folds=(), digests=digests)
        seconds["tables"], _ = _time(train.write_split_files, run, material)
    return {
        "files": len(dataset.examples),
        "bytes_per_file": round(listed / len(dataset.examples), 1),
        "bytes_in_columns": round(dataset.examples.nbytes / len(dataset.examples), 1),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


class _Entry:
    """An entry of a simulated folder."""

    def __init__(self, folder: str, name: str):
        self.name, self.path = name, f"{folder}/{name}"

    def __fspath__(self) -> str:
        return self.path

    def is_symlink(self) -> bool:
        """Return that the entry is no link."""
        return False


@contextlib.contextmanager
def _simulate_files(root: Path) -> Iterator[None]:
    """Make class folders below `root` that seem to contain a million files."""
    for k in range(N_CLASSES):
        (root / f"class {k}").mkdir()
    scandir, isfile, isdir = os.scandir, os.path.isfile, os.path.isdir

    @contextlib.contextmanager
    def scan_class(folder: str) -> Iterator[Iterator[_Entry]]:
        k = int(folder.rpartition(" ")[2])
        yield (_Entry(folder, f"artist {n // 10:06d} - title {n:07d}.mp3") for n in range(k, N_LISTED, N_CLASSES))

    def scan(folder: Any) -> Any:
        return scan_class(os.fspath(folder)) if Path(folder).parent == root else scandir(folder)

    def is_simulated(path: Any) -> bool:
        return os.fspath(path).endswith(".mp3")

    with (
        mock.patch("os.scandir", scan),
        mock.patch("os.path.isfile", lambda path: is_simulated(path) or isfile(path)),
        mock.patch("os.path.isdir", lambda path: not is_simulated(path) and isdir(path)),
    ):
        yield


def measure_bootstrap(task: str) -> dict[str, Any]:
    """Measure the seconds of the report of 20,000 files, each in a group of its own, with 1,000 draws.

    With several classes per file, a tenth of the labels is known, as in OpenMIC.
    """
    from musicml.evaluation import metrics

    rng, n_classes = np.random.default_rng(0), N_CLASSES if task == "single" else 2 * N_CLASSES
    scores = rng.random((N_TESTED, n_classes))
    if task == "single":
        scores /= scores.sum(axis=1, keepdims=True)
        targets = np.eye(n_classes)[rng.integers(0, n_classes, N_TESTED)]
    else:
        targets = (rng.random((N_TESTED, n_classes)) < 0.5).astype(float)
        targets[rng.random((N_TESTED, n_classes)) > 0.1] = np.nan
    groups = np.array([f"artist {k}" for k in range(N_TESTED)], dtype=object)
    names, thresholds = [f"class {k}" for k in range(n_classes)], [0.5] * n_classes
    times = []
    for _ in range(REPEATS):
        start, start_cpu = time.perf_counter(), time.process_time()
        metrics.compute_report(scores, targets, groups, names, task, thresholds)
        times.append((time.perf_counter() - start, time.process_time() - start_cpu))
    return {
        "files": N_TESTED,
        "classes": n_classes,
        "seconds": round(min(wall for wall, _ in times), 2),
        "processor_seconds": round(min(cpu for _, cpu in times), 2),
    }


def _time(function: Any, *words: Any) -> tuple[float, Any]:
    """Call a function, and return its processor seconds and its result."""
    start = time.process_time()
    result = function(*words)
    return time.process_time() - start, result


def _read_memory() -> int:
    """Return the resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per measurement."""
    splitting, listing = results["splitting"], results["listing"]
    seconds = ", ".join(f"{value:.2f} s for {int(n):,} groups" for n, value in splitting["seconds"].items())
    lines = [
        f"splitting: slope {splitting['slope']:.2f} ({seconds}); peak memory {splitting['megabytes']:.0f} MB",
        f"listing {listing['files']:,} simulated files: {listing['bytes_per_file']:.0f} bytes a file, of which "
        f"{listing['bytes_in_columns']:.0f} in columns; peak memory {listing['megabytes']:.0f} MB, "
        f"processor time {', '.join(f'{name} {value:.1f} s' for name, value in listing['seconds'].items())}",
    ]
    for name in ("bootstrap, one class per file", "bootstrap, several classes per file"):
        row = results[name]
        lines.append(
            f"{name}: {row['seconds']:.2f} s for {row['files']:,} files and {row['classes']} classes "
            f"({row['processor_seconds']:.2f} s of processor time); peak memory {row['megabytes']:.0f} MB"
        )
    return lines


COMMANDS = {"splitting": measure_splitting, "listing": measure_listing, "bootstrap": measure_bootstrap}

if __name__ == "__main__":
    measured = COMMANDS[sys.argv[1]](*sys.argv[2:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # in kilobytes on Linux
    print(json.dumps({**measured, "megabytes": round(peak / 1e6, 1)}))
