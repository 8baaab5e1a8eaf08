"""The method auto in the kernel: torch's switches, meshes and gradients, lane by lane."""

import gpu_stand_in
import pytest
import torch
from native_calls import adjoint, tangent
from native_models import LORENZ, arguments, gap, gradients, load, times
from test_gpu_source import figures
from test_native_collocation import VAN_DER_POL, VAN_DER_POL_AT_2000
from test_stiff import FORCED, load_looped
from test_stiff_adaptive import ROBERTSON, pair

D = torch.float64

LOTKA_VOLTERRA = """
param a = 1.1, b = 0.4, c = 0.4, d = 0.1
init x = 10
init y = 5
dx/dt = a*x - b*x*y
dy/dt = d*x*y - c*y
"""


def mixed(module):
    """Arguments of five trajectories of FORCED, of which some are stiff."""
    given = arguments(module, (5,))
    given["params"]["c"] = torch.tensor([1.0, 3e3, 40.0, 1e4, 2.0], dtype=D)
    return given


def same_mesh(native, plain):
    return all(
        torch.equal(getattr(native.status, name), getattr(plain.status, name))
        for name in ("steps", "rejected")
    )


@pytest.mark.parametrize("make", [pytest.param(load, marks=pytest.mark.slow), load_looped])
def test_the_mesh_the_states_and_the_gradients_are_those_of_torch(make):
    """Stiff lanes beside others, time, linear and cubic inputs; gradients of times, states and inputs."""
    module = make(FORCED, "auto")
    native, plain = pair(module, rtol=1e-5, atol=1e-7)
    t, given = times(module), mixed(module)
    x, y = native(t, **given), plain(t, **given)
    assert same_mesh(native, plain)
    assert gap(x.detach(), y.detach()) < 1e-9
    weights = torch.cos(torch.arange(x.numel(), dtype=x.dtype)).reshape(x.shape)
    for mine, theirs in zip(
        gradients(native, given, t, weights), gradients(plain, given, t, weights), strict=True
    ):
        assert gap(mine, theirs) < 1e-7


def test_the_adjoint_is_the_tangents_dual():
    module = load(FORCED, "auto")
    generator = torch.Generator().manual_seed(3)

    def noise(like):
        return torch.randn(like.shape, generator=generator, dtype=like.dtype)

    net, given = pair(module, rtol=1e-5, atol=1e-7)[0], mixed(module)
    t, x0 = times(module), given["x0"]
    p = torch.stack(list(given["params"].values()), -1)
    series = [part.detach() for part in net.series(given["inputs"], p)]
    d_t, d_x0, d_p = noise(t), noise(x0), noise(p)
    d_series = [part if i % 2 == 0 else noise(part) for i, part in enumerate(series)]
    dx = tangent(module, t, x0, p, d_t, d_x0, d_p, net.steps, series, d_series)
    w = noise(dx)
    g_t, g_x0, g_p, g_u = adjoint(module, t, x0, p, w, net.steps, series, wrt_times=True)
    pulled = (g_t.sum(-1) * d_t).sum() + (g_x0 * d_x0).sum() + (g_p * d_p).sum()
    pulled = pulled + sum((g * d).sum() for g, d in zip(g_u, d_series[1::2], strict=True))
    assert torch.isclose(pulled, (dx * w).sum(), rtol=1e-9)


@pytest.mark.slow
def test_van_der_pol_takes_both_methods():
    """Far fewer steps than the explicit method alone needs, and torch's gradient by x0 and mu."""
    module = load(VAN_DER_POL, "auto")
    native, plain = pair(module, rtol=1e-6, atol=1e-9)
    t = torch.tensor([0.0, 500.0, 2000.0], dtype=D)
    x = native(t)[-1].detach()
    assert x.tolist() == pytest.approx(VAN_DER_POL_AT_2000, rel=1e-5)
    plain(t)
    assert same_mesh(native, plain)
    explicit = load(VAN_DER_POL, "tsit5").Model(engine="native", rtol=1e-6, atol=1e-9, max_steps=10**7)
    explicit(t)
    assert int(explicit.status.steps) > 100 * int(native.status.steps)
    short = torch.tensor([0.0, 100.0], dtype=D)
    given = {"x0": torch.tensor([2.0, 0.0], dtype=D), "params": {"mu": torch.tensor(1e3, dtype=D)}}
    weights = torch.tensor([[0.0, 0.0], [1.0, 1e3]], dtype=D)
    for mine, theirs in zip(*(gradients(net, given, short, weights) for net in (native, plain)), strict=True):
        assert gap(mine, theirs) < 1e-8


def test_robertson_is_that_of_torch():
    module = load(ROBERTSON, "auto")
    native, plain = pair(module, rtol=1e-6, atol=1e-10)
    t = torch.tensor([0.0, 1.0, 40.0, 1e4], dtype=D)
    rates = torch.tensor([0.04, 3e7, 1e4], dtype=D) * torch.tensor([[1.0], [1.3]], dtype=D)
    given = {
        "x0": torch.tensor([1.0, 0, 0], dtype=D).expand(2, 3),
        "params": dict(zip(module.PARAMS, rates.T, strict=True)),
    }
    x, y = native(t, **given), plain(t, **given)
    assert same_mesh(native, plain)
    assert gap(x.detach(), y.detach()) < 1e-10
    weights = torch.tensor([1.0, 1e4, -1.0], dtype=D).expand(4, 2, 3)
    mine, theirs = (gradients(net, given, t, weights) for net in (native, plain))
    for a, b in zip(mine, theirs, strict=True):
        assert gap(a, b) < 1e-9


@pytest.mark.parametrize("text", [LOTKA_VOLTERRA, LORENZ])
def test_a_problem_that_is_not_stiff_is_left_to_the_explicit_method(text):
    t = torch.linspace(0, 10, 21, dtype=D)
    options = {"engine": "native", "dt": None, "rtol": 1e-6, "atol": 1e-9}
    auto, explicit = (load(text, method).Model(**options) for method in ("auto", "tsit5"))
    assert gap(auto(t).detach(), explicit(t).detach()) < 1e-10
    assert auto.status.steps == explicit.status.steps


def test_with_fixed_steps_it_is_the_stiff_method():
    t, given = times(load(FORCED, "auto")), arguments(load(FORCED, "auto"), (5,))
    auto, stiff = (load(FORCED, method).Model(engine="native", dt=0.04) for method in ("auto", "rodas5p"))
    assert gap(auto(t, **given).detach(), stiff(t, **given).detach()) < 1e-14


@pytest.mark.optimised
def test_a_trajectory_has_the_same_bits_alone_and_among_others():
    """Whether its neighbours are stiff or not."""
    module = load(VAN_DER_POL, "auto")
    net = module.Model(engine="native", rtol=1e-6, atol=1e-9)
    mu = torch.logspace(0, 3, 37, dtype=D)
    t = torch.tensor([0.0, 10.0, 50.0], dtype=D)
    whole, steps = net(t, params={"mu": mu}).detach(), net.status.steps

    def gradient(mu):
        mu = mu.clone().requires_grad_()
        return torch.autograd.grad(net(t, params={"mu": mu})[-1].sum(), mu)[0]

    every = gradient(mu)
    for k in (0, 15, 16, 36):
        assert torch.equal(net(t, params={"mu": mu[k]}).detach(), whole[:, k])
        assert net.status.steps == steps[k]
        assert torch.equal(gradient(mu[k]), every[k])


def test_single_precision():
    module = load(FORCED, "auto")
    native, plain = pair(module, rtol=1e-4, atol=1e-5, dtype=torch.float32)
    given, t = arguments(module, (5,), dtype=torch.float32), times(module, torch.float32)
    x = native(t, **given).detach()
    assert x.dtype == torch.float32
    assert gap(x, plain(t, **given).detach()) < 1e-3


def test_on_the_stand_in_for_a_gpu(monkeypatch):
    module = load(FORCED, "auto")
    gpu_stand_in.install(monkeypatch)
    t, given = times(module), mixed(module)
    native, plain = pair(module)
    assert gap(native(t, **given).detach(), plain(t, **given).detach()) < 1e-9
    weights = torch.ones((len(t), 5, 3), dtype=D)
    expected = gradients(plain, given, t, weights)
    for mine, theirs in zip(gradients(native, given, t, weights), expected, strict=True):
        assert gap(mine, theirs) < 1e-7


@pytest.mark.slow
def test_kernels_compile_for_a_gpu():
    registers, _, _ = figures(load(ROBERTSON, "auto"), "adjoint", D, times=True)
    assert registers <= 255
