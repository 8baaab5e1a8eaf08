"""What a native module offers beside its Model: sensitivities by tolerance, and arguments that do not fit."""

import pytest
import torch
from native_calls import adjoint, fixed, loss_gradient, sensitivities, solve, tangent, tolerance
from native_models import LORENZ, SMOOTH, TIMED, arguments, gap, load, times
from torch.func import jacfwd

from odec.runtime.native.fused import FusedFit

TOLERANCES = {"rtol": 1e-6, "atol": 1e-8}


@pytest.mark.parametrize(("text", "method"), [(LORENZ, "tsit5"), (SMOOTH, "bosh3")])
def test_sensitivities_by_tolerance_are_the_jacobians_on_the_mesh(text, method):
    module = load(text, method)
    net = module.Model(engine="torch", rtol=1e-4, atol=1e-6)
    t, given = times(module), arguments(module, (3,), batched_params=False)
    p = net.vector(given["params"]).detach()
    inputs, series = {}, []
    if module.INPUTS:
        shared = {name: (k, v if v.dim() == 1 else v[:, 0]) for name, (k, v) in given["inputs"].items()}
        inputs, series = {"inputs": shared}, net.series(shared, p)
    by_x0, by_p = sensitivities(module, t, given["x0"], p, net.steps, series)
    n, m = len(module.STATES), len(module.PARAMS)
    assert by_x0.shape == (len(t), 3, n, n) and by_p.shape == (len(t), 3, n, m)

    def states(x0, p):
        return net(t, x0=x0, params=dict(zip(module.PARAMS, p.unbind(), strict=True)), **inputs)

    for b in (0, 2):
        wrt_x0, wrt_p = jacfwd(states, (0, 1))(given["x0"][b], p)
        assert gap(by_x0[:, b], wrt_x0) < 1e-9
        assert gap(by_p[:, b], wrt_p) < 1e-9


@pytest.mark.parametrize(
    ("x0", "p", "told"),
    [
        (torch.ones(5, 3).double(), torch.ones(3), "(5, 3) torch.float64 cpu and (3,) torch.float32 cpu"),
        (
            torch.ones(5, 3).double(),
            torch.ones(2).double(),
            "(5, 3) torch.float64 cpu and (2,) torch.float64",
        ),
        (
            torch.ones(5, 4).double(),
            torch.ones(3).double(),
            "(5, 4) torch.float64 cpu and (3,) torch.float64",
        ),
    ],
    ids=["mixed dtypes", "too few parameters", "too many states"],
)
def test_arrays_that_do_not_fit_never_reach_the_kernel(x0, p, told):
    module = load(LORENZ, "tsit5")
    t, rules = torch.tensor([0.0, 0.1], dtype=torch.float64), module.Model(**TOLERANCES).steps
    data = torch.zeros(2, 3, dtype=torch.float64)
    text = r"x0 \(\*batch, 3\) and p \(\*batch, 3\) must have one dtype and device, not "
    with pytest.raises(ValueError, match=text) as error:
        solve(module, t, x0, p, fixed(0.01))
    assert told in str(error.value)
    with pytest.raises(ValueError, match=text):
        solve(module, t, x0, p, rules)
    with pytest.raises(ValueError, match=text):
        loss_gradient(module, t, x0, p, data, data, fixed(0.01))
    with pytest.raises(ValueError, match=text):
        sensitivities(module, t, x0, p, fixed(0.01))


def test_a_direct_call_without_times_is_told():
    module = load(LORENZ, "tsit5")
    none, x0, p = (torch.ones(shape, dtype=torch.float64) for shape in (0, 3, 3))
    with pytest.raises(ValueError, match="t holds no time"):
        solve(module, none, x0, p, module.Model(**TOLERANCES).steps)


def test_no_array_of_another_shape_dtype_or_length_reaches_a_kernel():
    module = load(TIMED, "bosh3")
    net, given, t = module.Model(**TOLERANCES), arguments(module, (3,), batched_params=False), times(module)
    x0, p, tenths = given["x0"], net.vector(given["params"]).detach(), fixed(0.1)
    series = net.series(given["inputs"], p)
    w, (ku, cu, kv, cv) = torch.zeros(len(t), *x0.shape, dtype=torch.float64), series
    data = torch.zeros(len(t), 4, dtype=torch.float64)
    rows = [(name, "none", 0.0, 0.0, 0.0, 1.0) for name in module.PARAMS]
    fused = FusedFit(module.COMPILED, t, p, rows, data, data, tenths, series=[ku, cu, kv, cv[..., 0]])
    adam = {**{name: [0.1, 0.2, 0.3] for name in ("theta", "gradient", "m", "v")}, "count": 0, "failures": 0}
    adam |= {"loss": 1.0, "lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    still = (torch.zeros_like(t), torch.zeros_like(x0), torch.zeros_like(p))
    turning = load(TIMED.replace("mod(2 + tanh(x), 10)", "mod(t, 1)"), "bosh3")
    wrong = [
        (lambda: solve(module, t[None], x0, p, tenths, series), r"t must be \(T,\)"),
        (lambda: solve(turning, t[None], x0, p, tenths, series), r"t must be \(T,\)"),
        (lambda: solve(turning, t, x0, p, tenths, [ku, cu]), "series must hold"),
        (lambda: solve(module, t, x0, p, tenths, [ku, cu]), "series must hold"),
        (
            lambda: solve(module, t, x0, p, tenths, [ku, cu[:3], kv, cv]),
            "the coefficients of u must be",
        ),
        (
            lambda: solve(module, t, x0, p, tenths, [ku[:3], cu, kv, cv]),
            "the coefficients of u must be",
        ),
        (lambda: solve(module, t, x0, p, tenths, [ku, cv, kv, cv]), "the coefficients of u must be"),
        (
            lambda: solve(module, t, x0, p, tenths, [ku, cu.float(), kv, cv]),
            "in torch.float64 on cpu, not",
        ),
        (
            lambda: solve(module, t, x0, p, tolerance(1e-6, [1e-8]), series),
            "atol must hold a number for each of the 2 states",
        ),
        (lambda: adjoint(module, t, x0, p, w[:2], tenths, series), "w_xs must be"),
        (lambda: adjoint(module, t, x0, p, w.float(), tenths, series), "w_xs must be"),
        (
            lambda: tangent(
                module,
                t,
                x0,
                p,
                *still[:2],
                still[2].float(),
                tenths,
                series,
                [torch.zeros_like(s) for s in series],
            ),
            "d_p must be",
        ),
        (lambda: fused.loss(torch.zeros(2, dtype=torch.float64)), r"θ must be \(3,\)"),
        (lambda: fused.loss_gradient(torch.zeros(3)), "in torch.float64"),
        (lambda: fused.adam({**adam, "v": []}, 1), "v must be a list of 3 numbers"),
        (lambda: fused.adam({**adam, "m": 1.0}, 1), "m must be a list of 3 numbers"),
        (lambda: fused.residuals(torch.ones(1).double()), r"θ must be \(3,\)"),
    ]
    for call, told in wrong:
        with pytest.raises(ValueError, match=told):
            call()
