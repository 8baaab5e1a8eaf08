"""The formula, its line and the parameter where something is not finite."""

import pytest

import odec
from odec.diagnostics import Source
from odec.lang import parse
from odec.passes.nonfinite import first_not_finite

MODEL = """
time t : h
param k = 0.5, n = 2, m = 3
init A = 0, B = k*log(m - 3)
s = sqrt(A*m)
rate = k*s
dA/dt = 1 - rate
dB/dt = -n*B + (if A > 1 then log(A) else 0)
obs lB = 2 + log10(B)
"""


def found(start=False, params=(), **changed):
    point = {"t": 0.0, "A": 4.0, "B": 1.0, "k": 0.5, "n": 2.0, "m": 3.0, **changed}
    return first_not_finite(odec.parse(MODEL), point, params, start=start)


def test_a_value():
    at = found(B=0.0)
    assert (at.name, at.line, at.part, at.value) == ("lB", 9, "log10(B)", float("-inf"))
    assert str(at) == "'lB' is infinite, since log10(B) is (<text>:9)".replace("<text>", at.source)
    assert found(start=True).line == 4 and found(start=True).part == "log(m - 3)"
    assert found(start=True, m=4.0) is None


def test_a_derivative():
    assert found(params=("k", "n", "m")) is None
    at = found(A=0.0, m=0.0, params=("k", "n", "m"))
    assert (at.name, at.param, at.line) == ("s", "m", 5)
    assert str(at).startswith("the derivative of 's' by m is not a number (")


def test_a_branch_not_taken_is_not_blamed():
    assert found(A=0.0, params=("n", "k")) is None


def test_a_run_names_the_quotient_that_is_no_number_at_its_start() -> None:
    text = "init x = 0\nx' = sin(x)/x - x\nrun t = 0 .. 1 step 0.5\n"
    with pytest.raises(
        odec.SimulationError, match=r"since sin\(x\)/x is \(.*:2\); where 0/0 has a limit, give it"
    ):
        odec.simulate(text)
    with pytest.raises(odec.SimulationError, match=r"'x' is infinite, since 1/k is"):
        odec.simulate("param k = 0\ninit x = 1/k\nx' = -x\nrun t = 0 .. 1 step 0.5\n")


def test_a_derivative_is_named_as_it_is_written() -> None:
    text = "time tau\ninit x = 0, q = 0, q' = 0\ndx/dtau = sin(x)/x\nq'' = 1/q\nrun tau = 0 .. 1 step 0.5\n"
    with pytest.raises(odec.SimulationError, match=r"'dx/dtau' is not a number, since sin\(x\)/x is"):
        odec.simulate(text)
    with pytest.raises(odec.SimulationError, match=r"'d2q/dtau2' is infinite, since 1/q is"):
        odec.simulate(text.replace("sin(x)/x", "x"))


def test_no_piece_of_a_long_formula_is_named() -> None:
    product = "*".join(["(x + 1)"] * 1200)
    system, _ = parse(Source("m.ode", f"init x = 5\nx' = {product}\n"))
    assert system is not None
    told = str(first_not_finite(system, {"t": 0.0, "x": 5.0}))
    assert told.startswith("'dx/dt' is infinite, since …*(x + 1)") and "dx_dt" not in told
