"""`musicml train` and `musicml train-all`: experiments become runs, and are scored."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from musicml.cli import output
from musicml.utils import InputError, print_message, set_log_prefix, speaker

AT_ONCE = 2  # experiments on sample data: networks so small leave a core idle while they are traced and exported


def train(asked: argparse.Namespace) -> int:
    """Train one experiment, or go on with a run, and evaluate it."""
    from musicml.evaluation import evaluate_run
    from musicml.experiment import find_experiment, open_run
    from musicml.training import resume_run

    if (asked.experiment is None) == (asked.resume is None):
        raise InputError("train needs either an experiment file or --resume RUN: `musicml train --help` shows how.")
    if asked.resume and (asked.changes or asked.folder or asked.seed is not None):
        raise InputError(
            "--resume goes on with the settings that the run began with: leave out --set, --folder and --seed."
        )
    if asked.resume:
        run = open_run(asked.resume, asked.runs)
        if not run.is_whole:
            run.update()  # which says that this process is at it
        run = resume_run(run)
    else:
        run = trained(asked, find_experiment(asked.experiment), asked.folder)
    try:
        report = evaluate_run(run)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; go on with `musicml train --resume {run.path}`") from None
    if asked.json:
        output.show(output.summary(run.path, report))
    else:
        output.print_report(run.path, report)
    return 0


def trained(asked: argparse.Namespace, path: Path, folder: Path | None) -> Any:
    """A new run of the experiment at `path`."""
    from musicml.experiment import read_experiment
    from musicml.training import train_experiment

    experiment = read_experiment(path, changes(asked.changes))
    print_message("begins" if speaker else f"\n{experiment.name}")
    return train_experiment(
        experiment, asked.data_root, asked.runs, asked.data, folder, asked.seed or 0, asked.deterministic
    )


def changes(pairs: list[str]) -> dict[str, Any]:
    """`["training.epochs=3"]` as `{"training.epochs": 3}`."""
    from musicml.experiment import parse_changes

    return parse_changes(pairs)


def train_all(asked: argparse.Namespace) -> int:
    """Train and evaluate every experiment of a folder; close with one table."""
    from musicml.experiment import find_experiment_folder

    folder = asked.experiments or find_experiment_folder()
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        raise InputError(
            "{asked_experiments} must hold experiment files (*.toml) and holds none: name theirs with --experiments.",
            asked_experiments=folder,
        )
    processes = asked.jobs or (min(AT_ONCE, os.cpu_count() or 1) if asked.data == "sample" else 1)
    if processes == 1:
        rows = [scored(asked, path) for path in paths]
    else:
        begun = time.time()
        try:
            rows = list(scored_at_once(asked, sorted(paths, key=has_no_backbone), processes))
            rows.sort(key=lambda row: row["experiment"])
        except KeyboardInterrupt:
            raise KeyboardInterrupt(how_to_go_on(asked.runs, begun)) from None
    output.show_all(rows, asked.json)
    return 1 if any("error" in row for row in rows) else 0


def scored(asked: argparse.Namespace, path: Path) -> dict[str, Any]:
    """One experiment's row of the table: its run and report, or the error that ended it."""
    from musicml.evaluation import evaluate_run
    from musicml.experiment import mark_abandoned

    begun, row = time.perf_counter(), {"experiment": path.stem}
    try:
        run = trained(asked, path, None)
        row |= {"report": evaluate_run(run), "run": str(run.path)}
    except Exception as error:  # a fault of ours, or a device out of memory, ends one experiment and not all
        row["error"] = (str(error) or type(error).__name__).splitlines()[0]
        print_message(f"{'' if speaker else f'{path.stem} '}failed: {row['error']}")
        mark_abandoned(asked.runs)
    gc.collect()
    return {**row, "seconds": round(time.perf_counter() - begun, 1)}


def scored_at_once(asked: argparse.Namespace, paths: list[Path], processes: int) -> Iterator[dict[str, Any]]:
    """Each experiment's row, by several processes; where one of them is killed, the rest by this one."""
    import joblib

    cores, done = max(1, (os.cpu_count() or 1) // processes), 0
    # where a person stops them, Python's own book-keeper would complain below our sentence of what they left behind
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")
    try:
        with joblib.parallel_config("loky", inner_max_num_threads=cores):
            parallel = joblib.Parallel(processes, return_as="generator", batch_size=1, pre_dispatch=processes)
            found = parallel(joblib.delayed(scored_beside)(asked, path, cores) for path in paths)
        with contextlib.closing(found):
            for row in found:
                yield row
                done += 1
    except BrokenProcessPool:  # the system was short of memory, most likely: one process needs less
        print_message(
            "a process that trained was killed, for want of memory most likely: the rest go one after another"
        )
        for path in paths[done:]:
            yield scored(asked, path)


def has_no_backbone(path: Path) -> bool:
    """Whether an experiment's training is short: what begins last should be, so that no process is left waiting."""
    return 'family = "transfer"' not in path.read_text(encoding="utf-8", errors="replace")


def scored_beside(asked: argparse.Namespace, path: Path, cores: int) -> dict[str, Any]:
    """`scored`, in a process beside others: it keeps to its cores, shares a GPU, and says whose words its words are."""
    limits = {
        "TF_NUM_INTRAOP_THREADS": str(cores),
        "LOKY_MAX_CPU_COUNT": str(cores),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }
    for name, value in limits.items():
        os.environ.setdefault(name, value)
    set_log_prefix(path.stem)
    return scored(asked, path)


def how_to_go_on(root: Path, since: float) -> str:
    """What to say where a person stops trainings that began after `since`, in seconds of the system's clock."""
    from musicml.experiment import list_runs

    left = [run for run in list_runs(root) if not run.is_whole and run.path.stat().st_ctime >= since]
    return "; ".join(["stopped", *(f"go on with `musicml train --resume {run.path}`" for run in left)])
