"""Maps: next values in formulas, beside the same recurrences written by hand in torch."""

from __future__ import annotations

import pytest
import torch

import odec
from odec.passes.latex import latex
from odec.passes.show import graph_text

F64 = torch.float64
T = torch.arange(6, dtype=F64)

PAIR = """
param a = 0.7, b = -0.4
input u hold
init x = 0.2, y = 0.5*a
grown = x[t+1] + b*y
y[t+1] = tanh(grown) + u[t]
x[t+1] = a*sin(x[t]) + 0.3*y
obs both = x*y
"""
"""y uses the new x, through an intermediate and though its equation stands before that of x."""

LAYERS = """
const n = 3
param W[n, n] = glorot(), V[n, n] = glorot()
init h[n] = 0.3
init c[i] = 0.1*i for i in 0 .. n-1
h[t+1] = tanh(V @ c[t+1])*c[t+1][0]
c[t+1][i] = c[i]/2 + sum(W[i, j]*h[j] for j in 0 .. n-1) for i in 0 .. n-1
obs y = sum(h)
"""


def pair_by_hand(a, b, x0, us):
    y, x = x0.unbind(-1)
    found = [x0]
    for u in us[:-1]:
        x_next = a * torch.sin(x) + 0.3 * y
        x, y = x_next, torch.tanh(x_next + b * y) + u
        found.append(torch.stack((y, x), -1))
    return torch.stack(found)


def layers_by_hand(W, V, x0):
    h, c = x0.split(3, -1)
    found = [x0]
    for _ in T[1:]:
        c = c / 2 + h @ W.mT
        h = torch.tanh(c @ V.mT) * c[..., :1]
        found.append(torch.cat((h, c), -1))
    return torch.stack(found)


def compared(got, wanted, gradients_of, by_hand_of, tolerance=1e-12):
    """States of a run and by hand, and the gradients of a loss of them by pairs of tensors."""
    torch.testing.assert_close(got, wanted, rtol=tolerance, atol=tolerance)
    weights = torch.linspace(-1, 2, got.numel(), dtype=got.dtype).reshape(got.shape)
    found = torch.autograd.grad((weights * got).sum(), gradients_of)
    expected = torch.autograd.grad((weights * wanted).sum(), by_hand_of)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_an_equation_of_the_new_value_of_another_state(engine):
    net = odec.load(PAIR, engine=engine).Model(engine=engine)
    us = torch.tensor([0.1, -0.2, 0.3, 0.0, 0.4, 9.0], dtype=F64, requires_grad=True)
    x0 = torch.tensor([[0.2, 0.35], [1.0, -0.5]], dtype=F64, requires_grad=True)
    a, b = (torch.tensor(value, dtype=F64, requires_grad=True) for value in (0.7, -0.4))
    x = net(T, x0=x0, inputs={"u": (T, us)})
    compared(x, pair_by_hand(a, b, x0, us), (net.a, net.b, x0, us), (a, b, x0, us))
    torch.testing.assert_close(net.observe(T, x, inputs={"u": (T, us)})[..., 0], x.prod(-1))


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_an_equation_of_the_new_value_of_another_array(engine):
    net = odec.load(LAYERS, engine=engine).Model(engine=engine, seed=1)
    W, V = (one.detach().clone().requires_grad_() for one in (net.W, net.V))
    x0 = torch.linspace(-1, 1, 12, dtype=F64).reshape(2, 6).requires_grad_()
    compared(net(T, x0=x0), layers_by_hand(W, V, x0), (net.W, net.V, x0), (W, V, x0))
    start = torch.tensor([0.3, 0.3, 0.3, 0.0, 0.1, 0.2], dtype=F64)
    torch.testing.assert_close(net(T), layers_by_hand(W, V, start), rtol=1e-12, atol=1e-12)


def test_new_values_in_forward_mode_and_in_pictures_of_the_model():
    net = odec.load(PAIR, engine="torch").Model(engine="torch")
    x0, direction = torch.tensor([0.35, 0.2], dtype=F64), torch.tensor([1.0, -2.0], dtype=F64)
    us = torch.zeros(6, dtype=F64)

    def run(x0):
        return net(T, x0=x0, inputs={"u": (T, us)})

    _, found = torch.func.jvp(run, (x0,), (direction,))
    a, b = net.a.detach(), net.b.detach()
    _, wanted = torch.func.jvp(lambda x0: pair_by_hand(a, b, x0, us), (x0,), (direction,))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    system = odec.parse(PAIR)
    assert "x(t + 1) + b" in latex(system)
    assert "grown   <-  x[t+1], y; b" in graph_text(system)
