"""What `musicml report` does: runs become a report, or a model card."""

from __future__ import annotations

import argparse
from pathlib import Path

from musicml.cli import output


def report(asked: argparse.Namespace) -> int:
    """Write a report of runs and print where it is."""
    from musicml.experiment import open_run
    from musicml.reports import write_report

    found = [open_run(run, asked.runs) for run in asked.members]
    written = write_report(found, asked.to, asked.lang, asked.card, asked.data_root)
    if asked.json:
        names = [run.name for run in found]
        output.show({"runs": names, "report": str(written[0]), "files": [str(path) for path in written[1:]]})
    else:
        print(f"{written[0]}{beside(written[1:])}")
    return 0


def beside(files: list[Path]) -> str:
    """Where the figures and tables are."""
    return f"; its figures and tables, {len(files)} files, in {files[0].parent}" if files else ""
