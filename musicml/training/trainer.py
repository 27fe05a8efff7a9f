"""Train one model of the experiment's family on prepared data."""

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
    """The prepared data of a training: readable examples, their split and their features.

    Attributes
    ----------
    split, folds : the split of the model for prediction, and those of a cross-validation
    shared : whether several models are trained, so that a frozen backbone's outputs are computed for all examples
    digests : of the examples' files; empty if features came with the dataset
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
    """The experiment and the data for one model."""

    experiment: Experiment
    material: TrainingData
    deterministic: bool = False

    @cached_property
    def clips(self) -> dict[str, Clips]:
        """The clips of `train` and of `val`."""
        return {split: self.cut(split) for split in ("train", "val")}

    def cut(self, split: str) -> Clips:
        """Return the clips of one split."""
        return cut_clips(self.material.features, self.material.split.indices(split), self.material.clip)


@dataclass(frozen=True)
class TrainedModel:
    """A trained model: a function from clips to raw scores, its file, and a function that exports it."""

    predict_scores: Callable[[Any], np.ndarray]
    input_shape: list[int]
    model: Path
    export: Callable[[], str]


def make_model_spec(
    experiment: Experiment, material: TrainingData, train_clips: Clips, seed: int, data_root: Path | None = None
) -> ModelSpec:
    """Return the model's input and output, with mean and variance of the training clips for sound."""
    shape = tuple(int(size) for size in train_clips.get(np.array([0])).shape[1:])
    dataset = material.dataset
    # pictures have a fixed range of values, sound features do not
    mean, variance = compute_mean_and_variance(train_clips) if len(shape) == 2 else (None, None)
    return ModelSpec(shape, len(dataset.class_names), dataset.task, dataset.answers, mean, variance, seed, data_root)


def train_model(
    run: Run, job: TrainingJob, on_epoch_end: Callable[[int, dict[str, Any]], None] | None = None
) -> TrainedModel:
    """Train the model of the experiment's family. `on_epoch_end` is for networks, as in `train_network`."""
    return train_forest(run, job) if job.experiment.family == "forest" else train_network(run, job, on_epoch_end)


def train_forest(run: Run, job: TrainingJob) -> TrainedModel:
    """Train the forests. They are the same each time, so `deterministic` changes nothing."""
    clips = job.clips["train"]
    spec = make_model_spec(job.experiment, job.material, clips, run.info.seed)
    logger.info("forest: %s classes, %s clips", spec.n_classes, len(clips))
    targets = job.material.dataset.targets()[clips.example]  # each clip has the labels of its track
    forest = build_model("forest", job.experiment.model, spec).fit(stack_clips(clips), targets)
    with write_atomically(run.path / "model.skops") as temporary:
        forest.save(temporary)
    write_json(run.path / "layers.json", forest.describe_layers())
    run.update(
        precision={"policy": "float32", "reason": Message("scikit-learn's trees")}, backend="scikit-learn", device="CPU"
    )
    family = get_family("forest")
    few = stack_clips(clips)[:64]  # to check the export on
    return TrainedModel(
        lambda clips: family.predict_scores(forest.trees, stack_clips(clips), spec.task),
        list(spec.shape),
        run.path / "model.skops",
        lambda: export_forest_onnx(forest.trees, spec.task, run, few),
    )


def stack_clips(clips: Clips) -> np.ndarray:
    """Return all clips in one array, [shape=(n_clips, n_frames, n_bins)]."""
    return clips.get(np.arange(len(clips)))


def train_network(
    run: Run, job: TrainingJob, on_epoch_end: Callable[[int, dict[str, Any]], None] | None = None
) -> TrainedModel:
    """Build the model and train it.

    A frozen backbone's outputs are computed once, and the head is trained on them. `on_epoch_end` is called with each
    epoch and its metrics. An exception that it raises ends the training and is passed on.
    """
    keras = import_keras()
    from musicml.training import device, distribution, fit, stages

    info, experiment, material, clips = run.info, job.experiment, job.material, job.clips
    training = experiment.training
    if training.devices == "first":
        device.take_one_gpu()
    # free the memory of models that this process trained before
    keras.backend.clear_session()
    keras.utils.set_random_seed(info.seed)  # of Python, NumPy and the backend: initial weights, dropout
    if job.deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()  # only operations whose results repeat exactly
    policy, reason = device.choose_precision(training.precision)
    # before the model is built, because layers take the policy that is set at that time
    keras.config.set_dtype_policy(policy)
    logger.info("dtype policy: %s (%s)", policy, reason)
    spec = make_model_spec(experiment, material, clips["train"], info.seed, Path(info.data.root))
    devices = distribution.choose_devices(training.devices)
    if training.devices == "all":
        logger.info("devices: %s x %s", devices.n, device.get_device()[0])
    with devices.activate():
        model, weights = build_untrained_model(experiment, spec, info)
    run.update(
        precision={"policy": policy, "reason": reason},
        weights=weights,
        backend=keras.backend.backend(),
        device=f"{devices.n} x {device.get_device()[0]}" if devices.n > 1 else device.get_device()[0],
        parameters=model.count_params(),
    )
    logger.info(
        "%s: %s parameters; clips: %s for training, %s for validation",
        model.name,
        f"{model.count_params():,}",
        len(clips["train"]),
        len(clips["val"]),
    )
    jit_compile, reason = device.choose_compile(training.compile)
    run.update(
        compile={
            "choice": "xla" if jit_compile is True else "none" if jit_compile is False else jit_compile,
            "reason": reason,
        }
    )
    # masked bins get the training mean
    clips = {split: replace(part, fill=spec.mean, kind=experiment.kind) for split, part in clips.items()}
    targets = {split: get_targets(part, material.dataset.targets()) for split, part in clips.items()}
    all_clips = cut_clips(material.features, np.arange(len(material.dataset.examples)), material.clip)
    with devices.activate():
        result = stages.train_stages(
            model,
            clips,
            targets,
            experiment,
            material.dataset.task,
            run,
            all_clips=replace(all_clips, fill=spec.mean, kind=experiment.kind) if material.shared else None,
            jit_compile=jit_compile,
            on_epoch_end=on_epoch_end,
            devices=devices,
        )
    model = result.get("model", model)
    run.update(parameters=model.count_params())  # again, since support vectors are parameters too
    if "epochs" in result:  # models fitted by scikit-learn have none
        run.update(**{key: result[key] for key in ("epochs", "best_epoch", "input", "warnings")})
        logger.info("%s", describe_input_time(result["input"]))
        for warning in result["warnings"]:
            logger.warning("%s", warning)
    # predictions are made on any machine and one device, so half precision ends here, and so do copies of the model
    model = device.convert_to_float32(model, policy, is_copied=devices.n > 1)
    fit.save_model(model, run.path)
    n_few = min(4, len(clips["train"]), compute_batch_limit(model))
    few = clips["train"].get(np.arange(n_few)).astype(np.float32)  # to check the export on
    return TrainedModel(
        lambda clips: fit.predict_scores(model, clips, result.get("batch_size", training.batch_size)),
        list(spec.shape),
        run.path / "model.keras",
        lambda: export_keras_onnx(model, run, few),
    )


def train_and_score(
    experiment: Experiment, material: TrainingData, seed: int, data_root: Path
) -> tuple[Clips, np.ndarray]:
    """Train a model and score the test split. Write no run and log nothing.

    Returns
    -------
    clips : of the test split
    scores : np.ndarray [shape=(n_clips, n_classes)], raw
    """
    job = TrainingJob(experiment, material)
    clips = job.cut("test")
    facts = {"data": {"root": str(data_root), "hash": material.dataset.hash()}}
    with tempfile.TemporaryDirectory() as folder, suppress_stderr(), capture_messages(lambda message: None):
        run = create_run(Path(folder), experiment.name, seed, experiment.text, facts)
        return clips, train_model(run, job).predict_scores(clips)


def describe_input_time(times: dict[str, float]) -> str:
    """Return how long training waited for its batches, and how long making them took."""
    workers = f" in {times['workers']:.0f} threads" if times["workers"] else ""
    return (
        f"input: training waited {times['waited_seconds']:.1f} of {times['training_seconds']:.1f} s for batches "
        f"({times['waited_share']:.1%}); making them took {times['seconds']:.1f} s{workers}"
    )


def build_untrained_model(experiment: Experiment, spec: ModelSpec, info: RunInfo) -> tuple[Any, dict[str, str] | None]:
    """Return the untrained model and its initial weights' origin, or random ones if `auto` can't get ImageNet's."""
    chosen, weights = choose_weights(experiment, info)
    try:
        return build_model(experiment.family, chosen, spec), weights
    except InputError as error:
        if weights is None or weights["choice"] == "none" or experiment.model.weights != "auto":
            raise
        weights = {"choice": "none", "reason": error.message}  # continue with random weights and a warning
        logger.warning("weights: none (%s)", error)
    return build_model(experiment.family, replace(chosen, weights="none"), spec), weights


def choose_weights(experiment: Experiment, info: RunInfo) -> tuple[Any, dict[str, str] | None]:
    """Decide `auto` weights, and return the model's options and the decision, which resumed training keeps."""
    family, decision = get_family(experiment.family), info.weights
    if not hasattr(family, "choose_weights"):  # a family without pretrained weights
        return experiment.model, None
    if decision is None:
        choice, reason = family.choose_weights(experiment.model)
        decision = {"choice": choice, "reason": reason}
        if caveat := family.describe_pretraining(choice):
            decision["pretraining"] = caveat
    logger.info("weights: %s (%s)", decision["choice"], decision["reason"])
    if decision["choice"] == "none" and experiment.family == "transfer" and experiment.model.frozen:
        logger.warning("the backbone is frozen at random weights; set model.frozen=false to train it")
    return replace(experiment.model, weights=decision["choice"]), decision
