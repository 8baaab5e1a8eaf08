"""Outputs within the steps of implicit methods in the kernel: by the stages' slopes, beside torch."""

import gpu_stand_in
import pytest
import torch
from native_calls import observe
from native_models import LORENZ, arguments, gap, leaves, load
from test_gpu_source import figures
from test_native_dense import GATED, SMOOTH, agree, dense, pair, times
from test_stiff import FORCED, load_looped

CASES = [(FORCED, "backward_euler"), (FORCED, "trbdf2"), (FORCED, "radau_iia5"), (GATED, "radau_iia5")]
D = torch.float64


@pytest.mark.slow
@pytest.mark.parametrize("text, method", CASES, ids=["forced", "forced", "forced", "gated"])
def test_states_gradients_and_steps_are_those_of_torch(text, method):
    """Time, inputs whose knots are stops; gradients of times, states, parameters and inputs."""
    module = load(text, method)
    loose = {"rtol": 1e-2, "atol": 1e-3} if method == "backward_euler" else {"rtol": 1e-4, "atol": 1e-6}
    agree(module, arguments(module, (5,)), times(), 1e-9, **loose)


@pytest.mark.parametrize("method", ["trbdf2", "radau_iia5"])
def test_backwards_in_time(method):
    module = load(SMOOTH, method)
    same = {"rtol": 1.0, "atol": 1.0, "first_step": 0.11, "max_step": 0.11}
    agree(module, arguments(module, (2, 3), batched_params=False), times().flip(0), 1e-11, **same)


@pytest.mark.parametrize("method", ["trbdf2", "radau_iia5"])
def test_the_tangent_is_the_adjoint_of_the_adjoint(method):
    """<w, J v> = <Jᵀ w, v> for directions of the times, the states, the parameters and the inputs."""
    module = load(FORCED, method)
    native, _ = pair(module, rtol=1e-3, atol=1e-5)
    t, call, found = leaves(arguments(module, (4,)), times())
    generator = torch.Generator().manual_seed(2)
    directions = [torch.randn(leaf.shape, generator=generator, dtype=D) for leaf in found]
    xs = native(t, **call)
    w = torch.randn(xs.shape, generator=generator, dtype=D)
    pulled = torch.autograd.grad((xs * w).sum(), found)
    with torch.autograd.forward_ad.dual_level():
        duals = [torch.autograd.forward_ad.make_dual(*two) for two in zip(found, directions, strict=True)]
        rest = iter(duals[2:])
        again = {"x0": duals[1], "params": {name: next(rest) for name in call["params"]}}
        again["inputs"] = {name: (knots, next(rest)) for name, (knots, _) in call["inputs"].items()}
        pushed = torch.autograd.forward_ad.unpack_dual(native(duals[0], **again)).tangent
    one = (w * pushed).sum()
    other = sum((g * d).sum() for g, d in zip(pulled, directions, strict=True))
    assert abs(one - other) < 1e-10 * (w * pushed).abs().sum()


def test_factorisations_in_loops():
    module = load_looped(FORCED, "radau_iia5")
    agree(module, arguments(module, (3,)), times(), 1e-9, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", ["trbdf2", "radau_iia5"])
def test_observables_within_steps(method):
    module = load(SMOOTH, method)
    native, plain = pair(module)
    given, t = arguments(module, (6,)), times()
    p = plain.vector(given["params"]).detach()
    series, rules = plain.series(given["inputs"], p), dense(rtol=1e-5, atol=1e-7, states=2)
    ys = plain.observe(t, plain(t, **given).detach(), given["params"], given["inputs"])
    mine, report = observe(module, t, given["x0"], p, rules, series)
    assert gap(mine, ys) < 1e-9 and (report[:, 0] == 0).all()


def test_on_the_stand_in_for_a_gpu(monkeypatch):
    module = load(FORCED, "radau_iia5")
    driver = gpu_stand_in.install(monkeypatch)
    agree(module, arguments(module, (7,)), times(), 1e-9, rtol=1e-3, atol=1e-5)
    assert len(driver.launches) == 4, "solve twice, a count of the steps, the adjoint"


@pytest.mark.slow
@pytest.mark.parametrize("method, kernel", [("trbdf2", "adjoint"), ("radau_iia5", "solve")])
def test_the_gpu_s_compiler_takes_the_kernels(method, kernel):
    registers, _, _ = figures(load(LORENZ, method), kernel, D, times=True, adaptive=2)
    assert registers <= 255


def test_single_precision():
    module = load(FORCED, "radau_iia5")
    native, plain = pair(module, rtol=1e-3, atol=1e-4, dtype=torch.float32)
    given, t = arguments(module, (5,), dtype=torch.float32), times(dtype=torch.float32)
    x = native(t, **given).detach()
    assert x.dtype == torch.float32 and gap(x, plain(t, **given).detach()) < 1e-3
