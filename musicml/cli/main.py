"""The command line: one command a verb. Results go to standard output, progress to standard error."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TextIO, cast

from musicml import __version__, cli
from musicml.utils import InputError, PlainOutput, os_error_to_input_error, print_message, show_messages

# how --help lists the commands, by their modules; a module that is not named here comes after these
HELP_ORDER = (
    *("fetch", "train", "train_all", "evaluate", "reproduce", "predict", "export", "audit", "leak"),
    *("replay", "tune", "ensemble", "compare", "report", "runs", "dashboard", "cache", "doctor"),
)


def run_and_exit() -> None:
    """The installed command `musicml`: run, and leave with the exit code; 1 after a fault of ours too, with its trace.

    Where a training is cut off in the middle of an epoch, a thread of TensorFlow's may still be making a batch. It is
    waited for while Python still runs: an interpreter that takes itself down shuts the thread out, and then waits for
    it for ever. Another Ctrl-C meanwhile ends the process at once.
    """
    try:
        code = main()
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = 1
    if "tensorflow" in sys.modules:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        gc.collect()
    else:
        gc.freeze()  # skip the final garbage collection, which is slow for a short command
    sys.exit(code)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 (some of it failed), 2 (bad input), 130 (stopped by Ctrl-C)."""
    if hasattr(sys.stdout, "reconfigure"):  # a file's name need not be valid in any encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    args = parse_arguments(words)
    show_messages(args.level)
    try:
        with contextlib.redirect_stdout(cast(TextIO, PlainOutput(sys.stdout))):
            return args.handler(args)
    except InputError as error:
        print_message(f"musicml: {error}")
    except KeyboardInterrupt as error:
        print_message(f"\nmusicml: {str(error) or 'stopped'}.")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: no second complaint at exit
        return 0
    except OSError as error:
        trouble = os_error_to_input_error(error, Path(error.filename or "."))
        if not isinstance(trouble, InputError):
            raise
        print_message(f"musicml: {trouble}")
    return 2


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse a command line; words that no argument takes are refused unless the command hands them on."""
    words = sys.argv[1:] if words is None else words
    parser = build_parser(words[0] if words else None)
    args, other_words = parser.parse_known_args(words)
    if other_words and not args.takes_other_words:
        parser.error(f"unrecognized arguments: {' '.join(other_words)}")
    args.other_words = other_words
    return args


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of all commands, or of `command` alone if it exists.

    Importing only one command makes it start faster.
    """
    parser = argparse.ArgumentParser(
        prog="musicml",
        description="Train, judge and try out music classifiers; results go to standard output, progress elsewhere.",
        epilog=(
            "A first walk: `musicml fetch --sample` makes data, `musicml train genre_gru` trains a run on it, "
            "`musicml runs` lists it, `musicml predict RUN song.mp3` asks it."
        ),
    )
    parser.add_argument("--version", action="version", version=f"musicml {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in import_command(command) or find_commands():
        module.add_command(commands)
    return parser


def import_command(command: str | None) -> list[ModuleType]:
    """Import the module that adds a command; return an empty list if there is no such command."""
    names = [name for name in HELP_ORDER if name.replace("_", "-") == command]
    return [importlib.import_module(f"{cli.__name__}.{name}") for name in names]


def find_commands() -> list[ModuleType]:
    """Import the modules of this package that add a command, in the order in which --help lists them."""
    import pkgutil

    names = [found.name for found in pkgutil.iter_modules(cli.__path__) if not found.name.startswith("_")]
    ranks = {name: rank for rank, name in enumerate(HELP_ORDER)}
    names.sort(key=lambda name: (ranks.get(name, len(ranks)), name))
    modules = [importlib.import_module(f"{cli.__name__}.{name}") for name in names]
    return [module for module in modules if hasattr(module, "add_command")]
