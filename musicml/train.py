"""Train: an experiment becomes a run, not yet scored."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml import calibrate, console, datasets, features, files, inputs, models, options, runs, splits, store
from musicml import experiment as experiments
from musicml.datasets import Dataset
from musicml.errors import BadInput
from musicml.experiment import Experiment
from musicml.runs import Run
from musicml.splits import Split


@dataclass(frozen=True)
class Material:
    """What a training works on: the readable data set, its split and its features."""

    dataset: Dataset
    split: Split
    features: store.Features
    clip: dict[str, Any]


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
        If the data or the experiment can't be used; no run folder is left then.
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
    text = (run.path / "experiment.toml").read_text(encoding="utf-8")
    data = facts["data"]
    experiment = experiments.parse(facts["experiment"], text, facts["overrides"], data["sample"])
    which = "sample" if data["sample"] else "real"
    dataset = datasets.load(
        experiment.data.dataset, Path(data["root"]), which, Path(data["folder"]) if data["folder"] else None
    )
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
) -> Material:
    """Read every file once, leave out what can't be read, and split what is left."""
    clip = clip_of(experiment)
    dataset, found = store.features_of(
        dataset, experiment.features, data_root / store.FOLDER, clip["least_samples"], say
    )
    if dataset.excluded:
        say(
            f"{len(dataset.excluded)} files left out, the first: {dataset.excluded[0].file}: "
            f"{dataset.excluded[0].reason}"
        )
    if found.warnings:
        say(f"{len(found.warnings)} files are unlike the others, the first: {next(iter(found.warnings.items()))[1][0]}")
    data = experiment.data
    kept, split = splits.make(dataset, data.split, data.val_fraction, data.test_fraction, seed)
    stays = {example.id for example in kept.examples}
    return Material(kept, split, found.select(np.array([example.id in stays for example in dataset.examples])), clip)


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
    experiment: Experiment, material: Material, data_root: Path, folder: Path | None, seed: int, deterministic: bool
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
            "unlike_the_others": len(material.features.warnings),
        },
        "split": {"statement": split.statement, "hash": split.hash(dataset), "seed": seed, **counts},
    }


def write_data(run: Run, material: Material) -> None:
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
    run: Run, experiment: Experiment, material: Material, deterministic: bool, say: Callable[[str], None]
) -> Run:
    """Finish the run; where a person stops it, tell how to go on."""
    try:
        return finish(run, experiment, material, deterministic, say)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; go on with `musicml train --resume {run.path}`") from None


def finish(
    run: Run, experiment: Experiment, material: Material, deterministic: bool, say: Callable[[str], None]
) -> Run:
    """Train the model and write all that serving needs: weights, serving.json, the exported model."""
    begun = time.perf_counter()
    sides = {
        side: inputs.cut(
            material.features, material.split.indices(side), material.clip["n_frames"], material.clip["hop_frames"]
        )
        for side in ("train", "val")
    }
    learn = learn_forest if experiment.family == "forest" else learn_keras
    learned = learn(run, experiment, material, sides, deterministic, say)
    write_serving(run, experiment, material, sides["val"], learned)
    if learned.export:
        run.update(export=learned.export())
    run.update(status="trained", train_seconds=round(time.perf_counter() - begun, 1))
    shutil.rmtree(run.path / "checkpoints", ignore_errors=True)
    return run


@dataclass(frozen=True)
class Learned:
    """A trained model as a function from clips to raw scores, with a way to export it where there is one."""

    scores_of: Callable[[Any], np.ndarray]
    input_shape: list[int]
    export: Callable[[], str] | None = None


def spec_of(experiment: Experiment, material: Material, train_clips: inputs.Clips, seed: int) -> models.Spec:
    """What a model has to fit, with the training clips' mean and variance for sound."""
    shape = tuple(int(size) for size in train_clips.take(np.array([0])).shape[1:])
    dataset = material.dataset
    mean, variance = inputs.spread(train_clips) if len(shape) == 2 else (None, None)
    return models.Spec(shape, len(dataset.class_names), dataset.task, dataset.answers, mean, variance, seed)


def learn_forest(
    run: Run,
    experiment: Experiment,
    material: Material,
    sides: dict[str, inputs.Clips],
    deterministic: bool,
    say: Callable[[str], None],
) -> Learned:
    """Grow the forests; the same trees come out however often, so `deterministic` changes nothing."""
    clips = sides["train"]
    spec = spec_of(experiment, material, clips, run.facts()["seed"])
    say(f"forest: {spec.n_classes} classes, {len(clips)} clips")
    forest = models.build("forest", experiment.model, spec).fit(
        everything(clips), material.dataset.targets()[clips.example]
    )
    with files.whole(run.path / "model.skops") as temporary:
        forest.save(temporary)
    files.write_json(run.path / "layers.json", forest.layers())
    run.update(precision={"policy": "float32", "reason": "scikit-learn's trees"}, backend="scikit-learn", device="CPU")
    family = models.family("forest")
    return Learned(lambda wanted: family.scores(forest.trees, everything(wanted), spec.task), list(spec.shape))


def everything(clips: inputs.Clips) -> np.ndarray:
    """All clips at once, [shape=(n_clips, n_frames, n_bins)]."""
    return clips.take(np.arange(len(clips)))


def learn_keras(
    run: Run,
    experiment: Experiment,
    material: Material,
    sides: dict[str, inputs.Clips],
    deterministic: bool,
    say: Callable[[str], None],
) -> Learned:
    """Build the model and fit it; a frozen backbone's outputs are computed once and its head trained on them."""
    keras = console.import_keras()
    from musicml import export
    from musicml.learning import device, fit

    facts, training = run.facts(), experiment.training
    keras.backend.clear_session()
    device.set_seeds(facts["seed"], deterministic)
    policy, reason = device.choose_precision(training.precision)
    keras.config.set_dtype_policy(policy)
    say(f"dtype policy: {policy} ({reason})")
    chosen, weights = choose_weights(experiment, facts, say)
    spec = spec_of(experiment, material, sides["train"], facts["seed"])
    model = models.build(experiment.family, chosen, spec)
    run.update(
        precision={"policy": policy, "reason": reason},
        weights=weights,
        backend=keras.backend.backend(),
        device=device.device()[0],
        parameters=model.count_params(),
    )
    say(
        f"{model.name}: {model.count_params():,} parameters; "
        f"clips: {len(sides['train'])} to train on, {len(sides['val'])} to choose by"
    )
    trained = fit.stages(model, sides, inputs.targets_of, material.dataset, training, run, facts["data"], say)
    run.update(**trained)
    with files.whole(run.path / "model.keras") as temporary:
        model.save(temporary, include_optimizer=False)
    files.write_json(run.path / "layers.json", fit.layers_of(model))
    few = sides["train"].take(np.arange(min(4, len(sides["train"])))).astype(np.float32)
    return Learned(
        lambda clips: fit.scores_of(model, clips, training.batch_size),
        list(spec.shape),
        lambda: export.to_onnx(model, run.path / "model.onnx", few),
    )


def choose_weights(
    experiment: Experiment, facts: dict[str, Any], say: Callable[[str], None]
) -> tuple[Any, dict[str, str] | None]:
    """The model's options with `auto` weights decided, and the decision; a resumed training keeps its first one."""
    if experiment.family != "transfer":
        return experiment.model, None
    decided = facts.get("weights")
    if decided is None:
        choice, reason = models.family("transfer").choose_weights(experiment.model)
        decided = {"choice": choice, "reason": reason}
    say(f"weights: {decided['choice']} ({decided['reason']})")
    if decided["choice"] == "none" and experiment.model.frozen:
        say(
            "a frozen backbone with random weights tells little apart: with model.frozen=false it learns too, at a cost"
        )
    return replace(experiment.model, weights=decided["choice"]), decided


def write_serving(run: Run, experiment: Experiment, material: Material, val: inputs.Clips, learned: Learned) -> None:
    """Calibrate on validation and write serving.json: all that serving needs beside the model."""
    dataset, indices = material.dataset, material.split.indices("val")
    temperature, thresholds = 1.0, [0.5] * len(dataset.class_names)
    if len(indices):
        targets = dataset.targets()[indices]
        scores = inputs.by_example(learned.scores_of(val), val, indices)
        temperature = calibrate.fit_temperature(scores, targets, dataset.task)
        if dataset.task == "multi":
            thresholds = calibrate.fit_thresholds(calibrate.temper(scores, temperature, dataset.task), targets)
    files.write_json(
        run.path / "serving.json",
        {
            "format_version": runs.FORMAT_VERSION,
            "task": dataset.task,
            "answers": dataset.answers,
            "kind": experiment.kind,
            "features": options.as_table(experiment.features),
            "features_version": features.VERSION,
            "clips": material.clip,
            "input_shape": learned.input_shape,
            "normalisation": "inside the model",
            "temperature": temperature,
            "thresholds": thresholds,
            "calibrated_on": len(indices),
            "asks_for": "features" if experiment.kind == "vggish" else "file",
        },
    )
