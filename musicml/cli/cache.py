"""What `musicml cache` does and prints."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from musicml.cli import output
from musicml.utils import make_printable

if TYPE_CHECKING:
    from musicml.features import CacheEntry

# beside the store, and not of it: nobody computes these again unasked
STAYS = {".audit": "audits kept by `musicml audit`", ".archives": "archives of `musicml fetch`"}


def cache(asked: argparse.Namespace) -> int:
    """Show what the store holds, or remove it."""
    from musicml.data import CACHE_FOLDER
    from musicml.features import clear_cache, list_cache_entries, measure_size

    root = asked.data_root / CACHE_FOLDER
    if asked.clear:
        freed = clear_cache(root)
        if asked.json:
            output.show({"folder": str(root), "freed": freed})
        else:
            print(f"{megabytes(freed)} freed in {root}; runs are whole without it, and what is needed is made again")
        return 0
    held = list_cache_entries(root)
    beside = {name: measure_size(asked.data_root / name) for name in STAYS if (asked.data_root / name).is_dir()}
    if asked.json:
        table = [vars(one) for one in held]
        output.show({"folder": str(root), "held": table, "size": sum(one.size for one in held), "beside": beside})
    else:
        show(held, beside, root)
    return 0


def show(held: list[CacheEntry], beside: dict[str, int], root: Path) -> None:
    """The store as a table, and what lies beside it."""
    if not held:
        print(f"nothing in {root}: the first training puts features there")
    else:
        output.print_table([("kind", "what", "files", "size"), *map(row, grouped(held)), total(held)])
        print(f"in {root}; `musicml cache --clear` removes it")
    for name, size in beside.items():
        print(f"beside it {megabytes(size)} in {root.parent / name}: {STAYS[name]}, which --clear leaves alone")


def row(one: CacheEntry) -> tuple[str, str, str, str]:
    """One thing as a line of the table."""
    return one.kind, make_printable(one.words), str(one.n or ""), megabytes(one.size)


def total(held: list[CacheEntry]) -> tuple[str, str, str, str]:
    """The last line of the table."""
    return "total", "", "", megabytes(sum(one.size for one in held))


def grouped(held: Iterable[CacheEntry]) -> list[CacheEntry]:
    """Things of the same kind and words as one: a dozen comparisons tell a reader no more than their sum."""
    found: dict[tuple[str, str], CacheEntry] = {}
    for one in held:
        before = found.get((one.kind, one.words))
        found[one.kind, one.words] = one if before is None else one.and_more(before)
    return list(found.values())


def megabytes(size: int) -> str:
    """Bytes as they are read."""
    return f"{size / 1e6:.1f} MB"
