"""`musicml leak`: measure what a leaky split flatters.

Train one recipe on random pieces of tracks, on whole tracks and on whole artists, each as a cross-validation, and print
the three accuracies side by side: what lies between them is what a figure gains where a track, or its artist, stands on
both sides.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output

if TYPE_CHECKING:
    from musicml.evaluation import LeakageEstimate, LeakageResult

WAYS = {
    "pieces": "random pieces, a track on both sides",
    "tracks": "whole tracks, an artist on both sides",
    "artists": "whole artists, nobody on both sides",
}
SAMPLE_NOTE = "This is generated sample data: it shows how a leak looks, and says nothing about real music."


def add_command(commands: Any) -> None:
    """Add `musicml leak` to the command line."""
    example = "musicml leak genre_gru --set clips.seconds=1"
    parser = options.add_documented_parser(commands, measure_leak, __doc__, example)
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a TOML file, or its name in experiments/")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="on this folder of class folders, with a groups.csv")
    options.add_data_option(parser)
    parser.add_argument("--seeds", type=int, choices=range(1, 21), default=3, metavar="N", help="how many (default: 3)")
    parser.add_argument("--folds", type=int, choices=range(2, 21), default=3, metavar="K", help="how many (default: 3)")
    options.add_set_option(parser, "clips.seconds=1")


def measure_leak(args: argparse.Namespace) -> int:
    """Measure what a leaky split flatters, keep the result, since it took minutes, and print it."""
    from musicml.evaluation import measure_leakage
    from musicml.experiment import find_experiment, parse_changes, read_experiment

    experiment = read_experiment(find_experiment(args.experiment), parse_changes(args.changes), sample=None)
    seeds = range(args.seeds)
    result = measure_leakage(experiment, args.data_root, args.data, args.folder, seeds, args.folds)
    path = output.save_json(args.runs / "leaks", result.to_dict(), result.experiment)
    if args.json:
        output.print_json({**result.to_dict(), "file": str(path)})
    else:
        print_result(result, path)
    return 0


def print_result(result: LeakageResult, path: Path) -> None:
    """Print the three figures side by side, and what lies between them."""
    data = f"{result.dataset}{', sample data' if result.sample else ''}"
    print(
        f"{result.experiment} on {data}: {result.n_pieces} pieces of {result.piece_seconds:g} s of "
        f"{result.n_tracks} tracks by {result.n_artists} artists, {result.folds} folds, {len(result.seeds)} seeds"
    )
    figures = [(WAYS[one.name], f"{one.value:.3f}", output.format_interval(one.interval)) for one in result.figures]
    output.print_table([("trained on", "accuracy", "95 % interval"), *figures])
    for one in result.differences:
        looser, stricter = one.name.split(" - ")
        interval = output.format_interval(one.interval)
        print(f"{looser} over {stricter}: {one.value:+.3f} ({interval}), {_judge_difference(one)}")
    print(f"kept in {path}")
    if result.sample:
        print(SAMPLE_NOTE)


def _judge_difference(one: LeakageEstimate) -> str:
    """Return what a difference's interval says."""
    if one.interval is None or one.interval[0] <= 0 <= one.interval[1]:
        return "which could be chance"
    return "which is more than chance" if one.value > 0 else "the other way round, and more than chance"
