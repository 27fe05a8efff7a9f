"""`musicml doctor`: check that this machine is set up.

Check Python, the Keras backend, the disk, the datasets and the runs. With --cluster, also check that each worker has
the same versions, folders and time. Say how to fix each problem.
"""

from __future__ import annotations

import argparse
from typing import Any

from musicml.cli import options, output


def add_command(commands: Any) -> None:
    """Add `musicml doctor` to the command line."""
    parser = options.add_documented_parser(commands, check_machine, __doc__, "musicml doctor")
    options.add_cluster_option(parser)


def check_machine(args: argparse.Namespace) -> int:
    """Check this machine and print the results. Return 1 if there is a problem, else 0."""
    from musicml.experiment import check_cluster, check_environment

    results = check_environment(args.data_root, args.runs)
    if args.cluster:
        results += check_cluster(args.data_root, args.runs)
    if args.json:
        output.print_json({"findings": [vars(result) for result in results]})
    else:
        output.print_table([(result.state, result.what, result.words) for result in results])
    return 1 if any(result.state == "problem" for result in results) else 0  # notes do not count
