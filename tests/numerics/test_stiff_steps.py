"""Implicit and Rosenbrock steps: stiff problems solved, and what has no solution told."""

import math

import pytest
import torch
from generated import load
from stiff_models import (
    ADAPTIVE,
    LOTKA_VOLTERRA,
    ROBERTSON,
    ROBERTSON_AT_40,
    STIFF,
    VAN_DER_POL,
    D,
)
from tiers import slow_but_for

from odec.methods import METHODS
from odec.runtime.reference.steppers import stepper_of

NO_JACOBIAN = """
param a = 2
init x = 1
init y = 0
dx/dt = a*t
dy/dt = cos(t)
run t = 0 .. 2 dt 0.25
"""

GROWTH = """
param a = 1
init x = 1
dx/dt = a*x
run t = 0 .. 2 dt 1
"""

LINEAR = """
param a = 1000
init x = 1
init y = 0.5
dx/dt = -a*x + y*t
dy/dt = x - y + sin(t)
run t = 0 .. 2 dt 0.25
"""

JUMP = """
init x = 0.2
dx/dt = floor(x) + 1
run t = 0 .. 2 dt 0.25
"""

EXPLOSION = """
param a = 1
init x = 1
dx/dt = a*x**2
run t = 0 .. 2 dt 0.1
"""


def tried(module, x, t, h, p):
    """A step with its error estimates."""
    return stepper_of(module.COMPILED).trial(x, t, h, p, None, None)


def stages(module, x, t, h, p):
    """The slopes of an implicit step's stages."""
    return stepper_of(module.COMPILED)._stages(x, t, h, p, None, None)


def step_and_adjoint(module, x, t, h, p, w):
    """A step, its error estimates and its gradients, but that by the parameters, which all share."""
    found = tried(module, x, t, h, p)
    g = module.step_vjp(x, t, h, p, None, w, None, True)
    return [found.x, *found.errors, g.x, g.t, g.h]


@pytest.mark.parametrize("method", ["backward_euler", "sdirk2", "radau_iia3", "radau_iia5"])
def test_robertson_by_fixed_steps(method):
    module = load(ROBERTSON, method)
    with torch.no_grad():
        x = module.Model(dt=0.5)(torch.tensor([0.0, 40.0], dtype=D))[-1]
    error = ((x - ROBERTSON_AT_40) / ROBERTSON_AT_40).abs().max()
    assert error < {"backward_euler": 1e-2, "sdirk2": 1e-4, "radau_iia3": 1e-5, "radau_iia5": 1e-8}[method]


@pytest.mark.parametrize("method", [name for name in ADAPTIVE if METHODS[name].order > 1])
def test_robertson_by_tolerance(method):
    module = load(ROBERTSON, method)
    net = module.Model(rtol=1e-4, atol=[1e-8, 1e-12, 1e-8])
    with torch.no_grad():
        x = net(torch.tensor([0.0, 40.0], dtype=D))[-1]
    assert ((x - ROBERTSON_AT_40) / ROBERTSON_AT_40).abs().max() < 3e-4
    assert net.status.ok and net.status.steps < 400


@pytest.mark.parametrize(
    "method",
    slow_but_for(["kvaerno5", "radau_iia5", "rodas4", "rodas5p"], "radau_iia5", "rodas5p"),
)
def test_a_stiff_oscillator_by_tolerance(method):
    """Van der Pol, mu = 1000. Reference: Radau, rtol 1e-12."""
    module = load(VAN_DER_POL, method)
    net = module.Model(rtol=1e-5, atol=1e-7)
    with torch.no_grad():
        x = net(torch.tensor([0.0, 2000.0], dtype=D))[-1]
    expected = torch.tensor([1.706167732170469, -8.928097010248257e-4], dtype=D)
    assert ((x - expected) / expected).abs().max() < 1e-3
    assert net.status.ok and net.status.steps < 1000


@pytest.mark.parametrize("method", STIFF)
def test_a_jacobian_that_is_zero(method):
    """A quadrature: exact in x from order 2 on."""
    module = load(NO_JACOBIAN, method)
    assert not module.jacobian(0.0, torch.ones(2, dtype=D), torch.ones(1, dtype=D)).any()
    t = torch.tensor([0.0, 2.0], dtype=D, requires_grad=True)
    net = module.Model(dt=0.25)
    x = net(t)
    expected = 5 if METHODS[method].order > 1 else 5.5
    assert abs(x[-1, 0].item() - expected) < 1e-12
    assert abs(x[-1, 1].item() - math.sin(2)) < 0.25
    g_a, g_t = torch.autograd.grad(x[-1, 0], [net.a, t])
    assert abs(g_a.item() - (expected - 1) / 2) < 1e-12
    assert abs(g_t.sum().item()) > 3


@pytest.mark.parametrize("method", STIFF)
def test_a_singular_matrix_gives_no_number(method):
    """I - h a_ii f_x is singular at h = 1/a_ii; coupled stages have no such h here."""
    chosen = METHODS[method]
    gamma = chosen.gamma
    module = load(GROWTH, method)
    p, x = torch.ones(1, dtype=D), torch.tensor([[1.0], [2.0]], dtype=D)
    size = 1.0 if gamma is None else float(1 / gamma)
    with torch.no_grad():
        found = module.step(x, 0.0, size, p)
        assert torch.isfinite(found).all() if gamma is None else torch.isnan(found).all()
        if chosen.adaptive and gamma is not None:
            sizes = torch.tensor([[size], [0.1]], dtype=D)
            found, (error,), *_ = tried(module, x, torch.zeros(2, 1, dtype=D), sizes, p)
            assert torch.isfinite(found[:, 0]).tolist() == [False, True]
            assert torch.isfinite(error[:, 0]).tolist() == [False, True]


@pytest.mark.parametrize(
    "method", ["backward_euler", "trapezoid", "kvaerno4", "gauss_legendre4", "radau_iia5"]
)
def test_linear_equations_take_three_solves_a_stage(method, monkeypatch):
    """The solution, what rounding took from it, and once more with gradients."""
    module = load(LINEAR, method)
    solves = []
    inner = torch.linalg.solve_ex
    monkeypatch.setattr(torch.linalg, "solve_ex", lambda *args: solves.append(0) or inner(*args))
    x, p = torch.tensor([1.0, 0.5], dtype=D), torch.tensor([1000.0], dtype=D)
    k = stages(module, x, 0.3, 0.1, p)
    chosen = METHODS[method]
    assert len(solves) == 3 * (chosen.stages - chosen.explicit_first if chosen.diagonal else 1)
    for i, row in enumerate(chosen.a):
        state = x + 0.1 * sum(float(weight) * slope for weight, slope in zip(row, k))
        expected = module.rhs(0.3 + 0.1 * float(chosen.c[i]), state, p)
        torch.testing.assert_close(k[i], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("method", ["backward_euler", "kvaerno5", "radau_iia5"])
def test_stages_are_solved_to_rounding(method):
    module, chosen = load(ROBERTSON, method), METHODS[method]
    p = torch.tensor([0.04, 3e7, 1e4], dtype=D)
    x, h = torch.tensor([0.98, 3.4e-5, 0.02], dtype=D), 0.3
    with torch.no_grad():
        k = stages(module, x, 0.0, h, p)
        for i, row in enumerate(chosen.a):
            state = x + h * sum(float(weight) * slope for weight, slope in zip(row, k))
            residual = module.rhs(0.0, state, p) - k[i]
            size = module.jacobian(0.0, state, p).abs() @ state.abs()
            assert (residual.abs() < 1e-13 * size.max()).all()


def test_a_model_with_jumps_is_not_taken_for_linear():
    linear = [load(text, "backward_euler").COMPILED.equations.linear for text in (LINEAR, NO_JACOBIAN)]
    curved = [load(text, "backward_euler").COMPILED.equations.linear for text in (JUMP, EXPLOSION)]
    assert all(linear) and not any(curved)


@pytest.mark.parametrize("method", ["backward_euler", "trapezoid", "radau_iia5"])
def test_a_step_without_solution_is_told(method):
    """dx/dt = x² has no solution from t = 1 on, and then neither have the stages."""
    module = load(EXPLOSION, method)
    net = module.Model(dt=0.1)
    x0 = torch.tensor([[1.0], [0.1]], dtype=D)
    x = net(torch.tensor([0.0, 2.0], dtype=D), x0=x0)
    assert torch.isfinite(x[-1, :, 0]).tolist() == [False, True]
    assert net.status.ok.tolist() == [False, True]
    assert "has no solution for state x of trajectory (0,)" in str(net.status)
    assert "smaller dt" in str(net.status) and "clip" not in str(net.status)


@pytest.mark.parametrize("method", slow_but_for(["sdirk2", "radau_iia5", "rodas4"], "radau_iia5", "rodas4"))
def test_steps_that_cannot_be_solved_are_made_smaller(method):
    module = load(EXPLOSION, method)
    net = module.Model(rtol=1e-6, atol=1e-8, first_step=0.9)
    x = net(torch.tensor([0.0, 0.9], dtype=D))
    assert net.status.ok and net.status.rejected > 0
    assert abs(x[-1, 0].item() - 10) < 1e-3


def test_a_trajectory_that_has_no_end_is_told():
    module = load(EXPLOSION, "rodas4")
    net = module.Model(rtol=1e-3, atol=1e-5, max_steps=1000)
    x0 = torch.tensor([[1.0], [0.1]], dtype=D)
    x = net(torch.tensor([0.0, 2.0], dtype=D), x0=x0)
    assert torch.isfinite(x[-1, :, 0]).tolist() == [False, True]
    assert net.status.ok.tolist() == [False, True]


@pytest.mark.parametrize("method", ["kvaerno3", "gauss_legendre4", "radau_iia5", "rodas4"])
def test_trajectories_do_not_know_each_other(method):
    module = load(LOTKA_VOLTERRA, method)
    net = module.Model(dt=0.2)
    t, x0 = torch.tensor([0.0, 1.0], dtype=D), 1 + 20 * torch.rand(2, 7, 2, dtype=D)
    together = net(t, x0=x0)
    for i in range(2):
        for j in range(7):
            assert torch.equal(net(t, x0=x0[i, j])[-1], together[-1, i, j])


@pytest.mark.parametrize("method", ADAPTIVE)
def test_times_and_sizes_of_each_trajectory(method):
    module = load(LINEAR, method)
    p, x = torch.tensor([1000.0], dtype=D), torch.rand(3, 2, dtype=D)
    t, h = torch.tensor([[0.1], [0.4], [2.0]], dtype=D), torch.tensor([[0.1], [0.02], [0.3]], dtype=D)
    w = torch.rand(3, 2, dtype=D)
    with torch.no_grad():
        together = step_and_adjoint(module, x, t, h, p, w)
        for i in range(3):
            alone = step_and_adjoint(module, x[i], t[i].item(), h[i].item(), p, w[i])
            for a, b in zip(together, alone, strict=True):
                torch.testing.assert_close(a[i], b, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("method", ["trapezoid", "radau_iia5", "rodas4"])
def test_a_step_under_transforms_of_torch(method):
    module = load(LOTKA_VOLTERRA, method)
    cell, p = module.StepCell(), torch.tensor([1.1, 0.4, 0.4, 0.1], dtype=D)
    x0 = torch.tensor([[10.0, 5.0], [3.0, 4.0]], dtype=D)

    def step(x):
        return cell(x, 0.0, 0.2, p)

    mapped = torch.func.vmap(step)(x0)
    torch.testing.assert_close(mapped, step(x0), rtol=1e-13, atol=0)
    jacobian = torch.func.vmap(torch.func.jacrev(step))(x0)
    torch.testing.assert_close(torch.func.vmap(torch.func.jacfwd(step))(x0), jacobian, rtol=1e-12, atol=1e-14)
    basis = torch.eye(2, dtype=D).unsqueeze(1).expand(2, 2, 2)
    with torch.no_grad():
        rows = torch.stack([module.step_vjp(x0, 0.0, 0.2, p, None, w).x for w in basis], 1)
    torch.testing.assert_close(rows, jacobian, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("method", ["backward_euler", "rodas5p"])
def test_a_bound_on_slopes_is_refused(method):
    module = load(LOTKA_VOLTERRA, method)
    with pytest.raises(ValueError, match=f"clip bounds the slopes of explicit methods; {method} takes none"):
        module.Model(clip=1.0)
    with pytest.raises(ValueError, match="takes none"):
        module.step(torch.ones(2, dtype=D), 0.0, 0.1, torch.ones(4, dtype=D), clip=1.0)
