"""Adaptive steps in the kernel: against torch, alone and among others, back again, and what goes wrong."""

import math

import gpu_stand_in
import pytest
import torch
from native_calls import adjoint, last, observe, put_lanes_inside, solve, tangent, tolerance
from native_models import CLASHES, GATED, LORENZ, SMOOTH, arguments, gap, gradients, leaves, load, times
from test_gpu_source import figures
from tiers import each_once, slow_but

from odec.runtime.engines import MAX_STEPS, NOT_FINITE, UNDERFLOW, UNSOLVED

GROWTH = """
param r = 1
init x = 1
init y = 1
dx/dt = r*x**2
dy/dt = -sqrt(y)
run t = 0 .. 1
"""
CASES = [(LORENZ, method) for method in ("heun21", "tsit5")]
CASES += [
    pytest.param(SMOOTH, "tsit5", marks=pytest.mark.optimised),
    (SMOOTH, "dop853"),
    (GATED, "dopri5"),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in ((LORENZ, "dop853"), (SMOOTH, "bosh3"), (CLASHES, "tsit5"))
    ),
]


def pair(module, **options):
    """The Model on the native engine, and on torch, with adaptive steps."""
    options = {"rtol": 1e-6, "atol": 1e-8, **options}
    return module.Model(engine="native", **options), module.Model(engine="torch", **options)


def control(rtol=1e-6, atol=1e-8, states=3, first=0.0, least=0.0, most=math.inf, steps=100_000):
    return tolerance(rtol, [atol] * states, first=first, least=least, longest=most, most=steps)


def spread(size, dtype=torch.float64):
    """Lorenz problems of very unequal length: rho from 0 to 40."""
    rho = torch.linspace(0, 40, size, dtype=dtype)
    p = torch.stack([torch.full_like(rho, 10), rho, torch.full_like(rho, 8 / 3)], -1)
    return torch.tensor([1.0, 0.5, 0.0], dtype=dtype).expand(size, 3), p


@pytest.mark.parametrize("text, method", CASES)
def test_states_gradients_and_steps_are_those_of_torch(text, method):
    module = load(text, method)
    tolerance = 1e-9 if method == "dop853" else 1e-10
    native, torch_ = pair(module, rtol=1e-2, atol=1e-4) if method == "heun21" else pair(module)
    t = times(module)
    for shape, batched in (((19,), True), ((2, 3), False)):
        given = arguments(module, shape, batched_params=batched)
        xs, mine = torch_(t, **given).detach(), native(t, **given).detach()
        assert gap(mine, xs) < tolerance
        assert native.status.steps.equal(torch_.status.steps)
        assert native.status.rejected.equal(torch_.status.rejected)
        weights = torch.randn(xs.shape, generator=torch.Generator().manual_seed(1), dtype=xs.dtype)
        found = zip(gradients(native, given, t, weights), gradients(torch_, given, t, weights), strict=True)
        assert all(gap(a, b) < 10 * tolerance for a, b in found)


@pytest.mark.parametrize("text, method", [(LORENZ, "tsit5"), (SMOOTH, "bosh3"), (GATED, "rodas4")])
def test_the_tangent_is_the_adjoint_of_the_adjoint(text, method):
    """<w, J v> = <Jᵀ w, v> for directions of the times, the states, the parameters and the inputs."""
    module = load(text, method)
    native, _ = pair(module)
    t, call, found = leaves(arguments(module, (5,)), times(module))
    generator = torch.Generator().manual_seed(2)
    directions = [torch.randn(leaf.shape, generator=generator, dtype=leaf.dtype) for leaf in found]
    xs = native(t, **call)
    w = torch.randn(xs.shape, generator=generator, dtype=xs.dtype)
    pulled = torch.autograd.grad((xs * w).sum(), found)
    with torch.autograd.forward_ad.dual_level():
        duals = [torch.autograd.forward_ad.make_dual(*two) for two in zip(found, directions, strict=True)]
        rest = iter(duals[2:])
        again = {"x0": duals[1], "params": {name: next(rest) for name in call["params"]}}
        if "inputs" in call:
            again["inputs"] = {name: (knots, next(rest)) for name, (knots, _) in call["inputs"].items()}
        pushed = torch.autograd.forward_ad.unpack_dual(native(duals[0], **again)).tangent
    one = (w * pushed).sum()
    other = sum((g * d).sum() for g, d in zip(pulled, directions, strict=True))
    assert abs(one - other) < 1e-11 * (w * pushed).abs().sum()


@pytest.mark.slow
@pytest.mark.optimised
@pytest.mark.parametrize(
    ("method", "dtype"), each_once(["tsit5", "heun21", "rodas4"], [torch.float64, torch.float32])
)
def test_a_trajectory_is_the_same_alone_and_among_others(method, dtype, monkeypatch):
    module = load(LORENZ, method)
    x0, p = spread(75, dtype)
    t, rules = torch.tensor([0.0, 0.4, 1.0], dtype=dtype), control(1e-4, 1e-6)
    w = torch.ones((3, 75, 3), dtype=dtype)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    xs, report = solve(module, t, x0, p, rules)
    back = adjoint(module, t, x0, p, w, rules, wrt_times=True)
    pushed = tangent(module, t, x0, p, torch.ones_like(t), x0, p, rules)
    assert report[:, 3].max() > 1.5 * report[:, 3].min()
    for i in (0, 15, 16, 40, 74):
        alone, one = solve(module, t, x0[i], p[i], rules)
        assert alone.equal(xs[:, i]) and one[3:].equal(report[i, 3:])
        mine = adjoint(module, t, x0[i], p[i], w[:, i], rules, wrt_times=True)
        assert mine.t.equal(back.t[:, i]) and mine.x0.equal(back.x0[i]) and mine.p.equal(back.p[i])
        alone = tangent(module, t, x0[i], p[i], torch.ones_like(t), x0[i], p[i], rules)
        assert alone.equal(pushed[:, i])


@pytest.mark.optimised
def test_shared_gradients_do_not_depend_on_the_threads(monkeypatch):
    module = load(LORENZ, "tsit5")
    x0 = torch.linspace(0.5, 2, 900, dtype=torch.float64).unsqueeze(-1) * torch.ones(3, dtype=torch.float64)
    p, t, rules = module.Model(dt=1).vector().detach(), torch.tensor([0.0, 2.0]).double(), control()
    w = torch.ones((2, 900, 3), dtype=torch.float64)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=threads: count)
        found.append(adjoint(module, t, x0, p, w, rules).p)
    assert found[0].equal(found[1])
    apart = adjoint(module, t, x0, p.expand(900, 3).clone(), w, rules).p
    assert gap(found[0], apart.sum(0)) < 1e-12


def test_a_tape_that_fills_up_begins_no_more_trajectories():
    """Long trajectories in a large group: the tape is replayed in parts, and nothing changes."""
    module = load(LORENZ, "heun21")
    x0, p = spread(150)
    t, rules = torch.tensor([0.0, 5.0]).double(), control(1e-5, 1e-7)
    w = torch.ones((2, 150, 3), dtype=torch.float64)
    g_x0 = adjoint(module, t, x0, p, w, rules).x0
    parts = [
        adjoint(module, t, x0[i : i + 2], p[i : i + 2], w[:, i : i + 2], rules).x0 for i in range(0, 150, 30)
    ]
    for i, part in zip(range(0, 150, 30), parts, strict=True):
        assert part.equal(g_x0[i : i + 2])


def test_backwards_the_last_state_observables_and_single_times():
    module = load(SMOOTH, "tsit5")
    native, torch_ = pair(module)
    given = arguments(module, (6,))
    t = times(module).flip(0)
    xs = torch_(t, **given).detach()
    assert gap(native(t, **given).detach(), xs) < 1e-10
    p = torch_.vector(given["params"]).detach()
    series, rules = torch_.series(given["inputs"], p), control(states=2)
    ys = torch_.observe(t, xs, given["params"], given["inputs"])
    mine, report = observe(module, t, given["x0"], p, rules, series)
    assert gap(mine, ys) < 1e-10 and (report[:, 0] == 0).all()
    end, _ = last(module, t, given["x0"], p, rules, series)
    assert end.shape == (6, 2) and gap(end, xs[-1]) < 1e-10
    for some in (t[:1], t[[0, 0, 0]]):
        xs = native(some, **given)
        assert all(x.equal(given["x0"]) for x in xs.detach())
        assert (native.status.steps == 0).all()
        ones = torch.ones_like(xs)
        assert gradients(native, given, some, ones)[1].equal(torch.full_like(given["x0"], len(some)))
    assert native(
        t, x0=given["x0"][:0], params=dict.fromkeys(module.PARAMS, 1.0), inputs=_first(given)
    ).shape == (5, 0, 2)


def _first(given):
    return {name: (knots, v if v.dim() == 1 else v[:, 0]) for name, (knots, v) in given["inputs"].items()}


def test_steps_obey_their_bounds():
    module = load(LORENZ, "tsit5")
    x0, p = spread(3)
    t = torch.tensor([0.0, 1.0]).double()
    steps = [
        solve(module, t, x0, p, control(**bounds))[1][:, 3]
        for bounds in ({}, {"most": 1e-3}, {"first": 1e-9}, {"least": 0.5, "rtol": 1e3})
    ]
    assert (steps[1] >= 1000).all() and (steps[1] < 1010).all()
    assert (steps[2] > steps[0]).all()
    assert (steps[3] <= 3).all()


def test_what_ends_a_trajectory_is_reported_and_leaves_the_others_alone():
    module = load(GROWTH, "dopri5")
    t = torch.tensor([0.0, 0.5, 2.0]).double()
    r = torch.tensor([0.1, 1.0, 0.2, 0.1, 0.3]).double().unsqueeze(-1)
    x0 = torch.ones((5, 2), dtype=torch.float64)
    x0[2, 1] = -1.0
    x0[3, 1] = 0.25
    xs, report = solve(module, t, x0, r, control(states=2))
    code, time, state = report[:, 0].tolist(), report[:, 1], report[:, 2].tolist()
    assert code[0] == code[4] == 0 and xs[:, [0, 4]].isfinite().all()
    assert code[1] in (UNDERFLOW, UNSOLVED)
    assert abs(time[1] - 1) < 1e-3 and state[1] == 0 and xs[2, 1].isnan().all() and xs[1, 1].isfinite().all()
    assert code[2] == NOT_FINITE and state[2] == 1 and time[2] == 0
    assert xs[0, 2].equal(x0[2]) and xs[1:, 2].isnan().all()
    assert code[3] in (UNDERFLOW, UNSOLVED) and state[3] == 1
    alone = solve(module, t, x0[[0]], r[[0]], control(states=2))[0]
    assert alone[:, 0].equal(xs[:, 0])
    xs, report = solve(module, t, x0, r, control(states=2, steps=4))
    assert report[0, 0] == MAX_STEPS and report[0, 3:].sum() == 4
    assert 0 < report[0, 1] < 2 and xs[2, 0].isnan().all()


def test_failures_are_those_of_torch():
    module = load(GROWTH, "dopri5")
    native, torch_ = pair(module)
    t = torch.tensor([0.0, 0.5, 2.0]).double()
    x0 = torch.tensor([[1.0, 1.0], [1.0, -1.0], [0.1, 1.0], [0.1, 9.0]]).double()
    xs, mine = torch_(t, x0=x0).detach(), native(t, x0=x0).detach()
    assert xs.isnan().equal(mine.isnan())
    assert [str(failure)[:50] for failure in native.status.failures] == [
        str(failure)[:50] for failure in torch_.status.failures
    ]


@pytest.mark.parametrize("text, method", [(SMOOTH, "tsit5"), (LORENZ, "dop853"), (GATED, "bosh3")])
def test_large_models_put_the_lanes_inside(text, method, monkeypatch):
    """The layout for large models gives the same numbers; forced here upon small ones."""
    module = load(text, method)
    put_lanes_inside(module, monkeypatch)
    native, torch_ = pair(module)
    t, given = times(module), arguments(module, (19,))
    xs = torch_(t, **given).detach()
    assert gap(native(t, **given).detach(), xs) < 1e-9
    weights = torch.ones_like(xs)
    pairs = zip(gradients(native, given, t, weights), gradients(torch_, given, t, weights), strict=True)
    assert all(gap(mine, theirs) < 1e-8 for mine, theirs in pairs)


@pytest.mark.parametrize("text, method", [(LORENZ, "tsit5"), (SMOOTH, "bosh3"), (GATED, "rodas4")])
@pytest.mark.parametrize("shape, batched", [((37,), True), ((2, 3), False)])
def test_a_stand_in_for_a_gpu(text, method, shape, batched, monkeypatch):
    module = load(text, method)
    native, torch_ = pair(module)
    driver = gpu_stand_in.install(monkeypatch)
    t, given = times(module), arguments(module, shape, batched_params=batched)
    xs = torch_(t, **given).detach()
    assert gap(native(t, **given).detach(), xs) < 1e-10
    weights = torch.randn(xs.shape, generator=torch.Generator().manual_seed(1), dtype=xs.dtype)
    expected = gradients(torch_, given, t, weights)
    for mine, theirs in zip(gradients(native, given, t, weights), expected, strict=True):
        assert gap(mine, theirs) < 1e-9
    assert len(driver.launches) == 4, "solve twice, a count of the steps, the adjoint"


def test_a_gpu_with_little_memory_has_fewer_tapes_at_a_time(monkeypatch):
    module = load(LORENZ, "tsit5")
    x0, p = spread(300)
    t, rules = torch.tensor([0.0, 1.0]).double(), control()
    w = torch.ones((2, 300, 3), dtype=torch.float64)
    expected = adjoint(module, t, x0, p, w, rules)
    for free, chunk, threads in ((1 << 30, 0, 384), (1 << 30, 64, 64), (1000, 0, 32)):
        driver = gpu_stand_in.install(monkeypatch, free=free)
        found = adjoint(module, t, x0, p, w, rules, chunk=chunk)
        assert all(gap(mine, theirs) < 1e-11 for mine, theirs in zip(found[1:3], expected[1:3], strict=True))
        blocks, block, _ = driver.launches[-1]
        assert blocks * block == threads


@pytest.mark.parametrize(
    ("text", "method", "kernel"),
    slow_but(
        (
            (*case, kernel)
            for case in ((LORENZ, "tsit5"), (SMOOTH, "dopri5"), (LORENZ, "rodas4"))
            for kernel in ("solve", "adjoint", "tangent")
        ),
        lambda _, method, kernel: (method, kernel) in (("tsit5", "solve"), ("rodas4", "adjoint")),
    ),
)
def test_the_gpu_s_compiler_takes_the_kernels(text, method, kernel):
    registers, stack, spilled = figures(load(text, method), kernel, torch.float64, times=True, adaptive=True)
    assert registers <= 255 and stack < 1000 and spilled < 1000
