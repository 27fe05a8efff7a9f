"""Read run folders for the pages, cached for all sessions and read again when a file has changed.

This module shows nothing and never writes to a run.
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

MAX_SILENCE = 15 * 60  # seconds without a changed file, after which a training counts as interrupted
WATCHED_FILES = ("run.json", "history.csv", "report.json", "predictions.csv", "checkpoints")


def get_runs_root() -> Path:
    """Return the folder of all runs: MUSICML_RUNS, or `runs` where the dashboard was started."""
    return Path(os.environ.get("MUSICML_RUNS") or "runs")


def get_data_root() -> Path:
    """Return the folder of all datasets: MUSICML_DATA, or `data` where the dashboard was started."""
    return Path(os.environ.get("MUSICML_DATA") or "data")


@dataclass(frozen=True)
class RunView:
    """Hold the readable parts of one run folder.

    Attributes
    ----------
    run : the folder
    info : run.json; default values where it can't be read
    report : report.json; None where the run is not complete
    error : an error message if the run can't be shown; else None
    changed : time of the last change in the folder, seconds since the epoch
    patience : seconds without a change, after which its training counts as interrupted
    """

    run: Run
    info: RunInfo = field(default_factory=RunInfo)
    report: Report | None = None
    error: str | None = None
    changed: float = 0.0
    patience: float = MAX_SILENCE

    @property
    def name(self) -> str:
        """The name of the run and of its folder."""
        return self.run.name

    @property
    def status(self) -> str:
        """`whole` (complete), `pretrained`, `training`, `stopped` (interrupted) or `damaged`."""
        if self.error:
            return "damaged"
        if self.report:
            return "whole"
        if self.info.status == PRETRAINED:
            return PRETRAINED
        if has_process_exited(self.info.process):  # its process has ended without a report
            return "stopped"
        return "training" if self.silence < self.patience else "stopped"

    @property
    def silence(self) -> float:
        """Seconds since the folder last changed."""
        return max(0.0, time.time() - self.changed)

    def get_report(self) -> Report:
        """Return report.json of a complete run."""
        return self.run.report if self.report is None else self.report

    def get_metric(self, name: str | None) -> tuple[float | None, Sequence[float] | None]:
        """Return a metric of the report and its interval; None for what is not there."""
        if self.report is None or name is None:
            return None, None
        return self.report.metrics.get(name), self.report.get_interval(name)

    @property
    def sample(self) -> bool:
        """Whether the run was trained on synthetic data, which every result of it must state."""
        return self.info.data.sample

    @property
    def is_ours(self) -> bool:
        """Whether musicml trained it, so that its run.json describes the training."""
        return self.status not in ("damaged", PRETRAINED)

    @property
    def is_sound(self) -> bool:
        """Whether its examples are sounds."""
        return self.info.data.kind == "sound"


def list_runs() -> list[RunView]:
    """List every run folder, the newest first, damaged ones included."""
    root = get_runs_root()
    found = [
        get_run(path)
        for path in (root.iterdir() if root.is_dir() else ())
        if (path / "run.json").is_file() or (path / "experiment.toml").is_file()  # damaged runs may lack run.json
    ]
    return sorted(found, key=lambda view: (view.info.started, view.name), reverse=True)


def _stamp_run(path: Path) -> tuple:
    """Return a run folder's cache key, which changes when a watched file does."""
    return str(path), *get_stamp(path, *_list_signs(path))


def _list_signs(path: Path) -> list[str]:
    """List the files whose change shows that a training is alive, also those of the folds of a cross-validation."""
    folds = [] if (path / "report.json").is_file() else sorted((path / FOLDS_FOLDER).glob("[0-9]*"))
    return [*WATCHED_FILES, *(f"{FOLDS_FOLDER}/{fold.name}/{sign}" for fold in folds for sign in WATCHED_FILES)]


@cache_by(_stamp_run, max_entries=1000)  # a page lists all runs at every rerun
def get_run(path: Path) -> RunView:
    """Read one run folder; again only where one of its files has changed."""
    run, changed = Run(path), max(get_stamp(path, *_list_signs(path)))
    try:
        info, report = open_run(path).info, run.report if run.is_complete else None
    except InputError as error:
        return RunView(run, error=error.message, changed=changed)
    # three epochs without a change: a slow epoch is not an interrupted training
    slowest = 0.0 if report else max((row.seconds for row in run.read_history()), default=0.0)
    return RunView(run, info, report, None, changed, max(MAX_SILENCE, 3 * slowest))


@cache_by(stamp_runs("notes.json"), max_entries=1000)
def get_notes(view: RunView) -> RunNotes:
    """Return the user's note and tags of a run; writing them does not make a training look alive."""
    return read_notes(view.run)


@cache_by(stamp_runs("history.csv"), max_entries=200)
def get_history(view: RunView) -> list[Epoch]:
    """Return the rows of history.csv, without a row that is only half written."""
    return view.run.read_history()


@cache_by(stamp_runs("serving.json", "labels.json"), max_entries=1000)
def get_manifest(view: RunView) -> Manifest:
    """Return the manifest of a run."""
    return read_manifest(view.run)


@cache_by(stamp_runs("serving.json", "labels.json", "predictions.csv", "split.csv"), max_entries=100)
def get_thresholds(view: RunView) -> np.ndarray:
    """Return the threshold of each class, [shape=(n_classes,)].

    For a cross-validation, those of each example's fold, [shape=(n_examples, n_classes)], in the order of
    `get_predictions`.
    """
    if not view.info.split.folds or view.info.task == "single":
        return np.array(get_manifest(view).thresholds)
    return read_fold_thresholds(view.run, get_predictions(view).names.tolist())


def format_thresholds(thresholds: np.ndarray) -> str:
    """Format a threshold; where each fold has its own, the lowest and the highest."""
    low, high = float(np.min(thresholds)), float(np.max(thresholds))  # equal unless folds have thresholds of their own
    return f"{low:.2f}" if low == high else f"{low:.2f}–{high:.2f}"


@cache_by(stamp_runs("predictions.csv", "labels.json"), max_entries=100)
def get_predictions(view: RunView) -> PredictionTable:
    """Return the table of test predictions."""
    return read_predictions(view.run)


def get_clip_scores(view: RunView, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the start, [shape=(n_clips,)], seconds, and the scores, [(n_clips, n_classes)], of an example's clips."""
    return _read_clips(view).get(place, (np.zeros(0), np.zeros((0, 0))))


@cache_by(stamp_runs("clips.npz"), max_entries=20)
def _read_clips(view: RunView) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Read the raw scores of each clip, by the row of its example in predictions.csv; empty where there are none."""
    try:
        return read_clip_scores(view.run)
    except InputError:  # runs of single clips have no clips.npz
        return {}


def read_table(view: RunView, name: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file of a run; none where it is missing or can't be read."""
    try:
        return read_csv(view.run.path / name) if (view.run.path / name).is_file() else []
    except (InputError, OSError, ValueError):
        return []


class ReplayFigure(TypedDict):
    """A metric of a replication with its interval."""

    value: float | None
    interval: list[float] | None


class ReplayRow(TypedDict):
    """One metric of a replication: as published, replicated, and honest."""

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
    """Return the latest replication of each published result, by its name."""
    return _read_replays(sorted((get_runs_root() / "replays").glob("*.json")))


@cache_by(lambda paths: tuple(map(stamp_file, paths)), max_entries=20)
def _read_replays(paths: Sequence[Path]) -> Mapping[str, Replay]:
    """Read what `get_replays` returns; newer files replace older ones, and invalid ones are skipped."""
    found: dict[str, Replay] = {}
    for path in paths:
        try:
            content = read_json(path)
        except (InputError, OSError, ValueError):
            continue
        rows = content.get("replays") if isinstance(content, dict) else None
        found |= {
            replay["reference"]: replay for replay in (rows if isinstance(rows, list) else []) if _is_replay(replay)
        }
    return found


def _is_replay(replay: Any) -> bool:
    """Return whether this is a successful replication."""
    if not is_of_type(replay, Replay) or replay["error"] or not replay["rows"]:  # a file may be damaged or edited
        return False
    pairs = [row[key] for row in replay["rows"] for key in ("published", "published_interval")]
    pairs += [(row[key] or {}).get("interval") for row in replay["rows"] for key in ("replayed", "honest")]
    return all(len(pair) == 2 for pair in pairs if isinstance(pair, list))
