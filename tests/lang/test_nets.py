"""Networks as terms of a model, beside the equal torch.nn.Sequential in hand-written torch."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

import odec
from odec.diagnostics import Source
from odec.lang import format_source, parse

F64 = torch.float64
T = torch.linspace(0.0, 0.4, 3, dtype=F64)
KINDS = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}
FORMS = """
const n = 3
param k = 0.7
init h[n, 2] = 0.1, x = 1
net f(h, x, t) -> (dh[n, 2], w) = mlp(6, silu, bias=false)
net tanh1(x) -> a = mlp(4, 4, tanh)
net relu1(x) -> b = mlp(5, relu)
net soft1(x, h[0, 0]) -> c = mlp(4, softplus)
net sig1(k*x) -> d = mlp(4, sigmoid)
net gelu1(x) -> r[2] = mlp(4, n, gelu)
net affine(x) -> q = mlp()
pair = f(2*h, x**2, 0)
s[i] = soft1(h[i, 0], x) for i in 0 .. n-1
e[i, j] = tanh1(h[i, j]) for i in 0 .. n-1, j in 0 .. 1
v[i, :] = gelu1(h[i, 1]) for i in 0 .. n-1
h' = dh - h + v*affine(x)
x' = a + b + c + d + q + w - x + sum(pair)/7 + sum(s) + sum(e) + sum(r*r)
"""


def sequential(sizes, activation, bias=True):
    layers = []
    for wide, out in zip(sizes, sizes[1:], strict=False):
        layers += [KINDS[activation]()] if layers else []
        layers.append(nn.Linear(wide, out, bias, dtype=F64))
    return nn.Sequential(*layers)


def equal_nets():
    """The networks of FORMS, drawn in the order of its text."""
    kinds = {
        "f": ((8, 6, 7), "silu", False),
        "tanh1": ((1, 4, 4, 1), "tanh"),
        "relu1": ((1, 5, 1), "relu"),
        "soft1": ((2, 4, 1), "softplus"),
        "sig1": ((1, 4, 1), "sigmoid"),
        "gelu1": ((1, 4, 3, 2), "gelu"),
        "affine": ((1, 1), "tanh"),
    }
    return nn.ModuleDict({name: sequential(*kind) for name, kind in kinds.items()})


def forms_by_hand(nets, t, y, k):
    """The right-hand side of FORMS for y (..., 7)."""
    h, x = y[..., :6].unflatten(-1, (3, 2)), y[..., 6:]
    one = {name: (lambda *args, net=net: net(torch.cat(args, -1))) for name, net in nets.items()}
    time = torch.full_like(x, t)
    dh, w = one["f"](h.flatten(-2), x, time).split([6, 1], -1)
    pair = one["f"](2 * h.flatten(-2), x**2, 0 * x)
    s = one["soft1"](h[..., :1], x[..., None, :].expand(*x.shape[:-1], 3, 1))
    e, v = one["tanh1"](h[..., None]), one["gelu1"](h[..., 1:])
    rate_h = dh - h.flatten(-2) + (v * one["affine"](x)[..., None]).flatten(-2)
    alone = sum(one[name](x) for name in ("tanh1", "relu1", "affine"))
    alone = alone + one["soft1"](x, h[..., 0, :1]) + one["sig1"](k * x) + w - x
    sums = pair.sum(-1) / 7 + s.sum((-2, -1)) + e.sum((-3, -2, -1)) + (one["gelu1"](x) ** 2).sum(-1)
    return torch.cat((rate_h, alone + sums[..., None]), -1)


def by_hand(nets, y, k, dt=0.1):
    """rk4 of the forms at T."""
    found, t = [y], 0.0
    for _ in range(4):
        k1 = forms_by_hand(nets, t, y, k)
        k2 = forms_by_hand(nets, t + dt / 2, y + dt / 2 * k1, k)
        k3 = forms_by_hand(nets, t + dt / 2, y + dt / 2 * k2, k)
        k4 = forms_by_hand(nets, t + dt, y + dt * k3, k)
        y, t = y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4), t + dt
        found.append(y)
    return torch.stack(found[::2])


@pytest.fixture(scope="module")
def forms():
    return odec.load(FORMS, method="rk4", engine="native")


def states_and_gradients(net, x0):
    x = net(T, x0)
    weight = torch.linspace(0.5, 1.5, x.numel(), dtype=F64).reshape(x.shape)
    found = torch.autograd.grad((weight * x).sum(), list(net.parameters()))
    return x.detach(), dict(zip([name for name, _ in net.named_parameters()], found, strict=True))


def starts(count):
    return torch.randn(count, 7, dtype=F64, generator=torch.Generator().manual_seed(5))


def test_every_form_is_what_torch_makes_of_the_equal_modules(forms):
    """States and the gradients of all weights, on both engines, over a batch."""
    torch.manual_seed(11)
    nets = equal_nets()
    x0, k = starts(5), torch.tensor(0.7, dtype=F64, requires_grad=True)
    wanted = by_hand(nets, x0, k)
    weight = torch.linspace(0.5, 1.5, wanted.numel(), dtype=F64).reshape(wanted.shape)
    (weight * wanted).sum().backward()
    slopes = {"k": k.grad} | {name: value.grad for name, value in nets.named_parameters()}
    runs = [states_and_gradients(forms.Model(dt=0.1, seed=11, engine=e), x0) for e in ("torch", "native")]
    for x, gradients in runs:
        torch.testing.assert_close(x, wanted.detach(), rtol=1e-12, atol=1e-12)
        assert gradients.keys() == slopes.keys()
        for name, value in slopes.items():
            torch.testing.assert_close(gradients[name], value, rtol=1e-10, atol=1e-10, msg=name)
    for name in slopes:
        torch.testing.assert_close(runs[0][1][name], runs[1][1][name], rtol=1e-11, atol=1e-11)


def test_tangents_and_single_precision(forms):
    net = forms.Model(dt=0.1, seed=11, engine="torch")
    names, p, x0 = [*forms.PARAMS], net.vector().detach(), starts(2)
    assert names[:2] == ["k", "f.0.weight"]
    direction = torch.randn(p.shape, dtype=F64, generator=torch.Generator().manual_seed(6))
    _, tangent = torch.func.jvp(lambda p: net(T, x0, p), (p,), (direction,))
    step = 1e-5
    central = (net(T, x0, p + step * direction) - net(T, x0, p - step * direction)) / (2 * step)
    torch.testing.assert_close(tangent, central, rtol=1e-7, atol=1e-7)
    single = forms.Model(dt=0.1, engine="native", dtype=torch.float32)
    single.load_state_dict({name: value.float() for name, value in net.state_dict().items()})
    torch.testing.assert_close(single(T.float(), x0.float()).double(), net(T, x0), rtol=1e-5, atol=1e-5)


SMALL = """
init a = 0.5, b = 1
net f(a, b) -> (u, v) = mlp(8, tanh{options})
a' = u - a
b' = v - b
"""


@pytest.fixture(scope="module")
def small():
    return odec.load(SMALL.format(options=""), engine="torch")


def same(one, other):
    return all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())


def test_equal_seeds_give_the_bits_of_the_equal_sequential(small):
    torch.manual_seed(4)
    wanted = sequential((2, 8, 2), "tanh")
    assert same(wanted, small.Model(seed=4).f)
    torch.manual_seed(4)
    assert same(wanted, small.Model().f)
    assert not same(wanted, small.Model(seed=5).f)
    own = odec.load(SMALL.format(options=", seed=4"), method="euler", engine="torch")
    assert same(wanted, own.Model(dt=0.1).f) and same(wanted, own.Model(dt=0.1, seed=9).f)


def test_state_dicts_go_both_ways(small):
    net, other = small.Model(seed=1), sequential((2, 8, 2), "tanh")
    assert [*net.f.state_dict()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert [*net.state_dict()] == [f"f.{key}" for key in net.f.state_dict()]
    before = net(T)
    net.f.load_state_dict(other.state_dict())
    assert same(other, net.f) and not torch.equal(net(T), before)
    torch.testing.assert_close(net.f(torch.ones(3, 2, dtype=F64)), other(torch.ones(3, 2, dtype=F64)))
    other.load_state_dict(small.Model(seed=2).f.state_dict())
    assert same(small.Model(seed=2).f, other)
    again = small.Model(seed=3)
    again.load_state_dict(net.state_dict())
    assert torch.equal(again(T), net(T))


def test_weights_are_parameters_like_others(small):
    net = small.Model(seed=1)
    assert small.PARAMS == ("f.0.weight", "f.0.bias", "f.2.weight", "f.2.bias")
    assert all(torch.equal(one(T), net(T)) for one in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))))
    biases = torch.arange(16, dtype=F64).reshape(2, 8) / 8
    several = net(T, params={"f.0.bias": biases})
    with torch.no_grad():
        net.f[0].bias.copy_(biases[1])
    torch.testing.assert_close(several[:, 1], net(T), rtol=1e-5, atol=1e-7)
    assert not any(p.requires_grad for p in net.freeze("f").parameters())
    assert net.thaw("f.2.bias").f[2].bias.requires_grad
    with pytest.raises(AttributeError, match=r"net\.f\.load_state_dict"):
        net.f = sequential((2, 8, 2), "tanh")


@pytest.mark.parametrize("adjoint", ["discrete", "continuous"])
def test_steps_by_tolerance_and_both_adjoints(small, adjoint):
    """Gradients beside those of one long run in small steps, by torch's own autograd."""
    tight = {} if adjoint == "discrete" else {"adjoint_rtol": 1e-10, "adjoint_atol": 1e-12}
    net = small.Model(seed=1, rtol=1e-10, atol=1e-12, adjoint=adjoint, **tight)
    net(T)[-1].square().sum().backward()
    own, x, h = copy.deepcopy(net.f), torch.tensor([0.5, 1.0], dtype=F64), 0.004
    own.zero_grad()
    for _ in range(100):
        k1 = own(x) - x
        k2 = own(x + h / 2 * k1) - (x + h / 2 * k1)
        k3 = own(x + h / 2 * k2) - (x + h / 2 * k2)
        k4 = own(x + h * k3) - (x + h * k3)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    x.square().sum().backward()
    for name, value in own.named_parameters():
        wanted = net.f.get_parameter(name).grad
        torch.testing.assert_close(value.grad, wanted, rtol=1e-8, atol=1e-9)


HEAD = "init x = 1, h[4] = 0\nx' = -x\nh' = -h\n"


@pytest.mark.parametrize(
    "text, code, words",
    [
        ("net f(x) -> u = mlp(3, tanh)\nobs y = f(x, x) + u", "E205", ["2 given", "line 4 defines 'f'"]),
        ("net f(h) -> u = mlp(3, tanh)\nobs y = f(h[0:2]) + u", "E402", ["[4]", "[2]", "line 4 defines"]),
        ("net f(x) -> u = mlp(2.5, tanh)\nobs y = u", "E404", ["whole number", "2.5"]),
        ("net f(x) -> u = mlp(0, tanh)\nobs y = u", "E404", ["positive"]),
        ("net f(x) -> u = mlp(x, tanh)\nobs y = u", "E311", ["a size cannot use the state 'x'"]),
        ("net f(x) -> u = mlp(3, tahn)\nobs y = u", "E321", ["unknown activation", "did you mean 'tanh'?"]),
        ("net f(x) -> u = mlp(3)\nobs y = u", "E321", ["no activation"]),
        ("net f(x) -> u = mlp(tanh)\nobs y = u", "E321", ["without a hidden layer"]),
        ("net f(x) -> u = cnn(3, tanh)\nobs y = u", "E321", ["no kind of network"]),
        ("net f(x) -> u = mlp(3, tanh, bias=2)\nobs y = u", "E321", ["true or false"]),
        ("net f(x) -> u = mlp(3, tanh, seed=0.5)\nobs y = u", "E403", ["a seed is a whole number"]),
        ("net f(x) -> u = mlp(seed=1, 3, tanh)\nobs y = u", "E321", ["behind `bias` or `seed`"]),
        ("net f(x)\nobs y = x", "E321", ["what it gives"]),
        ("net f() -> u = mlp(3, tanh)\nobs y = u", "E321", ["sees nothing"]),
        ("net f(x) -> u[3] = mlp(3, tanh)\nobs y = u + h", "E402", ["[3]", "[4]"]),
        ("net f(x) -> x = mlp(3, tanh)\nobs y = x", "E202", ["line 2 defines it first"]),
        ("net f(x) -> f = mlp(3, tanh)\nobs y = x", "E202", ["defined twice"]),
        ("net f(x) -> u = mlp(3, tanh)\nf = 2\nobs y = u", "E202", ["line 4 defines it first, as a net"]),
        ("net f(u) -> u = mlp(3, tanh)\nobs y = u", "E303", ["circular"]),
        ("net f(x) -> u = mlp(3, tanh)\nobs y = u + f", "E210", ["is a net, not a value"]),
        ("net f(x) -> u = mlp(3, tanh)\nconst c = f(1)\nobs y = u*c", "E311", ["it depends on 'f'"]),
        ("net f(x) -> u = mlp(3, tanh)\nobs y = x", "W602", ["'u' is never used"]),
    ],
)
def test_what_is_wrong_is_told(text, code, words):
    _, found = parse(Source("model.ode", HEAD + text + "\n"))
    told = [d for d in found if d.code == code]
    assert told, [f"{d.code} {d.message}" for d in found]
    whole = odec.diagnostics.render_text(told)
    assert all(word in whole for word in words), whole


def test_a_net_keeps_its_layout_and_its_name_is_free():
    line = "net f(a, b[0]) -> (u, v[2]) = mlp(16, 2**3, tanh, bias=false, seed=3)  # terms\n"
    loose = "net f( a,b[0] )->(u,v[ 2 ])=mlp(16,2**3,tanh,bias = false,seed=3)  #terms\n"
    assert format_source(Source("model.ode", loose)) == format_source(Source("model.ode", line)) == line
    system, _ = parse(Source("model.ode", "param net = 1\ninit x = 1\nx' = -net*x\n"))
    assert system.params[0].name == "net"
