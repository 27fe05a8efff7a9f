"""What a stranger's run folder costs until it is refused or stopped: seconds and memory beyond the libraries.

Each of tests/fixtures/hostile_models.py and hostile_runs.py is opened in a process of its own, which has imported all
that opens it. The clock begins then, and so does the count of memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from musicml.experiment.run import Run
from musicml.inference import backends, isolated_process, model_limits
from musicml.inference.manifest import read_manifest
from musicml.utils.errors import InputError
from tests.fixtures import hostile_models
from tests.fixtures.hostile_runs import RUNS

ROOT = Path(__file__).parent.parent
LONGEST = 300.0  # seconds until a folder is given up
FRAME_SHAPE = (1, 63, 13)  # of what the run of format 1 is asked


def measure(work: Path) -> dict[str, Any]:
    """What every hostile run folder and every hostile model costs.

    Parameters
    ----------
    work : a folder for the runs, empty or not there yet

    Returns
    -------
    dict with `runs`: name → {`outcome`, `seconds`, `cpu_seconds`, `megabytes`, `code_run`}, and how many are `models`
    """
    work.mkdir(parents=True, exist_ok=True)
    found = {}
    models = {name: (change, "model") for name, change in hostile_models.REFUSED.items()}
    models |= {name: (change, "contained") for name, change in hostile_models.CONTAINED.items()}
    cases = models | RUNS
    for number, (name, (change, reader)) in enumerate(cases.items()):
        run = hostile_models.copy_run(work / f"run{number}")
        change(run)
        found[name] = asked_alone(run, reader)
    return {"runs": found, "models": len(hostile_models.MODELS)}


def asked_alone(run: Run, reader: str) -> dict[str, Any]:
    """What one run costs, in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.hostile_runs", reader, str(run.path.absolute())]
    started = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert started.stdout is not None
    base, spent = (float(part) for part in started.stdout.readline().split())
    begun = time.perf_counter()
    outcome = started.stdout.readline().strip()  # empty where it was ended by a limit
    _, _, usage = os.wait4(started.pid, 0)
    return {
        "outcome": outcome.replace(str(run.path.absolute()), "RUN") or "stopped by its limit",
        "seconds": round(time.perf_counter() - begun, 3),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime - spent, 3),
        "megabytes": round(usage.ru_maxrss / 1e3 - base, 1),
        "code_run": (run.path / hostile_models.MARK).exists(),
    }


def ask(reader: str, path: Path) -> None:
    """Open one run, within its own process: say when all is imported, and what came of it."""
    from tests.inference.test_hostile_runs import READERS

    run = Run(path)
    if reader == "contained":  # else it is refused before Keras would be imported
        names = {file.suffix for file in path.glob("model.*")}
        kind = "onnx" if ".onnx" in names else "scikit-learn" if ".skops" in names else "keras"
        isolated_process._import_libraries(kind)
    import h5py  # noqa: F401
    import onnxruntime  # noqa: F401
    import skops.io  # noqa: F401

    usage = os.times()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1e3, usage.user + usage.system, flush=True)
    try:
        open_model(run) if reader in ("model", "contained") else READERS[reader](run)
        outcome = "answered"
    except InputError as error:
        outcome = f"refused: {error}"
    except BaseException as error:  # each library says in its own way that there is no more memory
        outcome = f"stopped: {isolated_process._describe(error)}"
    print(" ".join(outcome.split()), flush=True)
    os._exit(0)  # taking the libraries down is no part of it


def open_model(run: Run) -> None:
    """Open a model as the other process does, and ask it once."""
    model_limits.check_model_file(backends.find_model(run.path, read_manifest(run)))
    model, size = isolated_process._load(run, "auto")
    clips = np.ones(FRAME_SHAPE, np.float32)
    isolated_process._limit_seconds(isolated_process._get_clip_seconds(model.engine, clips, size))
    model.scores(clips)


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words; the last sentence sums it up."""
    rows = measured["runs"]
    said = [
        f"{name}: {row['outcome'][:90]}; {row['seconds']:.2f} s, {row['megabytes']:.0f} MB"
        for name, row in rows.items()
    ]
    n_runs = len(rows) - measured["models"]
    slowest, largest = (max(rows, key=lambda name: rows[name][key]) for key in ("cpu_seconds", "megabytes"))
    n_code, n_answers = (sum(map(bool, some)) for some in _list_faults(rows))
    said.append(
        f"{measured['models']} hostile models and {n_runs} hostile run folders, each in a process of its own: "
        f"{n_code} had code run, {n_answers} were answered. The slowest ({slowest}) took "
        f"{rows[slowest]['cpu_seconds']:.1f} s of a processor's time, the largest ({largest}) "
        f"{rows[largest]['megabytes']:.0f} MB, beyond the libraries that open them"
    )
    return said


def _list_faults(rows: dict[str, Any]) -> tuple[list[bool], list[bool]]:
    return [row["code_run"] for row in rows.values()], [row["outcome"] == "answered" for row in rows.values()]


if __name__ == "__main__":
    ask(sys.argv[1], Path(sys.argv[2]))
