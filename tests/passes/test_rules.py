"""Every derivative rule against SymPy, at random points."""

import math
import random

import pytest
import sympy as sp
from building import expr, op, run, syms, system

from odec.passes import derive
from odec.passes.rules import DERIVATIVE_FREE, RULES
from odec.tree import OPERATIONS, evaluate

X, Y, Z = sp.symbols("x y z", real=True)

UNARY = {
    "neg": (-X, (-3, 3)),
    "exp": (sp.exp(X), (-3, 3)),
    "expm1": (sp.exp(X) - 1, (-3, 3)),
    "log": (sp.log(X), (0.1, 5)),
    "log1p": (sp.log(1 + X), (-0.8, 5)),
    "log10": (sp.log(X, 10), (0.1, 5)),
    "log2": (sp.log(X, 2), (0.1, 5)),
    "sqrt": (sp.sqrt(X), (0.1, 5)),
    "sin": (sp.sin(X), (-3, 3)),
    "cos": (sp.cos(X), (-3, 3)),
    "tan": (sp.tan(X), (-1.4, 1.4)),
    "cot": (sp.cot(X), (0.2, 2.9)),
    "asin": (sp.asin(X), (-0.9, 0.9)),
    "acos": (sp.acos(X), (-0.9, 0.9)),
    "atan": (sp.atan(X), (-3, 3)),
    "sinh": (sp.sinh(X), (-3, 3)),
    "cosh": (sp.cosh(X), (-3, 3)),
    "tanh": (sp.tanh(X), (-3, 3)),
    "asinh": (sp.asinh(X), (-3, 3)),
    "acosh": (sp.acosh(X), (1.1, 4)),
    "atanh": (sp.atanh(X), (-0.9, 0.9)),
    "sigmoid": (1 / (1 + sp.exp(-X)), (-4, 4)),
    "softplus": (sp.log(1 + sp.exp(X)), (-4, 4)),
    "erf": (sp.erf(X), (-2, 2)),
    "gamma": (sp.gamma(X), (0.3, 4)),
    "lgamma": (sp.loggamma(X), (0.3, 4)),
    "exprel": ((sp.exp(X) - 1) / X, (0.2, 3)),
    "abs": (sp.Abs(X), (-3, 3)),
    "sign": (sp.Integer(0) * X, (0.1, 3)),
    "floor": (sp.Integer(0) * X, (0.1, 0.9)),
    "ceil": (sp.Integer(0) * X, (0.1, 0.9)),
    "relu": (sp.Max(X, 0), (-3, 3)),
}
BINARY = {
    "add": (X + Y, (-3, 3), (-3, 3)),
    "mul": (X * Y, (-3, 3), (-3, 3)),
    "div": (X / Y, (-3, 3), (0.5, 3)),
    "pow": (X**Y, (0.2, 3), (-2, 3)),
    "xlogy": (X * sp.log(Y), (-3, 3), (0.1, 5)),
    "atan2": (sp.atan2(X, Y), (-3, 3), (0.3, 3)),
    "min": (sp.Min(X, Y), (-3, 3), (-3, 3)),
    "max": (sp.Max(X, Y), (-3, 3), (-3, 3)),
    "mod": (X - Y * sp.floor(X / Y), (-3, 3), (0.5, 2)),
    "heaviside": (sp.Integer(0) * X * Y, (0.1, 3), (0, 1)),
}
TERNARY = {
    "hill": (X**Z / (Y**Z + X**Z), (0.3, 3), (0.5, 3), (1, 4)),
    "clip": (sp.Min(sp.Max(X, Y), Z), (-3, 3), (-1, 0), (0.5, 2)),
    "select": (sp.Piecewise((Y * Z, X > 0), (Y + Z, True)), (-3, 3), (-3, 3), (-3, 3)),
}
CASES = {**UNARY, **BINARY, **TERNARY}


def tree_of(name: str):
    x, y, z = syms("x y z")
    if name == "select":
        return op("select", x > 0, y * z, y + z)
    return op(name, *(x, y, z)[: len(CASES[name]) - 1])


@pytest.mark.parametrize("name", CASES)
def test_rule_agrees_with_sympy(name):
    """VJP, JVP and Jacobian of one operation are the derivatives that SymPy finds."""
    formula, *ranges = CASES[name]
    tree = tree_of(name)
    programs = derive(system({"x": tree, "y": 0, "z": 0}))
    symbols = (X, Y, Z)
    # SymPy writes the derivatives of |x|, max and min with sign and Heaviside; floor has none of its own.
    smooth = formula.replace(sp.floor, lambda a: sp.Function("floor_")(a))
    exact = [sp.diff(smooth, s).doit() for s in symbols]
    exact = [e.replace(sp.Derivative, lambda *a: sp.Integer(0)).replace(sp.Subs, lambda *a: 0) for e in exact]
    exact = [e.replace(sp.Function("floor_"), sp.floor) for e in exact]
    draw = random.Random(name)
    for _ in range(20):
        point = {"x": 0.5, "y": 0.5, "z": 0.5}
        point.update(zip("xyz", (draw.uniform(*r) for r in ranges), strict=False))
        at = dict(zip(symbols, point.values(), strict=True))
        wanted = [float(e.subs(at)) for e in exact]
        value = float(formula.subs(at)) if name not in ("sign", "floor", "ceil", "heaviside") else None
        if value is not None:
            assert evaluate(tree.tree, point) == pytest.approx(value, rel=1e-11, abs=1e-12)
        given = {**point, "t": 0.0, "w_x": 1.5, "w_y": 0.0, "w_z": 0.0, "d_t": 0.0}
        given.update({"d_x": 0.7, "d_y": -1.1, "d_z": 0.4})
        assert run(programs.rhs_vjp, given)["x"] == pytest.approx(
            [1.5 * d for d in wanted], rel=1e-10, abs=1e-12
        )
        tangent = 0.7 * wanted[0] - 1.1 * wanted[1] + 0.4 * wanted[2]
        assert run(programs.rhs_jvp, given)["dx"][0] == pytest.approx(tangent, rel=1e-9, abs=1e-11)
        sparse = programs.jacobians["rhs", "x"]
        entries = run(sparse.program, given)["entries"]
        dense = [0.0, 0.0, 0.0]
        for row, column, entry in zip(sparse.rows, sparse.cols, entries, strict=True):
            assert row == 0
            dense[column] = entry
        assert dense == pytest.approx(wanted, rel=1e-10, abs=1e-12)


def test_every_operation_has_a_rule_and_a_case():
    missing = set(OPERATIONS) - set(RULES) - DERIVATIVE_FREE - {"hill", "clip"}
    assert not missing
    untested = (
        set(OPERATIONS) - set(CASES) - {o for o, v in OPERATIONS.items() if v.kind in ("compare", "logic")}
    )
    elsewhere = {
        "digamma",
        "trigamma",
        "finite",
        "exprel1",
        "exprel2",
        "distance",
        "apart",
        "limit",
        "lookup",
    }
    assert untested == elsewhere


def gradient(tree, **values):
    programs = derive(system({"x": tree, "y": 0}, params=dict.fromkeys(set(values) - {"x", "y"}, 1.0)))
    given = {"t": 0.0, "x": 0.0, "y": 0.0, "w_x": 1.0, "w_y": 0.0, **values}
    outputs = run(programs.rhs_vjp, given)
    found = dict(zip(("x", "y"), outputs["x"], strict=True))
    found.update(zip(programs.params.names, outputs.get("p", []), strict=True))
    return found


def test_power_at_zero():
    x, n = syms("x n")
    assert gradient(x**n, x=0.0, n=2.0) == {"x": 0.0, "y": 0.0, "n": 0.0}
    assert gradient(x**n, x=0.0, n=1.0) == {"x": 1.0, "y": 0.0, "n": 0.0}
    assert gradient(x**n, x=0.0, n=0.0) == {"x": 0.0, "y": 0.0, "n": 0.0}
    assert gradient(x**2, x=0.0)["x"] == 0.0
    assert gradient(x**0.5, x=0.0)["x"] == math.inf
    assert gradient(x**3, x=-2.0)["x"] == 12.0
    assert gradient(x**-1, x=-2.0)["x"] == -0.25
    assert gradient(op("hill", x, 2, n), x=0.0, n=2.0) == {"x": 0.0, "y": 0.0, "n": 0.0}
    assert gradient(op("hill", x, 2, n), x=0.0, n=1.0)["x"] == 0.5


def test_root_of_a_product_at_zero():
    """Where one factor is 0 the root is 0 whatever the others are."""
    x, n = syms("x n")
    at_zero = gradient(op("sqrt", 2 * n * x), x=0.0, n=3.0)
    assert at_zero["n"] == 0.0 and at_zero["x"] == math.inf
    at_zero = gradient(op("sqrt", 2 * n * x), x=3.0, n=0.0)
    assert at_zero["x"] == 0.0 and at_zero["n"] == math.inf
    elsewhere = gradient(op("sqrt", 2 * n * x), x=2.0, n=4.0)
    assert elsewhere["n"] == pytest.approx(0.5) and elsewhere["x"] == pytest.approx(1.0)


def test_subgradients_are_those_of_torch():
    x, y = syms("x y")
    assert gradient(op("abs", x), x=0.0)["x"] == 0.0
    assert gradient(op("relu", x), x=0.0)["x"] == 0.0
    assert gradient(op("max", x, 0), x=0.0)["x"] == 1.0
    assert gradient(op("max", x, y), x=1.0, y=1.0) == {"x": 0.5, "y": 0.5}
    assert gradient(op("min", x, y), x=1.0, y=1.0) == {"x": 0.5, "y": 0.5}
    assert gradient(op("clip", x, 0, 1), x=0.0)["x"] == 1.0
    assert gradient(op("clip", x, 0, 1), x=2.0)["x"] == 0.0
    assert gradient(op("heaviside", x, y), x=0.0) == {"x": 0.0, "y": 1.0}
    assert gradient(op("heaviside", x), x=0.0)["x"] == 0.0


def test_long_products_have_their_derivatives_in_linear_size():
    names = [f"x{k}" for k in range(200)]
    product = op("mul", *names)
    programs = derive(system({name: product if name == "x0" else 0 for name in names}))
    draw = random.Random(5)
    values = {name: draw.uniform(0.9, 1.1) for name in names}
    given = {**values, "t": 0.0, **{f"w_{n}": 1.0 for n in names}}
    total = math.prod(values.values())
    assert run(programs.rhs_vjp, given)["x"] == pytest.approx([total / v for v in values.values()])
    assert len(programs.rhs_vjp.body) < 800
    assert max(len(str(expr(a.expr).tree)) for a in programs.rhs_vjp.body) < 5000
