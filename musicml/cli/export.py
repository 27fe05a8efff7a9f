"""`musicml export`: write a run's model for use elsewhere.

Write a run's model into a new folder, with what has to stand before it in words (README.md) and a check that it answers
as the run does (check.py), which is run at once. A forest is exported as onnx only.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from musicml.cli import options, output


def add_command(commands: Any) -> None:
    """Add `musicml export` to the command line."""
    parser = options.add_documented_parser(commands, export, __doc__, "musicml export RUN --format litert")
    options.add_run_argument(parser)
    words = "for ONNX Runtime, for phones (LiteRT, once TensorFlow Lite), or for TensorFlow (default: onnx)"
    parser.add_argument("--format", choices=("onnx", "litert", "saved_model"), default="onnx", help=words)
    parser.add_argument("--to", type=Path, metavar="DIR", help="a new folder (default: exports/RUN-FORMAT)")


def export(args: argparse.Namespace) -> int:
    """Write a run's model into a new folder and print what its check found."""
    from musicml.experiment import open_run
    from musicml.inference import export_run

    run = open_run(args.run, args.runs)
    folder = args.to or Path("exports") / f"{run.name}-{args.format}"
    check = export_run(run, args.format, folder)
    if args.json:
        content = {"run": str(run.path), "format": args.format, "folder": str(folder), "check": check.splitlines()}
        output.print_json(content)
    else:
        print(f"{folder}: {check.replace(chr(10), '; ')}")
    return 0
