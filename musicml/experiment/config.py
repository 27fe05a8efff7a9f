"""Experiments: one TOML file each, every key and value checked before anything is loaded."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from musicml.data import published_results
from musicml.data.splits import splitting
from musicml.features import audio_features, augmentation
from musicml.features.augmentation import Augment
from musicml.models import registry
from musicml.utils import schema
from musicml.utils.errors import BadInput, nearest
from musicml.utils.schema import option

TABLES = ("data", "features", "clips", "model", "training", "augment", "tune", "published", "sample")


@dataclass(frozen=True)
class Data:
    """Which data set, with its faults or without, and how it is split.

    `folds`: 1 is one split; more is a cross-validation, each file judged once; 0 is as many as `split` asks for.
    """

    dataset: str = option()
    protocol: str = option("honest", choices=("honest", "as_published"))
    split: str = option("official", choices=splitting.KINDS)
    folds: int = option(0, least=0, most=20)
    val_fraction: float = option(0.15, least=0.0, most=0.5)
    test_fraction: float = option(0.15, least=0.01, most=0.5)

    @property
    def n_folds(self) -> int:
        """How many folds hold: 1 is one split."""
        return self.folds or splitting.FOLDS.get(self.split, 1)


@dataclass(frozen=True)
class Clips:
    """How a track is cut into clips: their length and the way from one's start to the next's, in seconds.

    `average` says what is averaged over a track's clips: probabilities, or their logarithms.
    """

    seconds: float = option(3.0, least=0.1, most=120.0)
    hop_seconds: float = option(3.0, least=0.05, most=120.0)
    average: str = option("probability", choices=("probability", "log_probability"))


@dataclass(frozen=True)
class Training:
    """How a model is trained. `early_stopping` and `plateau_patience` are epochs; 0 switches either off.

    `monitor` says which epoch is the best, and what early stopping and the plateau rule watch. `warmup` is the share
    of all steps over which a cosine schedule rises to its rate. `ema` keeps a moving average of the weights, of this
    momentum, and validates and serves that. `finetune_epochs` follow on a frozen backbone's head: the share
    `finetune_layers` of the backbone's layers, from the top, then learns too, at `finetune_rate` and with batch
    normalisations as they are; 0 leaves it frozen. `compile` chooses whether XLA compiles the steps.
    """

    epochs: int = option(30, least=1, most=10000)
    batch_size: int = option(32, least=1, most=65536)
    optimizer: str = option("adam", choices=("adam", "adamw", "sgd"))
    learning_rate: float = option(1e-3, least=1e-9, most=10.0)
    schedule: str = option("none", choices=("none", "cosine"))
    warmup: float = option(0.0, least=0.0, most=0.9)
    weight_decay: float = option(0.0, least=0.0, most=1.0)
    clipnorm: float = option(0.0, least=0.0, most=1e6)
    label_smoothing: float = option(0.0, least=0.0, most=0.5)
    class_weights: str = option("none", choices=("none", "balanced"))
    ema: float = option(0.0, least=0.0, most=0.99999)
    finetune_epochs: int = option(0, least=0, most=10000)
    finetune_rate: float = option(1e-5, least=1e-9, most=10.0)
    finetune_layers: float = option(1.0, least=0.01, most=1.0)
    early_stopping: int = option(0, least=0, most=10000)
    plateau_patience: int = option(0, least=0, most=10000)
    plateau_factor: float = option(0.5, least=0.01, most=0.99)
    plateau_least: float = option(1e-6, least=0.0, most=1.0)
    keep: str = option("best", choices=("best", "last"))
    monitor: str = option("val_loss", choices=("val_loss", "val_accuracy"))
    precision: str = option("auto", choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"))
    compile: str = option("auto", choices=("auto", "none", "xla"))


@dataclass(frozen=True)
class Published:
    """Which published result an experiment replays, and how its figure came about.

    `reference` is its name in `musicml.data.published_results`, which also says on which side it was judged. `honest`
    names the experiment to hold against it, with `changes` of it, written as `--set` takes them, so that the two differ in the
    protocol alone. `fault` says in plain words why the figure flatters. `pieces` cuts tracks into clips before they
    are split, so that a track stands on all sides. `served` is what the system's own app made of the model, and
    `figures` are those of the reference to hold beside each other, the main one first.
    """

    reference: str = option()
    honest: str = option()
    fault: str = option()
    changes: tuple[str, ...] = option(())
    pieces: bool = option(False)
    served: str = option("", choices=("", "softmax_twice", "first_second"))
    figures: tuple[str, ...] = option(("accuracy",))


@dataclass(frozen=True)
class Experiment:
    """One experiment, checked.

    Attributes
    ----------
    name : the file's name without `.toml`
    text : the file as it was written
    overrides : what `--set` changed
    sample : whether the `[sample]` table holds
    features : `LogMel`, `MFCC`, `Pixels`, `VGGish` or `Spectrogram`, by `kind`
    model : the options of the model `family`
    augment : how training examples are varied
    tune : dotted key → the values that `musicml tune` may try, as the file has them
    published : what it replays, None of an honest one
    """

    name: str
    text: str
    data: Data
    kind: str
    features: Any
    clips: Clips
    family: str
    model: Any
    training: Training
    augment: Augment = Augment()
    tune: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    sample: bool = False
    published: Published | None = None

    def on_sample(self) -> Experiment:
        """The same experiment with its `[sample]` table holding."""
        return parse(self.name, self.text, self.overrides, sample=True)

    def settings(self) -> dict[str, Any]:
        """Every setting as it holds, defaults included, as plain values."""
        return {
            "data": schema.as_table(self.data),
            "features": {"kind": self.kind, **schema.as_table(self.features)},
            "clips": schema.as_table(self.clips),
            "model": {"family": self.family, **schema.as_table(self.model)},
            "training": schema.as_table(self.training),
            "augment": schema.as_table(self.augment),
            **self.replayed(),
        }

    @property
    def unit(self) -> str:
        """What it is judged on: files, or pieces of them."""
        return "pieces" if self.published is not None and self.published.pieces else "files"

    def replayed(self) -> dict[str, Any]:
        """Of what is replayed, that which decides the figures; the words about it may change."""
        if self.published is None:
            return {}
        table = schema.as_table(self.published)
        return {"published": {key: table[key] for key in ("reference", "pieces", "served")}}


def read(path: Path, overrides: Mapping[str, Any] | None = None, sample: bool = False) -> Experiment:
    """Read the experiment file at `path`.

    Parameters
    ----------
    path : the TOML file
    overrides : dotted key → value, from `--set`
    sample : whether the `[sample]` table shall hold

    Raises
    ------
    BadInput
        If the file is missing, is not TOML, or breaks a rule.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")  # Windows puts a byte order mark first
    except FileNotFoundError:
        known = [file.stem for file in path.parent.glob("*.toml")]
        raise BadInput(f"{path} must be an experiment file and is not there: {nearest(path.stem, known)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} must be a text file in UTF-8 and can't be read ({error}): check the path.") from None
    return parse(path.stem, text, overrides, sample)


def parse(name: str, text: str, overrides: Mapping[str, Any] | None = None, sample: bool = False) -> Experiment:
    """Check the text of an experiment file, with its `[sample]` table whether or not it holds."""
    file = f"{name}.toml"
    try:
        tables = tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{file} must be TOML and is not: {error}; mend that line.") from None
    for key, value in tables.items():
        if key not in TABLES or not isinstance(value, dict):
            raise BadInput(f"{file} has no table {key!r}: {nearest(key, TABLES)}")
    changes = tables.pop("sample", {})
    plain, on_sample = checked(name, text, tables), checked(name, text, merged(tables, changes, file))
    if overrides:
        chosen = merged(merged(tables, changes, file) if sample else tables, unfolded(overrides), "--set")
        return replace(checked(name, text, chosen), overrides=dict(overrides), sample=sample)
    return replace(on_sample, sample=True) if sample else plain


def merged(tables: Mapping[str, Any], changes: Mapping[str, Any], file: str) -> dict[str, Any]:
    """`tables` with the keys of `changes` in place of theirs, table by table."""
    result = {name: dict(table) for name, table in tables.items()}
    for name, table in changes.items():
        if name not in TABLES or name == "sample" or not isinstance(table, Mapping):
            raise BadInput(f"{file} can't change {name!r}: {nearest(name, TABLES[:-1])}")
        result[name] = {**result.get(name, {}), **table}
    return result


def unfolded(overrides: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`{"training.epochs": 3}` as `{"training": {"epochs": 3}}`."""
    tables: dict[str, dict[str, Any]] = {}
    for dotted, value in overrides.items():
        table, dot, key = dotted.partition(".")
        if not dot:
            raise BadInput(f"--set takes TABLE.KEY=VALUE and got {dotted!r}: write for example training.epochs=3.")
        tables.setdefault(table, {})[key] = value
    return tables


def changes(pairs: Iterable[str]) -> dict[str, Any]:
    """`["training.epochs=3"]` as `{"training.epochs": 3}`; a value that is not TOML is taken as text."""
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise BadInput(f"--set takes TABLE.KEY=VALUE and got {pair!r}: write for example --set training.epochs=3.")
        try:
            found[key.strip()] = tomllib.loads("value=" + value)["value"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = value.strip()
    return found


def checked(name: str, text: str, tables: Mapping[str, Any]) -> Experiment:
    """The experiment that `tables` describe, every rule checked."""
    file = f"{name}.toml"
    for table in ("data", "features", "model"):
        if table not in tables:
            raise BadInput(f"{file} needs the table [{table}], which is missing: add it.")
    kind, feature_table = taken(tables["features"], "kind", tuple(audio_features.KINDS), "features", file)
    family, model_table = taken(tables["model"], "family", registry.NAMES, "model", file)
    feature_options = schema.read(audio_features.KINDS[kind], feature_table, "features", file)
    data = schema.read(Data, tables["data"], "data", file)
    if data.val_fraction + data.test_fraction > 0.8:
        raise BadInput(
            f"data.val_fraction = {data.val_fraction} and data.test_fraction = {data.test_fraction} in {file} must "
            "leave at least a fifth to train on: lower one of them."
        )
    if data.folds > 1 and data.split in splitting.LISTED:
        raise BadInput(splitting.fixed(data.split, data.folds))
    if kind == "pixels" and family != "transfer":
        raise BadInput(
            f"model.family = {family!r} in {file} must be one that takes pictures, since features.kind is pixels: take "
            "transfer."
        )
    model = schema.read(registry.family(family).Options, model_table, "model", file)
    training = schema.read(Training, tables.get("training", {}), "training", file)
    varied = schema.read(Augment, tables.get("augment", {}), "augment", file)
    augmentation.check(varied, kind, file)
    fit_together(training, varied, family, getattr(model, "frozen", False), file)
    return Experiment(
        name,
        text,
        data,
        kind,
        feature_options,
        schema.read(Clips, tables.get("clips", {}), "clips", file),
        family,
        model,
        training,
        varied,
        folded(tables.get("tune", {})),
        published=published(tables["published"], data, kind, file) if "published" in tables else None,
    )


def published(table: Mapping[str, Any], data: Data, kind: str, file: str) -> Published:
    """What is replayed; refused where the rest of the file does not do what was published."""
    if data.protocol != "as_published":
        raise BadInput(
            f"[published] in {file} replays a published protocol, and data.protocol is {data.protocol!r}: set it to "
            "as_published, or take [published] out."
        )
    if data.n_folds > 1:
        raise BadInput(
            f"[published] in {file} replays one split, and data.folds is {data.n_folds}: set it to 1, or take "
            "[published] out."
        )
    found = schema.read(Published, table, "published", file)
    known = published_results.get(found.reference)
    if known.dataset != data.dataset or known.protocol != published_results.AS_PUBLISHED:
        raise BadInput(
            f"published.reference = {found.reference!r} in {file} must be a result as published on {data.dataset}, and "
            f"it is {known.protocol} on {known.dataset}: name another."
        )
    for name in found.figures:
        if name not in known.figures:
            raise BadInput(
                f"published.figures in {file} must be figures of {known.name}, and {name} is none: "
                f"{nearest(name, known.figures)}"
            )
    if found.pieces and (kind in ("pixels", "vggish") or not splitting.keeps_nothing_together(True, data.split)):
        raise BadInput(
            f"published.pieces in {file} needs tracks that can be cut, and a split that keeps nothing together: take "
            'log_mel, mfcc or spectrogram, and data.split = "official".'
        )
    changes(found.changes)
    return found


def fit_together(training: Training, varied: Augment, family: str, frozen: bool, file: str) -> None:
    """Refuse options of training that mean nothing beside this model."""
    if training.warmup and training.schedule != "cosine":
        raise BadInput(
            f"training.warmup = {training.warmup} in {file} is the beginning of a cosine schedule, and "
            f"training.schedule is {training.schedule!r}: set it to cosine, or take warmup out."
        )
    if training.finetune_epochs and not frozen:
        raise BadInput(
            f"training.finetune_epochs = {training.finetune_epochs} in {file} needs a backbone that was frozen before, "
            "and this model learns whole from the first epoch: set model.frozen = true, or take it out."
        )
    if varied.views and not frozen:
        raise BadInput(
            f"augment.views = {varied.views} in {file} are computed once for a frozen backbone, and this model has "
            "none: it sees other views in every epoch anyway, so take views out."
        )
    if frozen and varied.varies and not (varied.views or training.finetune_epochs):
        raise BadInput(
            f"[augment] in {file} varies what a frozen backbone sees, whose outputs are computed once: set "
            "augment.views to how many views shall be computed, or training.finetune_epochs."
        )
    if family == "forest" and (varied.varies or varied.mixes):
        raise BadInput(f"[augment] in {file} is for networks, and model.family is forest: take it out.")


def folded(table: Mapping[str, Any]) -> dict[str, Any]:
    """`{"training": {"epochs": [3, 5]}}` as `{"training.epochs": [3, 5]}`."""
    return {
        f"{name}.{key}": value
        for name, keys in table.items()
        for key, value in (keys.items() if isinstance(keys, Mapping) else [("", keys)])
    }


def taken(
    table: Mapping[str, Any], key: str, known: tuple[str, ...], where: str, file: str
) -> tuple[str, dict[str, Any]]:
    """The value of the key that chooses which others there are, and the table without it."""
    if key not in table:
        raise BadInput(f"[{where}] in {file} needs the key {key!r}, which is missing: add one of {', '.join(known)}.")
    if table[key] not in known:
        raise BadInput(f"{where}.{key} = {table[key]!r} in {file} is not known: {nearest(str(table[key]), known)}")
    return table[key], {name: value for name, value in table.items() if name != key}
