"""Functions of mathematics that torch lacks."""

from __future__ import annotations

import math
from dataclasses import dataclass

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


@dataclass(frozen=True)
class _Scale:
    """How near to 0 a precision takes slopes at a distance; distances, in pairs; how far two slopes agree."""

    near: float
    distances: tuple[float, float, float, float]
    close: float
    falls: float
    gone: float


_SINGLE = _Scale(1e-28, (1e-9, 1e-18, 1e-11, 1e-16), 1e-4, 1e-4, 1e-25)
_SCALES = {torch.float64: _Scale(1e-100, (1e-20, 1e-46, 1e-23, 1e-42), 1e-6, 1e-8, 1e-100)}
"""By precision; others than double have that of single."""


def near(x: Tensor) -> Tensor:
    """Whether x is so near to 0 that slopes are taken beside it."""
    return torch.abs(x) < _SCALES.get(x.dtype, _SINGLE).near


def distance(x: Tensor) -> Tensor:
    """How far from 0 they are taken then, in x's dtype."""
    return torch.full_like(x, _SCALES.get(x.dtype, _SINGLE).distances[1])


def apart(x: Tensor, k: int) -> Tensor:
    """x, or what is so far from 0 on its side of it: by the k-th of distances that come in pairs."""
    away = _SCALES.get(x.dtype, _SINGLE).distances[k - 1]
    return torch.where(torch.abs(x) < away, torch.where(x < 0, x.new_full((), -away), away), x)


def limit(here: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """A slope, or where it is not finite what it is at two distances where these agree, or it falls to 0."""
    scale, one, two = _SCALES.get(here.dtype, _SINGLE), torch.abs(first), torch.abs(second)
    agree = torch.abs(first - second) <= scale.close * torch.maximum(one, two)
    falls = (two <= scale.falls * one) & (one < math.inf) & ((second != 0) | (one < scale.gone))
    return torch.where(~torch.isfinite(here) & torch.isfinite(second) & (agree | falls), second, here)
