"""Learn: a model of the experiment's family, trained on the material, with what else the run has to know of it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.datasets.base import SPLITS, Dataset
from musicml.data.splits.splitting import Split
from musicml.experiment import run as runs
from musicml.experiment.config import Experiment
from musicml.experiment.run import Run
from musicml.features import cache
from musicml.features import clips as inputs
from musicml.inference import export
from musicml.models import registry
from musicml.utils import files, terminal
from musicml.utils.errors import BadInput


@dataclass(frozen=True)
class Material:
    """What a training works on: the readable data set, its split and its features.

    Of a cross-validation, `folds` are its splits, and `split` is that of the model which is served; `shared` says that
    several models learn from it, so that what a frozen backbone makes of an example is worth keeping for all of them.
    """

    dataset: Dataset
    split: Split
    features: cache.Features
    clip: dict[str, Any]
    folds: tuple[Split, ...] = ()
    shared: bool = False


@dataclass(frozen=True)
class Learned:
    """A trained model as a function from clips to raw scores, its file, and a way to export it."""

    scores_of: Callable[[Any], np.ndarray]
    input_shape: list[int]
    model: Path
    export: Callable[[], str]


def spec_of(experiment: Experiment, material: Material, train_clips: inputs.Clips, seed: int) -> registry.Spec:
    """What a model has to fit, with the training clips' mean and variance for sound."""
    shape = tuple(int(size) for size in train_clips.take(np.array([0])).shape[1:])
    dataset = material.dataset
    mean, variance = inputs.spread(train_clips) if len(shape) == 2 else (None, None)
    return registry.Spec(shape, len(dataset.class_names), dataset.task, dataset.answers, mean, variance, seed)


def forest(
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
    grown = registry.build("forest", experiment.model, spec).fit(
        all_of(clips), material.dataset.targets()[clips.example]
    )
    with files.whole(run.path / "model.skops") as temporary:
        grown.save(temporary)
    files.write_json(run.path / "layers.json", grown.layers())
    run.update(precision={"policy": "float32", "reason": "scikit-learn's trees"}, backend="scikit-learn", device="CPU")
    family = registry.family("forest")
    few = all_of(clips)[:64]
    return Learned(
        lambda wanted: family.scores(grown.trees, all_of(wanted), spec.task),
        list(spec.shape),
        run.path / "model.skops",
        lambda: export.forest_to_onnx(grown.trees, spec.task, run, few),
    )


def all_of(clips: inputs.Clips) -> np.ndarray:
    """All clips at once, [shape=(n_clips, n_frames, n_bins)]."""
    return clips.take(np.arange(len(clips)))


def network(
    run: Run,
    experiment: Experiment,
    material: Material,
    sides: dict[str, inputs.Clips],
    deterministic: bool,
    say: Callable[[str], None],
    watch: Callable[[int, dict[str, Any]], None] | None = None,
) -> Learned:
    """Build the model and fit it; a frozen backbone's outputs are computed once and its head trained on them.

    `watch` is told each epoch and its metrics; what it raises ends the training and comes out as it is.
    """
    keras = terminal.import_keras()
    from musicml.training import device, fit, stages

    facts, training = run.facts(), experiment.training
    keras.backend.clear_session()
    device.set_seeds(facts["seed"], deterministic)
    policy, reason = device.choose_precision(training.precision)
    keras.config.set_dtype_policy(policy)
    say(f"dtype policy: {policy} ({reason})")
    spec = spec_of(experiment, material, sides["train"], facts["seed"])
    model, weights = build(experiment, spec, facts, say)
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
    compiled, why = device.choose_compile(training.compile)
    run.update(
        compile={"choice": "xla" if compiled is True else "none" if compiled is False else compiled, "reason": why}
    )
    sides = {side: replace(clips, fill=spec.mean, kind=experiment.kind) for side, clips in sides.items()}
    targets = {side: inputs.targets_of(clips, material.dataset.targets()) for side, clips in sides.items()}
    everything = inputs.cut(material.features, np.arange(len(material.dataset.examples)), *frames_of(material.clip))
    trained = stages.learn(
        model,
        sides,
        targets,
        experiment,
        material.dataset.task,
        run,
        say,
        everything=replace(everything, fill=spec.mean, kind=experiment.kind) if material.shared else None,
        compiled=compiled,
        watch=watch,
    )
    run.update(epochs=trained["epochs"], best_epoch=trained["best_epoch"], input=trained["input"])
    say(input_said(trained["input"]))
    model = device.in_float32(model, policy)
    with files.whole(run.path / "model.keras") as temporary:
        model.save(temporary, include_optimizer=False)
    files.write_json(run.path / "layers.json", fit.layers_of(model))
    few = sides["train"].take(np.arange(min(4, len(sides["train"])))).astype(np.float32)
    return Learned(
        lambda clips: fit.scores_of(model, clips, training.batch_size),
        list(spec.shape),
        run.path / "model.keras",
        lambda: export.to_onnx(model, run, few),
    )


def tried(experiment: Experiment, material: Material, seed: int, data_root: Path) -> tuple[inputs.Clips, np.ndarray]:
    """A model trained as the experiment says and asked about the test side; nothing of it is kept, and nothing said.

    Returns
    -------
    clips : of the test side
    scores : np.ndarray [shape=(n_clips, n_classes)], raw
    """
    sides = {
        side: inputs.cut(material.features, material.split.indices(side), *frames_of(material.clip)) for side in SPLITS
    }
    facts = {"data": {"root": str(data_root), "hash": material.dataset.hash()}}
    by = forest if experiment.family == "forest" else network
    with tempfile.TemporaryDirectory() as folder, terminal.quiet():
        run = runs.create(Path(folder), experiment.name, seed, experiment.text, facts)
        learned = by(run, experiment, material, sides, False, lambda words: None)
        return sides["test"], learned.scores_of(sides["test"])


def frames_of(clip: dict[str, Any]) -> tuple[int | None, int | None]:
    """A clip's length and hop in frames."""
    return clip["n_frames"], clip["hop_frames"]


def input_said(found: dict[str, float]) -> str:
    """What making batches took, which training waits for at most, since most is done beside its steps."""
    return (
        f"input: batches took {found['seconds']:.1f} s of the {found['training_seconds']:.1f} s of training to make "
        f"({found['share']:.1%}); training waited for them that long at most"
    )


def build(
    experiment: Experiment, spec: registry.Spec, facts: dict[str, Any], say: Callable[[str], None]
) -> tuple[Any, dict[str, str] | None]:
    """The model, untrained, and which weights it starts from; where `auto` can't get ImageNet's, random ones."""
    chosen, weights = choose_weights(experiment, facts, say)
    try:
        return registry.build(experiment.family, chosen, spec), weights
    except BadInput as error:
        if weights is None or weights["choice"] == "none" or experiment.model.weights != "auto":
            raise
        weights = {"choice": "none", "reason": str(error)}
        say(f"weights: none ({error})")
    return registry.build(experiment.family, replace(chosen, weights="none"), spec), weights


def choose_weights(
    experiment: Experiment, facts: dict[str, Any], say: Callable[[str], None]
) -> tuple[Any, dict[str, str] | None]:
    """The model's options with `auto` weights decided, and the decision; a resumed training keeps its first one."""
    if experiment.family != "transfer":
        return experiment.model, None
    decided = facts.get("weights")
    if decided is None:
        choice, reason = registry.family("transfer").choose_weights(experiment.model)
        decided = {"choice": choice, "reason": reason}
    say(f"weights: {decided['choice']} ({decided['reason']})")
    if decided["choice"] == "none" and experiment.model.frozen:
        say("a frozen backbone with random weights is a random feature: with model.frozen=false it learns too")
    return replace(experiment.model, weights=decided["choice"]), decided
