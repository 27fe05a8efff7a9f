"""Serving: all that a run has to say beside its model so that it can be asked, written once and checked at each load.

serving.json carries a fingerprint of itself and of labels.json, and a digest of the model's file; the exported model
carries the same fingerprint inside. So settings, class order, calibration and model of different runs, or of an edited
one, never answer together: they are refused.
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

MAX_CLASSES, MAX_NAME = 10_000, 500  # artists of a large collection may be classes
TEMPERATURES = (0.001, 1_000.0)  # far beyond what calibration looks for
MAX_TRAITS = 1_000
# of a stranger's run: a quarter of an hour of features then takes at most some 400 MB
MAX_VALUES_PER_SECOND, MAX_CLIP_VALUES, MAX_LEAST_SAMPLES, MAX_CLIPS_PER_SECOND = 100_000, 2**23, 2**25, 100
MAX_WINDOWED_PER_SECOND = 2_000_000  # a sample counts in each window that it lies in: 44 times at 44,100 Hz

FITTED = ("temperature", "thresholds", "unlike")
NEEDED = ("task", "kind", "features", "clips", *FITTED, "asks_for", "model", "fingerprint")


@dataclass(frozen=True)
class Manifest:
    """What serving.json says.

    Attributes
    ----------
    class_names : in the order of the scores
    task : `single` or `multi`
    kind : `log_mel`, `mfcc`, `pixels`, `vggish` or `spectrogram`
    settings : which features, in full
    clip : how a file is cut into clips
    temperature, thresholds, unlike : fitted on validation (`musicml.inference.calibration`)
    asks_for : `file`, or `features` where these come with the data set only
    model : name and digest of the model's file
    fingerprint : of all this
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
        """How much of a sound one clip hears, in seconds; None for a picture."""
        if self.clip.n_frames is None:
            return None
        return self.settings.n_samples(self.clip.n_frames) / self.settings.sample_rate

    @property
    def average(self) -> str:
        """How a file's score comes from those of its clips, as `musicml.inference.pooling.pool_clips` takes it."""
        return self.clip.average


def _check_class_names(class_names: list[str], run_name: str) -> None:
    """Refuse class names that are no names, or the same twice."""
    rules = [
        (Message("1 to {most} class names", most=str(MAX_CLASSES)), 0 < len(class_names) <= MAX_CLASSES),
        (Message("each class name once"), len(set(class_names)) == len(class_names)),
        (
            Message("names of 1 to {most} characters", most=str(MAX_NAME)),
            all(0 < len(name.strip()) <= MAX_NAME for name in class_names),
        ),
    ]
    for rule, is_kept in rules:
        if not is_kept:
            raise InputError(
                "Expected {rule} in labels.json of run {run_name}, got {n} names. Put the file back, or train the run "
                "again.",
                rule=rule,
                run_name=run_name,
                n=len(class_names),
            )


def _check_ranges(known: dict[str, Any], n_classes: int, run_name: str) -> None:
    """Refuse values that no training writes, and that an answer would come out wrong of."""
    low, high = TEMPERATURES
    thresholds, unlike, model = known["thresholds"], known["unlike"], known["model"]
    rules = {
        "temperature": (
            low <= known["temperature"] <= high,
            Message("a number from {low} to {high}", low=low, high=high),
        ),
        "thresholds": (
            len(thresholds) in (0, n_classes) and all(0 <= value <= 1 for value in thresholds),
            Message("{n_classes} numbers from 0 to 1, or none", n_classes=n_classes),
        ),
        "model": (
            bool(re.fullmatch(r"[A-Za-z0-9_]+\.(keras|skops)", model.get("file", "")))
            and bool(re.fullmatch("[0-9a-f]{32}", model.get("digest", ""))),
            Message("the plain name of a .keras or .skops file in the run's folder, and its digest"),
        ),
        "unlike": (unlike is None or _is_ood_limit(unlike), Message("what a training measured, or null")),
    }
    for key, (is_kept, rule) in rules.items():
        if not is_kept:
            shown = make_printable(repr(known[key]))
            raise InputError(
                "Expected {rule} as {key} in serving.json of run {run_name}, got {shown}. Put the file back, or train "
                "the run again.",
                rule=rule,
                key=key,
                run_name=run_name,
                shown=shown,
            )


def _is_ood_limit(table: dict[str, Any]) -> bool:
    """Return whether a table is what `fit_ood_limit` writes; one of another version is never read further."""
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
    """Refuse a run whose features would take far more memory or time than any that musicml is meant for.

    Of a stranger's run alone: whoever trains one has paid for such features already.
    """
    settings, clip = serving.settings, serving.clip
    if not hasattr(settings, "hop_length"):
        return
    n_bins, rate = settings.n_bins, settings.sample_rate / settings.hop_length
    shortest = max(0, clip.least_samples - getattr(settings, "n_fft", 0)) / settings.hop_length  # frames
    costs = {
        Message("values of features a second"): (
            rate * max(n_bins, getattr(settings, "n_mels", 0)),
            MAX_VALUES_PER_SECOND,
        ),
        Message("samples in windows a second"): (rate * getattr(settings, "n_fft", 0), MAX_WINDOWED_PER_SECOND),
        Message("values of features in a clip"): (clip.length * n_bins, MAX_CLIP_VALUES),
        Message("values of features in the shortest sound"): (shortest * n_bins, MAX_CLIP_VALUES),
        Message("samples in the shortest sound"): (clip.least_samples, MAX_LEAST_SAMPLES),
        Message("clips a second"): (rate / (clip.hop_frames or 1), MAX_CLIPS_PER_SECOND),
    }
    for what, (found, most) in costs.items():
        if found > most:
            raise InputError(
                "Expected at most {most} {what} of run {run_name}, which is not yours, got {found}. If you know who "
                "made it, run `musicml runs --trust {path}`.",
                most=most,
                what=what,
                run_name=run.name,
                found=round(found),
                path=shlex.quote(str(run.path)),
            )


def write_manifest(run: Run, model: Path, **table: Any) -> None:
    """Write serving.json of a run whose labels and `model` are written already."""
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
    """BLAKE2b-128 of the class names and all of serving.json but the fingerprint itself, in hex."""
    rest = {key: value for key, value in table.items() if key != "fingerprint"}
    return hashlib.blake2b(json.dumps([class_names, rest], sort_keys=True).encode(), digest_size=16).hexdigest()


def read_manifest(run: Run) -> Manifest:
    """serving.json and labels.json of a run, if they are as training wrote them.

    Raises
    ------
    InputError
        If one is missing, damaged, incomplete, changed since, or of another version's features.
    """
    table, class_names = run.read("serving.json"), run.read("labels.json")
    missing = [key for key in NEEDED if not isinstance(table, dict) or key not in table]
    if missing or str(table["kind"]) not in FEATURE_KINDS:
        said = (
            Message("{missing} missing", missing=", ".join(missing))
            if missing
            else Message("unknown features {kind!r}", kind=table["kind"])
        )
        raise InputError(
            "serving.json of run {run_name} must say how it is asked, and does not ({said}): {cure}",
            run_name=run.name,
            said=said,
            cure=run.suggest_fix(),
        )
    if compute_fingerprint(class_names, table) != table["fingerprint"]:
        raise InputError(
            "serving.json and labels.json of run {run_name} must be as its training wrote them, and were changed "
            "since, so its answers could be wrong without a sign: put them back, or train the run again.",
            run_name=run.name,
        )
    if table.get("features_version") != FEATURES_VERSION:
        raise InputError(
            "run {run_name} must be asked with features of version {features_version}, and this musicml "
            "computes version {features_version2}: train it again, or use the musicml that made it.",
            run_name=run.name,
            features_version=table.get("features_version"),
            features_version2=FEATURES_VERSION,
        )
    known = {key: table[key] for key in NEEDED if key not in ("features", "clips")}
    hints = get_field_types(Manifest)
    for key, value in {"class_names": class_names, **known}.items():
        if not is_of_type(value, hints[key]):
            raise make_record_error(run.name, "labels.json" if key == "class_names" else "serving.json", key, value)
    if not isinstance(table["features"], dict):
        raise make_record_error(run.name, "serving.json", "features", table["features"])
    _check_class_names(class_names, run.name)
    _check_ranges(known, len(class_names), run.name)
    settings = parse_options(FEATURE_KINDS[table["kind"]], table["features"], "features", "serving.json")
    clip = parse_clip_spec(table["clips"], hasattr(settings, "hop_length"), run.name)
    return Manifest(class_names=class_names, settings=settings, clip=clip, **known)
