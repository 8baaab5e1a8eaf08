"""Newton's method for the stages of implicit methods, each trajectory until it is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ..tensors import Time
from ..torch_private import traced

LIMIT = 30
"""How many iterations a step may take."""


class Change(NamedTuple):
    """Newton's change Δk (*batch, m) of slopes k, and the states y (*batch, m) where f was taken.

    steep (*batch, 1): where ∂f/∂x is not finite at y, as that of sqrt(x) at 0; such entries count as 0.
    """

    k: Tensor
    y: Tensor
    steep: Tensor


Correction = Callable[[Tensor], Change]
"""From slopes k (*batch, m) their change."""


def is_steep(jacobian: Tensor) -> Tensor:
    """Whether a Jacobian (*batch, m, m) has entries that are not finite: (*batch, 1)."""
    return ~torch.isfinite(jacobian).all(-1).all(-1, keepdim=True)


def root(correction: Correction, k: Tensor, size: Time, linear: bool) -> Tensor:
    """The root of Newton's iteration k ← k + Δk, where correction(k) gives Δk and the states y.

    It is found without gradients; the last iterations are taken with them. By the implicit function theorem
    one gives the root's first derivatives, as what it leaves of an error is quadratic; a second one (where
    gradients are recorded) gives the second and third. Where the equations are linear in k, one gives the
    root with all its derivatives: the ones before take away what rounding leaves of a solve.
    """
    with torch.no_grad():
        k = _newton(correction, k, size).detach()
    for _ in range(2 if torch.is_grad_enabled() and not linear else 1):
        k = k + correction(k).k
    return k


def _newton(correction: Correction, k: Tensor, size: Time) -> Tensor:
    """Newton's iteration, for each trajectory until |size·Δk| ≤ √ε |y|: what is left is of the size of ε.

    Or three times within ε^⅔ of the largest |y|, where rounding may hold up a small component. From a steep
    place a trajectory moves on, unless its equation holds there. NaN where LIMIT iterations do not get there,
    unless the last Δk is within ε^⅔ of k: between the two sides of a kink, as of sqrt(max(y, 0)) at 0.
    """
    eps = torch.finfo(k.dtype).eps
    moving = torch.ones_like(k[..., :1], dtype=torch.bool)
    late, before = torch.zeros_like(moving, dtype=torch.long), k
    for _ in range(LIMIT):
        change, y, steep = correction(k)
        k, before = torch.where(moving, k + change, k), k
        change, y = (size * change).abs(), torch.where(steep, 0.0, y.abs())
        late = late + (change.amax(-1, keepdim=True) <= eps ** (2 / 3) * y.amax(-1, keepdim=True))
        ended = (change <= math.sqrt(eps) * y).all(-1, keepdim=True) | (late >= 3)
        moving = moving & ~ended & torch.isfinite(change).all(-1, keepdim=True)
        if not traced(moving) and not bool(moving.any()):
            break
    apart = ~((k - before).abs().amax(-1, keepdim=True) <= eps ** (2 / 3) * k.abs().amax(-1, keepdim=True))
    return torch.where(moving & apart, math.nan, k)
