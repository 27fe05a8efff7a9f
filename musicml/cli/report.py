"""`musicml report`: write up runs, as HTML, Markdown, LaTeX or PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musicml.cli import options, output


def add_command(commands: Any) -> None:
    """Add `musicml report` to the command line."""
    parser = options.add_parser(
        commands,
        "report",
        lambda args: save_report(args.members, args.runs, args.to, args.lang, args.card, args.data_root, args.json),
        "write up runs: HTML, Markdown, LaTeX or PDF",
        (
            "Write what a student hands in about one run or several: data, split, model, settings, curves, figures "
            "with intervals, what is published beside them, how to repeat it, whom to cite. Each caption names the "
            "files of the run folder that it comes from. The figures as SVG and PDF and the tables as CSV and LaTeX "
            "go into a folder beside the report. A report that is there is replaced, any other file is not."
        ),
        "musicml report RUN RUN --to report.pdf --lang id",
    )
    options.add_members_argument(parser)
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FILE", help="its ending says how: .html, .md, .tex or .pdf"
    )
    parser.add_argument("--lang", choices=("en", "id"), default="en", help="English or Bahasa Indonesia (default: en)")
    parser.add_argument(
        "--card", action="store_true", help="write a model card in Hugging Face's form instead: --to card.md"
    )
    parser.set_defaults(data_root=None)  # where the runs found their data, unless --data-root names another


def save_report(
    names: list[str], runs_root: Path, path: Path, language: str, is_card: bool, data_root: Path | None, as_json: bool
) -> int:
    """Write a report of runs and print where it is."""
    from musicml.experiment import open_run
    from musicml.reports import write_report

    runs = [open_run(name, runs_root) for name in names]
    report, *files = write_report(runs, path, language, is_card, data_root)
    if as_json:
        paths = [str(file) for file in files]
        output.print_json({"runs": [run.name for run in runs], "report": str(report), "files": paths})
    else:
        attachments = f"; its figures and tables, {len(files)} files, in {files[0].parent}" if files else ""
        print(f"{report}{attachments}")
    return 0
