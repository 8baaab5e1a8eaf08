"""Stiff methods in the kernel: values and gradients, both forms of the factorisation, what fails."""

import pytest
import torch
from native_calls import adjoint, adjoint_by_torch, fixed, solve, tangent
from native_models import arguments, gap, gradients, load, models, times

import odec
from odec.passes import lu

FORCED = """
param a = 0.5
param b = 1.5 in (0, inf)
param c = 40
input u linear
input v cubic
init x = a
init y = 1 + b
init z = 0.3
dx/dt = -c*(x - cos(t)) + u*z*y/(1 + x**4)
dy/dt = v - y*exp(-b*t) + tanh(x*y) - x**2.5
dz/dt = cos(t*x)*u - c*z*v
run t = 0 .. 1 dt 0.01
"""

RATES = (0.35, 26.6, 1.23e4, 8.6e-4, 8.2e-4, 1.5e4, 1.3e-4, 2.4e4, 1.65e4, 9e3, 0.022, 1.2e4, 1.88)
RATES += (1.63e4, 4.8e6, 3.5e-4, 0.0175, 1e8, 4.44e11, 1240.0, 2.1, 5.78, 0.0474, 1780.0, 3.12)
REACTIONS = """y1 y2*y4 y5*y2 y7 y7 y7*y6 y9 y9*y6 y11*y2 y11*y1 y13 y10*y2 y14 y1*y6 y3 y4 y4 y16 y16
    y17*y6 y19 y19 y1*y4 y19*y1 y20"""
BALANCE = """-r1-r10-r14-r23-r24+r2+r3+r9+r11+r12+r22+r25  -r2-r3-r9-r12+r1+r21  -r15+r1+r17+r19+r22
    -r2-r16-r17-r23+r15  -r3+2*r4+r6+r7+r13+r20  -r6-r8-r14-r20+r3+2*r18  -r4-r5-r6+r13  r4+r5+r6+r7
    -r7-r8  -r12+r7+r9  -r9-r10+r8+r11  r9  -r11+r10  -r13+r12  r14  -r18-r19+r16  -r20  r20
    -r21-r22-r24+r23+r25  -r25+r24"""
START = {2: 0.2, 4: 0.04, 7: 0.1, 8: 0.3, 9: 0.01, 17: 0.007}


def pollution():
    """The air pollution problem POLLU: 20 species, 25 reactions. Verwer, SIAM J. Sci. Comput. 15 (1994)."""
    lines = [f"param k{i} = {k!r} in (0, inf)" for i, k in enumerate(RATES, 1)]
    lines += [f"init y{i} = {START.get(i, 0)}" for i in range(1, 21)]
    lines += [f"r{i} = k{i}*{product}" for i, product in enumerate(REACTIONS.split(), 1)]
    lines += [f"dy{i}/dt = {balance}" for i, balance in enumerate(BALANCE.split(), 1)]
    return "\n".join([*lines, "run t = 0 .. 1 dt 0.01\n"])


def load_looped(text, method):
    """The module with the factorisation as loops over tables."""
    before, lu.MOST_UNROLLED = lu.MOST_UNROLLED, 0
    try:
        module = load(f"{text}# in loops\n", method)
    finally:
        lu.MOST_UNROLLED = before
    assert "LU_UPDATE_START[]" in module.KERNEL.source
    return module


@pytest.mark.parametrize(
    "method",
    [
        "rosenbrock23",
        pytest.param("rodas4", marks=[pytest.mark.optimised, pytest.mark.slow]),
        "sdirk2",
        "trbdf2",
    ],
)
def test_states_and_gradients_are_those_of_torch(method):
    """Time, linear and cubic inputs, shared and not; gradients of times, states, parameters and inputs."""
    module = load(FORCED, method)
    native, plain = models(module)
    t, given = times(module), arguments(module, (5,))
    x, y = native(t, **given), plain(t, **given)
    assert gap(x, y) < 1e-12
    weights = torch.cos(torch.arange(x.numel(), dtype=x.dtype)).reshape(x.shape)
    for mine, theirs in zip(
        gradients(native, given, t, weights), gradients(plain, given, t, weights), strict=True
    ):
        assert gap(mine, theirs) < 1e-10


@pytest.mark.parametrize("method", ["rodas4", "trbdf2"])
def test_the_adjoint_is_the_tangents_dual(method):
    module = load(FORCED, method)
    generator = torch.Generator().manual_seed(3)

    def noise(like):
        return torch.randn(like.shape, generator=generator, dtype=like.dtype)

    t, given = times(module), arguments(module, (4,))
    p = torch.stack(list(given["params"].values()), -1)
    series = [part.detach() for part in models(module)[0].series(given["inputs"], p)]
    x0 = given["x0"]
    d_t, d_x0, d_p = noise(t), noise(x0), noise(p)
    d_series = [part if i % 2 == 0 else noise(part) for i, part in enumerate(series)]
    dx = tangent(module, t, x0, p, d_t, d_x0, d_p, fixed(0.04), series, d_series)
    w = noise(dx)
    g_t, g_x0, g_p, g_u = adjoint(module, t, x0, p, w, fixed(0.04), series, wrt_times=True)
    pulled = (g_t.sum(-1) * d_t).sum() + (g_x0 * d_x0).sum() + (g_p * d_p).sum()
    pulled = pulled + sum((g * d).sum() for g, d in zip(g_u, d_series[1::2], strict=True))
    assert torch.isclose(pulled, (dx * w).sum(), rtol=1e-10)


@pytest.mark.optimised
@pytest.mark.parametrize("method", ["rodas4", "trbdf2"])
def test_a_trajectory_has_the_same_bits_alone_and_among_others(method):
    module = load(FORCED, method)
    native, _ = models(module)
    t, given = times(module), arguments(module, (37,))

    def one(k):
        inputs = {n: (knots, v if v.dim() == 1 else v[:, k]) for n, (knots, v) in given["inputs"].items()}
        return {
            "x0": given["x0"][k],
            "params": {n: v[k] for n, v in given["params"].items()},
            "inputs": inputs,
        }

    whole = native(t, **given)
    for k in (0, 15, 16, 36):
        assert torch.equal(native(t, **one(k)), whole[:, k])


@pytest.mark.parametrize("method", ["rodas4", "trbdf2"])
def test_twenty_species_written_out_and_in_loops(method):
    """Both forms of the factorisation give the numbers of torch's dense one."""
    module, looped = load(pollution(), method), load_looped(pollution(), method)
    t = torch.tensor([0.0, 0.1, 0.3], dtype=torch.float64)
    generator = torch.Generator().manual_seed(5)
    p = module.Model(dt=1.0).vector().detach()
    p = p * (1 + 0.1 * torch.rand(3, len(p), generator=generator, dtype=p.dtype))
    x0 = module.initial(t[0], p).detach().expand(3, 20)
    states = solve(module, t, x0, p, fixed(0.01))[0]
    again = solve(looped, t, x0, p, fixed(0.01))[0]
    plain, _ = solve(module, t, x0, p, fixed(0.01), engine="torch")
    assert gap(states, plain) < 1e-12 and gap(again, plain) < 1e-12
    w = torch.ones_like(plain)
    mine = adjoint(looped, t, x0, p, w, fixed(0.01)).p
    theirs = adjoint_by_torch(module, t, x0, p, w, fixed(0.01)).p
    assert gap(mine * p, theirs * p) < 1e-10


@pytest.mark.parametrize("method", ["rosenbrock23", "sdirk2"])
def test_a_right_hand_side_without_states_is_a_quadrature(method):
    """The Jacobian has no entries at all."""
    module = load("param a = 2\ninit x = 1\ndx/dt = a*cos(t)\nrun t = 0 .. 1 dt 0.01\n", method)
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    x = module.Model(engine="native", dt=0.01)(t)
    assert float(x[-1, 0].detach()) == pytest.approx(1 + 2 * 0.8414709848, abs=1e-4)


@pytest.mark.parametrize("method", ["rodas4", "trbdf2"])
def test_single_precision(method):
    module = load(FORCED, method)
    native, plain = models(module, dtype=torch.float32)
    given, t = arguments(module, (5,), dtype=torch.float32), times(module, torch.float32)
    x = native(t, **given).detach()
    assert x.dtype == torch.float32
    assert gap(x, plain(t, **given).detach()) < 1e-4


@pytest.mark.parametrize("method", ["backward_euler", "rosenbrock23"])
def test_a_singular_matrix_is_told(method):
    """x' = x/(h γ): the diagonal of the matrix is zero, but for rounding."""
    gamma = float(odec.methods.get(method).gamma)
    module = load(
        "param a = 1\ninit x = 1\ninit y = 1\ndx/dt = a*x\ndy/dt = -y\nrun t = 0 .. 1 dt 0.5\n", method
    )
    t = torch.tensor([0.0, 0.5], dtype=torch.float64)
    net = module.Model(engine="native", dt=0.5)
    a = torch.tensor([1.0, 1 / (0.5 * gamma), 1.5], dtype=torch.float64)
    x = net(t, params={"a": a}, x0=torch.ones(3, 2, dtype=torch.float64)).detach()
    assert torch.isfinite(x[:, [0, 2]]).all()
    assert not torch.isfinite(x[-1, 1, 0])
    assert net.status.ok.tolist() == [True, False, True]
    assert "1 of 3 trajectories failed" in str(net.status)
