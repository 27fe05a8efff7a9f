"""What `musicml replay` does and prints."""

from __future__ import annotations

import argparse
import datetime
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from musicml.cli import output
from musicml.utils import print_message, write_json

if TYPE_CHECKING:  # which imports much that no other command needs
    from musicml.evaluation import IntervalEstimate, Replication, ReplicationRow

WIDTH = 118
SAMPLE = (
    "Figures marked * come from generated sample data, the published ones from real data: hold the two marked ones "
)
SAMPLE += "beside each other, and neither beside the published one."


def replay(asked: argparse.Namespace) -> int:
    """Replay published results and print them beside honest ones; 1 where one of them failed."""
    from musicml.evaluation import replicate

    found = replicate(asked.names, asked.data_root, asked.runs, asked.data, asked.seed or 0, print_message)
    path = write(found, asked.runs)
    if asked.json:
        output.show({"replays": [one.as_table() for one in found], "file": str(path)})
    else:
        show(found, path)
    return 1 if any(one.error for one in found) else 0


def write(found: list[Replication], runs_root: Path) -> Path:
    """Keep what was found beside the runs."""
    path = Path(runs_root) / "replays" / f"{datetime.datetime.now():%Y%m%dT%H%M%S}.json"
    write_json(path, {"replays": [one.as_table() for one in found]})
    return path


def show(found: list[Replication], path: Path) -> None:
    """The figures side by side, and below them what is wrong with each."""
    lines = [("as published", "figure", "published", "replayed (95 % interval)", "honest (95 % interval)")]
    for one in found:
        lines += [row(one, each, not place) for place, each in enumerate(one.rows)]
        lines += [(one.name, "-", "-", "failed", one.error)] if one.error else []
    output.print_table(lines)
    for one in found:
        if not one.error:
            print(f"\n{one.name}: {one.dataset}; replayed: {one.sides[0]}, honest: {one.sides[1]}")
            print(textwrap.fill(one.worth, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))
    print(f"\nkept in {path}")
    if any(one.sample for one in found):
        print(textwrap.fill(SAMPLE, WIDTH))


def row(one: Replication, each: ReplicationRow, first: bool) -> tuple[str, ...]:
    """One metric as a line of the table."""
    from musicml.evaluation import REPLICATION_NAMES

    named = REPLICATION_NAMES.get(each.metric, each.metric)
    name = one.name if first else ""
    return name, named, original(each), shown(each.replayed, one.sample), shown(each.honest, one.sample)


def original(each: ReplicationRow) -> str:
    """A published figure with its interval, where its counts are known, or its range."""
    if isinstance(each.published, tuple):
        return f"{each.published[0]:.3f} to {each.published[1]:.3f}"
    if each.published is None:
        return "-"
    interval = each.published_interval
    return f"{each.published:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def shown(found: IntervalEstimate | None, sample: bool) -> str:
    """A figure with its interval, marked where it comes from sample data."""
    from musicml.evaluation import format_figure

    return "no such figure" if found is None or found.value is None else format_figure(found) + ("*" if sample else "")
