"""Measure the memory of computing features and of training, on sample data and on ten times as many files.

    python -m benchmarks memory            # five minutes

The measure is peak anonymous memory (Pss_Anon in /proc/<pid>/smaps_rollup, read a hundred times a second) of the
process and its children, above its memory after all imports. Shared pages count once. Pages of mapped files do not
count, since the system can drop them at any time. Ten times the data are ten links to each file, each an example of its
own. The list of examples grows with the files, so it is measured separately. The second ratio is without it.

The training is `genre_cnn` with three epochs and cached features. It includes listing the files, reading the features,
splitting, cutting, building the model, and calibration on validation.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

COPIES = 10
INTERVAL_SECONDS = 0.01  # seconds
EPOCHS = 3
ROOT = Path(__file__).parent.parent
EXPERIMENT = ROOT / "experiments/genre_cnn.toml"


def measure(sample: Path, work: Path) -> dict[str, Any]:
    """Measure peak memory in MB of features and of training, with each sample track once and ten times."""
    roots = {times: work / str(times) for times in (1, COPIES)}
    for times, root in roots.items():
        _link_copies(sample, root / "sample/gtzan", times)
    results = {
        "features, 1 process": _compare_sizes("features", roots, 1),
        "features, 2 processes": _compare_sizes("features", roots, 2),
    }
    for root in roots.values():
        _run_in_process("prepare", root)
    return {**results, "training": _compare_sizes("training", roots)}


def _link_copies(sample: Path, folder: Path, times: int) -> None:
    """Link the files of `sample` into `folder`, each sound file `times` times."""
    for path in sorted(sample.rglob("*")):
        if path.is_file():
            parent = folder / path.relative_to(sample).parent
            # copies keep their name and differ in the folder, since facts about a track are looked up by its name
            for place in [parent / str(copy) for copy in range(times)] if path.suffix == ".wav" else [parent]:
                place.mkdir(parents=True, exist_ok=True)
                os.symlink(path.absolute(), place / path.name)


def _compare_sizes(what: str, roots: dict[int, Path], *numbers: int) -> dict[str, Any]:
    """Run the measurement `what` on both sizes of data, and compute the ratio of their memory."""
    one, ten = (_run_in_process(what, root, *numbers) for root in roots.values())
    rest = [row["megabytes"] - row["list"] for row in (one, ten)]
    return {
        "once": one,
        "ten_times": ten,
        "ratio": round(ten["megabytes"] / one["megabytes"], 3),
        "ratio_without_list": round(rest[1] / rest[0], 3),
    }


def _run_in_process(what: str, *words: Any) -> Any:
    """Run one of the functions in `COMMANDS` in a new process and return its result."""
    command = [sys.executable, "-m", "benchmarks.memory", what, *map(str, words)]
    process = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(process.stdout.splitlines()[-1])


def measure_features(root: str, processes: str) -> dict[str, float]:
    """Compute the features of the tracks below `root`, and measure the memory."""
    from musicml.data.datasets import loading
    from musicml.features import cache
    from musicml.features.audio_features import LogMel

    _import_for_features()
    with MemoryWatch(_run_in_process("imports")) as watch:
        dataset = loading.load_dataset("gtzan", Path(root), "sample")
        listed = watch.measure_now()  # so far, only the list of examples
        cache.get_features(dataset, LogMel(), Path(root) / processes, processes=int(processes))
    return _summarize(watch, listed, len(dataset.examples))


def prepare(root: str) -> int:
    """Cache the features that the training needs. Return the number of examples with features."""
    from musicml.data.datasets import loading

    return len(_prepare_training(loading.load_dataset("gtzan", Path(root), "sample"), root)[1].dataset.examples)


def measure_training(root: str) -> dict[str, float]:
    """Train on the tracks below `root`, whose features are cached, and measure the memory."""
    _import_for_training()
    from musicml.data.datasets import loading
    from musicml.experiment import run as runs
    from musicml.training import train, trainer

    with MemoryWatch(_read_anonymous_memory("self")) as watch:
        dataset = loading.load_dataset("gtzan", Path(root), "sample")
        listed = watch.measure_now()
        read, material = _prepare_training(dataset, root)
        facts = {"data": {"root": root, "hash": material.dataset.hash()}}
        run = runs.start_run(Path(root) / "run", read.name, 0, read.text, facts)
        train.write_split_files(run, material)
        train.train_and_write(run, trainer.TrainingJob(read, material), exported=False)
    return _summarize(watch, listed, len(material.dataset.examples))


def _prepare_training(dataset: Any, root: str) -> tuple[Any, Any]:
    """Read the experiment, shortened to a few epochs, and prepare its data."""
    from musicml.experiment import config
    from musicml.training import preparation

    read = config.read_experiment(EXPERIMENT, {"training.epochs": EPOCHS}, sample=True)
    return read, preparation.prepare_data(read, dataset, Path(root), 0)


def _summarize(watch: MemoryWatch, listed: int, n: int) -> dict[str, float]:
    """Return a measurement with `n` files. `listed` are the bytes of their list."""
    megabytes = {"megabytes": watch.peak, "list": listed, "imports": watch.base}
    return {"files": n, **{name: round(size / 1e6, 1) for name, size in megabytes.items()}}


def measure_imports() -> int:
    """Return the bytes of a process that has imported the code for features and done nothing else."""
    _import_for_features()
    return _read_anonymous_memory("self")


def _import_for_features() -> None:
    """Import everything that computing features needs."""
    import joblib
    import scipy.fft
    import soundfile
    import tqdm

    from musicml.data.datasets import gtzan, loading
    from musicml.features import cache

    assert all((joblib, scipy.fft, soundfile, tqdm, loading, gtzan, cache))


def _import_for_training() -> None:
    """Import everything that training needs."""
    _import_for_features()
    from musicml.training import preparation, train
    from musicml.utils import terminal

    terminal.import_keras()
    from musicml.training import device, stages

    assert all((preparation, train, device, stages))


class MemoryWatch:
    """A thread that records the peak anonymous memory of this process and its children.

    Parameters
    ----------
    imports : bytes of a child process after its imports, which do not count
    """

    def __init__(self, imports: int):
        self.base, self.imports, self.peak = _read_anonymous_memory("self"), imports, 0
        self.stopped = threading.Event()
        # a daemon, so that it cannot keep the process alive
        self.thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> MemoryWatch:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self.thread.join()

    def _poll(self) -> None:
        """Update `peak` until the thread is stopped."""
        while not self.stopped.is_set():
            # a child that has just started is still below
            above = [max(0, _read_anonymous_memory(str(worker)) - self.imports) for worker in _list_workers()]
            self.peak = max(self.peak, self.measure_now() + sum(above))
            time.sleep(INTERVAL_SECONDS)  # shorter peaks may be missed

    def measure_now(self) -> int:
        """Return the current bytes of this process alone, above those at the start."""
        return _read_anonymous_memory("self") - self.base


def _list_workers() -> list[int]:
    """Return the process ids of this process's children."""
    return [int(part) for path in Path("/proc/self/task").glob("*/children") for part in path.read_text().split()]


def _read_anonymous_memory(process: str) -> int:
    """Return the bytes of a process that are not backed by a file, or 0 if it has ended."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    # in units of 1,024 bytes
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss_Anon")), 0)


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per measurement."""
    return [
        f"memory of {name}: {row['once']['megabytes']:.1f} MB for {row['once']['files']} files, "
        f"{row['ten_times']['megabytes']:.1f} MB for {row['ten_times']['files']} ({row['ratio']:.2f} times as much; "
        f"{row['ratio_without_list']:.2f} times without the list of files)"
        for name, row in results.items()
    ]


COMMANDS = {
    "features": measure_features,
    "prepare": prepare,
    "training": measure_training,
    "imports": measure_imports,
}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
