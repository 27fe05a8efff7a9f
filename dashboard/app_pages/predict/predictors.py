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

INPUTS = {"pixels": ("picture",), "spectrogram": ("sound", "picture")}  # by kind of features; all others take sound
# file types that the upload box accepts; the Predictor checks the content itself
SUFFIXES = {"sound": [*sorted(AUDIO_SUFFIXES), "audio/*"], "picture": [*sorted(IMAGE_SUFFIXES), "image/*"]}
MAX_MODELS = 4  # in memory; a large one takes half a gigabyte
# a change to any of these files means another model; the signature decides if it runs in a process of its own
MODEL_FILES = ("serving.json", "labels.json", "model.onnx", "model.keras", "model.skops", "signature.json")


def get_manifest(view: RunView) -> Manifest | str | None:
    """Return a run's manifest; an error message where it is damaged; None where there is no model yet."""
    if view.error or not (view.run.path / "serving.json").is_file():
        return None
    try:
        return runs.get_manifest(view)
    except InputError as error:
        return error.message


def is_servable(view: RunView) -> bool:
    """Return whether a run can predict files."""
    found = get_manifest(view)
    return isinstance(found, Manifest) and found.asks_for == "file"


def get_input_kinds(view: RunView) -> tuple[str, ...]:
    """Return the inputs of a run that can predict: `sound`, `picture`, or both."""
    return INPUTS.get(runs.get_manifest(view).kind, ("sound",))


def get_stamp(view: RunView) -> tuple:
    """Return when the files of a run's model last changed."""
    return stamp_runs(*MODEL_FILES)(view)


def _release(_: Predictor) -> None:
    """Clear the explanation caches that hold models, when a predictor leaves the cache."""
    if activation := sys.modules.get("musicml.inference.explain.class_activation"):
        activation.clear_models()


@cache_by(stamp_runs(*MODEL_FILES), max_entries=MAX_MODELS, on_release=_release)
def get_predictor(view: RunView) -> Predictor:
    """Return the run's predictor, shared by all sessions and replaced when its files change."""
    return Predictor(view.run)  # which loads its model at the first prediction


def preload(chosen: Sequence[RunView]) -> None:
    """Load the models of runs, and slow imports, while the user still chooses a file.

    Skips runs that need Keras, whose import takes seconds that a user who only looks around need not spend.
    This runs in the page's own thread, because two threads that import at the same time can deadlock.
    """
    for view in chosen:
        if is_servable(view) and not is_slow_to_start(view):
            for slow in ("scipy.fft", "pandas"):  # for features and tables; half the time of a first prediction
                importlib.import_module(slow)
            with contextlib.suppress(InputError):  # the error is shown with the first prediction
                get_predictor(view).load_model()


def is_slow_to_start(view: RunView) -> bool:
    """Return whether the first prediction has to import Keras."""
    return (
        "keras" not in sys.modules
        and not (view.run.path / "model.onnx").is_file()
        and runs.get_manifest(view).model["file"] == "model.keras"
    )
