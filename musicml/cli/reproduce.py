"""`musicml reproduce`: train a run again, and say whether the results agree.

Train a run again from its folder, with its experiment, changes, seed and data, as a new run, and compare the two. Two
deterministic runs in one environment have to agree to the bit; else the new main figure has to lie in the 95 % interval
of the old one. The exit code is 0 where they agree, and 1 where they do not.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import make_printable

if TYPE_CHECKING:
    from musicml.evaluation import Reproduction

MAX_SHOWN = 30  # differences; --json has all of them


def add_command(commands: Any) -> None:
    """Add `musicml reproduce` to the command line."""
    parser = options.add_documented_parser(commands, reproduce, __doc__, "musicml reproduce genre_gru")
    options.add_run_argument(parser)
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where the run's own folder is now, if it was moved")
    parser.add_argument("--deterministic", action="store_true", help="train deterministically even if the run was not")
    parser.add_argument("--resume", metavar="NEW", help="go on with a reproduction of RUN that was stopped")
    parser.set_defaults(data_root=None)  # where the run found its data, unless --data-root names another


def reproduce(args: argparse.Namespace) -> int:
    """Train a run again and print whether the results agree; return 1 where they do not."""
    from musicml.evaluation import reproduce_run
    from musicml.experiment import open_run

    run, begun = open_run(args.run, args.runs), open_run(args.resume, args.runs) if args.resume else None
    try:
        found = reproduce_run(run, args.runs, args.folder, args.data_root, args.deterministic, begun)
    except KeyboardInterrupt as error:
        hint = str(error).replace("`musicml train --resume ", f"`musicml reproduce {run.path} --resume ")
        raise KeyboardInterrupt(hint) from None
    if args.json:
        output.print_json(found.to_dict())
    else:
        print_reproduction(found)
    return 0 if found.agrees else 1


def print_reproduction(found: Reproduction) -> None:
    """Print both main figures, what is equal, what differs around them, and the verdict."""
    print(f"{found.run}: trained again as {found.new}")
    figures = [
        (found.metric.replace("_", " "), output.format_figure(found.before), output.format_figure(found.after)),
        ("95 % interval", output.format_interval(found.interval), ""),
    ]
    output.print_table([("", "then", "now"), *figures])
    share = f" ({found.n_equal_labels / found.n_labels:.1%})" if found.n_labels else ""
    others = f"; {found.n_other_examples} examples were tested in one of them only" if found.n_other_examples else ""
    print(f"equal predicted labels: {found.n_equal_labels} of {found.n_labels}{share}{others}")
    parts = {"weights": found.weights, "scores": found.scores, "report": found.report}
    words = (f"{name} equal" if is_same else f"{name} differ" for name, is_same in parts.items())
    print(f"to the bit: {', '.join(words)}")
    if found.differences:
        shown = [(make_printable(one.name), _say(one.before), _say(one.after)) for one in found.differences]
        output.print_table([("what differs around them", "then", "now"), *shown[:MAX_SHOWN]])
        if len(shown) > MAX_SHOWN:
            print(f"and {len(shown) - MAX_SHOWN} more: --json names them")
    else:
        print("nothing that run.json holds differs around them: versions, machine, backend, settings, data")
    print(describe_verdict(found))


def describe_verdict(found: Reproduction) -> str:
    """Return whether two runs agree, and by which rule, as a sentence."""
    if found.is_equal:
        return "They agree to the bit."
    if found.expected == "bit":
        return "They differ, and should agree to the bit: both are deterministic, in the same environment."
    if found.interval is None:
        rule = "the run has no interval, and the main figures are"
        return f"They agree: {rule} equal." if found.agrees else f"They differ: {rule} not equal."
    if found.agrees:
        return "They agree within the interval, which is all that can be expected here."
    return "They differ: the new main figure lies outside of the interval."


def _say(value: Any) -> str:
    return "-" if value is None else make_printable(str(value))
