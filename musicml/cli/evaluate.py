"""`musicml evaluate`: score a run on its test split or on another folder.

Print the metrics of a run on its test split, or with --on on another folder of labeled files. Classes that the run
does not know are reported and skipped. So are files that it was trained on, even if they were moved since.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from musicml.cli import options, output
from musicml.utils import InputError


def add_command(commands: Any) -> None:
    """Add `musicml evaluate` to the command line."""
    example = "musicml evaluate RUN --on my_recordings"
    parser = options.add_documented_parser(commands, evaluate, __doc__, example)
    options.add_run_argument(parser)
    parser.add_argument("--on", type=Path, metavar="FOLDER", help="score this folder, which has one folder per class")
    options.add_moved_folder_option(parser)
    parser.set_defaults(data_root=None)  # None: the data root that the run was trained from


def evaluate(args: argparse.Namespace) -> int:
    """Score a run on its test split, or on another folder, and print its metrics."""
    from musicml.evaluation import evaluate_run
    from musicml.experiment import open_run, remember_folders

    if args.on and args.folder:
        raise InputError(
            "--on and --folder cannot be combined. Use --on to score other files, or --folder if the run's own files "
            "were moved."
        )
    run = open_run(args.run, args.runs)
    remember_folders(args.folder, args.data_root)
    report = evaluate_run(run, args.on, args.data_root, folder=args.folder)
    output.print_result(run.path, report, args.json)
    return 0
