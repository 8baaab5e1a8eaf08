"""The native engine: a run, its adjoint, its tangent and losses, each in one call of a kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..compiled import Compiled
from ..engines import Gradients, How, Run, sensitivities_of, states_alone
from ..reference.lost import adjoint_of_each, all_finite
from ..steps import Steps
from ..tensors import empty, sum_to
from . import cuda
from .adaptive import AdaptiveBatch
from .batch import Batch, FixedBatch, fitting
from .kernel import Kernels
from .ready import ReadyAdjoint, ReadyStates
from .structures import View, view

_READY, _FEW_TIMES = 128, 4096
"""How many kernels an engine keeps ready, and for how many output times at most."""

Kind = TypeVar("Kind", ReadyStates, ReadyAdjoint)


class Native:
    """A model's native engine. Raises EngineError where its module holds no kernel.

    Whatever crosses into a kernel is checked for shape, dtype and device first (ValueError).
    """

    def __init__(self, compiled: Compiled):
        self.compiled, self.kernels = compiled, Kernels(compiled)
        self._ready: dict[Any, tuple[Any, Sequence[Tensor]]] = {}

    def batch(
        self,
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        series: Sequence[Tensor],
        steps: Steps,
        tape: bool,
        chunk: int = 0,
    ) -> FixedBatch | AdaptiveBatch:
        """The arguments of a call; tape: whether it goes back over its steps."""
        if steps.tolerance is not None:
            return AdaptiveBatch(self.kernels, t, x0, p, series, steps.tolerance, steps.clip, tape, chunk)
        dt = None if self.compiled.is_map else steps.longest
        return FixedBatch(self.kernels, t, x0, p, series, dt, steps.clip, tape, chunk)

    def states(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps, keep: int = 1
    ) -> Run:
        """The states at the times (T, *batch, n); a kernel keeps none for the adjoint."""
        if not series and straight(t, x0, p, x0.shape[:-1]):
            return self.ready(ReadyStates, t, x0, p, steps)(x0, p)
        batch = self.batch(t, x0, p, series, steps, tape=False)
        xs, batch.call.out = batch.outputs(len(t), self.kernels.states)
        return Run(xs, empty(1, x0), self._run(batch, "solve"))

    def ready(
        self,
        kind: type[Kind],
        t: Tensor,
        x: Tensor,
        p: Tensor,
        steps: Steps,
        series: Sequence[Tensor] = (),
        times: bool = False,
    ) -> Kind:
        """A kernel made ready for arguments such as these, made once and kept.

        x: the states x0, or all of them. series: inputs that stay as they are, of which the very tensors are
        looked for. times: whether the adjoint is by the times too. Everything that the kernel's Call says
        besides addresses hangs on what is looked up by.
        """
        key = (
            *(kind, tuple(t.tolist()), t.dtype, x.shape, x.dtype, p.shape, p.dtype, steps),
            *(torch.get_num_threads(), times, *map(id, series)),
        )
        found = self._ready.get(key)
        if found is None:
            back = kind is ReadyAdjoint
            batch = self.batch(t, x[0] if back else x, p, series, steps, tape=back)
            kernel: Any = ReadyAdjoint(batch, times) if back else ReadyStates(batch)
            if len(self._ready) >= _READY:
                self._ready.clear()
            found = self._ready[key] = kernel, series  # whose ids no other tensors get meanwhile
        made: Kind = found[0]
        return made

    def prepared(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The states as a function of other x0 and p of the same shapes."""
        if cuda.on_gpu(x0) or not x0.numel():
            return states_alone(self, t, x0, p, series, steps)
        from .prepared import PreparedRun

        return PreparedRun(self, t, x0, p, series, steps)

    def last(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The states at the last time alone (*batch, n), and the report."""
        batch = self.batch(t, x0, p, series, steps, tape=False)
        xs, batch.call.out = batch.outputs(1, self.kernels.states)
        batch.call.last_only = 1
        report = self._run(batch, "solve")
        return xs[0], report

    def observe(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """The observables (T, *batch, k) straight from the kernel, and the report; no states are kept."""
        batch = self.batch(t, x0, p, series, steps, tape=False)
        ys, batch.call.observed = batch.outputs(len(t), self.kernels.observables)
        report = self._run(batch, "solve")
        return ys, report

    def _run(self, batch: FixedBatch | AdaptiveBatch, name: str) -> Tensor:
        """Run a kernel; the report of adaptive steps, (*batch, 0) of fixed ones."""
        report = batch.report()
        batch.run(name)
        return report

    def adjoint(
        self,
        t: Tensor,
        run: Run,
        p: Tensor,
        series: Sequence[Tensor],
        w_xs: Tensor,
        steps: Steps,
        how: How,
        wrt_times: bool,
    ) -> Gradients:
        """The discrete adjoint on the mesh that `states` takes, in one kernel; NaN where a run is lost.

        Raises EngineError where there is no memory for the steps of the trajectories under way together.
        """

        batch_shape = run.xs.shape[1:-1]
        if not (series or wrt_times) and straight(t, run.xs, p, batch_shape) and all_finite(run.xs[-1]):
            shape = (t.shape[0], *run.xs.shape[1:])  # of xs, the first and the last alone are read
            w = fitting("w_xs", w_xs, shape, run.xs.dtype, run.xs.device)
            return self.ready(ReadyAdjoint, t, run.xs, p, steps)(run.xs, p, w)

        def gradients(run: Run, p: Tensor, series: Sequence[Tensor], w_xs: Tensor) -> Gradients:
            batch = self.batch(t, run.xs[0], p, series, steps, tape=True, chunk=how.chunk)
            return _adjoint(batch, p, series, w_xs, wrt_times, how.inputs)

        return adjoint_of_each(gradients, run, p, series, w_xs)

    def tangent(
        self,
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        series: Sequence[Tensor],
        d_t: Tensor,
        d_x0: Tensor,
        d_p: Tensor,
        d_series: Sequence[Tensor],
        steps: Steps,
    ) -> Tensor:
        """The tangent (T, *batch, n) of the states, from those of the arguments."""
        batch, n = self.batch(t, x0, p, series, steps, tape=False), self.kernels.states
        d_t, d_x0, d_p = (
            fitting(name, tangent, tangent.shape, batch.dtype, batch.device)
            for name, tangent in (("d_t", d_t), ("d_x0", d_x0), ("d_p", d_p))
        )
        d_x0 = d_x0.expand(*batch.shape, n).reshape(batch.size, n)
        d_p = d_p.expand(*batch.shape, p.shape[-1]).reshape(batch.size, p.shape[-1])
        d_t = d_t.reshape(len(t), *[1] * (len(batch.shape) - d_t.dim() + 1), *d_t.shape[1:])
        d_t = d_t.expand(len(t), *batch.shape).reshape(len(t), batch.size)
        d_t = torch.cat((d_t, torch.zeros_like(d_t[:1])))  # the last: of knots, which stay
        call = batch.call
        call.d_x0, call.d_p, call.d_t = view(d_x0, 1, 0), view(d_p, 1, 0), view(d_t, 1, 1, 0)
        tangents = []
        for c, d in zip(series[1::2], d_series[1::2], strict=True):
            d = fitting("d_series", d, d.shape, batch.dtype, batch.device)
            tangents.append(batch.spread(d.expand(c.shape)))
        for place, tangent in zip(call.series if tangents else (), tangents):
            place.dc = tangent.data_ptr()
        xs, call.out = batch.outputs(len(t), n)
        batch.run("tangent")
        return xs

    def sensitivities(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> tuple[Tensor, Tensor]:
        """Forward sensitivities: ∂x/∂x0 (T, *batch, n, n) and ∂x/∂p (T, *batch, n, m)."""
        return sensitivities_of(self, t, x0, p, series, steps)

    def loss_gradient(
        self,
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        series: Sequence[Tensor],
        data: Tensor,
        weight: Tensor,
        steps: Steps,
        chunk: int = 0,
    ) -> tuple[Tensor, Gradients, Tensor]:
        """Σ weight·(value − data)² over the output times, per trajectory, and its gradient, in one pass.

        data and weight (T, [*batch,] n + k): columns for the states, then the observables; weight 0 where
        nothing was measured. Returns the loss (*batch,), infinite where a simulation ends before its last one
        (the gradients of it and of all that it shares are NaN then), the gradients and the report.
        """
        batch = self.batch(t, x0, p, series, steps, tape=True, chunk=chunk)
        batch.weighs, report = True, batch.report()
        batch.call.data, data = measured(data, batch, t)
        batch.call.weight, weight = measured(weight, batch, t)
        loss, batch.call.loss = batch.room(1, 1)
        g_x0, g_p, g_u = _gradients(batch, p, series, "loss", False, True)
        batch.check_memory()
        g_t = batch.x0.new_zeros(()).expand(len(t), *batch.shape)
        found = loss[0].squeeze(-1).nan_to_num_(math.inf, math.inf)
        return found, Gradients(g_t, g_x0, g_p, g_u), report


def straight(t: Tensor, x: Tensor, p: Tensor, batch: Sequence[int]) -> bool:
    """Whether a kernel can be kept ready that reads states and parameters by their addresses alone."""
    if cuda.on_gpu(x) or not (p.is_cpu and x.is_contiguous() and p.is_contiguous()):
        return False
    if x.is_neg() or p.is_neg() or not x.numel():
        return False
    return (p.dim() == 1 or p.shape[:-1] == batch) and t.dim() == 1 and 0 < t.shape[0] <= _FEW_TIMES


def _adjoint(
    batch: FixedBatch | AdaptiveBatch,
    p: Tensor,
    series: Sequence[Tensor],
    w_xs: Tensor,
    wrt_times: bool,
    wrt_inputs: bool,
) -> Gradients:
    """Run the adjoint of a batch, from the cotangents of its states."""
    n, times = batch.kernels.states, batch.call.times
    shape = (times, *batch.shape, n)
    w = fitting("w_xs", w_xs, shape, batch.dtype, batch.device).reshape(times, batch.size, n)
    batch.call.w = view(w, 2, 1, 0)
    g_t = w_xs.new_zeros(()).expand(w_xs.shape[:-1])
    if wrt_times:
        g_t, batch.call.g_t = batch.room(times + 1, 1)
        g_t = g_t.zero_().squeeze(-1)[:-1]  # the last: of knots
    g_x0, g_p, g_u = _gradients(batch, p, series, "adjoint", wrt_times, wrt_inputs)
    batch.check_memory()
    return Gradients(g_t, g_x0, g_p, g_u)


def _gradients(
    batch: Batch, p: Tensor, series: Sequence[Tensor], kernel: str, times: bool, inputs: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Run the adjoint or the loss; the gradients of x0, p and, where asked for, the inputs' coefficients."""
    call = batch.call
    g_x0, call.g_x0 = batch.room(1, batch.kernels.states)
    shared, m = batch.shares_p, p.shape[-1]
    if shared:
        g_p = torch.zeros((1, m), dtype=batch.dtype, device=batch.device)
    else:
        g_p = torch.empty((m, batch.size), dtype=batch.dtype, device=batch.device).movedim(0, 1)
    call.g_p = view(g_p, 1, None if shared else 0)
    g_u: list[Tensor] = []
    offset = 0
    for c, place in zip(batch.series[1::2], call.series if series and inputs else ()):
        g_u.append(torch.zeros_like(c))
        place.g, place.offset = g_u[-1].data_ptr(), offset
        offset += c.numel() if c.dim() == 2 else 0
    scratch = batch.scratch(m + offset)
    batch.run(kernel, times)
    if batch.on_gpu:
        cuda.add_sums(batch, scratch, g_p if shared else None, g_u)
    del scratch
    g_p = g_p.reshape(p.shape) if shared else sum_to(g_p.reshape(*batch.shape, -1), p.shape)
    g_u = [_as_given(g, c, batch) for g, c in zip(g_u, series[1::2])]
    g_u = g_u or [c.new_zeros(()).expand(c.shape) for c in series[1::2]]
    return g_x0[0], g_p, g_u


def _as_given(g: Tensor, c: Tensor, batch: Batch) -> Tensor:
    """A gradient of coefficients in the shape that they were given in."""
    if g.dim() == 2:
        return g.reshape(c.shape)
    g = g.reshape(*g.shape[:2], *batch.shape)
    extra = g.dim() - c.dim()
    g = g.sum(list(range(2, 2 + extra))) if extra else g
    axes = [i for i in range(2, c.dim()) if c.shape[i] == 1 and g.shape[i] != 1]
    return g.sum(axes, keepdim=True) if axes else g


def measured(value: Tensor, batch: Batch, t: Tensor) -> tuple[View, Tensor]:
    """Measurements or their weights for a kernel, and what keeps them alive. Raises ValueError."""
    width = batch.kernels.states + batch.kernels.observables
    if value.dim() < 2 or value.shape[0] != len(t) or value.shape[-1] != width:
        raise ValueError(
            f"data and weight need a row for each of the {len(t)} times and a column for each of the {width} "
            f"states and observables, not {tuple(value.shape)}"
        )
    value = value.detach().to(batch.device, batch.dtype).resolve_neg()
    if value.dim() == 2:
        return view(value, 1, None, 0), value
    value = value.expand(len(t), *batch.shape, width).reshape(len(t), batch.size, width)
    return view(value, 2, 1, 0), value
