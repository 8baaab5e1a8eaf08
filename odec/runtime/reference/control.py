"""The step sizes of runs by tolerance, trajectory by trajectory, and what ends a run."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..engines import MAX_STEPS, NOT_FINITE, OFTEN_UNSOLVED, UNDERFLOW, UNSOLVED
from ..methods import Adams, Auto, Map, Method
from ..series import Series
from ..slopes import Slope
from ..steps import Tolerance
from ..tensors import Time, power, rms


class Control:
    """The step sizes h (*batch) of every trajectory, and what became of it."""

    def __init__(self, x: Tensor, tolerance: Tolerance):
        real = torch.finfo(x.dtype)
        self.eps = 16 * real.eps
        self.min_step, self.max_step = tolerance.least or real.tiny, tolerance.longest
        self.max_steps, self.rtol = tolerance.most, tolerance.rtol
        self.atol = x.new_tensor(tolerance.atol)
        self.h = torch.full_like(x[..., 0], tolerance.first)
        self.rejected_last = torch.zeros_like(self.h, dtype=torch.bool)
        counts = torch.zeros((6, *self.h.shape), dtype=torch.long, device=x.device)
        self.accepted, self.rejected, self.unsolved, self.code, self.state, self.worst = counts
        self.time = torch.full_like(self.h, math.nan)
        self.tried = 0  # steps, by the trajectory with the most, at most

    def unit(self, x: Tensor) -> Tensor:
        """What may be wrong of each state within a step, atol + rtol·|x|."""
        return self.atol + self.rtol * x.abs()

    def scaled(self, value: Tensor, x: Tensor) -> Tensor:
        """value / (atol + rtol·|x|). Hairer, Nørsett & Wanner I, II.4, eq. 4.10."""
        return value / self.unit(x)

    def start(
        self,
        slope: Slope,
        x: Tensor,
        a: float,
        b: float,
        p: Tensor,
        u: Series | None,
        clip: float | None,
        exponent: float,
    ) -> None:
        """Choose the first step, from a towards b. Hairer, Nørsett & Wanner I, II.4, page 169.

        exponent: 1 / (order + 1) of the method.
        """
        time, span = torch.full_like(x[..., :1], a), b - a
        k1 = slope(time, x, p, u, clip)
        wrong = ~(torch.isfinite(x) & torch.isfinite(k1))
        self.fail(wrong.any(-1), NOT_FINITE, a, wrong.to(torch.long).argmax(-1))
        if bool((self.h == 0).any()):
            d0, d1 = rms(self.scaled(x, x)), rms(self.scaled(k1, x))
            guess = torch.where((d0 < 1e-5) | (d1 < 1e-5), 1e-6, 0.01 * d0 / d1).clamp(max=abs(span))
            forth = math.copysign(1, span) * guess.unsqueeze(-1)
            k2 = slope(time + forth, x + forth * k1, p, u, clip)
            most = torch.maximum(d1, rms(self.scaled(k2 - k1, x)) / guess)
            second = power(0.01 / most, exponent)
            second = torch.where(most <= 1e-15, (1e-3 * guess).clamp(min=1e-6), second)
            self.h = torch.nan_to_num(torch.minimum(100 * guess, second), nan=1e-6)
        self.h = self.h.clamp(max=self.max_step)

    def used_up(self) -> Tensor:
        """The code of a trajectory that has taken max_steps."""
        often = (2 * self.unsolved >= self.rejected) & (16 * self.unsolved >= self.accepted + self.rejected)
        return torch.where(often, OFTEN_UNSOLVED, MAX_STEPS)

    def going(self, moving: Tensor, time: Tensor) -> Tensor:
        """Which of the moving trajectories (*batch) take a further step; those out of steps fail."""
        if self.tried >= self.max_steps:
            out = moving & (self.accepted + self.rejected >= self.max_steps)
            self.fail(out, self.used_up(), time, self.worst)
        self.tried += 1
        return (self.code == 0) & moving

    def fail(self, which: Tensor, code: Tensor | int, time: Time, state: Tensor) -> None:
        """Note what ended some trajectories: its code, time and state."""
        new = which & (self.code == 0)
        self.code = torch.where(new, code, self.code)
        self.time = torch.where(new, time, self.time)
        self.state = torch.where(new, state, self.state)

    def report(self) -> Tensor:
        """Code, time and state of a failure, steps accepted and rejected: (*batch, 5)."""
        columns = (self.code, self.time, self.state, self.accepted, self.rejected)
        return torch.stack([column.to(self.h.dtype) for column in columns], -1)


class PIControl(Control):
    """The step sizes by a PI controller.

    factor = 0.9 err^(-0.7/k) err_before^(0.4/k), k the error's order + 1, between 0.2 and 10, and no growth
    after a rejection. Gustafsson, ACM TOMS 17 (1991) 533–554; Hairer & Wanner II, IV.2.
    """

    stiff: Tensor | None = None
    """The trajectories (*batch) that take the stiff half of auto; None of other methods."""

    def __init__(self, x: Tensor, tolerance: Tolerance, k: int):
        super().__init__(x, tolerance)
        self.k, self.before = k, torch.ones_like(self.h)

    def judge(self, active: Tensor, trial: Tensor, norm: Tensor) -> Tensor:
        """Which of the active trajectories accept their step; sets the size of the next."""
        good = active & (norm <= 1)
        bad = active & ~good
        self.unsolved += bad & ~torch.isfinite(norm)
        norm, k = norm.clamp(min=1e-10), self.k
        factor = 0.9 * power(norm, -round(0.7 / k, 15)) * power(self.before, round(0.4 / k, 15))
        factor = torch.where(self.rejected_last, factor.clamp(0.2, 1), factor.clamp(0.2, 10))
        after = torch.where(trial < self.h, torch.maximum(trial * factor, self.h), trial * factor)
        less = trial * torch.nan_to_num(0.9 * power(norm, -1 / k), nan=0.1).clamp(0.1, 0.9)
        self.h = torch.where(good, after.clamp(self.min_step, self.max_step), torch.where(bad, less, self.h))
        self.before = torch.where(good, norm.clamp(min=1e-4), self.before)
        self.rejected_last = torch.where(active, bad, self.rejected_last)
        self.accepted += good
        self.rejected += bad
        return good

    def end_short(self, bad: Tensor, norm: Tensor, time: Tensor) -> None:
        """End trajectories whose rejected steps leave one shorter than the least."""
        if not bool(bad.any()):
            return
        least = (self.eps * time.abs()).clamp(min=self.min_step)
        code = torch.where(torch.isfinite(norm), UNDERFLOW, UNSOLVED)
        self.fail(self.rescue(bad & (self.h < least), least), code, time, self.worst)

    def choose(self, good: Tensor, reach: Tensor | None) -> None:
        """Change the method, where there are two, by h·|λ| of the accepted steps."""

    def rescue(self, short: Tensor, least: Tensor) -> Tensor:
        """Where a step shorter than the least ends a trajectory: everywhere, of one method."""
        return short


class TwoMethods(PIControl):
    """The step sizes of auto, and which method each trajectory takes: stiff (*batch)."""

    stiff: Tensor

    def __init__(self, x: Tensor, tolerance: Tolerance, k: int, limit: float):
        super().__init__(x, tolerance, k)
        self.limit = limit
        self.stiff, self.signs = torch.zeros_like(self.h, dtype=torch.bool), torch.zeros_like(self.accepted)

    def choose(self, good: Tensor, reach: Tensor | None) -> None:
        """Change the method where h·|λ| is near the explicit one's limit, or well within, for some steps."""
        if reach is None:
            raise TypeError("a method that chooses by h·|λ| must tell it")
        little, much = round(0.5 * self.limit, 3), round(0.8 * self.limit, 3)
        sign = torch.where(self.stiff, reach < little, reach > much)
        self.signs = torch.where(good, (self.signs + torch.where(sign, 1, -1)).clamp(min=0), self.signs)
        changed = self.signs >= torch.where(self.stiff, 5, 10)
        self.stiff, self.signs = self.stiff ^ changed, torch.where(changed, 0, self.signs)

    def rescue(self, short: Tensor, least: Tensor) -> Tensor:
        """Let the stiff method go on where the explicit one fails; where both have failed."""
        over = short & ~self.stiff
        self.stiff, self.signs = self.stiff | over, torch.where(over, 0, self.signs)
        self.h = torch.where(over, least, self.h)
        return short & ~over


def control_of(method: Method, x: Tensor, tolerance: Tolerance) -> PIControl:
    """The control of a one-step method's run from the states x (*batch, n)."""
    k = error_order_of(method) + 1
    if isinstance(method, Auto):
        return TwoMethods(x, tolerance, k, method.explicit.real_interval)
    return PIControl(x, tolerance, k)


def error_order_of(method: Method) -> int:
    """The order of a one-step method's error estimate; of auto, that of the stiff method."""
    if isinstance(method, Adams | Map):
        raise TypeError("a one-step method with an error estimate is wanted")
    return method.stiff.error_order if isinstance(method, Auto) else method.error_order
