"""What switches in a model, and by what: the time, states, inputs, parameters."""

from __future__ import annotations

import pytest

from odec.diagnostics import Source
from odec.lang import parse
from odec.lang.switches import (
    Switch,
    not_located,
    params_only_in_conditions,
    switches,
    switches_in_states,
    switches_in_time,
)
from odec.system import System


def system(equation: str, before: str = "") -> System:
    head = "param T = 1, k = 1\nconst c = 2\ninput u\ninit x = k*T\nobs y = u*x + c\n"
    text = f"{head}{before}\nx' = {equation}\n"
    found, problems = parse(Source("model.ode", text))
    assert found is not None, problems
    return found


def texts(model: System, found: tuple[Switch, ...]) -> list[tuple[str, bool]]:
    return [(model.source.text[s.span.start : s.span.end], s.jumps) for s in found if s.span]


@pytest.mark.parametrize(
    ("formula", "switch", "jumps"),
    [
        ("if t < T then 1 else x", "t < T", True),
        ("if mod(t, 24) < 0.5 then 1 else x", "mod(t, 24) < 0.5", True),
        ("heaviside(t - T)*x", "heaviside(t - T)", True),
        ("floor(t)*x", "floor(t)", True),
        ("ceil(t/T)", "ceil(t/T)", True),
        ("sign(t - c)", "sign(t - c)", True),
        ("abs(t - T)", "abs(t - T)", False),
        ("min(t, T)", "min(t, T)", False),
        ("max(u, k)", "max(u, k)", False),
        ("clip(t, 0, 1)*x", "clip(t, 0, 1)", False),
        ("relu(t - c)*x", "relu(t - c)", False),
        ("if u > k then x else 0", "u > k", True),
        ("if x > k and not (t < c or t > T) then 1 else 0", "t > T", True),
    ],
)
def test_switches_in_time(formula: str, switch: str, jumps: bool) -> None:
    model = system(formula)
    assert (switch, jumps) in texts(model, switches_in_time(model))
    assert switch not in dict(texts(model, switches_in_states(model)))


def test_thresholds_in_states_and_in_nothing_that_moves() -> None:
    model = system("if x > T then 1 else if t*x < k then 2 else 3")
    assert texts(model, switches_in_states(model)) == [("x > T", True), ("t*x < k", True)]
    assert switches_in_time(model) == ()
    assert switches(system("(if c > 1 then 1 else 2)*x")) == ()
    fixed = system("(if k > 1 then 1 else 2)*x + exp(t)")
    assert texts(fixed, switches(fixed)) == [("k > 1", True)]
    assert switches_in_time(fixed) == switches_in_states(fixed) == ()


def test_what_decides_is_followed_through_intermediates_and_functions() -> None:
    model = system("f(elapsed)*x + g", "elapsed = t - T\nf(a) = if a > 0 then a*k else 0\ng = heaviside(x)")
    (timed,), (by_state,) = switches_in_time(model), switches_in_states(model)
    assert timed.names == {"t", "T"}
    assert by_state.names == {"x"}


@pytest.mark.parametrize(
    ("formula", "hidden"),
    [
        ("if t < q then x else -x", []),
        ("if t*t < q then x else -x", ["q"]),
        ("sign(x - q) + floor(r)", ["q", "r"]),
        ("if t < q then q*x else -x", []),
        ("if t < 1 then -x else q*x", []),
        ("if mod(t - q, r) < q*q then -x else x", []),
        ("if t < q*u then -x else r*x", []),
        ("if w > q then -x else r*x", []),
        ("if w*w > q then -x else r*x", ["q"]),
        ("if u > q then -x else r*x", ["q"]),
        ("max(t, q)*mod(x, r)", []),
        ("-x", []),
    ],
)
def test_parameters_that_no_derivative_sees(formula: str, hidden: list[str]) -> None:
    model = system(formula, "param q = 1, r = 2\ninput w linear")
    assert list(params_only_in_conditions(model)) == hidden


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("if t < T then x else -x", ""),
        ("if k*(t - T)/c > 1 then x else -x", ""),
        ("floor(mod(t, 24)/5)", ""),
        ("if mod(t, 24) + mod(t, 16) < 3 then 1 else 0", ""),
        ("max(t, T, k)*min(t, c)", ""),
        ("if u > k then x else -x", ""),
        ("if sin(t) > k then x else -x", "it is no straight line in the time"),
        ("if t*t > k then x else -x", "it is no straight line in the time"),
        ("if t > u then x else -x", ""),
        ("if 2*v + t > k*u then x else -x", ""),
        ("floor(v/2)*mod(v, T)*max(v - u, 0)", ""),
        ("if v - u*k > T and t < 3 or x > 2 then abs(v) else 0", ""),
        ("if u*u > k then x else -x", ""),
        ("if v**2 > k then x else -x", "it is no straight line in the inputs"),
        ("if exp(v) > k then x else -x", "it is no straight line in the inputs"),
        ("if v*u > k then x else -x", "it is no straight line in the inputs"),
        ("if v*t > k then x else -x", "it is no straight line in the inputs"),
        ("if v + s > k then x else -x", "an input that is cubic between its samples decides"),
        ("if mod(t, 24) + mod(t, k) < 3 then 1 else 0", "two different periods meet in it"),
        ("if mod(t, 1 + floor(t)) < 3 then 1 else 0", "the period of 'mod' is not one number"),
        ("sign(" + " + ".join(f"mod(t, {n})" for n in range(3, 14)) + " - 5)", ""),
    ],
)
def test_what_is_located_and_why_the_rest_is_not(formula: str, why: str) -> None:
    model = system(formula, "input v linear\ninput s cubic")
    assert {s.why for s in not_located(model)} == ({why} if why else set())


def test_a_condition_that_is_too_long_is_not_located() -> None:
    model = system(f"if {' + '.join(['t'] * 1200)} > T then 1 else 0")
    assert [s.why for s in not_located(model)] == ["it takes more than 1,000 operations"]
    nested = "t"
    for n in range(5):
        nested = f"abs({nested} - {n})"
    model = system(f"sign({nested})")
    assert "it has more than 16 branches" in {s.why for s in not_located(model)}


def test_a_held_input_stays_a_number_where_its_branches_are_many() -> None:
    terms = " + ".join(f"max(u, {n})" for n in range(6))
    assert not_located(system(f"floor({terms})*x")) == ()
    assert not_located(system(f"(if {terms} > k and t < T then 1 else 0)*x")) == ()
