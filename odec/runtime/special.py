"""Functions of mathematics that torch lacks."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gamma(x: Tensor) -> Tensor:
    """Γ(x), for negative x too."""
    sign = torch.where((x < 0) & (torch.remainder(torch.floor(x), 2) != 0), -1.0, 1.0).to(x.dtype)
    return sign * torch.exp(torch.lgamma(x))


def exprel(z: Tensor, n: int = 0) -> Tensor:
    """(exp(z) - 1)/z, which is 1 at z = 0, or its nth derivative for n of 1 and 2."""
    near = torch.abs(z) < (0.5 if n else 1e-3)
    x, series = torch.where(near, z, 0), torch.zeros_like(z)
    for k in range(14 if n else 5, -1, -1):
        series = series * x + 1 / (math.factorial(k) * (k + n + 1))
    z = torch.clamp(torch.where(near, 1, z), max=1000)  # beyond, the value is infinite
    if n == 0:
        return torch.where(near, series, torch.expm1(z) / z)
    e, r = torch.exp(z), 1 / z
    far = e * (1 - r) + r if n == 1 else e * (1 - 2 * r * (1 - r)) - 2 * r * r
    return torch.where(near, series, far * r)


_DISTANCES = {torch.float64: (1e-100, 1e-46), torch.float32: (1e-28, 1e-18)}
"""What is nearer to 0 than the first has its slopes taken at the second, where need be."""


def near(x: Tensor) -> Tensor:
    """Whether x is so near to 0 that slopes are taken beside it."""
    return torch.abs(x) < _DISTANCES[x.dtype][0]


def distance(x: Tensor) -> Tensor:
    """How far from 0 they are taken then, in x's dtype."""
    return x.new_full((), _DISTANCES[x.dtype][1])
