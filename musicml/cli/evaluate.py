"""`musicml evaluate`: print a run's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musicml.cli import options, output
from musicml.utils import InputError


def add_command(commands: Any) -> None:
    """Add `musicml evaluate` to the command line."""
    parser = options.add_parser(
        commands,
        "evaluate",
        lambda args: evaluate(args.run, args.runs, args.on, args.data_root, args.json, args.folder),
        "score a run",
        (
            "Print a run's figures on its test side, or on another labelled folder with --on; class folders there that "
            "the run was not trained on are named and left out, and so are files that it was trained on, wherever they "
            "lay then."
        ),
        "musicml evaluate RUN --on my_recordings",
    )
    options.add_run_argument(parser)
    parser.add_argument("--on", type=Path, metavar="FOLDER", help="a folder of class folders")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the run's own folder is now, if it was moved")
    parser.set_defaults(data_root=None)  # where the run found its data, unless --data-root names another


def evaluate(
    name: str, runs_root: Path, on: Path | None, data_root: Path | None, as_json: bool, folder: Path | None = None
) -> int:
    """Score a run on its test side, or on the folder `on`, and print its figures."""
    from musicml.evaluation import evaluate_run
    from musicml.experiment import open_run, remember_folders

    if on and folder:
        raise InputError(
            "--on names other files to score, and --folder says where the run's own files are now: give one of them."
        )
    run = open_run(name, runs_root)
    remember_folders(folder, data_root)
    report = evaluate_run(run, on, data_root, folder=folder)
    output.print_result(run.path, report, as_json)
    return 0
