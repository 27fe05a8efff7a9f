"""Read experiment files: one TOML file per experiment, with every key and value checked before data is loaded."""

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
    raise_first_error,
)
from musicml.features import FEATURE_KINDS, Augment, check_augmentation
from musicml.models import FAMILY_NAMES, get_family, is_fitted_at_once
from musicml.utils import InputError, Message, parse_options, suggest_names, to_dict

TABLES = ("data", "features", "clips", "model", "training", "augment", "tune", "published", "sample")


@dataclass(frozen=True)
class Experiment:
    """The checked settings of an experiment.

    Attributes
    ----------
    name : the file's name without `.toml`
    text : the content of the file
    overrides : the settings changed with `--set`
    sample : whether the `[sample]` table applies
    real_data_error : the error of `overrides` that are only valid on sample data; `resolve` raises it
    features : `LogMel`, `MFCC`, `Pixels`, `VGGish` or `Spectrogram`, by `kind`
    model : the options of the model `family`
    augment : the augmentation of training examples
    tune : dotted key → the values that `musicml tune` searches, as written in the file
    published : the published result that it replicates; None for an honest experiment

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
    real_data_error: InputError | None = None

    def apply_sample_table(self) -> Experiment:
        """Return the same experiment with its `[sample]` table applied."""
        return parse_experiment(self.name, self.text, self.overrides, sample=True)

    def resolve(self, sample: bool) -> Experiment:
        """Return the experiment for sample data or for real data.

        Raises
        ------
        InputError
            If the settings changed with `--set` are not valid on real data.
        """
        if self.real_data_error and not sample:
            raise self.real_data_error
        return self.apply_sample_table() if sample else self

    def get_settings(self) -> dict[str, Any]:
        """Return all settings, defaults included, as plain values."""
        published = {}
        if self.published is not None:  # only the keys that decide the result; its description may be reworded
            published["published"] = {key: getattr(self.published, key) for key in ("reference", "pieces", "served")}
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
        """Whether scikit-learn fits the trainable part of the model, without epochs."""
        return is_fitted_at_once(self.family, getattr(self.model, "head", None))

    @property
    def unit(self) -> str:
        """The test examples: `files`, or `pieces` of them."""
        return "pieces" if self.published is not None and self.published.pieces else "files"


def read_experiment(path: Path, overrides: Mapping[str, Any] | None = None, sample: bool | None = False) -> Experiment:
    """Read the experiment file at `path`.

    Parameters
    ----------
    path : the TOML file
    overrides : dotted key → value, from `--set`
    sample : whether to apply the `[sample]` table; None if the data is not known yet. The overrides then have to be
        valid with or without it, and `Experiment.resolve` chooses later.

    Raises
    ------
    InputError
        If the file is missing, is not TOML, or has an invalid key or value.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")  # not read_text, which would change the line endings
    except FileNotFoundError:
        known = [file.stem for file in path.parent.glob("*.toml")]
        raise InputError(
            "Experiment file {path} not found: {hint}", path=path, hint=suggest_names(path.stem, known)
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "Could not read {path} as UTF-8 text ({error}). Check the path.", path=path, error=error
        ) from None
    return parse_experiment(path.stem, text, overrides, sample)


def parse_experiment(
    name: str, text: str, overrides: Mapping[str, Any] | None = None, sample: bool | None = False
) -> Experiment:
    """Parse the text of an experiment file, and check its `[sample]` table even if it does not apply."""
    if sample is None:
        return _parse_for_either(name, text, overrides)
    file = f"{name}.toml"
    try:
        # Windows editors start the file with a byte order mark, which tomllib rejects
        tables = tomllib.loads(text.removeprefix("\ufeff").replace("\r\n", "\n"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError("Invalid TOML in {file}: {error}. Correct that line.", file=file, error=error) from None
    for key, value in tables.items():
        if key not in TABLES or not isinstance(value, dict):  # a key above the first table is not a dict
            raise InputError("{file} has no table {key!r}: {hint}", file=file, key=key, hint=suggest_names(key, TABLES))
    changes = tables.pop("sample", {})  # smaller settings, so that sample data trains in seconds
    on_real, on_sample = _parse_tables(name, text, tables), _parse_tables(name, text, _merge(tables, changes, file))
    if overrides:  # they win over the [sample] table
        merged = _merge(_merge(tables, changes, file) if sample else tables, _unfold_keys(overrides), "--set")
        return replace(_parse_tables(name, text, merged), overrides=dict(overrides), sample=sample)
    return replace(on_sample, sample=True) if sample else on_real


def _parse_for_either(name: str, text: str, overrides: Mapping[str, Any] | None) -> Experiment:
    """Parse an experiment for real data, or for sample data if `overrides` are valid there only."""
    try:
        return parse_experiment(name, text, overrides)
    except InputError as real_data_error:
        with contextlib.suppress(InputError):  # if both fail, the error on real data is raised
            return replace(parse_experiment(name, text, overrides, sample=True), real_data_error=real_data_error)
        raise


def _merge(tables: Mapping[str, Any], changes: Mapping[str, Any], file: str) -> dict[str, Any]:
    """Return `tables` with the keys of `changes` replaced, table by table."""
    result = {name: dict(table) for name, table in tables.items()}
    for name, table in changes.items():
        if name not in TABLES or name == "sample" or not isinstance(table, Mapping):
            raise InputError(
                "{file} can't change {name!r}: {hint}", file=file, name=name, hint=suggest_names(name, TABLES[:-1])
            )
        result[name] = {**result.get(name, {}), **table}
    return result


def _unfold_keys(overrides: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Convert `{"training.epochs": 3}` to `{"training": {"epochs": 3}}`."""
    tables: dict[str, dict[str, Any]] = {}
    for dotted, value in overrides.items():
        table, dot, key = dotted.partition(".")
        if not dot:
            raise InputError(
                "Expected TABLE.KEY=VALUE for --set, got {pair!r}. Write for example training.epochs=3.", pair=dotted
            )
        tables.setdefault(table, {})[key] = value
    return tables


def parse_changes(pairs: Iterable[str]) -> dict[str, Any]:
    """Convert `["training.epochs=3"]` to `{"training.epochs": 3}`; a value that is not TOML stays text."""
    changes = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        if not sign:
            raise InputError(
                "Expected TABLE.KEY=VALUE for --set, got {pair!r}. Write for example training.epochs=3.", pair=pair
            )
        try:
            changes[key.strip()] = tomllib.loads("value=" + value)["value"]
        except tomllib.TOMLDecodeError:  # `--set model.name=resnet`, where TOML would need quotes
            changes[key.strip()] = value.strip()
    return changes


def _parse_tables(name: str, text: str, tables: Mapping[str, Any]) -> Experiment:
    """Make an experiment from its TOML tables, and check all rules."""
    file = f"{name}.toml"
    for table in ("data", "features", "model"):
        if table not in tables:
            raise InputError("{file} lacks the required table [{table}]. Add it.", file=file, table=table)
    kind, feature_table = _pop_choice(tables["features"], "kind", tuple(FEATURE_KINDS), "features", file)
    family, model_table = _pop_choice(tables["model"], "family", FAMILY_NAMES, "model", file)
    feature_options = parse_options(FEATURE_KINDS[kind], feature_table, "features", file)
    data = parse_options(DataOptions, tables["data"], "data", file)
    if data.val_fraction + data.test_fraction > 0.8:
        raise InputError(
            "data.val_fraction = {data_val_fraction} and data.test_fraction = {data_test_fraction} in {file} leave "
            "less than a fifth of the data for training. Lower one of them.",
            data_val_fraction=data.val_fraction,
            data_test_fraction=data.test_fraction,
            file=file,
        )
    if data.folds > 1 and data.split in LIST_SPLITS:  # a published split is fixed, so it has no folds
        raise InputError(describe_fixed_split(data.split, data.folds))
    if kind == "pixels" and family != "transfer":
        raise InputError(
            "model.family = {family!r} in {file} does not support pictures (features.kind is pixels). Use transfer.",
            family=family,
            file=file,
        )
    model = parse_options(get_family(family).Options, model_table, "model", file)
    _check_features(get_family(family), family, kind, feature_options, file)
    training = parse_options(TrainingOptions, tables.get("training", {}), "training", file)
    augment = parse_options(Augment, tables.get("augment", {}), "augment", file)
    check_augmentation(augment, kind, file)
    check_compatibility(training, augment, family, model, file)
    clips, tune = parse_options(ClipOptions, tables.get("clips", {}), "clips", file), _fold_keys(tables.get("tune", {}))
    published = _parse_published(tables["published"], data, kind, file) if "published" in tables else None
    parts = (data, kind, feature_options, clips, family, model, training, augment, tune)
    return Experiment(name, text, *parts, published=published)


def _check_features(module: ModuleType, family: str, kind: str, settings: Any, file: str) -> None:
    """Reject features that differ from those a pretrained model was trained on."""
    expected = getattr(module, "FEATURES", {})
    actual = {name: kind if name == "kind" else getattr(settings, name, None) for name in expected}
    if actual != expected:
        raise InputError(
            "Expected the features that model.family = {family!r} was pretrained on ({expected}), got {actual} in "
            "{file}. Change [features].",
            family=family,
            expected=", ".join(f"{name} = {value!r}" for name, value in expected.items()),
            file=file,
            actual=", ".join(f"{name} = {actual[name]!r}" for name in expected if actual[name] != expected[name]),
        )


def _parse_published(table: Mapping[str, Any], data: DataOptions, kind: str, file: str) -> PublishedOptions:
    """Parse `[published]`, and check that the other tables follow the published protocol."""
    rules = {
        Message(
            "[published] in {file} replicates a published protocol, but data.protocol is {protocol!r}. Set it to "
            "as_published, or remove [published]."
        ): data.protocol != "as_published",
        Message(
            "[published] in {file} replicates a single split, but data.folds is {folds}. Set it to 1, or remove "
            "[published]."
        ): data.n_folds > 1,
    }
    raise_first_error(rules, file=file, protocol=data.protocol, folds=data.n_folds)
    options = parse_options(PublishedOptions, table, "published", file)
    reference = get_reference(options.reference)
    if reference.dataset != data.dataset or reference.protocol != AS_PUBLISHED:
        raise InputError(
            "Expected a result as published on {dataset} for published.reference in {file}, got {name!r}, which is "
            "{protocol} on {other_dataset}. Choose another.",
            dataset=data.dataset,
            file=file,
            name=options.reference,
            protocol=reference.protocol,
            other_dataset=reference.dataset,
        )
    for name in options.figures:
        if name not in reference.figures:
            raise InputError(
                "Expected metrics of {reference} for published.figures in {file}, got {name}: {hint}",
                reference=reference.name,
                file=file,
                name=name,
                hint=suggest_names(name, reference.figures),
            )
    if options.pieces and (kind in ("pixels", "vggish") or not is_ungrouped_split(True, data.split)):
        raise InputError(
            "published.pieces in {file} needs features of audio tracks and a split without groups. Use log_mel, mfcc "
            'or spectrogram, and data.split = "official".',
            file=file,
        )
    parse_changes(options.changes)  # checks their form; the honest experiment checks their keys
    return options


def _fold_keys(table: Mapping[str, Any]) -> dict[str, Any]:
    """Convert `{"training": {"epochs": [3, 5]}}` to `{"training.epochs": [3, 5]}`."""
    return {
        f"{name}.{key}": value
        for name, keys in table.items()
        for key, value in (keys.items() if isinstance(keys, Mapping) else [("", keys)])
    }


def _pop_choice(
    table: Mapping[str, Any], key: str, known: tuple[str, ...], where: str, file: str
) -> tuple[str, dict[str, Any]]:
    """Return the value of the key that decides which other keys are allowed, and the table without it."""
    if key not in table:
        raise InputError(
            "[{where}] in {file} lacks the required key {key!r}. Add one of {known}.",
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
