"""The native engine on an NVIDIA GPU against torch on the CPU. Skips itself where there is no GPU."""

import pytest
import torch
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

from odec.runtime.native import cuda

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no NVIDIA GPU on this machine"),
]
CASES = [(LORENZ, "rk4"), (LORENZ, "dopri5"), (TIMED, "rk4"), (GATED, "heun2"), (RICKER, ""), (PAIR_MAP, "")]


def moved(value, *to):
    """Tensors in dicts and tuples on another device or of another dtype."""
    if isinstance(value, dict):
        return {name: moved(part, *to) for name, part in value.items()}
    return tuple(moved(part, *to) for part in value) if isinstance(value, tuple) else value.to(*to)


def on_gpu(module, **options):
    return models(module, device="cuda", **options)[0]


@pytest.mark.parametrize("text, method", CASES)
@pytest.mark.parametrize("dtype, near", [(torch.float64, 1e-10), (torch.float32, 2e-3)])
def test_states_and_gradients_are_those_of_torch_on_the_cpu(text, method, dtype, near):
    module = load(text, method)
    _, cpu = models(module)
    t = times(module)
    for shape, batched in (((1000,), True), ((2, 3), False), ((), False)):
        given = arguments(module, shape, batched_params=batched)
        xs = cpu(t, **given).detach()
        net = on_gpu(module, dtype=dtype)
        there = moved(given, "cuda", dtype)
        assert gap(net(t.to("cuda", dtype), **there).detach().double().cpu(), xs) < near
        weights = torch.randn(xs.shape, generator=torch.Generator().manual_seed(1), dtype=xs.dtype)
        expected = gradients(cpu, given, t, weights)
        found = gradients(net, there, t.to("cuda", dtype), weights.to("cuda", dtype))
        for mine, theirs in zip(found, expected, strict=True):
            assert mine.is_cuda and gap(mine.double().cpu(), theirs) < near


@pytest.mark.parametrize("text, method", [(LORENZ, "tsit5"), (GATED, "rodas5p")])
def test_adaptive_states_and_gradients_are_those_of_torch_on_the_cpu(text, method):
    module = load(text, method)
    rules = {"dt": None, "rtol": 1e-5, "atol": 1e-7}
    cpu, net = models(module, **rules)[1], on_gpu(module, **rules)
    t, given = times(module), arguments(module, (300,))
    there = moved(given, "cuda")
    weights = torch.ones((len(t), 300, len(module.STATES)), dtype=t.dtype)
    assert gap(net(t.cuda(), **there).detach().cpu(), cpu(t, **given).detach()) < 1e-6
    expected = gradients(cpu, given, t, weights)
    for mine, theirs in zip(gradients(net, there, t.cuda(), weights.cuda()), expected, strict=True):
        assert mine.is_cuda and gap(mine.cpu(), theirs) < 1e-5


def test_kernels_run_on_the_current_stream_in_its_order():
    module = load(LORENZ)
    net = on_gpu(module, adjoint="none")
    t = times(module).cuda()
    x0 = torch.ones((100_000, 3), dtype=torch.float64, device="cuda")
    expected = net(t, 2 * x0)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        late = torch.zeros_like(x0)
        torch.cuda._sleep(100_000_000)
        late.add_(2 * x0)
        found = net(t, late)
        late.zero_()
    stream.synchronize()
    assert torch.equal(found, expected)


def test_a_backward_pass_on_another_thread_has_the_context():
    module = load(LORENZ)
    net = on_gpu(module)
    x = net(times(module).cuda(), torch.ones((10, 3), dtype=torch.float64, device="cuda"))
    x.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_chunks_segments_and_repeats_leave_the_gradients_as_they_are(monkeypatch):
    module = load(LORENZ)
    t = times(module).cuda()
    given = moved(arguments(module, (500_000,)), "cuda")
    weights = torch.ones((len(t), 500_000, 3), dtype=t.dtype, device="cuda")
    expected = gradients(on_gpu(module), given, t, weights)
    again = gradients(on_gpu(module), given, t, weights)
    chunked = gradients(on_gpu(module, chunk=4096), given, t, weights)
    monkeypatch.setattr(cuda, "free_memory", lambda device: 1000)
    cut = gradients(on_gpu(module), given, t, weights)
    for a, *others in zip(expected, again, chunked, cut, strict=True):
        assert all(torch.equal(a, b) or gap(b, a) < 1e-12 for b in others)
    assert all(torch.equal(a, b) for a, b in zip(expected, again, strict=True))


def test_a_trajectory_is_the_same_alone_and_in_a_batch():
    module = load(LORENZ)
    net = on_gpu(module, adjoint="none")
    x0 = torch.rand((1000, 3), dtype=torch.float64, device="cuda")
    whole = net(times(module).cuda(), x0)
    assert torch.equal(whole[:, 7], net(times(module).cuda(), x0[7]))


def test_the_adjoints_memory_does_not_grow_with_the_batch():
    module = load(LORENZ)
    t = torch.tensor([0.0, 1.0], dtype=torch.float64, device="cuda")
    peaks = []
    for size in (1 << 20, 1 << 21):
        x0 = torch.ones((size, 3), dtype=torch.float64, device="cuda")
        net = models(module, device="cuda", dt=0.01, chunk=1 << 16)[0]
        x = net(t, x0.requires_grad_())
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        x.sum().backward()
        peaks.append(torch.cuda.max_memory_allocated() - before - 2 * x.numel() * x.element_size())
    assert peaks[1] < 1.5 * max(peaks[0], 1 << 20)


def test_a_second_device_is_used_where_its_tensors_are():
    if torch.cuda.device_count() < 2:
        pytest.skip("one GPU alone is here")
    module = load(LORENZ)
    x = models(module, device="cuda:1")[0](times(module).to("cuda:1"))
    assert x.device.index == 1 and torch.isfinite(x).all()
