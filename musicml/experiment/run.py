"""Runs: folders that hold everything one execution of an experiment left behind.

A run gets its final name when it begins; `report.json`, written last, makes it whole. Nothing else says so.
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
PRETRAINED = "pretrained"  # status of a run whose model others trained
TRASH_FOLDER = ".trash"  # in the folder of all runs, with the deleted ones in it
FOLDS_FOLDER = "folds"  # in a run of a cross-validation, with a run of each fold in it
PACKAGES = ("musicml", "keras", "tensorflow", "tensorflow-cpu", "jax", "numpy", "scipy", "scikit-learn", "onnxruntime")


@dataclass(frozen=True)
class Run:
    """One run folder.

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
        """The folder's name, which is the run's."""
        return self.path.name

    @property
    def is_complete(self) -> bool:
        """Whether the run is finished: it has its report."""
        return (self.path / "report.json").is_file()

    @property
    def status(self) -> str:
        """`whole`, or how far the run has come: `started`, `trained`; `pretrained` where others trained its model."""
        return "whole" if self.is_complete else self.info.status

    @property
    def is_pretrained(self) -> bool:
        """Whether others trained its model: it can be asked, and has no results of its own."""
        try:
            table = parse_json(read_small_file(self.path / "run.json"))
        except (ValueError, OSError):  # damaged, which `info` explains
            return False
        return isinstance(table, dict) and table.get("status") == PRETRAINED

    @property
    def info(self) -> RunInfo:
        """run.json, read from the disk each time.

        Raises
        ------
        InputError
            If run.json is missing or damaged.
        """
        return parse_run_info(self._read_info(), self.name)

    @property
    def report(self) -> Report:
        """report.json, read from the disk each time.

        Raises
        ------
        InputError
            If report.json is missing or damaged.
        """
        return parse_report(self.read("report.json"), self.name)

    @property
    def history(self) -> pandas.DataFrame:
        """A data frame with a row an epoch, as `read_history` reads them."""
        return make_data_frame({"stage": row.stage, **row.values} for row in self.read_history())

    @property
    def predictions(self) -> pandas.DataFrame:
        """A data frame with a row a test example: its group, its true label or labels, and the score of each class."""
        rows = self.table("predictions.csv")
        return make_data_frame({name: _to_number(name, cell, self.name) for name, cell in row.items()} for row in rows)

    def read_history(self) -> list[Epoch]:
        """Read history.csv; no rows where there is no such file.

        Raises
        ------
        InputError
            If history.csv is not in UTF-8.
        """
        return parse_history(self.table("history.csv"))

    def _read_info(self) -> dict[str, Any]:
        """Read run.json without a look at its values."""
        table = self.read("run.json")
        if not isinstance(table, dict):
            raise InputError(
                "run.json of run {name} must be a JSON object and is none: {cure}",
                name=self.name,
                cure=self.suggest_fix(),
            )
        return table

    def read(self, name: str) -> Any:
        """The JSON file `name` of this run.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        path = self.find(name)
        try:
            return parse_json(read_small_file(path))
        except InputError:
            raise
        except (ValueError, OSError) as error:
            raise InputError(
                "{name} of run {name2} must be JSON and can't be read ({error}): {cure}",
                name=name,
                name2=self.name,
                error=error,
                cure=self.suggest_fix(),
            ) from None

    def find(self, name: str) -> Path:
        """Return the path of the file `name` of this run, or refuse a run that lacks it."""
        if not os.path.exists(self.path / name):
            raise InputError(
                "run {name} must hold {name2}, and it is missing: {cure}",
                name=self.name,
                name2=name,
                cure=self.suggest_fix(),
            )
        return self.path / name

    def suggest_fix(self) -> str:
        """What to do about a run that is not whole."""
        if self.is_pretrained:
            return Message("remove {path} and run `musicml fetch musicnn`, which makes it anew.", path=self.path)
        whole = self.path.parent.parent if self.path.parent.name == FOLDS_FOLDER else self.path
        return Message("finish the run with `musicml train --resume {whole}`, or train it again.", whole=whole)

    def update(self, **facts: Any) -> None:
        """Write `facts`, and which process this is, into run.json beside what it says; refused once it is whole."""
        if self.is_complete:
            raise InputError("run {name} is whole and is never changed: train again for another.", name=self.name)
        write_json(self.path / "run.json", {**self._read_info(), "process": get_process_info(), **facts})

    def table(self, name: str) -> list[dict[str, str]]:
        """The rows of the CSV file `name` of this run; none where it is not there."""
        path = self.path / name
        return read_csv(path) if path.is_file() else []


def _to_number(column: str, cell: str, run_name: str) -> str | float | None:
    """Return a score of predictions.csv as a number; other cells stay words."""
    if not column.startswith("score:"):
        return cell
    try:
        return float(cell) if cell else None
    except ValueError:
        raise make_record_error(run_name, "predictions.csv", column, cell) from None


def create_run(root: Path, experiment: str, seed: int, text: str, facts: Mapping[str, Any]) -> Run:
    """Begin a run: make its folder, with the experiment's text and run.json.

    Parameters
    ----------
    root : the folder of all runs; made where it is missing
    experiment : the experiment's name
    seed : the run's seed, part of its name
    text : the experiment file, kept as it is
    facts : what run.json shall say beside version, status, time and machine
    """
    now = datetime.datetime.now(datetime.UTC)
    return start_run(
        make_run_folder(Path(root), f"{experiment}-{now:%Y%m%dT%H%M%S}-s{seed}"), experiment, seed, text, facts
    )


def start_run(path: Path, experiment: str, seed: int, text: str, facts: Mapping[str, Any]) -> Run:
    """As `create_run`, in the folder `path`."""
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
            **facts,
        },
    )
    return Run(path)


def check_has_results(run: Run) -> None:
    """Refuse a run whose model others trained."""
    if run.is_pretrained:
        raise InputError(
            "Expected a run with results, and {run_name} has none: others trained its model. Ask it about a file with "
            "`musicml predict {run_name} FILE`, or choose a run of an experiment.",
            run_name=run.name,
        )


def mark_abandoned(root: Path) -> None:
    """Say of the unfinished runs in `root` that this process wrote that it is no longer at them."""
    for run in list_runs(root):
        with contextlib.suppress(InputError):  # a full disk may be what ended the training
            if not run.is_complete and run.info.process == get_process_info():
                run.update(process={**get_process_info(), "ended": True})


def get_fold(run: Run, k: int) -> Run:
    """The run of fold `k`, from 1, of a cross-validation; it lies inside the whole one."""
    return Run(run.path / FOLDS_FOLDER / str(k))


def make_run_folder(root: Path, name: str) -> Path:
    """Make the folder `name` in `root`, with a number behind it where two runs begin in one second."""
    for suffix in ["", *(f"-{number}" for number in range(2, 1000))]:
        try:
            (root / f"{name}{suffix}").mkdir(parents=True)
            return root / f"{name}{suffix}"
        except FileExistsError:
            continue
        except OSError as error:
            raise os_error_to_input_error(error, root / name) from error
    raise InputError(
        "{root} must have room for a run named {name}, and has a thousand of that second: wait one.",
        root=root,
        name=name,
    )


def get_versions() -> dict[str, str]:
    """Python's version and those of the packages that a figure depends on."""
    from importlib import metadata  # slow to import, and only training needs it

    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def get_git_commit() -> str | None:
    """Get the commit of the checkout that this code runs from, with `+changes` behind it where there are any.

    None where that checkout is no repository of its own: a commit of another one says nothing about this code.
    """
    checkout = find_checkout()
    if checkout is None:
        return None

    def git(*words: str) -> str:
        command = ["git", "-C", str(checkout), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        if not checkout.samefile(checkout / git("rev-parse", "--show-cdup")):
            return None
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def open_run(path: Path | str, root: Path | None = None) -> Run:
    """The run in the folder `path`, or of that name in `root`, or the latest complete one of the experiment `path`.

    Raises
    ------
    InputError
        If no run folder is there, or one of a later format.
    """
    is_plain_name = Path(path).name == str(path) and not str(path).startswith(".")
    choices = [Path(path)] + ([Path(root) / path] if root and is_plain_name else [])
    folder = next((folder for folder in choices if (folder / "run.json").is_file()), None)
    if folder is None:
        latest = [run.path for run, info in list_complete_runs(root) if info.experiment == str(path)][-1:]
        folder = latest[0] if latest else None
    if folder is None:
        name, known = Path(path).name, [run.name for run in list_runs(root)]
        is_deleted = root is not None and (Path(root) / TRASH_FOLDER / name / "run.json").is_file()
        restore = Message(
            "a deleted run has that name, and `musicml runs --restore {quote}` brings it back.", quote=shlex.quote(name)
        )
        raise InputError(
            "{path} must be a run folder (one with a run.json) and is none: {hint}",
            path=path,
            hint=restore if is_deleted else suggest_names(name, known),
        )
    run = Run(folder)
    version = run._read_info().get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(
            "run {run_name} must be of format {format_version} and is of {version}: "
            "read it with the musicml that made it.",
            run_name=run.name,
            format_version=FORMAT_VERSION,
            version=version,
        )
    return run


def list_runs(root: Path | None) -> list[Run]:
    """Every run folder in `root`, the oldest first; folders without a readable run.json are passed over."""
    if root is None or not Path(root).is_dir():
        return []
    found = []
    for path in sorted(Path(root).iterdir()):
        if (path / "run.json").is_file():
            try:
                found.append((str(Run(path)._read_info().get("started", "")), path.name, Run(path)))
            except InputError:
                continue
    return [run for _, _, run in sorted(found, key=lambda item: item[:2])]


def list_complete_runs(root: Path | None) -> list[tuple[Run, RunInfo]]:
    """List the complete runs in `root`, the oldest first, each with its run.json; damaged ones are passed over."""
    found = []
    for run in list_runs(root):
        with contextlib.suppress(InputError):
            found += [(run, run.info)] if run.is_complete else []
    return found


def describe_run(run: Run) -> dict[str, Any]:
    """Return a row on a run for a table; a damaged run has its name and status only."""
    row: dict[str, Any] = {"run": run.name, "status": "damaged"}
    try:
        info = run.info
        row |= {"experiment": info.experiment, "dataset": info.data.name, "sample": info.data.sample, "seed": info.seed}
        result = run.report if run.is_complete else None
    except InputError:
        return row
    row["status"] = run.status
    return row | ({"metric": result.main_metric, "value": result.main} if result else {})
