"""`musicml ensemble`: combine several runs and score the ensemble.

Average the log-probabilities of several runs and score the result on the test examples that they share. With --on,
score a folder of new files, where each fold of a cross-validation is a member of its own. Files that any member was
trained on are never scored.
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
    text = "score this folder, with one folder per class, instead of the test examples"
    parser.add_argument("--on", type=Path, metavar="DIR", help=text)


def score_ensemble(args: argparse.Namespace) -> int:
    """Score the ensemble of several runs. Print its results and those of each member."""
    from musicml.evaluation import combine_runs
    from musicml.experiment import open_run

    members = [open_run(name, args.runs) for name in args.members]
    report = combine_runs(members, args.on)
    path = output.save_json(args.runs / "ensembles", report, members[0].info.experiment)
    if args.json:
        output.print_json({**report, "file": str(path)})
        return 0
    metric = report["main_metric"].replace("_", " ")
    lines = [(member["run"], output.format_metric_value(member["figure"])) for member in report["members"]]
    output.print_table([("member", metric), *lines])
    output.print_report(f"ensemble of {len(lines)}", report)
    print(f"saved in {path}")
    return 0
