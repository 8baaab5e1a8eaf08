"""Which constant factors of derivatives fixed steps take into their coefficients."""

import pytest

from odec.backends.native.factors import constant_factors
from odec.diagnostics import Source
from odec.lang import expression_text, parse
from odec.passes import derive


def factors(line):
    text = f"const c = 3, d = 0.5, zero = 0\nparam a = 2\ninit x = 1\ndx/dt = {line}\n"
    system, _ = parse(Source("m.ode", text))
    programs = derive(system)
    found = constant_factors(programs.rhs, programs.consts)
    if found is None:
        return None
    (value,) = found.values
    return value, expression_text(found.program.body[-1].expr)


@pytest.mark.parametrize(
    "line, value, rest",
    [
        ("c*x", 3.0, "x"),
        ("-c*(x - a)*d", -1.5, "x - a"),
        ("(a - x)/c", 1 / 3, "a - x"),
        ("2*x/(c*d)", 2 / 1.5, "x"),
        ("c*x/(1 + x)", 3.0, "x/(1 + x)"),
        ("exp(-c)*a*x", pytest.approx(0.049787068367863944, rel=1e-15), "a*x"),
    ],
)
def test_a_constant_factor_is_split_off(line, value, rest):
    assert factors(line) == (value, rest)


@pytest.mark.parametrize("line", ["a*x", "-x", "c", "c*x + a", "zero*x", "1e200*x", "(c - 2)*x"])
def test_what_is_no_constant_factor_stays(line):
    assert factors(line) is None


def test_a_derivative_that_something_else_uses_keeps_its_factor():
    text = "const c = 3\ninit x = 1\ninit y = 0\nspeed = c*x\ndx/dt = speed\ndy/dt = speed*y\n"
    system, _ = parse(Source("m.ode", text))
    programs = derive(system)
    assert constant_factors(programs.rhs, programs.consts) is None
