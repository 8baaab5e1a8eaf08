"""Batch members do not know each other; shapes, threads and dtypes at their edges."""

import shutil
import subprocess
import sys

import pytest
import torch
from native_models import GATED, LORENZ, TIMED, arguments, gap, gradients, load, models, times

from odec.runtime.errors import EngineError
from odec.runtime.steps import Steps, Tolerance

pytestmark = pytest.mark.optimised


def pick(given, index):
    """The call of one trajectory out of a batch (B,)."""
    one = {"x0": given["x0"][index], "params": {n: v[index] for n, v in given["params"].items()}}
    if "inputs" in given:
        one["inputs"] = {n: (k, v if v.dim() == 1 else v[:, index]) for n, (k, v) in given["inputs"].items()}
    return one


@pytest.mark.parametrize("text", [LORENZ, TIMED, GATED])
def test_a_trajectory_has_the_same_bits_alone_and_in_any_batch(text):
    module = load(text)
    native, _ = models(module)
    t, given = times(module), arguments(module, (53,))
    xs = native(t, **given).detach()
    weights = torch.randn(xs.shape, generator=torch.Generator().manual_seed(3), dtype=xs.dtype)
    _, by_x0, *by_p = gradients(native, given, t, weights)[: 2 + len(module.PARAMS)]
    for index in (0, 16, 37, 52):
        one = pick(given, index)
        assert torch.equal(native(t, **one).detach(), xs[:, index])
        _, x0, *p = gradients(native, one, t, weights[:, index])[: 2 + len(module.PARAMS)]
        assert torch.equal(x0, by_x0[index])
        assert all(torch.equal(a, b[index]) for a, b in zip(p, by_p, strict=True))


@pytest.mark.parametrize("compiler", ["gcc", pytest.param("clang", marks=pytest.mark.slow)])
def test_tangents_by_tolerance_have_the_same_bits_in_any_lane(compiler, monkeypatch, tmp_path):
    """Which lane takes which trajectory hangs on the threads, and steps over a jump make much of rounding."""
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("ODEC_CACHE_DIR", str(tmp_path))
    module = load(TIMED, "tsit5")  # with mod, and with gamma, which leaves loops over lanes to scalars
    t, given = times(module), arguments(module, (53,))
    p = torch.stack([given["params"][name] for name in module.PARAMS], -1)
    series = module.Model(engine="native").series(given["inputs"], p)
    still = [values * (i % 2 == 0) for i, values in enumerate(series)]
    steps = Steps(tolerance=Tolerance(1e-7, (1e-9, 1e-9)))

    def tangents(order):
        x0 = given["x0"][order]
        u, du = ([v[..., order] if v.shape[-1] == 53 else v for v in values] for values in (series, still))
        call = t, x0, p[order], u, 0 * t, x0.cos(), 0 * p, du, steps
        return module.COMPILED.engine("native").tangent(*call)

    found = tangents(torch.arange(53))
    assert torch.equal(found.flip(1), tangents(torch.arange(52, -1, -1)))


def test_shared_gradients_do_not_depend_on_the_number_of_threads():
    module = load(TIMED)
    native, torch_ = models(module)
    t, given = times(module), arguments(module, (1501,), batched_params=False)
    given["inputs"] = {n: (k, v if v.dim() == 1 else v[:, 0]) for n, (k, v) in given["inputs"].items()}
    weights = torch.randn(len(t), 1501, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3, 2):
            torch.set_num_threads(threads)
            found.append(gradients(native, given, t, weights))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))
    for mine, theirs in zip(found[0], gradients(torch_, given, t, weights), strict=True):
        assert gap(mine, theirs) < 1e-10


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (4, 1, 2)])
def test_batch_shapes(shape):
    module = load(TIMED)
    native, torch_ = models(module)
    t, given = times(module), arguments(module, shape, batched_params=False)
    xs = native(t, **given).detach()
    assert xs.shape == (len(t), *shape, 2)
    assert gap(xs, torch_(t, **given).detach()) < 1e-11
    assert "ok" in str(native.status)


def test_parameters_that_vary_along_one_axis_alone():
    module = load(LORENZ)
    native, torch_ = models(module)
    t, given = times(module), arguments(module, (2, 3))
    given["params"]["rho"] = given["params"]["rho"][:1]
    given["params"]["beta"] = given["params"]["beta"][:, :1]
    weights = torch.ones(len(t), 2, 3, 3, dtype=torch.float64)
    pairs = zip(gradients(native, given, t, weights), gradients(torch_, given, t, weights), strict=True)
    assert all(gap(mine, theirs) < 1e-10 for mine, theirs in pairs)


def test_memory_that_is_not_contiguous():
    module = load(LORENZ)
    native, torch_ = models(module)
    t, given = times(module), arguments(module, (6,))
    wide = torch.zeros(3, 12, dtype=torch.float64)
    wide[:, ::2] = given["x0"].t()
    given["x0"] = wide[:, ::2].t()
    weights = torch.randn(3, len(t), 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    weights = weights.permute(1, 2, 0)
    assert gap(native(t, **given).detach(), torch_(t, **given).detach()) < 1e-11
    pairs = zip(gradients(native, given, t, weights), gradients(torch_, given, t, weights), strict=True)
    assert all(gap(mine, theirs) < 1e-10 for mine, theirs in pairs)


def test_one_time_and_times_that_decrease():
    module = load(LORENZ)
    native, torch_ = models(module)
    given = arguments(module, (3,))
    for t in (torch.tensor([0.3]), torch.tensor([0.2, 0.15, 0.04])):
        t = t.double()
        xs = torch_(t, **given).detach()
        assert gap(native(t, **given).detach(), xs) < 1e-11
        pairs = zip(*(gradients(net, given, t, torch.ones_like(xs)) for net in (native, torch_)), strict=True)
        assert all(gap(mine, theirs) < 1e-10 for mine, theirs in pairs)


def test_a_trajectory_that_fails_is_told_and_leaves_the_others_alone():
    module = load(LORENZ)
    native, _ = models(module)
    t, given = times(module), arguments(module, (20,))
    whole = native(t, **given).detach()
    given["x0"][7, 1] = torch.nan
    xs = native(t, **given).detach()
    assert not native.status.ok[7] and native.status.ok.sum() == 19
    others = [i for i in range(20) if i != 7]
    assert torch.equal(xs[:, others], whole[:, others])
    assert "(7,)" in str(native.status)


def test_dtypes_and_engines_that_do_not_fit_are_told():
    module = load(LORENZ)
    t = times(module)
    half = module.Model(engine="native", dtype=torch.float16)
    with pytest.raises(EngineError, match="float64 or float32, not torch.float16"):
        half(t)
    with pytest.warns(UserWarning, match="the torch engine is used instead"):
        assert module.Model(engine="auto", dtype=torch.bfloat16)(t).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="auto, native or torch, not 'cuda'"):
        module.Model(engine="cuda")
    with pytest.raises(ValueError, match="adjoint='continuous' runs on engine='torch'"):
        module.Model(engine="native", adjoint="continuous")
    assert module.Model().engine == "native"
    assert module.Model(adjoint="continuous").engine == "torch"


def test_a_native_module_needs_the_run_time_alone():
    """Of odec, none of what compiles models; without odec at all: tests/api/test_standalone.py."""
    module = load(LORENZ)
    code = (
        "import sys, importlib.util\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('sympy', 'jinja2', 'click'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        f"spec = importlib.util.spec_from_file_location('model', {module.__file__!r})\n"
        "model = importlib.util.module_from_spec(spec)\n"
        "sys.modules['model'] = model\n"
        "spec.loader.exec_module(model)\n"
        "import torch\n"
        "net = model.Model(engine='native')\n"
        "net(torch.linspace(0, 1, 3)).sum().backward()\n"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('odec.')}\n"
        "print(net.engine, float(net.sigma.grad) != 0, *rooms)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "native True runtime\n", (done.stdout, done.stderr)
