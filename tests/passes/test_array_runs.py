"""Whole runs of array models: states and gradients beside hand-written torch, for methods of each kind."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from array_models import array_model, array_op, module_of
from building import op, syms
from scipy.integrate import solve_ivp
from tiers import slow_but

N = 5
W1, W2, A, b, c, k, D, h, u, v, Z = syms("W1 W2 A b c k D h u v Z")


def network():
    """h' = W2 tanh(W1 h + b) - k h, of h [5]."""
    inner = op("tanh", array_op("matmul", "W1", "h") + b)
    shapes = {"h": (N,), "W1": (N, N), "W2": (N, N), "b": (N,)}
    params = {"W1": 0.1, "W2": 0.2, "b": 0.3, "k": 1.0}
    return array_model({"h": array_op("matmul", "W2", inner) - k * h}, shapes, params)


def network_by_hand(x, p):
    a, b, c, k = p["W1"], p["W2"], p["b"], p["k"]
    inner = torch.tanh((a @ x.unsqueeze(-1)).squeeze(-1) + c)
    return (b @ inner.unsqueeze(-1)).squeeze(-1) - k[..., None] * x


def diffusion():
    """u' = D (u[i-1] - 2 u[i] + u[i+1]) + k u (1 - v), v' = sum(u) - v: closed ends, and a number beside."""

    def part(index, *shape):
        taken = array_op("slice", u, static=(index,))
        return array_op("reshape", taken, static=shape) if shape else taken

    last = N - 1
    first, end = part(1, 1) - part(0, 1), part(last - 1, 1) - part(last, 1)
    inner = part(f"0:{last - 1}") - 2 * part(f"1:{last}") + part(f"2:{N}")
    along = array_op("concat", first, inner, end, static=(0,))
    equations = {"u": D * along + k * u * (1 - v), "v": array_op("sum", u) * 0.1 - v}
    return array_model(equations, {"u": (N,)}, {"D": 0.5, "k": 1.0})


def diffusion_by_hand(x, p):
    u, v = x[..., :N], x[..., N:]
    along = torch.cat(
        (u[..., 1:2] - u[..., :1], u[..., :-2] - 2 * u[..., 1:-1] + u[..., 2:], u[..., -2:-1] - u[..., -1:]),
        -1,
    )
    rate = p["D"][..., None] * along + p["k"][..., None] * u * (1 - v)
    return torch.cat((rate, 0.1 * u.sum(-1, keepdim=True) - v), -1)


def products():
    """Z' = A Z - Z * Z / (1 + norm(Z)**2), of a matrix Z [2, 3]."""
    size = array_op("norm", Z)
    equations = {"Z": array_op("matmul", "A", "Z") - Z * Z / (1 + size**2)}
    return array_model(equations, {"Z": (2, 3), "A": (2, 2)}, {"A": 0.1})


def products_by_hand(x, p):
    z = x.unflatten(-1, (2, 3))
    size = (z * z).sum((-1, -2))[..., None, None]
    return (p["A"] @ z - z * z / (1 + size)).flatten(-2)


MODELS = {
    "network": (network, network_by_hand),
    "diffusion": (diffusion, diffusion_by_hand),
    "products": (products, products_by_hand),
}


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(module, batch=()):
    """First states (3, n), and parameters by name, shared by the trajectories or with a value for each."""
    x0 = 0.5 + 0.2 * normal(1, 3, len(module.STATES))
    params = {
        one.name: 0.4 * normal(k + 2, *batch, *one.shape) + (0.3 if not one.shape else 0.0)
        for k, one in enumerate(module.COMPILED.params)
    }
    return x0, params


def euler(f, x, step):
    return x + step * f(x)


def rk4(f, x, step):
    k1 = f(x)
    k2 = f(x + step / 2 * k1)
    k3 = f(x + step / 2 * k2)
    return x + step / 6 * (k1 + 2 * k2 + 2 * k3 + f(x + step * k3))


BY_HAND = {"euler": euler, "rk4": rk4}


@pytest.mark.parametrize("batch", [(), (3,)], ids=["shared", "each"])
@pytest.mark.parametrize("method", BY_HAND)
@pytest.mark.parametrize("name", MODELS)
def test_fixed_steps_and_their_gradients_are_those_written_by_hand(name, method, batch):
    model, by_hand = MODELS[name]
    module = module_of(model(), method)
    x0, params = drawn(module, batch)
    t = torch.linspace(0, 0.8, 5, dtype=torch.float64)
    found = []
    for run in (0, 1):
        given = {key: value.clone().requires_grad_() for key, value in params.items()}
        start = x0.clone().requires_grad_()
        if run:
            xs = module.Model(dt=0.1)(t, x0=start, params=given)
        else:
            x, states = start, [start]
            for k in range(8):
                x = BY_HAND[method](lambda y: by_hand(y, given), x, 0.1)  # noqa: B023
                states += [x] if k % 2 else []
            xs = torch.stack(states)
        (xs * normal(9, *xs.shape)).sum().backward()
        found.append([xs.detach(), start.grad, *(value.grad for value in given.values())])
    for wanted, got in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-11, atol=1e-12)


METHODS = ("dopri5", "kvaerno5", "radau_iia5", "rodas5p", "auto", "adams")
QUICK = (("network", "auto"), ("diffusion", "rodas5p"), ("products", "kvaerno5"))
CASES = slow_but([(name, method) for name in MODELS for method in METHODS], lambda *case: case in QUICK)


@pytest.mark.parametrize(("name", "method"), CASES)
def test_steps_by_tolerance_come_to_the_solution_of_scipy(name, method):
    model, by_hand = MODELS[name]
    module = module_of(model(), method)
    x0, params = drawn(module)
    t = np.linspace(0, 2, 4)
    xs = module.Model(rtol=1e-9, atol=1e-11)(torch.tensor(t), x0=x0[:1], params=params)

    def rate(_, y):
        return by_hand(torch.tensor(y), params).numpy()

    exact = solve_ivp(rate, (0, 2), x0[0].numpy(), "DOP853", t, rtol=1e-12, atol=1e-13).y.T
    np.testing.assert_allclose(xs[:, 0].detach(), exact, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("name", "method"), CASES)
def test_gradients_of_steps_by_tolerance_are_those_of_autograd(name, method):
    """The discrete adjoint and the tangent, of shared parameters and of those of each trajectory."""
    module = module_of(MODELS[name][0](), method)
    t = torch.tensor([0.0, 0.5, 1.1], dtype=torch.float64)
    for batch in ((), (3,)):
        x0, params = drawn(module, batch)
        found = []
        for adjoint in ("autograd", "discrete"):
            net = module.Model(rtol=1e-4, atol=1e-6, adjoint=adjoint)
            given = [x0.clone().requires_grad_(), net.vector(params).detach().clone().requires_grad_()]
            xs = net(t, x0=given[0], params=given[1])
            (xs * normal(9, *xs.shape)).sum().backward()
            found.append([xs.detach(), *(value.grad for value in given)])
        for wanted, got in zip(*found, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-11)
        values = tuple(value.detach() for value in given)
        directions = tuple(normal(10, *value.shape) for value in values)
        run = partial(lambda net, x, p: net(t, x0=x, params=p), net)
        _, tangent = torch.func.jvp(run, values, directions)
        along = sum((g * d).sum() for g, d in zip(found[1][1:], directions, strict=True))
        torch.testing.assert_close((tangent * normal(9, *xs.shape)).sum(), along, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("method", ["rk4", "rodas5p"])
def test_the_continuous_adjoint_comes_to_the_discrete_one(method):
    module = module_of(network(), method)
    x0, params = drawn(module)
    t, found = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64), []
    steps = {"dt": 0.01} if method == "rk4" else {"rtol": 1e-9, "atol": 1e-11}
    for adjoint in ("discrete", "continuous"):
        net = module.Model(adjoint=adjoint, **steps)
        p = net.vector(params).detach().requires_grad_()
        net(t, x0=x0, params=p).square().sum().backward()
        found.append(p.grad)
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-8)
