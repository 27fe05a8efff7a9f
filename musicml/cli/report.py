"""`musicml report`: write a report about runs as HTML, Markdown, LaTeX or PDF.

Write a report to hand in about one or more runs. It covers data, split, model, settings, training curves, metrics with
intervals, published results, how to reproduce the runs, and what to cite. Each caption names the files of the run
folder that the figure comes from. Figures (SVG and PDF) and tables (CSV and LaTeX) are also saved in a folder next to
the report. An existing report is replaced, but no other file.
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
    text = "file to write; its extension sets the format: .html, .md, .tex or .pdf"
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help=text)
    parser.add_argument("--lang", choices=("en", "id"), default="en", help="English or Bahasa Indonesia (default: en)")
    text = "write a Hugging Face model card instead, for example with --to card.md"
    parser.add_argument("--card", action="store_true", help=text)
    parser.set_defaults(data_root=None)  # None: the data roots that the runs were trained from


def save_report(args: argparse.Namespace) -> int:
    """Write a report about runs and print its path."""
    from musicml.experiment import open_run
    from musicml.reports import write_report

    runs = [open_run(name, args.runs) for name in args.members]
    report, *files = write_report(runs, args.to, args.lang, args.card, args.data_root)
    if args.json:
        paths = [str(file) for file in files]
        output.print_json({"runs": [run.name for run in runs], "report": str(report), "files": paths})
    else:
        attachments = f"; {len(files)} files with its figures and tables in {files[0].parent}" if files else ""
        print(f"{report}{attachments}")
    return 0
