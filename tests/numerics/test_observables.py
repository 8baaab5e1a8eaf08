"""Derivatives of observables and initial values: printed by odec, followed by every transform of torch."""

import itertools

import pytest
import torch
from generated import load
from torch.func import grad, jacfwd, jacrev, vmap

D = torch.float64
MODEL = """
param k = 2
param c = 0.3
param q = 1.5
input u linear
init x = 1/(1 + exp(k*q))
init y = q*exp(-t) + 1
dx/dt = u - x
dy/dt = -y*x
obs gate = 1/(1 + exp(k*(x - c)))
obs mixed = x*y*t + u**2*q
obs product = q*k
obs wave = sin(t)
obs three = 3
run t = 0 .. 2 dt 0.1
"""
CLOSED = MODEL.replace("input u linear\n", "").replace("u", "0.4", 1).replace("u**2*q", "q")
PLAIN = "init x = 1\nx' = -x\nobs y = x**2\nobs late = t\nrun t = 0 .. 1 dt 0.1\n"
T = torch.tensor([0.01, 0.6, 1.7], dtype=D)
KNOTS = torch.tensor([0.0, 1.0, 2.0], dtype=D)


@pytest.fixture
def values():
    """Times, states (3, 4, 2), parameters (4, 3) and samples of the input (3, 4)."""
    random = torch.Generator().manual_seed(1)
    shapes = (3, 4, 2), (4, 3), (3, 4)
    return T, *(torch.rand(*shape, dtype=D, generator=random) + 0.2 for shape in shapes)


def observed(net):
    return lambda t, x, p, u: net.observe(t, x, params=p, inputs={"u": (KNOTS, u)})


def by_hand(t, x, p, u):
    """The observables of MODEL written for torch, which differentiates them."""
    (k, c, q), (x, y), t = p.unbind(-1), x.unbind(-1), t.reshape(-1, 1)
    i = torch.bucketize(t, KNOTS[1:-1])[:, 0]
    u = u[i] + (u[i + 1] - u[i]) * (t - KNOTS[i].unsqueeze(-1))
    columns = 1 / (1 + torch.exp(k * (x - c))), x * y * t + u**2 * q, q * k, torch.sin(t), torch.tensor(3.0)
    return torch.stack(torch.broadcast_tensors(*columns), -1).to(D)


def test_first_derivatives_by_every_argument(values):
    mine = observed(load(MODEL).Model())
    torch.testing.assert_close(mine(*values), by_hand(*values), rtol=1e-14, atol=1e-15)
    for i, jacobian in itertools.product(range(4), (jacrev, jacfwd)):
        found = jacobian(mine, i)(*values)
        torch.testing.assert_close(found, jacrev(by_hand, i)(*values), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("outer", [jacfwd, jacrev])
@pytest.mark.parametrize("inner", [jacfwd, jacrev])
def test_second_derivatives(values, outer, inner):
    """Forwards over forwards too, where torch leaves a Function's tangent without one of its own."""
    mine = observed(load(MODEL).Model())

    def second(function, i, j):
        return outer(inner(lambda *values: (function(*values) ** 2).sum(), i), j)(*values)

    for i, j in itertools.product(range(4), repeat=2):
        torch.testing.assert_close(second(mine, i, j), second(by_hand, i, j), rtol=1e-11, atol=1e-12)


def test_autograd_in_both_modes_in_batches_and_again(values):
    mine, leaves = observed(load(MODEL).Model()), [value.clone().requires_grad_() for value in values]
    batched = {"check_batched_grad": True, "check_batched_forward_grad": True}
    assert torch.autograd.gradcheck(mine, leaves, check_forward_ad=True, **batched)
    assert torch.autograd.gradgradcheck(mine, leaves, check_fwd_over_rev=True, check_rev_over_rev=True)


@pytest.mark.parametrize("jacobian", [jacrev, jacfwd])
def test_arguments_that_broadcast(values, jacobian):
    """States without a batch, parameters with one, and the other way round."""
    net, (t, x, p, _) = load(CLOSED).Model(), values

    def repeated(t, x, p):
        return net.observe(t, x.expand(-1, 4, -1), params=p.expand(4, -1))

    for given in ((t, x[:, :1], p), (t, x, p[0]), (t, x, p[:1])):
        for i in range(3):
            found = jacobian(lambda t, x, p: net.observe(t, x, params=p), i)(*given)
            torch.testing.assert_close(found, jacobian(repeated, i)(*given), rtol=1e-12, atol=1e-14)


def test_parameters_in_a_batch_that_no_observable_holds():
    net = load("param k = 1\ninit x = 1\nx' = -k*x\nobs y = x**2\nrun t = 0 .. 1 dt 0.1\n").Model()
    x, p = torch.ones(3, 1, 1, dtype=D), torch.ones(4, 1, dtype=D)
    for jacobian in (jacrev, jacfwd):
        found = jacobian(lambda p: net.observe(T, x, params=p))(p)
        assert torch.equal(found, torch.zeros(3, 1, 1, 4, 1, dtype=D))


def test_vmap(values):
    mine = observed(load(MODEL).Model())
    dims = (None, 1, 0, 1)

    def one(function):
        return lambda t, x, p, u: (function(t, x.unsqueeze(1), p, u.unsqueeze(1)) ** 2).sum()

    for i in range(4):
        mapped = vmap(grad(one(mine), i), dims)(*values)
        torch.testing.assert_close(mapped, vmap(grad(one(by_hand), i), dims)(*values), rtol=1e-12, atol=1e-14)
    t, x, p, _ = values
    net = load(CLOSED).Model()
    shifts = torch.tensor([0.0, 0.5], dtype=D)
    late = vmap(lambda s: net.observe(t + s, x, params=p))(shifts)
    assert torch.equal(late, torch.stack([net.observe(t + s, x, params=p) for s in shifts]))


def test_of_the_solution_forwards_backwards_and_compiled(values):
    """With initial values of the parameters and of the first time."""
    net, (t, _, p, _) = load(CLOSED).Model(), values

    def whole(t, p):
        return net.observe(t, net(t, params=p), params=p)

    found = jacrev(whole, (0, 1))(t, p)
    torch.testing.assert_close(jacfwd(whole, (0, 1))(t, p), found, rtol=1e-11, atol=1e-12)
    compiled = torch.compile(whole, fullgraph=True, backend="aot_eager")
    results = []
    for function in (whole, compiled):
        leaves = [t.clone().requires_grad_(), p.clone().requires_grad_()]
        y = function(*leaves)
        results.append((y.detach(), *torch.autograd.grad((y**2).sum(), leaves)))
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-13)
    assert all(value.abs().max() > 1e-3 for value in results[0])


def test_without_parameters():
    net = load(PLAIN).Model()
    x = torch.rand(3, 2, 1, dtype=D, generator=torch.Generator().manual_seed(2))
    for jacobian in (jacrev, jacfwd):
        by_t, by_x = jacobian(net.observe, (0, 1))(T, x)
        assert torch.equal(by_t[:, :, 1].movedim(1, 0), torch.eye(3, dtype=D).expand(2, 3, 3))
        assert torch.equal(by_x[..., 0, :, :, 0].sum((2, 3)), 2 * x[..., 0])
    t = T.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net.observe(t, x)[..., 1].sum(), t)
    assert slope.tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(("dtype", "far"), [(D, 800.0), (torch.float32, 100.0)])
def test_far_beyond_what_an_exponential_holds(dtype, far):
    """y = 1/(1 + exp(k*(x - c))) has the slopes -(x - c)*y*(1 - y) by k and k*y*(1 - y) by c."""
    net = load(CLOSED).Model(dtype=dtype)
    x = torch.tensor([[[far, 1.0]], [[0.7, 1.0]], [[-far, 1.0]]], dtype=dtype)
    p = torch.tensor([2.0, 0.3, 1.5], dtype=dtype, requires_grad=True)
    y = torch.sigmoid(-2 * (x[..., 0].double() - 0.3))
    exact = torch.stack((-(x[..., 0] - 0.3) * y * (1 - y), 2 * y * (1 - y)), -1).to(dtype)
    for i in range(3):
        (found,) = torch.autograd.grad(net.observe(T, x, params=p)[i, 0, 0], p)
        torch.testing.assert_close(found[:2], exact[i, 0], rtol=1e-5 if dtype != D else 1e-13, atol=0)
    k = torch.tensor([far, 1.0], dtype=dtype, requires_grad=True)
    x0 = net(T.to(dtype), params={"k": k})[0, :, 0]
    start = torch.sigmoid(torch.tensor(-1.5, dtype=D))
    (found,) = torch.autograd.grad(x0.sum(), k)
    assert found[0] == 0
    assert found[1].item() == pytest.approx((-1.5 * start * (1 - start)).item(), rel=1e-5)
