"""Compare `musicml train --plan` for large datasets with an extrapolation from a part of them that is really computed.

    python -m benchmarks plan              # half an hour; exits with 1 if a plan is off by more than a quarter
    python -m benchmarks.plan 200          # on so many files instead of 2,000, without storing the results

OpenMIC (20,000 clips of 10 s, ogg) and FMA-large (100,000 tracks of 30 s, mp3) are simulated: 50 files of synthetic
sound, each listed many times. The plan reads a few of the listed files. For the comparison, the features of 2,000 files
and an epoch on them are computed as in a training, and the seconds grow in proportion to the files. Starting processes
and compiling a model take as long for any number of files, so a quarter of the files is computed too.

The speed of a machine changes while this runs. So the files are divided among five rounds, with a plan before and after
each. A round's extrapolation is compared with the mean of both plans, and the median of the rounds counts.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile

ROOT = Path(__file__).parent.parent
N_COMPUTED = 2_000
N_DISTINCT = 50
MAX_ERROR = 0.25
N_ROUNDS = 5  # odd, so that the median is one of them


@dataclass(frozen=True)
class Listing:
    """A simulated dataset, and the experiment that is planned on it."""

    n_files: int
    seconds: float
    suffix: str
    channels: int
    task: str
    n_classes: int
    experiment: str


LISTINGS = {
    "openmic": Listing(20_000, 10.0, "ogg", 2, "multi", 20, "openmic_cnn"),
    "fma_large": Listing(100_000, 30.0, "mp3", 2, "single", 16, "genre_cnn"),
}


def measure(n_computed: int = N_COMPUTED) -> dict[str, Any]:
    """Compare plan and extrapolation for each dataset: name → what → both values and their ratios."""
    results: dict[str, Any] = {}
    for name, listing in LISTINGS.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            _write_sounds(root, listing)
            plans, extrapolations = [_plan(root, name)], []
            for _ in range(N_ROUNDS):
                extrapolations.append(_extrapolate(root, name, n_computed // N_ROUNDS))
                plans.append(_plan(root, name))
        results[name] = {what: _compare(what, plans, extrapolations) for what in extrapolations[0]}
        results[name] |= {"files": listing.n_files, "computed": n_computed}
        results[name]["planning_seconds"] = round(statistics.median(plan["planning_seconds"] for plan in plans), 1)
    return results


def _compare(what: str, plans: list[dict[str, float]], extrapolations: list[dict[str, float]]) -> dict[str, Any]:
    """Compare each round's extrapolation of one value with the mean of the plans before and after it."""
    pairs = [
        ((before[what] + after[what]) / 2, extrapolated[what])
        for before, after, extrapolated in zip(plans[:-1], plans[1:], extrapolations, strict=True)
    ]
    rounds = [round(planned / extrapolated, 3) for planned, extrapolated in pairs]
    planned, extrapolated = (float(f"{statistics.median(column):.4g}") for column in zip(*pairs, strict=True))
    return {"plan": planned, "extrapolated": extrapolated, "ratio": statistics.median(rounds), "rounds": rounds}


def list_broken_bounds(results: dict[str, Any]) -> list[str]:
    """Return a sentence for each estimate that is off by more than `MAX_ERROR`."""
    return [
        f"{name}: the plan of {what} is {row['ratio']:.2f} times the extrapolation"
        for name, rows in results.items()
        if name in LISTINGS
        for what, row in rows.items()
        if isinstance(row, dict) and not abs(row["ratio"] - 1) <= MAX_ERROR
    ]


def _write_sounds(folder: Path, listing: Listing) -> None:
    """Write the distinct files: noisy chords, each with loudness of its own over time."""
    rate, n = 44_100, round(listing.seconds * 44_100)
    t = np.arange(n) / rate
    for number in range(N_DISTINCT):
        rng = np.random.default_rng(number)
        chord = sum(np.sin(2 * np.pi * hertz * t) for hertz in rng.uniform(80, 2_000, 4)) / 8
        loudness = np.interp(t, np.linspace(0, listing.seconds, 20), rng.uniform(0.1, 1, 20))
        y = loudness[:, None] * (chord[:, None] + 0.05 * rng.standard_normal((n, listing.channels)))
        path = folder / f"{number:02}.{listing.suffix}"
        with soundfile.SoundFile(path, "w", rate, listing.channels) as out:
            for block in np.array_split(y, 50):  # libsndfile can't encode a long ogg at once
                out.write(block)


def _make_dataset(folder: Path, name: str, n_files: int) -> Any:
    """List the distinct files as `n_files` examples, each in a group of its own."""
    from musicml.data.datasets import Dataset, Example

    listing = LISTINGS[name]
    names = tuple(f"class {k}" for k in range(listing.n_classes))
    known = [{other: other == own for other in names} if listing.task == "multi" else {own: True} for own in names]
    examples = (
        Example(
            f"{k:06}", folder, known[k % listing.n_classes], f"artist {k}", "", f"{k % N_DISTINCT:02}.{listing.suffix}"
        )
        for k in range(n_files)
    )
    return Dataset(name, "sound", listing.task, "class", names, tuple(examples))


def _read_experiment(name: str, **changes: Any) -> Any:
    """Read the experiment that is planned, with settings for real data."""
    from musicml.experiment import read_experiment

    return read_experiment(ROOT / f"experiments/{LISTINGS[name].experiment}.toml", changes, sample=False)


def _plan(root: Path, name: str) -> dict[str, float]:
    """Make the plan for the whole listing, and return what is compared."""
    from musicml.training import plan

    dataset, start_time = _make_dataset(root, name, LISTINGS[name].n_files), time.perf_counter()
    with mock.patch.object(plan, "load_dataset", lambda *_: dataset):
        made = plan.make_plan(_read_experiment(name), root / "data", folder=root)
    here = made.times[0]
    return {
        "feature_seconds": here.features,
        "cache_bytes": made.cache,
        "epoch_seconds": here.epoch,
        "hours": made.hours or 0.0,
        "planning_seconds": time.perf_counter() - start_time,
    }


def _extrapolate(root: Path, name: str, n_computed: int) -> dict[str, float]:
    """Compute the features of a part of the listing, train an epoch on it, and extrapolate to the whole."""
    from musicml.data.datasets import SPLITS

    listing, seconds = LISTINGS[name], []
    for n in (n_computed // 4, n_computed):
        with tempfile.TemporaryDirectory(dir=root) as folder:
            dataset = _make_dataset(root, name, n)
            feature_seconds, features = _time_features(Path(folder), name, dataset)
            epoch_seconds, split = _time_epoch(Path(folder), name, dataset)
            seconds.append((feature_seconds, epoch_seconds))
    size = int(features.length.sum()) * features.array.shape[1] * features.array.dtype.itemsize
    durations = [soundfile.info(path).duration for path in root.glob(f"*.{listing.suffix}")]
    scale, n_used = listing.n_files / n_computed, sum(len(split.indices(part)) for part in SPLITS)
    return {
        "feature_seconds": (seconds[1][0] - seconds[0][0]) / 0.75 * scale,
        "cache_bytes": size * scale,
        "hours": float(np.mean(durations)) * listing.n_files / 3600,
        "epoch_seconds": (seconds[1][1] - seconds[0][1]) / 0.75 * listing.n_files / n_used,
    }


def _time_features(folder: Path, name: str, dataset: Any) -> tuple[float, Any]:
    """Compute the features of a dataset as training does. Return the seconds and the features."""
    from musicml.data import digest_examples
    from musicml.features import get_features
    from musicml.training import make_clip_spec
    from musicml.utils import count_processes

    experiment, cache = _read_experiment(name), folder / ".features"
    dict(digest_examples(dataset, cache))  # reading all files once is a part of its own in the plan
    least, start_time = make_clip_spec(experiment).least_samples, time.perf_counter()
    _, features = get_features(dataset, experiment.features, cache, least, count_processes())
    return time.perf_counter() - start_time, features


def _time_epoch(folder: Path, name: str, dataset: Any) -> tuple[float, Any]:
    """Train one epoch on a dataset whose features are in `folder`. Return its seconds and the split."""
    from musicml.experiment import start_run
    from musicml.training import prepare_data, trainer

    experiment = _read_experiment(name, **{"training.epochs": 1})
    # each file is in a group of its own here, as in the plan, although their contents repeat
    with mock.patch("musicml.training.preparation.group_identical_files", lambda dataset, digests: dataset):
        material = prepare_data(experiment, dataset, folder, 0)
    run = start_run(folder / "run", name, 0, experiment.text, {"data": {"root": str(folder), "hash": ""}})
    trainer.train_model(run, trainer.TrainingJob(experiment, material))
    return float(run.table("history.csv")[-1]["seconds"]), material.split


def describe_results(results: dict[str, Any]) -> list[str]:
    """Describe the results, one line per estimate."""
    return [
        f"{name}, {results[name]['files']} files, {what.replace('_', ' ')}: plan {row['plan']:g}, extrapolated from "
        f"{results[name]['computed']} files {row['extrapolated']:g} (ratio {row['ratio']:.2f}; rounds: "
        + ", ".join(f"{ratio:.2f}" for ratio in row["rounds"])
        + ")"
        for name in LISTINGS
        if name in results
        for what, row in results[name].items()
        if isinstance(row, dict)
    ]


if __name__ == "__main__":
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else N_COMPUTED)
    print(json.dumps(found, indent=1))
    print("\n".join([*describe_results(found), *list_broken_bounds(found)]))
    sys.exit(bool(list_broken_bounds(found)))
