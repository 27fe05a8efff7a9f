"""Experiments: one TOML file each, every key and value checked before anything is loaded."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from musicml import features, models, options, splits
from musicml.errors import BadInput, nearest
from musicml.options import option

TABLES = ("data", "features", "clips", "model", "training", "sample")


@dataclass(frozen=True)
class Data:
    """Which data set, with its faults or without, and how it is split.

    `folds`: 1 is one split; more is a cross-validation, each file judged once; 0 is as many as `split` asks for.
    """

    dataset: str = option()
    protocol: str = option("honest", choices=("honest", "as_published"))
    split: str = option("official", choices=splits.KINDS)
    folds: int = option(0, least=0, most=20)
    val_fraction: float = option(0.15, least=0.01, most=0.5)
    test_fraction: float = option(0.15, least=0.01, most=0.5)

    @property
    def n_folds(self) -> int:
        """How many folds hold: 1 is one split."""
        return self.folds or splits.FOLDS.get(self.split, 1)


@dataclass(frozen=True)
class Clips:
    """How a track is cut into clips: their length and the way from one's start to the next's, in seconds."""

    seconds: float = option(3.0, least=0.1, most=120.0)
    hop_seconds: float = option(3.0, least=0.05, most=120.0)


@dataclass(frozen=True)
class Training:
    """How a model is trained. `early_stopping` and `plateau_patience` are epochs; 0 switches either off.

    `monitor` says which epoch is the best, and what early stopping and the plateau rule watch.
    """

    epochs: int = option(30, least=1, most=10000)
    batch_size: int = option(32, least=1, most=65536)
    optimizer: str = option("adam", choices=("adam", "adamw", "sgd"))
    learning_rate: float = option(1e-3, least=1e-9, most=10.0)
    schedule: str = option("none", choices=("none", "cosine"))
    weight_decay: float = option(0.0, least=0.0, most=1.0)
    clipnorm: float = option(0.0, least=0.0, most=1e6)
    label_smoothing: float = option(0.0, least=0.0, most=0.5)
    early_stopping: int = option(0, least=0, most=10000)
    plateau_patience: int = option(0, least=0, most=10000)
    plateau_factor: float = option(0.5, least=0.01, most=0.99)
    plateau_least: float = option(1e-6, least=0.0, most=1.0)
    keep: str = option("best", choices=("best", "last"))
    monitor: str = option("val_loss", choices=("val_loss", "val_accuracy"))
    precision: str = option("auto", choices=("auto", "float32", "mixed_float16", "mixed_bfloat16"))


@dataclass(frozen=True)
class Experiment:
    """One experiment, checked.

    Attributes
    ----------
    name : the file's name without `.toml`
    text : the file as it was written
    overrides : what `--set` changed
    sample : whether the `[sample]` table holds
    features : `LogMel`, `MFCC`, `Pixels` or `VGGish`, by `kind`
    model : the options of the model `family`
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
    overrides: Mapping[str, Any] = field(default_factory=dict)
    sample: bool = False

    def on_sample(self) -> Experiment:
        """The same experiment with its `[sample]` table holding."""
        return parse(self.name, self.text, self.overrides, sample=True)

    def settings(self) -> dict[str, Any]:
        """Every setting as it holds, defaults included, as plain values."""
        return {
            "data": options.as_table(self.data),
            "features": {"kind": self.kind, **options.as_table(self.features)},
            "clips": options.as_table(self.clips),
            "model": {"family": self.family, **options.as_table(self.model)},
            "training": options.as_table(self.training),
        }


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


def checked(name: str, text: str, tables: Mapping[str, Any]) -> Experiment:
    """The experiment that `tables` describe, every rule checked."""
    file = f"{name}.toml"
    for table in ("data", "features", "model"):
        if table not in tables:
            raise BadInput(f"{file} needs the table [{table}], which is missing: add it.")
    kind, feature_table = taken(tables["features"], "kind", tuple(features.KINDS), "features", file)
    family, model_table = taken(tables["model"], "family", models.NAMES, "model", file)
    feature_options = options.read(features.KINDS[kind], feature_table, "features", file)
    data = options.read(Data, tables["data"], "data", file)
    if data.val_fraction + data.test_fraction > 0.8:
        raise BadInput(
            f"data.val_fraction = {data.val_fraction} and data.test_fraction = {data.test_fraction} in {file} must "
            "leave at least a fifth to train on: lower one of them."
        )
    if data.folds > 1 and data.split in splits.LISTED:
        raise BadInput(splits.fixed(data.split, data.folds))
    if kind == "pixels" and family != "transfer":
        raise BadInput(
            f"model.family = {family!r} in {file} must be one that takes pictures, since features.kind is pixels: take "
            "transfer."
        )
    return Experiment(
        name,
        text,
        data,
        kind,
        feature_options,
        options.read(Clips, tables.get("clips", {}), "clips", file),
        family,
        options.read(models.family(family).Options, model_table, "model", file),
        options.read(Training, tables.get("training", {}), "training", file),
    )


def taken(
    table: Mapping[str, Any], key: str, known: tuple[str, ...], where: str, file: str
) -> tuple[str, dict[str, Any]]:
    """The value of the key that chooses which others there are, and the table without it."""
    if key not in table:
        raise BadInput(f"[{where}] in {file} needs the key {key!r}, which is missing: add one of {', '.join(known)}.")
    if table[key] not in known:
        raise BadInput(f"{where}.{key} = {table[key]!r} in {file} is not known: {nearest(str(table[key]), known)}")
    return table[key], {name: value for name, value in table.items() if name != key}
