"""`musicml fetch`: bring the real data sets, or make sample data."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import Any

from musicml.cli import options, output
from musicml.utils import InputError, print_message

logger = logging.getLogger(__name__)

MUSICNN = "musicnn"


def add_command(commands: Any) -> None:
    """Add `musicml fetch` to the command line."""
    parser = options.add_parser(
        commands,
        "fetch",
        _run,
        "fetch real data, or make sample data",
        (
            "Bring the real data sets into data: gtzan, instrument_images and instrument_sounds from Kaggle, openmic "
            "from Zenodo. One that is there stays; a fetch that was stopped goes on. Kaggle gives them to anybody as a "
            "rule; where it asks who it is, a token is taken from KAGGLE_API_TOKEN, ~/.kaggle/access_token or "
            "kaggle.json. With --sample, generated stand-ins in the same layouts are written into data/sample: they "
            "need no account and no network, and figures from them say nothing about real music. "
            "`musicml fetch musicnn` downloads a network that has heard music, and makes the run musicnn_tags of it."
        ),
        "musicml fetch gtzan openmic",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="data sets (default: all four), or musicnn")
    parser.add_argument(
        "--from",
        type=Path,
        metavar="PATH",
        dest="source",
        help="take the data set (or musicnn: its wheel) from this archive or folder, which stays, not from the network",
    )
    parser.add_argument("--lists", type=Path, metavar="DIR", help="take GTZAN's four public lists from this folder")
    parser.add_argument("--keep-archive", action="store_true", help="leave the archive in data/.archives")
    parser.add_argument("--sample", action="store_true", help="generate sample data")
    parser.add_argument("--seed", type=int, default=0, help="of the sample data: another makes other data (default: 0)")
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="of the sample data: share of the files to write, for a quick try (default: 1)",
    )


def _run(args: argparse.Namespace) -> int:
    if MUSICNN in args.names:
        return fetch_musicnn(args)
    if not args.sample:
        return fetch(args.names, args.data_root, args.source, args.lists, args.keep_archive, args.json)
    if args.source is not None or args.lists is not None:
        raise InputError("--sample makes its data itself: leave out --from and --lists.")
    return write_sample_data(args.names, args.data_root, args.seed, args.scale, args.json)


def fetch_musicnn(args: argparse.Namespace) -> int:
    """Download musicnn's weights and make the run of its tags."""
    from musicml.data.download import download_musicnn
    from musicml.training import make_tags_run

    if args.names != [MUSICNN] or args.sample or args.lists is not None:
        raise InputError("Expected `musicml fetch musicnn`, with --from at most. Fetch the rest by itself.")
    paths, was_there = download_musicnn(args.data_root, args.source)
    run = make_tags_run(args.data_root, args.runs)
    if args.json:
        files = [str(path) for path in paths]
        output.print_json({"files": files, "already_there": was_there, "run": str(run.path)})
    elif was_there:
        logger.info("musicnn: already there, and the run %s", run.path)
    return 0


def fetch(
    names: list[str], data_root: Path, source: Path | None, lists: Path | None, keep_archive: bool, as_json: bool
) -> int:
    """Bring real data sets; return 1 where some of it could not be had, 2 where nothing could."""
    from musicml.data.download import SOURCES, check_request, download_dataset

    names = list(dict.fromkeys(names)) or list(SOURCES)
    check_request(names, source, lists)
    downloads = []
    for name in names:
        try:
            own_lists = lists if name == "gtzan" else None
            downloads.append(download_dataset(name, data_root, source, own_lists, keep_archive))
        except InputError as error:
            if len(names) == 1:
                raise
            print_message(f"musicml: {error}")
    for download in downloads:
        if download.lacks:
            print_message(f"musicml: {download.lacks}")
    if as_json:
        folders = [str(download.folder) for download in downloads]
        output.print_json({"folders": folders, "sets": [download.to_dict() for download in downloads]})
    if not downloads:
        return 2
    return 1 if len(downloads) < len(names) or any(download.lacks for download in downloads) else 0


def write_sample_data(names: list[str], data_root: Path, seed: int, scale: float, as_json: bool) -> int:
    """Write sample data; without names, all of it."""
    from musicml.data import generate_sample_data

    start, root = time.perf_counter(), data_root / "sample"
    folders = generate_sample_data(root, seed, names or None, scale)
    logger.info("sample data in %s after %.0f s", root, time.perf_counter() - start)
    if as_json:
        output.print_json({"folders": [str(folder) for folder in folders]})
    return 0
