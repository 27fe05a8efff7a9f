"""Train: an experiment becomes a run, not yet scored."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from musicml import calibrate, console, datasets, files, inputs, learn, options, runs, serving, splits, store
from musicml import experiment as experiments
from musicml.datasets import Dataset
from musicml.errors import BadInput
from musicml.experiment import Experiment
from musicml.runs import Run

FEW = 20  # test files, below which an interval is hardly worth its name


def train(
    experiment: Experiment,
    data_root: Path,
    runs_root: Path,
    which: str = "auto",
    folder: Path | None = None,
    seed: int = 0,
    deterministic: bool = False,
    say: Callable[[str], None] = console.say,
) -> Run:
    """Train `experiment`; the run that comes back is complete but for its scores.

    Parameters
    ----------
    experiment : from `musicml.experiment.read`
    data_root : the folder of the data sets, and of the features computed from them
    runs_root : the folder of all runs
    which : `real`, `sample` or `auto`: which of the data set's folders to read
    folder : a folder of class folders to train on in place of the data set
    seed : int >= 0, of the split, the weights and the order of batches
    deterministic : whether two trainings shall give the same weights to the bit (slower on some devices)
    say : told what happens

    Raises
    ------
    BadInput
        If the data or the experiment can't be used: no run folder is left then. What goes wrong later, such as a
        full disk, leaves an unfinished one to `resume`.
    """
    dataset = datasets.load(experiment.data.dataset, data_root, which, folder)
    if dataset.sample:
        experiment = experiment.on_sample()
        say(f"{dataset.name}: generated sample data; no figure of this run says anything about real music")
    material = prepare(experiment, dataset, Path(data_root), seed, say)
    facts = facts_of(experiment, material, data_root, folder, seed, deterministic)
    run = runs.create(runs_root, experiment.name, seed, experiment.text, facts)
    write_data(run, material)
    return finish_or_say_how(run, experiment, material, deterministic, say)


def resume(run: Run, say: Callable[[str], None] = console.say) -> Run:
    """Go on with a training that was stopped or killed; a run that is trained already comes back as it is.

    Raises
    ------
    BadInput
        If the run is whole, or its data has changed since.
    """
    facts = run.facts()
    if run.is_whole:
        raise BadInput(
            f"run {run.name} must be unfinished to be resumed, and is whole: look at it with `musicml runs`."
        )
    if facts["status"] == "trained":
        shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
        return run
    for left in run.path.rglob(".*.*"):  # what a kill in the middle of a write left behind
        if left.is_file():
            left.unlink()
    text = (run.path / "experiment.toml").read_text(encoding="utf-8")
    data = facts["data"]
    experiment = experiments.parse(facts["experiment"], text, facts["overrides"], data["sample"])
    dataset = datasets.load_again(data)
    material = prepare(experiment, dataset, Path(data["root"]), facts["seed"], say)
    found = (material.split.hash(material.dataset), material.dataset.hash(), material.features.key)
    if found != (facts["split"]["hash"], data["hash"], data["features"]):
        raise BadInput(
            f"run {run.name} must go on with the data it began with, and {dataset.name} has changed since: train again."
        )
    write_data(run, material)
    return finish_or_say_how(run, experiment, material, facts["deterministic"], say)


def prepare(
    experiment: Experiment, dataset: Dataset, data_root: Path, seed: int, say: Callable[[str], None]
) -> learn.Material:
    """Read every file once, leave out what can't be read, and split what is left."""
    clip = clip_of(experiment)
    dataset, found = store.features_of(
        dataset, experiment.features, data_root / store.FOLDER, clip["least_samples"], say
    )
    tell(dataset, found, say)
    if dataset.vggish is None:
        dataset = splits.together(dataset, dict(store.digests(dataset, data_root / store.FOLDER)))
    data = experiment.data
    kept, split = splits.make(dataset, data.split, data.val_fraction, data.test_fraction, seed)
    if not len(split.indices("val")):
        say("no validation files: the last epoch is kept, and nothing is calibrated")
    if len(split.indices("test")) < FEW:
        say(f"only {len(split.indices('test'))} test files: its figures will say little")
    stays = {example.id for example in kept.examples}
    return learn.Material(
        kept, split, found.select(np.array([example.id in stays for example in dataset.examples])), clip
    )


def tell(dataset: Dataset, found: store.Features, say: Callable[[str], None]) -> None:
    """Say what was left out, what was found about the rest, and what nobody said of groups."""
    n, out = len(dataset.examples), dataset.excluded
    if out:
        first = out[0].reason if out[0].file in out[0].reason else f"{out[0].file}: {out[0].reason}"
        say(f"{len(out)} {'file' if len(out) == 1 else 'files'} left out (excluded.csv names them), the first: {first}")
    if found.warnings:
        name, words = next(iter(found.warnings.items()))
        say(f"{len(found.warnings)} of {n} files with a warning, the first, {name}: {words[0]}")
    if len(set(dataset.groups)) == n:
        say("no groups are known: every file is taken to be independent of every other, which flatters")


def clip_of(experiment: Experiment) -> dict[str, Any]:
    """A clip in frames: what serving.json keeps of it.

    A clip has the frames that fit into it without padding; its hop is a whole number of frames.
    """
    settings = experiment.features
    if not hasattr(settings, "hop_length"):
        return {"n_frames": None, "hop_frames": None, "least_samples": 0, "frame_seconds": None, "seconds": None}
    frame_seconds = settings.hop_length / settings.sample_rate
    n_frames = max(1, settings.n_frames(round(experiment.clips.seconds * settings.sample_rate)))
    return {
        "n_frames": n_frames,
        "hop_frames": max(1, round(experiment.clips.hop_seconds / frame_seconds)),
        "least_samples": settings.n_samples(n_frames),
        "frame_seconds": frame_seconds,
        "seconds": experiment.clips.seconds,
    }


def facts_of(
    experiment: Experiment,
    material: learn.Material,
    data_root: Path,
    folder: Path | None,
    seed: int,
    deterministic: bool,
) -> dict[str, Any]:
    """What run.json says of a training before it begins."""
    dataset, split = material.dataset, material.split
    counts = {side: len(split.indices(side)) for side in ("train", "val", "test")}
    return {
        "protocol": "honest",
        "overrides": dict(experiment.overrides),
        "deterministic": deterministic,
        "settings": experiment.settings(),
        "task": dataset.task,
        "family": experiment.family,
        "data": {
            "dataset": dataset.name,
            "kind": dataset.kind,
            "sample": dataset.sample,
            "hash": dataset.hash(),
            "features": material.features.key,
            "root": str(Path(data_root).absolute()),
            "folder": str(Path(folder).absolute()) if folder else None,
            "source": dict(dataset.source),
            "notes": list(dataset.notes),
            "excluded": len(dataset.excluded),
            "with_warnings": len(material.features.warnings),
        },
        "split": {"statement": split.statement, "hash": split.hash(dataset), "seed": seed, **counts},
    }


def write_data(run: Run, material: learn.Material) -> None:
    """Write who stands on which side, who was left out and why, and the class names."""
    rows = [
        {"example": example.id, "group": example.group, "split": side}
        for example, side in zip(material.dataset.examples, material.split.sides, strict=True)
    ]
    files.write_csv(run.path / "split.csv", rows, ["example", "group", "split"])
    excluded = [{"file": item.file, "reason": item.reason} for item in material.dataset.excluded]
    files.write_csv(run.path / "excluded.csv", excluded, ["file", "reason"])
    files.write_json(run.path / "labels.json", list(material.dataset.class_names))


def finish_or_say_how(
    run: Run, experiment: Experiment, material: learn.Material, deterministic: bool, say: Callable[[str], None]
) -> Run:
    """Finish the run; where a person stops it, tell how to go on."""
    try:
        return finish(run, experiment, material, deterministic, say)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; go on with `musicml train --resume {run.path}`") from None


def finish(
    run: Run, experiment: Experiment, material: learn.Material, deterministic: bool, say: Callable[[str], None]
) -> Run:
    """Train the model and write all that serving needs: weights, serving.json, the exported model."""
    begun = time.perf_counter()
    sides = {
        side: inputs.cut(
            material.features, material.split.indices(side), material.clip["n_frames"], material.clip["hop_frames"]
        )
        for side in ("train", "val")
    }
    by = learn.forest if experiment.family == "forest" else learn.network
    learned = by(run, experiment, material, sides, deterministic, say)
    (run.path / "model.onnx").unlink(missing_ok=True)  # of before a kill, which would not be this model's any more
    write_serving(run, experiment, material, sides, learned)
    run.update(export=learned.export())
    run.update(status="trained", train_seconds=round(time.perf_counter() - begun, 1))
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    return run


def write_serving(
    run: Run, experiment: Experiment, material: learn.Material, sides: dict[str, inputs.Clips], learned: learn.Learned
) -> None:
    """Calibrate on validation and write serving.json: all that serving needs beside the model."""
    dataset, indices = material.dataset, material.split.indices("val")
    temperature, thresholds = 1.0, [0.5] * len(dataset.class_names)
    if len(indices):
        targets = dataset.targets()[indices]
        scores = inputs.by_example(learned.scores_of(sides["val"]), sides["val"], indices)
        temperature = calibrate.fit_temperature(scores, targets, dataset.task)
        if dataset.task == "multi":
            thresholds = calibrate.fit_thresholds(calibrate.temper(scores, temperature, dataset.task), targets)
    serving.write(
        run,
        learned.model,
        task=dataset.task,
        answers=dataset.answers,
        kind=experiment.kind,
        features=options.as_table(experiment.features),
        clips=material.clip,
        input_shape=learned.input_shape,
        normalisation="inside the model",
        temperature=temperature,
        thresholds=thresholds,
        calibrated_on=len(indices) if len(indices) >= calibrate.FEWEST else 0,
        unlike=unlike_of(experiment.kind, material),
        asks_for="features" if experiment.kind == "vggish" else "file",
    )


def unlike_of(kind: str, material: learn.Material, most: int = 2000) -> dict[str, Any] | None:
    """How to tell a file that is unlike the training files, from at most `most` of them, evenly taken."""

    def traits(side: str) -> np.ndarray:
        indices = material.split.indices(side)
        some = indices[np.unique(np.linspace(0, len(indices) - 1, min(most, len(indices))).astype(int))]
        return np.array([calibrate.traits(material.features.of(index), kind) for index in some])

    return calibrate.fit_unlike(traits("train"), traits("val"))
