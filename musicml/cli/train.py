"""`musicml train`: train an experiment and evaluate it.

Train one experiment and score it on its test split. All results are written to a new run folder in runs. An interrupted
training can be resumed with --resume. With --plan, only estimate time, memory and disk space from a short measurement.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import InputError, Message, get_log_prefix

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from musicml.experiment import Run


def add_command(commands: Any) -> None:
    """Add `musicml train` to the command line."""
    example = "musicml train experiments/genre_gru.toml --set training.epochs=5"
    parser = options.add_documented_parser(commands, train_and_evaluate, __doc__, example)
    parser.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="a TOML file, or its name in experiments/")
    text = (
        "train on this folder, with one folder of pictures or sounds per class; with --resume, its new place if moved"
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", help=text)
    parser.add_argument("--resume", metavar="RUN", help="resume a run that was interrupted")
    text = "estimate files, cache, memory and time from a short measurement, without starting"
    parser.add_argument("--plan", action="store_true", help=text)
    text = "with --plan: also estimate the time on N workers; can be given several times (default: 1, 4 and 16)"
    parser.add_argument("--workers", type=options.parse_positive, action="append", metavar="N", help=text)
    options.add_training_options(parser)
    parser.set_defaults(data_root=None)  # None: with --resume, the data root of the run


def train_and_evaluate(args: argparse.Namespace) -> int:
    """Train an experiment, or resume a run, and print its report. After Ctrl-C, say how to resume."""
    from musicml.evaluation import evaluate_run
    from musicml.experiment import find_experiment, open_run, remember_folders
    from musicml.training import is_secondary, resume_run

    if (args.experiment is None) == (args.resume is None):  # exactly one of them
        raise InputError("Expected either an experiment or --resume RUN. See `musicml train --help`.")
    if args.resume and (args.changes or args.seed is not None):
        raise InputError("--resume continues with the settings of the run. Leave out --set and --seed.")
    if args.resume and args.plan:
        raise InputError("--plan estimates a new training. Give an experiment instead of --resume.")
    if args.cluster and args.plan:
        raise InputError("--plan estimates this machine. Give the number of a cluster's workers with --workers.")
    if args.workers and not args.plan:
        raise InputError("--workers only says which times --plan estimates. Add --plan, or leave it out.")
    if args.plan:
        return plan_training(args)
    remember_folders(args.folder, args.data_root)  # so that the dashboard may show their files
    if args.resume:
        run = resume_run(open_run(args.resume, args.runs), folder=args.folder, data_root=args.data_root)
    else:
        path = find_experiment(args.experiment)
        args.data_root = args.data_root or options.get_default_folder("--data-root")
        remember_folders(args.data_root)
        run = train(path, args, args.folder)
    if is_secondary():  # the first of several processes has the run
        return 0
    try:
        report = evaluate_run(run)
    except KeyboardInterrupt:  # trained, but not evaluated: --resume continues there
        stopped = Message("stopped; resume with `musicml train --resume {path}`", path=run.path)
        raise KeyboardInterrupt(stopped) from None
    output.print_result(run.path, report, args.json)
    return 0


def plan_training(args: argparse.Namespace) -> int:
    """Print what a training will take. Nothing is written, not even the folder's name for the dashboard."""
    from musicml.experiment import find_experiment, parse_changes, read_experiment
    from musicml.training import DEFAULT_WORKERS, make_plan

    experiment = read_experiment(find_experiment(args.experiment), parse_changes(args.changes), sample=None)
    data_root = args.data_root or options.get_default_folder("--data-root")
    workers = sorted(set(args.workers or DEFAULT_WORKERS))
    plan = make_plan(experiment, data_root, args.data, args.folder, args.seed or 0, workers)
    output.print_plan(plan, args.json)
    return 0


def train(path: Path, args: argparse.Namespace, folder: Path | None = None) -> Run:
    """Train the experiment at `path` with the training options in `args`. Return the new run."""
    from musicml.experiment import parse_changes, read_experiment
    from musicml.training import train_experiment

    experiment = read_experiment(path, parse_changes(args.changes), sample=None)
    # in a worker of train-all, the prefix of each log line is already the experiment's name
    logger.info("%s", "starts" if get_log_prefix() else f"\n{experiment.name}")
    origin = (args.data_root, args.runs, args.data, folder, args.seed or 0)
    return train_experiment(experiment, *origin, args.deterministic)
