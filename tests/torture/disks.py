"""Fill the disk during a training. It must end with a message and a valid checkpoint, and resume later."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.torture.activities import Activity
from tests.torture.kills import GOLDEN, Result, Uncut, describe_failure
from tests.torture.processes import Command

SIZE = 64 * 2**20  # bytes of the small disk
BLOCK = 2**16
SENTENCE = "musicml: "


@contextlib.contextmanager
def mounted(place: Path, wanted: bool = True) -> Iterator[bool]:
    """Mount a small disk at `place`. Yield whether it was wanted and possible, which needs root on Linux."""
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    able = wanted and sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None
    able = able and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield able
    finally:
        if able:
            subprocess.run(["umount", "-l", str(place)], check=True)


def measure_free(place: Path) -> int:
    """Return the free bytes of a disk."""
    return shutil.disk_usage(place).free


def fill(disk: Path, left: int = 0) -> None:
    """Fill a disk up to the given number of free bytes."""
    with contextlib.suppress(OSError), open(disk / "ballast", "ab", buffering=0) as ballast:
        while (more := measure_free(disk) - left) > 0:
            ballast.write(bytes(min(more, BLOCK)))


class Disks:
    """Trainings on a disk that fills up, a real one if possible, else with writes that fail.

    In half of the cases, the disk is too small from the start. In the others, it is filled at some moment.
    """

    def __init__(self, uncut: Uncut, disk: Path, is_real: bool):
        self.uncut, self.disk, self.is_real = uncut, disk, is_real
        self.used = 0  # bytes, at the most
        self.synced = 0  # files

    @property
    def activity(self) -> Activity:
        """What is done on the disk."""
        return self.uncut.activity

    def measure(self) -> None:
        """Measure the disk space of an uninterrupted training, or the number of files that it writes."""
        place, ended, seen = self.disk / "measured", threading.Event(), self.disk / "seen"
        most = measure_free(self.disk) if self.is_real else 0

        def watch() -> None:
            while not ended.wait(0.002):
                self.used = max(self.used, most - measure_free(self.disk))

        watcher = threading.Thread(target=watch)
        if self.is_real:
            watcher.start()
        counted = {} if self.is_real else {"fill_disk": {"number": 0, "seen": str(seen)}}
        code, _ = self.begin(place, self.uncut.place / "log-disk", counted).finish()
        ended.set()
        self.synced = int(seen.read_text()) if seen.is_file() else 0
        if code != 0 or not (self.used if self.is_real else self.synced):
            raise RuntimeError("a training must finish on a disk with room, and does not.")
        shutil.rmtree(place)

    def begin(self, place: Path, log: Path, changes: dict) -> Command:
        """Start or continue a command, with its output on another disk."""
        return Command(self.activity.words(place), log, self.uncut.forked, self.activity.changes | changes)

    def try_case(self, number: int, seed: int, root: Path) -> Result:
        """Fill the disk once, check the files, free space, and continue the training."""
        place, logs = self.disk / f"case-{number}", root / f"disk-{number}"
        result = Result(number, "a full disk")
        share = (np.random.default_rng([seed, 1]).random() + number * GOLDEN) % 1
        seen = logs / "seen"
        logs.mkdir(parents=True)
        changes: dict = {}
        if not self.is_real:
            changes = {"fill_disk": {"number": 1 + int(share * self.synced), "seen": str(seen)}}
        elif number % 2 == 0:
            fill(self.disk, int(share * self.used))
        command = self.begin(place, logs / "log-0", changes)
        if self.is_real and number % 2:
            time.sleep(share * self.uncut.seconds)
            fill(self.disk)
        code, seconds = command.finish()
        result.moments.append(round(float(share), 3))
        result.late += code == 0
        if code != 0:
            result.said = command.err.strip().rpartition("\n")[2].replace(str(self.disk), "DISK")
            result.add("no sentence", find_wrong_words(code, seconds, command))
        for kind, faults in self.activity.find_faults(place, self.uncut.place).items():
            result.add(kind, faults)
        result.add("lost", [f"{one.lost} epochs" for one in self.activity.measure(place) if one.lost > 1])
        (self.disk / "ballast").unlink(missing_ok=True)
        if self.activity.words(place):
            command = self.begin(place, logs / "log-1", {})
            code, seconds = command.finish()
            result.add("unfinished", [describe_failure(code, seconds, command)] if code != 0 else [])
        if not result.faults:
            result.add("different", self.activity.find_differences(place, self.uncut.place))
            result.add("left behind", self.activity.find_leftovers(place))
        if not result.faults:
            shutil.rmtree(place)
            shutil.rmtree(logs)
        else:
            shutil.copytree(place, logs / "place", ignore_dangling_symlinks=True) if place.is_dir() else None
            shutil.rmtree(place, ignore_errors=True)
        return result


def find_wrong_words(code: int | None, seconds: float, command: Command) -> list[str]:
    """Find faults in the output of a command without disk space: it must end with a message and no traceback."""
    lines = command.err.strip().splitlines()
    said = [line for line in lines if line.startswith(SENTENCE)]
    if code == 2 and len(said) == 1 and lines[-1] == said[0] and "Traceback" not in command.err:
        return [] if "full" in said[0] else [f"it is not said that the disk is full: {said[0]}"]
    return [describe_failure(code, seconds, command)]
