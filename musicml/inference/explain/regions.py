"""Where the places of a convolution map lie in the model's input, and maps at the input's size."""

from __future__ import annotations

from typing import Any

import numpy as np


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
    rows, columns = (
        between(np.clip((np.arange(n) - first) / step, 0, places - 1), places)
        for n, places, (step, first) in zip(size, small.shape, grid, strict=True)
    )
    return (rows @ small @ columns.T).astype(np.float32)


def between(at: np.ndarray, places: int) -> np.ndarray:
    """Weights that interpolate linearly at positions from 0 to places - 1, [shape=(n, places)]."""
    below = np.minimum(at.astype(int), max(places - 2, 0))
    weights = np.zeros((len(at), places), np.float32)
    weights[np.arange(len(at)), below] = 1 - (at - below)
    if places > 1:
        weights[np.arange(len(at)), below + 1] = at - below
    return weights


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
