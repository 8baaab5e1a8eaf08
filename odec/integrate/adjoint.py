"""odeint_adjoint: odeint with gradients by the adjoint equation, solved backwards."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from odec.errors import ArgumentError
from odec.integrate import fixed, tables
from odec.integrate.adaptive import Run
from odec.integrate.odeint import (
    NO_EVENTS,
    check_positive,
    method_of,
    options_of,
    problem_of,
    solve,
    state_norm,
)
from odec.integrate.options import Adaptive, Grid, read
from odec.integrate.problem import Layout, Norm, Problem, Slope, Tolerances, callbacks_of, largest, rms
from odec.keywords import OF_ODEINT, known_keywords
from odec.runtime.external import leaf_of, pulled


@known_keywords(OF_ODEINT)
def odeint_adjoint(
    func: Callable[..., Any],
    y0: Any,
    t: Tensor,
    *,
    rtol: Any = 1e-7,
    atol: Any = 1e-9,
    method: str | None = None,
    options: Mapping[str, Any] | None = None,
    event_fn: Any = None,
    adjoint_rtol: Any = None,
    adjoint_atol: Any = None,
    adjoint_method: str | None = None,
    adjoint_options: Mapping[str, Any] | None = None,
    adjoint_params: Iterable[Tensor] | None = None,
) -> Any:
    """odeint, with gradients by y0, t and adjoint_params that are solved for backwards: the memory is that of

    the outputs, however many steps there are. They are those of the solution, not of the numbers computed:
    within the adjoint's tolerances. Differentiable once.

    adjoint_…: what holds for the way back, by default as forwards. adjoint_params: tensors that func uses, by
    default the parameters of func, an nn.Module. The norm of adjoint_options takes (t, y, adjoint of y,
    *gradients by adjoint_params); "seminorm" leaves the last ones out (Kidger, Chen & Lyons, ICML 2021). The
    rest, and the errors, as of odeint. Chen et al., NeurIPS 2018.
    """
    if event_fn is not None:
        raise ArgumentError(NO_EVENTS)
    if adjoint_params is None and not isinstance(func, nn.Module):
        raise ArgumentError(
            "func is no nn.Module: say by adjoint_params=(…) of which tensors that it uses gradients are "
            "wanted; () for none"
        )
    if adjoint_method not in (None, method) and options is not None and adjoint_options is None:
        raise ArgumentError("options are of method: give those of adjoint_method as adjoint_options")
    layout, own = Layout(y0), options_of(options)
    norm = own.pop("norm", None)
    problem = problem_of(func, layout, t, rtol, atol, norm)
    back = dict(own) if adjoint_options is None else options_of(adjoint_options)
    params = _params(func, adjoint_params, back.get("norm"))
    name, later = tables.check(method), tables.check(adjoint_method or method)
    own_norm = back.pop("norm", None)
    call = _Call(
        func,
        layout,
        _Way(name, read(name, own), problem.tolerances, problem.tolerances),
        _Way(
            later,
            read(later, back),
            *_tolerances(layout, (adjoint_rtol, rtol), (adjoint_atol, atol), params, t.requires_grad),
        ),
        {**back, "norm": _adjoint_norm(own_norm, layout, state_norm(layout, norm))},
    )
    check_positive(*call.back.tolerances)
    t = t.to(layout.y0.device)
    return layout.solution(AdjointSolve.apply(call, problem, layout.y0, t, *params))


@dataclass(frozen=True)
class _Way:
    """How to solve in one direction: a method, its options, its tolerances, those of the integral."""

    name: str
    control: Adaptive | Grid
    tolerances: Tolerances
    along: Tolerances

    @property
    def adaptive(self) -> bool:
        return isinstance(self.control, Adaptive)


@dataclass(frozen=True)
class _Call:
    """A call: func, how y is told from one tensor, both ways, the options of the way back with its norm."""

    func: Any
    layout: Layout
    forth: _Way
    back: _Way
    options: dict[str, Any]


class AdjointSolve(torch.autograd.Function):
    """The states (T, ...), and their gradient by the adjoint equation da/dt = -f_yᵀ a."""

    @staticmethod
    def forward(  # type: ignore[override,unused-ignore]
        ctx: Any, call: _Call, problem: Problem, y0: Tensor, t: Tensor, *params: Tensor
    ) -> Tensor:
        way, func = call.forth, call.func
        callbacks = callbacks_of(func, call.layout.parts, way.name, way.adaptive)
        forwards = replace(problem, y0=y0, t=None, callbacks=callbacks)
        ys = solve(forwards, way.name, way.control, lambda make: make(func, call.layout.parts(y0), t))
        ctx.call, ctx.problem, ctx.adjoint_options = call, forwards, call.options
        ctx.save_for_backward(t, ys, *params)
        return ys

    @staticmethod
    def backward(ctx: Any, w: Tensor) -> tuple[Any, ...]:  # type: ignore[override,unused-ignore]
        t, ys, *params = ctx.saved_tensors
        with torch.no_grad():
            a, g_t, rest = _gradients(ctx, w, t, ys, params)
        found = [a, *([] if g_t is None else [g_t]), *rest]
        if torch.is_grad_enabled():
            found = list(_Once.apply(ys, *found))
        a, *rest = found
        g_t = rest.pop(0) if g_t is not None else None
        return None, None, a, g_t, *rest


def _gradients(
    ctx: Any, w: Tensor, t: Tensor, ys: Tensor, params: Sequence[Tensor]
) -> tuple[Tensor, Tensor | None, list[Tensor]]:
    """The gradients by y0, by the times where they are wanted, by the parameters."""
    wrt_t = ctx.needs_input_grad[3]
    back = _Back(ctx.call, ctx.problem, params, wrt_t, ctx.adjoint_options["norm"])
    a, g_t = w[-1], torch.zeros_like(t) if wrt_t else None
    for i in range(len(ys) - 1, 0, -1):
        if g_t is not None:
            g_t[i] = back.moved(i, ys[i], w[i])
        a = back.interval(i, t, ys[i], a) + w[i - 1]
    if g_t is not None and back.total is not None:
        g_t[0] = back.total[0]
    return a, g_t, back.gradients()


class _Once(torch.autograd.Function):
    """Gradients as they are, which can be differentiated no further."""

    @staticmethod
    def forward(  # type: ignore[override,unused-ignore]
        ctx: Any, ys: Tensor, *found: Tensor
    ) -> tuple[Tensor, ...]:
        return tuple(value.clone() for value in found)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError(
            "gradients by odeint_adjoint are differentiable no further: odeint's are, any number of times"
        )


class _Back:
    """The way back from one output to the one before: the adjoint, and the gradients so far."""

    def __init__(self, call: _Call, problem: Problem, params: Sequence[Tensor], wrt_t: bool, norm: Norm):
        self.call, self.problem, self.params, self.wrt_t = call, problem, params, wrt_t
        self.slope, self.norm, way = call.layout.rate(call.func), norm, call.back
        y0 = problem.y0
        size = wrt_t + sum(value.numel() for value in params)
        self.total = y0.new_zeros(size) if size else None
        self.control, self.sizes = way.control, [value.numel() for value in params]
        parts = call.layout.parts
        self.callbacks = callbacks_of(
            call.func, lambda z: (parts(z[0]), parts(z[1])), way.name, way.adaptive, "_adjoint"
        )

    def rate(self, t: Tensor, z: Tensor) -> Slope:
        """The slopes of (y, a), and those of the gradients: -a·∂f/∂t where it is wanted, -a·∂f/∂p."""
        further = torch.is_grad_enabled()
        with torch.enable_grad():
            y, a = z.unbind()
            leaf, time = leaf_of(y, further), leaf_of(t, False) if self.wrt_t else t
            slope = self.slope(time, leaf)
            wanted = [leaf, *([time] if self.wrt_t else []), *self.params]
            back, *rest = pulled(slope, wanted, -a, further)
        along = torch.cat([part.reshape(-1).to(y.dtype) for part in rest]) if rest else None
        return torch.stack((slope, back)), along

    def interval(self, i: int, t: Tensor, y: Tensor, a: Tensor) -> Tensor:
        """The adjoint at the time of number i - 1, from the states y and the adjoint a at that of i."""
        way, times = self.call.back, (self.problem.times[i], self.problem.times[i - 1])
        z = torch.stack((y, a))
        problem = Problem(
            self.rate, z, times, None, self.measure, way.tolerances, self.total, way.along, self.callbacks
        )
        if isinstance(self.control, Adaptive):
            run = Run(problem, tables.explicit(way.name), self.control)
            found, self.total = run.states()[-1], run.total
            if self.control.first is None:
                self.control = replace(self.control, first=run.h)
            return found[1]
        pair, parts = t[i - 1 : i + 1].flip(0), self.call.layout.parts
        method = method_of(problem, way.name, self.control)
        states, self.total = fixed.run(
            problem, self.control, method, lambda make: make(self.call.func, parts(y), pair)
        )
        return states[-1][1]

    def moved(self, i: int, y: Tensor, w: Tensor) -> Tensor:
        """The gradient by the time of number i; the start's own is the integral's first entry."""
        slope = self.slope(self.problem.clock([self.problem.times[i]])[0], y)
        found = (slope * w).sum()
        assert self.total is not None
        self.total = torch.cat((self.total[:1] - found, self.total[1:]))
        return found

    def measure(self, error: Tensor, along: Tensor | None) -> Any:
        """The norm of an error over what is allowed."""
        y, a = error.unbind()
        parts = [] if along is None else list(self.split(along))
        time = parts.pop(0) if self.wrt_t else y.new_zeros(())
        return self.norm((time, y, a, *parts))

    def split(self, along: Tensor) -> list[Tensor]:
        """What is of t, where its gradient is wanted, and of each parameter."""
        sizes = [1, *self.sizes] if self.wrt_t else self.sizes
        shapes = [torch.Size(()), *(value.shape for value in self.params)][not self.wrt_t :]
        return [part.view(shape) for part, shape in zip(along.split(sizes), shapes)]

    def gradients(self) -> list[Tensor]:
        """The gradients by the parameters."""
        parts = [] if self.total is None else self.split(self.total)[self.wrt_t :]
        return [part.to(value.dtype) for part, value in zip(parts, self.params)]


def _params(func: Any, given: Iterable[Tensor] | None, norm: Any) -> list[Tensor]:
    """The tensors that gradients are wanted of. Raises ArgumentError where one is no tensor."""
    found = list(_parameters(func) if given is None else given)
    for value in found:
        if not isinstance(value, Tensor):
            raise ArgumentError(f"adjoint_params must be tensors, not a {type(value).__name__}")
    wanted = [value for value in found if value.requires_grad]
    if len(wanted) < len(found) and callable(norm):
        warnings.warn("adjoint_params that need no gradient are not given to norm", stacklevel=3)
    return wanted


def _parameters(func: nn.Module) -> list[Tensor]:
    """A module's parameters; of a copy that DataParallel made, the tensors in their place."""
    copied = [vars(module).get("_former_parameters", {}) for module in func.modules()]
    return [*func.parameters(), *(value for one in copied for value in one.values())]


def _adjoint_norm(norm: Any, layout: Layout, of_state: Norm) -> Norm:
    """The norm of (t, y, adjoint of y, *gradients), y and its adjoint as one tensor each."""
    if norm is None or norm == "seminorm":
        semi = norm is not None

        def own(parts: tuple[Tensor, ...]) -> Tensor:
            time, y, a, *rest = parts
            return largest([time.abs(), of_state(y), of_state(a), *([] if semi else map(rms, rest))])

        return own
    if not callable(norm):
        raise ArgumentError(f"norm of adjoint_options must be a function or 'seminorm', not {norm!r}")
    if layout.shapes is None:
        return norm
    return lambda parts: norm((parts[0], *layout.parts(parts[1]), *layout.parts(parts[2]), *parts[3:]))


def _tolerances(
    layout: Layout,
    rtol: tuple[Any, Any],
    atol: tuple[Any, Any],
    params: Sequence[Tensor],
    wrt_t: bool,
) -> tuple[Tolerances, Tolerances]:
    """Those of (y, a), and of the gradients, from the adjoint's own or those of the run."""
    (r, r_along), (a, a_along) = (
        _tolerance(layout, own, default, name, params, wrt_t)
        for (own, default), name in ((rtol, "rtol"), (atol, "atol"))
    )
    return (r, a), (r_along, a_along)


def _tolerance(
    layout: Layout, own: Any, default: Any, name: str, params: Sequence[Tensor], wrt_t: bool
) -> tuple[float | Tensor, float | Tensor]:
    """One tolerance of (y, a), and that of the gradients: the least of it, unless each is given."""
    if isinstance(own, tuple | list) and len(own) == 3 + len(params):
        time, *both = own[:3]
        y, a = (layout.tolerance(value, name) for value in both)
        like = layout.y0
        pair = torch.stack([torch.as_tensor(value).to(like).expand_as(like) for value in (y, a)])
        each = [torch.as_tensor(value).to(like).expand(p.numel()) for value, p in zip(own[3:], params)]
        return pair, torch.cat([like.new_full((1,), float(time))] * wrt_t + each)
    value = layout.tolerance(default if own is None else own, name if own is None else f"adjoint_{name}")
    return value, float(value.min()) if isinstance(value, Tensor) else value
