"""SymPy expressions become our trees, and keep their value."""

import random

import pytest
import sympy as sp
from building import text

from odec.errors import ArgumentError
from odec.passes import from_sympy
from odec.tree import evaluate

x, y, n = sp.symbols("x y n", positive=True)
FUNCTION = sp.Function

SPELLED = {
    "difference": (x - y, "(x - y)"),
    "rational": (sp.Rational(1, 3) * x, "(x/3)"),
    "sign": (-x / (2 * y), "(-x/(2*y))"),
    "subtracted": (1 - 2 * x, "(1 - (2*x))"),
    "signed product": (-2 * x * y, "(-2*x*y)"),
    "inverse": (x**-2, "(1/(x**2))"),
    "root": (1 / sp.sqrt(x), "(1/sqrt(x))"),
    "decimal": (sp.Float("0.1") * x, "(0.1*x)"),
    "exponential": (sp.E**x, "exp(x)"),
    "piecewise": (sp.Piecewise((x, x > 1), (0, True)), "select((x > 1), x, 0)"),
    "heaviside": (sp.Heaviside(x - 1), "heaviside((x - 1))"),
    "heaviside at zero": (sp.Heaviside(x - 1, 1), "heaviside((x - 1), 1)"),
    "ours": (FUNCTION("hill")(x, y, n), "hill(x, y, n)"),
    "theirs": (FUNCTION("f")(x), "call:f(x)"),
    "fraction": (2 * x**2 * y / (x + y), "((2*(x**2)*y)/(x + y))"),
    "negative number": (sp.Integer(-2), "-2"),
    "state's derivative": (sp.Symbol("x'"), "x'"),
}


@pytest.mark.parametrize("name", SPELLED)
def test_spelling(name):
    expression, wanted = SPELLED[name]
    assert text(from_sympy(expression)) == wanted


VALUED = [
    sp.Max(x, y, 1),
    sp.Min(x, y - 1, n),
    sp.Abs(x - y),
    sp.sign(x - y),
    sp.floor(x) + sp.ceiling(y),
    sp.Mod(x, y),
    sp.atan2(x, y),
    sp.sin(x) * sp.cos(y) * sp.tan(x) * sp.cot(y),
    sp.sinh(x) + sp.cosh(x) + sp.tanh(x) + sp.asinh(x) + sp.atan(x),
    sp.asin(1 / (1 + x)) + sp.acos(1 / (1 + x)) + sp.acosh(1 + x) + sp.atanh(1 / (1 + x)),
    sp.erf(x) + sp.gamma(x) + sp.loggamma(y) + sp.log(x, 2) + sp.erfc(y),
    sp.sec(x) + sp.csc(x) + sp.sech(x) + sp.csch(x) + sp.coth(x) + sp.acot(x),
    sp.Piecewise((x, (x > 1) & (y < 1)), (y, sp.Or(sp.Ne(x, y), x < 0)), (n, True)),
    sp.Piecewise((1, sp.Not(x > y)), (2, True)),
    sp.pi * x + sp.exp(1, evaluate=False) + sp.GoldenRatio,
    sp.E**x + sp.exp(-2 * y),
    (x + y) ** n / (x**-n + y ** sp.Rational(-3, 2)),
    2 ** (-x) - sp.Rational(7, 3) * y ** sp.Rational(2, 3),
    -(x + y) * (x - y) / n,
]


@pytest.mark.parametrize("expression", VALUED, ids=[str(e)[:40] for e in VALUED])
def test_value(expression):
    tree = from_sympy(expression)
    draw = random.Random(3)
    for _ in range(10):
        at = {s: draw.uniform(0.2, 3) for s in (x, y, n)}
        wanted = float(expression.subs(at))
        assert evaluate(tree, {s.name: v for s, v in at.items()}) == pytest.approx(wanted, rel=1e-9)


def test_relations_and_booleans():
    env = {"x": 1.0, "y": 2.0}
    for relation in (x < y, x <= y, x > y, x >= y, sp.Eq(x, y), sp.Ne(x, y), sp.true, sp.false):
        wanted = bool(relation.subs({x: 1, y: 2}))
        assert evaluate(from_sympy(relation), env) is wanted


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (sp.I * x, "not a real number"),
        (sp.oo, "not a real number"),
        (sp.sympify("-a*E"), r"Euler's number .* Symbol\('E'\)"),
        (sp.Symbol("E") * sp.sympify("E/2"), "Euler's number"),
        (sp.zeta(x + 1), "has no counterpart in a model"),
        (sp.Piecewise((x, x > 1)), "no value when no condition holds"),
        (FUNCTION("hill")(x), "hill takes 3 arguments, not 1"),
        (sp.Matrix([1, 2]), "has no counterpart"),
        (sp.Integral(x, x), "has no counterpart"),
    ],
)
def test_what_has_no_counterpart_is_named(expression, message):
    with pytest.raises(ArgumentError, match=message):
        from_sympy(expression)


def test_text_is_never_parsed():
    with pytest.raises((ArgumentError, sp.SympifyError)):
        from_sympy("x + 1")
