"""External nets: modules of torch as terms of a model, beside the same steps in hand-written torch."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

import odec
from odec.diagnostics import Source, render_text
from odec.errors import ArgumentError
from odec.lang import parse

F64 = torch.float64
T = torch.linspace(0.0, 0.4, 3, dtype=F64)
TEXT = """
param k = 0.5
net f(h[2, 3], t) -> dh[2, 3] external
net g(x) -> v external
init h[2, 3] = 0.3, x = 1
h' = dh - k*h
x' = v - x + sum(f(2*h, x))/10
obs total = sum(dh)
"""


class Module(nn.Module):
    """dh of h (B, 2, 3) and t (B,)."""

    def __init__(self):
        super().__init__()
        self.norm, self.first, self.second = nn.GroupNorm(1, 2), nn.Linear(7, 5), nn.Linear(5, 6)

    def forward(self, h, t):
        inner = torch.tanh(self.first(torch.cat((self.norm(h).flatten(1), t[:, None]), 1)))
        return self.second(inner).unflatten(1, (2, 3))


class Scalar(nn.Module):
    """v (B,) of x (B,)."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.7))

    def forward(self, x):
        return torch.sin(self.scale * x)


def modules():
    torch.manual_seed(2)
    return {"f": Module(), "g": Scalar()}


def rate(nets, k, t, y):
    h, x = y[:, :6].unflatten(1, (2, 3)), y[:, 6]
    dh = nets["f"](h, torch.full_like(x, t))
    dx = nets["g"](x) - x + nets["f"](2 * h, x).sum((1, 2)) / 10
    return torch.cat(((dh - k * h).flatten(1), dx[:, None]), 1)


def by_hand(nets, k, y, dt=0.1):
    found, t = [y], 0.0
    for _ in range(round(0.4 / dt)):
        k1 = rate(nets, k, t, y)
        k2 = rate(nets, k, t + dt / 2, y + dt / 2 * k1)
        k3 = rate(nets, k, t + dt / 2, y + dt / 2 * k2)
        k4 = rate(nets, k, t + dt, y + dt * k3)
        y, t = y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4), t + dt
        found.append(y)
    return torch.stack(found[:: round(0.2 / dt)])


def starts(count=4):
    return torch.randn(count, 7, dtype=F64, generator=torch.Generator().manual_seed(3))


def loss_of(x):
    return (x * torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).reshape(x.shape)).sum()


def gradients_by_hand(dt):
    """The states, and gradients by name."""
    nets, k = modules(), torch.tensor(0.5, dtype=F64, requires_grad=True)
    nets = {name: module.double() for name, module in nets.items()}
    x0 = starts().requires_grad_()
    x = by_hand(nets, k, x0, dt)
    loss_of(x).backward()
    named = {f"{n}.{key}": p.grad for n, net in nets.items() for key, p in net.named_parameters()}
    return x.detach(), {"k": k.grad, "x0": x0.grad, **named}


def gradients_of(net):
    x0 = starts().requires_grad_()
    x = net(T, x0)
    loss_of(x).backward()
    return x.detach(), {"x0": x0.grad} | {name: p.grad for name, p in net.named_parameters()}


@pytest.fixture(scope="module")
def fixed():
    return odec.load(TEXT, method="rk4")


@pytest.fixture(scope="module")
def adaptive():
    return odec.load(TEXT)


def test_fixed_steps_and_gradients_are_those_of_torch(fixed):
    wanted, slopes = gradients_by_hand(0.1)
    for adjoint in ("discrete", "autograd"):
        x, found = gradients_of(fixed.Model(**modules(), dt=0.1, adjoint=adjoint))
        torch.testing.assert_close(x, wanted, rtol=1e-13, atol=1e-13)
        assert found.keys() == slopes.keys()
        for name, value in slopes.items():
            torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-12, msg=name)


@pytest.mark.parametrize("adjoint", ["discrete", "continuous"])
def test_steps_by_tolerance_and_both_adjoints(adaptive, adjoint):
    assert adaptive.COMPILED.method.name == "dopri5"
    tight = {} if adjoint == "discrete" else {"adjoint_rtol": 1e-10, "adjoint_atol": 1e-12}
    net = adaptive.Model(**modules(), rtol=1e-10, atol=1e-12, adjoint=adjoint, **tight)
    wanted, slopes = gradients_by_hand(0.005)
    x, found = gradients_of(net)
    torch.testing.assert_close(x, wanted, rtol=1e-8, atol=1e-9)
    for name, value in slopes.items():
        torch.testing.assert_close(found[name], value, rtol=1e-7, atol=1e-8, msg=name)


def test_tangents_and_parameters_of_each_trajectory(fixed):
    net = fixed.Model(**modules(), dt=0.1)
    p, x0 = net.vector().detach(), starts(2)
    assert p.shape == (1 + 4 + 35 + 5 + 30 + 6 + 1,) and [*fixed.PARAMS] == ["k"]
    direction = torch.randn(p.shape, dtype=F64, generator=torch.Generator().manual_seed(6))
    _, tangent = torch.func.jvp(lambda p: net(T, x0, p), (p,), (direction,))
    step = 1e-5
    ahead, behind = (net(T, x0, p + sign * step * direction) for sign in (1, -1))
    torch.testing.assert_close(tangent, (ahead - behind) / (2 * step), rtol=1e-7, atol=1e-8)
    several = torch.stack([p, p + step * direction]).requires_grad_()
    x = net(T, x0, several)
    torch.testing.assert_close(x[:, 1], net(T, x0[1], several[1]), rtol=1e-12, atol=1e-12)
    apart = torch.autograd.grad(loss_of(x[:, 1]), several)[0]
    alone = several[1].detach().requires_grad_()
    wanted = torch.autograd.grad(loss_of(net(T, x0[1], alone)), alone)[0]
    torch.testing.assert_close(apart[1], wanted, rtol=1e-10, atol=1e-12)
    assert not apart[0].any()
    given = net(T, x0, {"k": torch.tensor([0.5, 0.6], dtype=F64)})
    torch.testing.assert_close(given[:, 0], net(T, x0[0]), rtol=1e-12, atol=1e-12)


def test_modules_are_parts_of_the_model(fixed):
    given = modules()
    net = fixed.Model(**given, dt=0.1)
    assert net.f is given["f"] and net.f.first.weight.dtype == F64
    assert [name for name, _ in net.named_parameters()][:3] == ["k", "f.norm.weight", "f.norm.bias"]
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(T), net(T))
        with torch.no_grad():
            other.f.first.bias += 1
        assert not torch.equal(other(T), net(T))
    single = fixed.Model(**modules(), dt=0.1, dtype=torch.float32)
    torch.testing.assert_close(single(T.float()).double(), net(T), rtol=1e-5, atol=1e-6)
    x = net(T, starts())
    total = net.f(x[1, :, :6].unflatten(1, (2, 3)), T[1].expand(4)).sum((1, 2))
    torch.testing.assert_close(net.observe(T, x)[1, :, 0], total)
    with pytest.raises(AttributeError, match="is a net of the model"):
        net.f = Module()


def test_what_does_not_fit_is_told(fixed):
    with pytest.raises(TypeError, match=r"net g is external.*takes an nn.Module: none was given"):
        fixed.Model(f=Module())
    with pytest.raises(TypeError, match="not a function"):
        fixed.Model(f=lambda h, t: h, g=Scalar())
    with pytest.raises(ValueError, match=r"module of g returned \(4, 1\) for B = 4; the model says \(B\)"):
        fixed.Model(f=Module(), g=nn.Unflatten(0, (-1, 1)), dt=0.1)(T, starts())
    with pytest.warns(UserWarning, match="batch norm that trains"):
        fixed.Model(f=nn.Sequential(Module(), nn.BatchNorm1d(2)), g=Scalar(), dt=0.1)
    with pytest.raises(ArgumentError, match=r"external net f is a module of torch.*engine='torch'"):
        odec.load(TEXT, method="rk4", engine="native")
    for method in ("auto", "rodas4"):
        with pytest.raises(ArgumentError, match="second derivatives"):
            odec.load(TEXT, method=method)
    with pytest.raises(RuntimeError, match=r"only Model\(f=module\) knows it"):
        fixed.rhs(T[0], starts(), torch.zeros(82, dtype=F64))


@pytest.mark.parametrize(
    "statement, code, words",
    [
        ("net f(h[2, 4]) -> dh[2, 3] external", "E402", ["[2, 3]", "[2, 4]"]),
        ("net f(h) -> (dh[2, 3], u) external", "E321", ["gives one array"]),
        ("net f(h) -> dh[6] external", "E402", ["shapes do not go together: [6] and [2, 3]"]),
    ],
)
def test_what_statements_say_wrongly(statement, code, words):
    _, found = parse(Source("model.ode", f"init h[2, 3] = 0\n{statement}\nh' = dh - h\n"))
    told = render_text([d for d in found if d.code == code])
    assert told and all(word in told for word in words), [d.message for d in found]
