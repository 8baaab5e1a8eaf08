"""A warning where stability rather than the tolerance sets the steps of an explicit method."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from ..methods import Explicit
from ..series import Series


def reach(jacobian: Tensor, h: Tensor | float) -> float:
    """h·|λ| for the largest decaying eigenvalue λ of ∂f/∂x (n, n); h < 0 backwards in time."""
    rates = h * torch.linalg.eigvals(jacobian)
    return float(torch.where(rates.real < 0, rates.abs(), 0.0).max())


def is_stiff(method: Explicit, found: float) -> bool:
    """Whether h·|λ| is near the end of the method's interval of stability."""
    return found >= method.real_interval / 2


def sentence(method: Explicit, found: float, time: float) -> str:
    """What h·|λ| near the end of the method's interval of stability means."""
    limit = f"h·|λ| = {found:.2g}, and {method.name}'s limit is {method.real_interval:.2g}"
    where = f"the problem is stiff at t = {time:.3g}: there stability sets the steps"
    return f"{where} ({limit}), not the tolerance; try the method rodas5p or auto, which take longer ones"


class Watch:
    """Warns, once a call, of a stiff problem: where stability rather than the tolerance sets the steps.

    After 500, 1000, 2000, … steps it looks at the trajectory that has the shortest, for h·|λ| with h the mean
    of its last 100 and λ the largest decaying eigenvalue of ∂f/∂x. Hairer & Wanner II, IV.2.
    """

    def __init__(self, method: Explicit, jacobian: Callable[..., Tensor]):
        self.method, self.jacobian = method, jacobian
        self.count, self.next = 0, 500.0
        self.before: tuple[Tensor, Tensor] | None = None

    def look(
        self, active: Tensor, time: Tensor, accepted: Tensor, x: Tensor, p: Tensor, u: Series | None
    ) -> None:
        """Count a step from the states x (*batch, n) at the times (*batch)."""
        self.count += 1
        if self.count == self.next - 100:
            self.before = time, accepted.clone()
        elif self.count == self.next and self.before is not None:
            self.next *= 2
            h = (time - self.before[0]) / (accepted - self.before[1]).clamp(min=1)
            where = torch.where(active, h.abs(), math.inf).argmin()
            k = tuple(int(i) for i in torch.unravel_index(where, h.shape))
            at = float(time[k])
            values = [] if u is None else [u(at)]
            each = [value.expand(*h.shape, value.shape[-1])[k] for value in (p, *values)]
            found = reach(self.jacobian(at, x[k], *each), h[k])
            if is_stiff(self.method, found):
                self.next = math.inf
                said = sentence(self.method, found, at)
                warnings.warn(f"{said}; this run goes on with {self.method.name}", stacklevel=2)
