"""`musicml compare`: tell whether runs really differ."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output

if TYPE_CHECKING:
    from musicml.evaluation import Comparison, PairedComparison


def add_command(commands: Any) -> None:
    """Add `musicml compare` to the command line."""
    parser = options.add_parser(
        commands,
        "compare",
        lambda args: compare(args.members, args.runs, args.json),
        "tell whether runs really differ",
        (
            "Compare runs on the same test examples: an exact test that flips the signs of whole groups (McNemar's "
            "where each file is a group), and a paired bootstrap over groups for several classes at once. It is "
            "corrected for the number of pairs (Holm), and told in plain words. For several seeds of one experiment, "
            "print mean and spread. Runs whose test examples differ are refused."
        ),
        "musicml compare RUN RUN",
    )
    options.add_members_argument(parser)


def compare(names: list[str], runs_root: Path, as_json: bool) -> int:
    """Compare runs and print whether they differ."""
    from musicml.evaluation import compare_runs
    from musicml.experiment import open_run

    comparison = compare_runs([open_run(name, runs_root) for name in names])
    if as_json:
        output.print_json(comparison.as_table())
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
        print(textwrap.fill(f"{pair.sentence} ({pair.test}; {_format_difference(pair)})", 100))
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

    lines = [
        (
            one["run"],
            one["protocol"],
            "-" if one["value"] is None else f"{one['value']:.3f}{mark}",
            output.format_interval(one["interval"]),
        )
        for one in comparison.figures
    ]
    output.print_table([("run", "protocol", comparison.metric.replace("_", " "), "95 % interval"), *lines])
    for one in comparison.figures:
        if one["changes"]:
            print(f"{one['run']} is {one['experiment']} with {_format_changes(one['changes'])}")
    few = (describe_few_groups(comparison.n_groups, one["interval_method"]) for one in comparison.figures)
    for sentence in dict.fromkeys(filter(None, few)):
        print(textwrap.fill(sentence, 100))


def _format_changes(changes: dict[str, Any]) -> str:
    """Return changed settings as `--set` takes them."""
    return ", ".join(f"{key}={json.dumps(value)}" for key, value in changes.items())


def _format_difference(pair: PairedComparison) -> str:
    if pair.difference is None:
        return "no difference"
    return f"difference {pair.difference:+.3f}, {output.format_interval(pair.interval)}"
