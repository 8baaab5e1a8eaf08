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


def found(start=False, **changed):
    point = {"t": 0.0, "A": 4.0, "B": 1.0, "k": 0.5, "n": 2.0, "m": 3.0, **changed}
    return first_not_finite(odec.parse(MODEL), point, start=start)


def test_a_value():
    at = found(B=0.0)
    assert (at.name, at.line, at.part, at.value) == ("lB", 9, "log10(B)", float("-inf"))
    assert str(at) == "'lB' is infinite, since log10(B) is (<text>:9)".replace("<text>", at.source)
    assert found(start=True).line == 4 and found(start=True).part == "log(m - 3)"
    assert found(start=True, m=4.0) is None


def test_a_branch_not_taken_is_not_blamed():
    assert found(A=0.0) is None
    text = "init x = 0\nx' = (if x == 0 then 1 else sin(x)/x) + (if x > 0 then 1/x else log(x))\n"
    assert first_not_finite(odec.parse(text), {"t": 0.0, "x": 0.0}).part == "log(x)"


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


def test_what_hangs_on_a_name_that_is_not_given_is_left_out() -> None:
    text = "input u hold\ninit x = 0, y = 0\nv = 1/u\nx' = v - x\ny' = 1/y\n"
    told = first_not_finite(odec.parse(text), {"x": 0.0, "y": 0.0})
    assert told is not None and (told.name, told.given) == ("dy/dt", {"y": 0.0})
    assert first_not_finite(odec.parse(text), {"x": 0.0, "y": 1.0}) is None


ARRAYS = "param D[3] = [1, 0, 2]\ninit u[3] = 1, x = 0\nu[i]' = u[i]/D[i] for i in 0 .. 2\nx' = sum(u)\n"


def test_an_element_of_an_array_is_named_as_it_is_written() -> None:
    with pytest.raises(
        odec.SimulationError, match=r"'du\[1\]/dt' is infinite, since u\[i\]/D\[i\] is \(.*:3\)"
    ):
        odec.simulate(ARRAYS + "run t = 0 .. 1 step 0.5\n")
    text = "init u[2] = 0\nu[t+1] = sin(u)/u\nrun t = 0 .. 3\n"
    with pytest.raises(odec.SimulationError, match=r"'u\[t\+1\]\[0\]' is not a number, since sin\(u\)/u is"):
        odec.simulate(text)


def codes(text: str) -> list[str]:
    return [d.code for d in odec.check(Source("m.ode", text))]


def test_a_model_is_warned_of_where_its_own_start_fails() -> None:
    """Not where a limit is known, nor where an input, a drawn parameter or an unknown time decides."""
    assert codes("init x = 0\nx' = 1 - x/(exp(x) - 1)\n") == []
    assert codes("input u hold\ninit x = 0\nx' = 1/u - x\n") == []
    assert codes("param W[2, 2] = glorot()\ninit h[2] = 0\nh' = log(W @ h)\n") == []
    assert codes("init x = 0\nx' = log(t) - x\n") == []
    assert codes("init x = 0\nx' = log(t) - x\nrun t = 0 .. 1\n") == ["W610"]
    assert codes(ARRAYS) == ["W610"]


def test_an_equality_that_guards_a_pole_is_not_warned_of() -> None:
    assert codes("init x = 0\nx' = if x == 0 then 1 else sin(x)/x\n") == []
    assert codes("init x = 0\nx' = if x != 0 then sin(x)/x else 1\n") == []
    assert codes("init x = 0\nx' = if x == 0 then 1 else x/2\n") == ["W605"]
