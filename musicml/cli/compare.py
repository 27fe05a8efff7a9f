"""What `musicml compare` does and prints."""

from __future__ import annotations

import argparse
import json
import textwrap
from typing import TYPE_CHECKING, Any

from musicml.cli import output
from musicml.experiment import open_run

if TYPE_CHECKING:
    from musicml.evaluation import Comparison, PairedComparison


def compare(asked: argparse.Namespace) -> int:
    """Hold runs against each other and print what can be told."""
    from musicml.evaluation import compare_runs

    found = compare_runs([open_run(name, asked.runs) for name in asked.members])
    if asked.json:
        output.show(found.as_table())
    else:
        show(found)
    return 0


def show(found: Comparison) -> None:
    """The figures, what several seeds gave, and a sentence for each pair."""
    name = found.metric.replace("_", " ")
    mark = "*" if found.sample else ""
    lines = [
        (
            one["run"],
            one["protocol"],
            "-" if one["value"] is None else f"{one['value']:.3f}{mark}",
            output.ends(one["interval"]),
        )
        for one in found.figures
    ]
    print(f"{found.n} test examples in {found.n_groups} groups")
    output.print_table([("run", "protocol", name, "95 % interval"), *lines])
    for one in found.figures:
        if one["changes"]:
            print(f"{one['run']} is {one['experiment']} with {changed(one['changes'])}")
    for one in found.seeds:
        print(f"{one.experiment}, {len(one.seeds)} seeds: {one.mean:.3f}{mark}, standard deviation {one.deviation:.3f}")
    for pair in found.pairs:
        print(textwrap.fill(f"{pair.sentence} ({pair.test}; {apart(pair)})", 100))
    if found.n_groups < found.n and any(pair.only_a is not None for pair in found.pairs):
        print("McNemar's test takes files as independent of each other; the interval of the difference is over groups.")
    if len(found.pairs) > 1:
        print(f"p is corrected for {len(found.pairs)} pairs (Holm).")
    if len({one["protocol"] for one in found.figures}) > 1:
        print("Figures as published are no rivals of honest ones: no test holds one against the other.")
    if found.sample:
        print(output.SAMPLE_NOTE)


def changed(changes: dict[str, Any]) -> str:
    """Changed settings, as `--set` takes them."""
    return ", ".join(f"{key}={json.dumps(value)}" for key, value in changes.items())


def apart(pair: PairedComparison) -> str:
    """How far a pair lies apart, in figures."""
    return (
        "no difference"
        if pair.difference is None
        else f"difference {pair.difference:+.3f}, {output.ends(pair.interval)}"
    )
