"""Serving: all that a run has to say beside its model so that it can be asked, written once and checked at each load.

serving.json carries a fingerprint of itself and of labels.json, and a digest of the model's file; the exported model
carries the same fingerprint inside. So settings, class order, calibration and model of different runs, or of an edited
one, never answer together: they are refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from musicml.experiment import FORMAT_VERSION, Run, Task, make_record_error
from musicml.features import FEATURE_KINDS, FEATURES_VERSION, ClipSpec, parse_clip_spec
from musicml.utils import InputError, compute_digest, get_field_types, is_of_type, parse_options, write_json

NEEDED = (
    "task",
    "kind",
    "features",
    "clips",
    "temperature",
    "thresholds",
    "asks_for",
    "unlike",
    "model",
    "fingerprint",
)


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
        said = f"{', '.join(missing)} missing" if missing else f"unknown features {table['kind']!r}"
        raise InputError(
            "serving.json of run {run_name} must say how it is asked, and does not ({said}): {cure}",
            run_name=run.name,
            said=said,
            cure=run.cure(),
        )
    if compute_fingerprint(class_names, table) != table["fingerprint"]:
        raise InputError(
            "serving.json and labels.json of run {run_name} must be as its training wrote them, and were changed "
            "since, so its answers could be wrong without a sign: put them back, or train the run again.",
            run_name=run.name,
        )
    if table["features_version"] != FEATURES_VERSION:
        raise InputError(
            "run {run_name} must be asked with features of version {features_version}, and this musicml "
            "computes version {features_version2}: train it again, or use the musicml that made it.",
            run_name=run.name,
            features_version=table["features_version"],
            features_version2=FEATURES_VERSION,
        )
    known = {key: table[key] for key in NEEDED if key not in ("features", "clips")}
    hints = get_field_types(Manifest)
    for key, value in {"class_names": class_names, **known}.items():
        if not is_of_type(value, hints[key]):
            raise make_record_error(run.name, "labels.json" if key == "class_names" else "serving.json", key, value)
    settings = parse_options(FEATURE_KINDS[table["kind"]], table["features"], "features", "serving.json")
    clip = parse_clip_spec(table["clips"], hasattr(settings, "hop_length"), run.name)
    return Manifest(class_names=class_names, settings=settings, clip=clip, **known)
