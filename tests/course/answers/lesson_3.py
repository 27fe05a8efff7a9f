"""Right and wrong answers to the exercises of lesson 3."""

import numpy as np


def _pool(x, reduce=np.max):
    rows, columns = x.shape[0] // 2, x.shape[1] // 2
    return reduce(x[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2), axis=(1, 3))


def _pool_all(x):
    rows = -(-x.shape[0] // 2)
    columns = -(-x.shape[1] // 2)
    return np.array([[x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max() for j in range(columns)] for i in range(rows)])


def _count(height, width, channels, filters, use_bias):
    return height * width * channels * filters + (filters if use_bias else 0)


ANSWERS = {
    "3.1": (5, (0, -5, 13, 5 / 9, 1, -3)),
    "3.2": ("a", ("b", "c", "d")),
    "3.3": ((28, 30, 8), ((30, 32, 8), (29, 30, 8), (28.5, 30, 8), (57, 60, 8), (28, 30), (8, 28, 30), (29, 31, 8))),
    "3.4": (
        _count,
        (
            lambda height, width, channels, filters, use_bias: height * width * channels * filters,
            lambda height, width, channels, filters, use_bias: (height * width * channels + 1) * filters,
            lambda height, width, channels, filters, use_bias: channels * filters * (height * width + use_bias),
            lambda height, width, channels, filters, use_bias: height * width * channels * filters + use_bias,
            lambda height, width, channels, filters, use_bias: (
                height * width * channels * filters + channels * use_bias
            ),
            lambda height, width, channels, filters, use_bias: height * width * filters + filters,
            lambda height, width, channels, filters, use_bias: None,
        ),
    ),
    "3.5": (
        _pool,
        (
            lambda x: _pool(x, np.mean),
            lambda x: x[::2, ::2],
            _pool_all,
            lambda x: _pool(np.abs(x)),
            lambda x: _pool(np.maximum(x, 0)),
            lambda x: [[x[i : i + 2, j : j + 2].max() for j in range(x.shape[1] // 2)] for i in range(x.shape[0] // 2)],
            lambda x: None,
            lambda x: x.max(),
            lambda x: np.full((x.shape[0] // 2, x.shape[1] // 2), x.max()),
        ),
    ),
    "3.6": (
        (2048 + 21 * 512) / 22_050,
        (
            22 * 512 / 22_050,
            (2048 + 22 * 512) / 22_050,
            22 * 2048 / 22_050,
            (2048 + 6 * 512) / 22_050,
            (2048 + 17 * 512) / 22_050,
            (2048 + 9 * 512) / 22_050,
            22,
            580.5,
        ),
    ),
    "3.7": ({0.0, 1.25}, ({0.0, 1.0}, {0.0, 0.8}, {0.0, 5.0}, {0.0, 2.0}, {1.0})),
    "3.8": ((9, 6), ((9, 9), (6, 6), (6, 9), (8, 5), (8, 6), (10, 6), (12, 6), (12, 12), (7, 4))),
    "3.9": ("c", ("a", "b", "d")),
    "3.10": (
        {"model.kernel_size": 5, "augment.shift": 0.2},
        (
            {"model": {"kernel_size": 5}, "augment": {"shift": 0.2}},
            {"kernel_size": 5, "shift": 0.2},
            {"model.kernel_size": "5", "augment.shift": 0.2},
            {"model.kernel_size": [5, 5], "augment.shift": 0.2},
            {"model.kernel_size": 5, "augment.shift": 0.3},
            {"model.kernel_size": 5, "augment.shift": 0.2, "augment.crop": True},
            {"model.kernel_size": 5},
            {"augment.shift": 0.2},
        ),
    ),
}
