"""What `musicml ensemble` does and prints."""

from __future__ import annotations

import argparse
import datetime

from musicml.cli import output
from musicml.experiment import open_run
from musicml.utils import print_message, write_json


def ensemble(asked: argparse.Namespace) -> int:
    """Score several runs as one and print what it gave beside each of them."""
    from musicml.evaluation import combine_runs

    members = [open_run(name, asked.runs) for name in asked.members]
    found = combine_runs(members, asked.on, print_message)
    path = asked.runs / "ensembles" / f"{members[0].info.experiment}-{datetime.datetime.now():%Y%m%dT%H%M%S}.json"
    write_json(path, found)
    if asked.json:
        output.show({**found, "file": str(path)})
        return 0
    figure = found["main_metric"].replace("_", " ")
    lines = [(one["run"], "-" if one["figure"] is None else f"{one['figure']:.3f}") for one in found["members"]]
    output.print_table([("member", figure), *lines])
    output.print_report(f"ensemble of {len(lines)}", found)
    print(f"kept in {path}")
    return 0
