"""How far a parameter may come towards its bounds in one step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from odec.fit.loss import Coordinates

PART = 0.1
"""A step leaves at least this part of a parameter's distance to its bound."""


def reach(coordinates: Coordinates, theta: np.ndarray) -> np.ndarray:
    """How far a step may move each entry of θ (k,): to a tenth of the distance to the nearest bound."""
    pairs = zip(coordinates.transforms, theta.tolist(), coordinates.scale.tolist(), strict=True)
    return np.array([_reach(transform, scale * entry) / scale for transform, entry, scale in pairs])


def _reach(transform: Any, raw: float) -> float:
    """The same on the scale of the transform."""
    if transform is None:
        return math.inf
    kind = type(transform).__name__
    if kind == "PowerOfTen":
        return -math.log10(PART)
    if kind == "Exponential":
        return -math.log(PART)
    if kind == "Between":
        gap = 1 / (1 + math.exp(min(abs(raw), 700.0)))
        return math.log((1 - PART * gap) / (PART * (1 - gap)))
    distance = max(raw, 0.0) + math.log1p(math.exp(-abs(raw)))
    if distance < 1e-8:
        return -math.log(PART)
    return raw - math.log(math.expm1(PART * distance)) if distance < 700 else (1 - PART) * distance
