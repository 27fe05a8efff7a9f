"""Options: the tables of an experiment file as dataclasses, each field with its rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from musicml.data.splits import DEFAULT_FOLDS, SPLIT_KINDS
from musicml.features import Augment
from musicml.models import is_fitted_at_once
from musicml.utils import InputError, Message, define_option, get_field_types


@dataclass(frozen=True)
class DataOptions:
    """Which data set, with its faults or without, and how it is split.

    `folds`: 1 is one split; more is a cross-validation, each file judged once; 0 is as many as `split` asks for.
    """

    dataset: str = define_option()
    protocol: str = define_option("honest", choices=("honest", "as_published"))
    split: str = define_option("official", choices=SPLIT_KINDS)
    folds: int = define_option(0, least=0, most=20)
    val_fraction: float = define_option(0.15, least=0.0, most=0.5)
    test_fraction: float = define_option(0.15, least=0.01, most=0.5)

    @property
    def n_folds(self) -> int:
        """How many folds hold: 1 is one split."""
        return self.folds or DEFAULT_FOLDS.get(self.split, 1)


@dataclass(frozen=True)
class ClipOptions:
    """How a track is cut into clips: their length and the way from one's start to the next's, in seconds.

    `average` says what is averaged over a track's clips: probabilities, or their logarithms.
    """

    seconds: float = define_option(3.0, least=0.1, most=120.0)
    hop_seconds: float = define_option(3.0, least=0.05, most=120.0)
    average: str = define_option("probability", choices=("probability", "log_probability"))


@dataclass(frozen=True)
class TrainingOptions:
    """How a model is trained. `early_stopping` and `plateau_patience` are epochs; 0 switches either off.

    `monitor` says which epoch is the best, and what early stopping and the plateau rule watch. `warmup` is the share
    of all steps over which a cosine schedule rises to its rate. `ema` keeps a moving average of the weights, of this
    momentum, and validates and serves that. `finetune_epochs` follow on a frozen backbone's head: the share
    `finetune_layers` of the backbone's layers, from the top, then learns too, at `finetune_rate` and with batch
    normalisations as they are; 0 leaves it frozen. `compile` chooses whether XLA compiles the steps.
    """

    epochs: int = define_option(30, least=1, most=10000)
    batch_size: int = define_option(32, least=1, most=65536)
    optimizer: str = define_option("adam", choices=("adam", "adamw", "sgd"))
    learning_rate: float = define_option(1e-3, least=1e-9, most=10.0)
    schedule: str = define_option("none", choices=("none", "cosine"))
    warmup: float = define_option(0.0, least=0.0, most=0.9)
    weight_decay: float = define_option(0.0, least=0.0, most=1.0)
    clipnorm: float = define_option(0.0, least=0.0, most=1e6)
    label_smoothing: float = define_option(0.0, least=0.0, most=0.5)
    class_weights: str = define_option("none", choices=("none", "balanced"))
    ema: float = define_option(0.0, least=0.0, most=0.99999)
    finetune_epochs: int = define_option(0, least=0, most=10000)
    finetune_rate: float = define_option(1e-5, least=1e-9, most=10.0)
    finetune_layers: float = define_option(1.0, least=0.01, most=1.0)
    early_stopping: int = define_option(0, least=0, most=10000)
    plateau_patience: int = define_option(0, least=0, most=10000)
    plateau_factor: float = define_option(0.5, least=0.01, most=0.99)
    plateau_least: float = define_option(1e-6, least=0.0, most=1.0)
    keep: str = define_option("best", choices=("best", "last"))
    monitor: str = define_option("val_loss", choices=("val_loss", "val_accuracy"))
    precision: str = define_option("auto", choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"))
    compile: str = define_option("auto", choices=("auto", "none", "xla"))


def check_schedule(training: TrainingOptions, file: str) -> None:
    """Refuse options of the learning rate that contradict its schedule."""
    is_cosine = training.schedule == "cosine"
    rules = {
        Message(
            "training.warmup = {training_warmup} in {file} is the beginning of a cosine schedule, and "
            "training.schedule is {training_schedule!r}: set it to cosine, or take warmup out."
        ): training.warmup and not is_cosine,
        Message(
            "Expected either training.schedule = 'cosine' or training.plateau_patience, since both set the learning "
            "rate, and {file} has both (plateau_patience = {patience}). Take one out."
        ): training.plateau_patience and is_cosine,
    }
    values = {"training_warmup": training.warmup, "training_schedule": training.schedule}
    refuse_broken(rules, file=file, patience=training.plateau_patience, **values)


def check_compatibility(training: TrainingOptions, varied: Augment, family: str, model: Any, file: str) -> None:
    """Refuse options of training that mean nothing beside this model."""
    frozen, finetuned = getattr(model, "frozen", False), bool(training.finetune_epochs)
    fitted = family != "forest" and is_fitted_at_once(family, getattr(model, "head", None))
    check_schedule(training, file)
    rules = {
        Message(
            "Expected no augment.mixup and no augment.cutmix in {file}, since scikit-learn fits this model and takes "
            "whole labels only. Take them out."
        ): fitted and varied.mixes,
        Message(
            "training.finetune_epochs = {epochs} in {file} needs a backbone that was frozen before, and this model "
            "learns whole from the first epoch: set model.frozen = true, or take it out."
        ): finetuned and not frozen,
        Message(
            "Expected training.finetune_epochs = 0 with model.family = {family!r}, since only the backbones of "
            "transfer can be fine-tuned. {file} has {epochs}. Take it out."
        ): finetuned and family != "transfer",
        Message(
            "augment.views = {views} in {file} are computed once for a frozen backbone, and this model has none: it "
            "sees other views in every epoch anyway, so take views out."
        ): varied.views and not frozen,
        Message(
            "Expected augment.views with [augment] and model.family = {family!r}, whose lower layers are computed "
            "once. Set augment.views in {file} to how many varied views of each clip shall be computed."
        ): (frozen and family != "transfer" and varied.varies and not varied.views),
        Message(
            "[augment] in {file} varies what a frozen backbone sees, whose outputs are computed once: set "
            "augment.views to how many views shall be computed, or training.finetune_epochs."
        ): (frozen and varied.varies and not (varied.views or finetuned)),
        Message("[augment] in {file} is for networks, and model.family is forest: take it out."): (
            family == "forest" and (varied.varies or varied.mixes)
        ),
    }
    refuse_broken(rules, file=file, family=family, epochs=training.finetune_epochs, views=varied.views)


def refuse_broken(rules: Mapping[Message, Any], **values: Any) -> None:
    """Raise the first error of `rules`, template → whether it is the case, if there is one."""
    for template, is_broken in rules.items():
        if is_broken:
            raise InputError(template, **values)


@dataclass(frozen=True)
class PublishedOptions:
    """Which published result an experiment replays, and how its figure came about.

    `reference` is its name in `musicml.data.published_results`, which also says on which side it was judged. `honest`
    names the experiment to hold against it, with `changes` of it, written as `--set` takes them, so that the two
    differ in the protocol alone. `fault` says in plain words why the figure flatters. `pieces` cuts tracks into clips
    before they are split, so that a track stands on all sides. `served` is what the system's own app made of the model,
    and `figures` are those of the reference to hold beside each other, the main one first.
    """

    reference: str = define_option()
    honest: str = define_option()
    fault: str = define_option()
    changes: tuple[str, ...] = define_option(())
    pieces: bool = define_option(False)
    served: str = define_option("", choices=("", "softmax_twice", "first_second"))
    figures: tuple[str, ...] = define_option(("accuracy",))


# the tables of a run's settings, with the types of their values; of the others, what is read
SETTINGS: dict[str, Mapping[str, Any]] = {
    "data": get_field_types(DataOptions),
    "features": {"kind": str},
    "clips": get_field_types(ClipOptions),
    "model": {"family": str, "head": str, "frozen": bool},
    "training": get_field_types(TrainingOptions),
    "published": get_field_types(PublishedOptions),
}
