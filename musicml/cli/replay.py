"""`musicml replay`: repeat published results, and compare them with honest ones.

Repeat each published result twice with the same model: first with the faulty protocol of the publication, then with an
honest protocol. Print the published, repeated and honest metrics next to each other, and explain the fault. Existing
runs are reused. If one result cannot be repeated, the others continue, and the exit code is 1.
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
    "Results marked * come from synthetic sample data, the published ones from real data. Compare the two marked "
    "results with each other, not with the published one."
)


def add_command(commands: Any) -> None:
    """Add `musicml replay` to the command line."""
    parser = options.add_documented_parser(commands, replay, __doc__, "musicml replay gtzan_gru --data sample")
    text = "names of published results in experiments/as_published/, or files (default: all)"
    parser.add_argument("names", nargs="*", metavar="NAME", help=text)
    options.add_data_option(parser)
    options.add_seed_option(parser, "the splits, the weights and the order of examples")
    options.add_cluster_option(parser)


def replay(args: argparse.Namespace) -> int:
    """Repeat published results and print them next to honest ones. Return 1 if one of them failed, else 0."""
    from musicml.evaluation import replicate

    results = replicate(args.names, args.data_root, args.runs, args.data, args.seed or 0)
    table = {"replays": [result.to_dict() for result in results]}
    path = output.save_json(args.runs / "replays", table)
    if args.json:
        output.print_json({**table, "file": str(path)})
    else:
        print_results(results, path)
    return 1 if any(result.error for result in results) else 0


def print_results(results: list[Replication], path: Path) -> None:
    """Print the metrics of all results in one table, then the fault of each protocol."""
    from musicml.evaluation import REPLICATION_NAMES

    head = ("as published", "metric", "published", "replayed (95% interval)", "honest (95% interval)")
    lines: list[tuple[str, ...]] = [head]
    for result in results:
        for place, row in enumerate(result.rows):
            # the name stands in the first of its rows only
            name, metric = "" if place else result.name, REPLICATION_NAMES.get(row.metric, row.metric)
            estimates = (_format_estimate(estimate, result.sample) for estimate in (row.replayed, row.honest))
            lines.append((name, metric, _format_published(row), *estimates))
        lines += [(result.name, "-", "-", "failed", result.error)] if result.error else []
    output.print_table(lines)
    for result in results:
        if not result.error:
            print(f"\n{result.name}: {result.dataset}; replayed: {result.sides[0]}, honest: {result.sides[1]}")
            print(textwrap.indent(textwrap.fill(result.summary, WIDTH - 2, break_on_hyphens=False), "  "))
    print(f"\nsaved in {path}")
    if any(result.sample for result in results):
        print(textwrap.fill(SAMPLE_NOTE, WIDTH))


def _format_published(row: ReplicationRow) -> str:
    """Format a published value with its interval if the counts are known. Format a published range as an interval."""
    if isinstance(row.published, tuple):  # a range, such as .902 to .908
        return output.format_interval(row.published)
    if row.published is None:
        return "-"
    return output.format_metric_value(row.published, row.published_interval)


def _format_estimate(estimate: IntervalEstimate | None, sample: bool) -> str:
    """Format a metric with its interval, marked * if it comes from sample data."""
    if estimate is None or estimate.value is None:
        return "not available"
    return output.format_metric_value(estimate.value, estimate.interval) + ("*" if sample else "")
