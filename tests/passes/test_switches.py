"""Where a right-hand side switches."""

from __future__ import annotations

import pytest

import odec
from odec.passes.switches import switches, switches_in_time

HEAD = "param k = 1, T = 3\ninput u hold\ninit x = 1, y = 1\n"


@pytest.mark.parametrize(
    ("formula", "in_time"),
    [
        ("if mod(t, 24) < 0.5 then k else -x", True),
        ("if t < T then k else -x", True),
        ("k*heaviside(t - T)", True),
        ("-x + floor(t)", True),
        ("max(0, sin(t)) - x", True),
        ("if x < t then 1 else -x", True),
        ("dose(x) - x", True),
        ("late - x", True),
        ("if x > y then -x else k", False),
        ("abs(x - y)", False),
        ("if u > T then 1 else -x", False),
        ("sin(t) - k*x", False),
    ],
)
def test_a_condition_on_the_time_is_found_through_names_and_functions(formula: str, in_time: bool) -> None:
    text = f"{HEAD}dose(a) = if phase < 0.5 then a else 0\nphase = mod(t, 24)\nlate = sign(phase - 1)*u\n"
    assert switches_in_time(odec.parse(f"{text}x' = {formula}\ny' = -y*u\nobs z = abs(t)*k*T\n")) == in_time


def test_a_switch_names_what_it_depends_on() -> None:
    system = odec.parse(f"{HEAD}level = x + u\nx' = if level > T*k then -1 else 1\ny' = -y\n")
    (switch,) = switches(system)
    assert switch.node.op == "gt" and switch.place is not None and not switch.time
    assert switch.states == {"x"} and switch.inputs == {"u"} and switch.params == {"k", "T"}
    line, _ = system.source.position(switch.place.start)
    assert line == 5
