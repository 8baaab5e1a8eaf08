"""The GPU's run time on a stand-in for the GPU: layout, launches, sums, memory, errors."""

import gpu_stand_in
import pytest
import torch
from native_calls import fixed, loss_gradient, sensitivities
from native_models import (
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

from odec.runtime.errors import DeviceMemoryError, EngineError
from odec.runtime.native import cuda

CASES = [(LORENZ, "rk4"), (TIMED, "rk4"), (TIMED, "euler"), (GATED, "heun2"), (RICKER, ""), (PAIR_MAP, "")]


@pytest.mark.parametrize("text, method", CASES)
@pytest.mark.parametrize("shape, batched", [((37,), True), ((2, 3), False), ((), False)])
def test_states_and_gradients_are_those_of_torch(text, method, shape, batched, monkeypatch):
    module = load(text, method)
    native, torch_ = models(module)
    driver = gpu_stand_in.install(monkeypatch)
    t = times(module)
    given = arguments(module, shape, batched_params=batched)
    xs = torch_(t, **given).detach()
    assert gap(native(t, **given).detach(), xs) < 1e-11
    weights = torch.randn(xs.shape, generator=torch.Generator().manual_seed(1), dtype=xs.dtype)
    expected = gradients(torch_, given, t, weights)
    for mine, theirs in zip(gradients(native, given, t, weights), expected, strict=True):
        assert gap(mine, theirs) < 1e-10
    assert len(driver.launches) == 3 and not driver.contexts
    assert {stream for _, _, stream in driver.launches} == {("stream", 7)}


@pytest.mark.parametrize("text, method", [(LORENZ, "rk4"), (TIMED, "heun2")])
def test_segments_threads_and_chunks_leave_the_gradients_as_they_are(text, method, monkeypatch):
    module = load(text, method)
    _, torch_ = models(module)
    t, given = times(module), arguments(module, (1200,), batched_params=False)
    weights = torch.ones((len(t), 1200, len(module.STATES)), dtype=t.dtype)
    expected = gradients(torch_, given, t, weights)
    found = {}
    for chunk, free in ((None, 1 << 30), (None, 1000), (64, 1 << 30), (1, 1000)):
        driver = gpu_stand_in.install(monkeypatch, free=free)
        found[chunk, free] = gradients(models(module, chunk=chunk)[0], given, t, weights)
        for mine, theirs in zip(found[chunk, free], expected, strict=True):
            assert gap(mine, theirs) < 1e-10
        blocks, block, _ = driver.launches[-1]
        assert blocks * block == {None: 1024, 64: 64, 1: 32}[chunk]
    for whole, segments in zip(found[None, 1 << 30], found[None, 1000], strict=True):
        assert torch.equal(whole, segments), "the tape's segments change no bit"


def test_observables_losses_and_tangents(monkeypatch):
    module = load(TIMED, "rk4")
    _, torch_ = models(module)
    t, given = times(module), arguments(module, (37,))
    net = module.Model(dt=0.04)
    p, series = net.vector(given["params"]), net.series(given["inputs"], given["x0"])
    call, rules = (t, given["x0"], p), (fixed(0.04), series)
    data = torch.randn((len(t), 4), generator=torch.Generator().manual_seed(3), dtype=t.dtype)
    weight = torch.ones_like(data)
    loss, expected, _ = loss_gradient(module, *call, data, weight, *rules)
    slopes = sensitivities(module, *call, *rules)
    gpu_stand_in.install(monkeypatch)
    again, found, _ = loss_gradient(module, *call, data, weight, *rules)
    assert gap(again, loss) < 1e-11
    for mine, theirs in zip(
        (found.x0, found.p, *found.u), (expected.x0, expected.p, *expected.u), strict=True
    ):
        assert gap(mine, theirs) < 1e-11
    for mine, theirs in zip(sensitivities(module, *call, *rules), slopes, strict=True):
        assert gap(mine, theirs) < 1e-11


def test_no_trajectories_launch_nothing(monkeypatch):
    module = load(LORENZ)
    driver = gpu_stand_in.install(monkeypatch)
    x0 = torch.zeros((0, 3), dtype=torch.float64, requires_grad=True)
    x = module.Model(engine="native", dt=0.1)(times(module), x0)
    assert x.shape == (5, 0, 3)
    x.sum().backward()
    assert x0.grad.shape == (0, 3) and not driver.launches


def test_a_full_gpu_says_how_many_trajectories_fit(monkeypatch):
    module = load(LORENZ)
    gpu_stand_in.install(monkeypatch, free=100_000, multiprocessors=16)
    x0 = torch.ones((4000, 3), dtype=torch.float64)
    empty = torch.empty

    def full(shape, *args, **kwargs):
        if isinstance(shape, tuple) and len(shape) == 1 and shape[0] * 8 > 100_000:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return empty(shape, *args, **kwargs)

    monkeypatch.setattr(torch, "empty", full)
    t, weights = times(module), torch.ones((5, 4000, 3), dtype=torch.float64)
    with pytest.raises(
        DeviceMemoryError, match=r"the tapes of 4096 trajectories .*room for \d+: pass chunk="
    ) as error:
        gradients(models(module)[0], {"x0": x0, "params": {}}, t, weights)
    chunk = int(str(error.value).split("chunk=")[1].split()[0])
    assert 32 <= chunk < 4000
    gradients(models(module, chunk=chunk)[0], {"x0": x0, "params": {}}, t, weights)


def test_outputs_that_do_not_fit_are_an_error_under_auto_too(monkeypatch):
    module = load(LORENZ)
    gpu_stand_in.install(monkeypatch, free=50_000)

    empty = torch.empty

    def full(shape, *args, **kwargs):
        if shape == (5, 4000, 3):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return empty(shape, *args, **kwargs)

    monkeypatch.setattr(torch, "empty", full)
    with pytest.raises(DeviceMemoryError, match=r"the GPU has 5e-05 GB free, room for 416: call"):
        module.Model(engine="auto", dt=0.1)(times(module), torch.ones((4000, 3), dtype=torch.float64))


def test_an_old_driver_is_an_error_with_the_remedy(monkeypatch):
    module = load(LORENZ)
    gpu_stand_in.install(monkeypatch).version = 12080
    with pytest.raises(EngineError, match=r"CUDA 12\.8 and is too old .* 13\.5; .*cuda-bindings<13"):
        module.Model(engine="native", dt=0.1)(times(module))


def test_missing_packages_are_an_error_and_auto_falls_back_to_torch(monkeypatch):
    module = load(LORENZ)
    original = cuda.bindings.__wrapped__
    gpu_stand_in.install(monkeypatch)
    monkeypatch.setattr(cuda, "bindings", original)
    monkeypatch.setitem(__import__("sys").modules, "cuda.bindings", None)
    with pytest.raises(EngineError, match="pip install cuda-bindings"):
        module.Model(engine="native", dt=0.1)(times(module))
    net = module.Model(engine="auto", dt=0.1)
    with pytest.warns(UserWarning, match="torch engine is used"):
        x = net(times(module))
    assert net.engine == "torch" and gap(x.detach(), models(module, dt=0.1)[1](times(module)).detach()) == 0


def test_a_chunk_that_is_no_number_is_refused():
    module = load(LORENZ)
    for chunk in (0, -3, 2.5):
        with pytest.raises(ValueError, match="chunk is None or a positive number"):
            module.Model(chunk=chunk, dt=0.1)
