"""Sequences through a map: from rows of inputs to the states after each, as torch's recurrent layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .arguments import check_batches, real
from .autograd import Plan
from .compiled import Equations
from .differentiated import differentiated
from .parameters import Parameters
from .series import COEFFICIENTS
from .shaped import columns_of, state_of
from .stopping import look
from .tensors import common_shape, outputs, sum_to
from .torch_private import forward_mode, transformed

State = Tensor | tuple[Tensor, ...]
"""The states of a map: of one state itself (*batch, *shape), of several a tuple in the order of STATES."""


class Recurrence(Parameters):
    """A model's parameters with its first states, and of a map the next ones: x = _next(t, x, p, u)."""

    _initial: ClassVar[Callable[..., Tensor]]
    _next: ClassVar[Callable[..., Tensor]]
    _observables: ClassVar[Callable[..., Tensor]]
    _plan: Plan
    adjoint: str

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "compiled" in cls.__dict__:
            own = cls.compiled.equations
            cls._initial = staticmethod(differentiated(own.initial, own.initial_vjp, own.initial_jvp))
            if cls.compiled.is_map:
                cls._next = staticmethod(differentiated(own.rhs, own.rhs_vjp, own.rhs_jvp))

    def sequence(
        self,
        u: Any,
        state: Any = None,
        *,
        output: str = "states",
        last: bool = False,
        params: Mapping[str, Any] | Tensor | None = None,
        start: float = 0.0,
    ) -> tuple[Tensor, State]:
        """A sequence through a map: what comes out at each row, and the final state.

        u (T, *batch, k): a row of inputs each step, a column for each of INPUTS. state: the present one, by
        default the model's init; a tensor (*batch, *shape), of several states a tuple of such. output:
        "states" (T, *batch, n) after each row, or "observables" (T, *batch, m), of the states after a row and
        that row's inputs. last: of the last row alone, (*batch, …). params: as of a call. start: the time of
        the first row, of maps that read it; the states after it are of start + 1.

        The final state, which goes on with the next sequence, has the form of `state`; of a map with delays
        the earlier values follow behind its states. Raises ValueError for
        what does not fit, TypeError for a model that is no map.
        """
        own = self.compiled
        if not own.is_map:
            raise TypeError(f"{own.name} is an ODE, which runs by net(t); sequences are of maps")
        if output not in ("states", "observables"):
            raise ValueError(f'output is "states" or "observables", not {output!r}')
        p = self._vector(params)
        u, x0 = self._rows(u, state, p, start)
        if last and output == "observables" and not len(u):
            raise ValueError("a sequence of no rows has no last observables")
        xs = self._plan.limited(self._through)(u, x0, p, float(start))
        final = xs[-1] if len(xs) else x0
        if output == "states":
            return (final if last else xs)[..., : len(own.states)], state_of(own.columns, final)
        times = torch.arange(1, len(u) + 1, dtype=x0.dtype, device=x0.device) + start
        when, rows, states = (part[-1:] if last else part for part in (times, u, xs))
        given = (when.reshape(-1, *[1] * (xs.dim() - 2)), states, p, *([rows] if own.inputs else []))
        found = self._observables(*given)
        return (found[0] if last else found), state_of(own.columns, final)

    def layer(self, *, output: str = "states", last: bool = False) -> Layer:
        """A sequence as a module of its own, for torch.nn.Sequential: output = layer(u). Of maps."""
        return Layer(self, output, last)

    def _rows(self, u: Any, state: Any, p: Tensor, start: float) -> tuple[Tensor, Tensor]:
        """The rows and the first states over one batch. Raises ValueError."""
        own, u = self.compiled, real(u, p, "u")
        width = len(own.inputs)
        if u.dim() < 2 or u.shape[-1] != width:
            wanted = f"(T, *batch, {width}), a column for each of INPUTS"
            raise ValueError(f"u must be {wanted}, not of shape {tuple(u.shape)}")
        x0 = self._initial(p.new_tensor(start), p) if state is None else columns_of(own.columns, state, p)
        shapes = {"u": u.shape[1:-1], "the state": x0.shape[:-1], "params": p.shape[:-1]}
        check_batches(shapes)
        whole = common_shape(*shapes.values())
        u = u.reshape(len(u), *[1] * (len(whole) + 2 - u.dim()), *u.shape[1:])
        return u.expand(len(u), *whole, width), x0.expand(*whole, x0.shape[-1])

    def _through(self, u: Tensor, x0: Tensor, p: Tensor, start: float) -> Tensor:
        """The states (T, *batch, n) after each row."""
        if torch.compiler.is_compiling() or transformed() or forward_mode() or self.adjoint == "autograd":
            return _by_steps(self._next, u, x0, p, start)
        if self._plan.engine == "native" and len(u):
            return self._by_engine(u, x0, p, start)
        if self.adjoint == "none":
            u, x0, p = u.detach(), x0.detach(), p.detach()
        found: Tensor = Rows.apply(u, x0, p, self.compiled.equations, self._next, start)
        return found

    def _by_engine(self, u: Tensor, x0: Tensor, p: Tensor, start: float) -> Tensor:
        """The same by the Model's engine: the rows are held inputs at the times of a run."""
        t = torch.arange(len(u) + 1, dtype=x0.dtype, device=x0.device) + start
        series: list[Tensor] = []
        for entry, column in zip(self.compiled.inputs, u.unbind(-1)):
            series += [t[:-1], COEFFICIENTS[entry.kind](t[:-1], column)]
        return self._solve(t, x0, p, series)[0][1:]

    def _solve(self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The states at times, and the report, of a Model."""
        raise NotImplementedError


def _by_steps(following: Callable[..., Tensor], u: Tensor, x0: Tensor, p: Tensor, start: float) -> Tensor:
    """The states after each row by plain steps, which torch differentiates in its own ways."""
    x, found = x0, []
    for k, row in enumerate(u.unbind(0)):
        x = following(x0.new_tensor(start + k), x, p, *([row] if row.shape[-1] else []))
        found.append(x)
    return torch.stack(found) if found else x0.new_zeros((0, *x0.shape))


class Rows(torch.autograd.Function):
    """The states (T, *batch, n) after each row of u (T, *batch, k), and their printed derivatives."""

    @staticmethod
    def forward(  # type: ignore[override,unused-ignore]
        ctx: Any,
        u: Tensor,
        x0: Tensor,
        p: Tensor,
        equations: Equations,
        following: Callable[..., Tensor],
        start: float,
    ) -> Tensor:
        x, shared, xs = x0, p.detach(), outputs(len(u), x0)
        for k, given in enumerate(_arguments(u)):
            look()
            x = xs[k] = equations.rhs(start + k, x, shared, *given)
        ctx.equations, ctx.following, ctx.start = equations, following, start
        ctx.save_for_backward(u, x0, p, xs)
        return xs

    @staticmethod
    def backward(ctx: Any, w: Tensor) -> tuple[Any, ...]:
        *given, xs = ctx.saved_tensors
        if torch.is_grad_enabled():  # of gradients that are differentiated again
            wanted = [one for one, needed in zip(given, ctx.needs_input_grad) if needed]
            xs = _by_steps(ctx.following, given[0], given[1], given[2], ctx.start)
            found = iter(torch.autograd.grad(xs, wanted, w, create_graph=True, allow_unused=True))
            return *(next(found) if needed else None for needed in ctx.needs_input_grad[:3]), None, None, None
        u, x0, p = (one.detach() for one in given)
        before, rows, vjp = (x0, *xs.detach().unbind(0)), _arguments(u), ctx.equations.rhs_vjp
        g_u, g_p, g = torch.zeros_like(u), torch.zeros_like(p), torch.zeros_like(x0)
        for k, cotangent in reversed([*enumerate(w.unbind(0))]):
            look()
            _, g, own, *by_row = vjp(ctx.start + k, before[k], p, *rows[k], g + cotangent)
            g_p.add_(sum_to(own, p.shape))
            if by_row:
                g_u[k] = by_row[0]
        return g_u, g.expand_as(x0), g_p, None, None, None


def _arguments(u: Tensor) -> list[tuple[Tensor, ...]]:
    """What each row adds to the arguments of equations: itself, or nothing without inputs."""
    return [(row,) if row.shape[-1] else () for row in u.unbind(0)]


class Layer(nn.Module):
    """A map as a recurrent layer: from u (T, *batch, k) to what a Model's `sequence` gives of it."""

    def __init__(self, net: Any, output: str = "states", last: bool = False):
        super().__init__()
        self.net, self.output, self.last = net, output, last

    def forward(self, u: Tensor) -> Tensor:
        """The states, or the observables, (T, *batch, …), or those of the last row."""
        found: Tensor = self.net.sequence(u, output=self.output, last=self.last)[0]
        return found
