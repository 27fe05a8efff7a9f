"""What `musicml ensemble` does and prints."""

from __future__ import annotations

import argparse
import datetime

from musicml.cli import output
from musicml.experiment import run
from musicml.utils import files, terminal


def ensemble(asked: argparse.Namespace) -> int:
    """Score several runs as one and print what it gave beside each of them."""
    from musicml.evaluation import ensemble as ensembles

    members = [run.open_run(name, asked.runs) for name in asked.members]
    found = ensembles.combine_runs(members, asked.on, terminal.print_message)
    path = asked.runs / "ensembles" / f"{members[0].facts()['experiment']}-{datetime.datetime.now():%Y%m%dT%H%M%S}.json"
    files.write_json(path, found)
    if asked.json:
        output.show({**found, "file": str(path)})
        return 0
    figure = found["main_metric"].replace("_", " ")
    lines = [(one["run"], "-" if one["figure"] is None else f"{one['figure']:.3f}") for one in found["members"]]
    output.print_table([("member", figure), *lines])
    output.print_report(f"ensemble of {len(lines)}", found)
    print(f"kept in {path}")
    return 0
