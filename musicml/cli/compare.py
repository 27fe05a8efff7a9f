"""`musicml compare`: test whether runs differ significantly.

Compare runs that were tested on the same examples. With one class per example, an exact test flips the signs of whole
groups (McNemar's test where each file is its own group). With several classes per example, a paired bootstrap draws
groups. P-values are corrected for the number of pairs (Holm). For several seeds of one experiment, print their mean and
standard deviation. Runs with different test examples cannot be compared.
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
    """Compare runs and print which differences are significant."""
    from musicml.evaluation import compare_runs
    from musicml.experiment import open_run

    comparison = compare_runs([open_run(name, args.runs) for name in args.members])
    if args.json:
        output.print_json(comparison.to_dict())
    else:
        print_comparison(comparison)
    return 0


def print_comparison(comparison: Comparison) -> None:
    """Print the main metric of each run, the mean over seeds, and one sentence per pair."""
    mark = "*" if comparison.sample else ""  # explained by `output.SAMPLE_NOTE` at the end
    print(f"{comparison.n} test examples in {comparison.n_groups} groups")
    _print_metrics(comparison, mark)
    for seeds in comparison.seeds:
        spread = f"standard deviation {seeds.deviation:.3f}"
        print(f"{seeds.experiment}, {len(seeds.seeds)} seeds: mean {seeds.mean:.3f}{mark}, {spread}")
    for pair in comparison.pairs:
        difference = "difference not defined"  # if the metric is not defined for the examples that they share
        if pair.difference is not None:
            difference = f"difference {pair.difference:+.3f}, {output.format_interval(pair.interval)}"
        print(textwrap.fill(f"{pair.sentence} ({pair.test}; {difference})", 100))
    if len(comparison.pairs) > 1:
        print(f"P-values are corrected for {len(comparison.pairs)} pairs (Holm).")
    if len({row["protocol"] for row in comparison.figures}) > 1:
        print("Runs as published are not compared with honest runs.")
    for note in comparison.notes:
        print(textwrap.fill(note, 100))
    if comparison.sample:
        print(output.SAMPLE_NOTE)


def _print_metrics(comparison: Comparison, mark: str) -> None:
    """Print each run's main metric, and the settings in which it differs from its experiment."""
    from musicml.evaluation import describe_few_groups

    lines = [("run", "protocol", comparison.metric.replace("_", " "), "95% interval")]
    for row in comparison.figures:
        value = output.format_metric_value(row["value"]) + (mark if row["value"] is not None else "")
        lines.append((row["run"], row["protocol"], value, output.format_interval(row["interval"])))
    output.print_table(lines)
    for row in comparison.figures:
        if row["changes"]:
            changes = (f"{key}={json.dumps(value)}" for key, value in row["changes"].items())  # as --set takes them
            print(f"{row['run']} is {row['experiment']} with {', '.join(changes)}")
    warnings = (describe_few_groups(comparison.n_groups, row["interval_method"]) for row in comparison.figures)
    for sentence in dict.fromkeys(filter(None, warnings)):  # the same warning once
        print(textwrap.fill(sentence, 100))
