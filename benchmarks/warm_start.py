"""Measure the time until training starts, for the first and the second run of an experiment on the same data.

    python -m benchmarks again

The time is from the call of `musicml.training.train.train_experiment` to the first call of `fit`, before TensorFlow
traces anything, without the time to build the model. The first run computes its features and the outputs of a frozen
backbone, and includes most imports. The second run finds them in the cache, in a process that has imported everything.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parent.parent


class TrainingReached(BaseException):
    """Raised when training would start. It is no Exception, so that no `except Exception` catches it."""


def measure(data_root: Path) -> dict[str, Any]:
    """Measure the seconds until training starts, for the first and second run of each experiment on sample data.

    Parameters
    ----------
    data_root : data root with the sample data; features are cached in a temporary folder
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sample").symlink_to((data_root / "sample").absolute())  # an empty cache next to the same data
        results = {}
        for path in sorted((ROOT / "experiments").glob("*.toml")):
            first = _run_in_process(path.stem, Path(folder), [])
            again = _run_in_process(path.stem, Path(folder), first.pop("modules"))
            results[path.stem] = {"first_seconds": first["seconds"], "second_seconds": again["seconds"]}
        return results


def _run_in_process(name: str, data_root: Path, modules: list[str]) -> dict[str, Any]:
    """Measure one run in a new process, which first imports `modules`."""
    command = [sys.executable, "-m", "benchmarks.warm_start", name, str(data_root)]
    process = subprocess.run(
        command,
        cwd=ROOT,
        check=True,
        input=json.dumps(modules),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # log messages of the training
        text=True,
    )
    return json.loads(process.stdout.splitlines()[-1])


def _time_to_training(name: str, data_root: Path) -> float:
    """Return the seconds until training starts, without the time to build the model."""
    from musicml.experiment import config
    from musicml.training import train, trainer
    from musicml.utils import terminal

    terminal.import_keras()
    from musicml.training import fit

    build, building = trainer.build_model, 0.0

    def time_build(*args: Any) -> Any:
        """Build a model and add the time to `building`."""
        nonlocal building
        start = time.perf_counter()
        model = build(*args)
        building += time.perf_counter() - start
        if args[0] == "forest":  # its training does not go through `fit_model`
            model = mock.Mock(fit=mock.Mock(side_effect=TrainingReached))
        return model

    read = config.read_experiment(ROOT / f"experiments/{name}.toml")
    start = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as runs_root,
        mock.patch.object(trainer, "build_model", time_build),
        mock.patch.object(fit, "fit_model", side_effect=TrainingReached),
        contextlib.suppress(TrainingReached),  # raised in place of the training
    ):
        train.train_experiment(read, data_root, Path(runs_root), "sample")
        raise SystemExit(f"{name} has not started to train")
    return time.perf_counter() - start - building


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per experiment."""
    return [
        f"{name}: training starts after {row['first_seconds']:.1f} s in the first run (with imports), and after "
        f"{row['second_seconds']:.2f} s in the second (without); the time to build the model is not included"
        for name, row in results.items()
    ]


if __name__ == "__main__":
    for module in json.load(sys.stdin):
        with contextlib.suppress(Exception):  # some modules can only be imported by another one
            importlib.import_module(module)
    seconds_ = _time_to_training(sys.argv[1], Path(sys.argv[2]))
    print(json.dumps({"seconds": round(seconds_, 3), "modules": [name for name in sys.modules if name != "__main__"]}))
