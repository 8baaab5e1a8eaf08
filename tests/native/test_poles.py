"""Derivatives of finite values where a pole meets a zero, on both engines, against mpmath."""

import math
import random
import re

import mpmath as mp
import pytest
import torch
from native_models import load

pytestmark = pytest.mark.optimised

FORMULAS = {
    "exp(-k/z)": (0, 1e-200, 1e-3, 2),
    "k*exp(-b/(n*z))": (0, 1e-200, 1e-3, 2),
    "z*exp(-(k/z)**2)": (0, 1e-200, 1e-3, 2),
    "exp(-k/z)/(1 + exp(-b/z))": (0, 1e-200, 1e-3, 2),
    "1/(1 + exp(k/z))": (0, 1e-200, 1e-2, 2),
    "tanh(k/z)*b": (0, 1e-200, 1e-2, 2),
    "1/(1 + k/z)": (0, 1e-200, 1e-3, 2, 1e200),
    "k/(b + n/z)": (0, 1e-200, 1e-3, 2, 1e200),
    "k/(b - n/z + z/k)": (0, 1e-200, 1e-3, 7, 1e200),
    "1/(1 + (k/z)**n)": (0, 1e-200, 1e-3, 2, 1e200),
    "1/(1 + (k/z)**4)": (0, 1e-200, 1e-3, 2, 1e200),
    "1/(1 + (k/z)**0.5*b)": (1e-3, 2, 1e200),
    "1/(k + z**(-2))": (0, 1e-200, 1e-3, 2, 1e200),
    "b/(k + n/z/z)": (0, 1e-200, 1e-3, 2, 1e200),
    "1/(k + z**(-n))": (0, 1e-200, 1e-3, 2, 1e200),
    "1/(k + z**n)": (0, 1e-200, 1e-3, 2, 1e200),
    "z*sqrt(z)": (0, 1e-200, 1e-3, 2),
    "sqrt(z)*k*z": (0, 1e-200, 1e-3, 2),
    "sqrt(z)*sqrt(z)*b": (0, 1e-200, 1e-3, 2),
    "z*z**n": (0, 1e-200, 1e-3, 2),
    "z**0.5*z**0.7*k": (0, 1e-200, 1e-3, 2),
    "z**3*k**0.5": (0, 1e-3, 2),
    "(1 + exp(z))**(-k)": (800, 400, 1, -800),
    "(1 + exp(z))**(0 - k)*b": (800, 400, 1, -800),
}
"""Formulas with values of z."""

NAMES = ("z", "k", "b", "n")


def points():
    draw = random.Random(7)
    found = []
    for j in range(30):
        row = []
        for formula, at in FORMULAS.items():
            z = at[j] if j < len(at) else at[-2] * draw.uniform(0.5, 2)
            k, b, n = (draw.uniform(1.2, 3) for _ in range(3))
            row += [z, 0.0 if z == 0 and formula == "z**3*k**0.5" else k, b, n]
        found.append(row)
    return torch.tensor(found, dtype=torch.float64)


@pytest.fixture(scope="module")
def module():
    text = ""
    for k, formula in enumerate(FORMULAS):
        text += "".join(f"init {name}{k} = 1\n" for name in NAMES)
        written = re.sub(r"\b([zkbn])\b", rf"\g<1>{k}", formula)
        text += f"z{k}' = {written}\n" + "".join(f"{name}{k}' = 0\n" for name in NAMES[1:])
    return load(text + "run t = 0 .. 1 dt 1\n", "euler")


@pytest.fixture(scope="module")
def exact():
    """Jacobian entries (points, formulas, names); what is 0 is taken as 1e-100 beside."""
    functions = {f: getattr(mp, f) for f in ("exp", "tanh", "sqrt")}
    codes = [compile(formula, "formula", "eval") for formula in FORMULAS]
    rows = points()
    slopes = torch.zeros(len(rows), len(FORMULAS), len(NAMES), dtype=torch.float64)
    with mp.workdps(800):
        beside, h = mp.mpf(10) ** -100, mp.mpf(10) ** -400
        for i, row in enumerate(rows.reshape(-1, len(FORMULAS), len(NAMES)).tolist()):
            for k, code in enumerate(codes):
                point = {name: mp.mpf(x) or beside for name, x in zip(NAMES, row[k], strict=True)}
                here = eval(code, functions | point)  # one of the formulas above
                for j, name in enumerate(NAMES):
                    moved = eval(code, functions | point | {name: point[name] + h})
                    slopes[i, k, j] = float((moved - here) / h)
    return slopes


def blocks(jacobian):
    """(points, formulas, names) of a Jacobian whose other entries are 0."""
    n = len(NAMES)
    return torch.stack([jacobian[:, n * k, n * k : n * k + n] for k in range(len(FORMULAS))], 1)


CLOSE = {"rtol": 1e-10, "atol": 1e-14}


def test_derivatives_in_every_direction(module, exact):
    """As a Jacobian, from the left and from the right."""
    x, p = points(), torch.zeros(0, dtype=torch.float64)
    assert torch.isfinite(module.rhs(0.0, x, p)).all()
    torch.testing.assert_close(blocks(module.jacobian(0.0, x, p)), exact, **CLOSE)
    columns = torch.eye(x.shape[1], dtype=x.dtype)
    pulled = [module.rhs_vjp(0.0, x, p, e.expand_as(x))[1] for e in columns]
    torch.testing.assert_close(blocks(torch.stack(pulled, 1)), exact, **CLOSE)
    still = torch.zeros(len(x), dtype=x.dtype)
    pushed = [module.rhs_jvp(0.0, x, p, still, e.expand_as(x), p.expand(len(x), 0)) for e in columns]
    torch.testing.assert_close(blocks(torch.stack(pushed, 2)), exact, **CLOSE)


def test_derivatives_of_the_native_engine(module, exact):
    """One step of Euler's method has the Jacobian 1 + J."""
    net, t = module.Model(dt=1.0, engine="native"), torch.tensor([0.0, 1.0], dtype=torch.float64)
    x = points()
    leaf = x.clone().requires_grad_()
    (pulled,) = torch.autograd.grad((net(t, x0=leaf)[1] - leaf).sum(), leaf)
    torch.testing.assert_close(pulled.reshape(exact.shape), exact, rtol=1e-10, atol=1e-13)
    step = torch.ones_like(x)
    _, pushed = torch.func.jvp(lambda x: net(t, x0=x)[1], (x,), (step,))
    slopes = (pushed - step)[:, :: len(NAMES)]
    torch.testing.assert_close(slopes, exact.sum(2), rtol=1e-10, atol=1e-13)


COMPARED = {
    "exp(-log(z)**2)": (0.0, 0.0),
    "atan(k*(b/(exp(z) - 1)))*z": (math.pi / 2, 0.0),
    "1/(1 + exp(k/z**n))": (0.0, 0.0),
    "z*(if sqrt(z) > k then b else sqrt(z))": (0.0, 0.0),
    "sqrt(exp(-log(z)**2))/(k + relu((k/z)**n - k)**(-1))": (0.0, 0.0),
    "1/(b + z**n*exp(-k/z) + k/z)": (1 / 1.5, 0.0),
}
"""Formulas whose slopes by z and k no rule finds at z = 0, k = 1.5, b = 2.5, n = 2."""


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("engine", ["torch", "native"])
def test_slopes_compared_at_two_distances(engine, dtype):
    double = {"1/cosh(k*log(z))": (0.0, 0.0)}  # which overflows in single precision
    found, wanted = slopes_at_zero(COMPARED | (double if dtype == torch.float64 else {}), engine, dtype)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def test_a_slope_without_a_limit_is_not_found():
    """That of exp(-1/log(z)**2)*z**0.9 at 0 is infinite, that of exp(1/log(z)) too."""
    text = "init z = 0, y = 0\nz' = exp(-1/log(z)**2)*z**0.9\ny' = exp(1/log(y))\nrun t = 0 .. 1 dt 1\n"
    x, p = torch.zeros(1, 2, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    module = load(text, "euler")
    assert torch.equal(module.rhs(0.0, x, p)[0], torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert not torch.isfinite(module.jacobian(0.0, x, p)[0].diagonal()).any()


SINGLE = {
    "exp(-k/z)": (0.0, 0.0),
    "1/(1 + k/z)": (1 / 1.5, 0.0),
    "1/(1 + (k/z)**n)": (0.0, 0.0),
    "b/(k + n/z/z)": (0.0, 0.0),
    "1/(k + z**(-2))": (0.0, 0.0),
    "atan(k/z)*b": (-2.5 / 1.5, 0.0),
    "1/(b + z**n*k)": (0.0, 0.0),
    "z*sqrt(z)": (0.0, 0.0),
}
"""Formulas with their slopes by z and by k at z = 0, k = 1.5, b = 2.5, n = 2."""


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_limits_in_single_precision(engine):
    found, wanted = slopes_at_zero(SINGLE, engine, torch.float32)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)


def slopes_at_zero(formulas, engine, dtype):
    """Slopes by z, from right and left, and by k, of a step of Euler's method; the right ones."""
    n = len(formulas)
    lines = "".join(f"init z{j} = 0\nz{j}' = {re.sub('z', f'z{j}', f)}\n" for j, f in enumerate(formulas))
    lines += "param k = 1.5, b = 2.5, n = 2\nrun t = 0 .. 1 dt 1\n"
    net = load(lines, "euler").Model(dt=1.0, engine=engine, dtype=dtype)
    x0, t = torch.zeros(n, dtype=dtype), torch.tensor([0.0, 1.0], dtype=dtype)
    _, pushed = torch.func.jvp(lambda x: net(t, x0=x)[1], (x0,), (torch.ones_like(x0),))
    k = torch.full((n,), 1.5, dtype=dtype, requires_grad=True)
    leaf = x0.expand(n, -1).clone().requires_grad_()
    pulled, by_k = torch.autograd.grad(net(t, x0=leaf, params={"k": k})[1].diagonal().sum(), [leaf, k])
    wanted = torch.tensor(list(formulas.values()), dtype=dtype)
    return torch.stack([pushed - 1, pulled.diagonal() - 1, by_k], 1), wanted[:, [0, 0, 1]]


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_a_stiff_start_in_single_precision(engine):
    """Of x' = exp(-k/x) + 1 - x from 0, against scipy's DOP853 at 1e-12 from 1e-30."""
    module = load("init x = 0\nparam k = 1.3\nx' = exp(-k/x) + 1 - x\nrun t = 0 .. 1\n", "rodas5p")
    net = module.Model(rtol=1e-4, atol=1e-6, engine=engine, dtype=torch.float32)
    end = net(torch.tensor([0.0, 1.0]))[-1, 0]
    end.backward()
    assert end.item() == pytest.approx(0.6725055676, rel=3e-5)
    assert net.k.grad.item() == pytest.approx(-0.0816550, rel=1e-3)


@pytest.mark.parametrize(
    ("formula", "n", "slope"),
    [("1/(2 + z**n)", -1, 1.0), ("exp(-n/(3/z))", 2, -2 / 3), ("exp(-(3/z)**n)", -1, -1 / 3)],
)
def test_limits_by_more_than_one_fraction(formula, n, slope):
    assert slope_at_zero(formula, n) == pytest.approx(slope, rel=1e-12)


def test_a_limit_that_is_not_found_is_never_0():
    """The slope by z at z = 0 is -inf: where it is not found, it is no number."""
    assert not math.isfinite(slope_at_zero("1/(2 + z**n)", 0.5))


def slope_at_zero(formula, n):
    module = load(f"init z = 0, n = {n}\nz' = {formula}\nn' = 0\nrun t = 0 .. 1 dt 1\n", "euler")
    x, p = torch.tensor([[0.0, n]], dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
    assert torch.isfinite(module.rhs(0.0, x, p)).all()
    return module.jacobian(0.0, x, p)[0, 0, 0].item()
