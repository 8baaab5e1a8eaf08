"""Sums of slopes, and one step of an explicit method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from odec.integrate.problem import Rate, Slope
from odec.integrate.tables import Sparse, Table

Size = float | Tensor
"""A step: a number, or a tensor () where it has a gradient."""


def added(y: Tensor, h: Size, weights: Sparse, slopes: Sequence[Tensor]) -> Tensor:
    """y + h Σ_j w_j k_j, one operation for each slope."""
    if isinstance(h, Tensor):
        return y + h * summed(1.0, weights, slopes) if weights else y
    for j, weight in weights:
        y = torch.add(y, slopes[j], alpha=h * weight)
    return y


def summed(h: float, weights: Sparse, slopes: Sequence[Tensor]) -> Tensor:
    """h Σ_j w_j k_j of one weight or more."""
    (first, weight), *rest = weights
    total = slopes[first] * (h * weight)
    for j, weight in rest:
        total = torch.add(total, slopes[j], alpha=h * weight)
    return total


def advanced(y: Tensor, h: Size, weights: Sparse, slopes: Sequence[Tensor]) -> Tensor:
    """y + h Σ_j w_j k_j, the sum first, so that it is rounded to y once."""
    if isinstance(h, Tensor):
        return y + h * summed(1.0, weights, slopes)
    return added(y, h, weights, slopes) if len(weights) == 1 else y + summed(h, weights, slopes)


class Stages(NamedTuple):
    """The slopes of a step's stages, those of the integral along with it, and the states after it."""

    slopes: list[Tensor]
    along: list[Tensor]
    y: Tensor

    def total(self, total: Tensor | None, h: Size, weights: Sparse) -> Tensor | None:
        """The integral after the step."""
        return None if total is None else advanced(total, h, weights, self.along)


def stages(rate: Rate, table: Table, y: Tensor, h: Size, first: Slope, times: Sequence[Tensor]) -> Stages:
    """One step from y with the slope `first`; times: of the stages after the first."""
    slopes, along = [first[0]], [] if first[1] is None else [first[1]]
    for row, time in zip(table.rows, times):
        slope, other = rate(time, added(y, h, row, slopes))
        slopes.append(slope)
        if other is not None:
            along.append(other)
    return Stages(slopes, along, advanced(y, h, table.weights, slopes))
