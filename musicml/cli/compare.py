"""`musicml compare`: tell whether runs really differ.

Compare runs on the same test examples: an exact test that flips the signs of whole groups (McNemar's where each file
is a group), and a paired bootstrap over groups for several classes at once. It is corrected for the number of pairs
(Holm), and told in plain words. For several seeds of one experiment, print mean and spread. Runs whose test examples
differ are refused.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output

if TYPE_CHECKING:
    from musicml.evaluation import Comparison


def add_command(commands: Any) -> None:
    """Add `musicml compare` to the command line."""
    options.add_members_argument(options.add_documented_parser(commands, compare, __doc__, "musicml compare RUN RUN"))


def compare(args: argparse.Namespace) -> int:
    """Compare runs and print whether they differ."""
    from musicml.evaluation import compare_runs
    from musicml.experiment import open_run

    comparison = compare_runs([open_run(name, args.runs) for name in args.members])
    if args.json:
        output.print_json(comparison.to_dict())
    else:
        print_comparison(comparison)
    return 0


def print_comparison(comparison: Comparison) -> None:
    """Print the figures, what several seeds gave, and a sentence for each pair."""
    mark = "*" if comparison.sample else ""
    print(f"{comparison.n} test examples in {comparison.n_groups} groups")
    _print_figures(comparison, mark)
    for one in comparison.seeds:
        print(f"{one.experiment}, {len(one.seeds)} seeds: {one.mean:.3f}{mark}, standard deviation {one.deviation:.3f}")
    for pair in comparison.pairs:
        difference = "no difference"
        if pair.difference is not None:
            difference = f"difference {pair.difference:+.3f}, {output.format_interval(pair.interval)}"
        print(textwrap.fill(f"{pair.sentence} ({pair.test}; {difference})", 100))
    if len(comparison.pairs) > 1:
        print(f"p is corrected for {len(comparison.pairs)} pairs (Holm).")
    if len({one["protocol"] for one in comparison.figures}) > 1:
        print("Figures as published are not compared with honest ones.")
    for note in comparison.notes:
        print(textwrap.fill(note, 100))
    if comparison.sample:
        print(output.SAMPLE_NOTE)


def _print_figures(comparison: Comparison, mark: str) -> None:
    """Print each run's figure, and what it changes of its experiment."""
    from musicml.evaluation import describe_few_groups

    lines = [("run", "protocol", comparison.metric.replace("_", " "), "95 % interval")]
    for one in comparison.figures:
        value = output.format_figure(one["value"]) + (mark if one["value"] is not None else "")
        lines.append((one["run"], one["protocol"], value, output.format_interval(one["interval"])))
    output.print_table(lines)
    for one in comparison.figures:
        if one["changes"]:
            changes = (f"{key}={json.dumps(value)}" for key, value in one["changes"].items())  # as --set takes them
            print(f"{one['run']} is {one['experiment']} with {', '.join(changes)}")
    few = (describe_few_groups(comparison.n_groups, one["interval_method"]) for one in comparison.figures)
    for sentence in dict.fromkeys(filter(None, few)):
        print(textwrap.fill(sentence, 100))
