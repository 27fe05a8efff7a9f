"""`musicml leak`: measure how much a leaky split inflates accuracy.

Train one experiment three times, each with cross-validation: split by random pieces of tracks, by whole tracks, and
by whole artists. The differences between the three accuracies show how much is gained when a track, or its artist, is
in both the training and the test set.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output

if TYPE_CHECKING:
    from musicml.evaluation import LeakageEstimate, LeakageResult

WAYS = {  # what train and test set share, from the leakiest split to the strictest
    "pieces": "random pieces (shared tracks)",
    "tracks": "whole tracks (shared artists)",
    "artists": "whole artists (nothing shared)",
}
SAMPLE_NOTE = "This is synthetic sample data. It shows how leakage looks, not how large it is on real music."


def add_command(commands: Any) -> None:
    """Add `musicml leak` to the command line."""
    example = "musicml leak genre_gru --set clips.seconds=1"
    parser = options.add_documented_parser(commands, measure_leak, __doc__, example)
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a TOML file, or its name in experiments/")
    text = "use this folder, which has one folder per class and a groups.csv"
    parser.add_argument("--folder", type=Path, metavar="DIR", help=text)
    options.add_data_option(parser)
    text = "number of {} (default: 3)"
    seeds, folds = range(1, 21), range(2, 21)
    parser.add_argument("--seeds", type=int, choices=seeds, default=3, metavar="N", help=text.format("seeds"))
    parser.add_argument("--folds", type=int, choices=folds, default=3, metavar="K", help=text.format("folds"))
    options.add_set_option(parser, "clips.seconds=1")
    options.add_cluster_option(parser)


def measure_leak(args: argparse.Namespace) -> int:
    """Measure how much leaky splits inflate accuracy. Save and print the result."""
    from musicml.evaluation import measure_leakage
    from musicml.experiment import find_experiment, parse_changes, read_experiment

    experiment = read_experiment(find_experiment(args.experiment), parse_changes(args.changes), sample=None)
    seeds = range(args.seeds)
    result = measure_leakage(experiment, args.data_root, args.data, args.folder, seeds, args.folds)
    path = output.save_json(args.runs / "leaks", result.to_dict(), result.experiment)  # since it took minutes
    if args.json:
        output.print_json({**result.to_dict(), "file": str(path)})
    else:
        print_result(result, path)
    return 0


def print_result(result: LeakageResult, path: Path) -> None:
    """Print the accuracy of each split, and the differences between them."""
    data = f"{result.dataset}{', sample data' if result.sample else ''}"
    print(
        f"{result.experiment} on {data}: {result.n_pieces} pieces of {result.piece_seconds:g} s of "
        f"{result.n_tracks} tracks by {result.n_artists} artists, {result.folds} folds, "
        f"{len(result.seeds)} seed{'s' * (len(result.seeds) > 1)}"
    )
    rows = [(WAYS[row.name], f"{row.value:.3f}", output.format_interval(row.interval)) for row in result.figures]
    output.print_table([("split by", "accuracy", "95% interval"), *rows])
    for gap in result.differences:
        looser, stricter = gap.name.split(" - ")  # such as `pieces - tracks`
        interval = output.format_interval(gap.interval)
        print(f"{looser} over {stricter}: {gap.value:+.3f} ({interval}), {_describe_significance(gap)}")
    print(f"saved in {path}")
    if result.sample:
        print(SAMPLE_NOTE)


def _describe_significance(difference: LeakageEstimate) -> str:
    """Describe whether the 95% interval of a difference excludes zero."""
    if difference.interval is None or difference.interval[0] <= 0 <= difference.interval[1]:
        return "which could be chance"
    return "which is more than chance" if difference.value > 0 else "which is more than chance, but the other way round"
