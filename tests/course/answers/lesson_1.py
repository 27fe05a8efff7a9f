"""Right and wrong answers to the exercises of lesson 1."""

import numpy as np


def _compute_level(y):
    return 20 * np.log10(np.sqrt(np.mean(y**2)))


ANSWERS = {
    "1.1": (10.584, (5.292, 2.646, 42.336, 0.1764, 10_584_000, 10.0937, 11)),
    "1.2": (
        _compute_level,
        (
            lambda y: 10 * np.log10(np.sqrt(np.mean(y**2))),
            lambda y: 20 * np.log10(np.mean(y**2)),
            lambda y: 20 * np.log10(np.sqrt(np.sum(y**2))),
            lambda y: 20 * np.log10(np.abs(y).max()),
            lambda y: 20 * np.log10(np.mean(np.abs(y))),
            lambda y: 20 * np.log(np.sqrt(np.mean(y**2))),
            lambda y: np.sqrt(np.mean(y**2)),
            lambda y: 20 * np.log10(np.std(y)),
            lambda y: -9.0,
            lambda y: 20 * np.log10(np.mean(y) ** 2),
        ),
    ),
    "1.3": (8_100, (13_950, -8_100, 2_925, 24_975, 36_000, 8.1, 11_025)),
    "1.4": (34, (290, 255, 35, 230)),
    "1.5": ("284376", ("824916", "462738", "286194", "673482", "2843", "284379")),
    "1.6": ("b", ("a", "c", "d")),
    "1.7": ({0}, (set(range(13)), set(range(1, 13)), set(), {0, 1}, {1}, {"12"})),
    "1.8": (2, (1, 3, 4, 5)),
    "1.9": (
        (32, 61, 13),
        (
            (32, 13, 61),
            (61, 13),
            (61, 13, 32),
            (32, 62, 13),
            (32, 126, 13),
            (32, 60, 13),
            (32, 16, 13),
            (32, 61, 128),
            (32, 33_075),
        ),
    ),
}
