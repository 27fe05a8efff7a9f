"""Learn: a model of the experiment's family, trained on the material, with what else the run has to know of it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from musicml.data.datasets import Dataset
from musicml.data.splits import Split
from musicml.experiment import Experiment, Run, RunInfo, create_run
from musicml.features import Clips, ClipSpec, Features, compute_mean_and_variance, cut_clips, get_targets
from musicml.inference import export_forest_onnx, export_keras_onnx
from musicml.models import ModelSpec, build_model, compute_batch_limit, get_family
from musicml.utils import (
    InputError,
    Message,
    capture_messages,
    import_keras,
    suppress_stderr,
    write_atomically,
    write_json,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingData:
    """What a training works on: the readable data set, its split and its features.

    Of a cross-validation, `folds` are its splits, and `split` is that of the model which is served; `shared` says that
    several models learn from it, so that what a frozen backbone makes of an example is worth keeping for all of them.
    `digests` are those of the examples' files; none where features came with the data set and no file was read.
    """

    dataset: Dataset
    split: Split
    features: Features
    clip: ClipSpec
    folds: tuple[Split, ...] = ()
    shared: bool = False
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingJob:
    """Hold what one model is trained on, and how."""

    experiment: Experiment
    material: TrainingData
    deterministic: bool = False

    @cached_property
    def clips(self) -> dict[str, Clips]:
        """The clips of `train` and of `val`."""
        return {side: self.cut(side) for side in ("train", "val")}

    def cut(self, side: str) -> Clips:
        """The clips of one side of the split."""
        return cut_clips(self.material.features, self.material.split.indices(side), self.material.clip)


@dataclass(frozen=True)
class TrainedModel:
    """A trained model as a function from clips to raw scores, its file, and a way to export it."""

    predict_scores: Callable[[Any], np.ndarray]
    input_shape: list[int]
    model: Path
    export: Callable[[], str]


def make_model_spec(
    experiment: Experiment, material: TrainingData, train_clips: Clips, seed: int, data_root: Path | None = None
) -> ModelSpec:
    """What a model has to fit, with the training clips' mean and variance for sound."""
    shape = tuple(int(size) for size in train_clips.get(np.array([0])).shape[1:])
    dataset = material.dataset
    mean, variance = compute_mean_and_variance(train_clips) if len(shape) == 2 else (None, None)
    return ModelSpec(shape, len(dataset.class_names), dataset.task, dataset.answers, mean, variance, seed, data_root)


def train_model(run: Run, job: TrainingJob, watch: Callable[[int, dict[str, Any]], None] | None = None) -> TrainedModel:
    """Train the model of the experiment's family; `watch` is for networks, as `train_network` takes it."""
    return train_forest(run, job) if job.experiment.family == "forest" else train_network(run, job, watch)


def train_forest(run: Run, job: TrainingJob) -> TrainedModel:
    """Grow the forests; the same trees come out however often, so `deterministic` changes nothing."""
    clips = job.clips["train"]
    spec = make_model_spec(job.experiment, job.material, clips, run.info.seed)
    logger.info("forest: %s classes, %s clips", spec.n_classes, len(clips))
    targets = job.material.dataset.targets()[clips.example]
    forest = build_model("forest", job.experiment.model, spec).fit(stack_clips(clips), targets)
    with write_atomically(run.path / "model.skops") as temporary:
        forest.save(temporary)
    write_json(run.path / "layers.json", forest.describe_layers())
    run.update(
        precision={"policy": "float32", "reason": Message("scikit-learn's trees")}, backend="scikit-learn", device="CPU"
    )
    family = get_family("forest")
    few = stack_clips(clips)[:64]
    return TrainedModel(
        lambda wanted: family.predict_scores(forest.trees, stack_clips(wanted), spec.task),
        list(spec.shape),
        run.path / "model.skops",
        lambda: export_forest_onnx(forest.trees, spec.task, run, few),
    )


def stack_clips(clips: Clips) -> np.ndarray:
    """All clips at once, [shape=(n_clips, n_frames, n_bins)]."""
    return clips.get(np.arange(len(clips)))


def train_network(
    run: Run, job: TrainingJob, watch: Callable[[int, dict[str, Any]], None] | None = None
) -> TrainedModel:
    """Build the model and fit it; a frozen backbone's outputs are computed once and its head trained on them.

    `watch` is told each epoch and its metrics; what it raises ends the training and comes out as it is.
    """
    keras = import_keras()
    from musicml.training import device, fit, stages

    info, experiment, material, sides = run.info, job.experiment, job.material, job.clips
    training = experiment.training
    device.take_one_gpu()
    keras.backend.clear_session()
    keras.utils.set_random_seed(info.seed)
    if job.deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()  # only operations that repeat to the bit
    policy, reason = device.choose_precision(training.precision)
    keras.config.set_dtype_policy(policy)
    logger.info("dtype policy: %s (%s)", policy, reason)
    spec = make_model_spec(experiment, material, sides["train"], info.seed, Path(info.data.root))
    model, weights = build_untrained_model(experiment, spec, info)
    run.update(
        precision={"policy": policy, "reason": reason},
        weights=weights,
        backend=keras.backend.backend(),
        device=device.get_device()[0],
        parameters=model.count_params(),
    )
    logger.info(
        "%s: %s parameters; clips: %s to train on, %s to choose by",
        model.name,
        f"{model.count_params():,}",
        len(sides["train"]),
        len(sides["val"]),
    )
    compiled, why = device.choose_compile(training.compile)
    run.update(
        compile={"choice": "xla" if compiled is True else "none" if compiled is False else compiled, "reason": why}
    )
    sides = {side: replace(clips, fill=spec.mean, kind=experiment.kind) for side, clips in sides.items()}
    targets = {side: get_targets(clips, material.dataset.targets()) for side, clips in sides.items()}
    everything = cut_clips(material.features, np.arange(len(material.dataset.examples)), material.clip)
    trained = stages.train_stages(
        model,
        sides,
        targets,
        experiment,
        material.dataset.task,
        run,
        everything=replace(everything, fill=spec.mean, kind=experiment.kind) if material.shared else None,
        compiled=compiled,
        watch=watch,
    )
    model = trained.get("model", model)
    run.update(parameters=model.count_params())  # support vectors are parameters too
    if "epochs" in trained:  # what scikit-learn fits has none
        run.update(**{key: trained[key] for key in ("epochs", "best_epoch", "input", "warnings")})
        logger.info("%s", describe_input_time(trained["input"]))
        for warning in trained["warnings"]:
            logger.warning("%s", warning)
    model = device.convert_to_float32(model, policy)
    fit.save_model(model, run.path)
    n_few = min(4, len(sides["train"]), compute_batch_limit(model))
    few = sides["train"].get(np.arange(n_few)).astype(np.float32)
    return TrainedModel(
        lambda clips: fit.predict_scores(model, clips, trained.get("batch_size", training.batch_size)),
        list(spec.shape),
        run.path / "model.keras",
        lambda: export_keras_onnx(model, run, few),
    )


def train_and_score(
    experiment: Experiment, material: TrainingData, seed: int, data_root: Path
) -> tuple[Clips, np.ndarray]:
    """A model trained as the experiment says and asked about the test side; nothing of it is kept, and nothing said.

    Returns
    -------
    clips : of the test side
    scores : np.ndarray [shape=(n_clips, n_classes)], raw
    """
    job = TrainingJob(experiment, material)
    clips = job.cut("test")
    facts = {"data": {"root": str(data_root), "hash": material.dataset.hash()}}
    with tempfile.TemporaryDirectory() as folder, suppress_stderr(), capture_messages(lambda words: None):
        run = create_run(Path(folder), experiment.name, seed, experiment.text, facts)
        return clips, train_model(run, job).predict_scores(clips)


def describe_input_time(found: dict[str, float]) -> str:
    """Say how long training waited for its batches, and what making them took beside its steps."""
    workers = f" in {found['workers']:.0f} threads" if found["workers"] else ""
    return (
        f"input: training waited {found['waited_seconds']:.1f} s of its {found['training_seconds']:.1f} s for batches "
        f"({found['waited_share']:.1%}); making them took {found['seconds']:.1f} s{workers}"
    )


def build_untrained_model(experiment: Experiment, spec: ModelSpec, info: RunInfo) -> tuple[Any, dict[str, str] | None]:
    """The model, untrained, and which weights it starts from; where `auto` can't get ImageNet's, random ones."""
    chosen, weights = choose_weights(experiment, info)
    try:
        return build_model(experiment.family, chosen, spec), weights
    except InputError as error:
        if weights is None or weights["choice"] == "none" or experiment.model.weights != "auto":
            raise
        weights = {"choice": "none", "reason": error.message}
        logger.warning("weights: none (%s)", error)
    return build_model(experiment.family, replace(chosen, weights="none"), spec), weights


def choose_weights(experiment: Experiment, info: RunInfo) -> tuple[Any, dict[str, str] | None]:
    """The model's options with `auto` weights decided, and the decision; a resumed training keeps its first one."""
    family, decided = get_family(experiment.family), info.weights
    if not hasattr(family, "choose_weights"):
        return experiment.model, None
    if decided is None:
        choice, reason = family.choose_weights(experiment.model)
        decided = {"choice": choice, "reason": reason}
        if caveat := family.describe_pretraining(choice):
            decided["pretraining"] = caveat
    logger.info("weights: %s (%s)", decided["choice"], decided["reason"])
    if decided["choice"] == "none" and experiment.family == "transfer" and experiment.model.frozen:
        logger.warning(
            "a frozen backbone with random weights is a random feature: with model.frozen=false it learns too"
        )
    return replace(experiment.model, weights=decided["choice"]), decided
