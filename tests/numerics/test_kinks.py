"""Inputs with kinks where fixed steps end: they cost no order, and both engines see the same pieces."""

import functools

import numpy as np
import pytest
import torch

import odec

TEXT = """
param a = 3
input u linear
input v hold
init x = 1
init y = 0.5
x' = -a*x + u*y + v
y' = sin(x) - u*y**2
"""
D = torch.float64
TIMES = [0.0, 0.3, 0.55, 1.0, 1.4, 2.0]
VALUES = torch.tensor([0.2, 1.5, -0.5, 2.0, 0.1, 1.0], dtype=D)
METHODS = {"kvaerno4": 4, "kvaerno5": 5, "rosenbrock23": 2, "ros3p": 3, "rodas4": 4, "rodas5p": 5}
ROUNDED = torch.tensor(TIMES, dtype=torch.float32).to(D)
"""Kinks that are not quite where steps end."""


@functools.cache
def loaded(method: str, engine: str):
    return odec.load(TEXT, method=method, engine=engine)


def final(method, engine, dt, *, times=TIMES, t=(0.0, 2.0), values=VALUES, start=(1.0, 0.5), a=3.0):
    at = torch.as_tensor(times, dtype=D)
    series = {"u": (at, values), "v": (TIMES, values.flip(0))}
    keywords = {"dt": dt} if dt else {"rtol": 1e-13, "atol": 1e-13}
    net = loaded(method, engine).Model(engine=engine, **keywords)
    given = {"x0": torch.as_tensor(start, dtype=D), "params": {"a": torch.tensor(a, dtype=D)}}
    return net(torch.tensor(t, dtype=D), inputs=series, **given)[-1]


def order_of(method, exact, **given):
    """The slope of the errors of runs whose steps end on the kinks."""
    sizes = (0.0125, 0.00625) if method == "rodas5p" else (0.025, 0.0125)
    with torch.no_grad():
        errors = [float((final(method, "native", dt, **given) - exact).abs().max()) for dt in sizes]
    return np.log2(errors[0] / errors[1])


@functools.cache
def exact(rounded: bool) -> torch.Tensor:
    return final("vern9", "torch", None, times=ROUNDED if rounded else TIMES).detach()


@pytest.mark.parametrize("rounded", (False, True))
@pytest.mark.parametrize(("method", "order"), METHODS.items())
def test_kinks_cost_no_order(method, order, rounded):
    found = order_of(method, exact(rounded), times=ROUNDED if rounded else TIMES)
    assert found > order - 0.5


@pytest.mark.parametrize("method", ["kvaerno5", "rodas4"])
def test_reversed_in_time(method):
    given = {"t": (2.0, 0.0), "start": (0.5, 0.1), "a": -3.0}
    assert order_of(method, final("vern9", "torch", None, **given), **given) > METHODS[method] - 0.5


@pytest.mark.parametrize("t", [(0.0, 2.0), (1.7, -0.1), (0.0, 0.35, 2.3)])
@pytest.mark.parametrize("method", ["kvaerno5", "rodas4"])
def test_native_sees_the_same_pieces(method, t):
    """Values, and gradients by the input's values and the initial state."""
    found = {}
    for engine in ("torch", "native"):
        values = VALUES.clone().requires_grad_()
        start = torch.tensor([1.0, 0.5], dtype=D, requires_grad=True)
        x = final(method, engine, 0.05, t=t, values=values, start=start)
        found[engine] = [x.detach(), *torch.autograd.grad(x.sum(), [values, start])]
    for ours, theirs in zip(found["torch"], found["native"], strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("method", ["kvaerno5", "rodas4"])
def test_the_adjoint_is_that_of_the_pieces_taken(method):
    module = loaded(method, "torch")
    grads = []
    for adjoint in ("discrete", "autograd"):
        values = VALUES.clone().requires_grad_()
        times = torch.tensor([0.0, 1.2, 2.0], dtype=D, requires_grad=True)
        series = {
            "u": (torch.tensor(TIMES, dtype=D), values),
            "v": (torch.tensor([0.0], dtype=D), values[:1]),
        }
        x = module.Model(dt=0.05, engine="torch", adjoint=adjoint)(times, inputs=series)
        grads.append(torch.autograd.grad(x.sum(), [values, times]))
    for ours, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
