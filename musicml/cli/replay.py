"""`musicml replay`: replay published results, beside honest ones."""

from __future__ import annotations

import datetime
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import print_message, write_json

if TYPE_CHECKING:
    from musicml.evaluation import IntervalEstimate, Replication, ReplicationRow

WIDTH = 118
SAMPLE_NOTE = (
    "Figures marked * come from generated sample data, the published ones from real data: hold the two marked ones "
    "beside each other, and neither beside the published one."
)


def add_command(commands: Any) -> None:
    """Add `musicml replay` to the command line."""
    parser = options.add_parser(
        commands,
        "replay",
        lambda args: replay(args.names, args.data_root, args.runs, args.data, args.seed or 0, args.json),
        "replay published results, beside honest ones",
        (
            "Obtain each published result again as it was published, with its fault, and then honestly with the same "
            "model, and print published, replayed and honest figures side by side, with what is wrong below. Runs that "
            "are there already are taken as they are. One replay that fails is named and the others go on; the exit "
            "code is then 1."
        ),
        "musicml replay gtzan_gru --data sample",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="names in experiments/as_published/, or files (default: all of them)"
    )
    options.add_data_option(parser)
    options.add_seed_option(parser, "of the splits, the weights and the order")


def replay(names: list[str], data_root: Path, runs_root: Path, data: str, seed: int, as_json: bool) -> int:
    """Replay published results and print them next to honest ones; return 1 where one of them failed."""
    from musicml.evaluation import replicate

    results = replicate(names, data_root, runs_root, data, seed, print_message)
    path = runs_root / "replays" / f"{datetime.datetime.now():%Y%m%dT%H%M%S}.json"
    table = {"replays": [one.as_table() for one in results]}
    write_json(path, table)
    if as_json:
        output.print_json({**table, "file": str(path)})
    else:
        print_results(results, path)
    return 1 if any(one.error for one in results) else 0


def print_results(results: list[Replication], path: Path) -> None:
    """Print the figures side by side, and below them what is wrong with each."""
    lines: list[tuple[str, ...]] = [
        ("as published", "figure", "published", "replayed (95 % interval)", "honest (95 % interval)")
    ]
    for one in results:
        lines += [_format_row(one, row, not place) for place, row in enumerate(one.rows)]
        lines += [(one.name, "-", "-", "failed", one.error)] if one.error else []
    output.print_table(lines)
    for one in results:
        if not one.error:
            print(f"\n{one.name}: {one.dataset}; replayed: {one.sides[0]}, honest: {one.sides[1]}")
            print(textwrap.fill(one.worth, WIDTH, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False))
    print(f"\nkept in {path}")
    if any(one.sample for one in results):
        print(textwrap.fill(SAMPLE_NOTE, WIDTH))


def _format_row(one: Replication, row: ReplicationRow, is_first: bool) -> tuple[str, ...]:
    """Return one metric as a line of the table."""
    from musicml.evaluation import REPLICATION_NAMES

    return (
        one.name if is_first else "",
        REPLICATION_NAMES.get(row.metric, row.metric),
        _format_published(row),
        _format_estimate(row.replayed, one.sample),
        _format_estimate(row.honest, one.sample),
    )


def _format_published(row: ReplicationRow) -> str:
    """Return a published figure with its interval, where its counts are known, or its range."""
    if isinstance(row.published, tuple):
        return f"{row.published[0]:.3f} to {row.published[1]:.3f}"
    if row.published is None:
        return "-"
    interval = row.published_interval
    return f"{row.published:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _format_estimate(estimate: IntervalEstimate | None, sample: bool) -> str:
    """Return a figure with its interval, marked where it comes from sample data."""
    from musicml.evaluation import format_figure

    if estimate is None or estimate.value is None:
        return "no such figure"
    return format_figure(estimate) + ("*" if sample else "")
