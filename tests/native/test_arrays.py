"""Kernels of arrays: every operation beside the torch engine, shared parameters, maps, adaptive steps."""

from __future__ import annotations

import functools
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from native_calls import (
    adjoint,
    adjoint_by_torch,
    engine_of,
    fixed,
    kernels_of,
    loss_gradient,
    solve,
    tangent,
    tolerance,
)
from native_models import gap
from tiers import slow_but

from odec.arrays import ARRAY_OPERATIONS
from odec.backends.native.array_operations import MOVES, STATEMENTS
from odec.build import choose_engine
from odec.errors import ArgumentError
from odec.passes import derive
from odec.render import module_text
from odec.runtime.errors import EngineError
from odec.runtime.native import cuda, toolchain

sys.path.append(str(Path(__file__).parents[1] / "passes"))
from array_models import array_model, array_op
from building import op, syms
from test_array_operations import CASES

CASE = [(name, *case) for name, cases in CASES.items() for case in cases]
CLOSE = 1e-11


def module_of(model, method="rk4"):
    """The model's module, with both engines."""
    made = ModuleType("made")
    text = module_text(derive(model), method, version="0", engine="native")
    exec(compile(text, "made.py", "exec"), made.__dict__)
    return made


def test_every_operation_of_arrays_is_written_in_c():
    """But those of modules from outside, which run on torch alone: see tests/lang/test_external_nets.py."""
    outside = {"external", "external_vjp", "external_jvp"}
    assert STATEMENTS.keys() | MOVES.keys() | {"outer"} == ARRAY_OPERATIONS.keys() - outside
    assert STATEMENTS.keys().isdisjoint(MOVES)


@functools.cache
def all_operations(first):
    """y_k' = q_k op_k(a_k, b_k, …) of every case; of their arguments those after the first are parameters.

    first: of which arguments the first are states. The other way round the first is a parameter.
    """
    equations, shapes, params = {}, {}, {}
    for k, (name, static, *args) in enumerate(CASE):
        names = [f"{letter}{k}" for letter in "abc"[: len(args)]]
        own = names if first == "all" else names[:1] if first == "first" else names[1:] or names
        shapes |= dict(zip(names, args, strict=True)) | {f"y{k}": ARRAY_OPERATIONS[name].shape(args, static)}
        equations[f"y{k}"] = syms(f"q{k}")[0] * array_op(name, *names, static=static)
        equations |= {n: -syms(n)[0] * syms(n)[0] for n in own}
        params |= dict.fromkeys([f"q{k}", *(n for n in names if n not in own)], 0.5)
    return module_of(array_model(equations, shapes, params=params), "euler")


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def sizes(module):
    return len(module.STATES), sum(param.size for param in module.COMPILED.params)


def against_torch(module, batch, own=False, times=3, steps=None):
    """States, gradients and tangents beside those of the torch engine."""
    n, m = sizes(module)
    steps = steps or fixed(0.1)
    t, x0 = torch.linspace(0, 0.3, times, dtype=torch.float64), 0.5 * normal(batch, n)
    p, w = 0.5 * normal(*([batch] if own else []), m, seed=1), normal(times, batch, n, seed=2)
    found, wanted = (solve(module, t, x0, p, steps, engine=e)[0] for e in ("native", "torch"))
    assert gap(found, wanted) < CLOSE
    found, wanted = (f(module, t, x0, p, w, steps, wrt_times=True) for f in (adjoint, adjoint_by_torch))
    for a, b in zip(found[:3], wanted[:3], strict=True):
        assert gap(a, b) < CLOSE
    d_t, d_x0, d_p = 0.1 * normal(times, seed=3), normal(batch, n, seed=4), normal(m, seed=5)
    by_torch = engine_of(module, "torch").tangent(t, x0, p, (), d_t, d_x0, d_p, (), steps)
    assert gap(tangent(module, t, x0, p, d_t, d_x0, d_p, steps), by_torch) < CLOSE


@pytest.mark.parametrize(
    ("first", "own"), slow_but([("first", False), ("rest", True), ("all", False)], lambda first, own: own)
)
def test_every_operation_is_that_of_the_torch_engine(first, own):
    against_torch(all_operations(first), 5, own)


def network(n, method="rk4", **more):
    """A continuous-time recurrent network of n units, with its weights."""
    W, b, tau, h = syms("W b tau h")
    equation = (-h + array_op("matmul", W, op("tanh", h)) + b) / tau
    shapes = {"h": (n,), "W": (n, n), "b": (n,)} | {"s": ()}
    model = array_model(
        {"h": equation}, shapes, params={"W": 0.1, "b": 0.2, "tau": 1.5}, obs={"s": array_op("norm", h)}
    )
    return module_of(model, method)


@functools.cache
def small_network(method="rk4"):
    return network(10, method)


@pytest.mark.optimised
@pytest.mark.parametrize(
    ("batch", "own"), slow_but([(1, False), (37, False), (3, True)], lambda batch, own: batch == 37)
)
def test_shared_parameters_are_read_where_they_lie(batch, own):
    """Rows and columns that fill no tile, lanes without a trajectory; parameters shared, or one's own."""
    against_torch(small_network(), batch, own)


@pytest.mark.optimised
def test_gradients_of_shared_parameters_have_the_same_bits_on_any_number_of_threads():
    module, threads = small_network(), torch.get_num_threads()
    n, m = sizes(module)
    t, x0, p, w = torch.linspace(0, 3, 4).double(), normal(200, n), normal(m, seed=1), normal(4, 200, n)
    try:
        found = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(adjoint(module, t, x0, p, w, fixed(0.05)).p)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_the_loss_takes_its_gradients_with_observables_in_one_pass():
    module = small_network()
    n, m = sizes(module)
    t, x0, p = torch.linspace(0, 1, 4).double(), normal(5, n), normal(m, seed=1)
    data, weight = normal(4, 5, n + 1, seed=2), normal(4, 5, n + 1, seed=3).abs()
    weight[:, 2] = 0
    found, gradients, _ = loss_gradient(module, t, x0, p, data, weight, fixed(0.1))
    leaves = x0.clone().requires_grad_(), p.clone().requires_grad_()
    xs = module.Model(engine="torch", dt=0.1)(t, x0=leaves[0], params=leaves[1])
    values = torch.cat([xs, module.observables(t, xs, leaves[1])], -1)
    loss = (weight * (values - data) ** 2).sum((0, 2))
    g_x0, g_p = torch.autograd.grad(loss.sum(), leaves)
    assert max(gap(found, loss.detach()), gap(gradients.x0, g_x0), gap(gradients.p, g_p)) < CLOSE


def test_the_text_does_not_grow_with_arrays():
    few, many = (len(network(n).COMPILED.kernel.source) for n in (3, 300))
    assert many < few + 200


def test_array_parameters_of_each_trajectory_take_lanes_of_their_own():
    kernels = kernels_of(network(64)).kernels
    assert kernels.lanes(torch.float64, True) == 16 > kernels.lanes(torch.float64, False)


@pytest.mark.parametrize("dense", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_steps_by_tolerance_sum_over_the_lanes_that_take_one(dense):
    module = small_network("dopri5")
    bounds = {"dense": True} if dense else {}
    steps = tolerance(1e-6, [1e-8] * len(module.STATES), **bounds)
    against_torch(module, 7, times=6, steps=steps)


def test_a_map_of_arrays_steps_in_place():
    W, b, h = syms("W b h")
    equation = op("tanh", array_op("matmul", W, h) + b)
    shapes = {"h": (10,), "W": (10, 10), "b": (10,)}
    module = module_of(array_model({"h": equation}, shapes, params={"W": 0.1, "b": 0.2}, kind="map"), "map")
    n, m = sizes(module)
    t, x0, p, w = torch.tensor([0.0, 3, 7]).double(), normal(9, n), normal(m, seed=1), normal(3, 9, n, seed=2)
    found, wanted = (solve(module, t, x0, p, fixed(None), engine=e)[0] for e in ("native", "torch"))
    assert gap(found, wanted) < CLOSE
    found, wanted = (f(module, t, x0, p, w, fixed(None)) for f in (adjoint, adjoint_by_torch))
    assert max(gap(found.x0, wanted.x0), gap(found.p, wanted.p)) < CLOSE
    given = t, x0, p, torch.zeros_like(t), normal(9, n, seed=4), normal(m, seed=5)
    by_torch = engine_of(module, "torch").tangent(*given[:3], (), *given[3:], (), fixed(None))
    assert gap(tangent(module, *given, fixed(None)), by_torch) < CLOSE


def test_quick_tanh_is_within_four_units_of_the_last_place():
    y, a = syms("y a")
    module = module_of(array_model({"y": op("tanh", a), "a": 0 * y}, {"y": (4,), "a": (4,)}), "euler")
    a = torch.cat([torch.logspace(-300, 2, 400), torch.linspace(0, 21, 1600), torch.tensor([torch.inf, 0.0])])
    a = torch.cat([a, -a, torch.full((4,), torch.nan)]).double().reshape(-1, 4)
    x0 = torch.cat([torch.zeros_like(a), a], -1)
    found = solve(module, torch.tensor([0.0, 1.0]).double(), x0, a.new_zeros(0), fixed(1.0))[0][1, :, :4]
    torch.testing.assert_close(found, torch.tanh(a), rtol=9e-16, atol=0, equal_nan=True)


def test_what_has_no_kernel_of_arrays_is_said():
    h, W = syms("h W")
    model = array_model({"h": -array_op("matmul", W, h)}, {"h": (3,), "W": (3, 3)}, params={"W": 1.0})
    assert choose_engine("auto", "rk4", model) == "native" and choose_engine("auto", "auto", model) == "torch"
    with pytest.raises(ArgumentError, match="explicit methods alone, not rodas5p; choose engine='torch'"):
        choose_engine("native", "rodas5p", model)
    with pytest.raises(ArgumentError, match="explicit methods alone, not kvaerno5"):
        module_of(model, "kvaerno5")


def test_what_does_not_fit_a_thread_is_said():
    kernels = kernels_of(network(64)).kernels
    kernels.check_thread(torch.float64, True)
    with pytest.raises(EngineError, match="its own, .* kB, does not fit a thread of the GPU"):
        kernels.check_thread(torch.float64, False)
    kernels.kernel = replace(kernels.kernel, room=600_000)  # as of a large model
    with pytest.raises(EngineError, match="MB, does not fit a thread of the native engine"):
        kernels.lanes(torch.float64, True)


IN_CUDA = [
    ("solve", "sm_90", True),
    ("adjoint", "sm_80", True),
    ("adjoint", "sm_100", True),
    ("loss", "sm_90", False),
    ("tangent", "sm_90", True),
]


@pytest.mark.parametrize(
    ("kernel", "arch", "shares_p"), slow_but(IN_CUDA, lambda kernel, arch, shares_p: kernel == "solve")
)
def test_nvrtc_takes_kernels_of_arrays(kernel, arch, shares_p):
    module = small_network()
    defines = kernels_of(module).kernels.defines(kernel, torch.float64, True, True, 1, 0, 1, shares_p)
    options = [f"--gpu-architecture={arch}", "--std=c++17", *toolchain.macros_of(kernel, defines)]
    cubin, _ = cuda.compile_cubin(module.KERNEL.source, options)
    assert cubin.startswith(b"\x7fELF")


def test_inputs_and_the_time_stand_beside_arrays():
    W, b, h, u, t = syms("W b h u t")
    drive = u * b * op("sin", 2 * t) + array_op("matmul", W, op("tanh", h))
    model = array_model(
        {"h": drive - h}, {"h": (5,), "W": (5, 5), "b": (5,)}, params={"W": 0.1, "b": 0.2}, inputs=("u",)
    )
    module = module_of(model, "bosh3")
    n, m = sizes(module)
    times, x0, p, w = (
        torch.linspace(0, 1, 4).double(),
        normal(6, n),
        normal(m, seed=1),
        normal(4, 6, n, seed=2),
    )
    knots, values = torch.tensor([0.0, 0.35, 0.8]).double(), normal(3, seed=3)
    for steps in ({"dt": 0.1}, {"rtol": 1e-5}):
        found = []
        for engine in ("native", "torch"):
            leaves = [given.clone().requires_grad_() for given in (times, x0, p, values)]
            net = module.Model(engine=engine, **steps)
            xs = net(leaves[0], x0=leaves[1], params=leaves[2], inputs={"u": (knots, leaves[3])})
            found.append([xs.detach(), *torch.autograd.grad((xs * w).sum(), leaves)])
        assert max(map(gap, *found)) < CLOSE
