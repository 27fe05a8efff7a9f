"""`musicml cache`: show or clear what was computed once.

Features, and what frozen backbones make of them, are computed once and kept below the data. Show how much is there, or
remove it all: runs stay whole, and what is needed again is computed again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicml.cli import options, output
from musicml.utils import make_printable

if TYPE_CHECKING:
    from musicml.features import CacheEntry

# folders next to the cache and no part of it: what they hold is not computed again without a command
OTHER_FOLDERS = {".audit": "audits kept by `musicml audit`", ".archives": "archives of `musicml fetch`"}


def add_command(commands: Any) -> None:
    """Add `musicml cache` to the command line."""
    parser = options.add_documented_parser(commands, show_or_clear, __doc__, "musicml cache --clear")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--size", action="store_true", help="show it (the default)")
    action.add_argument("--clear", action="store_true", help="remove it")


def show_or_clear(args: argparse.Namespace) -> int:
    """Print what the cache holds, or remove it and print how much that freed."""
    from musicml.data import CACHE_FOLDER
    from musicml.features import clear_cache, list_cache_entries, measure_size

    root = args.data_root / CACHE_FOLDER
    if args.clear:
        freed = clear_cache(root)
        if args.json:
            output.print_json({"folder": str(root), "freed": freed})
        else:
            megabytes = _format_megabytes(freed)
            print(f"{megabytes} freed in {root}; runs are whole without it, and what is needed is made again")
        return 0
    entries = list_cache_entries(root)
    others = {name: measure_size(args.data_root / name) for name in OTHER_FOLDERS if (args.data_root / name).is_dir()}
    if args.json:
        table, size = [vars(entry) for entry in entries], sum(entry.size for entry in entries)
        output.print_json({"folder": str(root), "held": table, "size": size, "beside": others})
    else:
        _print_entries(entries, others, root)
    return 0


def _print_entries(entries: list[CacheEntry], others: dict[str, int], root: Path) -> None:
    """Print the cache as a table, and the sizes of the folders next to it."""
    if not entries:
        print(f"nothing in {root}: the first training puts features there")
    else:
        total = ("total", "", "", _format_megabytes(sum(entry.size for entry in entries)))
        lines = [
            (entry.kind, make_printable(entry.words), str(entry.n or ""), _format_megabytes(entry.size))
            for entry in group_entries(entries)
        ]
        output.print_table([("kind", "what", "files", "size"), *lines, total])
        print(f"in {root}; `musicml cache --clear` removes it")
    for name, size in others.items():
        words = f"{OTHER_FOLDERS[name]}, which --clear leaves alone"
        print(f"beside it {_format_megabytes(size)} in {root.parent / name}: {words}")


def group_entries(entries: Iterable[CacheEntry]) -> list[CacheEntry]:
    """Add up entries of the same kind and words: a dozen comparisons tell a reader no more than their sum."""
    groups: dict[tuple[str, str], CacheEntry] = {}
    for entry in entries:
        before = groups.get((entry.kind, entry.words))
        groups[entry.kind, entry.words] = entry if before is None else entry.merge(before)
    return list(groups.values())


def _format_megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
