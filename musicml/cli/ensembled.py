"""What `musicml ensemble` does and prints."""

from __future__ import annotations

import argparse
import datetime

from musicml import console, files, runs
from musicml.cli import screen


def ensemble(asked: argparse.Namespace) -> int:
    """Score several runs as one and print what it gave beside each of them."""
    from musicml import ensemble as ensembles

    members = [runs.open_run(name, asked.runs) for name in asked.members]
    found = ensembles.combine(members, asked.on, console.say)
    path = asked.runs / "ensembles" / f"{members[0].facts()['experiment']}-{datetime.datetime.now():%Y%m%dT%H%M%S}.json"
    files.write_json(path, found)
    if asked.json:
        screen.show({**found, "file": str(path)})
        return 0
    figure = found["main_metric"].replace("_", " ")
    lines = [(one["run"], "-" if one["figure"] is None else f"{one['figure']:.3f}") for one in found["members"]]
    screen.print_table([("member", figure), *lines])
    screen.print_report(f"ensemble of {len(lines)}", found)
    print(f"kept in {path}")
    return 0
