"""A solve as operators of torch.library, for torch.compile: one each in a process, a model named by its key.

Graphs hold them: one that was exported runs wherever the model's module is imported.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .compiled import REGISTRY, Compiled
from .engines import ALL, NO_REPORT, How, Run
from .series import Series
from .shares import joined, shares_of
from .steps import Steps
from .tensors import empty, outputs
from .torch_private import exporting

NAMESPACE = f"odec_{(__package__ or 'runtime').replace('.', '_')}_1"
"""A folder that stands alone has its own. The number changes with the operators' arguments and layouts, so
that no graph that torch.compile keeps on disk meets other operators."""

_GIVEN = "Tensor p, Tensor[] series"
_WHOSE = "str model, str engine, float[] steps"
SCHEMAS = {
    "solve": f"(Tensor t, Tensor x0, {_GIVEN}, {_WHOSE}, SymInt keep) -> (Tensor, Tensor, Tensor)",
    "adjoint": f"(Tensor t, Tensor xs, Tensor kept, {_GIVEN}, Tensor w_xs, {_WHOSE}, str adjoint, "
    "SymInt keep, SymInt chunk, bool wrt_times) -> Tensor[]",
    "slopes": f"(Tensor t, Tensor x, {_GIVEN}, str model, float? clip) -> Tensor",
    "refuse": "(Tensor value, Tensor[] cotangents) -> Tensor",
}
"""The operators' arguments in torch's words: torch 2.6 does not read them off list[Tensor]."""

ONCE = 'this derivative cannot be differentiated again; use Model(adjoint="autograd")'
NO_EXPORT = (
    'torch.export cannot follow adjoint="autograd", whose steps depend on the numbers: make the Model with'
    ' adjoint="discrete" (the default), "continuous" or "none", with fixed steps or by tolerance'
)

NO_EXPORT_OF_INPUTS = (
    "torch.export cannot follow observe() of a model with inputs, whose values between samples depend on the"
    " times' numbers: export the states, and observe them outside the graph"
)


def refuse_export(words: str) -> None:
    """Raises RuntimeError in these words while torch.export follows the call."""
    if exporting():
        raise RuntimeError(words)


def lookup(key: str) -> Compiled:
    """The model of a graph. Raises RuntimeError where its module is not imported."""
    try:
        return REGISTRY[key]
    except KeyError:
        advice = "import its module first"
        raise RuntimeError(f"the model {key} is not loaded in this process: {advice}") from None


@torch.library.custom_op(f"{NAMESPACE}::solve", mutates_args=(), schema=SCHEMAS["solve"])
def solve(
    t: Tensor,
    x0: Tensor,
    p: Tensor,
    series: list[Tensor],
    model: str,
    engine: str,
    steps: list[float],
    keep: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """A Run as one opaque operator; the mesh of adaptive steps, of unforeseen length, is not kept."""
    found = Steps.from_numbers(steps)
    run = lookup(model).engine(engine).states(t, x0, p, series, found, keep)
    # what graphs get is theirs: an engine may keep a single state, which says nothing, for all runs
    kept = run.kept if len(run.kept) > 1 else run.kept.clone()
    return run.xs, empty(1, x0) if found.tolerance else kept, run.report


@solve.register_fake
def _(
    t: Tensor,
    x0: Tensor,
    p: Tensor,
    series: list[Tensor],
    model: str,
    engine: str,
    steps: list[float],
    keep: int,
) -> tuple[Tensor, Tensor, Tensor]:
    told = 5 if Steps.from_numbers(steps).tolerance else 0
    return outputs(len(t), x0), empty(1, x0), x0.new_empty((*x0.shape[:-1], told))


@torch.library.custom_op(f"{NAMESPACE}::adjoint", mutates_args=(), schema=SCHEMAS["adjoint"])
def adjoint(
    t: Tensor,
    xs: Tensor,
    kept: Tensor,
    p: Tensor,
    series: list[Tensor],
    w_xs: Tensor,
    model: str,
    engine: str,
    steps: list[float],
    adjoint: str,
    keep: int,
    chunk: int,
    wrt_times: bool,
) -> list[Tensor]:
    """An engine's adjoint as one opaque operator; adaptive steps are found anew."""
    found, how = Steps.from_numbers(steps), How(adjoint, keep, chunk)
    own = lookup(model)
    runs = own.engine(engine)
    keeps = engine != "native" and own.turns is None  # others take their steps again by themselves
    if found.tolerance and how.adjoint == "discrete" and keeps:
        kept = runs.states(t, xs[0], p, series, found, ALL).kept
    gradients = runs.adjoint(t, Run(xs, kept, NO_REPORT), p, series, w_xs, found, how, wrt_times)
    several = gradients.t, gradients.x0, gradients.p, *gradients.u
    return [gradient.clone(memory_format=torch.contiguous_format) for gradient in several]


@adjoint.register_fake
def _(
    t: Tensor,
    xs: Tensor,
    kept: Tensor,
    p: Tensor,
    series: list[Tensor],
    w_xs: Tensor,
    model: str,
    engine: str,
    steps: list[float],
    adjoint: str,
    keep: int,
    chunk: int,
    wrt_times: bool,
) -> list[Tensor]:
    like = [xs[..., 0], xs[0], p, *series[1::2]]
    return [torch.empty_like(value, memory_format=torch.contiguous_format) for value in like]


@torch.library.custom_op(f"{NAMESPACE}::slopes", mutates_args=(), schema=SCHEMAS["slopes"])
def slopes(t: Tensor, x: Tensor, p: Tensor, series: list[Tensor], model: str, clip: float | None) -> Tensor:
    """slopes_at as one opaque operator, for torch.compile, whose tracer cannot read the inputs' times."""
    return slopes_at(lookup(model), t, x, p, series, clip).clone(memory_format=torch.contiguous_format)


@slopes.register_fake
def _(t: Tensor, x: Tensor, p: Tensor, series: list[Tensor], model: str, clip: float | None) -> Tensor:
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def slopes_at(
    compiled: Compiled, t: Tensor, x: Tensor, p: Tensor, series: list[Tensor], clip: float | None
) -> Tensor:
    """dx/dt at each of the times t (T,) with the states x (T, *batch, n) there."""
    own, slope, found = compiled.held, compiled.slope, []
    if compiled.turns is None:
        u = Series(series, own.input_names) if series else None
        return torch.stack([slope(time, state, p, u, clip) for time, state in zip(t, x)])
    shares = shares_of(compiled.turns, t, p, series, x.shape[1:-1])
    for share in shares:
        u = Series([*share.series(series), *share.asked], own.input_names)
        given = share.parameters(p), u, clip
        states = share.of(x, 1)
        found.append(torch.stack([slope(time, state, *given) for time, state in zip(t, states)]))
    return joined(shares, found, 1)


@torch.library.custom_op(f"{NAMESPACE}::refuse", mutates_args=(), schema=SCHEMAS["refuse"])
def refuse(value: Tensor, cotangents: list[Tensor]) -> Tensor:
    """Stands for a second derivative, which torch.compile traces even where none is asked for."""
    raise RuntimeError(ONCE)


@refuse.register_fake
def _(value: Tensor, cotangents: list[Tensor]) -> Tensor:
    return torch.empty_like(value)
