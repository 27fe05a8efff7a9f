"""Export a model as the model.onnx of its run, so that it can predict without TensorFlow.

The file is kept only if its scores equal those of the original. It contains the run's fingerprint, so that it can't be
used with the settings of another run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from musicml.experiment import Run
from musicml.inference import backends
from musicml.models import add_class_activation_maps
from musicml.utils import InputError, Message, compute_digest, get_message, suppress_stderr, write_atomically

TOLERANCE = 1e-4
OPSETS = {"": 17, "ai.onnx.ml": 3}


def export_keras_onnx(model: Any, run: Run, clips: np.ndarray) -> str:
    """Export the Keras `model` as model.onnx of the run, with class activation maps if its head allows them.

    Parameters
    ----------
    model : keras.Model
    run : the run, with its serving.json
    clips : np.ndarray [shape=(n, ...)], a few inputs for comparing both models

    Returns
    -------
    str, the result in a sentence; without the file the Predictor uses Keras
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return Message("not exported: the {backend} backend can't export to ONNX", backend=keras.backend.backend())
    # by default tf2onnx copies all weights before each pass: for ResNet50 that takes twice the time and 9 GB, not 5
    os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "FALSE")
    expected = np.asarray(model(clips, training=False))

    def convert(path: Path) -> Any:
        """Export the model to `path` and return it as an ONNX model."""
        import onnx

        mapped = add_class_activation_maps(model) or model
        mapped(clips, training=False)  # Keras only exports a model that was called
        with avoid_cudnn(mapped):
            mapped.export(path, format="onnx", verbose=False)
        converted = onnx.load(path)
        _rename_outputs(converted.graph, ["scores", backends.MAPS])
        return converted

    return _write_checked(convert, run, clips, expected)


@contextlib.contextmanager
def avoid_cudnn(model: Any) -> Iterator[None]:
    """Switch recurrent layers to operations that can be exported; on a GPU they would use kernels of cuDNN."""
    recurrent = [layer for layer in model._flatten_layers() if getattr(layer, "use_cudnn", False)]
    settings = [layer.use_cudnn for layer in recurrent]
    try:
        for layer in recurrent:
            layer.use_cudnn = False
        yield
    finally:
        for layer, setting in zip(recurrent, settings, strict=True):
            layer.use_cudnn = setting


def _rename_outputs(graph: Any, names: list[str]) -> None:
    """Rename the outputs of an ONNX graph, and all uses of them."""
    for output, name in zip(graph.output, names, strict=False):
        for node in graph.node:
            node.output[:] = [name if old == output.name else old for old in node.output]
            node.input[:] = [name if old == output.name else old for old in node.input]
        output.name = name


def export_forest_onnx(trees: list[Any], task: str, run: Run, clips: np.ndarray) -> str:
    """Export random forests, one per class, as model.onnx of the run; see `export_keras_onnx`."""
    from musicml.models import predict_scores

    try:
        import skl2onnx  # noqa: F401
    except ImportError:
        return Message("not exported: the package skl2onnx is not installed; the extras cpu and gpu include it")
    return _write_checked(
        lambda _: _build_forest_graph(trees, task, clips.shape[2]), run, clips, predict_scores(trees, clips, task)
    )


def _build_forest_graph(trees: list[Any], task: str, n_bins: int) -> Any:
    """Build one ONNX model of all forests: the mean over frames, then the share of trees that vote for each class."""
    import onnx
    from onnx import TensorProto, helper
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    nodes = [helper.make_node("ReduceMean", ["features"], ["means"], axes=[1], keepdims=0)]
    values = [helper.make_tensor("one", TensorProto.INT64, [1], [1])]
    for k, tree in enumerate(trees):
        part = convert_sklearn(
            tree,
            initial_types=[("means", FloatTensorType([None, n_bins]))],
            options={"zipmap": False},
            target_opset=OPSETS,
        )
        graph = onnx.compose.add_prefix_graph(part.graph, f"forest{k}_")
        nodes += [helper.make_node("Identity", ["means"], [f"forest{k}_means"]), *graph.node]
        nodes += [helper.make_node("Gather", [graph.output[1].name, "one"], [f"share{k}"], axis=1)]
        values += graph.initializer
    shares = [f"share{k}" for k in range(len(trees))]
    nodes += [helper.make_node("Concat", shares, ["scores" if task == "multi" else "shares"], axis=1)]
    if task == "single":  # normalize the shares, like `predict_scores`
        values += [helper.make_tensor("least", TensorProto.FLOAT, [], [1e-6])]
        values += [helper.make_tensor("last", TensorProto.INT64, [1], [1])]
        nodes += [
            helper.make_node("Max", ["shares", "least"], ["some"]),
            helper.make_node("ReduceSum", ["some", "last"], ["sum"], keepdims=1),
            helper.make_node("Div", ["some", "sum"], ["scores"]),
        ]
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", "frames", n_bins])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", len(trees)])
    graph = helper.make_graph(nodes, "forest", [features], [scores], values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(*pair) for pair in OPSETS.items()], ir_version=8)


def _write_checked(convert: Any, run: Run, clips: np.ndarray, expected: np.ndarray) -> str:
    """Write the result of `convert` as model.onnx if its scores of `clips` are as expected; describe the outcome."""
    try:
        with write_atomically(run.path / "model.onnx") as temporary, suppress_stderr():
            import onnx

            converted = convert(temporary)
            onnx.helper.set_model_props(converted, {"fingerprint": run.read("serving.json")["fingerprint"]})
            onnx.save(converted, temporary)
            gap = _compute_gap(temporary, clips, expected, run.read("serving.json")["task"])
            if not gap <= TOLERANCE:  # this form is also true for NaN
                raise ValueError(
                    Message(
                        "it differs from the original by {gap:.2g}, more than {tolerance:g}",
                        gap=gap,
                        tolerance=TOLERANCE,
                    )
                )
            run.update(exported=compute_digest(temporary))
    except InputError:  # such as a full disk
        raise
    except Exception as error:  # converters fail in many ways, and the run is usable without the export
        return Message("not exported: {reason}", reason=get_message(error))
    return Message("exported; differs from the original by at most {gap:.2g}", gap=gap)


def _compute_gap(path: Path, clips: np.ndarray, expected: np.ndarray, task: str) -> float:
    """Compute the largest difference between the expected scores and those from the exported model and its maps."""
    session = backends.make_onnx_session(path)
    names = [model_input.name for model_input in session.get_inputs()]
    if len(names) != 1:
        raise ValueError(
            Message("the exported model has {n_names} inputs: {names}", n_names=len(names), names=", ".join(names))
        )
    scores, *maps = session.run(None, {names[0]: clips.astype(np.float32)})
    gap = float(np.abs(scores - expected).max())
    if maps:  # their mean over all places is the logits
        logits = maps[0].mean(axis=(1, 2), dtype=np.float64)
        from_maps = special.softmax(logits, axis=1) if task == "single" else special.expit(logits)
        gap = max(gap, float(np.abs(from_maps - expected).max()))
    return gap
