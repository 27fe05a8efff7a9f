"""Arguments that several commands share, and the kinds of number that they take."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# option: the environment variable that names the folder, and the folder where the variable is not set
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
    """Add a command with what every command has: where data and runs are, and `--json`.

    Parameters
    ----------
    commands : what `argparse.ArgumentParser.add_subparsers` returns
    handler : unpacks the parsed arguments and returns the exit code
    """
    parser = commands.add_parser(name, help=summary, description=description, epilog=f"Example: {example}")
    for option, (variable, folder) in FOLDERS.items():
        words = f"the folder of {folder} (default: {variable}, or {folder})"
        parser.add_argument(option, type=Path, default=get_default_folder(option), metavar="DIR", help=words)
    parser.add_argument(
        "--quiet", action="store_const", const=logging.WARNING, dest="level", default=logging.INFO, help="only warnings"
    )
    parser.add_argument("--verbose", action="store_const", const=logging.DEBUG, dest="level", help="every message")
    if has_json:
        parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.set_defaults(handler=handler, takes_other_words=False)
    return parser


def add_documented_parser(
    commands: Any, handler: Callable[[argparse.Namespace], int], doc: str | None, example: str, has_json: bool = True
) -> argparse.ArgumentParser:
    """Add a command as `add_parser`, with its module's name, and what `doc`, its module's docstring, says of it."""
    head, _, description = (doc or "").partition("\n\n")
    name = handler.__module__.rpartition(".")[2].replace("_", "-")
    return add_parser(commands, name, handler, head.partition(": ")[2].rstrip("."), description, example, has_json)


def get_default_folder(option: str) -> Path:
    """Return the folder that `--data-root` or `--runs` stands for where it is not given."""
    variable, folder = FOLDERS[option]
    return Path(os.environ.get(variable) or folder)


def add_run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the run that a command is about."""
    parser.add_argument("run", metavar="RUN", help="a run folder, its name in runs/, or an experiment: its latest run")


def add_members_argument(parser: argparse.ArgumentParser) -> None:
    """Add the runs that a command is about, one or more."""
    words = "run folders, their names in runs/, or experiments: their latest runs"
    parser.add_argument("members", nargs="+", metavar="RUN", help=words)


def add_data_option(parser: argparse.ArgumentParser) -> None:
    """Add the choice between real and sample data."""
    words = "which data to take (default: the real, where it is there, else the sample)"
    parser.add_argument("--data", choices=("auto", "real", "sample"), default="auto", help=words)


def add_set_option(parser: argparse.ArgumentParser, example: str) -> None:
    """Add `--set`, which changes keys of an experiment for one command."""
    words = f"change a key of the experiment, such as {example}; may be given often"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes", help=words)


def add_seed_option(parser: argparse.ArgumentParser, scope: str) -> None:
    """Add `--seed`; `scope` says in its help what the seed decides."""
    parser.add_argument("--seed", type=parse_natural, default=None, help=f"{scope} (default: 0)")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add what `train` and `train-all` share."""
    add_data_option(parser)
    add_seed_option(parser, "of the split, the weights and the order")
    parser.add_argument("--deterministic", action="store_true", help="make two trainings equal to the bit, on a CPU")
    add_set_option(parser, "training.epochs=3")


def parse_positive(text: str) -> int:
    """Read a whole number from 1, for argparse."""
    value = parse_natural(text, "positive")
    if value == 0:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def parse_natural(text: str, kind: str = "natural") -> int:
    """Read a whole number from 0, for argparse; `kind` is what it is called where it is none."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid {kind} value: {text!r}") from None
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {2**32 - 1}, and is {value}")
    return value
