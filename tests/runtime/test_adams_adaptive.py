"""Adams runs by tolerance are those of generated modules: meshes, orders, derivatives and failures."""

import math

import pytest
import torch
from adams_runs import OldRuns, everything
from old_steps import BENT, LOTKA_VOLTERRA, MODELS, Case, assert_alike
from thin_modules import compiled_of, module_of

from odec.methods.multistep import MULTISTEP
from odec.runtime.engines import ALL, MAX_STEPS, How
from odec.runtime.reference.adams import AdamsLoops
from odec.runtime.reference.adams_weights import Weights
from odec.runtime.series import Series
from odec.runtime.steps import Steps, Tolerance

pytestmark = pytest.mark.slow  # against whole modules of before, each family in turn

TIMES = [0.1, 0.9, 2.0, 2.0, 3.1]
STEPS = Steps(tolerance=Tolerance(1e-5, (1e-7, 1e-7)))


def loops_of(text, method="adams"):
    compiled = compiled_of(text, method)
    return compiled, AdamsLoops(compiled, compiled.method)


def run_of(case, steps, times=TIMES):
    """Times, cotangents and tangents of a run of a case."""
    t = torch.tensor(times, dtype=case.x.dtype)
    generator = torch.Generator().manual_seed(5)
    w_xs = torch.randn(len(t), *case.x.shape, dtype=t.dtype, generator=generator)
    d_t = torch.randn(len(t), dtype=t.dtype, generator=generator)
    return t, case, w_xs, d_t, steps, ALL


@pytest.mark.parametrize("model", ["forced", "bent", "lotka_volterra", "quadrature"])
def test_runs_are_those_of_a_generated_module(model):
    compiled, loops = loops_of(MODELS[model])
    given = run_of(Case(compiled), STEPS)
    found = everything(loops, *given)
    assert_alike(found, OldRuns(module_of(MODELS[model], "adams")).everything(*given), 1e-10)
    assert found[2][..., 3].min() > 10  # steps were accepted
    assert found[1][..., -2].max() > 3  # and orders rose


@pytest.mark.parametrize("batch", [pytest.param((), marks=pytest.mark.slow), (2, 2)])
def test_backwards_in_time_and_other_batches(batch):
    compiled, loops = loops_of(BENT)
    given = run_of(Case(compiled, batch), Steps(tolerance=STEPS.tolerance, clip=0.4), TIMES[::-1])
    old = OldRuns(module_of(BENT, "adams"))
    assert_alike(everything(loops, *given), old.everything(*given), 1e-10)


def test_a_run_that_ends_early_tells_why_as_a_generated_module_does():
    compiled, loops = loops_of(LOTKA_VOLTERRA)
    case = Case(compiled)
    t, steps = torch.tensor(TIMES, dtype=case.x.dtype), Steps(tolerance=Tolerance(1e-6, (1e-8,) * 2, most=12))
    run = loops.states(t, case.x, case.p, None, steps, ALL)
    control = (0.0, 0.0, math.inf, 12.0, 0.0, 1e-6, 1e-8, 1e-8)
    xs, kept, report = module_of(LOTKA_VOLTERRA, "adams").solve_adaptive(t, case.x, case.p, control, None)
    assert (report[..., 0] == MAX_STEPS).any()
    for own, wanted in ((run.xs, xs), (run.kept, kept), (run.report, report)):
        assert torch.allclose(own, wanted, rtol=1e-12, equal_nan=True)


def test_no_mesh_is_kept_where_none_is_wanted():
    compiled, loops = loops_of(LOTKA_VOLTERRA)
    case = Case(compiled)
    t = torch.tensor(TIMES, dtype=case.x.dtype)
    run = loops.states(t, case.x, case.p, None, STEPS, 1)
    assert run.kept.shape == (0, 3, 6)
    assert torch.equal(run.xs, loops.states(t, case.x, case.p, None, STEPS, ALL).xs)


def test_weights_of_equal_steps_are_those_of_the_tables():
    weights, (method,) = Weights(8), [method for method in MULTISTEP if method.highest]
    h = torch.full((1, 1), 0.1, dtype=torch.float64)
    nodes = weights.nodes(0.0, h, [-(i + 1) * h for i in range(7)])
    order = torch.full((1, 1), 4)
    predictor, corrector = (weights(nodes, weights.used(order, after)).flatten() for after in (False, True))
    wanted = torch.tensor([float(b) for b in method.predictor], dtype=torch.float64)
    assert torch.allclose(predictor[1:5], wanted, rtol=1e-13)
    wanted = torch.tensor([float(c) for c in method.corrector], dtype=torch.float64)
    order = torch.full((1, 1), 3)
    corrector = weights(nodes, weights.used(order, True)).flatten()
    assert torch.allclose(corrector[:4], wanted, rtol=1e-13)
    assert not corrector[4:].any() and not predictor[5:].any()


def test_weights_change_with_nodes_as_their_jacobian_says():
    weights, generator = Weights(5), torch.Generator().manual_seed(2)
    gaps = 0.5 + torch.rand(4, 2, 1, dtype=torch.float64, generator=generator)
    nodes = torch.cat([torch.ones(1, 2, 1), torch.zeros(1, 2, 1), -gaps.cumsum(0)]).requires_grad_()
    used = weights.used(torch.tensor([[3], [5]]), True)
    wanted = torch.autograd.functional.jacobian(lambda nodes: weights(nodes, used).sum(1), nodes)[:, 0]
    found = weights.jacobian(nodes.detach(), used)
    inside = used.unsqueeze(0) & used.unsqueeze(1)
    assert torch.allclose(torch.where(inside, found, 0.0), torch.where(inside, wanted, 0.0), rtol=1e-10)


def test_derivatives_are_those_of_the_run():
    compiled, loops = loops_of(BENT)
    case = Case(compiled, batch=())
    u = Series(case.pieces, [one.name for one in compiled.inputs])
    t = torch.tensor([0.1, 0.37, 0.9], dtype=case.x.dtype, requires_grad=True)
    x, p = case.x.requires_grad_(), case.p.requires_grad_()
    xs, _ = loops.plain(t, x, p, u, STEPS)
    w_xs = torch.randn(xs.shape, dtype=xs.dtype, generator=torch.Generator().manual_seed(3))
    wanted = torch.autograd.grad((w_xs * xs).sum(), (t, x, p), create_graph=True)
    second = torch.autograd.grad(wanted[2].sum(), (x, p))
    assert all(torch.isfinite(value).all() for value in second)
    with torch.no_grad():
        run = loops.states(t, x, p, u, STEPS, ALL)
        found = loops.adjoint(t, run, p, u, w_xs, STEPS, How(), True)
    for own, other in zip((found.t, found.x0, found.p), wanted):
        assert torch.allclose(own, other, rtol=1e-9, atol=1e-11)


def test_a_method_of_one_order_follows_no_tolerance():
    compiled, loops = loops_of(LOTKA_VOLTERRA, "implicit_adams")
    case = Case(compiled)
    with pytest.raises(TypeError, match="equal steps"):
        loops.states(torch.tensor(TIMES), case.x, case.p, None, STEPS, ALL)
