"""The native engine against the torch engine: states, gradients, tangents, losses."""

from itertools import product

import pytest
import torch
from native_calls import engine_of, last, loss_gradient, observe, put_lanes_inside, sensitivities
from native_models import (
    CLASHES,
    FACTORS,
    GATED,
    LORENZ,
    PAIR_MAP,
    RICKER,
    TIMED,
    arguments,
    gap,
    gradients,
    load,
    models,
    times,
)
from tiers import slow_but

from odec.methods import EXPLICIT_METHODS as METHODS
from odec.runtime.native import plans

FIXED = sorted(METHODS)
QUICK = ("euler", "heun2", "rk4", "dopri5", "tsit5", "dop853")
CASES = slow_but(product([LORENZ], FIXED), lambda _, method: method in QUICK)
CASES += [(FACTORS, method) for method in ("euler", "rk4", "dopri5")]
CASES += [
    pytest.param(TIMED, "rk4", marks=pytest.mark.optimised),
    (TIMED, "bosh3"),
    (GATED, "heun2"),
    (CLASHES, "rk4"),
    (RICKER, ""),
    (PAIR_MAP, ""),
]


@pytest.mark.parametrize("text, method", CASES)
def test_states_and_gradients_are_those_of_torch(text, method):
    module = load(text, method)
    native, torch_ = models(module)
    t = times(module)
    for shape, batched in (((19,), True), ((2, 3), False)):
        given = arguments(module, shape, batched_params=batched)
        xs = torch_(t, **given).detach()
        assert gap(native(t, **given).detach(), xs) < 1e-11
        weights = torch.randn(xs.shape, generator=torch.Generator().manual_seed(1), dtype=xs.dtype)
        for mine, theirs in zip(
            gradients(native, given, t, weights), gradients(torch_, given, t, weights), strict=True
        ):
            assert gap(mine, theirs) < 1e-10


def compare(pair, given, t, weights, tolerance):
    mine, theirs = (gradients(net, given, t, weights) for net in pair)
    assert all(gap(a, b) < tolerance for a, b in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("text", [LORENZ, TIMED, FACTORS])
def test_clip(text):
    module = load(text)
    t, given = times(module), arguments(module, (5,))
    native, torch_ = models(module, clip=1.5)
    xs = torch_(t, **given).detach()
    assert gap(native(t, **given).detach(), xs) < 1e-11
    assert gap(xs, models(module)[1](t, **given).detach()) > 1e-3
    compare((native, torch_), given, t, torch.ones_like(xs), 1e-10)


@pytest.mark.parametrize("text", [LORENZ, TIMED, GATED, FACTORS])
def test_single_precision(text):
    module = load(text)
    native, torch_ = models(module, dtype=torch.float32)
    given, t = arguments(module, (5,), dtype=torch.float32), times(module, torch.float32)
    xs = torch_(t, **given).detach()
    mine = native(t, **given).detach()
    assert mine.dtype == torch.float32
    assert gap(mine, xs) < 1e-4
    compare((native, torch_), given, t, torch.ones_like(xs), 1e-3)


@pytest.mark.parametrize("text", [LORENZ, TIMED, GATED, FACTORS, RICKER])
def test_loss_gradient_is_that_of_autograd(text):
    module = load(text)
    t, given = times(module), arguments(module, (7,))
    _, torch_ = models(module)
    p = torch_.vector(given["params"]).detach().requires_grad_()
    x0 = given["x0"].clone().requires_grad_()
    series = torch_.series(given.get("inputs"), p)
    xs, _ = engine_of(module, "torch").plain(t, x0, p, series, torch_.steps)
    ys = torch_.observe(t, xs, dict(zip(module.PARAMS, p.unbind(-1), strict=True)), *given_inputs(given))
    columns = torch.cat((xs, ys), -1)
    generator = torch.Generator().manual_seed(2)
    data = torch.randn(columns.shape, generator=generator, dtype=torch.float64)
    weight = torch.rand(columns.shape, generator=generator, dtype=torch.float64)
    weight[1::2] = 0
    data[weight == 0] = torch.nan
    loss = (weight * (columns - torch.nan_to_num(data)) ** 2).sum((0, -1))
    expected = torch.autograd.grad(loss.sum(), [x0, p])
    series = [s.detach() for s in series]
    mine, found, _ = loss_gradient(module, t, x0, p, data, weight, torch_.steps, series)
    assert gap(mine, loss.detach()) < 1e-12
    assert gap(found.x0, expected[0]) < 1e-10
    assert gap(found.p, expected[1]) < 1e-10


def given_inputs(given):
    return [given["inputs"]] if "inputs" in given else []


@pytest.mark.parametrize("text", [LORENZ, TIMED, RICKER])
def test_sensitivities_are_the_jacobians(text):
    module = load(text)
    t, given = times(module), arguments(module, (3,), batched_params=False)
    native, torch_ = models(module)
    p = torch_.vector(given["params"]).detach()
    if module.INPUTS:
        given["inputs"] = {
            name: (k, v if v.dim() == 1 else v[:, 0]) for name, (k, v) in given["inputs"].items()
        }
    series = torch_.series(given.get("inputs"), p)
    by_x0, by_p = sensitivities(module, t, given["x0"], p, native.steps, series)

    def states(x0, p):
        return engine_of(module, "torch").plain(t, x0, p, series, torch_.steps)[0]

    for b in range(3):
        wrt_x0, wrt_p = torch.autograd.functional.jacobian(states, (given["x0"][b], p))
        assert gap(by_x0[:, b], wrt_x0) < 1e-10
        assert gap(by_p[:, b], wrt_p) < 1e-10


def test_observables_and_the_last_state_alone():
    module = load(TIMED)
    t, given = times(module), arguments(module, (6,))
    native, torch_ = models(module)
    p = torch_.vector(given["params"]).detach()
    series = torch_.series(given["inputs"], p)
    xs = torch_(t, **given).detach()
    ys = torch_.observe(t, xs, given["params"], given["inputs"])
    assert gap(observe(module, t, given["x0"], p, native.steps, series)[0], ys) < 1e-11
    end, _ = last(module, t, given["x0"], p, native.steps, series)
    assert end.shape == (6, 2)
    assert gap(end, xs[-1]) < 1e-11


@pytest.mark.parametrize("text, method", [(TIMED, "rk4"), (LORENZ, "tsit5"), (PAIR_MAP, "")])
def test_large_models_put_the_lanes_inside(text, method, monkeypatch):
    """The layout for large models gives the same numbers; forced here upon small ones."""
    module = load(text, method)
    put_lanes_inside(module, monkeypatch)
    t, given = times(module), arguments(module, (19,))
    native, torch_ = models(module)
    xs = torch_(t, **given).detach()
    assert gap(native(t, **given).detach(), xs) < 1e-11
    weights = torch.ones_like(xs)
    pairs = zip(gradients(native, given, t, weights), gradients(torch_, given, t, weights), strict=True)
    assert all(gap(mine, theirs) < 1e-10 for mine, theirs in pairs)


@pytest.mark.optimised
def test_a_long_run_is_cut_into_segments(monkeypatch):
    """Checkpoints give the same bits as one long tape."""
    module = load(LORENZ)
    native, _ = models(module, dt=0.001)
    t, given = times(module), arguments(module, (3,))
    weights = torch.ones(len(t), 3, 3, dtype=torch.float64)
    whole = gradients(native, given, t, weights)
    monkeypatch.setattr(plans, "TAPE_BYTES", 1)
    plans.plan_of.cache_clear()
    engine_of(module)._ready.clear()
    for mine, theirs in zip(gradients(native, given, t, weights), whole, strict=True):
        assert torch.equal(mine, theirs)
    plans.plan_of.cache_clear()
    engine_of(module)._ready.clear()
