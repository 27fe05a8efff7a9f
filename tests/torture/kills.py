"""One case: a command is killed at a random moment, what it left is looked at, and it goes on to its end."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.torture.activities import EPOCHS, Activity
from tests.torture.processes import Command, find_survivors

GOLDEN = (5**0.5 - 1) / 2  # steps of it fall evenly on a circle, however many they are
AGAIN = 4  # one case of so many is killed once more when it goes on
EPOCH = re.compile(r"^(?:.*: )?epoch (\d+)/", re.MULTILINE)


@dataclass
class Result:
    """What came of one case.

    Attributes
    ----------
    number : the case's, which gives the same moments with the same seed
    moments : seconds after its begin at which each process was killed
    late : how many processes had ended by then
    said : the sentence of a command that had no room
    lost : the most epochs that were done and had to be done again
    counts : unreadable runs, wrong entries of the store, commands that did not finish, results that differ
    faults : each of them in words
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
    """An activity that nothing disturbed: where it lies and how long it took, first measured when it is asked for."""

    def __init__(self, activity: Activity, root: Path, forked: bool):
        self.activity, self.place, self.forked = activity, root / "uncut" / activity.name, forked
        self.seconds = 0.0

    def run_once(self) -> None:
        """Run it, unless it has been."""
        if self.seconds:
            return
        self.activity.prepare(self.place)
        command = Command(self.activity.words(self.place), self.place / "log", self.forked, self.activity.changes)
        code, self.seconds = command.finish()
        if code != 0:
            raise RuntimeError(f"{self.activity.name} must finish where nothing disturbs it:\n{command.err[-3000:]}")


def draw_moments(number: int, seed: int) -> list[float]:
    """When processes of a case are killed, each as a share of what an uncut one takes."""
    rng = np.random.default_rng([seed, number])
    first = (np.random.default_rng(seed).random() + number * GOLDEN) % 1
    return [float(first)] + ([float(rng.random())] if number % AGAIN == AGAIN - 1 else [])


def try_case(number: int, moments: Sequence[float], uncut: Uncut, root: Path) -> Result:
    """Kill, look, go on, and compare what came out with the uncut one; a case without faults leaves no files."""
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
    """Look at what a process left; returns the epoch that the next has to begin with, None where it may not train."""
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
    """Whether a command that went on began with another epoch than the one after what was kept."""
    told = [int(number) for number in EPOCH.findall(command.err)]
    if wanted is None or not told or told[0] == wanted:
        return []
    return [f"went on with epoch {told[0]} in place of {wanted}"]


def describe_failure(code: int | None, seconds: float, command: Command) -> str:
    """What a command that should have finished said."""
    ended = f"hung for {seconds:.0f} s" if code is None else f"ended with {code}"
    return f"{ended}: {command.err.strip()[-600:]}"
