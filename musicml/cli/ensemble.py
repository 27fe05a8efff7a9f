"""`musicml ensemble`: score several runs as one.

Average what several runs answer, in log-probability, and score that: on the examples that all were tested on, or with
--on on a folder that none has seen, where each fold of a cross-validation has a voice. What one of them has learnt from
is never scored.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from musicml.cli import options, output


def add_command(commands: Any) -> None:
    """Add `musicml ensemble` to the command line."""
    parser = options.add_documented_parser(commands, score_ensemble, __doc__, "musicml ensemble RUN RUN RUN")
    options.add_members_argument(parser)
    words = "a folder of class folders, in place of the test examples"
    parser.add_argument("--on", type=Path, metavar="DIR", help=words)


def score_ensemble(args: argparse.Namespace) -> int:
    """Score several runs as one and print the figures, and those of each of them."""
    from musicml.evaluation import combine_runs
    from musicml.experiment import open_run

    members = [open_run(name, args.runs) for name in args.members]
    report = combine_runs(members, args.on)
    path = output.save_json(args.runs / "ensembles", report, members[0].info.experiment)
    if args.json:
        output.print_json({**report, "file": str(path)})
        return 0
    metric = report["main_metric"].replace("_", " ")
    lines = [(one["run"], output.format_figure(one["figure"])) for one in report["members"]]
    output.print_table([("member", metric), *lines])
    output.print_report(f"ensemble of {len(lines)}", report)
    print(f"kept in {path}")
    return 0
