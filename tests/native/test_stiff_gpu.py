"""Stiff methods on a GPU: on the stand-in, by value; and compiled by NVRTC."""

import gpu_stand_in
import pytest
import torch
from native_models import arguments, gap, gradients, load, models, times
from test_gpu_source import figures
from test_stiff import FORCED, load_looped


@pytest.mark.slow
@pytest.mark.parametrize(
    "make, method",
    [pytest.param(load, "rodas4", marks=pytest.mark.slow), (load_looped, "rodas4"), (load, "trbdf2")],
)
def test_states_and_gradients_are_those_of_torch(make, method, monkeypatch):
    """With fixed steps and with adaptive ones; the factorisation written out and in loops."""
    module = make(FORCED, method)
    gpu_stand_in.install(monkeypatch)
    t, given = times(module), arguments(module, (7,))
    for options, tolerance in (({}, 1e-10), ({"dt": None, "rtol": 1e-3, "atol": 1e-5}, 1e-7)):
        native, plain = models(module, **options)
        weights = torch.ones((len(t), 7, 3), dtype=t.dtype)
        assert gap(native(t, **given).detach(), plain(t, **given).detach()) < tolerance
        expected = gradients(plain, given, t, weights)
        for mine, theirs in zip(gradients(native, given, t, weights), expected, strict=True):
            assert gap(mine, theirs) < tolerance


@pytest.mark.slow
@pytest.mark.parametrize("method", ["rodas5p", "kvaerno3"])
@pytest.mark.parametrize("kernel", ["solve", "adjoint", "tangent"])
def test_kernels_compile(method, kernel):
    registers, _, _ = figures(load(FORCED, method), kernel, torch.float64, times=True)
    assert registers <= 255
