"""The tables of an experiment file as dataclasses, with the allowed range or choices of each key."""

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
    """The dataset, its protocol and its split."""

    dataset: str = define_option()
    protocol: str = define_option("honest", choices=("honest", "as_published"))  # as_published keeps known faults
    split: str = define_option("official", choices=SPLIT_KINDS)
    folds: int = define_option(0, least=0, most=20)  # 1 is a single split, more a cross-validation; 0 follows `split`
    val_fraction: float = define_option(0.15, least=0.0, most=0.5)
    test_fraction: float = define_option(0.15, least=0.01, most=0.5)

    @property
    def n_folds(self) -> int:
        """The number of folds; 1 for a single split."""
        return self.folds or DEFAULT_FOLDS.get(self.split, 1)


@dataclass(frozen=True)
class ClipOptions:
    """The length of clips and the hop between their starts, in seconds, and how their scores are averaged."""

    seconds: float = define_option(3.0, least=0.1, most=120.0)
    hop_seconds: float = define_option(3.0, least=0.05, most=120.0)  # shorter than `seconds`: clips overlap
    average: str = define_option("probability", choices=("probability", "log_probability"))


@dataclass(frozen=True)
class TrainingOptions:
    """The optimizer, the learning rate, and the stopping rules of training."""

    epochs: int = define_option(30, least=1, most=10000)
    batch_size: int = define_option(32, least=1, most=65536)
    optimizer: str = define_option("adam", choices=("adam", "adamw", "sgd"))
    learning_rate: float = define_option(1e-3, least=1e-9, most=10.0)
    schedule: str = define_option("none", choices=("none", "cosine"))
    warmup: float = define_option(0.0, least=0.0, most=0.9)  # share of all steps until the cosine reaches its full rate
    weight_decay: float = define_option(0.0, least=0.0, most=1.0)
    clipnorm: float = define_option(0.0, least=0.0, most=1e6)  # longer gradients are scaled down to it; 0 is off
    label_smoothing: float = define_option(0.0, least=0.0, most=0.5)  # taken from the true class, given to all
    class_weights: str = define_option("none", choices=("none", "balanced"))  # balanced: rare classes count more
    ema: float = define_option(0.0, least=0.0, most=0.99999)  # momentum of averaged weights, which are then saved
    finetune_epochs: int = define_option(0, least=0, most=10000)  # after the head was trained on a frozen backbone
    finetune_rate: float = define_option(1e-5, least=1e-9, most=10.0)  # small, so that pretrained weights change little
    finetune_layers: float = define_option(1.0, least=0.01, most=1.0)  # share of the backbone's layers, from the top
    early_stopping: int = define_option(0, least=0, most=10000)  # epochs without improvement; 0 is off
    plateau_patience: int = define_option(0, least=0, most=10000)  # epochs until the learning rate drops; 0 is off
    plateau_factor: float = define_option(0.5, least=0.01, most=0.99)
    plateau_least: float = define_option(1e-6, least=0.0, most=1.0)  # the learning rate never drops below it
    keep: str = define_option("best", choices=("best", "last"))  # which epoch's weights are saved
    monitor: str = define_option("val_loss", choices=("val_loss", "val_accuracy"))  # defines best and improvement
    precision: str = define_option("auto", choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"))
    compile: str = define_option("auto", choices=("auto", "none", "xla"))  # compile training steps with XLA
    devices: str = define_option("first", choices=("first", "all"))  # all: each trains on a part of every batch


def check_schedule(training: TrainingOptions, file: str) -> None:
    """Reject learning-rate options that contradict the schedule."""
    is_cosine = training.schedule == "cosine"
    rules = {
        Message(
            "training.warmup = {training_warmup} in {file} needs a cosine schedule, but training.schedule is "
            "{training_schedule!r}. Set it to cosine, or remove warmup."
        ): training.warmup and not is_cosine,
        Message(
            "Expected either training.schedule = 'cosine' or training.plateau_patience, since both set the learning "
            "rate. {file} has both (plateau_patience = {patience}). Remove one."
        ): training.plateau_patience and is_cosine,
    }
    values = {"training_warmup": training.warmup, "training_schedule": training.schedule}
    raise_first_error(rules, file=file, patience=training.plateau_patience, **values)


def check_compatibility(training: TrainingOptions, augment: Augment, family: str, model: Any, file: str) -> None:
    """Reject training options that the model does not support."""
    is_frozen, is_finetuned = getattr(model, "frozen", False), bool(training.finetune_epochs)
    is_sklearn_head = family != "forest" and is_fitted_at_once(family, getattr(model, "head", None))
    check_schedule(training, file)
    rules = {
        Message(
            "augment.mixup and augment.cutmix in {file} mix labels, which models from scikit-learn do not support. "
            "Remove them."
        ): is_sklearn_head and augment.is_mixing,
        Message(
            "training.finetune_epochs = {epochs} in {file} needs a frozen backbone, but this model trains all layers "
            "from the first epoch. Set model.frozen = true, or remove finetune_epochs."
        ): is_finetuned and not is_frozen,
        Message(
            "training.finetune_epochs = {epochs} in {file} needs model.family = 'transfer', got {family!r}. Remove "
            "finetune_epochs."
        ): is_finetuned and family != "transfer",
        Message(
            "augment.views = {views} in {file} needs a frozen backbone. This model gets new variations in every epoch "
            "anyway. Remove views."
        ): augment.views and not is_frozen,
        Message(
            "[augment] in {file} needs augment.views with model.family = {family!r}, because the outputs of its frozen "
            "layers are computed only once. Set augment.views to the number of variations per clip."
        ): (is_frozen and family != "transfer" and augment.is_varying and not augment.views),
        Message(
            "[augment] in {file} has no effect on a frozen backbone, whose outputs are computed only once. Set "
            "augment.views to the number of variations, or set training.finetune_epochs."
        ): (is_frozen and augment.is_varying and not (augment.views or is_finetuned)),
        Message("[augment] in {file} is for neural networks, but model.family is forest. Remove [augment]."): (
            family == "forest" and (augment.is_varying or augment.is_mixing)
        ),
    }
    raise_first_error(rules, file=file, family=family, epochs=training.finetune_epochs, views=augment.views)


def raise_first_error(rules: Mapping[Message, Any], **values: Any) -> None:
    """Raise an InputError for the first template of `rules` whose condition is true."""
    for template, is_broken in rules.items():
        if is_broken:
            raise InputError(template, **values)


@dataclass(frozen=True)
class PublishedOptions:
    """The published result that an experiment replicates, and how that result was obtained.

    Attributes
    ----------
    reference : its name in `musicml.data.published_results`
    honest : the experiment to compare with, which differs in the protocol alone
    fault : why the published metric is too high, in one sentence
    changes : changes to the honest experiment, written as for `--set`
    pieces : split clips of tracks rather than tracks, so that one track is in all splits
    served : how the published app transformed the model's scores
    figures : the metrics to compare, the main one first
    """

    reference: str = define_option()
    honest: str = define_option()
    fault: str = define_option()
    changes: tuple[str, ...] = define_option(())
    pieces: bool = define_option(False)
    served: str = define_option("", choices=("", "softmax_twice", "first_second"))
    figures: tuple[str, ...] = define_option(("accuracy",))


# the types of a run's settings: of our own tables all keys, of the others those that musicml reads
SETTINGS: dict[str, Mapping[str, Any]] = {
    "data": get_field_types(DataOptions),
    "features": {"kind": str},
    "clips": get_field_types(ClipOptions),
    "model": {"family": str, "head": str, "frozen": bool},
    "training": get_field_types(TrainingOptions),
    "published": get_field_types(PublishedOptions),
}
