"""`musicml train-all`: train all experiments and compare them.

Train and evaluate all experiments of a folder. If one fails, the others continue, and the exit code is 1. After an
interruption or a failure, the same command continues with the experiments that are not complete.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import logging
import multiprocessing
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.cli.train import train
from musicml.utils import (
    LOST_JOB,
    InputError,
    count_workers,
    get_log_prefix,
    get_message,
    is_on_worker,
    map_in_processes,
    parse_json,
    print_message,
    read_small_file,
    set_log_prefix,
    show_messages,
    write_json,
)

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from musicml.experiment import Run

STATE_FOLDER, START_FILE = ".train-all", "started.json"  # in the runs folder until all experiments are complete
MAX_START_BYTES = 10_000
TIME_FORMAT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
JOBS_ON_SAMPLE = 2  # the small networks for sample data leave a core idle while TensorFlow traces them

Row = dict[str, Any]


def add_command(commands: Any) -> None:
    """Add `musicml train-all` to the command line."""
    parser = options.add_documented_parser(commands, lock_and_train_all, __doc__, "musicml train-all --data sample")
    text = "folder of experiment files (default: experiments, else those that come with musicml)"
    parser.add_argument("--experiments", type=Path, metavar="DIR", help=text)
    text = "number of experiments to train in parallel (default: 2 with --data sample, else 1)"
    parser.add_argument("--jobs", type=options.parse_positive, metavar="N", help=text)
    text = "train all experiments again, even those that an interrupted train-all has completed"
    parser.add_argument("--anew", action="store_true", help=text)
    options.add_training_options(parser)


def lock_and_train_all(args: argparse.Namespace) -> int:
    """Train all experiments while no other train-all uses the runs folder. Return 1 if one of them failed, else 0."""
    from musicml.experiment import find_experiment_folder, hold_folder

    refusal = InputError(
        "Another train-all is running in {runs_root}. Wait until it ends, or choose another folder with --runs.",
        runs_root=args.runs,
    )
    state_folder = args.runs / STATE_FOLDER
    with hold_folder(state_folder, refusal):
        start_time = _read_start_time(state_folder / START_FILE, args.anew)
        train_one = partial(_resume_or_train, since=start_time, args=args)
        jobs = args.jobs or (min(JOBS_ON_SAMPLE, os.cpu_count() or 1) if args.data == "sample" else 1)
        folder = (args.experiments or find_experiment_folder()).absolute()
        try:
            if args.cluster:
                jobs = count_workers()
                _compute_features(sorted(folder.glob("*.toml")), args)
            code = train_all(folder, partial(_score, train_one, args.runs), jobs, args.runs, args.json)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped; run the same command to continue") from None
    if code == 0:  # otherwise the same command trains the failed experiments again
        shutil.rmtree(state_folder, ignore_errors=True)
    return code


def _compute_features(paths: list[Path], args: argparse.Namespace) -> None:
    """Compute the features of all experiments with all workers of the cluster, before each trains one of them."""
    from musicml.experiment import parse_changes, read_experiment
    from musicml.training import compute_features

    for path in paths:
        try:
            experiment = read_experiment(path, parse_changes(args.changes), sample=None)
        except InputError:  # the training gives the same error
            continue
        compute_features(experiment, args.data_root, args.data)


def _read_start_time(path: Path, anew: bool) -> str:
    """Return the start time of the unfinished train-all. If there is none, or `anew`, write the current time."""
    try:
        content = parse_json(read_small_file(path, MAX_START_BYTES))
        start_time = str(content["started"]) if isinstance(content, dict) else ""
    except (OSError, ValueError, KeyError):  # no file, or a damaged one
        start_time = ""
    if TIME_FORMAT.fullmatch(start_time) and not anew:
        logger.info("continuing the train-all of %s, which is not complete; --anew starts a new one", start_time)
        return start_time
    start_time = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    write_json(path, {"started": start_time})
    return start_time


def _resume_or_train(path: Path, since: str, args: argparse.Namespace) -> Run:
    """Train an experiment. Reuse the run, complete or not, that it has had since the time `since`."""
    from musicml.experiment import is_held, parse_changes, read_experiment
    from musicml.training import find_matching_run, resume_run

    experiment = read_experiment(path, parse_changes(args.changes), sample=None)
    origin = (args.data_root, args.runs, args.data, args.seed or 0)
    run = find_matching_run(experiment, *origin, args.deterministic, since)
    if run is None:
        return train(path, args)
    if is_held(run.path):  # a worker of the killed train-all is still alive
        logger.info("another process is still training %s: waiting until it ends", run.name)
        while is_held(run.path):
            time.sleep(1)
    if run.is_complete:
        logger.info("%s is complete", run.name)
        return run
    logger.info("resuming %s", run.name)
    return resume_run(run)


def train_all(folder: Path, score: Callable[[Path], Row], jobs: int, runs_root: Path, as_json: bool) -> int:
    """Train and evaluate all experiments of a folder, and print them in one table.

    Parameters
    ----------
    score : trains the experiment at a path and returns its row of the table; must be picklable
    jobs : number of experiments to train in parallel

    Returns
    -------
    The exit code: 1 if an experiment failed, else 0.
    """
    from musicml.experiment import list_runs

    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise InputError(
            "Expected experiment files (*.toml) in {folder}, found none. Name another folder with --experiments.",
            folder=folder,
        )
    if jobs == 1:  # in this process, which shows progress bars
        rows = [score(path) for path in paths]
    else:  # short trainings last, so that no process waits long for another at the end
        rows = _score_in_parallel(score, sorted(paths, key=_has_no_backbone), jobs)
        rows.sort(key=lambda row: row["experiment"])
    if as_json:
        plain_rows = [{key: value for key, value in row.items() if key != "report"} for row in rows]
        reports = (output.summarize_report(Path(row["run"]), row["report"]) if "report" in row else {} for row in rows)
        output.print_json({"experiments": [row | report for row, report in zip(plain_rows, reports, strict=True)]})
    else:
        _print_rows(rows)
        for run in list_runs(runs_root):
            if run.is_pretrained:
                hint = f"try it with `musicml predict {run.name} FILE`"
                print(f"{run.name}: a pretrained model without results of its own; {hint}")
    return 1 if any("error" in row for row in rows) else 0


def _score(train_one: Callable[[Path], Any], runs_root: Path, path: Path) -> Row:
    """Train and evaluate one experiment. Return its row of the table: run and report, or the error."""
    from musicml.data.download import MissingWeightsError
    from musicml.evaluation import evaluate_run
    from musicml.experiment import mark_abandoned

    start = time.perf_counter()
    row: Row = {"experiment": path.stem}
    try:
        run = train_one(path)
        row |= {"report": run.report.table if run.is_complete else evaluate_run(run), "run": str(run.path)}
    except MissingWeightsError as error:  # not a failure: the weights are optional
        row["skipped"] = error.message
        logger.warning("%sskipped: %s", "" if get_log_prefix() else f"{path.stem} ", error)
    except Exception as error:  # a bug, or a GPU out of memory, must not stop the other experiments
        row["error"] = get_message(error)
        logger.warning("%sfailed: %s", "" if get_log_prefix() else f"{path.stem} ", row["error"])
        mark_abandoned(runs_root)
    gc.collect()  # free the memory of this model before the next one is trained
    seconds = time.perf_counter() - start
    if "report" in row:  # for a reused run, show how long its training took
        seconds = max(seconds, run.info.train_seconds or 0.0)
    return {**row, "seconds": round(seconds, 1)}


def _score_in_parallel(score: Callable[[Path], Row], paths: list[Path], jobs: int) -> list[Row]:
    """Score experiments in several processes. If one is killed, score the rest in this process."""
    n_cores = max(1, (os.cpu_count() or 1) // jobs)  # per process, so that they do not compete
    # After Ctrl-C, Python's resource tracker would warn about leaked semaphores below our own message.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    text = "a training process was killed, probably because memory ran out; training the rest one after another"
    score_one = partial(_score_in_worker, score, n_cores, logging.getLogger("musicml").level)
    on_kill = partial(print_message, text)
    return list(map_in_processes(score_one, paths, jobs, n_cores, on_kill=on_kill, on_loss=_make_lost_row))


def _make_lost_row(path: Path) -> Row:
    """Return the row of an experiment that no worker of a cluster survived."""
    return {"experiment": path.stem, "error": LOST_JOB, "seconds": 0.0}


def _has_no_backbone(path: Path) -> bool:
    """Return whether an experiment has no pretrained backbone, which makes its training short."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return not any(f'family = "{family}"' in text for family in ("transfer", "pretrained_audio"))


def _score_in_worker(score: Callable[[Path], Row], n_cores: int, level: int, path: Path) -> Row:
    """Score an experiment in a worker, with few threads and the experiment's name before each log line."""
    if is_on_worker():  # of a cluster, which shares the cores and handles Ctrl-C itself
        set_log_prefix(path.stem)
    elif multiprocessing.parent_process() is not None:  # False when the first process takes over from a killed worker
        signal.signal(signal.SIGINT, signal.default_int_handler)  # so that Ctrl-C marks the run as interrupted
        for name in ("TF_NUM_INTRAOP_THREADS", "LOKY_MAX_CPU_COUNT"):
            os.environ.setdefault(name, str(n_cores))
        set_log_prefix(path.stem)
        show_messages(level)
    return score(path)


def _print_rows(rows: list[Row]) -> None:
    lines = [("experiment", "split", "main metric (95% interval)", "time", "run")]
    for row in rows:
        if report := row.get("report"):
            split, metric, run = f"{report['split']} ({report['n']})", output.format_main_metric(report), row["run"]
        else:
            split, metric = "-", "skipped" if "skipped" in row else "failed"
            run = row.get("skipped") or row.get("error", "")
        lines.append((row["experiment"], split, metric, f"{row['seconds']:.0f} s", run))
    output.print_table(lines)
    if any(row.get("report", {}).get("sample") for row in rows):
        print(output.SAMPLE_NOTE)
