"""Measure the time and the peak memory that each malformed file takes.

    python -m benchmarks.malformed_files RUN    # RUN: the folder of a genre_gru run

Each file of tests/fixtures/malformed_files.py is read in its own process, after valid files: sounds by the run's
`Predictor`, pictures by `images.load_image`. Memory is counted above that of the process after the valid files.
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
MAX_SECONDS = 120.0  # time limit for one file


def measure(run: Path, work: Path) -> dict[str, Any]:
    """Measure all malformed files.

    Parameters
    ----------
    run : folder of a run that takes sounds
    work : folder for the files, empty or missing

    Returns
    -------
    dict with `files`: name → {`seconds`, `megabytes_above_base`, `outcome`}; and the names of the `slowest` and the
    `largest` of them
    """
    work.mkdir(parents=True, exist_ok=True)
    good = _write_good_files(work)
    files = {
        name: _read_in_process([run.absolute(), case.kind, case.write(work), *good[case.kind]])
        for name, case in FILES.items()
    }
    return {
        "files": files,
        "slowest": max(files, key=lambda name: files[name]["seconds"]),
        "largest": max(files, key=lambda name: files[name]["megabytes_above_base"]),
    }


def _write_good_files(work: Path) -> dict[str, list[Path]]:
    """Write valid files of each kind, one for each decoding library, to warm up a process."""
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


def _read_in_process(words: Sequence[object]) -> dict[str, Any]:
    """Read one file in a new process and measure it, even if the process dies or reaches the time limit."""
    command = [sys.executable, "-m", "benchmarks.malformed_files", "--alone", *map(str, words)]
    start = time.perf_counter()
    try:
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=MAX_SECONDS)
        if process.returncode == 0:
            return json.loads(process.stdout.splitlines()[-1])
        outcome = f"died: exit code {process.returncode}"
    except subprocess.TimeoutExpired:
        outcome = f"stopped after {MAX_SECONDS:.0f} s"
    return {"seconds": round(time.perf_counter() - start, 3), "megabytes_above_base": 0.0, "outcome": outcome}


def _read_and_measure(run: Path, kind: str, path: Path, *good: Path) -> dict[str, Any]:
    """Read one file in this process, after the valid ones, and measure it."""
    read: Callable[[Path], object] = images.load_image if kind == "picture" else Predictor(Run(run)).predict
    for warm in good:  # imports and the first use of a library do not count
        read(warm)
    forget_peak()  # the valid files may have taken more memory
    base, start = peak_megabytes(), time.perf_counter()
    try:
        read(path)
        outcome = "answered"
    except InputError:
        outcome = "refused"
    seconds = time.perf_counter() - start
    above = peak_megabytes() - base
    return {"seconds": round(seconds, 3), "megabytes_above_base": round(above, 1), "outcome": outcome}


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per file, the slowest first, and a summary at the end."""
    rows = sorted(results["files"].items(), key=lambda item: -item[1]["seconds"])
    sentences = [
        f"{row['seconds']:8.3f} s  {row['megabytes_above_base']:8.1f} MB  {row['outcome']:<10}{name}"
        for name, row in rows
    ]
    return [*sentences, f"{len(rows)} files; slowest: {results['slowest']}; largest: {results['largest']}"]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run that takes sounds")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    args = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as work:
        results = measure(args.run, Path(work))
    if args.json:
        print(json.dumps(results))
    else:
        print("\n".join(describe_results(results)))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        run, kind, *paths = sys.argv[2:]
        print(json.dumps(_read_and_measure(Path(run), kind, *map(Path, paths))))
    else:
        sys.exit(main())
