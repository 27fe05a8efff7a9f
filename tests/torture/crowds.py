"""Read runs in many threads while they are trained. No reader may see an exception or an incomplete file."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from musicml.experiment import describe_run, list_complete_runs, list_runs
from musicml.inference import Predictor
from tests.torture import checks
from tests.torture.activities import Training
from tests.torture.kills import Uncut, describe_failure
from tests.torture.processes import Command

TRAININGS = 2
COMMANDS = 4  # one reader of so many is the command `musicml runs`, again and again


class Crowd:
    """Trainings, and readers that read until all trainings end.

    Attributes
    ----------
    counts : number of reads of each kind
    faults : descriptions of failures
    """

    def __init__(self, uncut: Uncut, root: Path, pause: float):
        self.uncut, self.root, self.runs, self.pause = uncut, root, root / "runs", pause
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self.ended = threading.Event()

    def run(self, readers: int) -> dict[str, Any]:
        """Run the readers. Return the counts."""
        activity = self.uncut.activity
        assert isinstance(activity, Training)
        words = [*activity.words(self.root), "--set", "training.epochs=40"]
        trainings = [
            Command([*words, "--seed", seed], self.root / f"log-{seed}", self.uncut.forked, activity.changes)
            for seed in range(TRAININGS)
        ]
        threads = [
            threading.Thread(
                target=self.repeat, args=(self.list_by_command if place % COMMANDS == 0 else self.read, place)
            )
            for place in range(readers)
        ]
        for thread in threads:
            thread.start()
        for training in trainings:
            code, seconds = training.finish()
            self.faults += [describe_failure(code, seconds, training)] if code != 0 else []
        self.ended.set()
        for thread in threads:
            thread.join()
        self.faults += [] if len(list_complete_runs(self.runs)) == TRAININGS else ["not all runs are whole"]
        return {"trainings": TRAININGS, "readers": readers, **self.counts, "faults": len(self.faults)}

    def repeat(self, read: Callable[[int], None], reader: int) -> None:
        """Read repeatedly, and once more after the end."""
        is_last = False
        while not is_last:
            is_last = self.ended.wait(self.pause)
            try:
                read(reader)
            except Exception as error:
                self.faults.append(f"reader {reader}: {type(error).__name__}: {error}")

    def list_by_command(self, reader: int) -> None:
        """List the runs as a user does."""
        # never forked off: multiprocessing loses exit codes where several threads start processes
        command = Command(["runs", "--runs", self.runs, "--json"], self.root / f"reader-{reader}", False, {})
        code, seconds = command.finish()
        if code != 0 or command.err:
            raise ValueError(describe_failure(code, seconds, command))
        rows = json.loads(command.out)["runs"]
        self.counts["lists by the command"] += 1
        assert all(row["status"] in ("started", "trained", "whole") for row in rows), rows

    def read(self, reader: int) -> None:
        """Read all files of runs, and predict with the complete ones."""
        for run in list_runs(self.runs):
            assert describe_run(run)["status"] in ("started", "trained", "whole"), describe_run(run)
            checks.read_files(run.path)
            if run.is_complete:  # asked first: of an unfinished run the table may come between one look and the next
                assert len(run.predictions) == len(run.table("predictions.csv")), run
            self.counts["runs read"] += 1
            if run.is_complete:
                assert run.report.n > 0, run
                answer = Predictor(run).predict(self.uncut.activity.material.question)
                assert answer.label in run.read("labels.json"), answer
                self.counts["answers"] += 1
            else:
                self.counts["unfinished runs read"] += 1
                with contextlib.suppress(FileNotFoundError):  # checkpoints go when a training ends
                    checks.measure_progress(run)
