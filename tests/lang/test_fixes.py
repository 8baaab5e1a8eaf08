"""Each guess is a change of the text that mends what it was offered for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from models import errors_of, system_of, without_spans

from odec.diagnostics import Diagnostic, Source, render_json
from odec.lang import parse

CASES = sorted((Path(__file__).parent.parent / "diagnostics").glob("*.ode"))


def found_in(text: str) -> list[Diagnostic]:
    return parse(Source("model.ode", text), methods=frozenset({"rk4"}))[1]


def mended(text: str) -> str:
    """The text with the first fix applied, again and again."""
    for _ in range(60):
        fix = next((d.fix for d in found_in(text) if d.fix is not None), None)
        if fix is None:
            return text
        text = fix.applied(text)
    raise AssertionError(f"fixes without end: {text}")


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_fix_removes_its_message(case: Path) -> None:
    text = case.read_text(encoding="utf-8")
    found = found_in(text)
    before = Counter((d.code, d.message) for d in found)
    for diagnostic in found:
        if diagnostic.fix is not None:
            after = Counter((d.code, d.message) for d in found_in(diagnostic.fix.applied(text)))
            kind = diagnostic.code, diagnostic.message
            assert after[kind] < before[kind], diagnostic


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("param k=1, k_in=3\ninit x=2\nx'=k_in-kx\n", "param k=1, k_in=3\ninit x=2\nx'=k_in-k*x\n"),
        (
            "p a=2\nparams b=1\nnum c=3\nn d=4\ni x=1\nInitial y=0\na z=x+y\nx'=-a*x*b\ny'=c-d*y\n",
            "par a=2\npar b=1\nnumber c=3\nnumber d=4\ninit x=1\ninit y=0\naux z=x+y\nx'=-a*x*b\ny'=c-d*y\n",
        ),
        (
            "d/dt(x) = -k*x\nd(y)/dt = -k*y\nk <- 0.5\nm := 2\ndz = -k*z\ninit x = 1, y = 1, z = 1\n"
            "obs q = if z > 2 then 1 elif z > 1 then 2 else 3\nc = 1d-3\nobs s = sqrt z + m*c\n",
            "dx/dt = -k*x\ndy/dt = -k*y\nk = 0.5\nm = 2\ndz/dt = -k*z\ninit x = 1, y = 1, z = 1\n"
            "obs q = if z > 2 then 1 else if z > 1 then 2 else 3\nc = 1e-3\nobs s = sqrt(z) + m*c\n",
        ),
        (
            "par k=1\ninit x=1, y=0\ndiff(x, t) = -k*sin^2(x + (k))*np.exp(-x)\ny' = x.^2 - k.*y*π\n",
            "par k=1\ninit x=1, y=0\ndx/dt = -k*sin(x + (k))^2*exp(-x)\ny' = x^2 - k*y*pi\n",
        ),
        (
            "par k=1\ninit x=1\nx'=-k*x\ny'=k*x-y\naux s=x+y\ndone\n",
            "par k=1\ninit x=1\nx'=-k*x\ninit y=0\ny'=k*x-y\naux s=x+y\n",
        ),
        (
            "!q=2*k\n% note\n! note of Fortran\npar k=1\ninit x=1\nx'=-q*x;\n",
            "q=2*k\npar k=1\ninit x=1\nx'=-q*x\n",
        ),
        (
            "par k := 1, a=2;\nconst q:=3\ninit x=1;\nx'=-k*x*b;\nb = 0,5\nobs y = a;\n",
            "par k=1, a=2\nconst q=3\ninit x=1\nx'=-k*x*b\nb = 0.5\nobs y = a\n",
        ),
        (
            "init x(0) = 1\ndx(t)/dt = -x{1 + x}\nobs z = 2*if(x > 0, 1, x)*3\n",
            "init x = 1\ndx/dt = -x*(1 + x)\nobs z = 2*(if x > 0 then 1 else x)*3\n",
        ),
        (
            "init x = 1, v = 0\nd²x/dt² = −2x\nx'(0) = 1\nd/dt v = if 0 < x&x < 1||x > 2 then 1 else 2\n",
            "init x = 1, v = 0\nd2x/dt2 = -2*x\ninit x' = 1\n"
            "dv/dt = if 0 < x and x < 1 or x > 2 then 1 else 2\n",
        ),
        (
            "param a = 1,\n  b = 1_000,\n  c = 0,5\ninit x = a\nx' = -b*х*c\n",
            "param a = 1, b = 1000, c = 0.5\ninit x = a\nx' = -b*x*c\n",
        ),
        (
            "init q = 1, Q = 2, s = 3\ndQ(t)/dt = -Q\ndq(T)/dT = -q\ndS(t)/dt = -s\n",
            "init q = 1, Q = 2, s = 3\ndQ/dt = -Q\ndq/dt = -q\nds/dt = -s\n",
        ),
        (
            "init q = 1, w = 2, v = 3\ndQ = -q\nW_dot = -w\nder(V) = -v\n",
            "init q = 1, w = 2, v = 3\ndq/dt = -q\ndw/dt = -w\ndv/dt = -v\n",
        ),
        ("init m = 1\nobs y = m\ndM/dt(t) = -1\n", "init m = 1\nobs y = m\ndm/dt = -1\n"),
    ],
)
def test_fixes_lead_to_the_model_that_was_meant(wrong: str, right: str) -> None:
    system, wanted = system_of(mended(wrong)), system_of(right)
    assert without_spans(system) == without_spans(wanted)


@pytest.mark.parametrize(
    "line",
    [
        "y = x''''2",
        'y = "x"',
        "y = x 10 20",
        "y = a b 3 c",
        "y = x mod 2",
        "z'''' ''",
        "y = * x",
        "q",
        "y = x {",
        "y = x $ 2",
        "y = 12x4y 5",
    ],
)
def test_no_guess_is_better_than_a_silly_one(line: str) -> None:
    found = errors_of(f"init x = 1\nx' = -x\n{line}\n")
    assert [d.fix for d in found] == [None] * len(found)
    assert not any("did you mean" in d.label for d in found)


@pytest.mark.parametrize(
    "line",
    ['"a b c', "% a b c", "!! a b", "@ a=1, b=2 c", "$ a b, c", "// a b c", "y = a $ b % c ; d", "? ? ?"],
)
def test_one_error_for_one_line(line: str) -> None:
    assert len(errors_of(f"init x = 1\nx' = -x\n{line}\n")) == 1


def test_lines_that_end_in_a_semicolon_are_one_error() -> None:
    (found,) = errors_of("".join(f"x{i} = {i};\n" for i in range(12)))
    assert found.message == "12 lines end in ';'"
    assert "lines 1, 2, 3, 4, 5, 6, 7, 8 and 4 more end so" in found.notes


def test_what_was_read_is_checked_beside_what_was_not() -> None:
    found = errors_of("x' = -a*x\ny' = x +\ninit y = 1\nobs s = foo(x)\n")
    assert [(d.code, d.source.position(d.span.start)[0]) for d in found if d.span] == [
        ("E301", 1),
        ("E201", 1),
        ("E104", 2),
        ("E203", 4),
    ]


@pytest.mark.parametrize("line", ["dQ(t)/dt = -q", "dQ = -q", "Q_dot = -q", "der(Q) = -q"])
def test_a_state_in_another_case_is_one_error(line: str) -> None:
    (found,) = errors_of(f"init q = 1\n{line}\n")
    assert "dq/dt" in found.label


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("obs r = dx/dt", "E201", "name its right-hand side (`rate = …`, then `x' = rate`)"),
        ("obs r = dv/dt", "E201", "a derivative on the right-hand side is written v'"),
        ("obs r ~ normal(1)", "E107", "`obs y = x ~ normal(0.1)`"),
        ("obs r = x!", "E101", "a factorial is gamma(n + 1)"),
        ("obs r = x ~ gaussian(1)", "E209", "did you mean 'normal'?"),
        ("def f(x): return x", "E116", "Python"),
        ("d z/dt = -x", "E107", "did you mean 'dz/dt'?"),
    ],
)
def test_what_is_meant_is_said_in_one_error(line: str, code: str, said: str) -> None:
    (found,) = errors_of(f"init x = 1, v = 1, v' = 0\nx' = -x\nv'' = -v\n{line}\n")
    assert found.code == code and said in " ".join((found.message, found.label, *found.notes))


def test_nothing_is_reported_that_only_follows_from_an_unread_line() -> None:
    text = (
        "time tau : :\nparam k1 = 0.5 0.3, k2 = 1\nconst c = 2 *\nfunc(a) = a b\ninput u u u\n"
        "init x = 1, y = 2 $\nz = x * / 2\ndy/dtau = -y)\n"
        "dx/dtau = -k1*x*k2 + func(x) + z + u*c + y' + y\ninit w = 2\ndw/dtau = = 1\nrun tau = 0 .. 1\n"
    )
    lines = [d.source.position(d.span.start)[0] for d in errors_of(text) if d.span]
    assert lines == [1, 2, 3, 4, 5, 6, 7, 8, 11]


def test_the_fix_in_json() -> None:
    text = "# é̂ first\ninit x = 1\n  dx/dt = −2x\n"
    shown = json.loads(render_json(found_in(text)))
    assert [d["fix"] for d in shown] == [
        {"line": 3, "column": 13, "end_line": 3, "end_column": 13, "text": "*"},
    ]
    assert json.loads(render_json(found_in("init x = 1\nx' = -x\ny = (\n")))[0]["fix"] is None


def test_a_comma_behind_an_equation_is_left_out_by_its_fix() -> None:
    (found,) = errors_of("init x = 1\nx' = -x,\nrun t = 0 .. 1\n")
    assert (found.code, found.label) == ("E107", "leave this out")
    assert found.fix is not None and found.fix.text == "" and found.fix.span == found.span
