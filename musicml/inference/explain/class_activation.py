"""Activation maps: how much each place of a convolution map speaks for a class.

Class activation maps need a head of pooling and one dense layer, and a last convolution map that is fine enough. They
come from the exported model (`musicml.models.add_class_activation_maps`). Source: Zhou et al., "Learning Deep Features
for Discriminative Localization" (CVPR 2016).

Other models get a Grad-CAM at several depths, computed by Keras. The last map of a ResNet or MobileNet has 7 x 7
places. Each sees nearly the whole picture, so the peak is often next to the cause. Maps of earlier layers are finer.
Each activation is weighted by the gradient of the logit, and the maps of all depths are added. Sources: Selvaraju et
al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (ICCV 2017); in the form of
Jiang, Zhang, Hou, Cheng and Wei, "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization" (IEEE
Transactions on Image Processing 30, 2021).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from musicml.inference import backends, trust
from musicml.inference.predictor import Predictor, batch_items
from musicml.models import add_class_activation_maps
from musicml.utils import Message

BATCH_SIZE = 16
MAX_INPUTS_PER_PLACE = 16  # input pixels or frames per place of a class activation map, in each direction
STEP_RANGE = (4, 32)  # input pixels between places, for the layers that a LayerCAM adds up
BUILD_LOCK = threading.Lock()  # so that two threads never build the same graph
SMOOTHING = 16  # the input is this many times wider than the Gaussian that smooths a map
CAM, LAYER_CAM = Message("class activation map"), "Grad-CAM (LayerCAM)"


def compute_maps(predictor: Predictor, clips: np.ndarray, k: int) -> tuple[str, list[np.ndarray]]:
    """Return the method, and the map of class `k` for each clip, at the size of the clip.

    Parameters
    ----------
    clips : np.ndarray [shape=(n, height, width, ...)], float32, as the model takes them
    """
    compute_cam, size = predictor.load_model().maps, clips.shape[1:3]
    if compute_cam is None and predictor.load_model().engine == "keras":
        with BUILD_LOCK:
            compute_cam = _build_keras_cam(predictor)
    if compute_cam is not None and (predictor.engine == "onnx" or is_fine_map(compute_cam(clips[:1]).shape[1:3], size)):
        maps = _map_in_batches(clips, lambda batch: _subtract_mean(compute_cam(batch), k, predictor.task))
        return CAM, [_enlarge_map(small, size) for small in maps]
    with BUILD_LOCK:
        layer_cam = _build_layer_cam(predictor)
    return LAYER_CAM, _map_in_batches(clips, lambda batch: layer_cam(batch, k))


def clear_models() -> None:
    """Forget the models of the last explanations, which take memory."""
    for cached in (_load_model, _build_keras_cam, _build_layer_cam):
        cached.cache_clear()


@functools.lru_cache(maxsize=2)  # users look at several files of a run
def _load_model(predictor: Predictor) -> Any:
    """Load the run's `keras.Model`; raises the errors of `trust.check_is_own`."""
    trust.check_is_own(predictor.run, Message("an explanation"))
    return backends.load_keras_model(backends.find_original_model(predictor.run.path, predictor.serving))


@functools.lru_cache(maxsize=2)
def _build_keras_cam(predictor: Predictor) -> Callable[[np.ndarray], np.ndarray] | None:
    """Build a function from clips to class activation maps; None if the model's head does not allow them."""
    model = add_class_activation_maps(_load_model(predictor))
    return model and (lambda clips: np.asarray(model(clips, training=False)[1]))


def is_fine_map(map_size: tuple[int, int], size: tuple[int, int]) -> bool:
    """Return whether a map has enough places to locate something in an input of this size."""
    return all(places >= n // MAX_INPUTS_PER_PLACE for n, places in zip(size, map_size, strict=True))


def _map_in_batches(clips: np.ndarray, compute: Callable[[np.ndarray], Any]) -> list[np.ndarray]:
    """Compute the maps of clips in batches."""
    return [result for batch in batch_items(clips, BATCH_SIZE) for result in compute(np.stack(batch))]


def _subtract_mean(maps: np.ndarray, k: int, task: str) -> np.ndarray:
    """Return the maps of class `k`, for `single` minus the mean over classes, since softmax ignores a common value."""
    return maps[..., k] - (maps.mean(axis=-1) if task == "single" else 0)


@functools.lru_cache(maxsize=2)
def _build_layer_cam(predictor: Predictor) -> Callable[[np.ndarray, int], list[np.ndarray]]:
    """Build a function from clips and a class index to maps of that class, at the size of the clips."""
    model, task = _load_model(predictor), predictor.task
    import keras
    from scipy import ndimage

    last = model.layers[-1]  # rebuilt without its softmax, whose gradient vanishes for confident predictions
    dense = keras.layers.Dense(last.units, dtype="float32", name="logits")
    logits = dense(last.input)
    dense.set_weights(last.get_weights())
    size = model.input_shape[1:3]
    first, second = _find_first_view(model, logits)
    outputs = [layer.output for layer in _find_stages(model, first)]
    body = keras.Model(model.inputs[0], [*outputs, *second])
    stages = [(keras.Model(output, first), _compute_grid(output)) for output in outputs]
    rest = keras.Model(model.get_layer("pooled").output, logits) if second else None

    def sum_logits(values: Any, head: Any, k: int, second: list[Any]) -> Any:
        """Sum the logits of class `k`, relative to the mean of all classes if they exclude each other."""
        rows = head(values, training=False)
        if rest is not None:
            rows = rest(keras.ops.concatenate([*_make_list(rows), *second], axis=1), training=False)
        return keras.ops.sum(rows[:, k] - (keras.ops.mean(rows, axis=1) if task == "single" else 0))

    def compute(clips: np.ndarray, k: int) -> list[np.ndarray]:
        """Compute one map per clip for class `k`."""
        total = np.zeros((len(clips), *size), np.float32)
        activations = _make_list(body(clips, training=False))
        for values, (head, grid) in zip(activations[: len(stages)], stages, strict=True):
            function = functools.partial(sum_logits, head=head, k=k, second=activations[len(stages) :])
            gradient = np.maximum(np.asarray(_compute_gradient(function, values)), 0)  # only evidence for the class
            for index, small in enumerate((gradient * np.asarray(values)).sum(axis=-1)):
                large = _resample_map(np.maximum(small, 0), grid, size)
                large = ndimage.gaussian_filter(large, [n / SMOOTHING for n in size])
                total[index] += large / (large.max() or 1)  # so that each depth counts the same
        # the evidence common to all places does not locate anything
        return [evidence - np.median(evidence) for evidence in total]

    return compute


def _make_list(outputs: Any) -> list[Any]:
    """Return the outputs of a model as a list, even if it has only one."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _find_first_view(model: Any, logits: Any) -> tuple[Any, list[Any]]:
    """Return the outputs of a model's first view of a picture, and those of its second view, if it has one.

    With two views, the maps show what the first view adds to the second.
    """
    pools = [layer for layer in model.layers if layer.name.startswith("pooled_")]
    second = [layer.output for layer in pools if layer.name.startswith("pooled_again")]
    return ([layer.output for layer in pools[: -len(second)]] if second else logits), second


def _find_stages(model: Any, until: Any) -> list[Any]:
    """Find the last layer at each resolution that all paths to `until` pass through, the finest first."""
    import keras

    stages: dict[int, Any] = {}
    size, coarsest = model.input_shape[1], None
    for layer in reversed(model.layers):
        shape: tuple[int, ...] = getattr(layer.output, "shape", ())
        kind = layer.__class__.__name__
        if len(shape) != 4 or kind not in ("Activation", "ReLU", "Add", "Conv2D") or min(shape[1:3]) < 2:
            continue
        step = 2 ** round(np.log2(size / shape[1]))
        is_new_stage = STEP_RANGE[0] <= step <= STEP_RANGE[1] and step not in stages
        if coarsest and not is_new_stage:
            continue
        try:
            keras.Model(layer.output, until)
        except ValueError:  # a branch bypasses this layer
            continue
        coarsest = coarsest or layer
        if is_new_stage:
            stages[step] = layer
    return [stages[step] for step in sorted(stages)] or [coarsest]  # a shallow network has fine maps only


def _compute_gradient(function: Callable[[Any], Any], tensor: Any) -> Any:
    """Compute the gradient of a function of one tensor with the backend of Keras."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(function)(tensor)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = function(tensor)
    return tape.gradient(value, tensor)


# From the places of a convolution map to positions in the model's input


def _enlarge_map(small: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a map with equal places to the size of the model's input, bilinear, [shape=size], float32."""
    grid = []
    for n, places in zip(size, small.shape, strict=True):
        halvings = [k for k in range(12) if n >> k == places]
        step = 2 ** halvings[0] if halvings else n / places  # pooling by 2 drops an odd pixel at the end
        grid.append((step, (step - 1) / 2))
    return _resample_map(small, grid, size)


def _resample_map(small: np.ndarray, grid: list[tuple[float, float]], size: tuple[int, int]) -> np.ndarray:
    """Resample a map at the size of the model's input, bilinear between its places and constant beyond them.

    Parameters
    ----------
    small : np.ndarray [shape=(height, width)]
    grid : for rows and columns, in input pixels: the step between places, and the center of the first place
    """
    from scipy import ndimage

    positions = ((np.arange(n) - first) / step for n, (step, first) in zip(size, grid, strict=True))
    return ndimage.map_coordinates(small, np.meshgrid(*positions, indexing="ij"), np.float32, order=1, mode="nearest")


def _compute_grid(tensor: Any) -> list[tuple[float, float]]:
    """Compute for both sides of a convolution map, in input pixels, the step between places and the first center.

    Padding can be unequal on both sides. The places of the last map of a MobileNet are 15 pixels further to the right
    and to the bottom than an even division of the picture would give.

    Parameters
    ----------
    tensor : the output of a layer in a functional `keras.Model`
    """
    layers = []
    while True:  # from this layer back to the input
        layer, node, _ = tensor._keras_history
        inputs = layer._inbound_nodes[node].input_tensors
        if not inputs:
            break
        layers.append((layer, inputs[0]))
        tensor = inputs[0]  # any branch will do, since branches that are merged have the same places
    grid = [(1.0, 0.0), (1.0, 0.0)]
    for layer, before in reversed(layers):
        if len(before.shape) == 4:
            grid = [_shift_grid(layer, before.shape[1 + axis], axis, *grid[axis]) for axis in (0, 1)]
    return grid


def _shift_grid(layer: Any, n: int, axis: int, step: float, first: float) -> tuple[float, float]:
    """Compute the grid after a layer from the grid before it, which has `n` places."""
    if layer.__class__.__name__ == "ZeroPadding2D":
        return step, first - step * layer.padding[axis][0]
    width = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if width is None:
        return step, first
    width, stride = width[axis], layer.strides[axis]
    # Keras pads "same" to ceil(n / stride) outputs, with the smaller half in front
    padding = max((-(-n // stride) - 1) * stride + width - n, 0) // 2 if layer.padding == "same" else 0
    return step * stride, first + step * ((width - 1) / 2 - padding)
