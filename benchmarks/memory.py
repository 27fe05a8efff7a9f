"""What making features holds in memory, on sample data and on ten times as many files.

    python -m benchmarks memory

Peak anonymous memory (RssAnon in /proc/<pid>/status, read a hundred times a second), of the process and of those that
it starts, above what it holds once everything is imported. Pages of mapped files are left out: the system takes them
back when it needs them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

TIMES = 10
EVERY = 0.01  # seconds
ROOT = Path(__file__).parent.parent


def measure(sample: Path, work: Path) -> dict[str, Any]:
    """Peak memory of making features of the sample tracks once and ten times over, by one process and by two, MB."""
    found: dict[str, Any] = {}
    for processes in (1, 2):
        one, ten = (alone(sample, work / f"{processes}-{times}", times, processes) for times in (1, TIMES))
        found[f"{processes} process{'es' * (processes > 1)}"] = {
            "once": one,
            "ten_times": ten,
            "ratio": round(ten["megabytes"] / one["megabytes"], 3),
        }
    return found


def alone(sample: Path, root: Path, times: int, processes: int) -> dict[str, float]:
    """One measurement, in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.memory", sample.absolute(), root, str(times), str(processes)]
    done = subprocess.run([str(word) for word in words], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def features(sample: Path, root: Path, times: int, processes: int) -> dict[str, float]:
    """Make features of the sample tracks, so many times over, and watch."""
    from dataclasses import replace

    from musicml import datasets, store
    from musicml.features import LogMel

    import_all()
    dataset = datasets.load("gtzan", sample.parent.parent, "sample")
    with Watch(imported()) as watch:
        examples = tuple(
            replace(example, id=f"{time_}/{example.id}") for time_ in range(times) for example in dataset.examples
        )
        many = replace(dataset, examples=examples)
        store.features_of(many, LogMel(), root, processes=processes, say=lambda line: None)
    return {"files": len(examples), "megabytes": round(watch.peak / 1e6, 1), "imports": round(watch.base / 1e6, 1)}


def import_all() -> None:
    """Import what making features needs."""
    import joblib
    import scipy.fft
    import soundfile
    import tqdm

    from musicml.store import reading

    assert all((joblib, scipy.fft, soundfile, tqdm, reading))


def imported() -> int:
    """Bytes that a process holds which has imported what making features needs, and nothing else."""
    words = [sys.executable, "-m", "benchmarks.memory"]
    return int(subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)


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
            self.peak = max(self.peak, anonymous("self") - self.base + sum(above))
            time.sleep(EVERY)


def workers() -> list[int]:
    """The processes that this one has started."""
    return [int(part) for path in Path("/proc/self/task").glob("*/children") for part in path.read_text().split()]


def anonymous(process: str) -> int:
    """Bytes of a process that are no file's."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it ended meanwhile
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("RssAnon")), 0)


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    return [
        f"memory of making features, {name}: {row['once']['megabytes']:.0f} MB for {row['once']['files']} files, "
        f"{row['ten_times']['megabytes']:.0f} MB for {row['ten_times']['files']} ({row['ratio']:.2f} times)"
        for name, row in measured.items()
    ]


if __name__ == "__main__":
    if len(sys.argv) == 1:
        import_all()
        print(anonymous("self"))
    else:
        sample_, root_, *numbers = sys.argv[1:]
        print(json.dumps(features(Path(sample_), Path(root_), *map(int, numbers))))
