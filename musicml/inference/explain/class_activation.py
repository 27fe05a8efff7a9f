"""Activation maps: how much each place of a convolution map speaks for a class.

Where the head is pooling and one dense layer and the last map has places enough, class activation maps, from the
exported model: Zhou et al., "Learning Deep Features for Discriminative Localization" (CVPR 2016;
`musicml.models.add_class_activation_maps`).

Elsewhere a Grad-CAM at several depths, through Keras. The last map of a ResNet or MobileNet has 7 x 7 places, each of
which sees nearly the whole picture, so that its peak often lies beside the cause. Maps of earlier layers are finer;
each activation counts by how the logit rises with it, and the maps of all depths are added: Selvaraju et al.,
"Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization" (ICCV 2017), in the form of Jiang,
Zhang, Hou, Cheng and Wei, "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization" (IEEE Transactions
on Image Processing 30, 2021).
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

BATCH = 16
COARSEST = 16  # inputs that one place of a class activation map may stand for
STEPS = (4, 32)  # inputs from one place to the next, of the layers that a LayerCAM adds up
BUILDING = threading.Lock()  # two who ask first would build the same graph at once
SMOOTHED = 16  # by a Gaussian this many times narrower than the input
CAM, LAYER_CAM = Message("class activation map"), "Grad-CAM (LayerCAM)"


def maps(predictor: Predictor, clips: np.ndarray, k: int) -> tuple[str, list[np.ndarray]]:
    """The method, and for each clip the map of class `k` at the clip's size; up to 0 where nothing speaks for it.

    Parameters
    ----------
    clips : np.ndarray [shape=(n, height, width, ...)], float32, as the model takes them
    """
    given, size = predictor.load_model().maps, clips.shape[1:3]
    if given is None and predictor.load_model().engine == "keras":
        with BUILDING:
            given = maps_by_keras(predictor)
    if given is not None and (predictor.engine == "onnx" or is_fine_map(given(clips[:1]).shape[1:3], size)):
        found = each(clips, lambda some: contrast(given(some), k, predictor.task))
        return CAM, [enlarged(one, size) for one in found]
    with BUILDING:
        cam = layer_cam(predictor)
    return LAYER_CAM, each(clips, lambda some: cam(some, k))


@functools.lru_cache(maxsize=2)  # a person looks at several files of a run
def model_of(predictor: Predictor) -> Any:
    """The run's `keras.Model`; errors as of `trust.check_is_own`."""
    trust.check_is_own(predictor.run, Message("a map of where it looked"))
    return backends.keras_model(backends.own(predictor.run.path, predictor.serving))


@functools.lru_cache(maxsize=2)
def maps_by_keras(predictor: Predictor) -> Callable[[np.ndarray], np.ndarray] | None:
    """The class activation maps of clips, where the head gives them."""
    mapped = add_class_activation_maps(model_of(predictor))
    return mapped and (lambda clips: np.asarray(mapped(clips, training=False)[1]))


def is_fine_map(map_size: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether each place of a map stands for few enough inputs to point at something."""
    return all(places >= n // COARSEST for n, places in zip(size, map_size, strict=True))


def each(clips: np.ndarray, maps_of: Callable[[np.ndarray], Any]) -> list[np.ndarray]:
    """The clips' maps, computed some at a time."""
    return [one for some in batch_items(clips, BATCH) for one in maps_of(np.stack(some))]


def contrast(found: np.ndarray, k: int, task: str) -> np.ndarray:
    """The maps of class `k`: of a single answer, against the mean of all classes, since a softmax sees no more."""
    return found[..., k] - (found.mean(axis=-1) if task == "single" else 0)


@functools.lru_cache(maxsize=2)
def layer_cam(predictor: Predictor) -> Callable[[np.ndarray, int], list[np.ndarray]]:
    """A function of clips and a class's place: the maps of that class at the clips' size."""
    model, task = model_of(predictor), predictor.task
    import keras
    from scipy import ndimage

    last = model.layers[-1]
    dense = keras.layers.Dense(last.units, dtype="float32", name="logits")
    logits = dense(last.input)
    dense.set_weights(last.get_weights())
    size = model.input_shape[1:3]
    first, beside = first_look(model, logits)
    reached_at = [layer.output for layer in stages_of(model, first)]
    body = keras.Model(model.inputs[0], [*reached_at, *beside])
    stages = [(keras.Model(output, first), grid_of(output)) for output in reached_at]
    rest = keras.Model(model.get_layer("pooled").output, logits) if beside else None

    def logit(values: Any, head: Any, k: int, beside: list[Any]) -> Any:
        found = head(values, training=False)
        if rest is not None:
            found = rest(keras.ops.concatenate([*listed(found), *beside], axis=1), training=False)
        return keras.ops.sum(found[:, k] - (keras.ops.mean(found, axis=1) if task == "single" else 0))

    def found(clips: np.ndarray, k: int) -> list[np.ndarray]:
        total = np.zeros((len(clips), *size), np.float32)
        reached = listed(body(clips, training=False))
        for values, (head, grid) in zip(reached[: len(stages)], stages, strict=True):
            of = functools.partial(logit, head=head, k=k, beside=reached[len(stages) :])
            rises = np.maximum(np.asarray(gradient(of, values)), 0)
            for index, one in enumerate((rises * np.asarray(values)).sum(axis=-1)):
                whole = laid(np.maximum(one, 0), grid, size)
                whole = ndimage.gaussian_filter(whole, [n / SMOOTHED for n in size])
                total[index] += whole / (whole.max() or 1)
        # what all places share says nothing of where
        return [one - np.median(one) for one in total]

    return found


def listed(found: Any) -> list[Any]:
    """What a model gives, as a list even where it is one tensor."""
    return list(found) if isinstance(found, list | tuple) else [found]


def first_look(model: Any, logits: Any) -> tuple[Any, list[Any]]:
    """Where a model's look at a picture ends, and what a second look at it gives beside, if there is one.

    The maps are then those of the first look: what it adds to what the second one says anyway.
    """
    pools = [layer for layer in model.layers if layer.name.startswith("pooled_")]
    beside = [layer.output for layer in pools if layer.name.startswith("pooled_again")]
    return ([layer.output for layer in pools[: -len(beside)]] if beside else logits), beside


def stages_of(model: Any, until: Any) -> list[Any]:
    """The last layer at each resolution through which everything up to `until` must pass, the finest first."""
    import keras

    found: dict[int, Any] = {}
    size, coarsest = model.input_shape[1], None
    for layer in reversed(model.layers):
        shape: tuple[int, ...] = getattr(layer.output, "shape", ())
        kind = layer.__class__.__name__
        if len(shape) != 4 or kind not in ("Activation", "ReLU", "Add", "Conv2D") or min(shape[1:3]) < 2:
            continue
        step = 2 ** round(np.log2(size / shape[1]))
        is_wanted = STEPS[0] <= step <= STEPS[1] and step not in found
        if coarsest and not is_wanted:
            continue
        try:
            keras.Model(layer.output, until)
        except ValueError:  # a branch leads past this layer
            continue
        coarsest = coarsest or layer
        if is_wanted:
            found[step] = layer
    return [found[step] for step in sorted(found)] or [coarsest]  # a shallow network has fine maps only


def gradient(of: Callable[[Any], Any], at: Any) -> Any:
    """The gradient of a function of one tensor, by the backend that Keras uses."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(of)(at)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(at)
        value = of(at)
    return tape.gradient(value, at)


# Where the places of a convolution map lie in the model's input, and maps at the input's size


def enlarged(small: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map whose places stand side by side, at the size of the model's input, bilinear, [shape=size], float32."""
    grid = []
    for n, places in zip(size, small.shape, strict=True):
        halvings = [k for k in range(12) if n >> k == places]
        step = 2 ** halvings[0] if halvings else n / places  # halving drops what is left over at the end
        grid.append((step, (step - 1) / 2))
    return laid(small, grid, size)


def laid(small: np.ndarray, grid: list[tuple[float, float]], size: tuple[int, int]) -> np.ndarray:
    """A map at the size of the model's input, bilinear between its places and constant beyond them.

    Parameters
    ----------
    small : np.ndarray [shape=(height, width)]
    grid : for rows and columns: how many inputs from one place to the next, and where the first has its middle
    """
    from scipy import ndimage

    at = ((np.arange(n) - first) / step for n, (step, first) in zip(size, grid, strict=True))
    return ndimage.map_coordinates(small, np.meshgrid(*at, indexing="ij"), np.float32, order=1, mode="nearest")


def grid_of(tensor: Any) -> list[tuple[float, float]]:
    """For the two sides of a convolution map: inputs from one place to the next, and where the first has its middle.

    Padding is not always equal on both sides: the places of a MobileNet's last map lie 15 pixels further to the right
    and below than an even division of the picture says.

    Parameters
    ----------
    tensor : a layer's output in a functional `keras.Model`
    """
    layers = []
    while True:
        layer, node, _ = tensor._keras_history
        taken = layer._inbound_nodes[node].input_tensors
        if not taken:
            break
        layers.append((layer, taken[0]))
        tensor = taken[0]  # branches that meet again have the same places
    grid = [(1.0, 0.0), (1.0, 0.0)]
    for layer, before in reversed(layers):
        if len(before.shape) == 4:
            grid = [moved(layer, before.shape[1 + axis], axis, *grid[axis]) for axis in (0, 1)]
    return grid


def moved(layer: Any, n: int, axis: int, step: float, first: float) -> tuple[float, float]:
    """The places behind one layer, from those before it; `n` is how many these are."""
    if layer.__class__.__name__ == "ZeroPadding2D":
        return step, first - step * layer.padding[axis][0]
    width = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if width is None:
        return step, first
    width, stride = width[axis], layer.strides[axis]
    padding = max((-(-n // stride) - 1) * stride + width - n, 0) // 2 if layer.padding == "same" else 0
    return step * stride, first + step * ((width - 1) / 2 - padding)
