"""Load the model of a run with ONNX Runtime, Keras or scikit-learn.

In a new process, ONNX Runtime predicts long before TensorFlow is imported. It is the default if a run has an exported
model.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musicml.experiment import Run
from musicml.inference import trust
from musicml.inference.manifest import Manifest
from musicml.models import compute_batch_limit
from musicml.utils import InputError, compute_digest, get_message

NAMES = ("auto", "onnx", "keras")
MAX_METADATA_BYTES = 65_536
MAPS = "maps"  # the second output of an exported model with class activation maps


@dataclass(frozen=True)
class Model:
    """A loaded model.

    Attributes
    ----------
    engine : `onnx`, `keras` or `scikit-learn`
    scores : clips [shape=(n, ...)] → raw scores [shape=(n, n_classes)], float32
    maps : clips → class activation maps [shape=(n, height, width, n_classes)]. Their mean over height and width is the
        logits. None if the model has no such maps.
    """

    engine: str
    scores: Callable[[np.ndarray], np.ndarray]
    maps: Callable[[np.ndarray], np.ndarray] | None = None


def load_model(path: Path, serving: Manifest, engine: str = "auto") -> Model:
    """Load the model in the run folder `path`, checked against its serving.json.

    Parameters
    ----------
    engine : `onnx`, `keras` (scikit-learn for a forest), or `auto`: the exported model if there is one

    Raises
    ------
    InputError
        If the model is missing or damaged, or does not belong to the run's serving.json and labels.json.
    """
    if engine not in NAMES:
        raise InputError("engine={engine!r} must be one of {names}.", engine=engine, names=", ".join(NAMES))
    try:
        if trust.is_own(Run(path)):
            return open_model(path, serving, engine)
        from musicml.inference.isolated_process import open_isolated_model

        return open_isolated_model(Run(path), serving, engine)
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            "The model of {path_name} needs a package that is not installed ({error}). Install musicml with the extra "
            "cpu, gpu or jax, or use the engine onnx.",
            path_name=path.name,
            error=error,
        ) from error
    except Exception as error:  # each library raises errors of its own for a damaged file
        raise InputError(
            "Could not load the model of {path_name} ({reason}). The file may be damaged: train it again.",
            path_name=path.name,
            reason=get_message(error),
        ) from error


def open_model(path: Path, serving: Manifest, engine: str, n_threads: int = 0) -> Model:
    """Open the run's model in this process. Errors are those of the library."""
    file = find_model(path, serving, engine)
    if file.suffix == ".onnx":
        return _load_onnx(file, serving, n_threads)
    return _load_scikit_learn(file, serving) if file.suffix == ".skops" else _load_keras(file)


def find_model(path: Path, serving: Manifest, engine: str = "auto") -> Path:
    """Find the model file for an engine, and check that it belongs to the run.

    Raises
    ------
    InputError
        If the file is missing, a link to another folder, or not the one of this run.
    """
    file = path / "model.onnx"
    if engine == "keras" or not file.is_file():
        if engine == "onnx":
            raise InputError(
                "Run {path_name} has no exported model (model.onnx). Use the engine keras.", path_name=path.name
            )
        return find_original_model(path, serving)
    _check_is_the_runs(file, Run(path).info.exported)
    return file


def find_original_model(path: Path, serving: Manifest) -> Path:
    """Find the original model file of the run, not an exported one, and check that it belongs to the run.

    Raises
    ------
    InputError
        If the file is missing, a link to another folder, or not the one of this run.
    """
    file = path / serving.model["file"]
    if not file.is_file():
        raise InputError(
            "Run {path_name} has no model, {file_name} is missing. Finish the run with "
            "`musicml train --resume {path}`.",
            path_name=path.name,
            file_name=file.name,
            path=path,
        )
    _check_is_the_runs(file, serving.model["digest"])
    return file


def _check_is_the_runs(file: Path, digest: str | None) -> None:
    """Reject a model file that is a link to another folder, or whose digest differs from the run's record."""
    if file.resolve().parent != file.parent.resolve():
        raise InputError(
            "Expected {file_name} in the folder of run {run_name}, got a link to another folder. Copy the file there.",
            file_name=file.name,
            run_name=file.parent.name,
        )
    if compute_digest(file) != digest:
        raise _make_mismatch_error(file)


def _make_mismatch_error(path: Path) -> InputError:
    """Make the error about a model that does not belong to the rest of its run folder."""
    return InputError(
        "{path_name} of run {path_parent_name} is not the model that belongs to its serving.json. It was damaged or "
        "comes from another run. Restore the original file, or train the run again.",
        path_name=path.name,
        path_parent_name=path.parent.name,
    )


def _load_onnx(path: Path, serving: Manifest, n_threads: int = 0) -> Model:
    """Load the exported model with ONNX Runtime."""
    session = make_onnx_session(path, n_threads)
    if session.get_modelmeta().custom_metadata_map.get("fingerprint") != serving.fingerprint:
        raise _make_mismatch_error(path)
    (model_input,), outputs = session.get_inputs(), [output.name for output in session.get_outputs()]

    def compute(name: str) -> Callable[[np.ndarray], np.ndarray]:
        """Return a function that computes one output of the model."""
        return lambda clips: session.run([name], {model_input.name: clips.astype(np.float32, copy=False)})[0]

    return Model("onnx", compute(outputs[0]), compute(MAPS) if MAPS in outputs else None)


def make_onnx_session(path: Path, n_threads: int = 0) -> Any:
    """Make an ONNX Runtime session on the CPU, with one thread per core if `n_threads` is 0."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # its wheels send usage data by default
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if n_threads:
        options.intra_op_num_threads = n_threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # busy waiting would count as CPU time
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _load_keras(path: Path) -> Model:
    """Load the model with Keras."""
    model = load_keras_model(path)
    size = compute_batch_limit(model)

    def scores(clips: np.ndarray) -> np.ndarray:
        """Score clips batch by batch, [shape=(n_clips, n_classes)]."""
        batches = [clips[start : start + size].astype(np.float32, copy=False) for start in range(0, len(clips), size)]
        return np.concatenate([np.asarray(model(batch, training=False), dtype=np.float32) for batch in batches])

    return Model("keras", scores)


def load_keras_model(path: Path) -> Any:
    """Load the `keras.Model` of a run.

    Raises
    ------
    InputError
        If a newer version of Keras saved the model and this one can't read it. Keras raises all other errors.
    """
    from musicml.utils import import_keras

    keras = import_keras()
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)  # safe mode runs no code from the file
    except Exception as error:
        saved_by = _read_keras_version(path)
        if _split_version(saved_by) <= _split_version(keras.__version__):
            raise
        raise InputError(
            "The model of {path_name} was saved by Keras {saved_by}, but version {version} is installed. Run "
            '`pip install "keras>={saved_by}"`.',
            path_name=path.parent.name,
            saved_by=saved_by,
            version=keras.__version__,
        ) from error


def _read_keras_version(path: Path) -> str:
    """Read the version of Keras that saved a .keras archive; "" if it is unknown."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            version = json.loads(file.read(MAX_METADATA_BYTES))["keras_version"]
    except Exception:  # zipfile raises many kinds of errors for a damaged archive
        return ""
    return version if isinstance(version, str) and re.fullmatch(r"\d[\w.+]{,40}", version) else ""


def _split_version(version: str) -> list[int]:
    """Split a version into numbers for comparison; an unknown version is the oldest."""
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def _load_scikit_learn(path: Path, serving: Manifest) -> Model:
    """Load the random forests with scikit-learn."""
    from musicml.models import load_forest, predict_scores

    trees = load_forest(path)
    return Model("scikit-learn", lambda clips: predict_scores(trees, clips, serving.task))
