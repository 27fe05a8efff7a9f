"""Run one case: kill a command at a random moment, check its files, and continue it to the end."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.torture.activities import EPOCHS, Activity
from tests.torture.processes import Command, find_survivors

GOLDEN = (5**0.5 - 1) / 2  # multiples of it are spread evenly over a circle
AGAIN = 4  # one case of so many is killed once more when it goes on
EPOCH = re.compile(r"^(?:.*: )?epoch (\d+)/", re.MULTILINE)


@dataclass
class Result:
    """The result of one case.

    Attributes
    ----------
    number : number of the case, which gives the same moments with the same seed
    moments : seconds from the start of each process to its kill
    late : number of processes that had already ended
    said : message of a command without disk space
    lost : largest number of epochs that had to be trained again
    counts : unreadable runs, wrong cached features, commands that did not finish, results that differ
    faults : descriptions of all faults
    """

    number: int
    activity: str
    moments: list[float] = field(default_factory=list)
    late: int = 0
    said: str = ""
    lost: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def add(self, kind: str, faults: Sequence[str]) -> None:
        """Count faults of a kind."""
        self.counts[kind] = self.counts.get(kind, 0) + len(faults)
        self.faults += [f"{kind}: {words}" for words in faults]


class Uncut:
    """An uninterrupted activity, run when it is first needed: its folder and its duration."""

    def __init__(self, activity: Activity, root: Path, forked: bool):
        self.activity, self.place, self.forked = activity, root / "uncut" / activity.name, forked
        self.seconds = 0.0

    def run_once(self) -> None:
        """Run the activity if it has not run yet."""
        if self.seconds:
            return
        self.activity.prepare(self.place)
        command = Command(self.activity.words(self.place), self.place / "log", self.forked, self.activity.changes)
        code, self.seconds = command.finish()
        if code != 0:
            raise RuntimeError(f"{self.activity.name} must finish where nothing disturbs it:\n{command.err[-3000:]}")


def draw_moments(number: int, seed: int) -> list[float]:
    """Return the moments of the kills in a case, as shares of the uninterrupted duration."""
    rng = np.random.default_rng([seed, number])
    first = (np.random.default_rng(seed).random() + number * GOLDEN) % 1
    return [float(first)] + ([float(rng.random())] if number % AGAIN == AGAIN - 1 else [])


def try_case(number: int, moments: Sequence[float], uncut: Uncut, root: Path) -> Result:
    """Kill, check, continue, and compare with the uninterrupted result. Keep files only if there are faults."""
    activity, place = uncut.activity, root / f"case-{number}"
    result = Result(number, activity.name)
    shutil.rmtree(place, ignore_errors=True)
    activity.prepare(place)
    resumes: int | None = None
    for turn, share in enumerate([*moments, None]):
        words = activity.words(place)
        if turn and not words:
            break
        command = Command(words, place / f"log-{turn}", uncut.forked, activity.changes)
        if share is None:
            code, seconds = command.finish()
            result.add("unfinished", [describe_failure(code, seconds, command)] if code != 0 else [])
        else:
            was_killed = command.kill_at(share * uncut.seconds)
            result.moments.append(round(share * uncut.seconds, 3))
            result.late += not was_killed
        result.add("repeated", find_repeated(command, resumes))
        resumes = look(result, activity, place, uncut)
        if result.faults:
            return result
    result.add("different", activity.find_differences(place, uncut.place))
    result.add("left behind", activity.find_leftovers(place))
    result.add("survivors", find_survivors())
    if not result.faults:
        shutil.rmtree(place)
    return result


def look(result: Result, activity: Activity, place: Path, uncut: Uncut) -> int | None:
    """Check the files of a killed process. Return the epoch at which the next starts, or None if it must not train."""
    for kind, faults in activity.find_faults(place, uncut.place).items():
        result.add(kind, faults)
    if result.counts.get("unreadable"):
        return None
    found = activity.measure(place)
    result.lost = max([result.lost, *(progress.lost for progress in found)])
    result.add("lost", [f"{one.rows} epochs were done, and {one.kept} are kept" for one in found if one.lost > 1])
    begun = [one.kept for one in found if 0 < one.kept < EPOCHS]
    return begun[0] + 1 if len(begun) == 1 else None


def find_repeated(command: Command, wanted: int | None) -> list[str]:
    """Find out if a resumed command started at another epoch than the one after its checkpoint."""
    told = [int(number) for number in EPOCH.findall(command.err)]
    if wanted is None or not told or told[0] == wanted:
        return []
    return [f"went on with epoch {told[0]} in place of {wanted}"]


def describe_failure(code: int | None, seconds: float, command: Command) -> str:
    """Return the output of a command that should have finished."""
    ended = f"hung for {seconds:.0f} s" if code is None else f"ended with {code}"
    return f"{ended}: {command.err.strip()[-600:]}"
