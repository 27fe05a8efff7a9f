"""`musicml ensemble`: score several runs as one."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from musicml.cli import options, output
from musicml.utils import print_message, write_json


def add_command(commands: Any) -> None:
    """Add `musicml ensemble` to the command line."""
    parser = options.add_parser(
        commands,
        "ensemble",
        lambda args: score_ensemble(args.members, args.runs, args.on, args.json),
        "score several runs as one",
        (
            "Average what several runs answer, in log-probability, and score that: on the examples that all were "
            "tested on, or with --on on a folder that none has seen, where each fold of a cross-validation has a "
            "voice. What one of them has learnt from is never scored."
        ),
        "musicml ensemble RUN RUN RUN",
    )
    options.add_members_argument(parser)
    parser.add_argument(
        "--on", type=Path, metavar="DIR", help="a folder of class folders, in place of the test examples"
    )


def score_ensemble(names: list[str], runs_root: Path, folder: Path | None, as_json: bool) -> int:
    """Score several runs as one and print the figures, and those of each of them."""
    from musicml.evaluation import combine_runs
    from musicml.experiment import open_run

    members = [open_run(name, runs_root) for name in names]
    report = combine_runs(members, folder, print_message)
    path = runs_root / "ensembles" / f"{members[0].info.experiment}-{datetime.datetime.now():%Y%m%dT%H%M%S}.json"
    write_json(path, report)
    if as_json:
        output.print_json({**report, "file": str(path)})
        return 0
    metric = report["main_metric"].replace("_", " ")
    lines = [(one["run"], "-" if one["figure"] is None else f"{one['figure']:.3f}") for one in report["members"]]
    output.print_table([("member", metric), *lines])
    output.print_report(f"ensemble of {len(lines)}", report)
    print(f"kept in {path}")
    return 0
