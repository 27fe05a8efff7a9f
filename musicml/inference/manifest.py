"""The serving manifest: everything besides the model that predictions need, written once and checked at each load.

serving.json contains a fingerprint of itself and of labels.json, and a digest of the model file. The exported model
contains the same fingerprint. Settings, class order, calibration and model of different or edited runs are thus never
used together.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from musicml.experiment import FORMAT_VERSION, Run, Task, make_record_error
from musicml.features import FEATURE_KINDS, FEATURES_VERSION, ClipSpec, parse_clip_spec
from musicml.inference.calibration import TRAITS_VERSION
from musicml.utils import (
    InputError,
    Message,
    compute_digest,
    get_field_types,
    is_of_type,
    make_printable,
    parse_options,
    write_json,
)

MAX_CLASSES, MAX_NAME_LENGTH = 10_000, 500  # enough for classes that are the artists of a large collection
TEMPERATURES = (0.001, 1_000.0)  # much wider than the search interval of the calibration
MAX_TRAITS = 1_000
# limits on runs by other people: the features of 15 minutes then need at most about 400 MB
MAX_VALUES_PER_SECOND, MAX_CLIP_VALUES, MAX_LEAST_SAMPLES, MAX_CLIPS_PER_SECOND = 100_000, 2**23, 2**25, 100
MAX_WINDOWED_PER_SECOND = 2_000_000  # samples, counted once per window: 44 windows at 44,100 Hz

FITTED = ("temperature", "thresholds", "unlike")
NEEDED = ("task", "kind", "features", "clips", *FITTED, "asks_for", "model", "fingerprint")


@dataclass(frozen=True)
class Manifest:
    """The content of serving.json and labels.json.

    Attributes
    ----------
    class_names : the classes in the order of the scores
    task : `single` or `multi`
    kind : `log_mel`, `mfcc`, `pixels`, `vggish` or `spectrogram`
    settings : all settings of the features
    clip : the rules for cutting a file into clips
    temperature, thresholds, unlike : fitted on validation (`musicml.inference.calibration`)
    asks_for : the input of a prediction: `file`, or `features` that come with the dataset only
    model : name and digest of the model file
    fingerprint : a digest of all other attributes
    """

    class_names: list[str]
    task: Task
    kind: str
    settings: Any
    clip: ClipSpec
    temperature: float
    thresholds: list[float]
    unlike: dict[str, Any] | None
    asks_for: Literal["file", "features"]
    model: dict[str, str]
    fingerprint: str

    @property
    def clip_seconds(self) -> float | None:
        """The length of a clip in seconds; None for a picture."""
        if self.clip.n_frames is None:
            return None
        return self.settings.count_samples(self.clip.n_frames) / self.settings.sample_rate

    @property
    def average(self) -> str:
        """The method that pools clip scores, for `musicml.inference.pooling.pool_clips`."""
        return self.clip.average


def _check_class_names(class_names: list[str], run_name: str) -> None:
    """Reject class names that are empty, too long or repeated."""
    rules = [
        (Message("1 to {most} class names", most=str(MAX_CLASSES)), 0 < len(class_names) <= MAX_CLASSES),
        (Message("each class name once"), len(set(class_names)) == len(class_names)),
        (
            Message("names of 1 to {most} characters", most=str(MAX_NAME_LENGTH)),
            all(0 < len(name.strip()) <= MAX_NAME_LENGTH for name in class_names),
        ),
    ]
    for rule, is_valid in rules:
        if not is_valid:
            raise InputError(
                "Expected {rule} in labels.json of run {run_name}, got {n} names. Restore the file, or train the run "
                "again.",
                rule=rule,
                run_name=run_name,
                n=len(class_names),
            )


def _check_ranges(table: dict[str, Any], n_classes: int, run_name: str) -> None:
    """Reject values that training never writes and that would give wrong predictions."""
    low, high = TEMPERATURES
    thresholds, unlike, model = table["thresholds"], table["unlike"], table["model"]
    rules = {
        "temperature": (
            low <= table["temperature"] <= high,
            Message("a number from {low} to {high}", low=low, high=high),
        ),
        "thresholds": (
            len(thresholds) in (0, n_classes) and all(0 <= value <= 1 for value in thresholds),
            Message("{n_classes} numbers from 0 to 1, or none", n_classes=n_classes),
        ),
        "model": (
            bool(re.fullmatch(r"[A-Za-z0-9_]+\.(keras|skops)", model.get("file", "")))
            and bool(re.fullmatch("[0-9a-f]{32}", model.get("digest", ""))),
            Message("the name and the digest of a .keras or .skops file in the run folder"),
        ),
        "unlike": (unlike is None or _is_ood_limit(unlike), Message("values measured in training, or null")),
    }
    for key, (is_valid, rule) in rules.items():
        if not is_valid:
            shown = make_printable(repr(table[key]))
            raise InputError(
                "Expected {rule} as {key} in serving.json of run {run_name}, got {shown}. Restore the file, or train "
                "the run again.",
                rule=rule,
                key=key,
                run_name=run_name,
                shown=shown,
            )


def _is_ood_limit(table: dict[str, Any]) -> bool:
    """Return whether a table has the form that `fit_ood_limit` returns; other versions pass, since they are ignored."""
    if not is_of_type(table.get("version"), int):
        return False
    if table["version"] != TRAITS_VERSION:
        return True
    n = len(table["mean"]) if is_of_type(table.get("mean"), list[float]) else 0
    return (
        0 < n <= MAX_TRAITS
        and is_of_type(table.get("spread"), list[float])
        and is_of_type(table.get("precision"), list[list[float]])
        and all(is_of_type(table.get(key), float) for key in ("limit", "n", "beyond"))
        and [len(table["spread"]), *map(len, table["precision"])] == [n] * (1 + n)
        and all(value > 0 for value in table["spread"])
        and min(table["limit"], table["n"] - table["beyond"], table["beyond"]) >= 0
    )


def check_costs(serving: Manifest, run: Run) -> None:
    """Reject a run by someone else whose features would need far too much memory or time.

    The user's own runs are not limited: training them already took that memory and time.
    """
    settings, clip = serving.settings, serving.clip
    if not hasattr(settings, "hop_length"):
        return
    n_bins, rate = settings.n_bins, settings.sample_rate / settings.hop_length
    shortest = max(0, clip.least_samples - getattr(settings, "n_fft", 0)) / settings.hop_length  # frames
    costs = {
        Message("feature values per second"): (
            rate * max(n_bins, getattr(settings, "n_mels", 0)),
            MAX_VALUES_PER_SECOND,
        ),
        Message("windowed samples per second"): (rate * getattr(settings, "n_fft", 0), MAX_WINDOWED_PER_SECOND),
        Message("feature values per clip"): (clip.length * n_bins, MAX_CLIP_VALUES),
        Message("feature values in the shortest sound"): (shortest * n_bins, MAX_CLIP_VALUES),
        Message("samples in the shortest sound"): (clip.least_samples, MAX_LEAST_SAMPLES),
        Message("clips per second"): (rate / (clip.hop_frames or 1), MAX_CLIPS_PER_SECOND),
    }
    for what, (cost, most) in costs.items():
        if cost > most:
            raise InputError(
                "Expected at most {most} {what} in run {run_name}, which is not yours, got {cost}. If you know who "
                "made it, run `musicml runs --trust {path}`.",
                most=most,
                what=what,
                run_name=run.name,
                cost=round(cost),
                path=shlex.quote(str(run.path)),
            )


def write_manifest(run: Run, model: Path, **table: Any) -> None:
    """Write serving.json of a run, after its labels.json and its `model` file."""
    content = {
        "format_version": FORMAT_VERSION,
        **table,
        "features_version": FEATURES_VERSION,
        "model": {"file": model.name, "digest": compute_digest(model)},
    }
    write_json(
        run.path / "serving.json", {**content, "fingerprint": compute_fingerprint(run.read("labels.json"), content)}
    )


def compute_fingerprint(class_names: list[str], table: dict[str, Any]) -> str:
    """Compute the BLAKE2b-128 digest of the class names and of serving.json without its fingerprint, in hex."""
    rest = {key: value for key, value in table.items() if key != "fingerprint"}
    return hashlib.blake2b(json.dumps([class_names, rest], sort_keys=True).encode(), digest_size=16).hexdigest()


def read_manifest(run: Run) -> Manifest:
    """Read and check serving.json and labels.json of a run.

    Raises
    ------
    InputError
        If a file is missing, damaged, incomplete or edited, or the features are of another version.
    """
    table, class_names = run.read("serving.json"), run.read("labels.json")
    missing = [key for key in NEEDED if not isinstance(table, dict) or key not in table]
    if missing or str(table["kind"]) not in FEATURE_KINDS:
        reason = (
            Message("{missing} missing", missing=", ".join(missing))
            if missing
            else Message("unknown features {kind!r}", kind=table["kind"])
        )
        raise InputError(
            "serving.json of run {run_name} is incomplete ({reason}): {fix}",
            run_name=run.name,
            reason=reason,
            fix=run.suggest_fix(),
        )
    if compute_fingerprint(class_names, table) != table["fingerprint"]:
        raise InputError(
            "serving.json or labels.json of run {run_name} was changed after training, so predictions could be wrong. "
            "Restore the files, or train the run again.",
            run_name=run.name,
        )
    if table.get("features_version") != FEATURES_VERSION:
        raise InputError(
            "Run {run_name} needs features of version {version}, but this musicml computes version {own_version}. "
            "Train it again, or use the version of musicml that made it.",
            run_name=run.name,
            version=table.get("features_version"),
            own_version=FEATURES_VERSION,
        )
    values = {key: table[key] for key in NEEDED if key not in ("features", "clips")}
    hints = get_field_types(Manifest)
    for key, value in {"class_names": class_names, **values}.items():
        if not is_of_type(value, hints[key]):
            raise make_record_error(run.name, "labels.json" if key == "class_names" else "serving.json", key, value)
    if not isinstance(table["features"], dict):
        raise make_record_error(run.name, "serving.json", "features", table["features"])
    _check_class_names(class_names, run.name)
    _check_ranges(values, len(class_names), run.name)
    settings = parse_options(FEATURE_KINDS[table["kind"]], table["features"], "features", "serving.json")
    clip = parse_clip_spec(table["clips"], hasattr(settings, "hop_length"), run.name)
    return Manifest(class_names=class_names, settings=settings, clip=clip, **values)
