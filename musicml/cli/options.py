"""Command-line options that several commands share, and the parsers of their numbers."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from musicml import utils

# option → the environment variable that sets its default, and the default if the variable is not set
FOLDERS = {"--data-root": ("MUSICML_DATA", "data"), "--runs": ("MUSICML_RUNS", "runs")}


def add_parser(
    commands: Any,
    name: str,
    handler: Callable[[argparse.Namespace], int],
    summary: str,
    description: str,
    example: str,
    has_json: bool = True,
) -> argparse.ArgumentParser:
    """Add a command with the options that every command has.

    Parameters
    ----------
    commands : the return value of `argparse.ArgumentParser.add_subparsers`
    handler : takes the parsed arguments and returns the exit code
    summary : one line for the list of commands
    example : a complete command line, shown below the options
    has_json : whether the command has `--json`
    """
    parser = commands.add_parser(name, help=summary, description=description, epilog=f"Example: {example}")
    for option, (variable, folder) in FOLDERS.items():
        text = f"{folder} folder (default: ${variable}, else {folder})"
        parser.add_argument(option, type=Path, default=get_default_folder(option), metavar="DIR", help=text)
    text = "show only warnings"
    parser.add_argument("--quiet", action="store_const", const=logging.WARNING, dest="level", help=text)
    parser.add_argument("--verbose", action="store_const", const=logging.DEBUG, dest="level", help="show all messages")
    if has_json:
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(handler=handler, level=logging.INFO, takes_other_words=False)
    return parser


def add_documented_parser(
    commands: Any, handler: Callable[[argparse.Namespace], int], doc: str | None, example: str, has_json: bool = True
) -> argparse.ArgumentParser:
    """Add a command that is documented by the docstring of its module.

    Parameters
    ----------
    handler : its module's name is the command's name
    doc : the module's docstring: "`musicml NAME`: summary.", an empty line, and the description for `--help`
    """
    head, _, description = (doc or "").partition("\n\n")
    name = handler.__module__.rpartition(".")[2].replace("_", "-")
    return add_parser(commands, name, handler, head.partition(": ")[2].rstrip("."), description, example, has_json)


def get_default_folder(option: str) -> Path:
    """Return the default of `--data-root` or `--runs`."""
    variable, folder = FOLDERS[option]
    return Path(os.environ.get(variable) or folder)  # an empty variable counts as not set


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the positional argument RUN."""
    text = "a run folder, its name in runs/, or the name of an experiment for its latest run"
    parser.add_argument("run", metavar="RUN", help=text)


def add_members_argument(parser: argparse.ArgumentParser) -> None:
    """Add the positional arguments RUN, one or more."""
    text = "run folders, their names in runs/, or names of experiments for their latest runs"
    parser.add_argument("members", nargs="+", metavar="RUN", help=text)


def add_moved_folder_option(parser: argparse.ArgumentParser) -> None:
    """Add `--folder` for commands that read the data of a run again."""
    text = "new place of the folder that the run was trained on, if it was moved"
    parser.add_argument("--folder", type=Path, metavar="DIR", help=text)


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add `--data`, the choice between real and synthetic sample data."""
    text = "which data to use; auto takes the real dataset if it is installed, else the sample data (default: auto)"
    parser.add_argument("--data", choices=("auto", "real", "sample"), default="auto", help=text)


def add_set_option(parser: argparse.ArgumentParser, example: str) -> None:
    """Add `--set`, which changes keys of an experiment for one command."""
    text = f"change a key of the experiment, such as {example}; can be given several times"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes", help=text)


def add_seed_option(parser: argparse.ArgumentParser, scope: str) -> None:
    """Add `--seed`. Its help names the `scope`, such as "the split and the weights"."""
    parser.add_argument("--seed", type=parse_natural, default=None, help=f"random seed for {scope} (default: 0)")


def add_cluster_option(parser: argparse.ArgumentParser) -> None:
    """Add `--cluster`, which spreads the work over several processes or machines."""
    text = (
        "spread the work over the workers of dask: its scheduler's address such as tcp://host:8786, local for one "
        "worker per core of this machine (local:4 for four), or slurm:8 for eight jobs of SLURM"
    )
    parser.add_argument("--cluster", metavar="ADDRESS", help=text)


def connect_cluster(args: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """Connect to the cluster of `--cluster`, if there is one. Make paths absolute, since workers run elsewhere."""
    address = getattr(args, "cluster", None)
    paths = {name: value.absolute() for name, value in vars(args).items() if isinstance(value, Path)}
    if address is not None:
        vars(args).update(paths)
    return utils.connect_cluster(address, paths.values())


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `train` and `train-all` share."""
    add_data_option(parser)
    add_seed_option(parser, "the split, the weights and the order of examples")
    text = "train so that a repetition gives the same bits (on a CPU)"
    parser.add_argument("--deterministic", action="store_true", help=text)
    add_set_option(parser, "training.epochs=3")
    add_cluster_option(parser)


def parse_positive(text: str) -> int:
    """Parse a whole number from 1 to 2**32 - 1. For the `type` of an argparse argument."""
    return parse_natural(text, minimum=1)


def parse_natural(text: str, minimum: int = 0) -> int:
    """Parse a whole number from `minimum` to 2**32 - 1, the range of NumPy's and Keras's seeds."""
    try:
        value = int(text)
    except ValueError:
        value = -1  # rejected below
    if not minimum <= value < 2**32:
        raise argparse.ArgumentTypeError(f"expected a whole number from {minimum} to {2**32 - 1}, got {text!r}")
    return value
