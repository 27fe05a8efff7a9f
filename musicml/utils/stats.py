"""Wilson's interval of a share."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def compute_wilson_interval(right: int, n: int) -> tuple[float, float]:
    """Compute Wilson's 95 % interval of `right` in `n`; it has a width even where all of them are right.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (Journal of the American Statistical
    Association, 1927).

    >>> [round(100 * limit, 1) for limit in compute_wilson_interval(149, 150)]
    [96.3, 99.9]
    """
    z = NormalDist().inv_cdf(0.975)
    centre, spread = right + z * z / 2, z * sqrt(right * (n - right) / n + z * z / 4)
    return max(0.0, (centre - spread) / (n + z * z)), min(1.0, (centre + spread) / (n + z * z))
