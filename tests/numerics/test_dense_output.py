"""Dense output: the states within adaptive steps, their accuracy and their exact derivatives."""

import functools
import math
from itertools import product

import numpy as np
import pytest
import torch
from generated import assert_close, load
from scipy.integrate import solve_ivp
from test_adaptive import LV, PUSHED, forced_arguments, generator, reference
from tiers import each_once, slow_but, slow_but_for

from odec.methods import AUTO, METHODS

DENSE = [m.name for m in (*METHODS.values(), AUTO) if m.dense_order]
MAIN = ("heun21", "tsit5", "dop853", "rodas5p", "trbdf2", "radau_iia5", "auto")
"""One of each kind of interpolant."""
FINE = [name for name in DENSE if name != "backward_euler"]  # whose steps are not too many
D = torch.float64
TIMES = torch.tensor([0.0, 0.3, 0.31, 2.0, 2.0, 3.3, 5.0, 5.0], dtype=D)

VAN_DER_POL = """
param mu = 10
init x = 2
init v = 0
dx/dt = v
dv/dt = mu*(1 - x**2)*v - x
"""

ROBERTSON = """
param k1 = 0.04
param k2 = 3e7
param k3 = 1e4
init a = 1
init b = 0
init c = 0
da/dt = -k1*a + k3*b*c
db/dt = k1*a - k3*b*c - k2*b**2
dc/dt = k2*b**2
"""

TIMED = """
param a = 0.8
param w = 3
init x = 1
init y = 0.5
dx/dt = -a*x*y + cos(w*t)
dy/dt = x - y + t*a
"""

EXACT = {"timed": TIMED, "lotka_volterra": LV}


def units(x, true, rtol, atol):
    """The largest error in units of the tolerance."""
    return float(((x - true).abs() / (atol + rtol * true.abs())).max())


@pytest.mark.parametrize("method", [m for m in FINE if METHODS.get(m, AUTO).order > 2])
def test_outputs_within_steps_are_as_accurate_as_those_at_their_ends(method):
    t = torch.linspace(0, 10, 500, dtype=D)
    net = load(LV, method).Model(rtol=1e-6, atol=1e-8, dense_output=True, adjoint="none")
    with torch.no_grad():
        x = net(t)
    assert int(net.status.steps) < 400
    assert units(x, reference(t.tolist()), 1e-6, 1e-8) < 20


@pytest.mark.parametrize("method", ["heun21", "rosenbrock23", "trbdf2"])
def test_methods_of_order_two_interpolate_within_their_own_error(method):
    t = torch.linspace(0, 10, 500, dtype=D)
    net = load(LV, method).Model(rtol=1e-4, atol=1e-6, dense_output=True, adjoint="none")
    with torch.no_grad():
        x, few = net(t), net(t[[0, -1]])
    truth = reference(t.tolist())
    assert units(x, truth, 1e-4, 1e-6) < 5 + 5 * units(few, truth[[0, -1]], 1e-4, 1e-6)


STIFF = {
    "van_der_pol": (
        VAN_DER_POL,
        np.linspace(0, 20, 500),
        [2.0, 0.0],
        lambda t, x: [x[1], 10 * (1 - x[0] ** 2) * x[1] - x[0]],
    ),
    "robertson": (
        ROBERTSON,
        np.concatenate([[0], np.geomspace(1e-5, 1e4, 499)]),
        [1.0, 0.0, 0.0],
        lambda t, x: [
            -0.04 * x[0] + 1e4 * x[1] * x[2],
            0.04 * x[0] - 1e4 * x[1] * x[2] - 3e7 * x[1] ** 2,
            3e7 * x[1] ** 2,
        ],
    ),
}
"""The model, output times, initial values and the slope for SciPy."""
QUICK_AND_STIFF = {("robertson", "auto"), ("robertson", "rodas5p")}


@functools.cache
def stiff_truth(problem):
    _, times, x0, slope = STIFF[problem]
    return torch.tensor(solve_ivp(slope, times[[0, -1]], x0, "Radau", times, rtol=1e-11, atol=1e-15).y.T)


@pytest.mark.parametrize(
    ("problem", "method"),
    slow_but(product(STIFF, ["auto", "rodas5p", "rodas4"]), lambda *case: case in QUICK_AND_STIFF),
)
def test_stiff_problems_are_as_accurate_as_with_steps_on_every_output(method, problem):
    rtol, atol, (text, times, _, _) = 1e-6, 1e-9, STIFF[problem]
    found = []
    for dense in (True, False):
        net = load(text, method).Model(rtol=rtol, atol=atol, dense_output=dense, adjoint="none")
        with torch.no_grad():
            x = net(torch.tensor(times, dtype=D))
        found.append((int(net.status.steps), units(x, stiff_truth(problem), rtol, atol)))
    (steps, error), (more, landing) = found
    assert steps < more and error < 20 + 5 * landing


@pytest.mark.parametrize("method", FINE)
def test_the_mesh_hangs_on_the_ends_alone(method):
    """Two or 500 times: the same steps, and the same bits at the end."""
    t = torch.linspace(0, 5, 500, dtype=D)
    net = load(LV, method).Model(rtol=1e-3, atol=1e-5, dense_output=True, adjoint="none")
    with torch.no_grad():
        ends = net(t[[0, -1]])
        steps = int(net.status.steps)
        assert torch.equal(net(t)[[0, -1]], ends)
    assert int(net.status.steps) == steps < 300


@pytest.mark.parametrize("method", FINE)
def test_backwards_in_time(method):
    t = torch.linspace(4, 0, 41, dtype=D)
    start = reference([0.0, 4.0])[-1]
    net = load(LV, method).Model(rtol=1e-5, atol=1e-7, dense_output=True, adjoint="none")
    with torch.no_grad():
        x = net(t, x0=start)
    limit = 3000 if METHODS.get(method, AUTO).order == 2 else 50
    assert units(x, reference(t.flip(0).tolist()).flip(0), 1e-5, 1e-7) < limit


def batch_of(module, seed=3):
    x0 = torch.tensor([[10.0, 5.0], [3.0, 1.0], [1.0, 8.0]], dtype=D) if len(module.STATES) == 2 else None
    scale = 1 + 0.2 * torch.rand(3, len(module.PARAMS), dtype=D, generator=generator(seed))
    return x0, module.Model(rtol=1e-4).vector().detach() * scale


def derivatives(net, leaves, run, seed=5):
    """The gradients by all leaves of a weighted sum of the states, some of them without weight."""
    x = run(*leaves)
    weights = torch.randn(x.shape, dtype=x.dtype, generator=generator(seed))
    weights[2] = 0
    return torch.autograd.grad((weights * x).sum(), leaves)


def calls(text, method, **options):
    """Two Models of a module, by the adjoint and by torch's own tape, as functions of times, x0 and p."""
    module = load(text, method)
    rtol = 10.0 ** -min(METHODS.get(method, AUTO).order, 3)
    options = {"rtol": rtol, "atol": rtol / 100, "dense_output": True, **options}
    nets = [module.Model(adjoint=adjoint, **options) for adjoint in ("discrete", "autograd")]

    def run(net):
        return lambda t, x0, p: net(t, x0=x0, params=dict(zip(module.PARAMS, p.unbind(-1), strict=True)))

    return module, nets, [run(net) for net in nets]


@pytest.mark.parametrize(("method", "problem"), each_once(DENSE, EXACT))
def test_the_adjoint_is_exact(method, problem):
    """Against autograd through the plain loop: by the times, the initial values and the parameters."""
    module, nets, runs = calls(EXACT[problem], method)
    x0, p = batch_of(module)
    leaves = [value.clone().requires_grad_() for value in (TIMES, x0, p)]
    mine, theirs = (derivatives(net, leaves, run) for net, run in zip(nets, runs, strict=True))
    for a, b in zip(mine, theirs, strict=True):
        assert_close(a, b, 1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("method", slow_but_for(DENSE, *MAIN))
def test_tangents_are_transposed_gradients(method):
    module, nets, runs = calls(TIMED, method)
    x0, p = batch_of(module)
    moves = [torch.randn(v.shape, dtype=D, generator=generator(k)) for k, v in enumerate((TIMES, x0, p))]
    primal, tangent = torch.func.jvp(runs[0], (TIMES, x0, p), tuple(moves))
    if METHODS.get(method, AUTO).family != "implicit":  # traced, Newton's iteration goes its whole length
        assert_close(tangent, torch.func.jvp(runs[1], (TIMES, x0, p), tuple(moves))[1], 1e-10)
    w = torch.randn(primal.shape, dtype=D, generator=generator(9))
    _, pull = torch.func.vjp(runs[0], TIMES, x0, p)
    total = sum((g * v).sum() for g, v in zip(pull(w), moves, strict=True))
    assert_close([(w * tangent).sum()], [total], 1e-10)


@pytest.mark.parametrize(
    "method",
    slow_but_for(["tsit5", "dop853", "vern9", "rodas5p", "radau_iia5", "trbdf2"], *MAIN[1:4]),
)
def test_gradients_against_finite_differences_on_a_frozen_mesh(method):
    """The steps are of one size, so that no difference moves the mesh."""
    module = load(TIMED, method)
    net = module.Model(rtol=1.0, atol=1e3, first_step=0.25, max_step=0.25, dense_output=True)
    p, t = net.vector().detach(), torch.tensor([0.0, 0.1, 0.55, 1.0], dtype=D)

    def final(t, x0, p):
        return net(t, x0=x0, params=dict(zip(module.PARAMS, p.unbind(-1), strict=True)))

    leaves = [v.clone().requires_grad_() for v in (t, torch.tensor([1.0, 0.5], dtype=D), p)]
    final(*leaves)
    assert int(net.status.steps) == 4
    free = [v.detach() for v in leaves]

    def inner(middle, x0, p):
        return final(torch.cat((t[:1], middle, t[-1:])), x0, p)

    middle = free[0][1:3].clone().requires_grad_()
    assert torch.autograd.gradcheck(inner, (middle, *leaves[1:]), eps=1e-6, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("method", ["dopri5", "rodas4", "radau_iia5", "auto"])
def test_inputs_are_integrated_from_knot_to_knot(method):
    """Steps end on knots; gradients by the inputs' values are exact."""
    module = load(PUSHED, method)
    knots, (t, x0, *values) = forced_arguments()
    t = torch.tensor([0.1, 0.4, 0.45, 0.7, 0.7, 0.9, 1.0, 1.2, 2.5], dtype=D)
    found = []
    for adjoint in ("discrete", "autograd"):
        net = module.Model(rtol=1e-4, atol=1e-6, dense_output=True, adjoint=adjoint)
        leaves = [v.clone().requires_grad_() for v in (t, x0, *values)]
        series = {name: (knots[name], v) for name, v in zip("uvw", leaves[2:], strict=True)}
        found.append(derivatives(net, leaves, lambda t, x0, *_, s=series, n=net: n(t, x0=x0, inputs=s)))
    for a, b in zip(*found, strict=True):
        assert_close(a, b, 1e-9)
    landing = module.Model(rtol=1e-8, atol=1e-10, adjoint="none")
    given = {name: (knots[name], v) for name, v in zip("uvw", values, strict=True)}
    with torch.no_grad():
        truth, x = landing(t, x0=x0, inputs=given), net(t, x0=x0, inputs=given)
    assert units(x, truth, 1e-4, 1e-6) < 20


@pytest.mark.parametrize("method", slow_but_for(DENSE, *MAIN))
def test_a_trajectory_has_the_same_bits_alone_and_in_a_batch(method):
    module, _, (run, _) = calls(LV, method)
    x0, p = batch_of(module)
    t = torch.linspace(0, 4, 57, dtype=D)
    weights = torch.randn(57, 3, 2, dtype=D, generator=generator(7))

    def both(x0, p, w):
        x0, p = x0.clone().requires_grad_(), p.clone().requires_grad_()
        x = run(t, x0, p)
        return x.detach(), *torch.autograd.grad((w * x).sum(), (x0, p))

    def pushed(x0, p):
        return torch.func.jvp(lambda x0, p: run(t, x0, p), (x0, p), (x0.square(), p.sin()))[1]

    x, g_x0, g_p = both(x0, p, weights)
    moves = pushed(x0, p)
    for i in range(3):
        alone = both(x0[[i]], p[[i]], weights[:, [i]])
        assert torch.equal(pushed(x0[[i]], p[[i]]), moves[:, [i]])
        assert torch.equal(alone[0], x[:, [i]])
        assert torch.equal(alone[1], g_x0[[i]]) and torch.equal(alone[2], g_p[[i]])


def test_outputs_before_a_failure_are_there():
    blowing = load("param a = 1\ninit x = 1\ndx/dt = a*x**2\n", "tsit5")
    net = blowing.Model(rtol=1e-6, dense_output=True, adjoint="none")
    t = torch.linspace(0, 2, 21, dtype=D)
    with torch.no_grad():
        x = net(t)[:, 0]
    assert not net.status.ok and "x" in str(net.status)
    assert_close(x[:10], 1 / (1 - t[:10]), 1e-4)
    assert torch.isnan(x[11:]).all()


def test_float32_and_batches_of_more_axes():
    net = load(LV, "tsit5").Model(rtol=1e-4, atol=1e-5, dense_output=True, dtype=torch.float32)
    t, x0 = torch.linspace(0, 5, 50), torch.rand(2, 3, 2) + 1
    x0.requires_grad_()
    x = net(t, x0=x0)
    assert x.shape == (50, 2, 3, 2) and torch.isfinite(x).all()
    (g,) = torch.autograd.grad(x.sum(), x0)
    assert g.shape == x0.shape and torch.isfinite(g).all()


def test_vmap_and_repeated_or_single_times():
    module, _, (run, _) = calls(LV, "tsit5")
    x0, p = batch_of(module)
    together = run(TIMES, x0, p)
    assert_close(torch.func.vmap(lambda x, q: run(TIMES, x, q), out_dims=1)(x0, p), together, 1e-14)
    assert torch.equal(run(torch.zeros(3, dtype=D), x0, p), x0.expand(3, 3, 2))
    assert torch.equal(run(TIMES[:1], x0, p)[0], x0)


def test_what_cannot_be_is_said():
    module = load(LV, "tsit5")
    with pytest.raises(ValueError, match="dense_output is of adaptive steps"):
        module.Model(dt=0.1, dense_output=True)
    for method in ("kvaerno5", "adams", "ros3p"):
        with pytest.raises(ValueError, match=rf"{method} has no interpolant .*tsit5, .*dop853.*auto"):
            load(LV, method).Model(rtol=1e-4, dense_output=True)
    tolerance = module.Model(rtol=1e-4).steps.tolerance
    assert not tolerance.dense and math.isinf(tolerance.longest)
