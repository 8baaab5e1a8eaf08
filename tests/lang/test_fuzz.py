"""Whatever the text, the answer is a System or diagnostics, each of which can be shown."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import models

from odec.diagnostics import ModelError, Source, render_json, render_text
from odec.lang import all_codes, decode, format_source, parse, parse_expression
from odec.lang.printer import expression_text

SLOW = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
CODES = set(all_codes())
PIECES = (
    "param const init input obs time run net when at every par number aux if then else and or not in via "
    "step method hold for pi inf t x y k f d dx dt dx/dt d2x/dt2 x' x'' x[t+1] x[t] f(a,b) x(t-1) "
    "Piecewise((1,x>0)) heav( ( ) [ ] = == != <= >= < > + - * / ** ^ , : ~ .. & | @ -> ' # \\ ; % "
    '1 2.5 1e999 .5 1..2 9**9**9 0 µ ∞ ² ⁻¹ · − ₁ k₁ e\u0301 \u0301 速 а <- := { } ! " elif 1d-3 1_000 1,5 '
    "sqrt wiener table global A->B: (0) d/dt(x) d(x)/dt x'(0) 0= if(x>0,1,2) (a)else(b)+ done let \n"
).split(" ") + ["\n", "\n", "\t", "\r", "\x0c", "\u2028", "\ufeff", " "]


def answer(text: str) -> None:
    source = Source("model.ode", text)
    system, found = parse(source, methods=frozenset({"rk4"}))
    errors = [d for d in found if d.severity == "error"]
    assert (system is None) == bool(errors)
    assert {d.code for d in found} <= CODES
    assert all(d.span is None or 0 <= d.span.start <= len(text) for d in found)
    assert render_text(found).count("-->") >= len(found)
    render_json(found)
    try:
        once = format_source(source)
    except ModelError as error:
        assert error.diagnostics
    else:
        assert format_source(Source("model.ode", once)) == once
    if system is not None:
        for equation in system.equations:
            expression_text(equation.expr)


@SLOW
@given(st.text())
def test_any_text(text: str) -> None:
    answer(text)


@SLOW
@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    try:
        source = decode("model.ode", data)
    except ModelError as error:
        assert render_text(error.diagnostics)
    else:
        answer(source.text)


@SLOW
@given(st.lists(st.sampled_from(PIECES), max_size=40), st.sampled_from(["", " "]))
def test_any_words(pieces: list[str], space: str) -> None:
    answer(space.join(pieces))


@SLOW
@given(models(), st.data())
def test_models_with_something_changed(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.sampled_from([0, 1, 2, 5, 20]))
        text = text[:start] + data.draw(st.sampled_from(["", "", *PIECES])) + text[start + length :]
    answer(text)


@SLOW
@given(st.lists(st.sampled_from(PIECES), max_size=20))
def test_any_expression(pieces: list[str]) -> None:
    try:
        parse_expression(" ".join(pieces))
    except ModelError as error:
        assert {d.code for d in error.diagnostics} <= CODES
