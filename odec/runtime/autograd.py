"""How torch differentiates a solve: backwards by the adjoint, forwards by the tangent, batched under vmap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from . import operators
from .compiled import Compiled
from .engines import NO_REPORT, How, Run
from .operators import ONCE, lookup
from .steps import Steps
from .stopping import within
from .torch_private import forward_mode, legacy_level, mapped, remapped, transformed, unmapped
from .tracer import when_dynamo

T = TypeVar("T")


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """What a Model's calls have in common: the model, its engine and steps, and how gradients are found.

    traced: whether torch.compile looks on, which sees operators of torch.library instead of an engine.
    max_time: the most seconds of a call, and of its gradient.
    """

    compiled: Compiled
    engine: str
    steps: Steps
    how: How
    traced: bool = False
    firsts: dict[tuple[torch.dtype, torch.device], Tensor] = field(default_factory=dict)
    """The model's own first states, where they are numbers alone."""
    max_time: float | None = None

    @property
    def keep(self) -> int:
        """How many states a run keeps for the adjoint."""
        return 1 if self.how.adjoint == "continuous" else self.how.keep

    def limited(self, run: Callable[..., T]) -> Callable[..., T]:
        """The same function, which raises OutOfTime where it takes more than the seconds of a call."""
        return run if self.max_time is None else within(self.max_time)(run)

    def without_inputs(self) -> Plan:
        """The same where nobody asks for the gradients of the inputs' coefficients."""
        return replace(self, how=self.how._replace(inputs=False))

    def states(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The states, what the adjoint keeps, and the report."""
        if self.traced:
            key, steps = self.compiled.key, self.steps.numbers()
            return operators.solve(t, x0, p, list(series), key, self.engine, steps, self.keep)
        engine = self.compiled.engine(self.engine)
        xs, kept, report = engine.states(t, x0, p, series, self.steps, self.keep)
        return xs, kept, report

    def states_alone(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The states and the report, without a graph and without what an adjoint would need."""
        engine = self.compiled.engine(self.engine)
        if torch.is_grad_enabled():
            with torch.no_grad():
                run = engine.states(t, x0, p, series, self.steps, 1)
        else:
            run = engine.states(t, x0, p, series, self.steps, 1)
        return run.xs, run.report

    def adjoint(
        self,
        t: Tensor,
        xs: Tensor,
        kept: Tensor,
        p: Tensor,
        series: Sequence[Tensor],
        w_xs: Tensor,
        wrt_times: bool,
    ) -> tuple[Tensor, ...]:
        """The cotangents of t (T, *batch), x0, p and of each input's coefficients."""
        how = self.how
        if self.traced:
            named = self.compiled.key, self.engine, self.steps.numbers(), how.adjoint, how.keep, how.chunk
            return tuple(operators.adjoint(t, xs, kept, p, list(series), w_xs, *named, wrt_times))
        engine, run = self.compiled.engine(self.engine), Run(xs, kept, NO_REPORT)
        found = self.limited(engine.adjoint)(t, run, p, series, w_xs, self.steps, how, wrt_times)
        return found.t, found.x0, found.p, *found.u


class Solve(torch.autograd.Function):
    """The states with their derivatives: backwards by the adjoint, forwards by the tangent, under vmap."""

    @staticmethod
    def forward(t: Tensor, x0: Tensor, p: Tensor, plan: Plan, *series: Tensor) -> tuple[Tensor, ...]:
        return plan.states(t, x0, p, series)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        t, x0, p, ctx.plan, *series = inputs
        xs, kept, report = output
        ctx.mark_non_differentiable(kept, report)
        ctx.save_for_backward(t, xs, kept, p, *series)
        ctx.save_for_forward(t, x0, p, *series)

    @staticmethod
    def backward(ctx: Any, w_xs: Tensor, *_: Any) -> tuple[Any, ...]:
        t, xs, kept, p, *series = ctx.saved_tensors
        plan, wrt_times = ctx.plan, ctx.needs_input_grad[0]
        if series and not any(ctx.needs_input_grad[5::2]):
            plan = plan.without_inputs()
        given = (t, xs, kept, p, w_xs, plan, wrt_times, *series)
        if not plan.traced and mapped(w_xs):
            found: Sequence[Tensor] = over_batches(Adjoint.apply, *given)
        elif plan.traced or torch.is_grad_enabled() or transformed():
            found = Adjoint.apply(*given)
        else:
            found = plan.adjoint(t, xs, kept, p, series, w_xs, wrt_times)
        g_t, g_x0, g_p, *g_series = found
        if wrt_times and g_t.dim() > 1:
            g_t = g_t.sum(list(range(1, g_t.dim())))
        return g_t if wrt_times else None, g_x0, g_p, None, *_interleaved(g_series)

    @staticmethod
    def jvp(ctx: Any, d_t: Any, d_x0: Any, d_p: Any, _plan: Any, *d_series: Any) -> tuple[Any, ...]:
        t, x0, p, *series = ctx.saved_tensors
        d_t, d_x0, d_p = (or_zeros(*pair) for pair in ((d_t, t), (d_x0, x0), (d_p, p)))
        tangents = [
            s if i % 2 == 0 else or_zeros(d, s) for i, (d, s) in enumerate(zip(d_series, series))
        ]  # the knots' own have none
        given = (t, x0, p, d_t, d_x0, d_p, ctx.plan, *series, *tangents)
        if any(map(mapped, given)):
            return over_batches(Tangent.apply, *given)[0], None, None
        return Tangent.apply(*given), None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, t: Tensor, x0: Tensor, p: Tensor, plan: Plan, *series: Tensor
    ) -> tuple[Any, Any]:
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, x0.dim() - 1 - (in_dims[1] is not None)
        x0 = to_front(x0, in_dims[1], size)
        p = into_batch(p, in_dims[2], batch, 1, size)
        folded = fold_series(series, in_dims[4:], batch, size)
        return Solve.apply(t, x0, p, plan, *folded), (1, 1, 0)


class PlainSolve(torch.autograd.Function):
    """Solve for autograd alone, without what torch.func asks for: the states and the report."""

    @staticmethod
    def forward(  # type: ignore[override,unused-ignore]
        ctx: Any, t: Tensor, x0: Tensor, p: Tensor, plan: Plan, *series: Tensor
    ) -> tuple[Tensor, Tensor]:
        xs, kept, report = plan.states(t, x0, p, series)
        ctx.plan = plan
        ctx.set_materialize_grads(False)  # of the report, which has none
        ctx.mark_non_differentiable(report)
        ctx.save_for_backward(t, xs, kept, p, *series)
        if forward_mode():
            ctx.save_for_forward(t, x0, p, *series)
        return xs, report

    @staticmethod
    def backward(ctx: Any, w_xs: Tensor | None, *_: Any) -> tuple[Any, ...]:
        if w_xs is None:
            return (None,) * len(ctx.needs_input_grad)
        return Solve.backward(ctx, w_xs)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> tuple[Any, ...]:
        return Solve.jvp(ctx, *tangents)[:2]


class Adjoint(torch.autograd.Function):
    """The cotangents of Solve's arguments; differentiable no further."""

    @staticmethod
    def forward(
        t: Tensor,
        xs: Tensor,
        kept: Tensor,
        p: Tensor,
        w_xs: Tensor,
        plan: Plan,
        wrt_times: bool,
        *series: Tensor,
    ) -> tuple[Tensor, ...]:
        return plan.adjoint(t, xs, kept, p, series, w_xs, wrt_times)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.traced = inputs[5].traced
        if ctx.traced:
            ctx.save_for_backward(*inputs[:5], *inputs[7:])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Any, ...]:
        if not ctx.traced:
            raise RuntimeError(ONCE)
        refused = [operators.refuse(value, list(cotangents)) for value in ctx.saved_tensors]
        return *refused[:5], None, None, *refused[5:]

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(ONCE)

    @staticmethod
    def vmap(
        info: Any,
        in_dims: Any,
        t: Tensor,
        xs: Tensor,
        kept: Tensor,
        p: Tensor,
        w_xs: Tensor,
        plan: Plan,
        wrt_times: bool,
        *series: Tensor,
    ) -> tuple[Any, Any]:
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, xs.dim() - 2 - (in_dims[1] is not None)
        shape = p.shape if in_dims[3] is None else p.movedim(in_dims[3], 0).shape[1:]
        xs, kept = to_second(xs, in_dims[1], size), to_second(kept, in_dims[2], size)
        w_xs = to_second(w_xs, in_dims[4], size)
        p = into_batch(p, in_dims[3], batch, 1, size, always=True)
        shapes = [_without(c, d).shape for c, d in zip(series[1::2], in_dims[8::2])]
        folded = fold_series(series, in_dims[7:], batch, size, always=True)
        g_t, g_x0, g_p, *g_u = Adjoint.apply(t, xs, kept, p, w_xs, plan, wrt_times, *folded)
        g_u = [g.reshape(*s[:2], size, *s[2:]) for g, s in zip(g_u, shapes)]
        return (g_t, g_x0, g_p.reshape(size, *shape), *g_u), (1, 0, 0, *[2] * len(g_u))


class Tangent(torch.autograd.Function):
    """The tangent of Solve's states; differentiable no further. series: the inputs, then their tangents."""

    @staticmethod
    def forward(
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        d_t: Tensor,
        d_x0: Tensor,
        d_p: Tensor,
        plan: Plan,
        *series: Tensor,
    ) -> Tensor:
        half = len(series) // 2
        tangent = plan.limited(plan.compiled.engine(plan.engine).tangent)
        return tangent(t, x0, p, series[:half], d_t, d_x0, d_p, series[half:], plan.steps)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(ONCE)

    @staticmethod
    def jvp(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(ONCE)

    @staticmethod
    def vmap(
        info: Any,
        in_dims: Any,
        t: Tensor,
        x0: Tensor,
        p: Tensor,
        d_t: Tensor,
        d_x0: Tensor,
        d_p: Tensor,
        plan: Plan,
        *series: Tensor,
    ) -> tuple[Tensor, int]:
        _same_for_all(in_dims[0], "times")
        size, batch = info.batch_size, x0.dim() - 1 - (in_dims[1] is not None)
        x0, d_x0 = to_front(x0, in_dims[1], size), to_front(d_x0, in_dims[4], size)
        p, d_p = (into_batch(v, d, batch, 1, size) for v, d in ((p, in_dims[2]), (d_p, in_dims[5])))
        if in_dims[3] is not None:
            d_t = d_t.movedim(in_dims[3], 1)
            d_t = d_t.reshape(*d_t.shape[:2], *[1] * (batch - d_t.dim() + 2), *d_t.shape[2:])
        dims, half = in_dims[7:], len(series) // 2
        axed = any(dim is not None for dim in dims)  # of tangents and their values: then both take the axis
        folded = (
            *fold_series(series[:half], dims[:half], batch, size, axed),
            *fold_series(series[half:], dims[half:], batch, size, axed),
        )
        return Tangent.apply(t, x0, p, d_t, d_x0, d_p, plan, *folded), 1


def _same_for_all(dim: int | None, what: str) -> None:
    if dim is not None:
        raise ValueError(f"vmap over {what} is not possible: they are the same for a whole call")


def over_batches(function: Callable[..., Any], *values: Any) -> list[Tensor]:
    """The function of what torch.autograd's own vmap maps over: it knows no Function, torch.func's does."""
    level = legacy_level()
    dims = tuple(0 if mapped(value) else None for value in values)
    given = [v if dim is None else unmapped(v, level) for v, dim in zip(values, dims)]
    found = torch.vmap(function, in_dims=dims)(*given)
    if isinstance(found, Tensor):  # a tangent
        found = (found.contiguous(),)
    return [remapped(value, level) for value in found]


def or_zeros(tangent: Tensor | None, value: Tensor) -> Tensor:
    return torch.zeros_like(value) if tangent is None else tangent


def to_front(value: Tensor, dim: int | None, size: int) -> Tensor:
    """A tensor with the mapped axis first, repeated where it had none."""
    return value.expand(size, *value.shape) if dim is None else value.movedim(dim, 0)


def to_second(value: Tensor, dim: int | None, size: int) -> Tensor:
    """A tensor with the mapped axis second, repeated where it had none."""
    return to_front(value, dim, size).movedim(0, 1)


def into_batch(
    value: Tensor, dim: int | None, batch: int, trailing: int, size: int, always: bool = False
) -> Tensor:
    """A tensor (*some batch, *trailing) with the mapped axis before a batch of the given number of axes."""
    if dim is None and not always:
        return value
    value = to_front(value, dim, size)
    missing = batch - (value.dim() - 1 - trailing)
    return value.reshape(size, *[1] * missing, *value.shape[1:])


def fold_series(
    series: Sequence[Tensor], dims: Sequence[int | None], batch: int, size: int, always: bool = False
) -> list[Tensor]:
    """The inputs' knots and coefficients with the mapped axis first in the coefficients' batch."""
    folded = []
    for i, (value, dim) in enumerate(zip(series, dims)):
        if i % 2 == 0:
            _same_for_all(dim, "the inputs' times")
        elif dim is not None or always:
            value = to_front(value, dim, size).movedim(0, 2)
            value = value.reshape(*value.shape[:3], *[1] * (batch - value.dim() + 3), *value.shape[3:])
        folded.append(value)
    return folded


def _without(value: Tensor, dim: int | None) -> Tensor:
    return value if dim is None else value.select(dim, 0)


def _interleaved(gradients: Sequence[Tensor]) -> list[Tensor | None]:
    """None for each input's knots, then the gradient of its coefficients."""
    return [value for gradient in gradients for value in (None, gradient)]


@when_dynamo
def solve_in_graph(
    t: Tensor,
    x0: Tensor,
    p: Tensor,
    model: str,
    engine: str,
    steps: Sequence[float],
    how: Sequence[Any],
    *series: Tensor,
) -> Any:
    """Solve.apply, which torch.compile keeps as one call: its tracer would unroll the loop over steps."""
    plan = Plan(lookup(model), engine, Steps.from_numbers(steps), How(*how), traced=True)
    return Solve.apply(t, x0, p, plan, *series)


def differentiable(*tensors: Tensor) -> bool:
    """Whether autograd, forward mode or torch.func follows what is computed from these tensors."""
    if torch.is_grad_enabled():
        for value in tensors:
            if value.requires_grad:
                return True
    return forward_mode() or transformed()
