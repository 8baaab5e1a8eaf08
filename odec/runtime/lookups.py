"""Lookup tables in formulas: piecewise polynomials of one number, searched for the piece that holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

Place = tuple[torch.dtype, torch.device]


class Lookup:
    """A function of one number through knots (K,), a polynomial between two of them.

    pieces: the coefficients (K - 1, degree + 1) in powers of what x is beyond each piece's knot. extrapolate:
    whether the first and the last piece go on outside; else the end values hold.
    """

    def __init__(self, knots: Sequence[float], pieces: Sequence[Sequence[float]], extrapolate: bool = False):
        self.knots, self.pieces, self.extrapolate = knots, pieces, extrapolate
        self._made = dict[Place, tuple[Tensor, Tensor]]()

    def _on(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Knots and coefficients as tensors, of a dtype and on a device."""
        place = like.dtype, like.device
        if place not in self._made:
            both = (torch.tensor(part, dtype=like.dtype) for part in (self.knots, self.pieces))
            knots, pieces = (part.to(like.device) for part in both)
            self._made[place] = knots, pieces
        return self._made[place]

    def __call__(self, x: Tensor, order: int = 0) -> Tensor:
        """The values at x (...), or a derivative of them; at a knot where it jumps that on the right."""
        knots, pieces = self._on(x)
        at = x if self.extrapolate else x.clamp(self.knots[0], self.knots[-1])
        place = torch.searchsorted(knots, at.detach().contiguous(), right=True) - 1
        place = place.clamp(0, len(self.knots) - 2)
        distance, own = at - knots[place], pieces[place]
        value = torch.zeros_like(x)
        for k in range(len(self.pieces[0]) - 1, order - 1, -1):
            value = value * distance + math.perm(k, order) * own[..., k]
        if order and not self.extrapolate:
            outside = (x < self.knots[0]) | (x > self.knots[-1])
            value = torch.where(outside, 0.0, value)
        return value
