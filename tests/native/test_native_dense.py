"""Outputs within adaptive steps in the kernel: beside torch, alone and in batches, back again, failing."""

from dataclasses import replace

import gpu_stand_in
import pytest
import torch
from native_calls import adjoint, last, observe, put_lanes_inside, solve, tangent
from native_models import GATED, LORENZ, arguments, gap, gradients, leaves, load
from test_adaptive_kernels import GROWTH, SMOOTH, control, spread
from test_gpu_source import figures
from tiers import slow_but

from odec.runtime.engines import MAX_STEPS
from odec.runtime.errors import EngineError

CASES = [(LORENZ, "tsit5"), (LORENZ, "rodas5p"), (SMOOTH, "dop853"), (SMOOTH, "rodas4"), (GATED, "heun21")]
CASES += [pytest.param(LORENZ, method, marks=pytest.mark.slow) for method in ("vern7", "vern9")]


def pair(module, **options):
    """The Model with dense output on the native engine, and on torch."""
    options = {"rtol": 1e-5, "atol": 1e-7, "dense_output": True, **options}
    return module.Model(engine="native", **options), module.Model(engine="torch", **options)


def dense(**bounds):
    """The steps of a run with dense output."""
    steps = control(**bounds)
    return replace(steps, tolerance=replace(steps.tolerance, dense=True))


def times(count=20, dtype=torch.float64):
    """Many output times, the first, the last and one between repeated."""
    t = torch.linspace(0.1, 1.13, count, dtype=dtype)
    return torch.cat((t[:1], t[:7], t[6:], t[-1:]))


def agree(module, given, t, tolerance, **options):
    """States, steps and gradients are those of torch."""
    native, torch_ = pair(module, **options)
    x, own = torch_(t, **given), native(t, **given)  # held, as each status is of them
    xs = x.detach()
    assert gap(own.detach(), xs) < tolerance
    assert native.status.steps.equal(torch_.status.steps)
    assert native.status.rejected.equal(torch_.status.rejected)
    weights = torch.randn(xs.shape, generator=torch.Generator().manual_seed(1), dtype=xs.dtype)
    found = zip(gradients(native, given, t, weights), gradients(torch_, given, t, weights), strict=True)
    assert [gap(a, b) for a, b in found if not gap(a, b) < 10 * tolerance] == []


@pytest.mark.slow
@pytest.mark.parametrize("text, method", CASES)
def test_states_gradients_and_steps_are_those_of_torch(text, method):
    module = load(text, method)
    near = 2e-7 if method == "vern9" else 3e-8  # steps start with estimates that are near rounding
    agree(module, arguments(module, (19,)), times(), near, rtol=1e-4, atol=1e-6)
    back = times() if text == LORENZ else times().flip(0)
    same = {"rtol": 1.0, "atol": 1.0, "first_step": 0.05, "max_step": 0.05}
    agree(module, arguments(module, (2, 3), batched_params=False), back, 3e-12, **same)


@pytest.mark.parametrize("method", ["tsit5", "dop853", "rodas5p"])
def test_steps_do_not_depend_on_the_outputs(method):
    module = load(LORENZ, method)
    x0, p = spread(40)
    t = torch.linspace(0, 1, 500, dtype=torch.float64)
    xs, report = solve(module, t, x0, p, dense())
    ends, ends_report = solve(module, t[[0, -1]], x0, p, dense())
    assert xs[[0, -1]].equal(ends) and report[:, 3:].equal(ends_report[:, 3:])
    end, _ = last(module, t, x0, p, dense())
    assert end.shape == (40, 3) and end.equal(xs[-1])
    landed, more = solve(module, t, x0, p, control(1e-10, 1e-12))
    assert gap(xs, landed) < 1e-3 and (more[:, 3] > 400).all() and (4 * report[:, 3] < more[:, 3]).all()


@pytest.mark.slow
@pytest.mark.optimised
@pytest.mark.parametrize(
    "method, dtype",
    slow_but(
        [("tsit5", torch.float32), ("vern7", torch.float64), ("rodas4", torch.float64)],
        lambda method, _: method == "tsit5",
    ),
)
def test_a_trajectory_is_the_same_alone_and_among_others(method, dtype, monkeypatch):
    module = load(LORENZ, method)
    x0, p = spread(75, dtype)
    t, rules = torch.linspace(0, 1, 23, dtype=dtype), dense(rtol=1e-4, atol=1e-6)
    w = torch.ones((23, 75, 3), dtype=dtype)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    xs, report = solve(module, t, x0, p, rules)
    back = adjoint(module, t, x0, p, w, rules, wrt_times=True)
    pushed = tangent(module, t, x0, p, torch.ones_like(t), x0, p, rules)
    for i in (0, 15, 16, 74):
        alone, one = solve(module, t, x0[i], p[i], rules)
        assert alone.equal(xs[:, i]) and one[3:].equal(report[i, 3:])
        mine = adjoint(module, t, x0[i], p[i], w[:, i], rules, wrt_times=True)
        assert mine.t.equal(back.t[:, i]) and mine.x0.equal(back.x0[i]) and mine.p.equal(back.p[i])
        alone = tangent(module, t, x0[i], p[i], torch.ones_like(t), x0[i], p[i], rules)
        assert alone.equal(pushed[:, i])


@pytest.mark.parametrize("text, method", [(LORENZ, "tsit5"), (SMOOTH, "dop853"), (SMOOTH, "rodas4")])
def test_the_tangent_is_the_adjoint_of_the_adjoint(text, method):
    """<w, J v> = <Jᵀ w, v> for directions of the times, the states, the parameters and the inputs."""
    module = load(text, method)
    native, _ = pair(module)
    t, call, found = leaves(arguments(module, (5,)), times())
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
    assert abs(one - other) < 1e-10 * (w * pushed).abs().sum()


def test_an_output_s_time_moves_it_along_the_trajectory():
    """By its time the gradient of an output between the ends is that of the interpolant: close to f."""
    module = load(LORENZ, "tsit5")
    x0, p = spread(6)
    t = torch.linspace(0, 1, 12, dtype=torch.float64)
    rules, w = dense(rtol=1e-11, atol=1e-13), torch.ones((12, 6, 3), dtype=torch.float64)
    xs, _ = solve(module, t, x0, p, rules)
    g_t = adjoint(module, t, x0, p, w, rules, wrt_times=True).t
    slopes = module.rhs(t[:, None], xs, p).sum(-1)
    assert gap(g_t[1:], slopes[1:]) < 1e-6


def test_observables_lie_within_steps_and_on_knots():
    module = load(SMOOTH, "tsit5")
    _, torch_ = pair(module)
    given = arguments(module, (6,))
    knots = given["inputs"]["u"][0]
    t = torch.cat((times(), knots)).sort().values
    p = torch_.vector(given["params"]).detach()
    series, rules = torch_.series(given["inputs"], p), dense(rtol=1e-5, atol=1e-7, states=2)
    xs = torch_(t, **given).detach()
    ys = torch_.observe(t, xs, given["params"], given["inputs"])
    mine, report = observe(module, t, given["x0"], p, rules, series)
    assert gap(mine, ys) < 1e-10 and (report[:, 0] == 0).all()
    agree(module, given, t, 1e-10)


@pytest.mark.parametrize("method", ["tsit5", "rodas4"])
def test_an_output_at_the_end_of_a_step_belongs_to_it(method):
    """Steps of 1/8 from 0 to 2: every output lies where a step ends, or in the middle of one."""
    module = load(GROWTH, method)
    t = torch.linspace(0, 2, 33, dtype=torch.float64)
    given = {
        "x0": torch.tensor([[0.1, 9.0], [0.2, 8.0]]).double(),
        "params": {"r": torch.tensor(0.5).double()},
    }
    agree(module, given, t, 1e-11, rtol=1e-1, first_step=0.125, max_step=0.125)


def test_a_trajectory_that_ends_early_keeps_the_outputs_before():
    module = load(GROWTH, "dopri5")
    native, torch_ = pair(module)
    t = torch.linspace(0, 2, 41, dtype=torch.float64)
    x0 = torch.tensor([[1.0, 1.0], [1.0, -1.0], [0.1, 1.0], [0.1, 9.0]]).double()
    xs, mine = torch_(t, x0=x0).detach(), native(t, x0=x0).detach()
    assert xs.isnan().equal(mine.isnan()) and gap(mine.nan_to_num(), xs.nan_to_num()) < 1e-6
    assert mine[:20, 0].isfinite().all() and mine[-1, 0].isnan().all() and mine[:, 3].isfinite().all()
    assert mine[0, 1].equal(x0[1]) and mine[1:, 1].isnan().all()
    assert [str(failure)[:50] for failure in native.status.failures] == [
        str(failure)[:50] for failure in torch_.status.failures
    ]
    few = dense(states=2, steps=4)
    xs, report = solve(module, t, x0, torch.ones((4, 1)).double(), few)
    assert report[3, 0] == MAX_STEPS and xs[1, 3].isfinite().all() and xs[-1, 3].isnan().all()


@pytest.mark.parametrize("text, method", [(SMOOTH, "dop853"), (LORENZ, "tsit5")])
def test_large_models_put_the_lanes_inside(text, method, monkeypatch):
    """The layout for large models gives the same numbers; forced here upon small ones."""
    module = load(text, method)
    put_lanes_inside(module, monkeypatch)
    agree(module, arguments(module, (19,)), times(), 1e-9)


@pytest.mark.parametrize("text, method", [(LORENZ, "rodas4"), (SMOOTH, "tsit5")])
def test_a_stand_in_for_a_gpu(text, method, monkeypatch):
    module = load(text, method)
    driver = gpu_stand_in.install(monkeypatch)
    agree(module, arguments(module, (37,)), times(), 1e-10)
    assert len(driver.launches) == 4, "solve twice, a count of the steps, the adjoint"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text, method, kernel",
    [(LORENZ, "tsit5", kernel) for kernel in ("solve", "adjoint", "tangent")]
    + [(SMOOTH, "dopri5", "solve"), (LORENZ, "rodas5p", "adjoint")],
)
def test_the_gpu_s_compiler_takes_the_kernels(text, method, kernel):
    registers, stack, spilled = figures(load(text, method), kernel, torch.float64, times=True, adaptive=2)
    assert registers <= 255 and stack < 2000 and spilled < 2000


def test_float32_is_close():
    module = load(LORENZ, "tsit5")
    x0, p = spread(20)
    t = torch.linspace(0, 1, 64, dtype=torch.float64)
    fine, _ = solve(module, t, x0, p, dense(rtol=1e-9, atol=1e-10))
    given = (value.float() for value in (t, x0, p))
    coarse, _ = solve(module, *given, dense(rtol=1e-5, atol=1e-6))
    assert coarse.dtype == torch.float32 and gap(coarse.double(), fine) < 1e-3


def test_a_method_without_an_interpolant_says_so():
    module = load(LORENZ, "ros3p")
    with pytest.raises(ValueError, match="ros3p has no interpolant"):
        module.Model(engine="native", rtol=1e-6, dense_output=True)
    x0, p = spread(2)
    with pytest.raises(EngineError, match="no dense output for ros3p"):
        solve(module, torch.tensor([0.0, 1]).double(), x0, p, dense())
