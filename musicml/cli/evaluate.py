"""`musicml evaluate`: score a run.

Print a run's figures on its test side, or on another labelled folder with --on; class folders there that the run was
not trained on are named and left out, and so are files that it was trained on, wherever they lay then.
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
    parser.add_argument("--on", type=Path, metavar="FOLDER", help="a folder of class folders")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the run's own folder is now, if it was moved")
    parser.set_defaults(data_root=None)  # where the run found its data, unless --data-root names another


def evaluate(args: argparse.Namespace) -> int:
    """Score a run on its test side, or on another folder, and print its figures."""
    from musicml.evaluation import evaluate_run
    from musicml.experiment import open_run, remember_folders

    if args.on and args.folder:
        raise InputError(
            "--on names other files to score, and --folder says where the run's own files are now: give one of them."
        )
    run = open_run(args.run, args.runs)
    remember_folders(args.folder, args.data_root)
    report = evaluate_run(run, args.on, args.data_root, folder=args.folder)
    output.print_result(run.path, report, args.json)
    return 0
