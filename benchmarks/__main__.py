"""`python -m benchmarks`: measure, write benchmarks/results/*.json and benchmarks/README.md, and say it in words.

python -m benchmarks                       # everything but what takes an hour
python -m benchmarks prediction            # or unlike, hostile, strangers, dashboard, features, memory, steps, again
python -m benchmarks frozen                # forty minutes
python -m benchmarks synthetic_to_real     # needs MUSICML_SHARED_DATA
python -m benchmarks coverage              # or significance: simulations of a few minutes
python -m benchmarks genres                # or another of benchmarks/recipes.py; most need MUSICML_SHARED_DATA
python -m benchmarks --work DIR            # keep sample data and runs there for the next time
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import (
    coverage,
    dashboard,
    features,
    frozen,
    hostile_runs,
    malformed_files,
    memory,
    out_of_distribution,
    prediction,
    readme,
    recipe_comparison,
    recipes,
    significance,
    synthetic_to_real,
    training_step,
    warm_start,
)
from musicml.cli import main as cli
from musicml.data.download import download_musicnn
from musicml.data.synthetic import generate
from musicml.experiment import run as runs
from musicml.utils import files, terminal

ROOT = Path(__file__).parent.parent
QUICK = (prediction, out_of_distribution, malformed_files, hostile_runs, dashboard, features, memory, training_step)
QUICK += (warm_start,)
# what they are called on the command line, and in benchmarks/results
NAMES = ("prediction", "unlike", "hostile", "strangers", "dashboard", "features", "memory", "steps", "again")
SIMULATED = {"coverage": coverage, "significance": significance}  # need neither data nor runs
LONG = ("frozen", "synthetic_to_real", *SIMULATED, *recipes.MEASURES)
LINES = {
    **{name: module.lines for name, module in zip(NAMES, QUICK, strict=True)},
    "frozen": frozen.lines,
    "synthetic_to_real": synthetic_to_real.lines,
    **{name: module.lines for name, module in SIMULATED.items()},
    **dict.fromkeys(recipes.MEASURES, recipe_comparison.lines),
}
RESULTS = ROOT / "benchmarks/results"


def run_of(experiment: str, work: Path) -> Path:
    """A whole run of an experiment on sample data: the one in `work`, or a new one."""
    for run in runs.list_runs(work / "runs"):
        if run.is_complete and run.info.experiment == experiment:
            return run.path
    write_sample(work, "gtzan")
    words = ["train", ROOT / f"experiments/{experiment}.toml", "--data-root", work / "data", "--data", "sample"]
    if cli.main([str(word) for word in [*words, "--runs", work / "runs", "--json"]]):
        raise SystemExit(f"{experiment} could not be trained")
    return run_of(experiment, work)


def measured(name: str, work: Path) -> dict[str, Any]:
    """One measurement."""
    if name == "strangers":
        with tempfile.TemporaryDirectory() as folder:
            return hostile_runs.measure(Path(folder))
    if name == "steps":
        return training_step.measure()
    if name in SIMULATED:
        return SIMULATED[name].measure()
    if name == "again":
        generate.generate_sample_data(work / "data/sample")
        return warm_start.measure(work / "data")
    if name == "frozen":
        write_sample(work, "instrument_images")
        return frozen.measure(work / "data")
    if name == "synthetic_to_real":
        return synthetic_to_real.measure(work / "data")
    if name in recipes.MEASURES:
        if name in recipes.ON_SAMPLE:
            write_sample(work, "gtzan")
        return recipes.measure(name, work)
    return of_reading(name, work) if name in ("features", "memory") else of_answers(name, work)


def of_reading(name: str, work: Path) -> dict[str, Any]:
    """One measurement of how files become features, for which no run is needed."""
    tracks = write_sample(work, "gtzan")
    with tempfile.TemporaryDirectory() as folder:
        if name == "memory":
            return memory.measure(tracks, Path(folder))
        return features.in_a_process(tracks, Path(folder))


def of_answers(name: str, work: Path) -> dict[str, Any]:
    """One measurement of runs that are asked, or looked at in the dashboard."""
    cnn, gru = (run_of(experiment, work) for experiment in ("genre_cnn", "genre_gru"))
    if name == "unlike":
        return {path.name.split("-")[0]: out_of_distribution.measure(path, work / "data") for path in (cnn, gru)}
    with tempfile.TemporaryDirectory() as folder:
        if name == "hostile":
            return malformed_files.measure(gru, Path(folder))
        # the sample set holds a few damaged files on purpose
        tracks = [path for path in sorted((work / "data/sample/gtzan").rglob("*.wav")) if path.stat().st_size > 100_000]
        if name == "dashboard":
            return dashboard.measure(cnn, gru, work / "data", tracks[:40:4])
        download_musicnn(work / "data")
        return prediction.measure(cnn, gru, run_of("genre_musicnn", work), tracks[:40:4], Path(folder))


def write_sample(work: Path, name: str) -> Path:
    """The folder of a data set's sample, generated where it is not there yet."""
    folder = work / "data/sample" / name
    if not folder.is_dir():
        generate.generate_sample_data(work / "data/sample", only=[name])
    return folder


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {"system": platform.platform(), "cores": os.cpu_count(), "commit": commit(), "versions": runs.get_versions()}


def commit() -> str:
    """The commit that is measured, marked where files differ from it; empty outside a repository."""
    words = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES + LONG)} (default: all but {', '.join(LONG)})"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="where sample data and runs are kept")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(NAMES + LONG)
    if unknown:
        parser.error(
            f"there is no measurement named {', '.join(sorted(unknown))}: choose from {', '.join(NAMES + LONG)}"
        )
    recipes.use_weights()
    with tempfile.TemporaryDirectory() as folder:
        work = asked.work or Path(folder)
        for name in asked.names or NAMES:
            found = measured(name, work)
            files.write_json(RESULTS / f"{name}.json", {"machine": machine(), **found})
            readme.write(RESULTS, ROOT / "benchmarks/README.md", LINES)
            for line in LINES[name](found):
                terminal.print_message(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
