"""`musicml export`: export a run's model for use without musicml.

Write the model of a run into a new folder. README.md there describes the input that the model expects, and check.py
compares its outputs with those of the run. The check runs at once. Forests can be exported to onnx only.
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
    text = "for ONNX Runtime, for phones (LiteRT, formerly TensorFlow Lite), or for TensorFlow (default: onnx)"
    parser.add_argument("--format", choices=("onnx", "litert", "saved_model"), default="onnx", help=text)
    parser.add_argument("--to", type=Path, metavar="DIR", help="new folder to write to (default: exports/RUN-FORMAT)")


def export(args: argparse.Namespace) -> int:
    """Export a run's model into a new folder and print the result of its check."""
    from musicml.experiment import open_run
    from musicml.inference import export_run

    run = open_run(args.run, args.runs)
    folder = args.to or Path("exports") / f"{run.name}-{args.format}"
    check = export_run(run, args.format, folder)
    if args.json:
        content = {"run": str(run.path), "format": args.format, "folder": str(folder), "check": check.splitlines()}
        output.print_json(content)
    else:
        print(f"{folder}: {check.replace(chr(10), '; ')}")  # the check prints several lines
    return 0
