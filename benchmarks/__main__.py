"""Run benchmarks, and write their results to benchmarks/results/*.json and benchmarks/README.md.

python -m benchmarks                       # all fast ones, some minutes
python -m benchmarks prediction            # or unlike, hostile, strangers, dashboard, features, memory, steps, again
python -m benchmarks frozen                # forty minutes
python -m benchmarks synthetic_to_real     # or half_precision; both need MUSICML_SHARED_DATA
python -m benchmarks coverage              # or significance, scale, plan, cluster: simulations of some minutes
python -m benchmarks genres                # or another of benchmarks/recipes.py; most need MUSICML_SHARED_DATA
python -m benchmarks --work DIR            # keep sample data and runs in DIR for the next time
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
    cluster,
    coverage,
    dashboard,
    features,
    frozen,
    half_precision,
    hostile_runs,
    malformed_files,
    memory,
    out_of_distribution,
    plan,
    prediction,
    readme,
    recipe_comparison,
    recipes,
    scale,
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
# their names on the command line and in benchmarks/results, in the order of QUICK
NAMES = ("prediction", "unlike", "hostile", "strangers", "dashboard", "features", "memory", "steps", "again")
# these need neither data nor runs
SIMULATED = {"coverage": coverage, "significance": significance, "scale": scale, "plan": plan, "cluster": cluster}
BOUNDED = {"scale": scale, "plan": plan, "cluster": cluster}  # the command fails if one of their bounds is broken
LONG = ("frozen", "synthetic_to_real", "half_precision", *SIMULATED, *recipes.MEASURES)  # only run if they are named
DESCRIBERS = {
    **{name: module.describe_results for name, module in zip(NAMES, QUICK, strict=True)},
    "frozen": frozen.describe_results,
    "synthetic_to_real": synthetic_to_real.describe_results,
    "half_precision": half_precision.describe_results,
    **{name: module.describe_results for name, module in SIMULATED.items()},
    **dict.fromkeys(recipes.MEASURES, recipe_comparison.describe_results),
}
RESULTS = ROOT / "benchmarks/results"


def _find_or_train_run(experiment: str, work: Path) -> Path:
    """Return the folder of a complete run on sample data. Train it if `work` has none."""
    for run in runs.list_runs(work / "runs"):
        if run.is_complete and run.info.experiment == experiment:
            return run.path
    _ensure_sample_data(work, "gtzan")
    words = ["train", ROOT / f"experiments/{experiment}.toml", "--data-root", work / "data", "--data", "sample"]
    if cli.main([str(word) for word in [*words, "--runs", work / "runs", "--json"]]):
        raise SystemExit(f"{experiment} could not be trained")
    return _find_or_train_run(experiment, work)  # now there is one


def _measure(name: str, work: Path) -> dict[str, Any]:
    """Run one benchmark and return its results."""
    if name == "strangers":
        with tempfile.TemporaryDirectory() as folder:
            return hostile_runs.measure(Path(folder))
    if name == "steps":
        return training_step.measure()
    if name in SIMULATED:
        return SIMULATED[name].measure()
    if name == "again":
        generate.generate_sample_data(work / "data/sample")  # all datasets, since it runs all experiments
        return warm_start.measure(work / "data")
    if name == "frozen":
        _ensure_sample_data(work, "instrument_images")
        return frozen.measure(work / "data")
    if name == "synthetic_to_real":
        return synthetic_to_real.measure(work / "data")
    if name == "half_precision":
        return half_precision.measure(work / "data")
    if name in recipes.MEASURES:
        if name in recipes.ON_SAMPLE:
            _ensure_sample_data(work, "gtzan")
        return recipes.measure(name, work)
    return _measure_reading(name, work) if name in ("features", "memory") else _measure_predictions(name, work)


def _measure_reading(name: str, work: Path) -> dict[str, Any]:
    """Run a benchmark of reading files, which needs no trained run."""
    tracks = _ensure_sample_data(work, "gtzan")
    with tempfile.TemporaryDirectory() as folder:
        if name == "memory":
            return memory.measure(tracks, Path(folder))
        return features.measure_in_process(tracks, Path(folder))


def _measure_predictions(name: str, work: Path) -> dict[str, Any]:
    """Run a benchmark of predictions or of the dashboard, which needs trained runs."""
    cnn, gru = (_find_or_train_run(experiment, work) for experiment in ("genre_cnn", "genre_gru"))
    if name == "unlike":
        return {path.name.split("-")[0]: out_of_distribution.measure(path, work / "data") for path in (cnn, gru)}
    with tempfile.TemporaryDirectory() as folder:
        if name == "hostile":
            return malformed_files.measure(gru, Path(folder))
        # the sample data contains a few damaged files on purpose, which are shorter
        tracks = [path for path in sorted((work / "data/sample/gtzan").rglob("*.wav")) if path.stat().st_size > 100_000]
        if name == "dashboard":
            return dashboard.measure(cnn, gru, work / "data", tracks[:40:4])
        download_musicnn(work / "data")
        return prediction.measure(cnn, gru, _find_or_train_run("genre_musicnn", work), tracks[:40:4], Path(folder))


def _ensure_sample_data(work: Path, name: str) -> Path:
    """Return the folder of a dataset's sample data. Generate it if it does not exist."""
    folder = work / "data/sample" / name
    if not folder.is_dir():
        generate.generate_sample_data(work / "data/sample", only=[name])
    return folder


def _describe_machine() -> dict[str, Any]:
    """Describe the machine, the commit and the installed versions."""
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "commit": _describe_commit(),
        "versions": runs.get_versions(),
    }


def _describe_commit() -> str:
    """Return the current commit, with `-dirty` if files differ from it, or "" outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]  # --exclude: the commit, not a tag
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return process.stdout.strip()


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES + LONG)} (default: all but {', '.join(LONG)})"
    )
    parser.add_argument("--work", type=Path, metavar="DIR", help="folder to keep sample data and runs in")
    args = parser.parse_args()
    unknown = set(args.names) - set(NAMES + LONG)
    if unknown:
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; choose from {', '.join(NAMES + LONG)}")
    recipes.use_weights()  # before anything imports Keras
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        work = args.work or Path(folder)
        for name in args.names or NAMES:
            results = _measure(name, work)
            files.write_json(RESULTS / f"{name}.json", {"machine": _describe_machine(), **results})
            # after each benchmark, in case the next one fails
            readme.write_readme(RESULTS, ROOT / "benchmarks/README.md", DESCRIBERS)
            for line in DESCRIBERS[name](results):
                terminal.print_message(line)
            if name in BOUNDED:
                broken += BOUNDED[name].list_broken_bounds(results)
    for line in broken:
        print(f"bound broken: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
