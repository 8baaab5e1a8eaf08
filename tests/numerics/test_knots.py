"""Fixed steps land on the knots of inputs: order, values and gradients, on both engines."""

import functools

import numpy as np
import pytest
import torch
from tiers import slow_but, slow_but_for

import odec
from odec.methods import METHODS
from odec.runtime.native import toolchain

D = torch.float64
load = functools.cache(odec.load)

CLOSED = """
input h hold
input l linear
init x = 1
init y = 1
x' = -(h + l)*x
y' = (h - l)*y**2
run t = 0 .. 1
"""
KNOTS = (0.0, 0.28, 0.66, 0.85, 1.33, 1.51)
"""Apart by 2.8, 3.8, 1.9, 4.8 and 1.8 tenths: steps of half and of a quarter of 0.1 are twice and four times
as many, in each piece."""
HELD = (0.5, -1.0, 0.7, 1.2, -0.4, 3.0)
STRAIGHT = (0.3, 1.1, -0.6, 0.2, 0.9, 0.1)


def area(kind, at):
    """The integrals of the inputs from 0 to `at`, to be added up piece by piece: not odec's."""
    inside = [0.0, *(knot for knot in KNOTS if 0 < knot < at), at]
    middles = [(a + b) / 2 for a, b in zip(inside, inside[1:])]
    if kind == "hold":
        values = [HELD[np.searchsorted(KNOTS, m, side="right") - 1] for m in middles]
    else:
        values = np.interp(middles, KNOTS, STRAIGHT)
    return float(np.dot(np.diff(inside), values))


def exact(end, scale=1.0):
    h, l = (scale * area(kind, end) for kind in ("hold", "linear"))  # noqa: E741
    return np.array([np.exp(-h - l), 1 / (1 - h + l)])


def given():
    knots = torch.tensor(KNOTS, dtype=D)
    return {"h": (knots, torch.tensor(HELD, dtype=D)), "l": (knots, torch.tensor(STRAIGHT, dtype=D))}


def closed(method, dt, scale=1.0):
    """The states at the end, of inputs that are larger by a scale."""
    net = load(CLOSED, method, "torch").Model(dt=dt)
    knots = torch.tensor(KNOTS, dtype=D)
    inputs = {
        name: (knots, scale * torch.tensor(values, dtype=D))
        for name, values in (("h", HELD), ("l", STRAIGHT))
    }
    with torch.no_grad():
        return net(torch.tensor([0.0, KNOTS[-1]], dtype=D), inputs=inputs)[-1].numpy()


def sizes_of(name):
    """Two sizes of steps, and by how much the inputs are larger: such that errors go by the order."""
    method = METHODS.get(name)
    if method is not None and method.family == "multistep":
        return (0.01, 0.005), 1.0
    sizes = {
        "dop853": ((0.1, 0.05), 1.0),
        "vern9": ((0.05, 0.025), 4.0),
        "rodas4": ((0.00625, 0.003125), 1.0),
    }
    return sizes.get(name, ((0.05, 0.025), 1.0))


@pytest.mark.parametrize("method", slow_but_for([*METHODS, "auto"], "rk4", "rodas5p", "adams"))
def test_knots_off_the_grid_cost_no_order(method):
    (coarse, fine), scale = sizes_of(method)
    wanted = exact(KNOTS[-1], scale)
    errors = [abs(closed(method, dt, scale=scale) - wanted).max() for dt in (coarse, fine)]
    order = METHODS[method].order if method in METHODS else 5
    assert np.log2(errors[0] / errors[1]) > order - 0.35, errors


def test_backwards_in_time_the_same_knots_are_landed_on():
    net = load(CLOSED, "rk4", "torch").Model(dt=0.05)
    t = torch.tensor([KNOTS[-1], 0.7, -0.2], dtype=D)
    with torch.no_grad():
        x0 = torch.as_tensor(exact(KNOTS[-1]))
        x = net(t, x0=x0, inputs=given())
    before = -0.2 * HELD[0], -0.2 * STRAIGHT[0]  # held outside the knots
    first = [np.exp(-sum(before)), 1 / (1 - before[0] + before[1])]
    np.testing.assert_allclose(x[1], exact(0.7), rtol=1e-6)
    np.testing.assert_allclose(x[2], first, rtol=2e-6)
    assert net.status.steps == 4 + 10 + 3 + 1 + 8 + 6 + 4


MANY = """
input h hold
input l linear
init x = 0
init y = 0
x' = h
y' = l
run t = 0 .. 10
"""


@pytest.mark.parametrize("engine", ["torch", "native"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_thousand_knots_are_landed_on_though_dt_is_longer(engine, dtype):
    """Midpoint steps are exact within a piece: of x and y those alone that land on every knot are."""
    random = np.random.default_rng(3)
    knots = np.sort(random.uniform(-1, 11, 1000)).astype(np.float32)
    held, straight = random.normal(size=(2, 1000, 3))
    net = load(MANY, "midpoint", engine).Model(dt=20.0, dtype=dtype, engine=engine)
    own = torch.as_tensor(knots).to(dtype)
    inputs = {"h": (own, torch.as_tensor(held).to(dtype)), "l": (own, torch.as_tensor(straight).to(dtype))}
    with torch.no_grad():
        x = net(torch.tensor([0.0, 10.0], dtype=dtype), inputs=inputs)[-1]
    inside = np.concatenate(([0.0], knots[(knots > 0) & (knots < 10)], [10.0])).astype(float)
    middles, lengths = (inside[1:] + inside[:-1]) / 2, np.diff(inside)
    wanted_x = lengths @ held[np.searchsorted(knots, middles, side="right") - 1]
    lines = np.stack([np.interp(middles, knots, line) for line in straight.T], -1)
    tight = {"rtol": 1e-12, "atol": 1e-12} if dtype is D else {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(x[:, 0], wanted_x, **tight)
    np.testing.assert_allclose(x[:, 1], lengths @ lines, **tight)
    assert net.status.steps == len(lengths)


ALL_KINDS = """
param a = 3
input u linear
input v hold
input w cubic
init x = 1
init y = 0.5
x' = -a*x + u*y + v
y' = sin(x) - u*y**2 + w*cos(t)
obs z = x*u + v*t
run t = 0 .. 1
"""
OWN = {
    "u": [0.0, 0.31, 0.557, 1.0, 1.4, 2.0],
    "v": [0.0, 0.31, 0.72, 0.9, 1.1, 1.9],
    "w": [-0.3, 0.2, 0.557, 1.2, 1.5, 1.8],
}
"""Some of u's and of v's are the same, one is an output, others are the first and the last time."""


def runs(method, engine, times, batch=(), each=False, **keywords):
    """A function of the times, parameters and the inputs' values, and these."""
    net = load(ALL_KINDS, method, engine).Model(engine=engine, dt=0.09, **keywords)
    random = torch.Generator().manual_seed(4)
    values = [torch.randn((6, *(batch if each else ())), generator=random, dtype=D) for _ in OWN]
    x0 = torch.tensor([1.0, 0.5], dtype=D) + 0.1 * torch.randn((*batch, 2), generator=random, dtype=D)

    def states(t, x0, a, *values):
        inputs = {name: (torch.tensor(OWN[name], dtype=D), v) for name, v in zip(OWN, values)}
        return net(t, x0=x0, params={"a": a}, inputs=inputs)

    return states, [torch.tensor(times, dtype=D), x0, torch.tensor(0.7, dtype=D), *values]


def weights(states):
    return torch.linspace(0.5, 1.5, states.numel(), dtype=D).reshape(states.shape)


def gradients(states, arguments):
    leaves = [value.clone().requires_grad_() for value in arguments]
    x = states(*leaves)
    return x.detach(), torch.autograd.grad((x * weights(x)).sum(), leaves)


def near(found, wanted, relative):
    """Hold tensors against others, relative to the largest entry of each."""
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=relative, atol=relative * max(float(b.abs().max()), 1e-3))


TIMES = [(0.0, 0.5, 1.4, 2.0), (-0.2, 0.5, 0.72, 2.3), (1.9, 1.0, 0.0), (0.4, 0.4, 0.5)]
STEPPERS = ("rk4", "rodas5p", "kvaerno5", "radau_iia5", "auto")


@pytest.mark.parametrize(
    ("method", "times", "each"),
    slow_but(
        ((m, t, each) for m in STEPPERS for t in TIMES for each in (False, True)),
        lambda method, times, each: method == "rk4",
    ),
)
def test_engines_agree_in_states_gradients_and_tangents(method, times, each):
    (torch_states, given), (native_states, _) = (
        runs(method, engine, times, (3,), each) for engine in ("torch", "native")
    )
    x, wanted = gradients(torch_states, given)
    y, found = gradients(native_states, given)
    near([y, *found], [x, *wanted], 1e-11)
    random = torch.Generator().manual_seed(8)
    moves = tuple(torch.randn(value.shape, generator=random, dtype=D) for value in given)
    tangents = [torch.func.jvp(states, tuple(given), moves)[1] for states in (torch_states, native_states)]
    near(tangents[1:], tangents[:1], 1e-11)
    by_adjoint = sum(float((g * move).sum()) for g, move in zip(found, moves))
    assert by_adjoint == pytest.approx(float((tangents[0] * weights(x)).sum()), rel=1e-10)


@pytest.mark.parametrize("method", slow_but_for(("adams", "explicit_adams", *STEPPERS), "rk4", "adams"))
def test_the_adjoint_is_that_of_autograd_and_of_differences(method):
    """No output is on a knot, so that a small change of the times takes the same steps."""
    times = (-0.2, 0.5, 1.27, 1.66)
    (states, given), (plain, _) = (runs(method, "torch", times, adjoint=a) for a in ("discrete", "autograd"))
    x, found = gradients(states, given)
    y, wanted = gradients(plain, given)
    near([x, *found], [y, *wanted], 1e-10)
    random = torch.Generator().manual_seed(8)
    moves = [torch.randn(value.shape, generator=random, dtype=D) for value in given]
    small = 1e-6
    with torch.no_grad():
        above, below = (states(*(g + s * m for g, m in zip(given, moves))) for s in (small, -small))
    slope = float(((above - below) * weights(x)).sum()) / (2 * small)
    assert slope == pytest.approx(sum(float((g * m).sum()) for g, m in zip(found, moves)), rel=1e-7)


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_gradients_by_a_time_and_by_values_are_those_of_the_closed_form(engine):
    """x(T) = exp(-area): by T it is -(h + l) x, by a held value -(the length of its piece) x."""
    net = load(CLOSED, "rk4", engine).Model(dt=0.005, engine=engine)
    h, t = torch.tensor(HELD, dtype=D, requires_grad=True), torch.tensor([0.1, 0.9], dtype=D)
    t.requires_grad_()
    x = net(t, inputs={**given(), "h": (torch.tensor(KNOTS, dtype=D), h)})[-1, 0]
    g_t, g_h = torch.autograd.grad(x, [t, h])
    at = [float(np.interp(time, KNOTS, STRAIGHT)) for time in (0.1, 0.9)]
    slopes = torch.tensor([HELD[0] + at[0], -(HELD[3] + at[1])], dtype=D)
    torch.testing.assert_close(g_t, slopes * x.detach(), rtol=1e-8, atol=0)
    lengths = torch.tensor([0.18, 0.38, 0.19, 0.05, 0.0, 0.0], dtype=D)
    torch.testing.assert_close(g_h, -lengths * x.detach(), rtol=1e-8, atol=1e-15)


def test_the_continuous_adjoint_lands_on_knots_too():
    times, found = (-0.2, 0.5, 1.27, 1.66), []
    for adjoint in ("discrete", "continuous"):
        net = load(ALL_KINDS, "rk4", "torch").Model(dt=0.05, adjoint=adjoint)
        values = [torch.linspace(0.1, 1.0, 6, dtype=D).cos().requires_grad_() for _ in OWN]
        t = torch.tensor(times, dtype=D, requires_grad=True)
        x = net(t, inputs={name: (torch.tensor(OWN[name], dtype=D), v) for name, v in zip(OWN, values)})
        found.append(torch.autograd.grad((x * weights(x)).sum(), [t, *values]))
    near(found[1], found[0], 1e-4)


def test_gradients_that_nobody_asks_for_are_left_out(monkeypatch):
    """Of the inputs: the kernel is given no room for them, and what else is asked for is the same."""
    module = load(ALL_KINDS, "rk4", "native")
    engine = module.COMPILED.engine("native")
    states, given = runs("rk4", "native", (0.0, 0.5, 2.0), (3,), True)
    asked, adjoint = [], type(engine).adjoint

    def watched(self, t, run, p, series, w_xs, steps, how, wrt_times):
        found = adjoint(self, t, run, p, series, w_xs, steps, how, wrt_times)
        asked.append((how.inputs, [g.shape for g in found.u], [bool(g.any()) for g in found.u]))
        return found

    monkeypatch.setattr(type(engine), "adjoint", watched)
    _, wanted = gradients(states, given)
    leaves = [value.clone().requires_grad_() for value in given[:3]]
    x = states(*leaves, *given[3:])
    found = torch.autograd.grad((x * weights(x)).sum(), leaves)
    for a, b in zip(found, wanted):
        assert torch.equal(a, b)
    (first, shapes, any_first), (second, same, any_second) = asked
    assert (first, second) == (True, False) and shapes == same
    assert all(any_first) and not any(any_second)


@pytest.mark.parametrize("each", [(), ("u",), tuple(OWN)])
def test_kernels_hold_one_number_for_all_lanes_where_all_inputs_are_shared(each, monkeypatch):
    """Their macro says so; an input of each trajectory's own takes another kernel."""
    kernels = load(ALL_KINDS, "rk4", "native").COMPILED.engine("native").kernels
    made, library = [], toolchain.library
    monkeypatch.setattr(kernels, "_functions", {})
    monkeypatch.setattr(toolchain, "library", lambda *a: made.append(a[2]) or library(*a))
    states, (t, x0, a, *values) = runs("rk4", "native", (0.0, 0.5), (3,))
    scales = torch.tensor([0.7, 1.1, 1.6], dtype=D)
    values = [v.unsqueeze(-1) * scales if name in each else v for name, v in zip(OWN, values)]
    with torch.no_grad():
        found = states(t, x0, a, *values)
        for k in range(3):
            alone = states(t, x0[k], a, *(v[:, k] if v.dim() == 2 else v for v in values))
            near([found[:, k]], [alone], 1e-14)
    assert [macros.get("SHARED_INPUTS", 0) for macros in made] == ([0, 1] if each else [1])
