"""The entry point of the command line. Results go to standard output, progress to standard error."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import itertools
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TextIO, cast

from musicml import __version__, cli
from musicml.cli import options
from musicml.utils import InputError, PlainOutput, os_error_to_input_error, print_message, show_messages

# The order of the commands in --help. A command module that is not listed here comes last.
HELP_ORDER = (
    *("fetch", "train", "train_all", "evaluate", "reproduce", "predict", "export", "audit", "leak"),
    *("replay", "tune", "ensemble", "compare", "report", "runs", "dashboard", "lessons", "course", "cache", "doctor"),
)


def run_and_exit() -> None:
    """Run the command `musicml` and exit with its code. After a bug, print the traceback and exit with 1.

    When a training is interrupted during an epoch, a thread of TensorFlow may still be preparing a batch. Collecting
    garbage here waits for that thread. At interpreter shutdown, waiting for it would never end.
    """
    try:
        code = main()
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = 1
    if "tensorflow" in sys.modules:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the process immediately
        gc.collect()
    else:
        gc.freeze()  # skip the final garbage collection, which is slow for a short command
    sys.exit(code)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    words : the command line without the program's name (default: `sys.argv[1:]`)

    Returns
    -------
    The exit code: 0, 1 (part of the work failed), 2 (invalid input) or 130 (stopped by Ctrl-C).
    """
    if hasattr(sys.stdout, "reconfigure"):  # file names may contain bytes that no encoding can print
        sys.stdout.reconfigure(errors="backslashreplace")
    args = parse_arguments(words)
    show_messages(args.level)  # log messages on standard error
    try:
        with (
            contextlib.redirect_stdout(cast(TextIO, PlainOutput(sys.stdout))),
            options.connect_cluster(args),
        ):
            return args.handler(args)
    except InputError as error:
        print_message(f"musicml: {error}")
    except KeyboardInterrupt as error:
        print_message(f"\nmusicml: {str(error) or 'stopped'}.")
        return 130  # 128 + SIGINT, as shells do
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. Without this, Python reports the error again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        input_error = os_error_to_input_error(error, Path(error.filename or "."))
        if not isinstance(input_error, InputError):
            raise  # not caused by the user's files or disk, so show the traceback
        print_message(f"musicml: {input_error}")
    return 2


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse a command line. Unknown arguments are an error, unless the command passes them to another program."""
    words = sys.argv[1:] if words is None else words
    parser = build_parser(words[0] if words else None)
    args, other_words = parser.parse_known_args(words)
    if other_words and not args.takes_other_words:
        parser.error(f"unrecognized arguments: {' '.join(other_words)}")
    for option, value in itertools.pairwise(words):
        # such a value would be taken as an argument of the command itself, such as its folder
        if option.startswith("--") and option in other_words and not value.startswith("-") and value not in other_words:
            parser.error(f"expected {option}={value}, or {value} before {option}, got {option} {value}")
    args.other_words = other_words
    return args


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of all commands, or of `command` alone if it exists, which starts faster."""
    parser = argparse.ArgumentParser(
        prog="musicml",
        description=(
            "Train, evaluate and use music classifiers. Results go to standard output, progress to standard error."
        ),
        epilog=(
            "First steps: `musicml fetch --sample` generates data, `musicml train genre_gru` trains a model on it, "
            "`musicml runs` lists the run, and `musicml predict RUN song.mp3` classifies a file."
        ),
    )
    parser.add_argument("--version", action="version", version=f"musicml {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    # an unknown command gets the error that lists all commands
    for module in import_command(command) or find_commands():
        module.add_command(commands)
    return parser


def import_command(command: str | None) -> list[ModuleType]:
    """Import the module of a command. Return it in a list, which is empty if there is no such command."""
    names = [name for name in HELP_ORDER if name.replace("_", "-") == command]
    return [importlib.import_module(f"{cli.__name__}.{name}") for name in names]


def find_commands() -> list[ModuleType]:
    """Import all command modules of this package, in the order in which --help lists them."""
    import pkgutil  # here, since parsing a single command does not need it

    names = [module.name for module in pkgutil.iter_modules(cli.__path__) if not module.name.startswith("_")]
    ranks = {name: rank for rank, name in enumerate(HELP_ORDER)}
    names.sort(key=lambda name: (ranks.get(name, len(ranks)), name))
    modules = [importlib.import_module(f"{cli.__name__}.{name}") for name in names]
    # others, such as `options`, are shared code
    return [module for module in modules if hasattr(module, "add_command")]
