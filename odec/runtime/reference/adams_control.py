"""The steps and orders of Adams methods that follow a tolerance."""

from __future__ import annotations

import torch
from torch import Tensor

from ..engines import UNDERFLOW, UNSOLVED
from ..steps import Tolerance
from ..tensors import power
from .control import Control


class AdamsControl(Control):
    """The control of steps and of orders (*batch): the order that lets the next step be the longest.

    highest: of the predictor. known: how many slopes, that of the step's start among them, lie on a smooth
    piece. Hairer, Nørsett & Wanner I, III.7; Shampine & Gordon 1975.
    """

    def __init__(self, x: Tensor, tolerance: Tolerance, highest: int):
        super().__init__(x, tolerance)
        self.highest = highest
        self.restart()

    def restart(self) -> None:
        """Begin anew at order 1, as after a knot of an input."""
        self.order, self.known = torch.ones_like(self.state), torch.ones_like(self.state)

    def judge(self, active: Tensor, trial: Tensor, norm: Tensor, lower: Tensor, higher: Tensor) -> Tensor:
        """Which trajectories accept their step, given the errors at its order and those beside it."""
        good = active & (norm <= 1)
        bad = active & ~good
        self.unsolved += bad & ~torch.isfinite(norm)
        best, change = self._best(good, norm, lower, higher)
        most = torch.where(self.rejected_last, 1.0, torch.where(self.known > 1, 2.0, 10.0))
        grown = trial * torch.minimum(best.clamp(min=0.2), most)
        grown = torch.where(trial < self.h, torch.maximum(grown, self.h), grown)
        grown, shrunk = grown.clamp(self.min_step, self.max_step), trial * best.clamp(0.1, 0.9)
        self.h = torch.where(good, grown, torch.where(bad, shrunk, self.h))
        self.order = torch.where(active, self.order + change, self.order)
        self.known = torch.where(good, (self.known + 1).clamp(max=self.highest), self.known)
        self.rejected_last = torch.where(active, bad, self.rejected_last)
        self.accepted += good
        self.rejected += bad
        return good

    def _best(self, good: Tensor, norm: Tensor, lower: Tensor, higher: Tensor) -> tuple[Tensor, Tensor]:
        """The factor of the longest next step, and by how much the order changes for it."""
        order = self.order.to(norm.dtype)
        same = 0.9 * power(norm.clamp(min=1e-10), -1 / (order + 1))
        down = 0.9 * power(lower.clamp(min=1e-10), -1 / order)
        up = 0.9 * power(higher.clamp(min=1e-10), -1 / (order + 2))
        same, down, up = (torch.nan_to_num(factor, nan=0.1) for factor in (same, down, up))
        down = torch.where(self.order > 1, down, 0.0)
        falls = down > same
        rises = good & (self.order < self.highest) & (self.known > self.order) & (up > same) & (up > down)
        best = torch.where(rises, up, torch.where(falls, down, same))
        return best, torch.where(rises, 1, torch.where(falls, -1, 0))

    def end_short(self, bad: Tensor, norm: Tensor, time: Tensor) -> None:
        """End trajectories whose rejected steps leave one shorter than the least."""
        if not bool(bad.any()):
            return
        least = (self.eps * time.abs()).clamp(min=self.min_step)
        code = torch.where(torch.isfinite(norm), UNDERFLOW, UNSOLVED)
        self.fail(bad & (self.h < least), code, time, self.worst)
