"""Quantiles of Student's t, which neither torch nor the standard library has."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

FEW = 1000
"""Beyond so many degrees of freedom the series about the normal quantile is exact to rounding."""


def t_quantile(probability: float, freedom: int | None) -> float:
    """The t with P(T ≤ t) = probability; freedom: the degrees of freedom, None for the normal distribution.

    By bisection on the finite sums of Abramowitz & Stegun 26.7.3 and 26.7.4; for many degrees of freedom by
    their series 26.7.5.
    """
    z = NormalDist().inv_cdf(probability)
    if freedom is None:
        return z
    if freedom > FEW:
        terms = (
            (z**3 + z) / 4,
            (5 * z**5 + 16 * z**3 + 3 * z) / 96,
            (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
            (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
        )
        return z + sum(term / freedom**k for k, term in enumerate(terms, 1))
    within = abs(2 * probability - 1)
    low, high = 0.0, math.pi / 2
    for _ in range(80):  # of the angle atan(t/√freedom)
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < within else (low, middle)
    return math.copysign(math.sqrt(freedom) * math.tan((low + high) / 2), probability - 0.5)


def _within(angle: float, freedom: int) -> float:
    """P(|T| ≤ √freedom·tan(angle))."""
    sine, square = math.sin(angle), math.cos(angle) ** 2
    if freedom % 2:
        k = np.arange(1, (freedom - 1) // 2)
        terms = np.cumprod(np.append(1.0, square * 2 * k / (2 * k + 1)))
        rest = sine * math.cos(angle) * float(terms.sum()) if freedom > 1 else 0.0
        return 2 / math.pi * (angle + rest)
    k = np.arange(1, freedom // 2)
    return sine * float(np.cumprod(np.append(1.0, square * (2 * k - 1) / (2 * k))).sum())
