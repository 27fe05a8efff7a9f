"""What making features, and training, hold in memory, on sample data and on ten times as many files.

    python -m benchmarks memory            # five minutes

Peak anonymous memory (Pss_Anon in /proc/<pid>/smaps_rollup, read a hundred times a second), of the process and of those
that it starts, above what it holds once everything is imported; what a process shares with one that it has just started
counts once. Pages of mapped files are left out: the system takes them back when it needs them. Ten times the data are
ten links to each file, each an example of its own. The list of the files, which whoever holds the data set holds, is
counted and told by itself: the second ratio is that of the rest.

What is trained is `genre_cnn`, three epochs, with all that leads to it once the features are in the store: listing the
files, looking their features up, splitting, cutting, building the model; and calibrating it on validation.
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

TIMES = 10
EVERY = 0.01  # seconds
EPOCHS = 3
ROOT = Path(__file__).parent.parent
EXPERIMENT = ROOT / "experiments/genre_cnn.toml"


def measure(sample: Path, work: Path) -> dict[str, Any]:
    """Peak memory on the sample tracks once and ten times over, MB: of making features, and of training on them."""
    roots = {times: work / str(times) for times in (1, TIMES)}
    for times, root in roots.items():
        link(sample, root / "sample/gtzan", times)
    found = {
        "features, 1 process": pair("features", roots, 1),
        "features, 2 processes": pair("features", roots, 2),
    }
    for root in roots.values():
        alone("prepare", root)
    return {**found, "training": pair("training", roots)}


def link(sample: Path, folder: Path, times: int) -> None:
    """A data set like `sample`, with each of its sound files so many times."""
    for path in sorted(sample.rglob("*")):
        if path.is_file():
            home = folder / path.relative_to(sample).parent
            # in folders, since what is known of a track is known by its file's name
            for place in [home / str(copy) for copy in range(times)] if path.suffix == ".wav" else [home]:
                place.mkdir(parents=True, exist_ok=True)
                os.symlink(path.absolute(), place / path.name)


def pair(what: str, roots: dict[int, Path], *numbers: int) -> dict[str, Any]:
    """The measurement of `what` on the data once and ten times over, and how many times as much the second is."""
    one, ten = (alone(what, root, *numbers) for root in roots.values())
    rest = [found["megabytes"] - found["list"] for found in (one, ten)]
    return {
        "once": one,
        "ten_times": ten,
        "ratio": round(ten["megabytes"] / one["megabytes"], 3),
        "ratio_without_list": round(rest[1] / rest[0], 3),
    }


def alone(what: str, *words: Any) -> Any:
    """What one of the functions here returns, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", what, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def features(root: str, processes: str) -> dict[str, float]:
    """Make features of the tracks below `root`, and watch."""
    from musicml.data.datasets import loading
    from musicml.features import cache
    from musicml.features.audio_features import LogMel

    import_all()
    with Watch(alone("imports")) as watch:
        dataset = loading.load_dataset("gtzan", Path(root), "sample")
        listed = watch.now()
        cache.get_features(dataset, LogMel(), Path(root) / processes, processes=int(processes))
    return told(watch, listed, len(dataset.examples))


def prepare(root: str) -> int:
    """Bring the features that the training needs into the store; how many files have some."""
    from musicml.data.datasets import loading

    return len(material(loading.load_dataset("gtzan", Path(root), "sample"), root)[1].dataset.examples)


def training(root: str) -> dict[str, float]:
    """Train on the tracks below `root`, whose features are in the store, and watch."""
    import_for_training()
    from musicml.data.datasets import loading
    from musicml.experiment import run as runs
    from musicml.training import train, trainer

    with Watch(anonymous("self")) as watch:
        dataset = loading.load_dataset("gtzan", Path(root), "sample")
        listed = watch.now()
        read, found = material(dataset, root)
        facts = {"data": {"root": root, "hash": found.dataset.hash()}}
        run = runs.start_run(Path(root) / "run", read.name, 0, read.text, facts)
        train.write_split_files(run, found)
        train.train_and_write(run, trainer.TrainingJob(read, found), exported=False)
    return told(watch, listed, len(found.dataset.examples))


def material(dataset: Any, root: str) -> tuple[Any, Any]:
    """The experiment, cut to a few epochs, and what it trains on."""
    from musicml.experiment import config
    from musicml.training import preparation

    read = config.read_experiment(EXPERIMENT, {"training.epochs": EPOCHS}, sample=True)
    return read, preparation.prepare_data(read, dataset, Path(root), 0)


def told(watch: Watch, listed: int, n: int) -> dict[str, float]:
    """What came of one measurement: of `n` files at the end, `listed` bytes being held by their list."""
    megabytes = {"megabytes": watch.peak, "list": listed, "imports": watch.base}
    return {"files": n, **{name: round(size / 1e6, 1) for name, size in megabytes.items()}}


def imports() -> int:
    """Bytes that a process holds which has imported what making features needs, and nothing else."""
    import_all()
    return anonymous("self")


def import_all() -> None:
    """Import what making features needs."""
    import joblib
    import scipy.fft
    import soundfile
    import tqdm

    from musicml.data.datasets import gtzan, loading
    from musicml.features import cache
    from musicml.features.cache import compute

    assert all((joblib, scipy.fft, soundfile, tqdm, loading, gtzan, cache, compute))


def import_for_training() -> None:
    """Import what training needs."""
    import_all()
    from musicml.training import preparation, train
    from musicml.utils import terminal

    terminal.import_keras()
    from musicml.training import device, stages

    assert all((preparation, train, device, stages))


class Watch:
    """Takes the anonymous memory of this process, and of those that it starts, again and again.

    Parameters
    ----------
    imports : bytes that a process holds once it has imported everything; they count nothing
    """

    def __init__(self, imports: int):
        self.base, self.imports, self.peak = anonymous("self"), imports, 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.look_on, daemon=True)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self.thread.join()

    def look_on(self) -> None:
        """Look until told to stop."""
        while not self.stopped.is_set():
            above = [max(0, anonymous(str(worker)) - self.imports) for worker in workers()]
            self.peak = max(self.peak, self.now() + sum(above))
            time.sleep(EVERY)

    def now(self) -> int:
        """Bytes that this process alone holds by now."""
        return anonymous("self") - self.base


def workers() -> list[int]:
    """The processes that this one has started."""
    return [int(part) for path in Path("/proc/self/task").glob("*/children") for part in path.read_text().split()]


def anonymous(process: str) -> int:
    """Bytes of a process that are no file's."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:  # it ended meanwhile
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss_Anon")), 0)


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    return [
        f"memory of {name}: {row['once']['megabytes']:.1f} MB for {row['once']['files']} files, "
        f"{row['ten_times']['megabytes']:.1f} MB for {row['ten_times']['files']} ({row['ratio']:.2f} times; "
        f"{row['ratio_without_list']:.2f} beside the list of the files)"
        for name, row in measured.items()
    ]


if __name__ == "__main__":
    by_name = {one.__name__: one for one in (features, prepare, training, imports)}
    print(json.dumps(by_name[sys.argv[1]](*sys.argv[2:])))
