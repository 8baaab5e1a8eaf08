"""What an engine does, whichever it is: states, their adjoint, their tangent."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .compiled import Compiled
from .errors import CompilerTimeout, EngineError
from .methods import Adams
from .steps import Steps

ALL, SQRT = 0, -1
"""How many states an adjoint keeps, where that is no number of them: every one, √steps."""

NOT_FINITE, UNDERFLOW, MAX_STEPS, UNSOLVED, OFTEN_UNSOLVED = 1, 2, 3, 4, 5
"""What ended a trajectory: f not finite at the start, a step below the least, max_steps, no finite step;

max_steps, shortened by steps that led to no finite numbers. A report's first number; 0 where none did.
"""


class Run(NamedTuple):
    """The states xs (T, *batch, n), what the adjoint needs besides, and a report.

    report (*batch, 5): code, time and state of a failure, steps accepted and rejected; (*batch, 0) of fixed
    steps.
    """

    xs: Tensor
    kept: Tensor
    report: Tensor


NO_REPORT = torch.empty(0)
"""Of a run whose states go into an adjoint, which does not ask for it."""


class Gradients(NamedTuple):
    """The cotangents of the times (T, *batch), the first states, the parameters, inputs' coefficients."""

    t: Tensor
    x0: Tensor
    p: Tensor
    u: list[Tensor]


class How(NamedTuple):
    """How gradients are found.

    adjoint: "discrete" or "continuous"; keep: states kept; chunk: trajectories at a time (0: all); inputs:
    whether those of the inputs' coefficients are asked for, which may be 0 where they are not.
    """

    adjoint: str = "discrete"
    keep: int = ALL
    chunk: int = 0
    inputs: bool = True


class Engine(Protocol):
    """A way to run a model.

    t (T,); x0 (*batch, n); p (..., m) that broadcasts with it; series: for each input its knots (K,) and
    coefficients (see Series), an empty list for a model without inputs.
    """

    def states(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps, keep: int
    ) -> Run:
        """The states at the times, without a graph. keep: how many the adjoint wants, 1 for none."""
        ...

    def prepared(
        self, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """The states as a function of other x0 and p of the same shapes; see Model.prepared."""
        ...

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
        """The gradient of Σ w_xs·xs; w_xs (T, *batch, n)."""
        ...

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
        """The tangent (T, *batch, n) of the states; d_t (T,) or (T, *batch)."""
        ...


def states_alone(
    engine: Engine, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
) -> Callable[[Tensor, Tensor], Tensor]:
    """An engine's states as a function of x0 and p of the shapes of these."""
    wanted = x0.shape, p.shape, x0.dtype

    def run(x0: Tensor, p: Tensor) -> Tensor:
        if (x0.shape, p.shape, x0.dtype) != wanted:
            given = (tuple(x0.shape), tuple(p.shape), x0.dtype)
            raise ValueError(
                f"this run was made for x0 {tuple(wanted[0])}, p {tuple(wanted[1])}, not {given}"
            )
        with torch.no_grad():
            return engine.states(t, x0.detach(), p.detach(), series, steps, 1).xs

    return run


def _reference(compiled: Compiled) -> Engine:
    from .reference.engine import Reference  # type: ignore[import,unused-ignore]

    return Reference(compiled)


def _native(compiled: Compiled) -> Engine:
    # ctypes and subprocess, which torch's engine does without
    from .native.engine import Native  # type: ignore[import-untyped, unused-ignore]

    return Native(compiled)


ENGINES: dict[str, Callable[[Compiled], Engine]] = {"torch": _reference, "native": _native}
"""Every engine by name."""


def engine_of(compiled: Compiled, name: str) -> Engine:
    """A model's engine by name. Raises KeyError for an unknown one."""
    if compiled.turns is None:
        return ENGINES[name](compiled)
    if name == "native":
        from .native.switching import NativeSwitching  # type: ignore[import,unused-ignore]

        return NativeSwitching(compiled)
    from .switching import Switching  # type: ignore[import,unused-ignore]

    return Switching(compiled, name)


def sensitivities_of(
    engine: Engine, t: Tensor, x0: Tensor, p: Tensor, series: Sequence[Tensor], steps: Steps
) -> tuple[Tensor, Tensor]:
    """Forward sensitivities: ∂x/∂x0 (T, *batch, n, n) and ∂x/∂p (T, *batch, n, m).

    The last axis is for what varies. Every direction is a trajectory of its own beside the others, so that
    they share the vector units.
    """
    n, m = x0.shape[-1], p.shape[-1]
    seeds = torch.eye(n + m, dtype=x0.dtype, device=x0.device)
    x0 = x0.unsqueeze(-2).expand(*x0.shape[:-1], n + m, -1)
    series = [s if i % 2 == 0 else s.unsqueeze(-1) for i, s in enumerate(series)]
    still = [torch.zeros_like(s) for s in series]
    given = (torch.zeros_like(t), seeds[:, :n], seeds[:, n:], still, steps)
    dx = engine.tangent(t, x0, p.unsqueeze(-2), series, *given).movedim(-1, -2)
    return dx[..., :n], dx[..., n:]


def choose(compiled: Compiled, engine: str, adjoint: str, steps: Steps) -> str:
    """The engine that a Model uses: "torch" or "native".

    Raises ValueError for an unknown one, EngineError where it cannot run.
    """
    if compiled.kernel is None:
        if engine not in ("auto", "torch"):
            raise ValueError(f"this module holds the torch engine; {engine!r} is not in it")
        return "torch"
    if steps.tolerance is not None and isinstance(compiled.method, Adams):
        if engine == "native":
            raise EngineError("the native engine takes fixed steps here: give dt, or engine='torch'")
        return "torch"
    if engine not in ("auto", "native", "torch"):
        raise ValueError(f"the engine is auto, native or torch, not {engine!r}")
    if adjoint not in ("discrete", "none"):
        if engine == "native":
            reason = f"adjoint={adjoint!r} runs on engine='torch'"
            raise ValueError(f"{reason}; the native engine knows discrete and none")
        return "torch"
    return engine if engine == "torch" else _native_where_it_runs(engine)


def _native_where_it_runs(engine: str) -> str:
    from .native.toolchain import compiler  # type: ignore[import,unused-ignore]

    try:
        compiler()
    except EngineError as error:
        if torch.cuda.is_available():
            return "native"
        if engine == "native":
            raise
        if isinstance(error, CompilerTimeout):
            warnings.warn(f"the torch engine is used instead of the native one: {error}", stacklevel=5)
        return "torch"
    return "native"
