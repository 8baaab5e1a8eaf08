"""One step of two methods in one: each trajectory by the explicit or by the stiff half."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..compiled import StepGradients
from ..series import Series
from ..tensors import Time, time_like
from .rosenbrock import RosenbrockStepper
from .stepper import Stepper, Trial, merged, shares


class AutoStepper:
    """An explicit method, and a Rosenbrock method for the trajectories (*batch, 1) that `which` marks.

    All are stiff where it is None, as of fixed steps. Where both methods take steps each goes over the whole
    batch, with steps of size 0 for the trajectories that are not its own. Gradients are for p of each
    trajectory (*batch, m). Arguments and results as of Stepper.
    """

    def __init__(self, explicit: Stepper, stiff: RosenbrockStepper):
        self.explicit, self.stiff = explicit, stiff

    def _chosen(self, which: Tensor | None) -> tuple[Stepper, Tensor | None]:
        """The method that takes all trajectories, and None; or the mask, where some are of either."""
        if which is not None and not bool(which.any()):
            return self.explicit, None
        return self.stiff, None if which is None or bool(which.all()) else which

    def step(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        clip: float | None = None,
        which: Tensor | None = None,
    ) -> Tensor:
        """The states at t + h."""
        one, both = self._chosen(which)
        if both is None:
            return one.step(x, t, h, p, u, clip)
        h_stiff, h_other = shares(time_like(h, x), both)
        found = self.stiff.step(x, t, h_stiff, p, u, clip)
        return torch.where(both, found, self.explicit.step(x, t, h_other, p, u, clip))

    def trial(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        clip: float | None = None,
        which: Tensor | None = None,
        unit: Tensor | None = None,
    ) -> Trial:
        """The step, an estimate of its error, and h·|λ| (*batch), by which the method is chosen.

        The stages are those of the stiff and of the explicit method, None where no trajectory takes it.
        """
        one, both = self._chosen(which)
        if one is self.explicit:
            found = one.trial(x, t, h, p, u, clip, None, unit)
            return found._replace(stages=(None, found.stages))
        h = time_like(h, x)
        h_stiff, h_other = (h, h) if both is None else shares(h, both)
        own, jacobian = self.stiff.trial_with_jacobian(x, t, h_stiff, p, u, clip)
        reach = h.abs().squeeze(-1) * jacobian.abs().sum(-1).amax(-1)
        if both is None:
            return own._replace(reach=reach, stages=(own.stages, None))
        other = self.explicit.trial(x, t, h_other, p, u, clip, None, unit)
        reach = reach if other.reach is None else torch.where(both.squeeze(-1), reach, other.reach)
        errors = tuple(torch.where(both, a, b) for a, b in zip(own.errors, other.errors))
        return Trial(torch.where(both, own.x, other.x), errors, reach, (own.stages, other.stages))

    def vjp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        clip: float | None = None,
        wrt_times: bool = False,
        which: Tensor | None = None,
    ) -> StepGradients:
        """The adjoint of step."""
        one, both = self._chosen(which)
        if both is None:
            return one.vjp(x, t, h, p, u, w, clip, wrt_times)
        (h_stiff, h_other), (w_stiff, w_other) = shares(time_like(h, x), both), shares(w, both)
        found = self.stiff.vjp(x, t, h_stiff, p, u, w_stiff, clip, wrt_times)
        return merged(found, self.explicit.vjp(x, t, h_other, p, u, w_other, clip, wrt_times), both)

    def jvp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        dx: Tensor,
        dt: Tensor,
        dh: Tensor,
        dp: Tensor,
        du: Series | None,
        clip: float | None = None,
        which: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The step and its tangent."""
        one, both = self._chosen(which)
        if both is None:
            return one.jvp(x, t, h, p, u, dx, dt, dh, dp, du, clip)
        h_stiff, h_other = shares(time_like(h, x), both)
        found = self.stiff.jvp(x, t, h_stiff, p, u, dx, dt, dh, dp, du, clip)
        other = self.explicit.jvp(x, t, h_other, p, u, dx, dt, dh, dp, du, clip)
        return torch.where(both, found[0], other[0]), torch.where(both, found[1], other[1])

    def within(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        x_next: Tensor,
        stages: Any,
        clip: float | None = None,
        which: Tensor | None = None,
    ) -> Tensor:
        """The states within a step, each by the method that took it."""
        own, other = stages
        if own is None:
            return self.explicit.within(x, t, h, p, u, x_next, other, clip)
        if other is None or which is None:
            return self.stiff.within(x, t, h, p, u, x_next, own, clip)
        h_stiff, h_other = shares(time_like(h, x), which)
        q = self.stiff.within(x, t, h_stiff, p, u, x_next, own, clip)
        return torch.where(which, q, self.explicit.within(x, t, h_other, p, u, x_next, other, clip))

    def dense_vjp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        w: Tensor,
        w_q: Tensor,
        clip: float | None = None,
        wrt_times: bool = False,
        which: Tensor | None = None,
    ) -> tuple[StepGradients, Tensor | None]:
        """As vjp, with cotangents w_q of q; also q, None unless wrt_times."""
        one, both = self._chosen(which)
        if both is None:
            return one.dense_vjp(x, t, h, p, u, w, w_q, clip, wrt_times)
        h_stiff, h_other = shares(time_like(h, x), both)
        (w_stiff, w_other), (q_stiff, q_other) = shares(w, both), shares(w_q, both)
        found, q = self.stiff.dense_vjp(x, t, h_stiff, p, u, w_stiff, q_stiff, clip, wrt_times)
        other, later = self.explicit.dense_vjp(x, t, h_other, p, u, w_other, q_other, clip, wrt_times)
        whole = None if q is None or later is None else torch.where(both, q, later)
        return merged(found, other, both), whole

    def dense_jvp(
        self,
        x: Tensor,
        t: Time,
        h: Time,
        p: Tensor,
        u: Series | None,
        dx: Tensor,
        dt: Tensor,
        dh: Tensor,
        dp: Tensor,
        du: Series | None,
        clip: float | None = None,
        which: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """As jvp, and q and its tangent."""
        one, both = self._chosen(which)
        if both is None:
            return one.dense_jvp(x, t, h, p, u, dx, dt, dh, dp, du, clip)
        h_stiff, h_other = shares(time_like(h, x), both)
        found = self.stiff.dense_jvp(x, t, h_stiff, p, u, dx, dt, dh, dp, du, clip)
        other = self.explicit.dense_jvp(x, t, h_other, p, u, dx, dt, dh, dp, du, clip)
        x_next, dx_next, q, d_q = (torch.where(both, a, b) for a, b in zip(found, other))
        return x_next, dx_next, q, d_q
