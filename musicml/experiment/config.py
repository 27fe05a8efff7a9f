"""Experiments: one TOML file each, every key and value checked before anything is loaded."""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from musicml.data import AS_PUBLISHED, get_reference
from musicml.data.splits import LIST_SPLITS, describe_fixed_split, is_ungrouped_split
from musicml.experiment.options import (
    ClipOptions,
    DataOptions,
    PublishedOptions,
    TrainingOptions,
    check_compatibility,
    refuse_broken,
)
from musicml.features import FEATURE_KINDS, Augment, check_augmentation
from musicml.models import FAMILY_NAMES, get_family, is_fitted_at_once
from musicml.utils import InputError, Message, parse_options, suggest_names, to_dict

TABLES = ("data", "features", "clips", "model", "training", "augment", "tune", "published", "sample")


@dataclass(frozen=True)
class Experiment:
    """One experiment, checked.

    Attributes
    ----------
    name : the file's name without `.toml`
    text : the file as it was written
    overrides : what `--set` changed
    sample : whether the `[sample]` table holds
    refusal : what `overrides` break on real data, where they were read for data not known yet; raised by `resolve`
    features : `LogMel`, `MFCC`, `Pixels`, `VGGish` or `Spectrogram`, by `kind`
    model : the options of the model `family`
    augment : how training examples are varied
    tune : dotted key → the values that `musicml tune` may try, as the file has them
    published : what it replays, None of an honest one

    Examples
    --------
    >>> experiment = musicml.load_experiment("genre_gru")
    >>> experiment.family, experiment.kind, experiment.data.dataset
    ('recurrent', 'mfcc', 'gtzan')
    """

    name: str
    text: str
    data: DataOptions
    kind: str
    features: Any
    clips: ClipOptions
    family: str
    model: Any
    training: TrainingOptions
    augment: Augment = Augment()
    tune: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    sample: bool = False
    published: PublishedOptions | None = None
    refusal: InputError | None = None

    def apply_sample_table(self) -> Experiment:
        """The same experiment with its `[sample]` table holding."""
        return parse_experiment(self.name, self.text, self.overrides, sample=True)

    def resolve(self, sample: bool) -> Experiment:
        """The same experiment as it holds on data that is generated or is not.

        Raises
        ------
        InputError
            If what `--set` changed breaks a rule there.
        """
        if self.refusal and not sample:
            raise self.refusal
        return self.apply_sample_table() if sample else self

    def get_settings(self) -> dict[str, Any]:
        """Every setting as it holds, defaults included, as plain values."""
        published = {}
        if (replayed := self.published) is not None:  # that which decides the figures; the words about it may change
            published["published"] = {key: getattr(replayed, key) for key in ("reference", "pieces", "served")}
        return {
            "data": to_dict(self.data),
            "features": {"kind": self.kind, **to_dict(self.features)},
            "clips": to_dict(self.clips),
            "model": {"family": self.family, **to_dict(self.model)},
            "training": to_dict(self.training),
            "augment": to_dict(self.augment),
            **published,
        }

    @property
    def is_fitted_at_once(self) -> bool:
        """Whether scikit-learn fits what learns in its model, without epochs."""
        return is_fitted_at_once(self.family, getattr(self.model, "head", None))

    @property
    def unit(self) -> str:
        """What it is judged on: files, or pieces of them."""
        return "pieces" if self.published is not None and self.published.pieces else "files"


def read_experiment(path: Path, overrides: Mapping[str, Any] | None = None, sample: bool | None = False) -> Experiment:
    """Read the experiment file at `path`.

    Parameters
    ----------
    path : the TOML file
    overrides : dotted key → value, from `--set`
    sample : whether the `[sample]` table shall hold; None where that hangs on data that is not known yet, so that
        overrides have to fit one of the two, and `Experiment.resolve` says later whether it is the one that runs

    Raises
    ------
    InputError
        If the file is missing, is not TOML, or breaks a rule.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")  # Windows puts a byte order mark first
    except FileNotFoundError:
        known = [file.stem for file in path.parent.glob("*.toml")]
        raise InputError(
            "{path} must be an experiment file and is not there: {hint}",
            path=path,
            hint=suggest_names(path.stem, known),
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "{path} must be a text file in UTF-8 and can't be read ({error}): check the path.", path=path, error=error
        ) from None
    return parse_experiment(path.stem, text, overrides, sample)


def parse_experiment(
    name: str, text: str, overrides: Mapping[str, Any] | None = None, sample: bool | None = False
) -> Experiment:
    """Check the text of an experiment file, and its `[sample]` table even where that does not hold."""
    if sample is None:
        return _parse_for_either(name, text, overrides)
    file = f"{name}.toml"
    try:
        tables = tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("{file} must be TOML and is not: {error}; mend that line.", file=file, error=error) from None
    for key, value in tables.items():
        if key not in TABLES or not isinstance(value, dict):
            raise InputError("{file} has no table {key!r}: {hint}", file=file, key=key, hint=suggest_names(key, TABLES))
    changes = tables.pop("sample", {})
    plain, on_sample = check_tables(name, text, tables), check_tables(name, text, merge_changes(tables, changes, file))
    if overrides:
        chosen = merge_changes(
            merge_changes(tables, changes, file) if sample else tables, unfold_keys(overrides), "--set"
        )
        return replace(check_tables(name, text, chosen), overrides=dict(overrides), sample=sample)
    return replace(on_sample, sample=True) if sample else plain


def _parse_for_either(name: str, text: str, overrides: Mapping[str, Any] | None) -> Experiment:
    """Parse an experiment for real data; where `overrides` fit sample data alone, for that, with the refusal kept."""
    try:
        return parse_experiment(name, text, overrides)
    except InputError as refusal:
        with contextlib.suppress(InputError):  # a fault of both is that of the first
            return replace(parse_experiment(name, text, overrides, sample=True), refusal=refusal)
        raise


def merge_changes(tables: Mapping[str, Any], changes: Mapping[str, Any], file: str) -> dict[str, Any]:
    """`tables` with the keys of `changes` in place of theirs, table by table."""
    result = {name: dict(table) for name, table in tables.items()}
    for name, table in changes.items():
        if name not in TABLES or name == "sample" or not isinstance(table, Mapping):
            raise InputError(
                "{file} can't change {name!r}: {hint}", file=file, name=name, hint=suggest_names(name, TABLES[:-1])
            )
        result[name] = {**result.get(name, {}), **table}
    return result


def unfold_keys(overrides: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """`{"training.epochs": 3}` as `{"training": {"epochs": 3}}`."""
    tables: dict[str, dict[str, Any]] = {}
    for dotted, value in overrides.items():
        table, dot, key = dotted.partition(".")
        if not dot:
            raise InputError(
                "--set takes TABLE.KEY=VALUE and got {dotted!r}: write for example training.epochs=3.", dotted=dotted
            )
        tables.setdefault(table, {})[key] = value
    return tables


def parse_changes(pairs: Iterable[str]) -> dict[str, Any]:
    """`["training.epochs=3"]` as `{"training.epochs": 3}`; a value that is not TOML is taken as text."""
    found = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise InputError(
                "--set takes TABLE.KEY=VALUE and got {pair!r}: write for example --set training.epochs=3.", pair=pair
            )
        try:
            found[key.strip()] = tomllib.loads("value=" + value)["value"]
        except tomllib.TOMLDecodeError:
            found[key.strip()] = value.strip()
    return found


def check_tables(name: str, text: str, tables: Mapping[str, Any]) -> Experiment:
    """The experiment that `tables` describe, every rule checked."""
    file = f"{name}.toml"
    for table in ("data", "features", "model"):
        if table not in tables:
            raise InputError("{file} needs the table [{table}], which is missing: add it.", file=file, table=table)
    kind, feature_table = take_kind(tables["features"], "kind", tuple(FEATURE_KINDS), "features", file)
    family, model_table = take_kind(tables["model"], "family", FAMILY_NAMES, "model", file)
    feature_options = parse_options(FEATURE_KINDS[kind], feature_table, "features", file)
    data = parse_options(DataOptions, tables["data"], "data", file)
    if data.val_fraction + data.test_fraction > 0.8:
        raise InputError(
            "data.val_fraction = {data_val_fraction} and data.test_fraction = {data_test_fraction} in {file} must "
            "leave at least a fifth to train on: lower one of them.",
            data_val_fraction=data.val_fraction,
            data_test_fraction=data.test_fraction,
            file=file,
        )
    if data.folds > 1 and data.split in LIST_SPLITS:
        raise InputError(describe_fixed_split(data.split, data.folds))
    if kind == "pixels" and family != "transfer":
        raise InputError(
            "model.family = {family!r} in {file} must be one that takes pictures, since features.kind is pixels: take "
            "transfer.",
            family=family,
            file=file,
        )
    model = parse_options(get_family(family).Options, model_table, "model", file)
    check_features(get_family(family), family, kind, feature_options, file)
    training = parse_options(TrainingOptions, tables.get("training", {}), "training", file)
    varied = parse_options(Augment, tables.get("augment", {}), "augment", file)
    check_augmentation(varied, kind, file)
    check_compatibility(training, varied, family, model, file)
    clips, tune = parse_options(ClipOptions, tables.get("clips", {}), "clips", file), fold_keys(tables.get("tune", {}))
    published = check_published(tables["published"], data, kind, file) if "published" in tables else None
    parts = (data, kind, feature_options, clips, family, model, training, varied, tune)
    return Experiment(name, text, *parts, published=published)


def check_features(module: ModuleType, family: str, kind: str, settings: Any, file: str) -> None:
    """Refuse features that a pretrained model was not trained on."""
    expected = getattr(module, "FEATURES", {})
    found = {name: kind if name == "kind" else getattr(settings, name, None) for name in expected}
    if found != expected:
        raise InputError(
            "Expected the features that model.family = {family!r} was trained on, {expected}. {file} has {found}. "
            "Change [features].",
            family=family,
            expected=", ".join(f"{name} = {value!r}" for name, value in expected.items()),
            file=file,
            found=", ".join(f"{name} = {found[name]!r}" for name in expected if found[name] != expected[name]),
        )


def check_published(table: Mapping[str, Any], data: DataOptions, kind: str, file: str) -> PublishedOptions:
    """What is replayed; refused where the rest of the file does not do what was published."""
    rules = {
        Message(
            "[published] in {file} replays a published protocol, and data.protocol is {protocol!r}: set it to "
            "as_published, or take [published] out."
        ): data.protocol != "as_published",
        Message(
            "[published] in {file} replays one split, and data.folds is {folds}: set it to 1, or take [published] out."
        ): data.n_folds > 1,
    }
    refuse_broken(rules, file=file, protocol=data.protocol, folds=data.n_folds)
    found = parse_options(PublishedOptions, table, "published", file)
    known = get_reference(found.reference)
    if known.dataset != data.dataset or known.protocol != AS_PUBLISHED:
        raise InputError(
            "published.reference = {found_reference!r} in {file} must be a result as published on {data_dataset}, and "
            "it is {known_protocol} on {known_dataset}: name another.",
            found_reference=found.reference,
            file=file,
            data_dataset=data.dataset,
            known_protocol=known.protocol,
            known_dataset=known.dataset,
        )
    for name in found.figures:
        if name not in known.figures:
            raise InputError(
                "published.figures in {file} must be figures of {known_name}, and {name} is none: {hint}",
                file=file,
                known_name=known.name,
                name=name,
                hint=suggest_names(name, known.figures),
            )
    if found.pieces and (kind in ("pixels", "vggish") or not is_ungrouped_split(True, data.split)):
        raise InputError(
            "published.pieces in {file} needs tracks that can be cut, and a split that keeps nothing together: take "
            'log_mel, mfcc or spectrogram, and data.split = "official".',
            file=file,
        )
    parse_changes(found.changes)
    return found


def fold_keys(table: Mapping[str, Any]) -> dict[str, Any]:
    """`{"training": {"epochs": [3, 5]}}` as `{"training.epochs": [3, 5]}`."""
    return {
        f"{name}.{key}": value
        for name, keys in table.items()
        for key, value in (keys.items() if isinstance(keys, Mapping) else [("", keys)])
    }


def take_kind(
    table: Mapping[str, Any], key: str, known: tuple[str, ...], where: str, file: str
) -> tuple[str, dict[str, Any]]:
    """The value of the key that chooses which others there are, and the table without it."""
    if key not in table:
        raise InputError(
            "[{where}] in {file} needs the key {key!r}, which is missing: add one of {known}.",
            where=where,
            file=file,
            key=key,
            known=", ".join(known),
        )
    if table[key] not in known:
        raise InputError(
            "{where}.{key} = {table!r} in {file} is not known: {hint}",
            where=where,
            key=key,
            table=table[key],
            file=file,
            hint=suggest_names(str(table[key]), known),
        )
    return table[key], {name: value for name, value in table.items() if name != key}
