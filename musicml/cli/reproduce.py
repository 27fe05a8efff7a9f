"""`musicml reproduce`: train a run again and check that the results agree.

Train a new run with the experiment, changes, seed and data of an existing run, and compare the two. Deterministic runs
in the same environment must agree bit for bit. Otherwise, the new main metric must lie in the 95% interval of the old
one. The exit code is 0 if the runs agree, else 1.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import make_printable

if TYPE_CHECKING:
    from musicml.evaluation import Reproduction

MAX_DIFFERENCES = 30  # to print; --json has all of them


def add_command(commands: Any) -> None:
    """Add `musicml reproduce` to the command line."""
    parser = options.add_documented_parser(commands, retrain_and_compare, __doc__, "musicml reproduce genre_gru")
    options.add_run_argument(parser)
    options.add_moved_folder_option(parser)
    parser.add_argument("--deterministic", action="store_true", help="train deterministically even if the run was not")
    parser.add_argument("--resume", metavar="NEW", help="resume an interrupted reproduction of RUN")
    parser.set_defaults(data_root=None)  # None: the data root that the run was trained from


def retrain_and_compare(args: argparse.Namespace) -> int:
    """Train a run again and print whether the results agree. Return 0 if they do, else 1."""
    from musicml.evaluation import reproduce_run
    from musicml.experiment import open_run

    run, new_run = open_run(args.run, args.runs), open_run(args.resume, args.runs) if args.resume else None
    try:
        result = reproduce_run(run, args.runs, args.folder, args.data_root, args.deterministic, new_run)
    except KeyboardInterrupt as error:  # the training's hint names a command that would not compare the two runs
        hint = str(error).replace("`musicml train --resume ", f"`musicml reproduce {run.path} --resume ")
        raise KeyboardInterrupt(hint) from None
    if args.json:
        output.print_json(result.to_dict())
    else:
        print_reproduction(result)
    return 0 if result.agrees else 1


def print_reproduction(result: Reproduction) -> None:
    """Print both main metrics, how many predictions are equal, differences in the environment, and the verdict."""
    print(f"{result.run}: trained again as {result.new}")
    values = (output.format_metric_value(value) for value in (result.before, result.after))
    interval = ("95% interval", output.format_interval(result.interval), "")
    output.print_table([("", "before", "now"), (result.metric.replace("_", " "), *values), interval])
    share = f" ({result.n_equal_labels / result.n_labels:.1%})" if result.n_labels else ""
    others = f"; {result.n_other_examples} examples were tested in only one of them" if result.n_other_examples else ""
    print(f"equal predicted labels: {result.n_equal_labels} of {result.n_labels}{share}{others}")
    parts = {"weights": result.weights, "scores": result.scores, "report": result.report}
    states = (f"{name} equal" if is_same else f"{name} differ" for name, is_same in parts.items())
    print(f"bit for bit: {', '.join(states)}")
    if result.differences:
        rows = [
            (make_printable(row.name), _format_value(row.before), _format_value(row.after))
            for row in result.differences
        ]
        output.print_table([("difference in run.json", "before", "now"), *rows[:MAX_DIFFERENCES]])
        if len(rows) > MAX_DIFFERENCES:
            print(f"and {len(rows) - MAX_DIFFERENCES} more: use --json to list them all")
    else:
        print("no differences in run.json: same versions, machine, backend, settings and data")
    print(describe_verdict(result))


def describe_verdict(result: Reproduction) -> str:
    """Return one sentence that says whether two runs agree, and by which rule."""
    if result.is_equal:  # weights, scores and report
        return "They agree bit for bit."
    if result.expected == "bit":
        return "They differ, but should agree bit for bit: both are deterministic, in the same environment."
    if result.interval is None:
        rule = "the run has no interval, and the main metrics are"
        return f"They agree: {rule} equal." if result.agrees else f"They differ: {rule} not equal."
    if result.agrees:
        return "They agree: the new main metric lies in the 95% interval. Equal bits cannot be expected here."
    return "They differ: the new main metric lies outside of the 95% interval."


def _format_value(value: Any) -> str:
    return "-" if value is None else make_printable(str(value))
