"""Formulas of any depth and length: cut into parts that compilers take, with the same bits."""

import itertools
import random

import pytest
from building import E, expr, op, run

import odec
from odec.backends.layout import flat
from odec.backends.torch.printer import TorchPrinter
from odec.diagnostics import ModelError
from odec.lang import expression_text
from odec.passes import derive
from odec.passes.latex import expression_latex
from odec.passes.parts import MAX_LEVELS, cut
from odec.tree import evaluate, fold


def grown(draw: random.Random, size: int) -> E:
    """A deep or long formula of x and y."""
    value = expr("x")
    for _ in range(size):
        leaf = expr(draw.choice("xy"))
        match draw.randrange(6):
            case 0:
                value = op("add", *([leaf] * draw.randrange(0, 400)), value, leaf)
            case 1:
                value = op("mul", value, *([leaf] * draw.randrange(1, 400)))
            case 2:
                value = op("max", leaf, op("div", value, 3), *([leaf / 2] * draw.randrange(60)))
            case 3:
                value = op("select", op("and", *([leaf > 0.1] * draw.randrange(2, 400))), value, leaf)
            case 4:
                value = op("sin", value)
            case _:
                value = op("select", leaf > 5, 1, value)
    return value


def levels(tree) -> int:
    return fold(tree, lambda leaf: 0, lambda node, inner: 1 + max(inner, default=0))


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_make_the_whole(seed):
    draw = random.Random(seed)
    tree = grown(draw, 120).tree
    count = itertools.count()
    last, parts = cut(tree, lambda: f"p{next(count)}")
    env = {"x": draw.uniform(0.5, 1.5), "y": draw.uniform(0.5, 1.5)}
    whole = evaluate(tree, env)
    assert len(parts) > 3
    for name, part in parts:
        env[name] = evaluate(part, env)
    assert evaluate(last, env) == whole
    for piece in (last, *(part for _, part in parts)):
        assert levels(piece) <= MAX_LEVELS
        compile(printed(piece), "piece", "eval")


def printed(tree) -> str:
    return flat(TorchPrinter({}, {}).doc(tree))


LONG = {
    "else if": " else ".join(f"if x < {i + 1} then -x*{i}*k" for i in range(250)) + " else x",
    "Piecewise": "Piecewise(" + ", ".join(f"(sqrt(x + {i}*k), x < {i})" for i in range(150)) + ", (k, True))",
    "sum": " - ".join(f"{i}e-3*k*x" for i in range(1, 1200)),
    "product": "*".join(f"(1 + x*{i}e-9)" for i in range(700)) + "*k",
    "quotient": "k*x" + "/1.001" * 300,
    "minima": "min(" + ", ".join(f"{i} + k*x" for i in range(300)) + ")",
    "conditions": "if " + " and ".join(f"x < {i + 2}" for i in range(600)) + " then k*x else x",
    "functions": "sin(" * 95 + "k*x" + ")" * 95,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_python_takes_the_module(name):
    """The module compiles, its values are those of the formula, and what is printed of it is the formula."""
    text = f"param k = 0.5\ninit x = 1.5\nx' = {LONG[name]}\nrun t = 0 .. 1 step 0.5\n"
    parsed = odec.parse(text)
    formula = parsed.equations[0].expr
    assert odec.parse(text.replace(LONG[name], expression_text(formula))).equations[0].expr == formula
    assert expression_latex(formula).count("k") >= 1
    compile(odec.compile(text, method="euler", engine="torch"), name, "exec")
    programs = derive(parsed)
    env = {"t": 0.0, "x": 1.5, "k": 0.5, "w_x": 1.0}
    assert run(programs.rhs, env)["dx"][0] == evaluate(formula, env)
    slope = run(programs.rhs_vjp, env)
    h = 1e-6
    for group, at in (("x", "x"), ("p", "k")):
        up, down = (evaluate(formula, {**env, at: env[at] + step}) for step in (h, -h))
        assert slope[group][0] == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-8)


def test_too_deep_is_refused_with_the_number():
    for formula in ("x" + "/x" * 2100, "if x > 1 then 1 else " * 2100 + "2", "(" * 500 + "x" + ")" * 500):
        with pytest.raises(ModelError, match=r"at most (2000|100) "):
            odec.parse(f"init x = 1\nx' = {formula}\n")
    pieces = ", ".join(f"({i}, x < {i})" for i in range(2100))
    with pytest.raises(ModelError, match="at most 2000"):
        odec.parse(f"init x = 1\nx' = Piecewise({pieces}, (0, True))\n")
