"""Sequences through maps, and their cells, beside the same recurrences written by hand in torch."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import odec

F64 = torch.float64

PAIR = """
param a = 0.7 in (0, inf)
param b = -0.4
input u, v
init x = 0.2, y = 0.5*a
x[t+1] = a*sin(x) + 0.3*y*v + 0.01*t
y[t+1] = tanh(x[t+1] + b*y) + u
obs z = x*u - y
"""

CELL = """
const n = 3
param W[n, n] = glorot(), V[n, 2] = uniform(-0.5, 0.5), b[n] = 0
input u[2]
init h[n] = 0
h[t+1] = tanh(W @ h + V @ u + b)
obs y = sum(h)
"""

NAMED = """
param sequence = 2, layer = 3, reset_parameters = 1
init x = 1
x[t+1] = sequence*layer*reset_parameters*x
"""


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


@pytest.fixture(scope="module")
def pair():
    return odec.load(PAIR, engine="native")


@pytest.fixture(scope="module")
def layer():
    return odec.load(CELL)


def by_hand(a, b, u, x, y):
    """States (T, *batch, 2) and observables (T, *batch, 1)."""
    states, observed = [], []
    for k, row in enumerate(u.unbind(0)):
        x = a * torch.sin(x) + 0.3 * y * row[..., 1] + 0.01 * k
        y = torch.tanh(x + b * y) + row[..., 0]
        states.append(torch.stack((x, y), -1))
        observed.append((x * row[..., 0] - y).unsqueeze(-1))
    return torch.stack(states), torch.stack(observed)


def gradients(outputs, inputs):
    loss = sum((torch.linspace(-1, 2, x.numel(), dtype=x.dtype).reshape(x.shape) * x).sum() for x in outputs)
    return torch.autograd.grad(loss, inputs)


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_a_sequence_and_its_gradients_are_those_written_by_hand(pair, engine):
    net = pair.Model(engine=engine)
    u, x0, y0 = (
        normal(1, 6, 4, 2).requires_grad_(),
        normal(2, 4).requires_grad_(),
        normal(3, 4).requires_grad_(),
    )
    raw = list(net.parameters())
    xs, (x, y) = net.sequence(u, (x0, y0))
    zs, _ = net.sequence(u, (x0, y0), output="observables")
    found = gradients((xs, zs), (u, x0, y0, *raw))
    wanted = by_hand(net.a, net.b, u, x0, y0)
    torch.testing.assert_close((xs, zs), wanted, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(torch.stack((x, y), -1), xs[-1], rtol=0, atol=0)
    expected = gradients(wanted, (u, x0, y0, *raw))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_a_sequence_goes_on_where_the_last_ended(pair, engine):
    net, u = pair.Model(engine=engine), normal(1, 6, 1, 2)
    whole, end = net.sequence(u)
    first, state = net.sequence(u[:2])
    rest, last = net.sequence(u[2:], state, start=2)
    torch.testing.assert_close(torch.cat((first, rest)), whole, rtol=1e-15, atol=0)
    torch.testing.assert_close(last, end, rtol=1e-15, atol=0)
    only, _ = net.sequence(u, last=True)
    measured = [net.sequence(u, output="observables", last=one)[0] for one in (True, False)]
    assert torch.equal(only, whole[-1]) and torch.equal(measured[0], measured[1][-1])
    nothing, (x, y) = net.sequence(u[:0])
    assert nothing.shape == (0, 1, 2) and (x.item(), y.item()) == pytest.approx((0.2, 0.35))


def test_a_sequence_is_a_run_whose_inputs_are_held(pair):
    net, u = pair.Model(engine="torch"), normal(1, 5, 3, 2)
    t = torch.arange(6, dtype=F64)
    given = {"u": (t[:-1], u[..., 0]), "v": (t[:-1], u[..., 1])}
    torch.testing.assert_close(net.sequence(u)[0], net(t, inputs=given)[1:], rtol=1e-15, atol=0)


def test_values_for_each_trajectory_and_single_precision(pair):
    net, u = pair.Model(engine="torch"), normal(1, 4, 2)
    a = torch.tensor([0.5, 0.9], dtype=F64)
    xs, _ = net.sequence(u, params={"a": a})
    wanted, _ = by_hand(a, net.b, u.unsqueeze(1), a.new_tensor(0.2), 0.5 * a)
    torch.testing.assert_close(xs, wanted, rtol=1e-14, atol=0)
    single, _ = pair.Model(engine="torch", dtype=torch.float32).sequence(u.float(), params={"a": a})
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), wanted, rtol=1e-5, atol=1e-6)


def test_sequences_in_forward_mode_and_twice_differentiated(layer):
    net, u = layer.Model(seed=1), normal(1, 4, 2)
    W, V = net.W.detach(), net.V.detach()

    def own(u):
        return net.sequence(u)[0].square().sum()

    def other(u):
        h = u.new_zeros(3)
        return sum((h := torch.tanh(W @ h + V @ row)).square().sum() for row in u)

    for transform in (
        torch.func.grad,
        lambda f: lambda u: torch.func.jvp(f, (u,), (u,))[1],
        torch.func.hessian,
    ):
        torch.testing.assert_close(transform(own)(u), transform(other)(u), rtol=1e-12, atol=1e-12)
    for net.adjoint in ("discrete", "autograd"):
        found = torch.autograd.functional.hessian(own, u)
        torch.testing.assert_close(found, torch.func.hessian(other)(u), rtol=1e-12, atol=1e-12)
    net.adjoint = "none"
    assert not net.sequence(u)[0].requires_grad


def test_a_cell_owns_its_parameters(layer, pair):
    cell, net = layer.StepCell(seed=2), layer.Model(seed=3)
    assert [*cell.state_dict()] == ["W", "V", "b"]
    u = normal(1, 5, 4, 2).requires_grad_()
    net.load_state_dict(cell.state_dict())
    h = None
    for row in u:
        h = cell(row, h)
    expected = net.sequence(u, last=True)[0]
    torch.testing.assert_close(h, expected, rtol=1e-15, atol=0)
    got = gradients((h,), (u, *cell.parameters()))
    torch.testing.assert_close(got, gradients((expected,), (u, *net.parameters())), rtol=1e-13, atol=1e-14)
    row, x, y = normal(1, 4, 2), normal(2, 4), normal(3, 4)
    found = pair.StepCell()(row, (x, y), t=2.0)
    wanted = 0.7 * torch.sin(x) + 0.3 * y * row[:, 1] + 0.02
    torch.testing.assert_close(found, (wanted, torch.tanh(wanted - 0.4 * y) + row[:, 0]), rtol=1e-13, atol=0)


def test_a_cell_is_reset_by_its_seed_and_copied(layer):
    cell, again = layer.StepCell(seed=2), layer.StepCell(seed=4)
    assert not torch.equal(cell.W, again.W)
    again.reset_parameters(seed=2)
    assert torch.equal(cell.W, again.W) and torch.equal(cell.V, again.V)
    torch.manual_seed(7)
    cell.reset_parameters()
    torch.manual_seed(7)
    again = nn.init.xavier_uniform_(torch.empty(3, 3, dtype=F64))
    assert torch.equal(cell.W, again) and torch.equal(copy.deepcopy(cell)(torch.ones(2)), cell(torch.ones(2)))
    assert repr(cell) == "StepCell(2 inputs, h)"


def test_a_cell_with_a_network_owns_its_weights():
    text = (
        "net f(h, u) -> g = mlp(4, tanh)\ninput u\ninit h = 0\nparam k[2] = normal(0, 1)\nh[t+1] = g + k[0]"
    )
    module = odec.load(text)
    cell, net = module.StepCell(seed=0), module.Model(seed=0)
    assert [*cell.state_dict()] == [*net.state_dict()]
    u = normal(1, 3, 2, 1)
    torch.testing.assert_close(cell(u[0]), net.sequence(u[:1], last=True)[0][:, 0], rtol=1e-15, atol=0)
    drawn = cell.state_dict()["f.0.weight"].clone()
    cell.reset_parameters(seed=1)
    assert not torch.equal(cell.f[0].weight, drawn)
    cell.reset_parameters(seed=0)
    assert all(
        torch.equal(one, other) for one, other in zip(cell.parameters(), net.parameters(), strict=True)
    )


def test_parameters_may_bear_the_names_of_what_a_model_does():
    module = odec.load(NAMED)
    net, cell = module.Model(), module.StepCell()
    assert net.layer()(torch.zeros(2, 0)).flatten().tolist() == [6, 36]
    cell.reset_parameters()
    assert cell().item() == 6 and net.vector().tolist() == [2, 3, 1]


def test_a_layer_trains_within_a_sequential(layer):
    torch.manual_seed(0)
    model = nn.Sequential(layer.Model(seed=1).layer(last=True), nn.Linear(3, 1, dtype=F64))
    u, target = normal(1, 4, 8, 2), normal(2, 8, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(40):
        losses.append((model(u) - target).square().mean())
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] / 3
    assert {"0.net.W", "1.weight"} < {*model.state_dict()}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda net: net.sequence(torch.zeros(4, 3)),
            ValueError,
            r"\(T, \*batch, 2\), a column for each of INPUTS",
        ),
        (lambda net: net.sequence(torch.zeros(4, 2), torch.zeros(2)), ValueError, r"h is \(\*batch, 3\)"),
        (lambda net: net.sequence(torch.zeros(4, 2), (1, 2)), ValueError, "the state is h, not 2 tensors"),
        (lambda net: net.sequence(torch.zeros(4, 5, 2), torch.zeros(4, 3)), ValueError, "do not broadcast"),
        (lambda net: net.sequence(torch.zeros(4, 2), output="y"), ValueError, '"states" or "observables"'),
        (
            lambda net: net.sequence(torch.zeros(0, 2), output="observables", last=True),
            ValueError,
            "no last observables",
        ),
        (
            lambda net: odec.load("init x = 1\nx' = -x").Model().sequence(torch.zeros(1, 0)),
            TypeError,
            "an ODE",
        ),
    ],
)
def test_what_does_not_fit_is_told(layer, call, error, words):
    with pytest.raises(error, match=words):
        call(layer.Model(seed=1))
