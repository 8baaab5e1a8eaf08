"""Adams steps and runs by equal steps are those of generated modules, with their derivatives."""

import pytest
import torch
from adams_runs import OldRuns, everything
from old_steps import AROUND, BENT, MODELS, Case, Old, assert_alike, flat
from thin_modules import compiled_of, module_of
from tiers import each_once

from odec.methods import METHODS
from odec.runtime.engines import ALL, SQRT, How, Run
from odec.runtime.reference.adams_fixed import FixedAdams
from odec.runtime.reference.adams_step import AdamsStep
from odec.runtime.series import Series
from odec.runtime.steps import Steps

pytestmark = pytest.mark.slow  # against whole modules of before, each family in turn

NAMES = [name for name, method in METHODS.items() if method.family == "multistep"]
TIMES = [0.53, 0.54, 0.54, 0.562, 0.99]
"""Steps become more than twice as long, so that history starts anew as it did before."""
STEPS = Steps(dt=0.05)


def loops_of(text, method):
    compiled = compiled_of(text, method)
    return compiled, FixedAdams(compiled, compiled.method)


@pytest.mark.parametrize(
    ("model", "keep", "method"),
    each_once(
        ["forced", "bent", "lotka_volterra", "quadrature"],
        [ALL, SQRT, 3],
        NAMES,
        besides=lambda model, keep, method: model == "forced" and keep == 3,
    ),
)
def test_runs_are_those_of_a_generated_module(method, model, keep):
    compiled, loops = loops_of(MODELS[model], method)
    case = Case(compiled, shared=keep != SQRT, knots=AROUND)
    t = torch.tensor(TIMES, dtype=case.x.dtype)
    generator = torch.Generator().manual_seed(5)
    w_xs = torch.randn(len(t), *case.x.shape, dtype=t.dtype, generator=generator)
    d_t = torch.randn(len(t), dtype=t.dtype, generator=generator)
    old = OldRuns(module_of(MODELS[model], method))
    for steps in (STEPS, Steps(dt=0.05, clip=0.4)):
        given = (t, case, w_xs, d_t, steps, keep)
        assert_alike(everything(loops, *given), old.everything(*given), 1e-12)


def test_backwards_in_time_and_without_a_batch():
    compiled, loops = loops_of(BENT, "implicit_adams")
    case = Case(compiled, batch=(), knots=AROUND)
    t = torch.tensor([1.52 - time for time in TIMES], dtype=case.x.dtype)
    w_xs, d_t = torch.ones(len(t), 2, dtype=t.dtype), torch.ones(len(t), dtype=t.dtype)
    given = (t, case, w_xs, d_t, STEPS, ALL)
    old = OldRuns(module_of(BENT, "implicit_adams"))
    assert_alike(everything(loops, *given), old.everything(*given), 1e-12)


@pytest.mark.parametrize("method", NAMES)
def test_a_step_is_that_of_a_generated_module(method):
    compiled, loops = loops_of(BENT, method)
    module, case = module_of(BENT, method), Case(compiled)
    (u, du), (v, dv) = case.of_runtime(), case.inputs(Old(module).series)
    generator = torch.Generator().manual_seed(7)
    slopes = torch.randn(9, *case.x.shape, dtype=case.x.dtype, generator=generator)
    history, moving, w_slopes = tuple(slopes[:3]), tuple(slopes[3:6]), tuple(slopes[6:])
    for known in (3, 1):
        own = (case.x, history[:known], case.t, case.h, case.p)
        tangents = (case.dx, moving[:known], case.dt, case.dh, case.dp)
        adams = loops.adams
        found = [*adams.advance(*own, u), *adams.jvp(*own, u, *tangents, du)]
        gradients, past = adams.vjp(*own, u, case.w, w_slopes, None, True)
        found += [gradients.x, past, *gradients[1:]]
        wanted = [*module.advance(*own, v), *module.advance_jvp(*own, v, *tangents, dv)]
        wanted += module.advance_vjp(*own, v, case.w, w_slopes, wrt_times=True)
        assert_alike(list(flat(found)), list(flat(wanted)), 1e-12)


@pytest.mark.parametrize("method", ["explicit_adams", "implicit_adams"])
def test_weights_after_unequal_steps_are_those_of_a_table_after_equal_ones(method):
    step = AdamsStep(compiled_of(BENT, method), compiled_of(BENT, method).method)
    for found, wanted in zip(step.rows((-1.0, -2.0001, -3.0)), step.table):
        assert len(found) == len(wanted) and (found != wanted or not wanted)
        assert torch.allclose(torch.tensor(found), torch.tensor(wanted), rtol=0, atol=1e-3)


@pytest.mark.parametrize("method", ["explicit_adams", "implicit_adams"])
def test_derivatives_are_those_of_the_run(method):
    compiled, loops = loops_of(BENT, method)
    case = Case(compiled, batch=())
    names = [one.name for one in compiled.inputs]
    u = Series(case.pieces, names)
    t = torch.tensor([0.1, 0.37, 0.97], dtype=case.x.dtype, requires_grad=True)
    x, p = case.x.requires_grad_(), case.p.requires_grad_()
    steps = Steps(dt=0.11)

    def run(t, x, p):
        return loops.plain(t, x, p, u, steps)[0]

    assert torch.autograd.gradcheck(run, (t, x, p))
    assert torch.autograd.gradgradcheck(run, (t, x, p))
    xs = run(t, x, p)
    w_xs = torch.randn(xs.shape, dtype=xs.dtype, generator=torch.Generator().manual_seed(3))
    wanted = torch.autograd.grad((w_xs * xs).sum(), (t, x, p))
    with torch.no_grad():
        states: Run = loops.states(t, x, p, u, steps, ALL)
        found = loops.adjoint(t, states, p, u, w_xs, steps, How(), True)
    for own, other in zip((found.t, found.x0, found.p), wanted):
        assert torch.allclose(own, other, rtol=1e-10, atol=1e-12)
