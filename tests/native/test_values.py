"""The native engine against the torch engine: states, gradients, tangents, losses."""

import pytest
import torch
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

from odec.methods import EXPLICIT_METHODS as METHODS

FIXED = sorted(METHODS)
CASES = [(LORENZ, method) for method in FIXED]
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
    series = [torch_._series(given["inputs"], p)] if module.INPUTS else []
    xs = module.solve_plain(t, x0, p, *series, torch_.dt, None)
    ys = torch_.observe(t, xs, dict(zip(module.PARAMS, p.unbind(-1), strict=True)), *given_inputs(given))
    columns = torch.cat((xs, ys), -1)
    generator = torch.Generator().manual_seed(2)
    data = torch.randn(columns.shape, generator=generator, dtype=torch.float64)
    weight = torch.rand(columns.shape, generator=generator, dtype=torch.float64)
    weight[1::2] = 0
    data[weight == 0] = torch.nan
    loss = (weight * (columns - torch.nan_to_num(data)) ** 2).sum((0, -1))
    expected = torch.autograd.grad(loss.sum(), [x0, p])
    series = [[s.detach() for s in series[0]]] if series else []
    mine = module.loss_gradient(t, x0, p, *series, data, weight, torch_.dt)
    assert gap(mine[0], loss.detach()) < 1e-12
    assert gap(mine[1], expected[0]) < 1e-10
    assert gap(mine[2], expected[1]) < 1e-10


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
    series = [torch_._series(given["inputs"], p)] if module.INPUTS else []
    by_x0, by_p = module.sensitivities(t, given["x0"], p, *series, native.dt)

    def states(x0, p):
        return module.solve_plain(t, x0, p, *series, torch_.dt, None)

    for b in range(3):
        wrt_x0, wrt_p = torch.autograd.functional.jacobian(states, (given["x0"][b], p))
        assert gap(by_x0[:, b], wrt_x0) < 1e-10
        assert gap(by_p[:, b], wrt_p) < 1e-10


def test_observables_and_the_last_state_alone():
    module = load(TIMED)
    t, given = times(module), arguments(module, (6,))
    native, torch_ = models(module)
    p = torch_.vector(given["params"]).detach()
    series = torch_._series(given["inputs"], p)
    xs = torch_(t, **given).detach()
    ys = torch_.observe(t, xs, given["params"], given["inputs"])
    assert gap(module.native_observe(t, given["x0"], p, series, native.dt, None), ys) < 1e-11
    last, _ = module.native_solve(t, given["x0"], p, series, native.dt, None, last_only=True)
    assert last.shape == (1, 6, 2)
    assert gap(last[0], xs[-1]) < 1e-11


@pytest.mark.parametrize("text, method", [(TIMED, "rk4"), (LORENZ, "tsit5"), (PAIR_MAP, "")])
def test_large_models_put_the_lanes_inside(text, method, monkeypatch):
    """The layout for large models gives the same numbers; forced here upon small ones."""
    module = load(text, method)
    original = module._library
    monkeypatch.setattr(module, "_library", lambda kernel, d: original(kernel, {**d, "INNER_LANES": 1}))
    module._kernel.cache_clear()
    t, given = times(module), arguments(module, (19,))
    native, torch_ = models(module)
    xs = torch_(t, **given).detach()
    assert gap(native(t, **given).detach(), xs) < 1e-11
    weights = torch.ones_like(xs)
    pairs = zip(gradients(native, given, t, weights), gradients(torch_, given, t, weights), strict=True)
    assert all(gap(mine, theirs) < 1e-10 for mine, theirs in pairs)
    module._kernel.cache_clear()


@pytest.mark.optimised
def test_a_long_run_is_cut_into_segments(monkeypatch):
    """Checkpoints give the same bits as one long tape."""
    module = load(LORENZ)
    native, _ = models(module, dt=0.001)
    t, given = times(module), arguments(module, (3,))
    weights = torch.ones(len(t), 3, 3, dtype=torch.float64)
    whole = gradients(native, given, t, weights)
    monkeypatch.setattr(module, "_TAPE_BYTES", 1)
    module._plan.cache_clear()
    for mine, theirs in zip(gradients(native, given, t, weights), whole, strict=True):
        assert torch.equal(mine, theirs)
    module._plan.cache_clear()
