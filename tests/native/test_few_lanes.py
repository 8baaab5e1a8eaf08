"""A few trajectories of a large model take shorter vectors, and the same bits as among many."""

import random

import pytest
import torch
from native_calls import engine_of
from native_models import load
from tiers import each_once

from odec.runtime.native import toolchain

pytestmark = pytest.mark.optimised

STATES = 14


def network(seed: int, factor: str = "") -> str:
    """Reactions whose products may be fused with additions in more than one way."""
    draw = random.Random(seed)
    lines = [f"param k{i} = {draw.uniform(0.2, 2.0):.3f}" for i in range(STATES)]
    lines += [f"init x{i} = {draw.uniform(0.5, 1.5):.3f}" for i in range(STATES)]
    for i in range(STATES):
        a, b, c, d, e, f = draw.choices(range(STATES), k=6)
        rates = f"k{a}*x{b} - k{c}*x{d}*x{e} + (k{a} - k{d})*x{c}/(1 + x{f}**2) - 0.3*exp(-x{b})"
        lines.append(f"dx{i}/dt = {rates}{factor} - 4*x{i}**3")
    return "\n".join([*lines, "run t = 0 .. 1"])


def runs(method: str, dtype: torch.dtype, seed: int):
    module = load(network(seed), method=method)
    steps = {"dt": 0.05} if method == "rk4" else {"rtol": 1e-5}
    net = module.Model(engine="native", dtype=dtype, **steps)
    draw = torch.Generator().manual_seed(seed)
    x0 = 0.5 + torch.rand(17, STATES, generator=draw, dtype=dtype)
    return module, net, torch.tensor([0.0, 0.3, 1.0], dtype=dtype), x0


def solved(net, t, x0):
    x0 = x0.clone().requires_grad_()
    xs = net(t, x0)
    (gradient,) = torch.autograd.grad(xs.square().sum(), x0)
    return xs.detach(), gradient


@pytest.mark.parametrize(("method", "dtype"), each_once(["tsit5", "rk4"], [torch.float64, torch.float32]))
def test_the_same_bits_in_shorter_vectors(method, dtype):
    seed = {"tsit5": 1, "rk4": 2}[method]
    module, net, t, x0 = runs(method, dtype, seed)
    kernels = engine_of(module).kernels
    shortest = 32 if toolchain.has_wide_vectors() else 16 * dtype.itemsize
    assert kernels.few_lanes(16, 1, dtype) * dtype.itemsize == shortest
    xs, gradients = solved(net, t, x0)
    assert xs.isfinite().all()
    for item in range(0, len(x0), 3):
        state, gradient = solved(net, t, x0[item])
        assert torch.equal(state, xs[:, item])
        assert torch.equal(gradient, gradients[item])


def test_functions_that_round_otherwise_in_shorter_vectors_keep_whole_ones():
    """tanh and log are others in vectors of 32 bytes than in those of 64 where a processor has both."""
    for factor in ("*tanh(x0)", "*log(2 + x0**2)"):
        module = load(network(3, factor), method="rk4")
        kernels = engine_of(module).kernels
        wide = toolchain.has_wide_vectors()
        assert kernels.few_lanes(16, 1, torch.float64) == (8 if wide else 16)
        assert kernels.few_lanes(32, 1, torch.float32) == (16 if wide else 32)
