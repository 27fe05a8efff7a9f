"""`musicml report`: write up runs: HTML, Markdown, LaTeX or PDF.

Write what a student hands in about one run or several: data, split, model, settings, curves, figures with intervals,
what is published beside them, how to repeat it, whom to cite. Each caption names the files of the run folder that it
comes from. The figures as SVG and PDF and the tables as CSV and LaTeX go into a folder beside the report. A report that
is there is replaced, any other file is not.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from musicml.cli import options, output


def add_command(commands: Any) -> None:
    """Add `musicml report` to the command line."""
    example = "musicml report RUN RUN --to report.pdf --lang id"
    parser = options.add_documented_parser(commands, save_report, __doc__, example)
    options.add_members_argument(parser)
    words = "its ending says how: .html, .md, .tex or .pdf"
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help=words)
    parser.add_argument("--lang", choices=("en", "id"), default="en", help="English or Bahasa Indonesia (default: en)")
    words = "write a model card in Hugging Face's form instead: --to card.md"
    parser.add_argument("--card", action="store_true", help=words)
    parser.set_defaults(data_root=None)  # where the runs found their data, unless --data-root names another


def save_report(args: argparse.Namespace) -> int:
    """Write a report of runs and print where it is."""
    from musicml.experiment import open_run
    from musicml.reports import write_report

    runs = [open_run(name, args.runs) for name in args.members]
    report, *files = write_report(runs, args.to, args.lang, args.card, args.data_root)
    if args.json:
        paths = [str(file) for file in files]
        output.print_json({"runs": [run.name for run in runs], "report": str(report), "files": paths})
    else:
        attachments = f"; its figures and tables, {len(files)} files, in {files[0].parent}" if files else ""
        print(f"{report}{attachments}")
    return 0
