"""`musicml audit`: find problems in a dataset.

Read every file of a dataset once. Report problems with files, labels, groups and splits, list duplicates and
near-duplicates, and explain how each problem affects the measured results. The audit is saved, so the next one reads
only new files. The exit code is 0 whatever the audit finds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import InputError, make_printable

if TYPE_CHECKING:
    from musicml.data.audit import Audit, DuplicatePair

MAX_PAIRS = 20  # lines in the terminal; the HTML report and --json show more
SAMPLE_NOTE = "This is synthetic sample data. It shows how an audit works, not how good the real dataset is."


def add_command(commands: Any) -> None:
    """Add `musicml audit` to the command line."""
    example = "musicml audit --folder my_recordings --html audit.html"
    parser = options.add_documented_parser(commands, audit, __doc__, example)
    parser.add_argument("dataset", nargs="?", metavar="DATASET", help="name of a dataset, such as gtzan")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="audit this folder, which has one folder per class")
    parser.add_argument("--as-published", action="store_true", help="audit the dataset without musicml's corrections")
    options.add_data_option(parser)
    options.add_cluster_option(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write an HTML report that shows the duplicates")


def audit(args: argparse.Namespace) -> int:
    """Audit a dataset and print the findings. The exit code is always 0."""
    from musicml.data.audit import audit_and_save, check_html_path, get_audit_path, write_audit_html
    from musicml.data.datasets import load_dataset  # inside the function, so that --help starts fast

    if (args.dataset is None) == (args.folder is None):  # exactly one of them
        raise InputError("Expected either a dataset or --folder DIR. See `musicml audit --help`.")
    if args.html is not None:
        check_html_path(args.html)  # fail now rather than after minutes of work
    dataset = load_dataset(args.dataset, args.data_root, args.data, args.folder, args.as_published)
    result = audit_and_save(dataset, args.data_root)
    if args.html is not None:
        write_audit_html(result, dataset, args.html)
    path = get_audit_path(args.data_root, dataset)
    if args.json:
        output.print_json({**result.to_dict(), "file": str(path)})
    else:
        print_audit(result)
        print(f"saved in {args.html or path}")
    return 0


def print_audit(audit: Audit) -> None:
    """Print the findings, their effect on the results, and the first `MAX_PAIRS` pairs of duplicates."""
    published = ", as published" if audit.as_published else ""
    print(f"{make_printable(audit.dataset)}{published}: {audit.n} examples in {len(audit.classes)} classes")
    findings = audit.findings
    output.print_table([(item.severity, _format_kind(item.kind), _join_lines(item.words)) for item in findings])
    effects = [(_format_kind(item.kind), _join_lines(item.effect)) for item in findings if item.effect]
    if effects:
        print("\neffect on the results")
        output.print_table(effects)
    if audit.pairs:
        print("\nduplicates and near-duplicates")
        output.print_table([_format_pair(pair) for pair in audit.pairs[:MAX_PAIRS]])
    if (n_hidden := len(audit.pairs) - MAX_PAIRS) > 0:
        print(f"and {n_hidden} more pairs: use --html to see more of them, or --json to list them all")
    if audit.sample:
        print(SAMPLE_NOTE)


def _format_kind(kind: str) -> str:
    return kind.replace("_", " ")  # kinds are identifiers, such as `look_alikes`


def _join_lines(words: str) -> str:
    """Return a finding's text on one line. File names in it may contain any character, even a line break."""
    return "".join(character if character.isprintable() else "?" for character in words)


def _format_pair(pair: DuplicatePair) -> tuple[str, ...]:
    crossed = [
        name for name, is_crossed in (("splits", pair.across_splits), ("labels", pair.across_labels)) if is_crossed
    ]
    text = f"across {' and '.join(crossed)}" if crossed else ""
    return make_printable(pair.first), make_printable(pair.second), text, _join_lines(pair.how)
