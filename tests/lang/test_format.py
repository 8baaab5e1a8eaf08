"""The formatter changes the spacing and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from models import models, system_of, without_spans

from odec.diagnostics import ModelError, Source
from odec.lang import format_source, parse

SLOW = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


def formatted(text: str) -> str:
    return format_source(Source("model.ode", text))


@SLOW
@given(models())
def test_the_model_stays_the_same(text: str) -> None:
    assert without_spans(system_of(formatted(text))) == without_spans(system_of(text))


@SLOW
@given(models())
def test_formatting_twice_changes_nothing(text: str) -> None:
    once = formatted(text)
    assert formatted(once) == once


@SLOW
@given(models())
def test_every_comment_is_kept(text: str) -> None:
    def comments(text: str) -> list[str]:
        return [part.strip() for line in text.split("\n") for part in line.split("#")[1:]]

    assert comments(formatted(text)) == comments(text)


BEFORE = """


# Decay.
#with a second line
time t:day

par k=0.1,m = 2   in (0,inf)  via log:1/day^2#rate

number c=-3


x(0)=1
dx/dt=-k*x^2+heav( t-5 )-m*( x-1 )/- c   # the equation
x2'=if x>0 and not x<=1 then -1 else x2  +f( 1,2 )
init x2=1


obs y=x~normal(  0.1*x )
f(a,b)=a*(b   # first

  # inner
    +a)
aux z=Piecewise((1,(x>0)&~(t<1)),(pi,True))
input  u  hold:mV
run t=-1..10 step .1 method rk4
"""
AFTER = """# Decay.
# with a second line
time t : day

param k = 0.1, m = 2 in (0, inf) via log : 1/day**2  # rate

const c = -3


init x = 1
dx/dt = -k*x**2 + heaviside(t - 5, 1) - m*(x - 1)/-c  # the equation
x2' = if x > 0 and not x <= 1 then -1 else x2 + f(1, 2)
init x2 = 1


obs y = x ~ normal(0.1*x)
f(a, b) = a*(b  # first
    # inner
    + a)
obs z = Piecewise((1, (x > 0) & ~(t < 1)), (pi, True))
input u hold : mV
run t = -1 .. 10 step .1 method rk4
"""


def test_a_page() -> None:
    assert formatted(BEFORE) == AFTER
    assert formatted(AFTER) == AFTER
    assert without_spans(system_of(BEFORE)) == without_spans(system_of(AFTER))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x ( t+1 ) = x*r", "x[t+1] = x*r"),
        ("x[ t + 1 ]=x[ t ]", "x[t+1] = x[t]"),
        ("par a=1 b=2", "param a = 1, b = 2"),
        ("init x=1 y=2", "init x = 1, y = 2"),
        ("d2x/dt2=- x", "d2x/dt2 = -x"),
        ("param k=1 in [-1,-(-2)]", "param k = 1 in [-1, -(-2)]"),
        ("run t=0..1 step -h", "run t = 0 .. 1 step -h"),
        ("x0=heav(max(a,heav(b)))", "x0 = heaviside(max(a, heaviside(b, 1)), 1)"),
        ("", ""),
        ("\n\n", ""),
        ("#!odec", "#!odec\n"),
        ("param k = 1 \\\n  in (0, 1)", "param k = 1 in (0, 1)"),
    ],
)
def test_lines(before: str, after: str) -> None:
    assert formatted(before).rstrip("\n") == after.rstrip("\n")


def test_a_models_own_heav_is_left_alone() -> None:
    text = "heav(a) = 2*a\ny = heav(x)\n"
    assert formatted(text) == text


def test_mistakes_are_reported() -> None:
    with pytest.raises(ModelError) as caught:
        formatted("dx/dt = 2x")
    assert caught.value.diagnostics == tuple(parse(Source("model.ode", "dx/dt = 2x"))[1])


@pytest.mark.parametrize("letter", ["\u013f", "\u0140", "a\u0140"])
def test_a_letter_that_holds_a_sign_for_times_is_no_name(letter: str) -> None:
    """Its usual form, l·, would be read as a product."""
    system, found = parse(Source("model.ode", f"{letter}2 = 3\ninit x = 1\nx' = -x*{letter}2\n"))
    assert system is None and {d.code for d in found} <= {"E101", "E102", "E103", "E104", "E105", "E114"}
