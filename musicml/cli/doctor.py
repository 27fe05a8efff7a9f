"""`musicml doctor`: check this machine.

Look at Python, the backend, the disk, the data sets and the runs, and say what to do about what is missing.
"""

from __future__ import annotations

import argparse
from typing import Any

from musicml.cli import options, output


def add_command(commands: Any) -> None:
    """Add `musicml doctor` to the command line."""
    options.add_documented_parser(commands, check_machine, __doc__, "musicml doctor")


def check_machine(args: argparse.Namespace) -> int:
    """Print what the check of this machine found; return 1 where something will not work."""
    from musicml.experiment import check_environment

    results = check_environment(args.data_root, args.runs)
    if args.json:
        output.print_json({"findings": [vars(result) for result in results]})
    else:
        output.print_table([(result.state, result.what, result.words) for result in results])
    return 1 if any(result.state == "problem" for result in results) else 0
