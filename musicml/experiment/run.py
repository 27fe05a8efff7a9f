"""Run folders: each contains everything that one execution of an experiment produced.

A run has its final name from the start. It is complete once it has `report.json`, which is written last.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.experiment.lookup import find_checkout
from musicml.experiment.process import get_machine_info, get_process_info
from musicml.experiment.records import (
    Epoch,
    Report,
    RunInfo,
    make_record_error,
    parse_history,
    parse_report,
    parse_run_info,
)
from musicml.utils import (
    InputError,
    Message,
    make_data_frame,
    os_error_to_input_error,
    parse_json,
    read_csv,
    read_small_file,
    suggest_names,
    write_json,
    write_text,
)

if TYPE_CHECKING:
    import pandas

FORMAT_VERSION = 1
PRETRAINED = "pretrained"  # the status of a run with a downloaded model
TRASH_FOLDER = ".trash"  # in the folder of all runs, for the deleted ones
FOLDS_FOLDER = "folds"  # in the run of a cross-validation, with one run per fold
PACKAGES = ("musicml", "keras", "tensorflow", "tensorflow-cpu", "jax", "numpy", "scipy", "scikit-learn", "onnxruntime")


@dataclass(frozen=True)
class Run:
    """A run folder, whose files are read each time they are needed.

    Attributes
    ----------
    path : the folder, `runs/genre_gru-20260301T141205-s0`

    Examples
    --------
    >>> run = musicml.load_run("genre_gru")
    >>> run.is_complete, run.info.data.dataset
    (True, 'gtzan')
    >>> len(run.predictions) == run.report.n
    True
    """

    path: Path

    @property
    def name(self) -> str:
        """The name of the run, which is that of its folder."""
        return self.path.name

    @property
    def is_complete(self) -> bool:
        """Whether the run is complete: it has its report."""
        return (self.path / "report.json").is_file()

    @property
    def status(self) -> str:
        """The status: `started`, `trained`, `whole` (complete), or `pretrained` for a downloaded model."""
        return "whole" if self.is_complete else self.info.status  # a value of tables and files, so it keeps its name

    @property
    def is_pretrained(self) -> bool:
        """Whether the model was downloaded; such a run can predict, but has no results."""
        try:
            table = parse_json(read_small_file(self.path / "run.json"))
        except (ValueError, OSError):  # damaged; `info` raises an error that explains it
            return False
        return isinstance(table, dict) and table.get("status") == PRETRAINED

    @property
    def info(self) -> RunInfo:
        """The content of run.json.

        Raises
        ------
        InputError
            If run.json is missing or damaged.
        """
        return parse_run_info(self._read_info(), self.name)

    @property
    def report(self) -> Report:
        """The content of report.json.

        Raises
        ------
        InputError
            If report.json is missing or damaged.
        """
        return parse_report(self.read("report.json"), self.name)

    @property
    def history(self) -> pandas.DataFrame:
        """A data frame with one row per epoch."""
        return make_data_frame({"stage": row.stage, **row.values} for row in self.read_history())

    @property
    def predictions(self) -> pandas.DataFrame:
        """A data frame with one row per test example: its group, its true labels, and the score of each class."""
        rows = self.table("predictions.csv")
        return make_data_frame({name: _to_number(name, cell, self.name) for name, cell in row.items()} for row in rows)

    def read_history(self) -> list[Epoch]:
        """Read history.csv; return no epochs if there is no such file.

        Raises
        ------
        InputError
            If history.csv is not in UTF-8.
        """
        return parse_history(self.table("history.csv"))

    def _read_info(self) -> dict[str, Any]:
        """Read run.json without checking its values."""
        table = self.read("run.json")
        if not isinstance(table, dict):
            fix = self.suggest_fix()
            raise InputError("run.json of run {name} is not a JSON object: {fix}", name=self.name, fix=fix)
        return table

    def read(self, name: str) -> Any:
        """Read the JSON file `name` of this run.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        path = self.find(name)
        try:
            return parse_json(read_small_file(path))
        except InputError:  # a ValueError too, but with a message of its own
            raise
        except (ValueError, OSError) as error:
            raise InputError(
                "Could not read {file} of run {name} as JSON ({error}): {fix}",
                file=name,
                name=self.name,
                error=error,
                fix=self.suggest_fix(),
            ) from None

    def find(self, name: str) -> Path:
        """Return the path of the file `name` of this run; raise an InputError if it is missing."""
        if not os.path.exists(self.path / name):
            fix = self.suggest_fix()
            raise InputError("{file} of run {name} is missing: {fix}", file=name, name=self.name, fix=fix)
        return self.path / name

    def suggest_fix(self) -> str:
        """Suggest how to repair or finish a run that is not complete."""
        if self.is_pretrained:
            return Message("remove {path} and run `musicml fetch musicnn`, which creates it again.", path=self.path)
        path = self.path.parent.parent if self.path.parent.name == FOLDS_FOLDER else self.path  # of all folds together
        return Message("finish the run with `musicml train --resume {path}`, or train it again.", path=path)

    def update(self, **values: Any) -> None:
        """Update run.json with `values` and with this process; raise an InputError if the run is complete."""
        if self.is_complete:
            raise InputError("Run {name} is complete and read-only. Start a new training run instead.", name=self.name)
        write_json(self.path / "run.json", {**self._read_info(), "process": get_process_info(), **values})

    def table(self, name: str) -> list[dict[str, str]]:
        """Read the CSV file `name` of this run; return no rows if there is no such file."""
        path = self.path / name
        return read_csv(path) if path.is_file() else []


def _to_number(column: str, cell: str, run_name: str) -> str | float | None:
    """Convert a cell in a score column of predictions.csv to a number; other cells stay text."""
    if not column.startswith("score:"):
        return cell
    try:
        return float(cell) if cell else None  # pandas shows None as NaN
    except ValueError:
        raise make_record_error(run_name, "predictions.csv", column, cell) from None


def create_run(root: Path, experiment: str, seed: int, text: str, info: Mapping[str, Any]) -> Run:
    """Create a run folder with the experiment file and run.json.

    Parameters
    ----------
    root : the folder of all runs; created if it is missing
    experiment : the name of the experiment
    seed : the seed of the run, part of its name
    text : the content of the experiment file, which is copied unchanged
    info : further content of run.json, besides version, status, time and machine
    """
    now = datetime.datetime.now(datetime.UTC)
    return start_run(
        make_run_folder(Path(root), f"{experiment}-{now:%Y%m%dT%H%M%S}-s{seed}"), experiment, seed, text, info
    )


def start_run(path: Path, experiment: str, seed: int, text: str, info: Mapping[str, Any]) -> Run:
    """Create a run as `create_run` does, in the existing folder `path`."""
    now = datetime.datetime.now(datetime.UTC)
    write_text(path / "experiment.toml", text)
    write_json(
        path / "run.json",
        {
            "format_version": FORMAT_VERSION,
            "status": "started",
            "experiment": experiment,
            "seed": seed,
            "started": f"{now:%Y-%m-%dT%H:%M:%SZ}",
            "versions": get_versions(),
            "git_commit": get_git_commit(),
            "process": get_process_info(),
            "machine": get_machine_info(),
            **info,
        },
    )
    return Run(path)


def check_has_results(run: Run) -> None:
    """Raise an InputError for a run of a downloaded model, which has no results."""
    if run.is_pretrained:
        raise InputError(
            "Expected a run with results. {run_name} has none, since its model was downloaded. Predict files with "
            "`musicml predict {run_name} FILE`, or choose a run of an experiment.",
            run_name=run.name,
        )


def mark_abandoned(root: Path) -> None:
    """Mark the unfinished runs in `root` that this process started as no longer training."""
    for run in list_runs(root):
        with contextlib.suppress(InputError):  # training may have ended because the disk is full
            if not run.is_complete and run.info.process == get_process_info():
                run.update(process={**get_process_info(), "ended": True})


def get_fold(run: Run, k: int) -> Run:
    """Return the run of fold `k`, from 1, of a cross-validation."""
    return Run(run.path / FOLDS_FOLDER / str(k))


def make_run_folder(root: Path, name: str) -> Path:
    """Create the folder `name` in `root`, with a number appended if another run started in the same second."""
    for suffix in ["", *(f"-{number}" for number in range(2, 1000))]:
        try:
            (root / f"{name}{suffix}").mkdir(parents=True)
            return root / f"{name}{suffix}"
        except FileExistsError:  # mkdir is atomic, so two processes never share a folder
            continue
        except OSError as error:
            raise os_error_to_input_error(error, root / name) from error
    raise InputError("{root} already has 999 runs named {name}. Wait a second and try again.", root=root, name=name)


def get_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    from importlib import metadata  # slow to import, and only training needs it

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def get_git_commit() -> str | None:
    """Return the commit of the checkout that this code runs from, with `+changes` appended if files were changed.

    None without a checkout, or if it lies in another repository, whose commit does not describe this code.
    """
    checkout = find_checkout()
    if checkout is None:
        return None

    def git(*arguments: str) -> str:
        """Run git in the checkout and return its output."""
        command = ["git", "-C", str(checkout), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        if not checkout.samefile(checkout / git("rev-parse", "--show-cdup")):  # empty in the top folder
            return None
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def open_run(path: Path | str, root: Path | None = None) -> Run:
    """Open a run by its folder, by its name in `root`, or by its experiment, whose latest complete run is opened.

    Raises
    ------
    InputError
        If there is no such run, or it has another format version.
    """
    is_plain_name = Path(path).name == str(path) and not str(path).startswith(".")  # else a path, never below `root`
    choices = [Path(path)] + ([Path(root) / path] if root and is_plain_name else [])
    folder = next((folder for folder in choices if (folder / "run.json").is_file()), None)
    if folder is None:
        latest = [run.path for run, info in list_complete_runs(root) if info.experiment == str(path)][-1:]
        folder = latest[0] if latest else None
    if folder is None:
        name, known = Path(path).name, [run.name for run in list_runs(root)]
        is_deleted = root is not None and (Path(root) / TRASH_FOLDER / name / "run.json").is_file()
        restore = Message(
            "a deleted run has that name. Restore it with `musicml runs --restore {name}`.", name=shlex.quote(name)
        )
        raise InputError(
            "{path} is not a run folder (it has no run.json): {hint}",
            path=path,
            hint=restore if is_deleted else suggest_names(name, known),
        )
    run = Run(folder)
    version = run._read_info().get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(
            "Expected run {run_name} in format {format_version}, got format {version}. Use the version of musicml that "
            "made it.",
            run_name=run.name,
            format_version=FORMAT_VERSION,
            version=version,
        )
    return run


def list_runs(root: Path | None) -> list[Run]:
    """List the run folders in `root`, the oldest first, without those whose run.json can't be read."""
    if root is None or not Path(root).is_dir():
        return []
    rows = []
    for path in sorted(Path(root).iterdir()):
        if (path / "run.json").is_file():
            try:
                rows.append((str(Run(path)._read_info().get("started", "")), path.name, Run(path)))
            except InputError:
                continue
    return [run for _, _, run in sorted(rows, key=lambda row: row[:2])]  # runs themselves have no order


def list_complete_runs(root: Path | None) -> list[tuple[Run, RunInfo]]:
    """List the complete runs in `root`, the oldest first, each with its run.json; damaged runs are left out."""
    complete = []
    for run in list_runs(root):
        with contextlib.suppress(InputError):
            complete += [(run, run.info)] if run.is_complete else []
    return complete


def describe_run(run: Run) -> dict[str, Any]:
    """Return the row of a run for a table; a damaged run has only its name and status."""
    row: dict[str, Any] = {"run": run.name, "status": "damaged"}
    try:
        info = run.info
        row |= {"experiment": info.experiment, "dataset": info.data.name, "sample": info.data.sample, "seed": info.seed}
        report = run.report if run.is_complete else None
    except InputError:
        return row
    row["status"] = run.status
    return row | ({"metric": report.main_metric, "value": report.main} if report else {})
