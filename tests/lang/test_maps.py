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


DELAYED = """
const n = 2
param a = 0.3, b = 0.5, h = 0.1
init N = 1
init N[t-1] = h, N[t-2] = 2*h
init N[t-3] = N[t-1] + N
crowd = b*N[t-3]
N[t+1] = N*exp(a - crowd) + 0.1*N[t-1]*sum(v[t-1])
init v[n] = [0.5, 0.25], v[t-1] = h
v[t+1] = 0.9*v[t-1] + 0.1*N
obs y = 2*N
run t = 0 .. 3
"""


def delayed_by_hand(a, b, h, x0):
    """States (T, *batch, 3); the history is of the model's own N, 1."""
    N, v = x0[..., 0], x0[..., 1:]
    one, two, three = (value.expand(N.shape) for value in (h, 2 * h, h + 1))
    before, found = h.expand(v.shape), [x0]
    for _ in T[1:]:
        N_next = N * torch.exp(a - b * three) + 0.1 * one * before.sum(-1)
        v, before = 0.9 * before + 0.1 * N.unsqueeze(-1), v
        N, one, two, three = N_next, N, one, two
        found.append(torch.cat((N.unsqueeze(-1), v), -1))
    return torch.stack(found)


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_delays_and_their_histories_beside_a_loop(engine):
    module = odec.load(DELAYED, engine=engine)
    net = module.Model(engine=engine)
    assert module.STATES == ("N", "v[0]", "v[1]") and net.engine == engine
    a, b, h = (one.detach().clone().requires_grad_() for one in (net.a, net.b, net.h))
    x0 = torch.tensor([[1.0, 0.5, 0.25], [2.0, 0.1, 0.3]], dtype=F64, requires_grad=True)
    x, wanted = net(T, x0=x0), delayed_by_hand(a, b, h, x0)
    compared(x, wanted, (net.a, net.b, net.h, x0), (a, b, h, x0))
    assert [*module.unpack(x)] == ["N", "v"] and str(net.status) == "ok: 5 steps"
    torch.testing.assert_close(net.observe(T, x)[..., 0], 2 * x[..., 0], rtol=0, atol=0)
    prepared = net.prepared(T, x0=x0.detach())
    torch.testing.assert_close(prepared(x0.detach(), net.vector().detach()), x.detach(), rtol=1e-15, atol=0)
    first, state = net.sequence(torch.zeros(2, 0))
    rest, _ = net.sequence(torch.zeros(3, 0), state)
    torch.testing.assert_close(torch.cat((first, rest)), net(T)[1:], rtol=1e-15, atol=0)


def test_delays_are_no_columns_of_a_simulation():
    run = odec.simulate(DELAYED, init={"N": [1.0, 2.0]})
    assert run.state_names == ("N", "v[0]", "v[1]") and run.states.shape == (4, 2, 3)
    a, b, h = (torch.tensor(value, dtype=F64) for value in (0.3, 0.5, 0.1))
    x0 = torch.tensor([1.0, 0.5, 0.25], dtype=F64)
    wanted = delayed_by_hand(a, b, h, x0)[:4]
    torch.testing.assert_close(torch.from_numpy(run.states[:, 0]), wanted, rtol=1e-13, atol=0)


SCALAR = """
param a = 0.3, b = 0.5
init N = 1
init N[t-1] = 0.1
N[t+1] = N*exp(a - b*N[t-1])
obs y = 2*N
"""


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_a_map_with_delays_is_fitted(engine, tmp_path):
    y = 2 * odec.load(SCALAR).Model(adjoint="none")(T)[:, 0]
    rows = [f"{t:g},{value!r}" for t, value in zip(T.tolist(), y.tolist(), strict=True)]
    data = tmp_path / "data.csv"
    data.write_text("\n".join(["t,y", *rows]) + "\n", encoding="utf-8")
    text = SCALAR.replace("a = 0.3, b = 0.5", "a = 0.2, b = 0.6")
    found = odec.fit(text, data, engine=engine, progress=False)
    assert found.params == pytest.approx({"a": 0.3, "b": 0.5}, abs=1e-5)
