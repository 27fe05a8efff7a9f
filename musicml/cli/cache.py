"""`musicml cache`: show or clear the cache of computed features.

Features, and the outputs of frozen backbones, are computed once and cached in the data folder. Show the size of the
cache, or delete it. Runs do not need it, and features are computed again when a training needs them.
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

# These folders stand next to the cache. --clear leaves them alone, since nothing creates them again by itself.
OTHER_FOLDERS = {".audit": "saved by `musicml audit`", ".archives": "archives of `musicml fetch`"}


def add_command(commands: Any) -> None:
    """Add `musicml cache` to the command line."""
    parser = options.add_documented_parser(commands, show_or_clear, __doc__, "musicml cache --clear")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--size", action="store_true", help="show the size of the cache (the default)")
    action.add_argument("--clear", action="store_true", help="delete the cache")


def show_or_clear(args: argparse.Namespace) -> int:
    """Print the contents of the cache, or delete it and print how much space that freed."""
    from musicml.data import CACHE_FOLDER
    from musicml.features import clear_cache, list_cache_entries, measure_size

    root = args.data_root / CACHE_FOLDER
    if args.clear:
        freed = clear_cache(root)
        if args.json:
            output.print_json({"folder": str(root), "freed": freed})
        else:
            print(f"freed {_format_megabytes(freed)} in {root}; features are computed again when they are needed")
        return 0
    entries = list_cache_entries(root)
    others = {name: measure_size(args.data_root / name) for name in OTHER_FOLDERS if (args.data_root / name).is_dir()}
    if args.json:
        rows, size = [vars(entry) for entry in entries], sum(entry.size for entry in entries)
        output.print_json({"folder": str(root), "held": rows, "size": size, "beside": others})
    else:
        _print_entries(entries, others, root)
    return 0


def _print_entries(entries: list[CacheEntry], others: dict[str, int], root: Path) -> None:
    """Print the cache entries as a table, then the sizes of the folders next to the cache."""
    if not entries:
        print(f"the cache {root} is empty: the first training fills it")
    else:
        total = ("total", "", "", _format_megabytes(sum(entry.size for entry in entries)))
        lines = [
            (entry.kind, make_printable(entry.words), str(entry.n or ""), _format_megabytes(entry.size))
            for entry in group_entries(entries)
        ]
        output.print_table([("kind", "content", "files", "size"), *lines, total])
        print(f"in {root}; `musicml cache --clear` deletes it")
    for name, size in others.items():
        purpose = f"{OTHER_FOLDERS[name]}, which --clear does not delete"
        print(f"also {_format_megabytes(size)} in {root.parent / name}: {purpose}")


def group_entries(entries: Iterable[CacheEntry]) -> list[CacheEntry]:
    """Sum the entries with the same kind and description, so that the table has one row for each."""
    groups: dict[tuple[str, str], CacheEntry] = {}
    for entry in entries:
        group = groups.get((entry.kind, entry.words))
        groups[entry.kind, entry.words] = entry if group is None else entry.merge(group)
    return list(groups.values())


def _format_megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"  # powers of ten, as disks are sold
