"""Formulas at and near points where they are 0/0, 0*inf or inf/inf but have a limit, against mpmath."""

import random
import re

import mpmath as mp
import pytest
import torch
from native_models import load

pytestmark = pytest.mark.optimised

NEAR = (0.0, 1e-300, -1e-300, 1e-17, -1e-12, 1e-9, 3e-5, -1e-3, 0.3, -0.99, 1.01, -4.0, 40.0, -90.0)
ABOVE = (0.0, 1e-300, 1e-17, 1e-9, 0.3, 0.99, 1.01, 4.0, 40.0, 1e5)

FORMULAS = {
    "z/(exp(z) - 1)": (NEAR, 0),
    "k*(z + 40)/(1 - exp(-(z + 40)/b))": (tuple(z - 40 for z in NEAR), -40),
    "0.01*(10 - z)/(exp(1 - z/10) - 1)": (tuple(10 + z for z in NEAR), 10),
    "(0.1 - 0.01*z)/(exp(1 - 0.1*z) - 1)": (tuple(10 + z for z in NEAR), 10),
    "k*z*(b - n*exp(-z/b))/(1 - exp(-z/b))": (NEAR, 0),
    "(1 - exp(-k*z))/z": (NEAR, 0),
    "b*(1 - exp(-z*k))/(z*k)": (NEAR, 0),
    "expm1(z)/z": (NEAR, 0),
    "z*log(z)": (ABOVE, 0),
    "k*z*log(b/z)": (ABOVE, 0),
    "z**2*log(z/k)/b": (ABOVE, 0),
    "sqrt(z)*log(k*z)": (ABOVE, 0),
    "z**n*log(z)": (ABOVE, 0),
    "log(1 + exp(z))": ((0.0, 1.0, 700.0, 710.0, 1e5, -1e5, -700.0, -3.0, 30.0), None),
    "b*log(exp(z/b) + 1)": ((0.0, 1.0, 700.0, 7100.0, 1e5, -1e5, -3.0), None),
    "k*exp(z)/(1 + exp(z))": ((0.0, 1.0, 709.0, 710.0, 1e5, -700.0, -1e5, -3.0), None),
    "(exp(z) - exp(-z))/(exp(z) + exp(-z))": ((0.0, 1e-9, 1.0, 354.0, 710.0, -1e5, -3.0), None),
    "(1 - exp(-2*z))/(1 + exp(-2*z))": ((0.0, 1e-9, 1.0, 354.0, 710.0, -1e5, -3.0), None),
}
"""Formulas with values of z, and where the singularity lies."""

NAMES = ("z", "k", "b", "n")
AT = {"k": 3.0, "b": 2.0, "n": 1.5}


def points():
    count = max(len(at) for at, _ in FORMULAS.values())
    draw = random.Random(3)
    found = []
    for j in range(count + 30):
        row = []
        for at, singular in FORMULAS.values():
            z = at[j] if j < len(at) else (singular or 0) + 10 ** draw.uniform(-20, 1.5)
            row += [z, *(AT[name] * (1 if j < count else draw.uniform(0.5, 2)) for name in NAMES[1:])]
        found.append(row)
    return found


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
    """Values (points, formulas) and Jacobian entries (points, formulas, names), by mpmath."""
    values, slopes = [], []
    functions = {f: getattr(mp, f) for f in ("exp", "log", "expm1", "sqrt")} | {"number": mp.mpf}
    literals = [re.sub(r"\b(\d+(\.\d+)?)\b", r"number('\1')", formula) for formula in FORMULAS]
    codes = [compile(formula, "formula", "eval") for formula in literals]
    with mp.workdps(900):
        beside, h = mp.mpf(10) ** -100, mp.mpf(10) ** -330

        def at(k, point):
            return mp.mpf(eval(codes[k], functions | point))  # one of the formulas above

        singularities = [singular for _, singular in FORMULAS.values()]
        for row in points():
            value, slope = [], []
            for k, singular in enumerate(singularities):
                point = {name: mp.mpf(x) for name, x in zip(NAMES, row[4 * k : 4 * k + 4], strict=True)}
                if point["z"] == singular:
                    point["z"] += beside
                here = at(k, point)
                value.append(float(here))
                slope += [float((at(k, point | {name: point[name] + h}) - here) / h) for name in NAMES]
            values.append(value)
            slopes.append(slope)
    shape = (len(values), len(FORMULAS), len(NAMES))
    return torch.tensor(values, dtype=torch.float64), torch.tensor(slopes, dtype=torch.float64).reshape(shape)


def states():
    return torch.tensor(points(), dtype=torch.float64)


def blocks(jacobian):
    """(points, formulas, names) of a Jacobian whose other entries are 0."""
    rows = torch.arange(len(FORMULAS)) * len(NAMES)
    return torch.stack([jacobian[:, r, r : r + len(NAMES)] for r in rows.tolist()], 1)


WIDE = list(FORMULAS).index("k*z*(b - n*exp(-z/b))/(1 - exp(-z/b))")
"""At z = -90 its slope by b, 9e-17, is what two parts of 9e3 leave backwards: a rounding of 2e-12."""


def close(found, wanted, atol=1e-13):
    """Up to rounding of the parts; infinite where the slope is, at the 0 of a log's factor."""
    infinite = found[..., 0].isinf() & (states()[:, :: len(NAMES)] == 0) & (wanted[..., 0].abs() > 200)
    wanted = wanted.clone()
    wanted[..., 0] = torch.where(infinite, wanted[..., 0].sign() * torch.inf, wanted[..., 0])
    assert infinite.any()
    rest = [k for k in range(len(FORMULAS)) if k != WIDE]
    torch.testing.assert_close(found[:, rest], wanted[:, rest], rtol=1e-12, atol=atol)
    torch.testing.assert_close(found[:, WIDE], wanted[:, WIDE], rtol=1e-12, atol=max(atol, 5e-12))


def test_values_on_both_engines(module, exact):
    x, t = states(), torch.tensor([0.0, 1.0], dtype=torch.float64)
    p = torch.zeros(0, dtype=torch.float64)
    found = module.rhs(0.0, x, p)[:, :: len(NAMES)]
    torch.testing.assert_close(found, exact[0], rtol=3e-15, atol=1e-45)
    compiled = module.Model(dt=1.0, engine="native")(t, x0=torch.zeros_like(x) + x)[1]
    step = (compiled - x)[:, :: len(NAMES)]
    scale = 1 + x[:, :: len(NAMES)].abs() + exact[0].abs()
    assert ((step - exact[0]).abs() <= 1e-14 * scale).all()


def test_derivatives_in_every_direction(module, exact):
    """As a Jacobian, from the left, from the right, and through a step of the native engine."""
    x, p = states(), torch.zeros(0, dtype=torch.float64)
    close(blocks(module.jacobian(0.0, x, p)), exact[1])
    pulled, pushed = torch.zeros_like(exact[1]), torch.zeros_like(exact[1])
    for k in range(len(FORMULAS)):
        for j, column in enumerate(range(len(NAMES) * k, len(NAMES) * (k + 1))):
            e = torch.eye(x.shape[1], dtype=x.dtype)[column].expand_as(x)
            pushed[:, k, j] = module.rhs_jvp(0.0, x, p, torch.zeros(len(x)), e, p.expand(len(x), 0))[
                :, len(NAMES) * k
            ]
            if j == 0:
                pulled[:, k] = module.rhs_vjp(0.0, x, p, e)[1][:, column : column + len(NAMES)]
    close(pulled, exact[1])
    # An infinite slope of one state times the zero tangent of another is no number.
    regular = exact[1].abs().amax(2) < 100
    assert regular.float().mean() > 0.8
    torch.testing.assert_close(pushed[regular], exact[1][regular], rtol=1e-12, atol=1e-13)


def test_derivatives_of_the_native_engine(module, exact):
    """One step of Euler's method has the Jacobian 1 + J."""
    net, t = module.Model(dt=1.0, engine="native"), torch.tensor([0.0, 1.0], dtype=torch.float64)
    x = states().requires_grad_()
    (pulled,) = torch.autograd.grad((net(t, x0=x)[1] - x).sum(), x)
    close(pulled.reshape(exact[1].shape), exact[1], atol=1e-11)
    regular = exact[1].abs().amax(2) < 100
    step = torch.ones_like(x)
    _, pushed = torch.func.jvp(lambda x: net(t, x0=x)[1], (x.detach(),), (step,))
    slopes = (pushed - step)[:, :: len(NAMES)]
    torch.testing.assert_close(slopes[regular], exact[1].sum(2)[regular], rtol=1e-12, atol=1e-11)


def test_second_derivatives():
    """Of v/(exp(v) - 1) = 1 - v/2 + v**2/12 - … by an adjoint of a Rosenbrock method."""
    text = "param a = 0\ninit w = a, s = 0\nw' = 0\ns' = w/(exp(w) - 1) - s\nrun t = 0 .. 1\n"
    module = load(text, "rodas5p")
    t = torch.tensor([0.0, 1.0], dtype=torch.float64)
    for engine in ("torch", "native"):
        net = module.Model(engine=engine, rtol=1e-9, atol=1e-11)
        (slope,) = torch.autograd.grad(net(t)[1, 1], net.a)
        assert slope.item() == pytest.approx(-0.5 * (1 - 1 / torch.e), rel=1e-6)
