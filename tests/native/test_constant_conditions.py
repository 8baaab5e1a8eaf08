"""Conditions that are constant, on both engines and with every derivative."""

import math
from functools import partial

import pytest
import torch
from native_models import load

MODEL = """
const mode = 1, n = 2
param a = 0.5, b = 3
init x = if mode == 2 then b else 2
x' = if 2*mode > 3 and n + 1 > 1 then b else 1/x
init y = if true and n > 1 then 1 else b
y' = -(if mode > 0 then a else b)*y + (if not mode > 0 or false then sqrt(y - 5) else 0)
obs z = if mode >= n then b else y
run t = 0 .. 1 dt 0.01
"""


def last_y(net, t, a):
    return net(t, params={"a": a})[1, 1]


@pytest.mark.parametrize("method", ["rk4", "rodas5p"])
def test_only_the_branch_taken_is_there(method):
    """x = sqrt(4 + 2t), y = exp(-a t)."""
    module = load(MODEL, method)
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    for engine in ("torch", "native"):
        net = (
            module.Model(engine=engine, dt=0.01)
            if method == "rk4"
            else module.Model(engine=engine, rtol=1e-9)
        )
        x = net(t)
        assert x[1, 0].item() == pytest.approx(math.sqrt(6), rel=1e-8)
        z = net.observe(t, x)[1, 0]
        assert z.item() == pytest.approx(math.exp(-0.5), rel=1e-8)
        by_a, by_b = torch.autograd.grad(x[1].sum() + z, [net.a, net.b])
        assert by_a.item() == pytest.approx(-2 * math.exp(-0.5), rel=1e-6)
        assert by_b.item() == 0.0
        _, pushed = torch.func.jvp(
            partial(last_y, net, t), (net.a.detach(),), (torch.ones((), dtype=t.dtype),)
        )
        assert pushed.item() == pytest.approx(-math.exp(-0.5), rel=1e-6)
