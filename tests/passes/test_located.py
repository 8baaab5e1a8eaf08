"""The right-hand side that asks: what conditions on the time become, and where they turn."""

import pytest

from odec.diagnostics import Source
from odec.lang import expression_text, parse
from odec.passes.derive import derive
from odec.passes.program import Programs


def programs(formula: str, before: str = "") -> Programs:
    head = "param T = 1, P = 24, D = 2, b = 0.5\nconst c = 2\ninput u\ninit x = 1\n"
    found, problems = parse(Source("model.ode", f"{head}{before}\nx' = {formula}\nobs y = floor(t)*x\n"))
    assert found is not None, problems
    return derive(found)


@pytest.mark.parametrize(
    ("formula", "asking", "turns"),
    [
        ("if t < T then x else -x", "if asked_0 < T then x else -x", ["1 -T 0"]),
        ("floor(t/8)*u", "floor(asked_0/8)*u", ["1/8 0 1"]),
        ("abs(T - t)", "if T - asked_0 < 0 then -(T - t) else T - t", ["1 -T 0"]),
        ("mod(t, P)", "t - P*floor(asked_0/P)", ["1 0 P"]),
        (
            "if mod(t - T, P) < D then 1 else 0",
            "if mod(asked_0 - T, P) < D then 1 else 0",
            ["1 c0 P 1 -T - D P"],
        ),
        ("sin(min(t, T))", "sin(if asked_0 < T then t else T)", ["1 -T 0"]),
        ("if x > floor(t) then 1 else 0", "if x > floor(asked_0) then 1 else 0", ["1 0 1"]),
        ("if sin(t) > T then 1 else 0", "if sin(t) > T then 1 else 0", []),
        ("sqrt(relu(t - T))", "sqrt(relu(if asked_0 - T > 0 then t - T else 0))", ["1 -T 0"]),
    ],
)
def test_what_conditions_become(formula: str, asking: str, turns: list[str]) -> None:
    found = programs(formula)
    assert expression_text(found.rhs.body[-1].expr) == asking
    outputs = found.switches.outputs.values() if found.switches else ()
    assert [" ".join(map(expression_text, parts)).replace("-T", "c0") for parts in outputs] == [
        turn.replace("-T", "c0") for turn in turns
    ]


def test_names_are_asked_once_and_observables_are_not() -> None:
    found = programs("on*x + on + (if t >= end then 1 else 0)", "end = T + D\non = if t < end then 1 else 0")
    assert found.asked.names == ("asked_0",) and found.held.names == ("u", "asked_0")
    assert found.inputs.names == ("u",) and found.observe is not None
    assert found.observe.names("u") == ("u",) and expression_text(found.observe.body[-1].expr) == "floor(t)*x"
    assert found.switches is not None and [a.name for a in found.switches.body] == ["end"]


def test_a_formula_of_one_side_stays_there() -> None:
    """By what the time itself says too, where the value at the switch does not exist."""
    root = programs("if t > T then (t - T)**b else 0").rhs.body[-1].expr
    assert "relu(t - T)" in expression_text(root)
    pole = programs("if t > 0 then sin(t)/t else 1").rhs.body[-1].expr
    assert expression_text(pole).startswith("if asked_0 > 0 and t > 0 then")
