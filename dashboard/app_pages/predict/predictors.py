"""Find the runs that can predict, and cache a `Predictor` for each of them for all sessions."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Sequence

from dashboard import runs
from dashboard.caching import cache_by, stamp_runs
from dashboard.runs import RunView
from musicml.data.io import AUDIO_SUFFIXES, IMAGE_SUFFIXES
from musicml.inference import Manifest, Predictor
from musicml.utils import InputError

TAKES = {"pixels": ("picture",), "spectrogram": ("sound", "picture")}  # by kind of features; the others take sound
# the file types that an upload may have; the Predictor checks the content itself
SUFFIXES = {"sound": [*sorted(AUDIO_SUFFIXES), "audio/*"], "picture": [*sorted(IMAGE_SUFFIXES), "image/*"]}
MAX_MODELS = 4  # models held at a time; a large one takes half a gigabyte
# of a run's model, and whether it is opened in a process of its own
MODEL = ("serving.json", "labels.json", "model.onnx", "model.keras", "model.skops", "signature.json")


def get_manifest(one: RunView) -> Manifest | str | None:
    """Return a run's manifest; an error message where it is damaged; None where there is no model yet."""
    if one.trouble or not (one.run.path / "serving.json").is_file():
        return None
    try:
        return runs.get_manifest(one)
    except InputError as error:
        return error.message


def is_servable(one: RunView) -> bool:
    """Return whether a run can predict files."""
    found = get_manifest(one)
    return isinstance(found, Manifest) and found.asks_for == "file"


def get_input_kinds(one: RunView) -> tuple[str, ...]:
    """Return the inputs of a run that can predict: `sound`, `picture`, or both."""
    return TAKES.get(runs.get_manifest(one).kind, ("sound",))


def get_stamp(one: RunView) -> tuple:
    """Return when the files of a run's model last changed."""
    return stamp_runs(*MODEL)(one)


def _release(_: Predictor) -> None:
    """Clear the explanation caches that hold models, when a predictor leaves the cache."""
    if activation := sys.modules.get("musicml.inference.explain.class_activation"):
        for holds in (activation.model_of, activation.maps_by_keras, activation.layer_cam):
            holds.cache_clear()


@cache_by(stamp_runs(*MODEL), max_entries=MAX_MODELS, on_release=_release)
def get_predictor(one: RunView) -> Predictor:
    """Return the run's predictor, shared by all sessions and replaced when its files change."""
    return Predictor(one.run)  # its model is loaded at the first prediction


def preload(chosen: Sequence[RunView]) -> None:
    """Load the models of runs and slow imports while the user still chooses a file.

    Not where Keras would have to be imported for it: whoever only looks need not pay for that. In the page's thread, at
    its end: two threads that import at once can wait for each other without end.
    """
    for one in chosen:
        if is_servable(one) and not is_slow_to_start(one):
            for slow in ("scipy.fft", "pandas"):  # of the features, and of Streamlit's tables: half of the first answer
                importlib.import_module(slow)
            with contextlib.suppress(InputError):  # told at the first question
                get_predictor(one).load_model()


def is_slow_to_start(one: RunView) -> bool:
    """Return whether the first prediction has to import Keras."""
    return (
        "keras" not in sys.modules
        and not (one.run.path / "model.onnx").is_file()
        and runs.get_manifest(one).model["file"] == "model.keras"
    )
