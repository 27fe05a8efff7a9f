"""Conditions that runs and cached features must meet after any kill. Each fault is a sentence."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from musicml.experiment import Run, list_runs
from musicml.inference import Predictor
from musicml.utils import read_csv

LOCKS = {".lock"}  # which may stay, since they hold nothing
SAME_BYTES = ("predictions.csv", "split.csv", "digests.csv", "excluded.csv", "labels.json")


@dataclass(frozen=True)
class Progress:
    """The progress of a training: `rows` of history.csv, and `kept`, the epochs in its checkpoints."""

    rows: int
    kept: int

    @property
    def lost(self) -> int:
        """Epochs that have to be trained again."""
        return max(0, self.rows - self.kept)


def find_runs(root: Path) -> list[Run]:
    """List all runs below `root`, including folds."""
    found = list_runs(root)
    return found + [fold for run in found for fold in list_runs(run.path / "folds")]


def find_unreadable(root: Path, question: Path) -> list[str]:
    """Find faults in the runs in `root`: complete runs that cannot be opened or cannot predict, and incomplete files.

    Parameters
    ----------
    question : a sound file to predict
    """
    faults = []
    for run in find_runs(root):
        try:
            read_run(run, question)
        except Exception as error:
            faults.append(f"{run.path.relative_to(root)} ({run.path}): {type(error).__name__}: {error}")
    return faults


def read_run(run: Run, question: Path) -> None:
    """Read all files of a run, and predict with it if it is complete. Raise an error if anything cannot be read."""
    read_files(run.path)
    assert run.info.status in ("started", "trained"), run.info.status
    run.read_history()
    if run.is_complete:
        assert run.report.n == len(run.table("predictions.csv")) > 0
        assert list(run.predictions["example"])
        answer = Predictor(run).predict(question)
        assert np.isclose(sum(answer.scores), 1, atol=1e-4) and answer.label in run.read("labels.json")


def read_files(folder: Path) -> None:
    """Read all files of a run except hidden ones. Files that are deleted meanwhile do not count."""
    for home, _, names in os.walk(folder):  # which passes over a folder that goes meanwhile
        for path in sorted(Path(home) / name for name in names if not name.startswith(".")):
            with contextlib.suppress(FileNotFoundError):
                read_file(path)


def read_file(path: Path) -> None:
    """Read one file completely, in the format of its extension."""
    if path.suffix == ".json":
        json.loads(path.read_text(encoding="utf-8"))
    elif path.suffix == ".csv":
        read_csv(path)
    elif path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as kept:
            assert all(kept[name] is not None for name in kept.files)
    elif path.suffix in (".keras", ".skops"):
        with zipfile.ZipFile(path) as kept:
            assert kept.testzip() is None


def measure_progress(run: Run) -> Progress | None:
    """Return the progress of an unfinished training."""
    if run.info.status != "started":
        return None
    kept = 0
    for state in run.path.glob("checkpoints/**/state.npz"):  # one a stage
        with np.load(state, allow_pickle=False) as content:
            kept += json.loads(str(content["facts"]))["epoch"]
    return Progress(len(run.read_history()), kept)


def find_wrong_features(store: Path, wanted: Path) -> list[str]:
    """Find cached features that differ from those of an uninterrupted computation.

    Parameters
    ----------
    wanted : the cache of an uninterrupted computation
    """
    faults = []
    for path in list_entries(store):
        known = wanted / path
        if path.name.startswith("digests-"):  # in it are files' times, which are the same here
            rows, all_rows = read_digests(store / path), read_digests(known)
            right = known.is_file() and rows <= all_rows
        else:
            right = known.is_file() and known.read_bytes() == (store / path).read_bytes()
        if not right:
            faults.append(f"{path} in the store is not what an uncut computation writes")
    return faults


def list_entries(store: Path) -> list[Path]:
    """List the files of a cache, except hidden ones, which are incomplete."""
    found = [path.relative_to(store) for path in sorted(store.rglob("*")) if path.is_file()]
    return [path for path in found if not any(part.startswith(".") for part in path.parts)]


def read_digests(path: Path) -> set[bytes]:
    """Read the rows of a file of digests."""
    content = path.read_bytes() if path.is_file() else b""
    return {content[place : place + 24] for place in range(0, len(content), 24)}


def find_leftovers(root: Path, store: Path) -> list[str]:
    """Find hidden files and checkpoints that a complete training should have deleted."""
    # a hidden file in the store may be another machine's, and goes after a day
    hidden = [path for path in root.rglob(".*") if path.name not in LOCKS]
    hidden += [path for path in store.rglob(".*") if path.is_dir() or path.name.startswith(".making-")]
    return [f"{path} is left behind" for path in [*hidden, *root.rglob("checkpoints")]]


def find_differences(run: Run, wanted: Run) -> list[str]:
    """Find differences between a complete run and an uninterrupted one, in weights and results."""
    theirs = dict(get_contents(wanted))
    ours = dict(get_contents(run))
    names = sorted(set(ours) ^ set(theirs)) + [name for name in ours if name in theirs and ours[name] != theirs[name]]
    return [f"{name} of {run.path} is not that of the uncut run" for name in names]


def get_contents(run: Run) -> Iterator[tuple[str, Any]]:
    """Return, by name, everything that must be equal bit for bit in two runs of the same training."""
    for path in (run.path, *sorted(path for path in run.path.glob("folds/*"))):
        place = path.relative_to(run.path)
        for name in SAME_BYTES:
            if (path / name).is_file():
                yield f"{place / name}", (path / name).read_bytes()
        yield f"{place / 'history.csv'}", [row.values | {"seconds": 0} for row in Run(path).read_history()]
        yield f"{place / 'report.json'}", {**Run(path).report.table, "run": ""}
        served = Run(path).read("serving.json")
        yield f"{place / 'serving.json'}", {key: served[key] for key in ("temperature", "thresholds", "unlike")}
        with np.load(path / "clips.npz") as kept:
            yield f"{place / 'clips.npz'}", {name: kept[name].tobytes() for name in kept.files}
        if (path / "model.keras").is_file():
            yield f"{place / 'model.keras'}", read_weights(path / "model.keras")


def read_weights(path: Path) -> dict[str, bytes]:
    """Read the weights in a Keras file by path."""
    found: dict[str, bytes] = {}

    def take(name: str, part: Any) -> None:
        if isinstance(part, h5py.Dataset):
            found[name] = np.asarray(part).tobytes()

    with zipfile.ZipFile(path) as whole, h5py.File(io.BytesIO(whole.read("model.weights.h5"))) as weights:
        weights.visititems(take)
    return found
