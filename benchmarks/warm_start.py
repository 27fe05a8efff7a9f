"""How long a second run of an experiment takes to the beginning of its training, on the same data.

    python -m benchmarks again

From the call of `musicml.training.train.train_experiment` to the first call of `fit`, before anything is traced, less
what building the model takes. The first run of each experiment computes its features, and what its frozen backbone
makes of them, and pays for most imports; the second, in a process that has imported everything, finds them in the
cache.
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


class Reached(BaseException):
    """Training would begin now; no `except Exception` shall hold it up."""


def measure(data_root: Path) -> dict[str, Any]:
    """Seconds to the beginning of the first and of the second run of each experiment, on its sample data.

    Parameters
    ----------
    data_root : where the sample data is; features are kept in a temporary store
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "sample").symlink_to((data_root / "sample").absolute())
        found = {}
        for path in sorted((ROOT / "experiments").glob("*.toml")):
            first = alone(path.stem, Path(folder), [])
            again = alone(path.stem, Path(folder), first.pop("modules"))
            found[path.stem] = {"first_seconds": first["seconds"], "second_seconds": again["seconds"]}
        return found


def alone(name: str, data_root: Path, modules: list[str]) -> dict[str, Any]:
    """One run, in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.warm_start", name, str(data_root)]
    done = subprocess.run(
        words,
        cwd=ROOT,
        check=True,
        input=json.dumps(modules),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def reach(name: str, data_root: Path) -> float:
    """Seconds to the beginning of training, less what building the model takes."""
    from musicml.experiment import config
    from musicml.training import train, trainer
    from musicml.utils import terminal

    terminal.import_keras()
    from musicml.training import fit

    build, building = trainer.build_model, 0.0

    def built(*given: Any) -> Any:
        nonlocal building
        begun = time.perf_counter()
        model = build(*given)
        building += time.perf_counter() - begun
        if given[0] == "forest":
            model = mock.Mock(fit=mock.Mock(side_effect=Reached))
        return model

    read = config.read_experiment(ROOT / f"experiments/{name}.toml")
    begun = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as runs_root,
        mock.patch.object(trainer, "build_model", built),
        mock.patch.object(fit, "fit_model", side_effect=Reached),
        contextlib.suppress(Reached),
    ):
        train.train_experiment(read, data_root, Path(runs_root), "sample")
        raise SystemExit(f"{name} never came to its training")
    return time.perf_counter() - begun - building


def lines(measured: dict[str, Any]) -> list[str]:
    """What was measured, in words."""
    return [
        f"{name}: training begins after {row['first_seconds']:.1f} s the first time, imports among them, and "
        f"{row['second_seconds']:.2f} s the second, once everything is imported; building the model aside"
        for name, row in measured.items()
    ]


if __name__ == "__main__":
    for module in json.load(sys.stdin):
        with contextlib.suppress(Exception):  # a module that only another one can import, or one made by hand
            importlib.import_module(module)
    seconds_ = reach(sys.argv[1], Path(sys.argv[2]))
    print(json.dumps({"seconds": round(seconds_, 3), "modules": [name for name in sys.modules if name != "__main__"]}))
