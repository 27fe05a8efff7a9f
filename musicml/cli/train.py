"""`musicml train`: train an experiment, then evaluate it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import InputError, get_log_prefix, print_message

if TYPE_CHECKING:
    from musicml.experiment import Run


def add_command(commands: Any) -> None:
    """Add `musicml train` to the command line."""
    parser = options.add_parser(
        commands,
        "train",
        _run,
        "train an experiment, then evaluate it",
        (
            "Train one experiment and score it on its test side. Everything goes into a new folder below runs. "
            "A training that was stopped goes on with --resume."
        ),
        "musicml train experiments/genre_gru.toml --set training.epochs=5",
    )
    parser.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="a TOML file, or its name in experiments/")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="train on this folder of class folders, pictures or sound; with --resume, where it was moved to",
    )
    parser.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped or killed")
    options.add_training_options(parser)
    parser.set_defaults(data_root=None)  # with --resume where the run found its data, unless --data-root names another


def _run(args: argparse.Namespace) -> int:
    from musicml.experiment import find_experiment, remember_folders

    if (args.experiment is None) == (args.resume is None):
        raise InputError("train needs either an experiment file or --resume RUN: `musicml train --help` shows how.")
    if args.resume and (args.changes or args.seed is not None):
        raise InputError("--resume goes on with the settings that the run began with: leave out --set and --seed.")
    remember_folders(args.folder, args.data_root)
    if args.resume:
        run = resume(args.resume, args.runs, args.folder, args.data_root)
    else:
        path, seed = find_experiment(args.experiment), args.seed or 0
        root = args.data_root or options.get_default_folder("--data-root")
        remember_folders(root)
        run = train(path, root, args.runs, args.data, seed, args.deterministic, args.changes, args.folder)
    return evaluate(run, args.json)


def train(
    path: Path,
    data_root: Path,
    runs_root: Path,
    data: str,
    seed: int,
    deterministic: bool,
    changes: list[str],
    folder: Path | None = None,
) -> Run:
    """Train the experiment at `path`, with changes of its keys as `--set` takes them; return the new run."""
    from musicml.experiment import parse_changes, read_experiment
    from musicml.training import train_experiment

    experiment = read_experiment(path, parse_changes(changes), sample=None)
    print_message("begins" if get_log_prefix() else f"\n{experiment.name}")
    return train_experiment(experiment, data_root, runs_root, data, folder, seed, deterministic)


def resume(name: str, runs_root: Path, folder: Path | None = None, data_root: Path | None = None) -> Run:
    """Go on with a run that was stopped or killed, and return it; its data may have been moved."""
    from musicml.experiment import open_run
    from musicml.training import resume_run

    return resume_run(open_run(name, runs_root), folder=folder, data_root=data_root)


def evaluate(run: Run, as_json: bool) -> int:
    """Score a run and print its figures; where the user stops that, say how to go on."""
    from musicml.evaluation import evaluate_run

    try:
        report = evaluate_run(run)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; go on with `musicml train --resume {run.path}`") from None
    output.print_result(run.path, report, as_json)
    return 0
