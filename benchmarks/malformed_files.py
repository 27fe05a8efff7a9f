"""What each hostile file costs: seconds, and peak memory above what the process had before it.

    python -m benchmarks.malformed_files RUN    # RUN: the folder of a genre_gru run

Each file of tests/fixtures/malformed_files.py is asked about in a process of its own, which has answered good files
first: sounds through the run's `Predictor`, pictures through `images.load_image`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from musicml.data.io import images
from musicml.experiment.run import Run
from musicml.inference.predictor import Predictor
from musicml.utils.errors import InputError
from tests.fixtures.malformed_files import FILES, by_ffmpeg, encoded, picture, saved, tone
from tests.fuzz import forget_peak, peak_megabytes

ROOT = Path(__file__).parent.parent
LONGEST = 120.0  # seconds until a file is given up


def measure(run: Path, work: Path) -> dict[str, Any]:
    """What every hostile file costs.

    Parameters
    ----------
    run : folder of a run that answers about sounds
    work : folder for the files, empty or not there yet

    Returns
    -------
    dict with `files`: name → {`seconds`, `megabytes_above_base`, `outcome`}; and the names of the `slowest` and the
    `largest` of them
    """
    work.mkdir(parents=True, exist_ok=True)
    good = write_good(work)
    files = {
        name: asked_alone([run.absolute(), case.kind, case.write(work), *good[case.kind]])
        for name, case in FILES.items()
    }
    return {
        "files": files,
        "slowest": max(files, key=lambda name: files[name]["seconds"]),
        "largest": max(files, key=lambda name: files[name]["megabytes_above_base"]),
    }


def write_good(work: Path) -> dict[str, list[Path]]:
    """Good files of each kind, by which a process warms up: one for each library that decodes."""
    contents = {
        "good.wav": encoded(tone(4.0)),
        "good.m4a": by_ffmpeg("mp4", "aac", seconds=4.0),
        "good.png": saved(picture(), "PNG"),
        "good.jpg": saved(picture(), "JPEG"),
    }
    for name, content in contents.items():
        (work / name).write_bytes(content)
    paths = [work.absolute() / name for name in contents]
    return {"sound": paths[:2], "picture": paths[2:]}


def asked_alone(words: Sequence[object]) -> dict[str, Any]:
    """What one file costs, in a process of its own; what it cost up to its end if that died or was given up."""
    command = [sys.executable, "-m", "benchmarks.malformed_files", "--alone", *map(str, words)]
    begun = time.perf_counter()
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST)
        if done.returncode == 0:
            return json.loads(done.stdout.splitlines()[-1])
        outcome = f"died: exit code {done.returncode}"
    except subprocess.TimeoutExpired:
        outcome = f"given up after {LONGEST:.0f} s"
    return {"seconds": round(time.perf_counter() - begun, 3), "megabytes_above_base": 0.0, "outcome": outcome}


def ask(run: Path, kind: str, path: Path, *good: Path) -> dict[str, Any]:
    """What one file costs in this process, after good ones."""
    read: Callable[[Path], object] = images.load_image if kind == "picture" else Predictor(Run(run)).predict
    for warm in good:
        read(warm)
    forget_peak()
    base, begun = peak_megabytes(), time.perf_counter()
    try:
        read(path)
        outcome = "answered"
    except InputError:
        outcome = "refused"
    seconds = time.perf_counter() - begun
    above = peak_megabytes() - base
    return {"seconds": round(seconds, 3), "megabytes_above_base": round(above, 1), "outcome": outcome}


def lines(measured: dict[str, Any]) -> list[str]:
    """One line a file, the slowest first."""
    rows = sorted(measured["files"].items(), key=lambda item: -item[1]["seconds"])
    said = [
        f"{row['seconds']:8.3f} s  {row['megabytes_above_base']:8.1f} MB  {row['outcome']:<10}{name}"
        for name, row in rows
    ]
    return [*said, f"{len(rows)} files; slowest: {measured['slowest']}; largest: {measured['largest']}"]


def main(words: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run that answers about sounds")
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the table")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as work:
        measured = measure(asked.run, Path(work))
    if asked.json:
        print(json.dumps(measured))
    else:
        print("\n".join(lines(measured)))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        run, kind, *paths = sys.argv[2:]
        print(json.dumps(ask(Path(run), kind, *map(Path, paths))))
    else:
        sys.exit(main())
