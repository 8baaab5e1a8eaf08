"""Models from Python: strings and SymPy expressions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy

import odec

PLAIN = "param k = 0.5 in (0, inf)\ninit x = 2\nx' = -k*x\n"


def text(**parts: Any) -> str:
    return odec.System.from_equations(**parts).source.text


def test_strings() -> None:
    system = odec.System.from_equations(
        equations={"x": "r*x*(1 - x/K)"},
        params={"r": "0.1 in (0, inf) via log : 1/day", "K": 10},
        init={"x": 1},
    )
    assert system.states == ("x",)
    assert [(p.name, p.value, p.transform, p.unit) for p in system.params] == [
        ("r", 0.1, "log", "1/day"),
        ("K", 10, "none", None),
    ]
    assert odec.simulate(system, [0.0, 1.0])["x"][0] == 1


def test_sympy_gives_the_same_model_as_a_file() -> None:
    x, k = sympy.symbols("x k")
    assert text(equations={x: -k * x}, params={k: (0.5, 0, sympy.oo)}, init={x: 2}).splitlines() == [
        "param k = 0.5 in (0.0, inf)",
        "init x = 2",
        "x' = -k*x",
    ]


def test_functions_of_time_and_their_derivatives() -> None:
    t, g = sympy.symbols("t g")
    theta = sympy.Function("theta")
    lines = text(
        equations=[
            sympy.Eq(theta(t).diff(t, 2), -g * sympy.sin(theta(t)) - theta(t).diff(t) / 10 + sympy.cos(t))
        ],
        params={g: 9.81},
        init={theta(0): 1, sympy.Derivative(theta(t), t): 0},
        obs={"speed": theta(t).diff(t)},
    ).splitlines()
    assert "init theta' = 0" in lines
    assert "obs speed = theta'" in lines
    assert lines[3].startswith("theta'' = ")


def test_every_part() -> None:
    system = odec.System.from_equations(
        equations=["dx/ds = f(x, u)*half", "dy/ds = -y"],
        params={"a": (1, 0, 2), "b": sympy.Rational(1, 3)},
        consts={"c": Fraction(3, 4), "d": np.float64(0.1)},
        definitions={"half": "c/2"},
        functions={"f(p, q)": "a*p + b*q + d"},
        inputs={"u": "linear"},
        init={"x": 1, "y": "2*x"},
        obs={"z": sympy.Symbol("x") ** 2, "w": "x ~ normal(0.1)"},
        run=(0, 10, 0.1),
        time="s",
        name="parts",
    )
    assert system.source.name == "parts.ode"
    assert (system.name, system.time, system.run.stop, system.run.step) == ("parts", "s", 10, 0.1)
    assert [c.value for c in system.consts] == [0.75, 0.1]
    assert system.params[0].interval.upper == 2
    assert system.observables[1].noise.distribution == "normal"
    run = odec.simulate(system, inputs={"u": ([0, 1], [0, 1])})
    assert run.states[0].tolist() == [1, 2]


def test_maps_and_string_blocks() -> None:
    system = odec.System.from_equations("x[t+1] = 2*x", init={"x": 1}, run="t = 0 .. 3")
    assert odec.simulate(system)["x"].tolist() == [1, 2, 4, 8]
    system = odec.System.from_equations("x' = y\ny' = -x\n", init={"x": 1, "y": 0})
    assert system.states == ("x", "y")


def test_piecewise_and_sympy_strings() -> None:
    x = sympy.Symbol("x")
    built = odec.System.from_equations({"x": sympy.Piecewise((1, x < 2), (-x, True))}, init={"x": 0})
    string = odec.System.from_equations({"x": "Piecewise((1, x < 2), (-x, True))"}, init={"x": 0})
    assert built.equations[0].expr == string.equations[0].expr


def test_diagnostics_show_the_text_that_was_built() -> None:
    with pytest.raises(odec.ModelError) as raised:
        odec.System.from_equations({"x": "-kk*x"}, {"k": 1}, {"x": 1})
    assert "model.ode:3" in str(raised.value)
    assert "did you mean 'k'?" in str(raised.value)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"equations": {"x y": "1"}, "init": {}}, "left side"),
        ({"equations": {"x = 1\ny": "1"}, "init": {}}, "left side"),
        ({"equations": {"x": "1"}, "init": {"x+1": 1}}, "belongs to a state"),
        ({"equations": {"x": "1"}, "init": {"x": 1}, "params": {"a b": 1}}, "plain name"),
        ({"equations": {"x": "1"}, "init": {"x": 1}, "params": {"a": (1, 2)}}, "tuple"),
        ({"equations": {"x": object()}, "init": {"x": 1}}, "a formula is"),
        ({"equations": {"x": True}, "init": {"x": 1}}, "a formula is"),
        ({"equations": {"x": float("nan")}, "init": {"x": 1}}, "cannot hold nan"),
        ({"equations": ["x"], "init": {"x": 1}}, "needs '='"),
        ({"equations": [3], "init": {"x": 1}}, "a string or a SymPy equation"),
        ({"equations": {"x": "1"}, "init": {"x": 1}, "run": (1,)}, "run is"),
        ({"equations": {"x": "1"}, "init": {"x": 1}, "functions": {"f": "1"}}, "head"),
        ({"equations": {sympy.Symbol("x_{1}"): 1}, "init": {}}, "plain name"),
    ],
)
def test_wrong_arguments(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(odec.ArgumentError, match=words):
        odec.System.from_equations(**parts)


def test_text_is_never_evaluated(tmp_path: Any) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(odec.ModelError):
        odec.System.from_equations({"x": f"__import__('pathlib').Path('{marker}').touch()"}, {}, {"x": 1})
    assert not marker.exists()
