"""`musicml train-all`: train every experiment, then compare.

Train and evaluate every experiment of a folder. One that fails is named and the others go on; the exit code is then 1.
After it was stopped or killed, or one has failed, the same command goes on where it was.
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
    InputError,
    get_log_prefix,
    get_message,
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

MARK, START_FILE = ".train-all", "started.json"  # a folder among the runs, while a train-all is not finished
MAX_START_BYTES = 10_000
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
JOBS_ON_SAMPLE = 2  # networks for sample data are so small that they leave a core idle while they are traced

Row = dict[str, Any]


def add_command(commands: Any) -> None:
    """Add `musicml train-all` to the command line."""
    parser = options.add_documented_parser(commands, hold_and_train_all, __doc__, "musicml train-all --data sample")
    words = "(default: experiments, or those that musicml comes with)"
    parser.add_argument("--experiments", type=Path, metavar="DIR", help=words)
    words = "experiments at once (default: 2 with --data sample, whose networks are small, else 1)"
    parser.add_argument("--jobs", type=options.parse_positive, metavar="N", help=words)
    parser.add_argument("--anew", action="store_true", help="train everything again, even what was done before a stop")
    options.add_training_options(parser)


def hold_and_train_all(args: argparse.Namespace) -> int:
    """Train all experiments, unless another process does; return 1 where one of them failed."""
    from musicml.experiment import find_experiment_folder, hold_folder

    refusal = InputError(
        "Expected one train-all at a time in {runs_root}, and another is at work there. Wait for its end, or name "
        "another folder with --runs.",
        runs_root=args.runs,
    )
    with hold_folder(args.runs / MARK, refusal):
        train_one = partial(_go_on_or_train, since=_read_start(args.runs / MARK / START_FILE, args.anew), args=args)
        jobs = args.jobs or (min(JOBS_ON_SAMPLE, os.cpu_count() or 1) if args.data == "sample" else 1)
        folder = args.experiments or find_experiment_folder()
        try:
            code = train_all(folder, partial(_score, train_one, args.runs), jobs, args.runs, args.json)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped; the same command goes on where it was") from None
    if code == 0:  # else the same command tries those again that failed
        shutil.rmtree(args.runs / MARK, ignore_errors=True)
    return code


def _read_start(path: Path, anew: bool) -> str:
    """Return when the train-all began that is to be continued, else now, which is then written to `path`."""
    try:
        known = parse_json(read_small_file(path, MAX_START_BYTES))
        begun = str(known["started"]) if isinstance(known, dict) else ""
    except (OSError, ValueError, KeyError):
        begun = ""
    if TIME.fullmatch(begun) and not anew:
        logger.info("going on with the train-all that began at %s and was not finished; --anew begins again", begun)
        return begun
    begun = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
    write_json(path, {"started": begun})
    return begun


def _go_on_or_train(path: Path, since: str, args: argparse.Namespace) -> Run:
    """Take the run that an unfinished train-all has begun, trained to its end, or train a new one."""
    from musicml.experiment import is_held, parse_changes, read_experiment
    from musicml.training import find_begun_run, resume_run

    experiment = read_experiment(path, parse_changes(args.changes), sample=None)
    origin = (args.data_root, args.runs, args.data, args.seed or 0)
    run = find_begun_run(experiment, *origin, args.deterministic, since)
    if run is None:
        return train(path, args)
    if is_held(run.path):  # by a process of the train-all that was killed
        logger.info("%s is still being trained by another process: waiting for its end", run.name)
        while is_held(run.path):
            time.sleep(1)
    if run.is_complete:
        logger.info("%s is complete", run.name)
        return run
    logger.info("going on with %s", run.name)
    return resume_run(run)


def train_all(folder: Path, score: Callable[[Path], Row], jobs: int, runs_root: Path, as_json: bool) -> int:
    """Train and evaluate every experiment of a folder, and print one table of them.

    Parameters
    ----------
    score : trains the experiment at a path and returns its row of the table; goes to other processes
    jobs : how many experiments are trained at a time

    Returns
    -------
    The exit code: 1 where one of them failed.
    """
    from musicml.experiment import list_runs

    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise InputError(
            "{folder} must hold experiment files (*.toml) and holds none: name theirs with --experiments.",
            folder=folder,
        )
    if jobs == 1:
        rows = [score(path) for path in paths]
    else:
        rows = _score_in_parallel(score, sorted(paths, key=_has_no_backbone), jobs)
        rows.sort(key=lambda row: row["experiment"])
    if as_json:
        kept = [{key: value for key, value in row.items() if key != "report"} for row in rows]
        reports = (output.summarize_report(Path(row["run"]), row["report"]) if "report" in row else {} for row in rows)
        output.print_json({"experiments": [row | report for row, report in zip(kept, reports, strict=True)]})
    else:
        _print_rows(rows)
        for run in list_runs(runs_root):
            if run.is_pretrained:
                hint = f"ask it with `musicml predict {run.name} FILE`"
                print(f"{run.name}: others trained it, so it has no results; {hint}")
    return 1 if any("error" in row for row in rows) else 0


def _score(train_one: Callable[[Path], Any], runs_root: Path, path: Path) -> Row:
    """Return one experiment's row of the table: its run and report, or the error that ended it."""
    from musicml.data.download import MissingWeightsError
    from musicml.evaluation import evaluate_run
    from musicml.experiment import mark_abandoned

    start = time.perf_counter()
    row: Row = {"experiment": path.stem}
    try:
        run = train_one(path)
        row |= {"report": run.report.table if run.is_complete else evaluate_run(run), "run": str(run.path)}
    except MissingWeightsError as error:
        row["skipped"] = error.message
        print_message(f"{'' if get_log_prefix() else f'{path.stem} '}skipped: {error}")
    except Exception as error:  # a fault of ours, or a device out of memory, ends one experiment and not all
        row["error"] = get_message(error)
        print_message(f"{'' if get_log_prefix() else f'{path.stem} '}failed: {row['error']}")
        mark_abandoned(runs_root)
    gc.collect()
    seconds = time.perf_counter() - start
    if "report" in row:  # of a run that was trained before, what that took
        seconds = max(seconds, run.info.train_seconds or 0.0)
    return {**row, "seconds": round(seconds, 1)}


def _score_in_parallel(score: Callable[[Path], Row], paths: list[Path], jobs: int) -> list[Row]:
    """Return each experiment's row, made by several processes; where one of them is killed, the rest by this one."""
    n_cores = max(1, (os.cpu_count() or 1) // jobs)
    # where the user stops them, Python's resource tracker would complain below our sentence of what they left behind
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    words = "a process that trained was killed, for want of memory most likely: the rest go one after another"
    score_one = partial(_score_in_worker, score, n_cores, logging.getLogger("musicml").level)
    return list(map_in_processes(score_one, paths, jobs, n_cores, on_kill=lambda: print_message(words)))


def _has_no_backbone(path: Path) -> bool:
    """Return whether a training is short: what begins last should be, so that no process is left waiting."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return not any(f'family = "{family}"' in text for family in ("transfer", "pretrained_audio"))


def _score_in_worker(score: Callable[[Path], Row], n_cores: int, level: int, path: Path) -> Row:
    """Score with few threads, in a process of its own; the log lines begin with the experiment's name."""
    if multiprocessing.parent_process() is not None:  # the first process takes over where one was killed
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a training that is stopped says so in its run
        for name in ("TF_NUM_INTRAOP_THREADS", "LOKY_MAX_CPU_COUNT"):
            os.environ.setdefault(name, str(n_cores))
        set_log_prefix(path.stem)
        show_messages(level)
    return score(path)


def _print_rows(rows: list[Row]) -> None:
    lines = [("experiment", "split", "main figure (95 % interval)", "time", "run")]
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
