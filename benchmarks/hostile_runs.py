"""Measure the time and memory that hostile run folders take until they are rejected or stopped.

Each case of tests/fixtures/hostile_models.py and hostile_runs.py is opened in its own process. Time and memory are
counted from the moment when that process has imported all libraries.
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
FRAME_SHAPE = (1, 63, 13)  # input of the run of format 1: clips, frames, coefficients


def measure(work: Path) -> dict[str, Any]:
    """Measure all hostile run folders and hostile models.

    Parameters
    ----------
    work : folder for the runs, empty or missing

    Returns
    -------
    dict with `runs`: name → {`outcome`, `seconds`, `cpu_seconds`, `megabytes`, `code_run`}, and the number of `models`
    """
    work.mkdir(parents=True, exist_ok=True)
    results = {}
    models = {name: (change, "model") for name, change in hostile_models.REFUSED.items()}
    models |= {name: (change, "contained") for name, change in hostile_models.CONTAINED.items()}
    cases = models | RUNS
    for number, (name, (change, reader)) in enumerate(cases.items()):
        run = hostile_models.copy_run(work / f"run{number}")
        change(run)
        results[name] = _open_in_process(run, reader)
    return {"runs": results, "models": len(hostile_models.MODELS)}


def _open_in_process(run: Run, reader: str) -> dict[str, Any]:
    """Open one run in a new process and measure it."""
    command = [sys.executable, "-m", "benchmarks.hostile_runs", reader, str(run.path.absolute())]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    base, spent = (float(part) for part in process.stdout.readline().split())  # printed after the imports
    start = time.perf_counter()
    outcome = process.stdout.readline().strip()  # empty if a limit has ended the process
    _, _, usage = os.wait4(process.pid, 0)
    return {
        "outcome": outcome.replace(str(run.path.absolute()), "RUN") or "stopped by its limit",
        "seconds": round(time.perf_counter() - start, 3),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime - spent, 3),
        "megabytes": round(usage.ru_maxrss / 1e3 - base, 1),
        "code_run": (run.path / hostile_models.MARK).exists(),
    }


def _open_and_report(reader: str, path: Path) -> None:
    """Open one run in this process. Print memory and time after the imports, then the outcome."""
    from tests.inference.test_hostile_runs import READERS

    run = Run(path)
    if reader == "contained":  # other cases are rejected before Keras is imported
        names = {file.suffix for file in path.glob("model.*")}
        kind = "onnx" if ".onnx" in names else "scikit-learn" if ".skops" in names else "keras"
        isolated_process._import_libraries(kind)
    import h5py  # noqa: F401
    import onnxruntime  # noqa: F401
    import skops.io  # noqa: F401

    usage = os.times()  # to be subtracted, as is the memory
    # VmHWM: peak memory in kB
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 1e3, usage.user + usage.system, flush=True)
    try:
        _open_model(run) if reader in ("model", "contained") else READERS[reader](run)
        outcome = "answered"
    except InputError as error:
        outcome = f"refused: {error}"
    except BaseException as error:  # each library has its own error for memory that ran out
        outcome = f"stopped: {isolated_process._describe(error)}"
    print(" ".join(outcome.split()), flush=True)
    os._exit(0)  # do not count the shutdown of the libraries


def _open_model(run: Run) -> None:
    """Open a model with the limits for foreign runs, and predict once."""
    model_limits.check_model_file(backends.find_model(run.path, read_manifest(run)))
    model, size = isolated_process._load(run, "auto")
    clips = np.ones(FRAME_SHAPE, np.float32)
    isolated_process._limit_seconds(isolated_process._get_clip_seconds(model.engine, clips, size))
    model.scores(clips)


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per case and a summary at the end."""
    rows = results["runs"]
    sentences = [
        f"{name}: {row['outcome'][:90]}; {row['seconds']:.2f} s, {row['megabytes']:.0f} MB"
        for name, row in rows.items()
    ]
    n_runs = len(rows) - results["models"]
    slowest, largest = (max(rows, key=lambda name: rows[name][key]) for key in ("cpu_seconds", "megabytes"))
    n_code, n_answers = (sum(map(bool, some)) for some in _list_faults(rows))
    sentences.append(
        f"{results['models']} hostile models and {n_runs} hostile run folders, each in its own process: "
        f"{n_code} ran code, {n_answers} gave a prediction. The slowest ({slowest}) took "
        f"{rows[slowest]['cpu_seconds']:.1f} s of processor time, the largest ({largest}) "
        f"{rows[largest]['megabytes']:.0f} MB, not counting the libraries"
    )
    return sentences


def _list_faults(rows: dict[str, Any]) -> tuple[list[bool], list[bool]]:
    """Return, for each case, whether it ran code and whether it gave a prediction."""
    return [row["code_run"] for row in rows.values()], [row["outcome"] == "answered" for row in rows.values()]


if __name__ == "__main__":
    _open_and_report(sys.argv[1], Path(sys.argv[2]))
