"""Models of arrays as text, run by torch, beside the same models written by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import odec

F64 = torch.float64
T = torch.linspace(0.0, 0.5, 6, dtype=F64)


def net_of(text: str, **options):
    """The Model of a text, of rk4 with steps of 0.05."""
    return odec.load(text, method="rk4", engine="torch").Model(dt=0.05, **options)


def by_hand(f, x, times=T, dt=0.05):
    """rk4 of a function of whole arrays, at some times: (T, *shape)."""
    found = [x]
    for start, stop in zip(times.tolist(), times.tolist()[1:], strict=False):
        count = math.ceil((stop - start) / dt * (1 - 1e-10))
        h = (stop - start) / count
        for _ in range(count):
            k1 = f(x)
            k2 = f(x + h / 2 * k1)
            k3 = f(x + h / 2 * k2)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + f(x + h * k3))
        found.append(x)
    return torch.stack(found)


def alike(net, f, x, times=T):
    wanted = by_hand(f, x, times)
    torch.testing.assert_close(net(times), wanted.flatten(1), rtol=1e-12, atol=1e-12)


NETWORK = """
const n = 4
param W[n, n] = glorot()
param b[n] = [1, -1, 0.5, 2]
init h[n] = 0
h' = tanh(W @ h + b) - h
obs total = sum(h)
obs half = 2*h[0:2]
"""


def test_a_network_with_drawn_weights_and_its_gradients():
    net = net_of(NETWORK, seed=3)
    draw = torch.Generator().manual_seed(3)
    W = nn.init.xavier_uniform_(torch.empty(4, 4, dtype=F64), generator=draw).requires_grad_()
    assert torch.equal(net.W, W) and net.b.tolist() == [1, -1, 0.5, 2]
    b = net.b.detach().clone().requires_grad_()
    x, y = net(T), by_hand(lambda h: torch.tanh(W @ h + b) - h, torch.zeros(4, dtype=F64))
    torch.testing.assert_close(x, y, rtol=1e-12, atol=1e-12)
    (x**2).sum().backward()
    (y**2).sum().backward()
    torch.testing.assert_close(net.W.grad, W.grad, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(net.b.grad, b.grad, rtol=1e-10, atol=1e-12)
    seen = net.observe(T, x)
    torch.testing.assert_close(seen, torch.cat([x.sum(-1, keepdim=True), 2 * x[:, :2]], -1))
    assert net.compiled.states == ("h[0]", "h[1]", "h[2]", "h[3]")
    assert net.compiled.observables == ("total", "half[0]", "half[1]")


def test_draws_are_those_of_torch_in_its_order():
    text = """
param a[3] = normal(1, 2)
param c[2, 3] = uniform(-1, 2) in (-3, 3)
param q[3, 3] = orthogonal()
param one[2] = ones(), none[2] = zeros()
init x = 0
x' = sum(a) + sum(c) + sum(q) + sum(one) + sum(none)
"""
    torch.manual_seed(5)
    net = net_of(text)
    torch.manual_seed(5)
    a = nn.init.normal_(torch.empty(3, dtype=F64), 1, 2)
    c = nn.init.uniform_(torch.empty(2, 3, dtype=F64), -1, 2)
    q = nn.init.orthogonal_(torch.empty(3, 3, dtype=F64))
    assert torch.equal(net.a, a) and torch.equal(net.q, q)
    torch.testing.assert_close(net.c, c)
    assert net.one.tolist() == [1, 1] and net.none.tolist() == [0, 0]


HEAT = """
const n = 50, L = 1, dx = L/(n - 1)
param D = 0.01
const x[i] = i*dx for i in 0 .. n-1
init u[i] = sin(pi*x[i])*(if i == 3 then 2 else 1) for i in 0 .. n-1
u[0]' = 0
u[i]' = D*(u[i-1] - 2*u[i] + u[i+1])/dx**2 for i in 1 .. n-2
u[n-1]' = -u[n-1]
obs heat = sum(u[i]*dx for i in 0 .. n-1)
obs x2 = x[2]
"""


def test_heat_with_its_ends_apart():
    dx, x = 1 / 49, torch.arange(50, dtype=F64) / 49
    start = torch.sin(torch.pi * x)
    start[3] *= 2

    def rate(u):
        inner = 0.01 * (u[:-2] - 2 * u[1:-1] + u[2:]) / dx**2
        return torch.cat([u.new_zeros(1), inner, -u[-1:]])

    times = torch.linspace(0.0, 0.02, 3, dtype=F64)
    net = net_of(HEAT)
    alike(net, rate, start, times)
    u = net(times)
    torch.testing.assert_close(net.observe(times, u)[:, 0], (u * dx).sum(-1))
    torch.testing.assert_close(net.observe(times, u)[:, 1], x[2].expand(3))


def test_oscillators_that_each_see_all():
    net = net_of("""
const n = 8
param w[i] = 0.1*i for i in 0 .. n-1
param K[n, n] = 0.5
init th[i] = i for i in 0 .. n-1
th[i]' = w[i] + sum(K[i, j]*sin(th[j] - th[i]) for j in 0 .. n-1)/n for i in 0 .. n-1
obs r = sqrt(sum(cos(th))**2 + sum(sin(th))**2)/n
""")
    w, K = 0.1 * torch.arange(8, dtype=F64), torch.full((8, 8), 0.5, dtype=F64)
    start = torch.arange(8, dtype=F64)
    alike(net, lambda th: w + (K * torch.sin(th[None, :] - th[:, None])).sum(1) / 8, start)
    order = torch.polar(torch.ones_like(start), start).mean().abs()
    torch.testing.assert_close(net.observe(T[:1], start[None]), order.reshape(1, 1))


def test_a_ring_by_periodic_indices():
    net = net_of("""
const n = 40
param F = 8
init x[n] = 8
init x[0] = 8.01
x[i]' = (x[i+1] - x[i-2])*x[i-1] - x[i] + F for i in 0 .. n-1 periodic
""")
    start = torch.full((40,), 8.0, dtype=F64)
    start[0] = 8.01
    alike(net, lambda x: (x.roll(-1) - x.roll(2)) * x.roll(1) - x + 8, start)


def test_a_grid_whose_border_is_apart():
    net = net_of("""
const n = 5, m = 4
init u[i, j] = i + 10*j for i in 0 .. n-1, j in 0 .. m-1
u[i, j]' = u[i-1, j] + u[i+1, j] + u[i, j-1] + u[i, j+1] - 4*u[i, j] for i in 1 .. n-2, j in 1 .. m-2
u[0, :]' = [0, 1, 2, 3]
u[n-1, j]' = -u[n-2, j] for j in 0 .. m-1
u[i, 0]' = u[i, m-1] for i in 1 .. n-2
u[i, m-1]' = 0 for i in 1 .. n-2
""")
    start = torch.arange(5, dtype=F64)[:, None] + 10 * torch.arange(4, dtype=F64)

    def rate(u):
        found = torch.zeros_like(u)
        found[1:-1, 1:-1] = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
        found[0] = torch.arange(4, dtype=F64)
        found[-1] = -u[-2]
        found[1:-1, 0] = u[1:-1, -1]
        return found

    alike(net, rate, start)


def test_one_axis_may_be_periodic_and_the_other_not():
    net = net_of("""
init u[3, 4] = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 8, 7, 6]]
u[i, j]' = u[i+1, j+1] - u[i, j] for i in 0 .. 1, j in 0 .. 3 periodic j
u[2, :]' = 0
""")
    start = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8], [9, 8, 7, 6]], dtype=F64)
    alike(net, lambda u: torch.cat([u[1:].roll(-1, 1) - u[:-1], 0 * u[-1:]]), start)


FORMULAS = {
    "W @ v": lambda W, v: W @ v,
    "v @ W": lambda W, v: v @ W,
    "(W @ W.T)[:, 0]": lambda W, v: (W @ W.T)[:, 0],
    "[dot(v, v), v @ v, norm(v)]": lambda W, v: torch.stack([v @ v, v @ v, v.norm()]),
    "sum(W, axis=0) + mean(W, axis=1)": lambda W, v: W.sum(0) + W.mean(1),
    "max(W, axis=0)*min(v) + max(v, 0.3)": lambda W, v: W.amax(0) * v.min() + v.clamp(min=0.3),
    "cumsum(v) + cumsum(W, axis=1)[2]": lambda W, v: v.cumsum(0) + W.cumsum(1)[2],
    "concat(v[1:], [v[0]])": lambda W, v: torch.cat([v[1:], v[:1]]),
    "stack(v, 2*v)[1]": lambda W, v: 2 * v,
    "outer(v, v)[1, :]": lambda W, v: torch.outer(v, v)[1],
    "linspace(0, 1, 3)*v + arange(3)": lambda W, v: torch.tensor([0, 0.5, 1]) * v + torch.arange(3),
    "if v > 0.5 then v else -2*v": lambda W, v: torch.where(v > 0.5, v, -2 * v),
    "twice(v) + twice(2)": lambda W, v: 2 * v + 4,
    "total(v)*v": lambda W, v: v.sum() ** 2 * v,
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_formulas_of_whole_arrays(formula):
    net = net_of(f"""
param W[3, 3] = [[1, 2, 3], [0.5, -1, 0.2], [0, 3, 1]]
twice(a) = 2*a
total(a) = sum(a)**2
init v[3] = [0.7, 0.2, 0.9]
v' = {formula}
""")
    v, W = torch.tensor([0.7, 0.2, 0.9], dtype=F64), net.W.detach()
    rate = net.compiled.equations.rhs(0.0, v, net.vector().detach())
    torch.testing.assert_close(rate, FORMULAS[formula](W, v).to(F64), rtol=1e-12, atol=1e-12)


BY_INDEX = {
    "v[n-1-i]": lambda W, v: v.flip(0),
    "W[i, i]": lambda W, v: W.diagonal(),
    "W[n-1-i, i]": lambda W, v: W.flip(0).diagonal(),
    "i*v[i] + (if i == 1 then 5 else 0)": lambda W, v: torch.arange(3) * v + torch.tensor([0, 5, 0]),
    "v[min(i + 1, n - 1)]": lambda W, v: v[[1, 2, 2]],
    "v[mod(i + 2, n)]": lambda W, v: v[[2, 0, 1]],
    "v[0]": lambda W, v: v[0].expand(3),
    "sum(W[i, j]*v[j] for j in 0 .. n-1)": lambda W, v: W @ v,
    "sum(W[j, i]*v[j] for j in 0 .. n-1)": lambda W, v: v @ W,
    "sum(2*v[i]*W[i, j]*v[j]*v[j] for j in 0 .. 1)": lambda W, v: 2 * v * (W[:, :2] @ v[:2] ** 2),
    "sum(W[i, j]*W[j, k] for j in 0 .. 2, k in 0 .. 2)": lambda W, v: (W @ W).sum(1),
    "sum(v[i] for j in 0 .. 3)": lambda W, v: 4 * v,
    "sum(if j <= i then v[j] else 0 for j in 0 .. n-1)": lambda W, v: v.cumsum(0),
    "max(W[i, j] - v[j] for j in 0 .. 2)": lambda W, v: (W - v).amax(1),
    "mean(W[i, :])": lambda W, v: W.mean(1),
    "sum(W[i, :]*v) + dot(W[:, i], v)": lambda W, v: W @ v + W.T @ v,
    "(W @ W[i, :])[1]": lambda W, v: (W @ W.T)[1],
    "[v[i], 2*v[i]][1]": lambda W, v: 2 * v,
    "f(v[i], i)": lambda W, v: v**2 + torch.arange(3),
}


@pytest.mark.parametrize("formula", BY_INDEX)
def test_formulas_by_index(formula):
    net = net_of(f"""
const n = 3
param W[n, n] = [[1, 2, 3], [0.5, -1, 0.2], [0, 3, 1]]
f(a, b) = a**2 + b
init v[n] = [0.7, 0.2, 0.9]
v[i]' = {formula} for i in 0 .. n-1
""")
    v, W = torch.tensor([0.7, 0.2, 0.9], dtype=F64), net.W.detach()
    rate = net.compiled.equations.rhs(0.0, v, net.vector().detach())
    torch.testing.assert_close(rate, BY_INDEX[formula](W, v).to(F64), rtol=1e-12, atol=1e-12)


def test_products_over_an_index_are_products_of_matrices():
    text = "init v[3] = 1\nparam W[3, 3] = 1\nv[i]' = sum(W[i, j]*v[j] for j in 0 .. 2) for i in 0 .. 2\n"
    assert "rt.matvec(W, v)" in odec.compile(text, method="euler")


@pytest.mark.parametrize("model", [HEAT, NETWORK])
def test_text_does_not_grow_with_sizes(model):
    small, large = (
        odec.compile(
            model.replace("n = 50", f"n = {n}")
            .replace("n = 4\n", f"n = {n}\n")
            .replace("b[n] = [1, -1, 0.5, 2]", "b[n] = 0"),
            method="rk4",
        )
        for n in (40, 400)
    )
    assert abs(len(large) - len(small)) < 0.01 * len(small)


def test_rows_intermediates_and_second_order():
    net = net_of("""
const n = 3
param c[n, 2] = [[1, 2], [3, 4], [5, 6]]
init y[n, 2] = 1, y' = 0
flux[i, :] = c[i, :]*y[i, :] for i in 0 .. n-1
y[i, :]'' = flux[i, :] - y[0, :] for i in 1 .. n-1
y[0, :]'' = 0
""")
    c = torch.tensor([[1, 2], [3, 4], [5, 6]], dtype=F64)

    def rate(z):
        y, v = z[0], z[1]
        force = c * y - y[0]
        return torch.stack([v, torch.cat([0 * force[:1], force[1:]])])

    assert net.compiled.states[:2] == ("y[0,0]", "y[0,1]") and net.compiled.states[6] == "dy_dt[0,0]"
    alike(net, rate, torch.stack([torch.ones(3, 2, dtype=F64), torch.zeros(3, 2, dtype=F64)]))
