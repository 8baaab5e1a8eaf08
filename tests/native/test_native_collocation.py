"""Gauss and Radau collocation in the kernel: order, values, gradients, stiff problems, what fails."""

import gpu_stand_in
import pytest
import torch
from native_calls import adjoint, adjoint_by_torch, fixed, solve, tangent
from native_models import arguments, gap, gradients, load, models, times
from scipy.integrate import solve_ivp
from test_gpu_source import figures
from test_stiff import FORCED, load_looped, pollution
from test_stiff_adaptive import ROBERTSON, pair

from odec.methods import METHODS

D = torch.float64
COLLOCATION = ["gauss_legendre4", "gauss_legendre6", "radau_iia3", "radau_iia5"]

BENT = """
param a = 1.1
init x = 1
init y = 0.5
dx/dt = a*y - x*cos(t)
dy/dt = -x*y**2 + 1/(1 + t)
run t = 0 .. 1 dt 0.1
"""

VAN_DER_POL = """
param mu = 1000
init x = 2
init y = 0
dx/dt = y
dy/dt = mu*(1 - x**2)*y - x
"""
VAN_DER_POL_AT_2000 = (1.706167732170483, -8.928097010247975e-4)
"""Mazzia & Magherini, Test Set for Initial Value Problem Solvers (2008), VDPOLM."""


def bent(t, x):
    cos = torch.cos(torch.tensor(t)).item()
    return [1.1 * x[1] - x[0] * cos, -x[0] * x[1] ** 2 + 1 / (1 + t)]


@pytest.mark.parametrize("method", COLLOCATION)
def test_the_measured_order_is_the_claimed_one(method):
    order = METHODS[method].order
    truth = solve_ivp(bent, (0, 2), [1, 0.5], "DOP853", rtol=3e-14, atol=1e-15).y[:, -1]
    counts = {3: (64, 128), 4: (32, 64), 5: (16, 32), 6: (8, 16)}[order]
    errors = []
    for count in counts:
        x = load(BENT, method).Model(engine="native", dt=2 / count)(torch.tensor([0, 2], dtype=D))[-1]
        errors.append(float((x.detach() - torch.tensor(truth)).norm()))
    slope = torch.log2(torch.tensor(errors[0] / errors[1])).item()
    assert slope == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("make, method", [*((load, m) for m in COLLOCATION), (load_looped, "radau_iia5")])
def test_states_and_gradients_are_those_of_torch(make, method):
    """Time, linear and cubic inputs, shared and not; gradients of times, states, parameters and inputs."""
    module = make(FORCED, method)
    native, plain = models(module)
    t, given = times(module), arguments(module, (5,))
    x, y = native(t, **given), plain(t, **given)
    assert gap(x, y) < 1e-12
    weights = torch.cos(torch.arange(x.numel(), dtype=x.dtype)).reshape(x.shape)
    for mine, theirs in zip(
        gradients(native, given, t, weights), gradients(plain, given, t, weights), strict=True
    ):
        assert gap(mine, theirs) < 1e-10


@pytest.mark.parametrize("method", ["gauss_legendre4", "radau_iia5"])
def test_the_adjoint_is_the_tangents_dual(method):
    module = load(FORCED, method)
    generator = torch.Generator().manual_seed(3)

    def noise(like):
        return torch.randn(like.shape, generator=generator, dtype=like.dtype)

    t, given = times(module), arguments(module, (4,))
    p = torch.stack(list(given["params"].values()), -1)
    series = [part.detach() for part in models(module)[0].series(given["inputs"], p)]
    x0 = given["x0"]
    d_t, d_x0, d_p = noise(t), noise(x0), noise(p)
    d_series = [part if i % 2 == 0 else noise(part) for i, part in enumerate(series)]
    dx = tangent(module, t, x0, p, d_t, d_x0, d_p, fixed(0.04), series, d_series)
    w = noise(dx)
    g_t, g_x0, g_p, g_u = adjoint(module, t, x0, p, w, fixed(0.04), series, wrt_times=True)
    pulled = (g_t.sum(-1) * d_t).sum() + (g_x0 * d_x0).sum() + (g_p * d_p).sum()
    pulled = pulled + sum((g * d).sum() for g, d in zip(g_u, d_series[1::2], strict=True))
    assert torch.isclose(pulled, (dx * w).sum(), rtol=1e-10)


def test_the_mesh_of_adaptive_steps_and_its_gradients_are_those_of_torch():
    module = load(FORCED, "radau_iia5")
    native, plain = pair(module)
    t, given = times(module), arguments(module, (5,))
    x, y = native(t, **given), plain(t, **given)
    assert native.status.steps.tolist() == plain.status.steps.tolist()
    assert native.status.rejected.tolist() == plain.status.rejected.tolist()
    assert gap(x.detach(), y.detach()) < 1e-10
    weights = torch.cos(torch.arange(x.numel(), dtype=x.dtype)).reshape(x.shape)
    for mine, theirs in zip(
        gradients(native, given, t, weights), gradients(plain, given, t, weights), strict=True
    ):
        assert gap(mine, theirs) < 1e-9


def test_van_der_pol_ends_where_it_is_published_to_end():
    net = load(VAN_DER_POL, "radau_iia5").Model(engine="native", rtol=1e-9, atol=1e-12)
    x = net(torch.tensor([0.0, 2000.0], dtype=D))[-1].detach()
    assert x.tolist() == pytest.approx(VAN_DER_POL_AT_2000, rel=1e-7)


def test_robertson_over_eleven_decades_of_time():
    """The published state at 1e11, and the gradient by every rate that torch finds up to 40."""
    module = load(ROBERTSON, "radau_iia5")
    native, plain = pair(module, rtol=1e-8, atol=1e-14)
    x = native(torch.tensor([0.0, 1e11], dtype=D))[-1].detach()
    assert native.status.ok
    assert x.tolist() == pytest.approx(
        [2.083340149701255e-8, 8.333360770334713e-14, 0.9999999791665050], rel=1e-5
    )
    t, x0 = torch.tensor([0.0, 1.0, 40.0], dtype=D), torch.tensor([1.0, 0, 0], dtype=D)
    given = {
        "x0": x0,
        "params": {k: torch.tensor(v, dtype=D) for k, v in zip(module.PARAMS, (0.04, 3e7, 1e4))},
    }
    native, plain = pair(module, rtol=1e-4, atol=1e-8)
    weights = torch.tensor([1.0, 1e4, -1.0], dtype=D).expand(3, 3)
    mine, theirs = (gradients(net, given, t, weights) for net in (native, plain))
    for a, b in zip(mine[1:], theirs[1:], strict=True):
        assert gap(a, b) < 1e-8


@pytest.mark.optimised
@pytest.mark.parametrize("method", ["radau_iia3", "radau_iia5"])
def test_a_trajectory_has_the_same_bits_alone_and_among_others(method):
    module = load(ROBERTSON, method)
    rates = torch.tensor([0.04, 3e7, 1e4], dtype=D)
    noise = torch.rand(37, 3, generator=torch.Generator().manual_seed(4), dtype=D)
    rates = rates * (1 + 0.5 * noise)
    t = torch.tensor([0.0, 1.0, 1e3], dtype=D)
    adaptive = METHODS[method].adaptive
    net = module.Model(engine="native", **({"rtol": 1e-6} if adaptive else {"dt": 1.0}))
    whole = net(t, params=dict(zip(module.PARAMS, rates.T, strict=True))).detach()
    for k in (0, 15, 16, 36):
        alone = net(t, params=dict(zip(module.PARAMS, rates[k], strict=True))).detach()
        assert torch.equal(alone, whole[:, k])


def test_twenty_species_of_pollution():
    """60 unknowns a step: the factorisation goes in loops."""
    module = load(pollution(), "radau_iia5")
    assert "LU_UPDATE_START[]" in module.KERNEL.source
    t = torch.tensor([0.0, 0.1, 0.3], dtype=D)
    p = module.Model(dt=1.0).vector().detach()
    x0 = module.initial(t[0], p).detach().expand(3, 20)
    states = solve(module, t, x0, p, fixed(0.02))[0]
    plain, _ = solve(module, t, x0, p, fixed(0.02), engine="torch")
    assert gap(states, plain) < 1e-12
    w = torch.ones_like(plain)
    mine = adjoint(module, t, x0, p, w, fixed(0.02)).p
    theirs = adjoint_by_torch(module, t, x0, p, w, fixed(0.02)).p
    assert gap(mine * p, theirs * p) < 1e-10


@pytest.mark.parametrize("method", ["gauss_legendre6", "radau_iia5"])
def test_single_precision(method):
    module = load(FORCED, method)
    native, plain = models(module, dtype=torch.float32)
    given, t = arguments(module, (5,), dtype=torch.float32), times(module, torch.float32)
    x = native(t, **given).detach()
    assert x.dtype == torch.float32
    assert gap(x, plain(t, **given).detach()) < 1e-5


def test_a_right_hand_side_without_states_is_a_quadrature():
    """The Jacobian has no entries at all; three nodes of Gauss are exact to order 6."""
    module = load("param a = 2\ninit x = 1\ndx/dt = a*cos(t)\nrun t = 0 .. 1 dt 0.01\n", "gauss_legendre6")
    x = module.Model(engine="native", dt=0.1)(torch.tensor([0.0, 1.0], dtype=D))
    assert float(x[-1, 0].detach()) == pytest.approx(1 + 2 * 0.8414709848078965, abs=1e-11)


def test_what_cannot_be_solved_is_told_of_its_trajectory_alone():
    """x' = x²: a step past the pole has no real solution, and Newton's method does not settle."""
    module = load("param a = 1\ninit x = 1\ndx/dt = a*x**2\nrun t = 0 .. 1 dt 0.5\n", "radau_iia5")
    a, t = torch.tensor([0.1, 50.0, 0.2], dtype=D), torch.tensor([0.0, 2.0], dtype=D)
    for options in (
        {"engine": "native"},
        {"engine": "torch"},
        {"engine": "native", "dt": None, "rtol": 1e-6},
    ):
        net = module.Model(**{"dt": 1.0} | options)
        x = net(t, params={"a": a}).detach()
        assert net.status.ok.tolist() == [True, False, True]
        assert x[-1, [0, 2], 0].tolist() == pytest.approx([1 / 0.8, 1 / 0.6], rel=1e-2)
        assert "1 of 3 trajectories failed" in str(net.status)


@pytest.mark.slow
def test_on_the_stand_in_for_a_gpu(monkeypatch):
    module = load(FORCED, "radau_iia5")
    gpu_stand_in.install(monkeypatch)
    t, given = times(module), arguments(module, (7,))
    for options in ({}, {"dt": None, "rtol": 1e-3, "atol": 1e-5}):
        native, plain = models(module, **options)
        weights = torch.ones((len(t), 7, 3), dtype=D)
        assert gap(native(t, **given).detach(), plain(t, **given).detach()) < 1e-10
        expected = gradients(plain, given, t, weights)
        for mine, theirs in zip(gradients(native, given, t, weights), expected, strict=True):
            assert gap(mine, theirs) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("kernel, dtype", [("adjoint", torch.float64), ("tangent", torch.float32)])
def test_kernels_compile_for_a_gpu(kernel, dtype):
    registers, _, _ = figures(load(FORCED, "radau_iia3"), kernel, dtype, times=True)
    assert registers <= 255
