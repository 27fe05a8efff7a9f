"""What `musicml leak` does and prints."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from musicml.cli import output, train
from musicml.utils import print_message, write_json

if TYPE_CHECKING:  # which imports much that no other command needs
    from musicml.evaluation import LeakageEstimate, LeakageResult

SAID = {
    "pieces": "random pieces, a track on both sides",
    "tracks": "whole tracks, an artist on both sides",
    "artists": "whole artists, nobody on both sides",
}
SAMPLE = "This is generated sample data: it shows how a leak looks, and says nothing about real music."


def leak(asked: argparse.Namespace) -> int:
    """Train one recipe three ways and print what each gave."""
    from musicml.evaluation import measure_leakage
    from musicml.experiment import find_experiment, read_experiment

    experiment = read_experiment(find_experiment(asked.experiment), train.changes(asked.changes))
    found = measure_leakage(
        experiment,
        asked.data_root,
        asked.data,
        asked.folder,
        range(asked.seeds),
        asked.folds,
        say=print_message,
    )
    path = write(found, asked.runs)
    if asked.json:
        output.show({**found.as_table(), "file": str(path)})
    else:
        show(found, path)
    return 0


def write(found: LeakageResult, runs_root: Path) -> Path:
    """Keep what was found beside the runs, since it took minutes."""
    path = Path(runs_root) / "leaks" / f"{found.experiment}-{datetime.datetime.now():%Y%m%dT%H%M%S}.json"
    write_json(path, found.as_table())
    return path


def show(found: LeakageResult, path: Path) -> None:
    """The three figures side by side, and what lies between them."""
    data = f"{found.dataset}{', sample data' if found.sample else ''}"
    print(
        f"{found.experiment} on {data}: {found.n_pieces} pieces of {found.piece_seconds:g} s of "
        f"{found.n_tracks} tracks by {found.n_artists} artists, {found.folds} folds, {len(found.seeds)} seeds"
    )
    figures = [(SAID[one.name], f"{one.value:.3f}", output.ends(one.interval)) for one in found.figures]
    output.print_table([("trained on", "accuracy", "95 % interval"), *figures])
    for one in found.differences:
        looser, stricter = one.name.split(" - ")
        print(f"{looser} over {stricter}: {one.value:+.3f} ({output.ends(one.interval)}), {verdict(one)}")
    print(f"kept in {path}")
    if found.sample:
        print(SAMPLE)


def verdict(one: LeakageEstimate) -> str:
    """What a difference's interval says."""
    if one.interval is None or one.interval[0] <= 0 <= one.interval[1]:
        return "which could be chance"
    return "which is more than chance" if one.value > 0 else "the other way round, and more than chance"
