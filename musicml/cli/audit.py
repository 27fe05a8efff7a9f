"""`musicml audit`: find what is wrong with a data set.

Read every file of a data set once and tell what is wrong with the files, the labels, the groups and the sides, which
files are the same or nearly, and what each of that does to a figure. What files show is kept, so that the next audit
reads only what is new. The exit code is 0 whatever is found.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import InputError, make_printable

if TYPE_CHECKING:
    from musicml.data.audit import Audit, DuplicatePair

MAX_PAIRS = 20
SAMPLE_NOTE = (
    "This is generated sample data: it shows how an audit works, and says nothing about real music or pictures."
)


def add_command(commands: Any) -> None:
    """Add `musicml audit` to the command line."""
    example = "musicml audit --folder my_recordings --html audit.html"
    parser = options.add_documented_parser(commands, audit, __doc__, example)
    parser.add_argument("dataset", nargs="?", metavar="DATASET", help="such as gtzan")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="audit this folder of class folders")
    parser.add_argument("--as-published", action="store_true", help="take the data set with its faults")
    options.add_data_option(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page to show as well, with the pairs on it")


def audit(args: argparse.Namespace) -> int:
    """Look for what is wrong with a data set and print it; return 0 whatever is found."""
    from musicml.data.audit import audit_and_save, check_html_path, get_audit_path, write_audit_html
    from musicml.data.datasets import load_dataset

    if (args.dataset is None) == (args.folder is None):
        raise InputError("audit needs either a data set or --folder DIR: `musicml audit --help` shows how.")
    if args.html is not None:
        check_html_path(args.html)  # before minutes of work
    dataset = load_dataset(args.dataset, args.data_root, args.data, args.folder, args.as_published)
    result = audit_and_save(dataset, args.data_root)
    if args.html is not None:
        write_audit_html(result, dataset, args.html)
    path = get_audit_path(args.data_root, dataset)
    if args.json:
        output.print_json({**result.to_dict(), "file": str(path)})
    else:
        print_audit(result)
        print(f"kept in {args.html or path}")
    return 0


def print_audit(audit: Audit) -> None:
    """Print the findings as a table, what they do to a figure, and the first pairs that are alike."""
    published = ", as published" if audit.as_published else ""
    print(f"{make_printable(audit.dataset)}{published}: {audit.n} examples in {len(audit.classes)} classes")
    output.print_table([(one.weight, _format_kind(one.kind), _join_lines(one.words)) for one in audit.findings])
    effects = [(_format_kind(one.kind), _join_lines(one.effect)) for one in audit.findings if one.effect]
    if effects:
        print("\nwhat that does to a figure")
        output.print_table(effects)
    if audit.pairs:
        print("\nalike")
        output.print_table([_format_pair(pair) for pair in audit.pairs[:MAX_PAIRS]])
    if (rest := len(audit.pairs) - MAX_PAIRS) > 0:
        print(f"and {rest} more pairs: --html shows the first of them, --json names them all")
    if audit.sample:
        print(SAMPLE_NOTE)


def _format_kind(kind: str) -> str:
    return kind.replace("_", " ")


def _join_lines(words: str) -> str:
    """Return a finding's words on one line, since a file's name in them can hold anything."""
    return "".join(character if character.isprintable() else "?" for character in words)


def _format_pair(pair: DuplicatePair) -> tuple[str, ...]:
    across = [name for name, so in (("splits", pair.across_splits), ("labels", pair.across_labels)) if so]
    words = f"across {' and '.join(across)}" if across else ""
    return make_printable(pair.first), make_printable(pair.second), words, _join_lines(pair.how)
