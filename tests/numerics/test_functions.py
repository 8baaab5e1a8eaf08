"""Every function of the language and its derivatives through a generated module, against SciPy."""

import math

import numpy as np
import pytest
import torch
from generated import load
from scipy import special

from odec.lang.functions import FUNCTIONS

D = torch.float64
REAL = [-2.3, -1.0, -0.4, 0.35, 0.8, 1.7, 3.2]
POSITIVE = [0.05, 0.4, 1.0, 1.9, 6.5]
UNIT = [-0.9, -0.3, 0.2, 0.85]


def heaviside(x, at_zero=0.5):
    return np.heaviside(x, at_zero)


UNARY = {
    "exp": (np.exp, REAL),
    "expm1": (np.expm1, REAL),
    "log": (np.log, POSITIVE),
    "ln": (np.log, POSITIVE),
    "log1p": (np.log1p, POSITIVE),
    "log10": (np.log10, POSITIVE),
    "log2": (np.log2, POSITIVE),
    "sqrt": (np.sqrt, POSITIVE),
    "abs": (np.abs, REAL),
    "Abs": (np.abs, REAL),
    "sign": (np.sign, REAL),
    "sin": (np.sin, REAL),
    "cos": (np.cos, REAL),
    "tan": (np.tan, REAL),
    "cot": (lambda x: 1 / np.tan(x), REAL),
    "asin": (np.arcsin, UNIT),
    "acos": (np.arccos, UNIT),
    "atan": (np.arctan, REAL),
    "sinh": (np.sinh, REAL),
    "cosh": (np.cosh, REAL),
    "tanh": (np.tanh, REAL),
    "asinh": (np.arcsinh, REAL),
    "acosh": (np.arccosh, [1.1, 2.0, 5.5]),
    "atanh": (np.arctanh, UNIT),
    "sigmoid": (special.expit, [*REAL, -30.0, 30.0]),
    "softplus": (lambda x: np.logaddexp(0, x), [*REAL, -30.0, 30.0, 60.0]),
    "relu": (lambda x: np.maximum(x, 0), REAL),
    "erf": (special.erf, REAL),
    "gamma": (special.gamma, [-2.3, -1.5, -0.4, *POSITIVE[1:]]),
    "lgamma": (special.gammaln, [-2.3, -1.5, -0.4, *POSITIVE, 400.0]),
    "loggamma": (special.gammaln, POSITIVE),
    "gammaln": (special.gammaln, POSITIVE),
    "floor": (np.floor, REAL[:1] + REAL[2:]),
    "ceil": (np.ceil, REAL[:1] + REAL[2:]),
    "ceiling": (np.ceil, REAL[:1] + REAL[2:]),
    "heaviside": (heaviside, REAL),
    "Heaviside": (heaviside, REAL),
}

PAIRS = [(-2.3, 1.4), (0.7, -1.2), (1.9, 0.6), (2.5, 2.0), (-0.3, -0.8)]
POSITIVE_PAIRS = [(0.4, 1.3), (2.2, -0.7), (1.1, 3.0), (3.0, 0.5)]

BINARY = {
    "atan2": (np.arctan2, PAIRS),
    "min": (np.minimum, PAIRS),
    "Min": (np.minimum, PAIRS),
    "max": (np.maximum, PAIRS),
    "Max": (np.maximum, PAIRS),
    "mod": (np.mod, PAIRS),
    "Mod": (np.mod, PAIRS),
    "heaviside": (heaviside, PAIRS),
    "Heaviside": (heaviside, PAIRS),
    "pow": (np.power, POSITIVE_PAIRS),
}

TERNARY = {
    "clip": (np.clip, [(-2.0, -1.0, 1.0), (0.3, -1.0, 1.0), (4.0, -1.0, 2.5)]),
    "hill": (lambda x, k, n: x**n / (k**n + x**n), [(0.4, 1.3, 2.5), (2.2, 0.6, 4.0), (1.0, 1.0, 1.0)]),
}

LOGIC = {
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
    "Lt": "<", "Le": "<=", "Gt": ">", "Ge": ">=", "Eq": "==", "Ne": "!=",
}  # fmt: skip


def test_every_function_is_tested_here():
    tested = {*UNARY, *BINARY, *TERNARY, *LOGIC, "And", "Or", "Not", "and", "or", "not"}
    assert set(FUNCTIONS) <= tested, set(FUNCTIONS) - tested


def model(formula, names):
    """A model whose right-hand side is a formula of parameters and of states, by turns."""
    states = "".join(f"init {name} = 1\n" for name in names)
    return f"{states}d{names[0]}/dt = {formula}\n" + "".join(f"d{name}/dt = 0*{name}\n" for name in names[1:])


def check(formula, reference, points, names):
    """Values and derivatives at points, alone and in a batch, forwards, backwards and as a Jacobian."""
    module = load(model(formula, names), "euler")
    x = torch.tensor(points, dtype=D)
    p = torch.zeros(0, dtype=D)
    expected = torch.tensor(reference(*np.array(points).T), dtype=D)
    value = module.rhs(0.0, x, p)[:, 0]
    torch.testing.assert_close(value, expected, rtol=3e-14, atol=1e-15)
    alone = torch.stack([module.rhs(0.0, point, p)[0] for point in x])
    torch.testing.assert_close(alone, expected, rtol=3e-14, atol=1e-15)
    slopes = torch.stack([slope(reference, points, k) for k in range(len(names))], -1)
    w = torch.zeros_like(x)
    w[:, 0] = 1
    torch.testing.assert_close(module.rhs_vjp(0.0, x, p, w)[1], slopes, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(module.jacobian(0.0, x, p)[:, 0], slopes, rtol=1e-7, atol=1e-9)
    for k in range(len(names)):
        dx = torch.zeros_like(x)
        dx[:, k] = 1
        pushed = module.rhs_jvp(0.0, x, p, torch.zeros(len(x), dtype=D), dx, p.expand(len(x), 0))
        torch.testing.assert_close(pushed[:, 0], slopes[:, k], rtol=1e-7, atol=1e-9)
    single = module.rhs(0.0, x.float(), p.float())[:, 0]
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=3e-5, atol=1e-6)
    x = x.requires_grad_()
    total = module.rhs(0.0, x, p).sum() + 0 * x.sum()
    torch.testing.assert_close(torch.autograd.grad(total, x)[0], slopes, rtol=1e-7, atol=1e-9)


def slope(reference, points, k):
    """The derivative by argument k: sixth-order differences of the reference."""
    points, h = np.array(points), 2e-3
    total = 0
    for weight, shift in ((3 / 4, 1), (-3 / 20, 2), (1 / 60, 3)):
        up, down = points.copy(), points.copy()
        up[:, k] += shift * h
        down[:, k] -= shift * h
        total = total + weight * (reference(*up.T) - reference(*down.T)) / h
    return torch.tensor(total)


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_argument(name):
    reference, points = UNARY[name]
    check(f"{name}(y)", reference, [(point,) for point in points], ["y"])


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arguments(name):
    reference, points = BINARY[name]
    check(f"{name}(y, z)", reference, points, ["y", "z"])


@pytest.mark.parametrize("name", TERNARY)
def test_functions_of_three_arguments(name):
    reference, points = TERNARY[name]
    check(f"{name}(y, z, q)", reference, points, ["y", "z", "q"])


@pytest.mark.parametrize("formula", ["y**z", "y^z", "pow(y, z)"])
def test_powers(formula):
    check(formula, np.power, POSITIVE_PAIRS, ["y", "z"])


@pytest.mark.parametrize("exponent", [-3, -1, 0, 1, 2, 3, 5, 11])
def test_whole_powers_of_any_base(exponent):
    check(f"y**({exponent})", lambda y: y ** float(exponent), [(y,) for y in REAL], ["y"])


def test_many_arguments():
    points = [(1.0, 2.0, 3.0), (3.0, -2.0, 1.0), (0.1, 0.5, 0.2)]
    check("min(y, z, q)", lambda *v: np.minimum.reduce(v), points, ["y", "z", "q"])
    check("max(y, z, q, 1.5)", lambda *v: np.maximum.reduce([*v, 0 * v[0] + 1.5]), points, ["y", "z", "q"])


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">=", "==", "!="])
def test_comparisons(operator):
    module = load(model(f"if y {operator} z then 1 else y*z", ["y", "z"]), "euler")
    for y, z in [(1.0, 2.0), (2.0, 1.0), (1.5, 1.5)]:
        holds = {"<": y < z, "<=": y <= z, ">": y > z, ">=": y >= z, "==": y == z, "!=": y != z}[operator]
        found = module.rhs(0.0, torch.tensor([y, z], dtype=D), torch.zeros(0, dtype=D))
        assert found[0].item() == (1.0 if holds else y * z)


@pytest.mark.parametrize("name", [name for name in LOGIC if name in FUNCTIONS])
def test_comparisons_called_by_name(name):
    by_name = load(model(f"Piecewise((1, {name}(y, z)), (0, true))", ["y", "z"]), "euler")
    by_sign = load(model(f"if y {LOGIC[name]} z then 1 else 0", ["y", "z"]), "euler")
    x = torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.5, 1.5]], dtype=D)
    p = torch.zeros(0, dtype=D)
    assert torch.equal(by_name.rhs(0.0, x, p), by_sign.rhs(0.0, x, p))


@pytest.mark.parametrize(
    ("formula", "reference"),
    [
        ("if y > 0 and z > 0 then y else z", lambda y, z: y if y > 0 and z > 0 else z),
        ("if y > 0 or z > 0 then y else z", lambda y, z: y if y > 0 or z > 0 else z),
        ("if not (y > 0) then y else z", lambda y, z: y if not y > 0 else z),
        ("Piecewise((y, And(y > 0, z > 0)), (z, Or(y > 1, z > 1)), (3, true))",
         lambda y, z: y if y > 0 and z > 0 else z if y > 1 or z > 1 else 3),
        ("Piecewise((y, Not(y > 0)), (z, true))", lambda y, z: y if not y > 0 else z),
        ("if 0 < y and y < 1 then y**2 else if z < 0 then -z else 2*z",
         lambda y, z: y**2 if 0 < y < 1 else -z if z < 0 else 2 * z),
    ],
)  # fmt: skip
def test_conditionals(formula, reference):
    module = load(model(formula, ["y", "z"]), "euler")
    points = [(a, b) for a in (-1.5, 0.5, 1.5) for b in (-0.5, 0.7, 2.5)]
    found = module.rhs(0.0, torch.tensor(points, dtype=D), torch.zeros(0, dtype=D))[:, 0]
    assert found.tolist() == pytest.approx([reference(*point) for point in points], rel=1e-15)


def test_heaviside_at_zero_and_sign_at_zero():
    text = model("heaviside(y) + 10*heaviside(y, 1) + sign(y) + relu(y) + heaviside(y, 0)", ["y", "z"])
    module = load(text, "euler")
    assert module.rhs(0.0, torch.zeros(2, dtype=D), torch.zeros(0, dtype=D)).tolist() == [10.5, 0.0]


def test_a_step_of_a_number_is_decided_in_each_derivative():
    points = [(0.5, 0.2), (0.7, 1.1)]
    check("heaviside(-3, max(y, z))/gamma(0.3/y) + y*z", lambda y, z: y * z, points, ["y", "z"])


def test_constants_are_folded_or_named():
    text = "const g = 2*pi\n" + model("sin(g/4)*y + min(g, 3) + sqrt(2) + exp(1)**2", ["y"])
    module = load(text, "euler")
    value = module.rhs(0.0, torch.tensor([0.5], dtype=D), torch.zeros(0, dtype=D)).item()
    assert value == pytest.approx(0.5 + 3 + math.sqrt(2) + math.e**2, rel=1e-15)


GUARDED = {
    "a quotient": ("if abs(y) < 1e-6 then 1 + y/2 else (exp(y) - 1)/y", 0.0, 0.5),
    "a logarithm": ("if y > 0 then y*log(y) else 0", 0.0, 0.0),
    "a logarithm of a negative number": ("if y > 0 then y*log(y) else y", -1.0, 1.0),
    "a root": ("if y > 0 then sqrt(y) else 0", 0.0, 0.0),
    "a power": ("Piecewise((y**0.5, y > 0), (2*y, true))", 0.0, 2.0),
    "an overflow": ("if y < 50 then exp(y)*exp(y) else 3*y", 800.0, 3.0),
    "an arc": ("if abs(y) < 1 then asin(y) else y", 1.0, 1.0),
    "nested": ("if y > 0 then (if y > 1 then log(y - 1) else y) else 1/(1 - y)", 1.0, 1.0),
    "an intermediate": ("if y > 0 then r else -y\nr = 1/y", 0.0, -1.0),
}


@pytest.mark.parametrize("case", GUARDED)
def test_the_side_not_taken_poisons_no_gradient(case):
    formula, point, slope = GUARDED[case]
    module = load(model(formula, ["y"]) + "run t = 0 .. 1 dt 0.5\n", "euler")
    p = torch.zeros(0, dtype=D)
    x = torch.tensor([[point], [point]], dtype=D, requires_grad=True)
    value = module.rhs(0.0, x, p)
    assert torch.isfinite(value).all()
    (taped,) = torch.autograd.grad(value.sum(), x)
    derived = module.rhs_vjp(0.0, x.detach(), p, torch.ones_like(x))[1]
    for found in (taped, derived, module.jacobian(0.0, x.detach(), p)[..., 0]):
        assert found.flatten().tolist() == pytest.approx([slope, slope], rel=1e-6)
    for adjoint in ("discrete", "autograd"):
        states = module.Model(adjoint=adjoint)(torch.tensor([0.0, 0.5], dtype=D), x0=x)
        (g,) = torch.autograd.grad(states[-1].sum(), x)
        assert g.flatten().tolist() == pytest.approx([1 + slope / 2] * 2, rel=1e-6)


@pytest.mark.parametrize("method", ["euler", "rodas5p"])
@pytest.mark.parametrize("formula", ["-k*x**2 + y", "-k*x + y", "y - 2*x", "k*t*y - x"])
@pytest.mark.parametrize("name", ["x", "z"])
def test_jacobians_of_any_batch(name, formula, method):
    """Entries that depend on the states, on parameters alone, or on nothing; a state may be called x."""
    text = f"param k = 1\ninit x = 1\ninit y = 0\nx' = {formula}\ny' = x\nrun t = 0 .. 1 dt 1\n"
    module = load(text.replace("x", name), method)
    generator = torch.Generator().manual_seed(3)
    for batch, own in [((), ()), ((3,), ()), ((3,), (3,)), ((2, 3), (3,))]:
        x = torch.rand(*batch, 2, dtype=D, generator=generator)
        p = torch.rand(*own, 1, dtype=D, generator=generator)
        found = module.jacobian(0.3, x, p)
        wanted = torch.autograd.functional.jacobian(
            lambda x, p=p: module.rhs(0.3, x, p).reshape(-1, 2).sum(0), x
        )
        assert found.shape == (*batch, 2, 2)
        torch.testing.assert_close(found, wanted.movedim(0, -2), rtol=1e-14, atol=0)
