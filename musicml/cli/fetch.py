"""`musicml fetch`: download the real datasets, or generate synthetic sample data."""

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
        "download real data, or generate sample data",
        (
            "Download the real datasets into the data folder: gtzan, instrument_images and instrument_sounds from "
            "Kaggle, openmic from Zenodo. Datasets that are already installed are skipped, and an interrupted download "
            "is resumed. Kaggle usually needs no account. If it requires one, the token is read from KAGGLE_API_TOKEN, "
            "~/.kaggle/access_token or kaggle.json. With --sample, synthetic data with the same folder layout is "
            "generated in data/sample. It needs no account and no network, but results on it say nothing about real "
            "music. `musicml fetch musicnn` downloads a network that was trained on music, and makes the run "
            "musicnn_tags from it."
        ),
        "musicml fetch gtzan openmic",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="datasets (default: all four), or musicnn")
    text = "install from this archive or folder instead of downloading; for musicnn, from its wheel"
    parser.add_argument("--from", type=Path, metavar="PATH", dest="source", help=text)
    parser.add_argument("--lists", type=Path, metavar="DIR", help="folder with the four public lists of GTZAN")
    parser.add_argument("--keep-archive", action="store_true", help="keep the downloaded archive in data/.archives")
    parser.add_argument("--sample", action="store_true", help="generate synthetic sample data")
    parser.add_argument("--seed", type=int, default=0, help="random seed for the sample data (default: 0)")
    text = "share of the sample files to write, for a quick try (default: 1)"
    parser.add_argument("--scale", type=float, default=1.0, help=text)


def _run(args: argparse.Namespace) -> int:
    if MUSICNN in args.names:  # a network, not a dataset
        return fetch_musicnn(args)
    if not args.sample:
        return fetch(args.names, args.data_root, args.source, args.lists, args.keep_archive, args.json)
    if args.source is not None or args.lists is not None:
        raise InputError("--sample cannot be combined with --from or --lists. Leave them out.")
    return write_sample_data(args.names, args.data_root, args.seed, args.scale, args.json)


def fetch_musicnn(args: argparse.Namespace) -> int:
    """Download musicnn's weights and make the run musicnn_tags from them. Return the exit code."""
    from musicml.data.download import download_musicnn
    from musicml.training import make_tags_run

    if args.names != [MUSICNN] or args.sample or args.lists is not None:
        raise InputError(
            "Expected musicnn alone, without --sample, --lists or other datasets. Fetch those with another command."
        )
    paths, was_there = download_musicnn(args.data_root, args.source)
    run = make_tags_run(args.data_root, args.runs)
    if args.json:
        files = [str(path) for path in paths]
        output.print_json({"files": files, "already_there": was_there, "run": str(run.path)})
    elif was_there:
        logger.info("musicnn is already installed; its run is %s", run.path)
    return 0


def fetch(
    names: list[str], data_root: Path, source: Path | None, lists: Path | None, keep_archive: bool, as_json: bool
) -> int:
    """Download real datasets. Return 0, or 1 if some data is missing, or 2 if every download failed."""
    from musicml.data.download import SOURCES, check_request, download_dataset

    names = list(dict.fromkeys(names)) or list(SOURCES)  # without duplicates, in the given order
    check_request(names, source, lists)
    downloads = []
    for name in names:
        try:
            own_lists = lists if name == "gtzan" else None  # only GTZAN has lists apart from its archive
            downloads.append(download_dataset(name, data_root, source, own_lists, keep_archive))
        except InputError as error:
            if len(names) == 1:
                raise  # the exit code is then 2
            print_message(f"musicml: {error}")  # go on with the other datasets
    for download in downloads:
        if download.lacks:  # installed, but a part of it could not be downloaded
            print_message(f"musicml: {download.lacks}")
    if as_json:
        folders = [str(download.folder) for download in downloads]
        output.print_json({"folders": folders, "sets": [download.to_dict() for download in downloads]})
    if not downloads:
        return 2
    return 1 if len(downloads) < len(names) or any(download.lacks for download in downloads) else 0


def write_sample_data(names: list[str], data_root: Path, seed: int, scale: float, as_json: bool) -> int:
    """Generate synthetic data for the datasets in `names`, or for all of them if it is empty. Return 0."""
    from musicml.data import generate_sample_data

    start, root = time.perf_counter(), data_root / "sample"
    folders = generate_sample_data(root, seed, names or None, scale)
    logger.info("sample data written to %s in %.0f s", root, time.perf_counter() - start)
    if as_json:
        output.print_json({"folders": [str(folder) for folder in folders]})
    return 0
