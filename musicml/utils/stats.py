"""The Wilson score interval of a proportion."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def compute_wilson_interval(n_correct: int, n: int) -> tuple[float, float]:
    """Compute the 95% Wilson score interval of `n_correct` out of `n`.

    Unlike the normal approximation, it has a width even if all are correct. Source: Wilson, "Probable Inference, the
    Law of Succession, and Statistical Inference" (Journal of the American Statistical Association, 1927).

    >>> [round(100 * limit, 1) for limit in compute_wilson_interval(149, 150)]
    [96.3, 99.9]
    """
    z = NormalDist().inv_cdf(0.975)  # 1.96
    center, spread = n_correct + z * z / 2, z * sqrt(n_correct * (n - n_correct) / n + z * z / 4)
    return max(0.0, (center - spread) / (n + z * z)), min(1.0, (center + spread) / (n + z * z))
