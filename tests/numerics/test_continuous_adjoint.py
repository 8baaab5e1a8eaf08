"""The adjoint ODE solved backwards by adaptive steps and tolerances of its own."""

import functools
import math

import pytest
import torch
from generated import load
from stiff_models import BENT, FORCED, KNOTS, LOTKA_VOLTERRA, ROBERTSON, assert_gradients, gradients, weights
from tiers import each_once, slow_but_for

from odec.runtime.reference import continuous

D = torch.float64
MAIN = slow_but_for(["tsit5", "dopri5", "rodas5p", "kvaerno5", "auto"], "tsit5", "rodas5p", "auto")


def solved(net, times, x0):
    """The gradients by x0, the times and the parameters of a weighted sum of the states."""
    leaves = [torch.tensor(value, dtype=D, requires_grad=True) for value in (x0, times)]
    return gradients(net, leaves, weights, leaves[1], x0=leaves[0])[1]


def distance(found, expected):
    return max(float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True))


TIMES, START = [0.0, 1.5, 4.0], [10.0, 5.0]


@functools.cache
def accurate():
    return solved(load(LOTKA_VOLTERRA, "dop853").Model(rtol=1e-12, atol=1e-13), TIMES, START)


@pytest.mark.parametrize("method", MAIN)
def test_the_error_falls_with_the_tolerances(method):
    """By x0, the times (those of the gradient too) and the parameters, against a far more accurate run."""
    module, errors = load(LOTKA_VOLTERRA, method), []
    for rtol in (1e-3, 1e-5, 1e-7):
        net = module.Model(rtol=rtol, atol=rtol * 1e-2, adjoint="continuous")
        errors.append(distance(solved(net, TIMES, START), accurate()))
    assert errors[0] < 0.1 and errors[2] < 1e-5, errors
    assert errors[1] < errors[0] / 3 and errors[2] < errors[1] / 10, errors


@pytest.mark.parametrize("method", MAIN)
def test_the_adjoint_has_tolerances_of_its_own(method):
    """Beside an accurate run, the discrete gradient is approached as the adjoint's tolerances go down."""
    module, times = load(LOTKA_VOLTERRA, method), [0.0, 6.0]
    discrete = solved(module.Model(rtol=1e-6, atol=1e-8), times, START)
    options = {"rtol": 1e-6, "atol": 1e-8, "adjoint": "continuous"}
    taken, errors = [], []
    for rtol in (1e-2, 1e-6):
        net = module.Model(**options, adjoint_rtol=rtol, adjoint_atol=rtol * 1e-2)
        found, number = counted(lambda net=net: solved(net, times, START))
        errors.append(distance(found, discrete))
        taken.append(number)
    assert errors[1] < 1e-3 and errors[1] < errors[0], errors
    assert taken[0] < taken[1], taken


def counted(run):
    """What something that runs gives, and how many steps back are tried meanwhile."""
    attempt, number = continuous._Backwards._attempt, []

    def counting(*args):
        number.append(1)
        return attempt(*args)

    continuous._Backwards._attempt = counting
    try:
        found = run()
    finally:
        continuous._Backwards._attempt = attempt
    return found, len(number)


@pytest.mark.parametrize("method", slow_but_for(["rodas5p", "kvaerno5"], "rodas5p"))
def test_a_stiff_problem(method):
    """Robertson: the fast modes of w neither blow up backwards nor set the steps."""
    module, times, x0 = load(ROBERTSON, method), [0.0, 40.0], [1.0, 0.0, 0.0]
    options = {"rtol": 1e-7, "atol": [1e-10, 1e-14, 1e-10]}
    own = {"adjoint": "continuous", "adjoint_rtol": 1e-4, "adjoint_atol": 1e-7}

    def last(net):
        leaves = [torch.tensor(value, dtype=D, requires_grad=True) for value in (x0, times)]
        loss = net(leaves[1], x0=leaves[0])[-1] @ torch.tensor([1.0, 1e4, -1.0], dtype=D)
        return torch.autograd.grad(loss, [*leaves, *net.parameters()])

    found, number = counted(lambda: last(module.Model(**options, **own)))
    for a, b in zip(found, last(module.Model(**options)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3 * float(b.abs().max()))
    assert number < 150


def test_a_contraction_is_not_integrated_backwards():
    """dx/dt = -kx over 40 lifetimes: solved backwards with w, x would be all rounding error."""
    module = load("param k = 2\ninit x = 1\ndx/dt = -k*x\nrun t = 0 .. 20\n", "tsit5")
    net = module.Model(rtol=1e-8, atol=1e-30, adjoint="continuous")
    x0 = torch.tensor([1.0], dtype=D, requires_grad=True)
    g_x0, g_k = torch.autograd.grad(net(torch.tensor([0.0, 20.0], dtype=D), x0=x0)[-1].sum(), [x0, net.k])
    assert g_x0.item() == pytest.approx(math.exp(-40), rel=1e-5)
    assert g_k.item() == pytest.approx(-20 * math.exp(-40), rel=1e-5)


def test_a_quadrature_that_the_states_do_not_see():
    """dx/dt = a + b sin(30 t), b = 0: w is constant, only the error of the gradient sets the steps."""
    module = load("param a = 1\nparam b = 0\ninit x = 0\ndx/dt = a + b*sin(30*t)\nrun t = 0 .. 5\n", "dopri5")
    net = module.Model(rtol=1e-8, atol=1e-10, adjoint="continuous")
    x = net(torch.tensor([0.0, 5.0], dtype=D))
    g_a, g_b = torch.autograd.grad(x[-1].sum(), [net.a, net.b])
    assert g_a.item() == pytest.approx(5, rel=1e-10)
    assert g_b.item() == pytest.approx((1 - math.cos(150)) / 30, rel=1e-6)


@pytest.mark.parametrize(
    ("method", "model"), each_once(["tsit5", "rodas5p", "kvaerno5", "auto"], [FORCED, BENT])
)
def test_inputs(model, method):
    """Values of inputs for each trajectory, with knots between the times, and parameters for each."""
    module = load(model, method)
    torch.manual_seed(3)
    values = {
        name: (0.5 + torch.rand(len(KNOTS[name]), 2, dtype=D)).requires_grad_() for name in module.INPUTS
    }
    x0 = torch.tensor([[1.0, 0.5], [0.4, 0.8]], dtype=D, requires_grad=True)
    k = torch.tensor([0.5, 1.5], dtype=D, requires_grad=True)
    t = torch.tensor([0.2, 1.5, 2.6], dtype=D, requires_grad=True)
    inputs = {name: (KNOTS[name], value) for name, value in values.items()}
    found = [
        gradients(
            module.Model(rtol=1e-6, atol=1e-8, adjoint=adjoint, engine="torch"),
            [x0, k, t, *values.values()],
            weights,
            t,
            x0=x0,
            params={"k": k},
            inputs=inputs,
        )[1]
        for adjoint in ("continuous", "discrete")
    ]
    assert_gradients(*found, relative=1e-3)


@pytest.mark.parametrize("method", ["tsit5", "rodas5p", "auto"])
def test_a_trajectory_has_the_same_gradient_alone_and_among_others(method):
    module = load(LOTKA_VOLTERRA, method)
    net = module.Model(rtol=1e-5, atol=1e-7, adjoint="continuous")
    t, starts = torch.tensor([0.0, 2.0, 5.0], dtype=D), torch.tensor([[10, 5], [1, 1], [30, 2]], dtype=D)
    together = starts.clone().requires_grad_()
    g = torch.autograd.grad(net(t, x0=together)[1:].sum(), together)[0]
    for start, expected in zip(starts, g):
        alone = start.clone().requires_grad_()
        assert torch.equal(torch.autograd.grad(net(t, x0=alone)[1:].sum(), alone)[0], expected)


def test_under_vmap():
    """One backward run for each row of a Jacobian, as deep as the cotangents' own sizes ask."""
    module = load(LOTKA_VOLTERRA, "tsit5")
    nets = [module.Model(rtol=1e-9, atol=1e-11, adjoint=name) for name in ("continuous", "discrete")]
    t, x0 = torch.tensor([0.0, 3.0], dtype=D), torch.tensor([10.0, 5.0], dtype=D)
    found, expected = (torch.func.jacrev(lambda x, net=net: net(t, x0=x)[-1])(x0) for net in nets)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_the_gradient_scales_with_the_loss():
    """adjoint_atol is relative to the cotangents: to halve a loss halves its gradient, to the last bit."""
    net = load(LOTKA_VOLTERRA, "tsit5").Model(rtol=1e-5, adjoint="continuous")
    x0 = torch.tensor([10.0, 5.0], dtype=D, requires_grad=True)
    x = net(torch.tensor([0.0, 3.0], dtype=D), x0=x0).sum()
    whole, small = (torch.autograd.grad(x * scale, x0, retain_graph=True)[0] for scale in (1.0, 2.0**-40))
    assert torch.equal(whole * 2.0**-40, small)


@pytest.mark.parametrize("method", ["backward_euler", "gauss_legendre4", "rodas4"])
def test_fixed_steps_of_stiff_methods_are_transposed(method):
    """The discrete gradient, from the states at the times alone."""
    module = load(BENT, method)
    inputs = {name: (KNOTS[name], torch.linspace(0.5, 1.5, len(KNOTS[name]), dtype=D)) for name in "uv"}
    x0 = torch.tensor([[1.0, 0.5], [0.3, 0.7]], dtype=D, requires_grad=True)
    t = torch.tensor([0.1, 1.0, 1.0, 2.5], dtype=D, requires_grad=True)
    found = [
        gradients(module.Model(dt=0.1, adjoint=adjoint), [x0, t], weights, t, x0=x0, inputs=inputs)[1]
        for adjoint in ("continuous", "discrete")
    ]
    assert_gradients(*found, relative=1e-12)


@pytest.mark.parametrize("method", ["tsit5", "rodas5p"])
def test_no_step_is_kept(method):
    """What the graph holds does not grow with the steps."""
    module = load(LOTKA_VOLTERRA, method)
    t = torch.tensor([0.0, 10.0], dtype=D)

    def kept(rtol, adjoint):
        numbers = []

        def pack(value):
            numbers.append(value.numel())
            return value

        net = module.Model(rtol=rtol, atol=rtol, adjoint=adjoint, engine="torch")
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            net(t, x0=torch.ones(10, 2, dtype=D))
        return sum(numbers)

    assert kept(1e-8, "continuous") == kept(1e-3, "continuous")
    assert kept(1e-8, "discrete") > kept(1e-3, "discrete")


def test_an_adjoint_that_cannot_be_solved_says_so():
    net = load(LOTKA_VOLTERRA, "tsit5").Model(
        rtol=1e-3, atol=1e-5, max_steps=60, adjoint="continuous", adjoint_rtol=1e-12, adjoint_atol=1e-14
    )
    x0 = torch.tensor([[10.0, 5.0], [4.0, 2.75]], dtype=D, requires_grad=True)  # the second is near rest
    x = net(torch.tensor([0.0, 3.0], dtype=D), x0=x0)
    assert torch.isfinite(x).all()
    with pytest.warns(UserWarning, match=r"for 1 of 2 trajectories, at t = .* a larger adjoint_rtol"):
        x[-1].sum().backward()
    assert x0.grad[0].isnan().all() and torch.isfinite(x0.grad[1]).all() and net.a.grad.isnan()


BACK = {"adjoint": "continuous", "rtol": 1e-6}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"adjoint_rtol": 1e-6}, "adjoint_atol are of adjoint='continuous', not of 'discrete'"),
        ({"adjoint": "continuous", "dt": 0.1, "adjoint_rtol": 1e-6}, "of adaptive steps: give rtol or atol"),
        ({**BACK, "adjoint_rtol": 0}, "adjoint_rtol must be a positive number"),
        ({**BACK, "adjoint_rtol": 1e-17}, "at least 8.9e-16 in float64"),
        ({**BACK, "adjoint_atol": -1}, "adjoint_atol must be positive, not -1"),
        ({**BACK, "adjoint_atol": [1e-6] * 3}, "adjoint_atol is one number, or"),
    ],
)
def test_tolerances_that_do_not_fit(options, words):
    with pytest.raises(ValueError, match=words):
        load(LOTKA_VOLTERRA, "tsit5").Model(**options)


def test_a_multistep_method_has_none():
    with pytest.raises(ValueError, match="the continuous one is of one-step methods"):
        load(LOTKA_VOLTERRA, "adams").Model(rtol=1e-6, adjoint="continuous")
