"""`musicml doctor`: check this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musicml.cli import options, output


def add_command(commands: Any) -> None:
    """Add `musicml doctor` to the command line."""
    options.add_parser(
        commands,
        "doctor",
        lambda args: check_machine(args.data_root, args.runs, args.json),
        "check this machine",
        (
            "Look at Python, the backend, the disk, the data sets and the runs, and say what to do about what is "
            "missing."
        ),
        "musicml doctor",
    )


def check_machine(data_root: Path, runs_root: Path, as_json: bool) -> int:
    """Print what the check of this machine found; return 1 where something will not work."""
    from musicml.experiment import check_environment

    results = check_environment(data_root, runs_root)
    if as_json:
        output.print_json({"findings": [vars(result) for result in results]})
    else:
        output.print_table([(result.state, result.what, result.words) for result in results])
    return 1 if any(result.state == "problem" for result in results) else 0
