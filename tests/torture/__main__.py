"""Kill commands at random moments, fill the disk, and read runs while they are trained.

    python -m tests.torture --kills 200 --seed 0
    python -m tests.torture --seed 0 --only kill:17     # repeat one case; its files stay in --work

After each kill, every complete run must be readable and able to predict. Every cached feature must equal that of an
uninterrupted computation. The command must continue with at most one lost epoch, and its results must equal the
uninterrupted ones, with weights equal bit for bit. The last line is JSON. The exit code is 1 if there are faults.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.torture.activities import Material, make_activities
from tests.torture.crowds import Crowd
from tests.torture.disks import Disks, mounted
from tests.torture.kills import Result, Uncut, draw_moments, try_case
from tests.torture.processes import Command, wait_for_survivors


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """Define the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200, help="number of kills (%(default)s)")
    parser.add_argument("--disks", type=int, default=20, help="number of full disks (%(default)s)")
    parser.add_argument("--readers", type=int, default=20, help="number of parallel readers of runs (%(default)s)")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that a reader waits between two reads (0)")
    parser.add_argument("--seed", type=int, default=0, help="random seed for the moments (%(default)s)")
    parser.add_argument(
        "--only", metavar="KIND:NUMBER", help="only this case, with the name that a fault gives; or several: kill:9,19"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="folder to work in (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the counts to FILE")
    parser.add_argument("--unmounted", action="store_true", help="do not mount a small disk, but make writes fail")
    parser.add_argument(
        "--plain",
        action="store_true",
        help="start processes without a fork server: 4 s slower each, but works on any system",
    )
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    asked = parse(words)
    with tempfile.TemporaryDirectory(prefix="torture-") as temporary:
        work = (asked.work or Path(temporary)).absolute()
        work.mkdir(parents=True, exist_ok=True)
        begun = time.perf_counter()
        found = run(asked, Path(tempfile.mkdtemp(dir=work, prefix="round-")))
    found |= {"seed": asked.seed, "seconds": round(time.perf_counter() - begun, 1)}
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2) + "\n")
    print_table(found["kills"])
    print_table(found["disks"])
    print(json.dumps(found))
    return 1 if found["faults"] else 0


def set_environment(root: Path) -> None:
    """Give all processes a new home folder, without the user's logins and settings."""
    for name in [name for name in os.environ if name.startswith(("KAGGLE_", "MUSICML_"))]:
        del os.environ[name]
    for name, place in {"HOME": "home", "XDG_CONFIG_HOME": "home/.config", "XDG_DATA_HOME": "home/.local"}.items():
        (root / place).mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(root / place)
    os.environ |= {"KERAS_BACKEND": "tensorflow", "MUSICML_RENDERER": "numpy", "CUDA_VISIBLE_DEVICES": ""}
    # of a killed process, whose semaphores it then removes
    os.environ["PYTHONWARNINGS"] = "ignore::UserWarning:multiprocessing.resource_tracker"


def run(asked: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Run the cases in the new folder `root`. Return the counts."""
    set_environment(root)
    forked = not asked.plain and sys.platform == "linux"
    Command(["--version"], root / "log", forked, {}).finish()  # starts the fork server and its imports
    uncut = {activity.name: Uncut(activity, root, forked) for activity in make_activities(Material(root))}
    kind, _, numbers = (asked.only or "").partition(":")
    chosen = [int(number) for number in numbers.split(",") if number]
    kills = chosen if kind == "kill" else [] if kind else range(asked.kills)
    disks = chosen if kind == "disk" else [] if kind else range(asked.disks)
    results = [tell("kill", one, asked.seed) for one in kill_all(kills, asked.seed, uncut, root)]
    full, used = [], "none"
    if disks:
        uncut["network"].run_once()
        with mounted(root / "disk", not asked.unmounted) as is_real:
            used = "a small one" if is_real else "errors in its place"
            small = Disks(uncut["network"], root / "disk", is_real)
            small.measure()
            full = [tell("disk", small.try_case(one, asked.seed, root), asked.seed) for one in disks]
    crowd = Crowd(uncut["network"], root / "crowd", asked.pause)
    read = crowd.run(asked.readers) if asked.readers and not kind else {}
    faults = [describe("kill", result, words, asked.seed) for result in results for words in result.faults]
    faults += [describe("disk", result, words, asked.seed) for result in full for words in result.faults]
    faults += crowd.faults + wait_for_survivors()
    return {"kills": count(results), "disks": count(full), "disk": used, "crowd": read, "faults": faults}


def kill_all(numbers: Sequence[int], seed: int, uncut: dict[str, Uncut], root: Path) -> Iterator[Result]:
    """Run the cases of kills, one activity after another."""
    for number in numbers:
        name = list(uncut)[number % len(uncut)]
        for needed in ("network", name) if name == "evaluation" else (name,):
            uncut[needed].run_once()
        yield try_case(number, draw_moments(number, seed), uncut[name], root)


def tell(kind: str, result: Result, seed: int) -> Result:
    """Print the outcome of a case, and its faults."""
    told = f"{kind}:{result.number} {result.activity}, at {format_moments(result)}"
    print(
        f"{told}{', too late' if result.late == len(result.moments) else ''}{result.said and f': {result.said}'}",
        flush=True,
    )
    for words in result.faults:
        print(f"FAULT {describe(kind, result, words, seed)}", flush=True)
    return result


def format_moments(result: Result) -> str:
    """Format the seconds at which processes were killed, or the share of space or time before the disk was full."""
    return ", ".join(f"{moment:.3f}" for moment in result.moments)


def describe(kind: str, result: Result, words: str, seed: int) -> str:
    """Describe a fault with the options that repeat it."""
    case = f"--seed {seed} --only {kind}:{result.number}"
    return f"{case}  {result.activity}, at {format_moments(result)}: {words}"


def count(results: Sequence[Result]) -> dict[str, dict[str, int]]:
    """Count, for each activity and in total, cases, kills that came too late, lost epochs and faults of each kind."""
    names = [*dict.fromkeys(result.activity for result in results), *(["all"] if results else [])]
    kinds = sorted({kind for result in results for kind in result.counts})
    table = {}
    for name in names:
        some = [result for result in results if name in (result.activity, "all")]
        table[name] = {
            "cases": len(some),
            "met": sum(len(result.moments) - result.late for result in some),
            "too late": sum(result.late for result in some),
            "epochs lost": max(result.lost for result in some),
            **{kind: sum(result.counts.get(kind, 0) for result in some) for kind in kinds},
        }
    return table


def print_table(table: dict[str, dict[str, int]]) -> None:
    """Print the counts, one line per activity."""
    for name, counts in table.items():
        if name == next(iter(table)):
            print(f"{'':<12}" + "  ".join(counts))
        print(f"{name:<12}" + "  ".join(f"{number:>{len(kind)}}" for kind, number in counts.items()))


if __name__ == "__main__":
    sys.exit(main())
