"""The model.onnx that a run carries, so that it answers without TensorFlow.

It stays only if it answers like the original, and has the run's fingerprint inside, so that it can't be asked with
another run's settings.
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
    """Write the Keras `model` as model.onnx of the run, with its class activation maps where its head gives them.

    Parameters
    ----------
    model : keras.Model
    run : with its serving.json
    clips : np.ndarray [shape=(n, ...)], a few inputs to compare the two on

    Returns
    -------
    str, what came of it in a sentence; without the file the Predictor uses Keras
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return Message("not exported: the {backend} backend can't export to ONNX", backend=keras.backend.backend())
    # tf2onnx else copies all weights before each of its passes: on ResNet50 twice the time and 9 GB against 5
    os.environ.setdefault("TF2ONNX_CATCH_ERRORS", "FALSE")
    wanted = np.asarray(model(clips, training=False))

    def convert(path: Path) -> Any:
        import onnx

        whole = add_class_activation_maps(model) or model
        whole(clips, training=False)  # one that was never called can't be exported
        with avoid_cudnn(whole):
            whole.export(path, format="onnx", verbose=False)
        converted = onnx.load(path)
        _rename_outputs(converted.graph, ["scores", backends.MAPS])
        return converted

    return _write_checked(convert, run, clips, wanted)


@contextlib.contextmanager
def avoid_cudnn(model: Any) -> Iterator[None]:
    """Let recurrent layers be traced without cuDNN's kernels, which a GPU would choose and no export can take along."""
    recurrent = [layer for layer in model._flatten_layers() if getattr(layer, "use_cudnn", False)]
    chosen = [layer.use_cudnn for layer in recurrent]
    try:
        for layer in recurrent:
            layer.use_cudnn = False
        yield
    finally:
        for layer, choice in zip(recurrent, chosen, strict=True):
            layer.use_cudnn = choice


def _rename_outputs(graph: Any, names: list[str]) -> None:
    """Give the outputs of an ONNX graph the names that stand for them everywhere."""
    for output, name in zip(graph.output, names, strict=False):
        for node in graph.node:
            node.output[:] = [name if given == output.name else given for given in node.output]
            node.input[:] = [name if taken == output.name else taken for taken in node.input]
        output.name = name


def export_forest_onnx(trees: list[Any], task: str, run: Run, clips: np.ndarray) -> str:
    """Write forests, one a class, as model.onnx of the run; as `export_keras_onnx`."""
    from musicml.models import predict_scores

    try:
        import skl2onnx  # noqa: F401
    except ImportError:
        return Message("not exported: that needs the package skl2onnx, which the extras cpu and gpu bring")
    return _write_checked(
        lambda _: _build_forest_graph(trees, task, clips.shape[2]), run, clips, predict_scores(trees, clips, task)
    )


def _build_forest_graph(trees: list[Any], task: str, n_bins: int) -> Any:
    """The forests as one ONNX model: mean over frames, each class's share of trees, and what a single answer needs."""
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
    if task == "single":  # as models.forest.scores
        values += [helper.make_tensor("least", TensorProto.FLOAT, [], [1e-6])]
        values += [helper.make_tensor("last", TensorProto.INT64, [1], [1])]
        nodes += [
            helper.make_node("Max", ["shares", "least"], ["some"]),
            helper.make_node("ReduceSum", ["some", "last"], ["sum"], keepdims=1),
            helper.make_node("Div", ["some", "sum"], ["scores"]),
        ]
    taken = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", "frames", n_bins])
    given = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", len(trees)])
    graph = helper.make_graph(nodes, "forest", [taken], [given], values)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(*pair) for pair in OPSETS.items()], ir_version=8)


def _write_checked(convert: Any, run: Run, clips: np.ndarray, wanted: np.ndarray) -> str:
    """Write what `convert` makes as model.onnx, if it answers `clips` as `wanted`; what came of it in a sentence."""
    try:
        with write_atomically(run.path / "model.onnx") as temporary, suppress_stderr():
            import onnx

            converted = convert(temporary)
            onnx.helper.set_model_props(converted, {"fingerprint": run.read("serving.json")["fingerprint"]})
            onnx.save(converted, temporary)
            gap = _compute_gap(temporary, clips, wanted, run.read("serving.json")["task"])
            if not gap <= TOLERANCE:
                raise ValueError(
                    Message(
                        "it differs from the original by {gap:.2g}, more than {tolerance:g}",
                        gap=gap,
                        tolerance=TOLERANCE,
                    )
                )
            run.update(exported=compute_digest(temporary))
    except InputError:  # a full disk is no fault of the export
        raise
    except Exception as error:  # whatever a converter can't do, the run is as good without it
        return Message("not exported: {reason}", reason=get_message(error))
    return Message("exported; differs from the original by at most {gap:.2g}", gap=gap)


def _compute_gap(path: Path, clips: np.ndarray, wanted: np.ndarray, task: str) -> float:
    """The largest difference between the exported model's scores and `wanted`; of its maps too, where it has them."""
    session = backends.make_onnx_session(path)
    names = [taken.name for taken in session.get_inputs()]
    if len(names) != 1:
        raise ValueError(
            Message("the exported model has {n_names} inputs: {names}", n_names=len(names), names=", ".join(names))
        )
    scores, *maps = session.run(None, {names[0]: clips.astype(np.float32)})
    gap = float(np.abs(scores - wanted).max())
    if maps:
        logits = maps[0].mean(axis=(1, 2), dtype=np.float64)
        meant = special.softmax(logits, axis=1) if task == "single" else special.expit(logits)
        gap = max(gap, float(np.abs(meant - wanted).max()))
    return gap
