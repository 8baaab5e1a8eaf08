"""Adjoints and tangents of implicit and Rosenbrock methods against autograd, each other and differences."""

import pytest
import torch
from generated import CLASHES, EVERY_NAME, load
from stiff_models import (
    ADAPTIVE,
    BENT,
    FORCED,
    KNOTS,
    LOTKA_VOLTERRA,
    ROBERTSON,
    STIFF,
    VAN_DER_POL,
    D,
    assert_gradients,
    gradients,
    numbers,
    weights,
)
from tiers import each_once, slow_but_for

PROBLEMS = {
    "lotka volterra": (LOTKA_VOLTERRA, [10.0, 5.0], [0.0, 0.35, 0.6], 0.12),
    "robertson": (ROBERTSON, [0.98, 3.4e-5, 0.02], [0.0, 0.02, 0.1], 0.04),
    "van der pol": (VAN_DER_POL, [2.0, -6.7e-4], [0.0, 0.1, 0.4], 0.15),
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(5)


def series(*batch, names="uvw", dtype=D):
    """Inputs with random values, and the values."""
    values = {name: numbers(len(KNOTS[name]), *batch, dtype=dtype) for name in names}
    return {name: (KNOTS[name], values[name]) for name in names}, list(values.values())


def tangent_and_adjoint(net, t, x0, params, given=None):
    """w·(J v) by forward mode and (w J)·v by the adjoint, for random v and w over every argument."""
    names, inputs = list(params), dict(given or {})

    def states(t, x0, *rest):
        values = dict(zip(names, rest))
        options = {n: (inputs[n][0], v) for n, v in zip(inputs, rest[len(names) :])}
        return net(t, x0=x0, params=values, **({"inputs": options} if inputs else {}))

    primals = [t, x0, *params.values(), *(values for _, values in inputs.values())]
    primals = [value.detach() for value in primals]
    tangents = [torch.randn_like(value) * value.abs() for value in primals]
    x, d_x = torch.func.jvp(states, tuple(primals), tuple(tangents))
    leaves = [value.clone().requires_grad_() for value in primals]
    found = torch.autograd.grad((states(*leaves) * weights(x)).sum(), leaves, allow_unused=True)
    pulled = [(g * v).sum() for g, v in zip(found, tangents) if g is not None]
    return (d_x * weights(x)).sum(), sum(pulled), sum(abs(value) for value in pulled)


@pytest.mark.parametrize(("method", "problem"), each_once(STIFF, PROBLEMS))
def test_the_adjoint_equals_autograd(method, problem):
    text, start, times, dt = PROBLEMS[problem]
    module = load(text, method)
    t = torch.tensor(times, dtype=D, requires_grad=True)
    x0 = (torch.tensor(start, dtype=D) * (1 + 0.01 * torch.rand(2, len(start), dtype=D))).requires_grad_()
    found = [
        gradients(module.Model(dt=dt, adjoint=adjoint), [t, x0], weights, t, x0)
        for adjoint in ("discrete", "autograd")
    ]
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-11, atol=1e-18)
    assert_gradients(found[0][1], found[1][1], 1e-9)


@pytest.mark.parametrize("method", STIFF)
def test_the_tangent_is_the_adjoint_of_the_adjoint(method):
    text, start, times, dt = PROBLEMS["robertson"]
    module = load(text, method)
    net, t = module.Model(dt=dt), torch.tensor(times, dtype=D)
    name = module.PARAMS[0]
    params = {name: getattr(net, name).detach() * torch.tensor([1.0, 1.1], dtype=D)}
    pushed, pulled, size = tangent_and_adjoint(net, t, torch.tensor(start, dtype=D).repeat(2, 1), params)
    assert abs(pushed - pulled) <= 1e-9 * size


@pytest.mark.parametrize("method", STIFF)
def test_gradients_equal_central_differences(method):
    module = load(LOTKA_VOLTERRA, method)
    net = module.Model(dt=0.25)
    t = torch.tensor([0.0, 0.9], dtype=D)  # no whole number of steps, so that differences take as many

    def final(t, x0, a, d):
        return net(t, x0=x0, params={"a": a, "d": d})[-1]

    values = (t, torch.tensor([[10.0, 5.0], [3.0, 4.0]], dtype=D), net.a.detach(), net.d.detach())
    leaves = [value.clone().requires_grad_() for value in values]
    torch.autograd.gradcheck(final, leaves, eps=1e-5, atol=0, rtol=1e-6)


FORCED_CASES = [(method, FORCED) for method in STIFF]
FORCED_CASES += [(method, BENT) for method in ("trapezoid", "trbdf2", "radau_iia3", "rosenbrock23", "rodas4")]


@pytest.mark.parametrize(("method", "model"), FORCED_CASES)
def test_gradients_with_inputs(method, model):
    module = load(model, method)
    inputs, values = series(2, names=module.INPUTS)
    t = torch.tensor([0.05, 0.9, 2.13, 3.77], dtype=D, requires_grad=True)
    x0 = numbers(2, 2)
    found = [
        gradients(module.Model(dt=0.6, adjoint=adjoint), [t, x0, *values], weights, t, x0, inputs=inputs)
        for adjoint in ("discrete", "autograd")
    ]
    assert_gradients(found[0][1], found[1][1], 1e-9)
    params = {"k": numbers(2).detach()}
    pushed, pulled, size = tangent_and_adjoint(module.Model(dt=0.6), t, x0, params, inputs)
    assert abs(pushed - pulled) <= 1e-9 * size


@pytest.mark.parametrize(
    "method",
    slow_but_for(ADAPTIVE, "trbdf2", "kvaerno3", "radau_iia5", "rosenbrock23", "rodas5p"),
)
def test_adaptive_gradients_equal_autograd_on_the_mesh(method):
    """A stiff start, parameters of each trajectory's own, and the output times."""
    module = load(ROBERTSON, method)
    t = torch.tensor([0.0, 1e-3, 0.4], dtype=D, requires_grad=True)
    x0 = torch.tensor([[1.0, 0.0, 0.0], [0.9, 1e-5, 0.1]], dtype=D, requires_grad=True)
    k2 = torch.tensor([3e7, 1e7], dtype=D, requires_grad=True)
    options = {"rtol": 1e-2, "atol": [1e-4, 1e-8, 1e-4]}
    found = []
    for adjoint in ("discrete", "autograd"):
        net = module.Model(adjoint=adjoint, **options)
        found.append(gradients(net, [t, x0, k2], weights, t, x0, {"k2": k2}))
        assert net.status is None or net.status.ok.all()
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-10, atol=1e-16)
    assert_gradients(found[0][1], found[1][1], 1e-9)
    pushed, pulled, size = tangent_and_adjoint(module.Model(**options), t, x0, {"k2": k2})
    assert abs(pushed - pulled) <= 1e-9 * size


@pytest.mark.parametrize(
    ("method", "way"), each_once(["trbdf2", "radau_iia5", "rodas4"], ["backwards", "forwards"])
)
def test_adaptive_gradients_with_inputs(method, way):
    module = load(BENT, method)
    inputs, values = series(2, names=module.INPUTS)
    times = [0.05, 0.9, 1.0, 2.7] if way == "forwards" else [1.4, 1.0, 0.7]
    t = torch.tensor(times, dtype=D, requires_grad=True)
    x0 = numbers(2, 2)
    found = [
        gradients(
            module.Model(rtol=1e-3, atol=1e-5, adjoint=adjoint),
            [t, x0, *values],
            weights,
            t,
            x0,
            inputs=inputs,
        )
        for adjoint in ("discrete", "autograd")
    ]
    assert_gradients(found[0][1], found[1][1], 1e-9)


@pytest.mark.parametrize("method", ["sdirk2", "kvaerno3", "gauss_legendre4", "rodas4"])
def test_second_derivatives_by_autograd(method):
    """The last Newton iterations are differentiable, so that autograd can go further than once."""
    module = load(LOTKA_VOLTERRA, method)
    net = module.Model(dt=0.2, adjoint="autograd")
    t = torch.tensor([0.0, 0.4], dtype=D)

    def final(x0, a):
        return net(t, x0=x0, params={"a": a})[-1]

    leaves = (torch.tensor([10.0, 5.0], dtype=D, requires_grad=True), net.a.detach().requires_grad_())
    torch.autograd.gradgradcheck(final, leaves, eps=1e-5, atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("method", ["backward_euler", "radau_iia5", "rosenbrock23"])
def test_single_precision(method):
    module = load(LOTKA_VOLTERRA, method)
    found = []
    for dtype in (torch.float32, D):
        t = torch.tensor([0.0, 0.5, 1.0], dtype=dtype, requires_grad=True)
        x0 = torch.tensor([[10.0, 5.0], [3.0, 4.0]], dtype=dtype, requires_grad=True)
        x, g = gradients(module.Model(dt=0.1, dtype=dtype), [t, x0], weights, t, x0)
        assert x.dtype == dtype
        found.append((x.double(), [value.double() for value in g]))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=0)
    assert_gradients(found[0][1], found[1][1], 2e-4)


NAMES = """
time tau
input u linear
param rate = 2
param factors = 1
param t = 0.3
const slope_time = 0.7
const rhs_time = 0.1
const f_t = 0.2
init z1 = 1
init k1 = 0.5
init h = 1
dz1/dtau = -rate*z1*u + k1*slope_time + sin(tau)*f_t
dk1/dtau = -factors*k1**2 + t*u + rhs_time*h
dh/dtau = -t*h*z1
run tau = 0 .. 2 dt 0.1
"""
"""Names that the steps use themselves."""


@pytest.mark.parametrize("model", [NAMES, CLASHES, EVERY_NAME], ids=["steps", "clashes", "every"])
@pytest.mark.parametrize("method", ["kvaerno3", "radau_iia3", "rodas4"])
def test_names_that_the_module_uses_itself(method, model):
    module = load(model, method)
    inputs = {name: ([0.0, 1.0, 2.0], numbers(3).detach()) for name in module.INPUTS}
    options = {"inputs": inputs} if inputs else {}
    t = torch.tensor([0.0, 0.3, 0.5], dtype=D, requires_grad=True)
    found = [
        gradients(module.Model(dt=0.1, adjoint=adjoint), [t], weights, t, **options)
        for adjoint in ("discrete", "autograd")
    ]
    assert_gradients(found[0][1], found[1][1], 1e-9)
