"""Kill commands at random moments, fill their disk, and read a folder of runs while others write it.

    python -m tests.torture --kills 200 --seed 0
    python -m tests.torture --seed 0 --only kill:17     # one of them again; what it leaves stays in --work

After each kill: every whole run can be read and asked; every entry of the store of features is that of an uncut
computation to the byte; the command goes on, with at most one epoch lost; and what comes out equals the uncut one's,
weights to the bit. The last line is JSON; the exit code is 1 where there are faults.
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
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200, help="cases of a kill (%(default)s)")
    parser.add_argument("--disks", type=int, default=20, help="cases of a full disk (%(default)s)")
    parser.add_argument("--readers", type=int, default=20, help="readers of a folder of runs (%(default)s)")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds that a reader rests between two looks (none)")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives other moments (%(default)s)")
    parser.add_argument(
        "--only", metavar="KIND:NUMBER", help="one case, as a fault names it; or several, as in kill:9,19"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="a folder to work in (default: a temporary one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts there too")
    parser.add_argument("--unmounted", action="store_true", help="mount no small disk, but have writing fail")
    parser.add_argument("--plain", action="store_true", help="start each process anew: 4 s slower, on any system")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
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
    """A home of its own for all processes, with no login and no settings of the user's."""
    for name in [name for name in os.environ if name.startswith(("KAGGLE_", "MUSICML_"))]:
        del os.environ[name]
    for name, place in {"HOME": "home", "XDG_CONFIG_HOME": "home/.config", "XDG_DATA_HOME": "home/.local"}.items():
        (root / place).mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(root / place)
    os.environ |= {"KERAS_BACKEND": "tensorflow", "MUSICML_RENDERER": "numpy", "CUDA_VISIBLE_DEVICES": ""}
    # of a killed process, whose semaphores it then removes
    os.environ["PYTHONWARNINGS"] = "ignore::UserWarning:multiprocessing.resource_tracker"


def run(asked: argparse.Namespace, root: Path) -> dict[str, Any]:
    """Do what is asked for in the new folder `root`; returns the counts."""
    set_environment(root)
    forked = not asked.plain and sys.platform == "linux"
    Command(["--version"], root / "log", forked, {}).finish()  # what they are forked off from has its imports now
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
    """Cases of kills, one activity after another."""
    for number in numbers:
        name = list(uncut)[number % len(uncut)]
        for needed in ("network", name) if name == "evaluation" else (name,):
            uncut[needed].run_once()
        yield try_case(number, draw_moments(number, seed), uncut[name], root)


def tell(kind: str, result: Result, seed: int) -> Result:
    """Print a line on what came of a case, and a line a fault."""
    told = f"{kind}:{result.number} {result.activity}, at {format_moments(result)}"
    print(
        f"{told}{', too late' if result.late == len(result.moments) else ''}{result.said and f': {result.said}'}",
        flush=True,
    )
    for words in result.faults:
        print(f"FAULT {describe(kind, result, words, seed)}", flush=True)
    return result


def format_moments(result: Result) -> str:
    """When a case's processes were killed, in seconds; of a full disk which share of its room or time it had."""
    return ", ".join(f"{moment:.3f}" for moment in result.moments)


def describe(kind: str, result: Result, words: str, seed: int) -> str:
    """A fault with all that repeats it."""
    case = f"--seed {seed} --only {kind}:{result.number}"
    return f"{case}  {result.activity}, at {format_moments(result)}: {words}"


def count(results: Sequence[Result]) -> dict[str, dict[str, int]]:
    """Activity → how many cases, of them too late, the most epochs lost, and faults of each kind; and all together."""
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
    """Print counts, an activity a line."""
    for name, counts in table.items():
        if name == next(iter(table)):
            print(f"{'':<12}" + "  ".join(counts))
        print(f"{name:<12}" + "  ".join(f"{number:>{len(kind)}}" for kind, number in counts.items()))


if __name__ == "__main__":
    sys.exit(main())
