"""Engines: a run's model as a function, by ONNX Runtime, Keras or scikit-learn.

ONNX Runtime answers in a new process long before TensorFlow is imported, so it is asked wherever a run has an exported
model, unless told otherwise.
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
MOST_METADATA = 65_536  # bytes
MAPS = "maps"  # the exported model's second output, where it has one


@dataclass(frozen=True)
class Model:
    """A loaded model.

    Attributes
    ----------
    engine : `onnx`, `keras` or `scikit-learn`
    scores : clips [shape=(n, ...)] → raw scores [shape=(n, n_classes)], float32
    maps : clips → class activation maps [shape=(n, height, width, n_classes)]: each place's share of the logits, whose
        mean over the places they are; None where the model does not give them
    """

    engine: str
    scores: Callable[[np.ndarray], np.ndarray]
    maps: Callable[[np.ndarray], np.ndarray] | None = None


def load_model(path: Path, serving: Manifest, engine: str = "auto") -> Model:
    """The model of the run folder `path`, checked against what its serving.json says.

    Parameters
    ----------
    engine : `onnx`, `keras` (for a forest: scikit-learn), or `auto`: the exported model where there is one

    Raises
    ------
    InputError
        If the model is missing, damaged, or not the one that the run's serving.json and labels.json belong to.
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
            "the model of {path_name} needs a package that is not installed ({error}): install musicml's extra cpu, "
            "gpu or jax, or ask it with the engine onnx.",
            path_name=path.name,
            error=error,
        ) from error
    except Exception as error:  # each library has its own way to say that a file is damaged
        raise InputError(
            "the model of {path_name} must be whole and can't be ({reason}): train it again.",
            path_name=path.name,
            reason=get_message(error),
        ) from error


def open_model(path: Path, serving: Manifest, engine: str, n_threads: int = 0) -> Model:
    """The run's model by the engine asked for, in this process; errors as each library has them."""
    file = find_model(path, serving, engine)
    if file.suffix == ".onnx":
        return by_onnx(file, serving, n_threads)
    return by_scikit_learn(file, serving) if file.suffix == ".skops" else by_keras(file)


def find_model(path: Path, serving: Manifest, engine: str = "auto") -> Path:
    """The file that an engine opens, once it is known to be the one that the run's records were written for.

    Raises
    ------
    InputError
        If it is missing, lies elsewhere, or is another.
    """
    file = path / "model.onnx"
    if engine == "keras" or not file.is_file():
        if engine == "onnx":
            raise InputError(
                "{path_name} has no exported model (model.onnx): ask it with the engine keras.", path_name=path.name
            )
        return own(path, serving)
    _check_is_the_runs(file, Run(path).info.exported)
    return file


def own(path: Path, serving: Manifest) -> Path:
    """The file of the run's own model, before any export.

    Raises
    ------
    InputError
        If it is missing, lies elsewhere, or is not the one that serving.json was written for.
    """
    file = path / serving.model["file"]
    if not file.is_file():
        raise InputError(
            "run {path_name} must hold a model, and {file_name} is missing: finish it with "
            "`musicml train --resume {path}`.",
            path_name=path.name,
            file_name=file.name,
            path=path,
        )
    _check_is_the_runs(file, serving.model["digest"])
    return file


def _check_is_the_runs(file: Path, digest: str | None) -> None:
    """Refuse a model that is a link to a file outside its run folder, or has another digest than its run says."""
    if file.resolve().parent != file.parent.resolve():
        raise InputError(
            "Expected {file_name} inside run {run_name}, and it is a link that leads elsewhere. Copy the file there.",
            file_name=file.name,
            run_name=file.parent.name,
        )
    if compute_digest(file) != digest:
        raise foreign(file)


def foreign(path: Path) -> InputError:
    """The refusal of a model that the rest of its run folder does not belong to."""
    return InputError(
        "{path_name} of run {path_parent_name} must be the model that its serving.json was written for, and is "
        "not: it was damaged or comes from another run; put the run's own back, or train it again.",
        path_name=path.name,
        path_parent_name=path.parent.name,
    )


def by_onnx(path: Path, serving: Manifest, n_threads: int = 0) -> Model:
    """The exported model in ONNX Runtime."""
    session = session_of(path, n_threads)
    if session.get_modelmeta().custom_metadata_map.get("fingerprint") != serving.fingerprint:
        raise foreign(path)
    (taken,), given = session.get_inputs(), [output.name for output in session.get_outputs()]

    def output(name: str) -> Callable[[np.ndarray], np.ndarray]:
        return lambda clips: session.run([name], {taken.name: clips.astype(np.float32, copy=False)})[0]

    return Model("onnx", output(given[0]), output(MAPS) if MAPS in given else None)


def session_of(path: Path, n_threads: int = 0) -> Any:
    """An ONNX Runtime session on the processor, which tells nobody that there is one; `n_threads` 0: one a core."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # its wheels report to their maker unless told not to
    import onnxruntime

    options = onnxruntime.SessionOptions()
    if n_threads:
        options.intra_op_num_threads = n_threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting would count as work
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def by_keras(path: Path) -> Model:
    """The model in Keras."""
    model = keras_model(path)
    size = compute_batch_limit(model)

    def scores(clips: np.ndarray) -> np.ndarray:
        some = [clips[start : start + size].astype(np.float32, copy=False) for start in range(0, len(clips), size)]
        return np.concatenate([np.asarray(model(part, training=False), dtype=np.float32) for part in some])

    return Model("keras", scores)


def keras_model(path: Path) -> Any:
    """The `keras.Model` of a run.

    Raises
    ------
    InputError
        If it can't be read and was saved by a newer Keras. What else is wrong with it, Keras raises itself.
    """
    from musicml.utils import import_keras

    keras = import_keras()
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)  # no code, whoever made it
    except Exception as error:
        saved_by = _read_keras_version(path)
        if _order_version(saved_by) <= _order_version(keras.__version__):
            raise
        raise InputError(
            "the model of {path_name} must be read by Keras {saved_by} or newer, which saved it, and {version} is "
            'installed: `pip install "keras>={saved_by}"`.',
            path_name=path.parent.name,
            saved_by=saved_by,
            version=keras.__version__,
        ) from error


def _read_keras_version(path: Path) -> str:
    """Return the version of Keras that saved a .keras archive; nothing where the archive does not say."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open("metadata.json") as file:
            said = json.loads(file.read(MOST_METADATA))["keras_version"]
    except Exception:  # of a damaged archive zipfile raises errors of many kinds
        return ""
    return said if isinstance(said, str) and re.fullmatch(r"\d[\w.+]{,40}", said) else ""


def _order_version(version: str) -> list[int]:
    """Return the numbers of a version by which versions are ordered; none of an unknown one, the oldest of all."""
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def by_scikit_learn(path: Path, serving: Manifest) -> Model:
    """The forests in scikit-learn."""
    from musicml.models import load_forest, predict_scores

    trees = load_forest(path)
    return Model("scikit-learn", lambda clips: predict_scores(trees, clips, serving.task))
