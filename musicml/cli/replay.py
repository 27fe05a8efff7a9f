"""`musicml replay`: replay published results, beside honest ones.

Obtain each published result again as it was published, with its fault, and then honestly with the same model, and print
published, replayed and honest figures side by side, with what is wrong below. Runs that are there already are taken as
they are. One replay that fails is named and the others go on; the exit code is then 1.
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output

if TYPE_CHECKING:
    from musicml.evaluation import IntervalEstimate, Replication, ReplicationRow

WIDTH = 118
SAMPLE_NOTE = (
    "Figures marked * come from generated sample data, the published ones from real data: hold the two marked ones "
    "beside each other, and neither beside the published one."
)


def add_command(commands: Any) -> None:
    """Add `musicml replay` to the command line."""
    parser = options.add_documented_parser(commands, replay, __doc__, "musicml replay gtzan_gru --data sample")
    words = "names in experiments/as_published/, or files (default: all of them)"
    parser.add_argument("names", nargs="*", metavar="NAME", help=words)
    options.add_data_option(parser)
    options.add_seed_option(parser, "of the splits, the weights and the order")


def replay(args: argparse.Namespace) -> int:
    """Replay published results and print them next to honest ones; return 1 where one of them failed."""
    from musicml.evaluation import replicate

    results = replicate(args.names, args.data_root, args.runs, args.data, args.seed or 0)
    table = {"replays": [one.to_dict() for one in results]}
    path = output.save_json(args.runs / "replays", table)
    if args.json:
        output.print_json({**table, "file": str(path)})
    else:
        print_results(results, path)
    return 1 if any(one.error for one in results) else 0


def print_results(results: list[Replication], path: Path) -> None:
    """Print the figures side by side, and below them what is wrong with each."""
    from musicml.evaluation import REPLICATION_NAMES

    head = ("as published", "figure", "published", "replayed (95 % interval)", "honest (95 % interval)")
    lines: list[tuple[str, ...]] = [head]
    for one in results:
        for place, row in enumerate(one.rows):
            name, metric = "" if place else one.name, REPLICATION_NAMES.get(row.metric, row.metric)
            both = (_format_estimate(found, one.sample) for found in (row.replayed, row.honest))
            lines.append((name, metric, _format_published(row), *both))
        lines += [(one.name, "-", "-", "failed", one.error)] if one.error else []
    output.print_table(lines)
    for one in results:
        if not one.error:
            print(f"\n{one.name}: {one.dataset}; replayed: {one.sides[0]}, honest: {one.sides[1]}")
            print(
                textwrap.fill(one.summary, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
            )
    print(f"\nkept in {path}")
    if any(one.sample for one in results):
        print(textwrap.fill(SAMPLE_NOTE, WIDTH))


def _format_published(row: ReplicationRow) -> str:
    """Return a published figure with its interval, where its counts are known, or its range."""
    if isinstance(row.published, tuple):
        return output.format_interval(row.published)
    if row.published is None:
        return "-"
    return output.format_figure(row.published, row.published_interval)


def _format_estimate(estimate: IntervalEstimate | None, sample: bool) -> str:
    """Return a figure with its interval, marked where it comes from sample data."""
    if estimate is None or estimate.value is None:
        return "no such figure"
    return output.format_figure(estimate.value, estimate.interval) + ("*" if sample else "")
