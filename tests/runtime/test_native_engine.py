"""The native engine of the run-time against that of whole modules: the same bits."""

import dataclasses
import math

import pytest
import torch
from thin_modules import compiled_of, module_of
from tiers import each_once

import odec
from odec import methods
from odec.backends.native.kernel import kernel_job
from odec.passes import derive
from odec.render import render
from odec.runtime.compiled import Compiled, Kernel
from odec.runtime.engines import How, Run
from odec.runtime.native.fused import FusedFit
from odec.runtime.steps import Steps, Tolerance

FORCED = """
param k = 0.7 in (0, inf)
param a = 1.3
input u linear
input v hold
init x = a
init y = 0.2
dx/dt = -k*x + u*y + 0.1*sin(t)
dy/dt = x*v - a*y
obs s = x + y*u
run t = 0 .. 3 dt 0.1
"""
PLAIN = """
param a = 2
param b = 0.5 in (0, 3)
init x = 1
init y = 0.5
dx/dt = a*x - x*y
dy/dt = b*x*y - y
obs s = x*y
run t = 0 .. 3 dt 0.1
"""
LOGISTIC = "param r = 2.7\ninit x = 0.3\nx[t+1] = r*x*(1 - x)\nrun t = 0 .. 20\n"


def both(text: str, method: str | None) -> tuple[Compiled, object]:
    """The model on the run-time, with the kernel of the whole module, and that module.

    With inputs and fixed steps the kernel is today's: the whole module's does not land on knots.
    """
    module = module_of(text, method, "native")
    found = compiled_of(text, method)
    job = kernel_job(derive(odec.parse(text)), methods.get(method) if method else None, version="0")
    parts, own = job.context, found.inputs and not found.adaptive
    kernel = Kernel(
        render(job) if own else module.KERNEL_SOURCE, parts["lanes"], parts["inner_lanes"], parts["shortest"]
    )
    return dataclasses.replace(found, kernel=kernel), module


def batch_of(compiled: Compiled, shape: tuple[int, ...], dtype=torch.float64):
    generator = torch.Generator().manual_seed(5)
    p = torch.tensor([param.value for param in compiled.params], dtype=dtype)
    p = p * (1 + 0.1 * torch.rand((*shape, len(p)), generator=generator, dtype=dtype))
    x0 = 0.2 + torch.rand((*shape, len(compiled.states)), generator=generator, dtype=dtype)
    return x0, p


def series_of(compiled: Compiled, module, p) -> list[torch.Tensor]:
    if not compiled.inputs:
        return []
    times = torch.linspace(0, 3, 7, dtype=p.dtype)
    return module.Model(dt=0.1)._series({"u": (times, times.cos()), "v": (times, times.sin() + 2)}, p)


def rounded(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether numbers are the same up to rounding."""
    return torch.allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("method", "text"), each_once(["rk4", "rodas5p"], [FORCED, PLAIN]))
def test_fixed_steps_have_the_same_bits(text, method):
    compiled, module = both(text, method)
    engine, steps = compiled.engine("native"), Steps(dt=0.1)
    x0, p = batch_of(compiled, (3, 2))
    series = series_of(compiled, module, p)
    given, same = (series,) if series else (), rounded if series else torch.equal
    t = torch.tensor([0.51, 0.7, 0.7, 0.98], dtype=torch.float64)  # between two knots
    run = engine.states(t, x0, p, series, steps)
    assert same(run.xs, module.native_solve(t, x0, p, *given, 0.1, None)[0])
    w = torch.cos(torch.arange(run.xs.numel(), dtype=torch.float64)).reshape(run.xs.shape)
    mine = engine.adjoint(t, run, p, series, w, steps, How(), True)
    theirs = module.native_adjoint(t, x0, p, *given, w, 0.1, None, True)
    for a, b in zip((*mine[:3], *mine.u), theirs, strict=True):
        assert same(a, b)
    tangents = (torch.ones_like(t), torch.ones_like(x0), torch.ones_like(p))
    still = [torch.ones_like(s) for s in series]
    mine = engine.tangent(t, x0, p, series, *tangents, still, steps)
    extra = (still,) if series else ()
    assert same(mine, module.native_tangent(t, x0, p, *given, *tangents, *extra, 0.1, None))


@pytest.mark.parametrize(
    ("method", "text", "dense"),
    each_once(
        ["tsit5", "auto"],
        [FORCED, PLAIN],
        [False, True],
        besides=lambda *case: case == ("tsit5", FORCED, True),
    ),
)
def test_steps_by_tolerance_have_the_same_bits(text, method, dense):
    compiled, module = both(text, method)
    pace = Tolerance(1e-7, (1e-9, 1e-9), dense=dense)
    engine, steps = compiled.engine("native"), Steps(tolerance=pace)
    control = (0.0, 0.0, math.inf, 100_000.0, float(dense), 1e-7, 1e-9, 1e-9)
    x0, p = batch_of(compiled, (5,))
    series = series_of(compiled, module, p)
    given = (series,) if series else ()
    t = torch.tensor([0.0, 0.3, 1.1, 2.5], dtype=torch.float64)
    run = engine.states(t, x0, p, series, steps)
    xs, report = module.native_solve_adaptive(t, x0, p, *given, control, None)
    assert torch.equal(run.xs, xs)
    assert torch.equal(run.report.nan_to_num(), report.nan_to_num())
    w = torch.cos(torch.arange(xs.numel(), dtype=torch.float64)).reshape(xs.shape)
    mine = engine.adjoint(t, run, p, series, w, steps, How(), True)
    theirs = module.native_adjoint_adaptive(t, x0, p, *given, w, control, None, True)
    for a, b in zip((*mine[:3], *mine.u), theirs, strict=True):
        assert torch.equal(a, b)


def test_a_map():
    compiled, module = both(LOGISTIC, None)
    t = torch.arange(8, dtype=torch.float64)
    x0, p = batch_of(compiled, (4,))
    run = compiled.engine("native").states(t, x0, p, [], Steps(dt=1.0))
    assert torch.equal(run.xs, module.native_solve(t, x0, p, 1.0, None)[0])


@pytest.mark.parametrize("tolerance", [False, True])
def test_a_fused_fit(tolerance):
    compiled, module = both(PLAIN, "tsit5")
    t = torch.linspace(0, 3, 7, dtype=torch.float64)
    p = torch.tensor([2.0, 0.5], dtype=torch.float64)
    rows = [("a", "none", 0.0, 0.0, 0.0, 1.0), ("b", "between", 0.0, 3.0, 0.0, 1.0)]
    data = torch.ones((7, 3), dtype=torch.float64)
    weight = torch.ones_like(data)
    weight[0] = 0
    pace = Tolerance(1e-7, (1e-9, 1e-9)) if tolerance else None
    steps = Steps(None if tolerance else 0.1, pace)
    control = (0.0, 0.0, math.inf, 100_000.0, 0.0, 1e-7, 1e-9, 1e-9)
    old = {"control": control} if tolerance else {"dt": 0.1}
    mine = FusedFit(compiled, t, p, rows, data, weight, steps)
    theirs = module.FusedFit(t, p, rows, data, weight, **old)
    theta = torch.tensor([1.7, -1.0], dtype=torch.float64)
    for a, b in zip(mine.residuals(theta), theirs.residuals(theta), strict=True):
        assert torch.equal(a, b)
    (a, g), (b, h) = mine.loss_gradient(theta), theirs.loss_gradient(theta)
    assert a == b and torch.equal(g, h)


def test_what_does_not_fit_is_refused():
    compiled, _ = both(PLAIN, "rk4")
    engine, steps = compiled.engine("native"), Steps(dt=0.1)
    x0, p = batch_of(compiled, (3,))
    t = torch.tensor([0.0, 0.5], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"x0 \(\*batch, 2\) and p \(\*batch, 2\) must have one dtype"):
        engine.states(t, x0, p.float(), [], steps)
    with pytest.raises(ValueError, match="w_xs must be"):
        run = Run(x0.expand(2, 3, 2), x0, x0)
        engine.adjoint(t, run, p, [], x0, steps, How(), False)
