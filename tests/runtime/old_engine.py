"""A whole generated module behind the interface of an engine: what engines are held against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from thin_modules import module_of
from torch import Tensor

from odec.runtime.compiled import Cell, StepGradients
from odec.runtime.engines import Gradients, How, Run
from odec.runtime.steps import Steps


class OldEngine:
    """A module's own solve, _adjoint and tangents; see odec.runtime.engines.Engine."""

    def __init__(self, text: str, method: str | None):
        self.module = module_of(text, method)
        self.inputs = bool(self.module.INPUTS)
        self.adaptive = hasattr(self.module, "solve_adaptive")

    def _series(self, series: Sequence[Tensor]) -> tuple[list[Tensor], ...]:
        return (list(series),) if self.inputs else ()

    def _pace(self, steps: Steps) -> tuple[object, ...]:
        return (steps.dt, control_of(steps)) if self.adaptive else (steps.dt,)

    def states(self, t, x0, p, series, steps, keep):
        given, module = (t, x0, p, *self._series(series)), self.module
        if steps.tolerance is not None:
            return Run(*module.solve_adaptive(*given, control_of(steps), steps.clip, keep != 1))
        xs, kept = module.solve(*given, steps.dt, steps.clip, keep)
        return Run(xs, kept, x0.new_zeros(*x0.shape[:-1], 0))

    def adjoint(self, t, run, p, series, w_xs, steps, how: How, wrt_times):
        checkpoints = -2 if how.adjoint == "continuous" else how.keep
        given = (t, run.xs, run.kept, p, *self._series(series), w_xs, *self._pace(steps))
        g_t, g_x0, g_p, *g_u = self.module._adjoint(*given, steps.clip, checkpoints, wrt_times)
        return Gradients(g_t, g_x0, g_p, g_u)

    def tangent(self, t, x0, p, series, d_t, d_x0, d_p, d_series, steps):
        given = (t, x0, p, *self._series(series), d_t, d_x0, d_p, *self._series(d_series))
        if steps.tolerance is not None:
            return self.module.solve_jvp_adaptive(*given, control_of(steps), steps.clip)
        return self.module.solve_jvp(*given, steps.dt, steps.clip)

    def plain(self, t, x0, p, series, steps):
        given = (t, x0, p, *self._series(series))
        if steps.tolerance is not None:
            return self.module.solve_plain_adaptive(*given, control_of(steps), steps.clip)
        return self.module.solve_plain(*given, steps.dt, steps.clip), x0.new_zeros(*x0.shape[:-1], 0)


def control_of(steps: Steps) -> tuple[float, ...]:
    """A tolerance as whole modules carry it: () of fixed steps."""
    pace = steps.tolerance
    if pace is None:
        return ()
    rest = (pace.first, pace.least, pace.longest, float(pace.most), float(bool(pace.dense)), pace.rtol)
    return (*rest, *pace.atol, *pace.adjoint)


def cell_of(text: str, method: str, prefix: str = "") -> Cell:
    """The printed step of a whole module's explicit method; its functions take u where there are inputs."""
    module = module_of(text, method)
    inputs = bool(module.INPUTS)

    def printed(name: str, *places: int):
        function = getattr(module, prefix + name)

        def call(*args):
            kept = [value for i, value in enumerate(args) if inputs or i not in places]
            return function(*kept)

        return call

    def vjp(*args):
        g_x, g_p, *g_u, g_t, g_h = printed("step_vjp", 4)(*args)
        return StepGradients(g_x, g_p, g_u[0] if g_u else [], g_t, g_h)

    def jvp(x, t, h, p, u, d, clip):
        return printed("step_jvp", 4, 9)(x, t, h, p, u, *d, clip)

    def stages(*args):
        x_next, *errors, slopes = printed("step_stages", 4)(*args)
        return x_next, tuple(errors), slopes

    has = hasattr(module, prefix + "step_interpolant")
    return Cell(
        printed("step", 4),
        vjp,
        jvp,
        stages if has else None,
        printed("step_interpolant", 4) if has else None,
    )


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(shape: Sequence[int], seed: int) -> Tensor:
    return torch.randn(tuple(shape), dtype=torch.float64, generator=generator(seed))
