"""Outputs within the steps of auto in the kernel: each lane by the polynomial of the method that it took."""

import gpu_stand_in
import pytest
import torch
from native_models import arguments, gap, gradients, leaves, load, times
from test_gpu_source import figures
from test_native_auto import LOTKA_VOLTERRA, mixed, same_mesh
from test_stiff import FORCED, load_looped
from test_stiff_adaptive import ROBERTSON, pair

D = torch.float64
DENSE = {"rtol": 1e-5, "atol": 1e-7, "dense_output": True, "max_step": 1e9}


def many(module, count=60):
    """Output times of which several lie in one step, and some are repeated."""
    t = times(module)
    t = torch.linspace(float(t[0]), float(t[-1]), count, dtype=D)
    return torch.cat((t[:9], t[8:], t[-1:]))


@pytest.mark.parametrize("make", [load, pytest.param(load_looped, marks=pytest.mark.slow)])
def test_states_gradients_and_steps_are_those_of_torch(make):
    """Stiff lanes beside others, time and inputs; gradients of times, states, parameters and inputs."""
    module = make(FORCED, "auto")
    native, plain = pair(module, **DENSE)
    t, given = many(module), mixed(module)
    x, y = native(t, **given), plain(t, **given)
    assert same_mesh(native, plain) and int(native.status.steps.min()) < len(t)
    assert gap(x.detach(), y.detach()) < 1e-9
    weights = torch.cos(torch.arange(x.numel(), dtype=x.dtype)).reshape(x.shape)
    for mine, theirs in zip(
        gradients(native, given, t, weights), gradients(plain, given, t, weights), strict=True
    ):
        assert gap(mine, theirs) < 1e-7


def test_the_adjoint_is_the_tangents_dual():
    module = load(FORCED, "auto")
    generator = torch.Generator().manual_seed(3)
    net = pair(module, **DENSE)[0]
    t, call, found = leaves(mixed(module), many(module))
    moves = [torch.randn(leaf.shape, generator=generator, dtype=D) for leaf in found]
    x = net(t, **call)
    w = torch.randn(x.shape, generator=generator, dtype=D)
    pulled = torch.autograd.grad((x * w).sum(), found)
    with torch.autograd.forward_ad.dual_level():
        duals = [torch.autograd.forward_ad.make_dual(*two) for two in zip(found, moves, strict=True)]
        rest = iter(duals[2:])
        again = {"x0": duals[1], "params": {name: next(rest) for name in call["params"]}}
        again["inputs"] = {name: (knots, next(rest)) for name, (knots, _) in call["inputs"].items()}
        pushed = torch.autograd.forward_ad.unpack_dual(net(duals[0], **again)).tangent
    one = (w * pushed).sum()
    other = sum((g * d).sum() for g, d in zip(pulled, moves, strict=True))
    assert abs(one - other) < 1e-9 * (w * pushed).abs().sum()


@pytest.mark.slow
@pytest.mark.optimised
def test_a_trajectory_is_the_same_alone_and_among_others():
    """Some become stiff, some never are."""
    net = pair(load(ROBERTSON, "auto"), rtol=1e-4, atol=1e-8, dense_output=True)[0]
    t = torch.cat((torch.zeros(1, dtype=D), torch.logspace(-5, 2, 60, dtype=D)))
    rate = torch.logspace(2, 7.5, 37, dtype=D)

    def gradient(rate):
        rate = rate.clone().requires_grad_()
        return torch.autograd.grad(net(t, params={"k2": rate}).sum(), rate)[0]

    whole, every = net(t, params={"k2": rate}).detach(), gradient(rate)
    assert int(net.status.steps.max()) < 120
    for k in (0, 15, 16, 36):
        assert torch.equal(net(t, params={"k2": rate[k]}).detach(), whole[:, k])
        assert torch.equal(gradient(rate[k]), every[k])


def test_a_problem_that_is_never_stiff_has_the_numbers_of_tsit5():
    t, states = torch.linspace(0, 8, 100, dtype=D), []
    for method in ("auto", "tsit5"):
        net = load(LOTKA_VOLTERRA, method).Model(engine="native", rtol=1e-6, atol=1e-8, dense_output=True)
        states.append(net(t).detach())
    assert gap(*states) < 1e-12


@pytest.mark.slow
def test_on_the_stand_in_for_a_gpu(monkeypatch):
    module = load(FORCED, "auto")
    gpu_stand_in.install(monkeypatch)
    t, given = many(module), mixed(module)
    native, plain = pair(module, **DENSE)
    assert gap(native(t, **given).detach(), plain(t, **given).detach()) < 1e-9
    weights = torch.ones((len(t), 5, 3), dtype=D)
    expected = gradients(plain, given, t, weights)
    for mine, theirs in zip(gradients(native, given, t, weights), expected, strict=True):
        assert gap(mine, theirs) < 1e-7


@pytest.mark.slow
def test_kernels_compile_for_a_gpu():
    registers, _, _ = figures(load(ROBERTSON, "auto"), "adjoint", D, times=True, adaptive=2)
    assert registers <= 255


def test_single_precision():
    module = load(FORCED, "auto")
    native, plain = pair(module, rtol=1e-4, atol=1e-5, dtype=torch.float32, dense_output=True)
    given, t = arguments(module, (5,), dtype=torch.float32), times(module, torch.float32)
    x = native(t, **given).detach()
    assert x.dtype == torch.float32 and gap(x, plain(t, **given).detach()) < 1e-3
