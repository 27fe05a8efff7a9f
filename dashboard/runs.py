"""Read run folders for the pages, once for all sessions and again when a file has changed.

Nothing here shows anything, and nothing is ever written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from dashboard.caching import cache_by, get_stamp, stamp_file, stamp_runs
from musicml.evaluation import PredictionTable, read_clip_scores, read_fold_thresholds, read_predictions
from musicml.experiment import (
    FOLDS_FOLDER,
    PRETRAINED,
    Epoch,
    Report,
    Run,
    RunInfo,
    RunNotes,
    has_process_exited,
    open_run,
    read_notes,
)
from musicml.inference import Manifest, read_manifest
from musicml.utils import InputError, is_of_type, read_csv, read_json

QUIET = 15 * 60  # seconds without a sign of life after which a training is taken to have stopped, or three epochs
SIGNS = ("run.json", "history.csv", "report.json", "predictions.csv", "checkpoints")


def get_runs_root() -> Path:
    """Return the folder of all runs: MUSICML_RUNS, or `runs` where the dashboard was started."""
    return Path(os.environ.get("MUSICML_RUNS") or "runs")


def get_data_root() -> Path:
    """Return the folder of all data sets: MUSICML_DATA, or `data` where the dashboard was started."""
    return Path(os.environ.get("MUSICML_DATA") or "data")


@dataclass(frozen=True)
class RunView:
    """Hold what could be read of one run folder.

    Attributes
    ----------
    run : the folder
    info : run.json; without any values where it can't be read
    report : report.json; None where the run is not whole
    trouble : why the run can't be shown, a sentence; None where it can
    sign : when the folder last changed, seconds since the epoch
    patience : seconds without a sign of life after which its training is taken to have stopped
    """

    run: Run
    info: RunInfo = field(default_factory=RunInfo)
    report: Report | None = None
    trouble: str | None = None
    sign: float = 0.0
    patience: float = QUIET

    @property
    def name(self) -> str:
        """The folder's name, which is the run's."""
        return self.run.name

    @property
    def status(self) -> str:
        """`whole`, `pretrained`, `training`, `stopped` (its process is over, or no sign of life) or `damaged`."""
        if self.trouble:
            return "damaged"
        if self.report:
            return "whole"
        if self.info.status == PRETRAINED:
            return PRETRAINED
        if has_process_exited(self.info.process):
            return "stopped"
        return "training" if self.silence < self.patience else "stopped"

    @property
    def silence(self) -> float:
        """Seconds since the folder last changed."""
        return max(0.0, time.time() - self.sign)

    def get_report(self) -> Report:
        """Return report.json of a complete run."""
        return self.run.report if self.report is None else self.report

    def figure(self, name: str | None) -> tuple[float | None, Sequence[float] | None]:
        """Return a metric of the report and its interval; None for what is not there."""
        if self.report is None or name is None:
            return None, None
        return self.report.metrics.get(name), self.report.get_interval(name)

    @property
    def sample(self) -> bool:
        """Whether the run was made from generated data, which every figure of it has to say."""
        return self.info.data.sample

    @property
    def is_ours(self) -> bool:
        """Whether a training of ours made it, which its run.json tells about."""
        return self.status not in ("damaged", PRETRAINED)

    @property
    def is_sound(self) -> bool:
        """Whether its examples are to be heard, not seen."""
        return self.info.data.kind == "sound"


def list_runs() -> list[RunView]:
    """List every run folder, the newest first, damaged ones included."""
    root = get_runs_root()
    found = [
        get_run(path)
        for path in (root.iterdir() if root.is_dir() else ())
        if (path / "run.json").is_file() or (path / "experiment.toml").is_file()  # it is a run, or was meant to be one
    ]
    return sorted(found, key=lambda one: (one.info.started, one.name), reverse=True)


def _stamp_run(path: Path) -> tuple:
    """Return a run folder's key, which changes with each sign of life."""
    return str(path), *get_stamp(path, *_list_signs(path))


def _list_signs(path: Path) -> list[str]:
    """List the files whose change is a sign of life; what trains now may be one of its folds."""
    folds = [] if (path / "report.json").is_file() else sorted((path / FOLDS_FOLDER).glob("[0-9]*"))
    return [*SIGNS, *(f"{FOLDS_FOLDER}/{fold.name}/{sign}" for fold in folds for sign in SIGNS)]


@cache_by(_stamp_run, max_entries=1000)
def get_run(path: Path) -> RunView:
    """Return one run folder, read again only where one of its files has changed."""
    run, sign = Run(path), max(get_stamp(path, *_list_signs(path)))
    try:
        info, report = open_run(path).info, run.report if run.is_complete else None
    except InputError as error:
        return RunView(run, trouble=error.message, sign=sign)
    slowest = 0.0 if report else max((row.seconds for row in run.read_history()), default=0.0)
    return RunView(run, info, report, None, sign, max(QUIET, 3 * slowest))


@cache_by(stamp_runs("notes.json"), max_entries=1000)
def get_notes(one: RunView) -> RunNotes:
    """Return the user's note and tags of a run; writing them is no sign of life of its training."""
    return read_notes(one.run)


@cache_by(stamp_runs("history.csv"), max_entries=200)
def get_history(one: RunView) -> list[Epoch]:
    """Return the rows of history.csv; a row that is half written is left out."""
    return one.run.read_history()


@cache_by(stamp_runs("serving.json", "labels.json"), max_entries=1000)
def get_manifest(one: RunView) -> Manifest:
    """Return the manifest of a run."""
    return read_manifest(one.run)


@cache_by(stamp_runs("serving.json", "labels.json", "predictions.csv", "split.csv"), max_entries=100)
def get_thresholds(one: RunView) -> np.ndarray:
    """Return the threshold of each class, [shape=(n_classes,)].

    Of a cross-validation, each example's own fold's, [shape=(n_examples, n_classes)], in the order of
    `get_predictions`.
    """
    if not one.info.split.folds or one.info.task == "single":
        return np.array(get_manifest(one).thresholds)
    return read_fold_thresholds(one.run, get_predictions(one).names.tolist())


def format_thresholds(found: np.ndarray) -> str:
    """Format a threshold; where each fold has its own, the lowest and the highest."""
    low, high = float(np.min(found)), float(np.max(found))
    return f"{low:.2f}" if low == high else f"{low:.2f}–{high:.2f}"


@cache_by(stamp_runs("predictions.csv", "labels.json"), max_entries=100)
def get_predictions(one: RunView) -> PredictionTable:
    """Return the table of test predictions."""
    return read_predictions(one.run)


def get_clip_scores(one: RunView, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the start, [shape=(n_clips,)], seconds, and the scores, [(n_clips, n_classes)], of an example's clips."""
    return _read_clips(one).get(place, (np.zeros(0), np.zeros((0, 0))))


@cache_by(stamp_runs("clips.npz"), max_entries=20)
def _read_clips(one: RunView) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Read the raw scores of each clip, by the place of its example in predictions.csv; empty where there are none."""
    try:
        return read_clip_scores(one.run)
    except InputError:
        return {}


def read_table(one: RunView, name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of a run; none where it is missing or can't be read."""
    try:
        return read_csv(one.run.path / name) if (one.run.path / name).is_file() else []
    except (InputError, OSError, ValueError):
        return []


class ReplayFigure(TypedDict):
    """A metric of a replication with its interval."""

    value: float | None
    interval: list[float] | None


class ReplayRow(TypedDict):
    """One metric of a replication: as it was published, replayed, and honest."""

    metric: str
    published: float | list[float] | None
    published_interval: list[float] | None
    replayed: ReplayFigure | None
    honest: ReplayFigure | None


class Replay(TypedDict):
    """A replication of a published result, as `musicml replay` writes it."""

    reference: str
    error: str
    sample: bool
    runs: dict[str, Any]
    sentences: list[str]
    rows: list[ReplayRow]


def get_replays() -> Mapping[str, Replay]:
    """Return the latest replication of each reference; empty where there is none."""
    return _read_replays(sorted((get_runs_root() / "replays").glob("*.json")))


@cache_by(lambda paths: tuple(map(stamp_file, paths)), max_entries=20)
def _read_replays(paths: Sequence[Path]) -> Mapping[str, Replay]:
    """Read what `get_replays` returns; newer files replace older ones, and invalid ones are skipped."""
    found: dict[str, Replay] = {}
    for path in paths:
        try:
            kept = read_json(path)
        except (InputError, OSError, ValueError):
            continue
        rows = kept.get("replays") if isinstance(kept, dict) else None
        found |= {one["reference"]: one for one in (rows if isinstance(rows, list) else []) if _is_replay(one)}
    return found


def _is_replay(one: Any) -> bool:
    """Return whether this is a successful replication."""
    if not is_of_type(one, Replay) or one["error"] or not one["rows"]:
        return False
    pairs = [row[key] for row in one["rows"] for key in ("published", "published_interval")]
    pairs += [(row[key] or {}).get("interval") for row in one["rows"] for key in ("replayed", "honest")]
    return all(len(pair) == 2 for pair in pairs if isinstance(pair, list))
