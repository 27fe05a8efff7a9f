"""What pages read of run folders, read once for all sessions and anew when a file has changed.

Nothing here shows anything, and nothing is ever written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from musicml.data import AS_PUBLISHED, HONEST
from musicml.evaluation import MAIN_METRICS, PredictionTable, read_clip_scores, read_fold_thresholds, read_predictions
from musicml.experiment import FOLDS_FOLDER, Run, has_process_exited, open_run
from musicml.inference import Manifest, read_manifest
from musicml.utils import InputError, read_csv

QUIET = 15 * 60  # seconds without a sign of life after which a training is taken to have stopped, or three epochs
SIGNS = ("run.json", "history.csv", "report.json", "predictions.csv", "checkpoints")
PROTOCOLS = (HONEST, AS_PUBLISHED)
REPORT = ("n", "main_metric", "metrics", "intervals", "per_class")


def get_runs_root() -> Path:
    """The folder of all runs: MUSICML_RUNS, or `runs` where the dashboard was started."""
    return Path(os.environ.get("MUSICML_RUNS") or "runs")


def get_data_root() -> Path:
    """The folder of all data sets: MUSICML_DATA, or `data` where the dashboard was started."""
    return Path(os.environ.get("MUSICML_DATA") or "data")


@dataclass(frozen=True)
class RunView:
    """One run folder, as far as it can be read.

    Attributes
    ----------
    run : the folder
    facts : what run.json says; empty where it can't be read
    report : what report.json says; None where the run is not whole
    trouble : why the run can't be shown, a sentence; None where it can
    sign : when the folder last changed, seconds since the epoch
    patience : seconds without a sign of life after which its training is taken to have stopped
    """

    run: Run
    facts: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] | None = None
    trouble: str | None = None
    sign: float = 0.0
    patience: float = QUIET

    @property
    def name(self) -> str:
        """The folder's name, which is the run's."""
        return self.run.name

    @property
    def status(self) -> str:
        """`whole`, `training`, `stopped` (its process is over, or no sign of life for long) or `damaged`."""
        if self.trouble:
            return "damaged"
        if self.report:
            return "whole"
        if has_process_exited(self.facts.get("process")):
            return "stopped"
        return "training" if self.silence < self.patience else "stopped"

    @property
    def silence(self) -> float:
        """Seconds since the folder last changed."""
        return max(0.0, time.time() - self.sign)

    @property
    def data(self) -> Mapping[str, Any]:
        """What run.json says of the data."""
        found = self.facts.get("data")
        return found if isinstance(found, dict) else {}

    @property
    def split(self) -> Mapping[str, Any]:
        """What run.json says of the split."""
        found = self.facts.get("split")
        return found if isinstance(found, dict) else {}

    def settings(self, table: str) -> Mapping[str, Any]:
        """One table of its settings; empty where it has none."""
        found = self.facts.get("settings")
        return (found.get(table) or {}) if isinstance(found, dict) else {}

    @property
    def is_honest(self) -> bool:
        """Whether its protocol is honest; what is as published is never ranked with the others."""
        return self.facts.get("protocol", HONEST) == HONEST

    def figure(self, name: str | None) -> tuple[float | None, Sequence[float] | None]:
        """A figure of the report and its interval; None for what is not there."""
        found = self.report or {}
        return (found.get("metrics") or {}).get(name), (found.get("intervals") or {}).get(name)

    @property
    def sample(self) -> bool:
        """Whether the run was made from generated data, which every figure of it has to say."""
        return bool(self.data.get("sample"))

    @property
    def is_sound(self) -> bool:
        """Whether its examples are to be heard, not seen."""
        return self.data.get("kind") == "sound"


def list_runs() -> list[RunView]:
    """Every run folder there is, the newest first, broken ones too."""
    root = get_runs_root()
    folders = [path for path in root.iterdir() if is_run(path)] if root.is_dir() else []
    found = [get_run(path) for path in folders]
    return sorted(found, key=lambda one: (str(one.facts.get("started", "")), one.name), reverse=True)


def is_run(path: Path) -> bool:
    """Whether a folder is, or was meant to be, a run."""
    return (path / "run.json").is_file() or (path / "experiment.toml").is_file()


def get_run(path: Path) -> RunView:
    """One run folder, read again only where one of its files has changed."""
    signs = list(SIGNS)
    if not (path / "report.json").is_file():  # what trains now may be one of its folds
        signs += [
            f"{FOLDS_FOLDER}/{fold.name}/{sign}" for fold in (path / FOLDS_FOLDER).glob("[0-9]*") for sign in SIGNS
        ]
    return _read_run(str(path), get_stamp(path, *signs))


def get_stamp(path: Path, *names: str) -> tuple[float, ...]:
    """When files of a folder last changed; 0 for one that is not there."""
    found = []
    for name in names:
        try:
            found.append((path / name).stat().st_mtime)
        except OSError:
            found.append(0.0)
    return tuple(found)


@st.cache_resource(max_entries=1000, show_spinner=False)
def _read_run(path: str, changed: tuple[float, ...]) -> RunView:
    """One run folder, as far as it can be read; `changed` is there so that a change is noticed."""
    run, sign = Run(Path(path)), max(changed)
    try:
        facts = fitting(run, open_run(path).facts())
        report = checked(run, run.read("report.json")) if run.is_whole else None
    except InputError as error:
        return RunView(run, trouble=str(error), sign=sign)
    slowest = 0.0 if report else max((row.get("seconds", 0.0) for row in rows_of(run)), default=0.0)
    return RunView(run, facts, report, None, sign, max(QUIET, 3 * slowest))


def fitting(run: Run, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """What run.json says, if it is of the kinds that pages rely on."""
    tables = [facts.get("data"), facts.get("split"), facts.get("settings")]
    settings = facts.get("settings")
    tables += list(settings.values()) if isinstance(settings, dict) else []
    epochs = (settings.get("training") or {}).get("epochs", 0) if isinstance(settings, dict) else 0
    if (
        not all(isinstance(one, dict | None) for one in tables)
        or not isinstance(epochs, int)
        or facts.get("protocol", HONEST) not in PROTOCOLS
        or not isinstance(facts.get("started", ""), str)
    ):
        raise InputError(
            "run.json of run {run_name} must say what a run says and says something else: train it again.",
            run_name=run.name,
        )
    return facts


def checked(run: Run, report: Any) -> Mapping[str, Any]:
    """The report, if it is one."""
    if not isinstance(report, dict) or any(name not in report for name in REPORT) or not is_report(report):
        raise InputError(
            "report.json of run {run_name} must hold a report and holds something else: train it again.",
            run_name=run.name,
        )
    return report


def is_report(report: Mapping[str, Any]) -> bool:
    """Whether a report's parts are of the kinds that pages rely on."""
    metrics, intervals, rows = report["metrics"], report["intervals"], report["per_class"]
    return (
        isinstance(metrics, dict)
        and all(isinstance(value, int | float) for value in metrics.values())
        and isinstance(intervals, dict | None)
        and isinstance(report["n"], int)
        and report["main_metric"] in MAIN_METRICS.values()
        and isinstance(rows, list)
        and all(isinstance(row, dict) and "class" in row for row in rows)
    )


def get_history(one: RunView) -> list[dict[str, float | str]]:
    """The rows of history.csv, figures as numbers; a row that is half written is left out."""
    return read_history(str(one.run.path), get_stamp(one.run.path, "history.csv"))


@st.cache_resource(max_entries=200, show_spinner=False)
def read_history(path: str, changed: tuple[float, ...]) -> list[dict[str, float | str]]:
    """As `history`."""
    return rows_of(Run(Path(path)))


def rows_of(run: Run) -> list[dict[str, float | str]]:
    """As `history`, from the disk."""
    rows = []
    for row in run.table("history.csv"):
        try:
            rows.append({name: value if name == "stage" else float(value) for name, value in row.items()})
        except (TypeError, ValueError):
            continue
    return [row for row in rows if "epoch" in row]


def get_manifest(one: RunView) -> Manifest:
    """How a run is asked.

    Raises
    ------
    InputError
        If what says so is missing or damaged.
    """
    return read_serving(str(one.run.path), get_stamp(one.run.path, "serving.json", "labels.json"))


@st.cache_resource(max_entries=1000, show_spinner=False)
def read_serving(path: str, changed: tuple[float, ...]) -> Manifest:
    """As `serving_of`."""
    return read_manifest(Run(Path(path)))


def get_thresholds(one: RunView) -> np.ndarray:
    """From which score on a run says each class, [shape=(n_classes,)]; as `serving_of`.

    Of a cross-validation, each example's own fold's, [shape=(n_examples, n_classes)], in the order of `predictions`.
    """
    if not one.split.get("folds") or one.facts.get("task") == "single":
        return np.array(get_manifest(one).thresholds)
    return read_folds(str(one.run.path), get_stamp(one.run.path, "predictions.csv", "split.csv"), one)


@st.cache_resource(max_entries=100, show_spinner=False)
def read_folds(path: str, changed: tuple[float, ...], _one: RunView) -> np.ndarray:
    """As `thresholds`, of a cross-validation."""
    return read_fold_thresholds(Run(Path(path)), get_predictions(_one).names)


def format_thresholds(found: np.ndarray) -> str:
    """A threshold in figures; where folds have each their own, the lowest and the highest."""
    low, high = float(np.min(found)), float(np.max(found))
    return f"{low:.2f}" if low == high else f"{low:.2f}–{high:.2f}"


def get_predictions(one: RunView) -> PredictionTable:
    """The table of test predictions.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    return _read_cached_predictions(str(one.run.path), get_stamp(one.run.path, "predictions.csv", "labels.json"))


@st.cache_resource(max_entries=100, show_spinner=False)
def _read_cached_predictions(path: str, changed: tuple[float, ...]) -> PredictionTable:
    """As `predictions`."""
    return read_predictions(Run(Path(path)))


def get_clip_scores(one: RunView, place: int) -> tuple[np.ndarray, np.ndarray]:
    """When each clip of a test example begins, [shape=(n_clips,)], seconds, and its scores, [(n_clips, n_classes)]."""
    found = read_clips(str(one.run.path), get_stamp(one.run.path, "clips.npz"))
    return found.get(place, (np.zeros(0), np.zeros((0, 0))))


@st.cache_resource(max_entries=20, show_spinner=False)
def read_clips(path: str, changed: tuple[float, ...]) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """The raw scores of each clip, by the place of its example in predictions.csv; nothing where there are none."""
    try:
        return read_clip_scores(Run(Path(path)))
    except InputError:
        return {}


def read_table(one: RunView, name: str) -> list[dict[str, str]]:
    """The rows of a CSV file of a run; none where it is missing or can't be read."""
    try:
        return read_csv(one.run.path / name) if (one.run.path / name).is_file() else []
    except (InputError, OSError, ValueError):
        return []
