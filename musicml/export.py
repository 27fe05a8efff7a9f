"""Export: a run's model for ONNX Runtime, which answers in a new process long before TensorFlow is imported."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from musicml import console, files
from musicml.errors import BadInput

TOLERANCE = 1e-4


def to_onnx(model: Any, path: Path, clips: np.ndarray) -> str:
    """Write the Keras `model` to `path` as ONNX, if it then answers like the original.

    Parameters
    ----------
    model : keras.Model
    path : model.onnx of the run
    clips : np.ndarray [shape=(n, ...)], a few inputs to compare the two on

    Returns
    -------
    str, what came of it in a sentence; without the file the Predictor uses Keras
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return f"not exported: the {keras.backend.backend()} backend can't export to ONNX"
    # tf2onnx else copies all weights before each of its passes: on ResNet50 twice the time and 9 GB against 5
    os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "FALSE")
    wanted = np.asarray(model(clips, training=False))
    try:
        with files.whole(path) as temporary, console.quiet():
            model.export(temporary, format="onnx", verbose=False)
            gap = gap_of(temporary, clips, wanted)
            if not gap <= TOLERANCE:
                raise ValueError(f"it differs from Keras by {gap:.2g}, more than {TOLERANCE:g}")
    except BadInput:  # a full disk is no fault of the export
        raise
    except Exception as error:  # whatever a converter can't do, the run is as good without it
        return f"not exported: {str(error).splitlines()[0]}"
    return f"exported; differs from Keras by at most {gap:.2g}"


def gap_of(path: Path, clips: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference between the exported model's scores and `wanted`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [taken.name for taken in session.get_inputs()]
    if len(names) != 1:
        raise ValueError(f"the exported model has {len(names)} inputs: {', '.join(names)}")
    given = session.run(None, {names[0]: clips.astype(np.float32)})[0]
    return float(np.abs(given - wanted).max())
