"""Statements and checks: what a text means."""

from __future__ import annotations

import math

import pytest
from models import codes_of, errors_of, system_of

from odec.diagnostics import Source
from odec.lang import expression_text, parse
from odec.system import Interval, Noise
from odec.tree import Expr, Number, Op, Symbol

DECAY = "init x = 1\ndx/dt = -x\n"


def text_of(expr: Expr) -> str:
    return expression_text(expr)


def test_the_competition_model() -> None:
    system = system_of(
        "# Two species competing for one resource.\n"
        "# A second line.\n\n"
        "time t : day\n"
        "param r1  = 0.1   in (0, inf) : 1/day     # growth rate of species 1\n"
        "param a1  = 1e-4  in [0, inf) : 1/day\n"
        "param iN1 = 2e-3, iN2 = 3e-3  in (0, inf)\n"
        "init x1 = x0  # initial values may use params and consts\n"
        "init x2 = 1.5*x0\n"
        "param x0 = 100 in (0, inf)\n"
        "dx1/dt = r1*x1*(1 - iN1*x1) - a1*x1*x2\n"
        "dx2/dt = r1*x2*(1 - iN2*x2) - a1*x1*x2\n"
        "obs total = x1 + x2  # all\n"
        "run t = 0 .. 100 step 0.1 method euler\n"
    )
    assert system.name == "model"
    assert system.doc == "Two species competing for one resource.\nA second line."
    assert (system.kind, system.time, system.time_unit) == ("ode", "t", "day")
    assert system.states == ("x1", "x2")
    assert [p.name for p in system.params] == ["r1", "a1", "iN1", "iN2", "x0"]
    r1, a1 = system.params[:2]
    assert (r1.value, r1.interval, r1.transform) == (0.1, Interval(0.0), "softplus")
    assert (r1.unit, r1.doc) == ("1/day", "growth rate of species 1")
    assert a1.interval == Interval(0.0, math.inf, lower_closed=True)
    assert [text_of(i.expr) for i in system.initials] == ["x0", "1.5*x0"]
    assert text_of(system.equations[0].expr) == "r1*x1*(1 - iN1*x1) - a1*x1*x2"
    assert system.observables[0].doc == "all"
    run = system.run
    assert run is not None
    assert (run.start, run.stop, run.step, run.method) == (0.0, 100.0, 0.1, "euler")


def test_spans_point_at_the_definitions() -> None:
    text = "init x = 1\ndx/dt = -k*x  # decay\nparam k = 2\n"
    system = system_of(text)
    equation, param = system.equations[0], system.params[0]
    assert text[equation.span.start : equation.span.end] == "dx/dt = -k*x"
    assert text[param.span.start : param.span.end] == "k"


@pytest.mark.parametrize(
    "names",
    [
        ("beta", "gamma"),
        ("lambda", "class"),
        ("torch", "x"),
        ("S", "I"),
        ("E", "N"),
        ("p", "zeta"),
        ("Q", "exp"),
        ("in", "via"),
        ("run", "param"),
        ("init", "time"),
        ("step", "method"),
        ("for", "when"),
        ("µ", "größe"),
        ("True", "Piecewise"),
        ("d", "dt"),
        ("e", "j"),
        ("_a", "__b"),
    ],
)
def test_any_ordinary_name(names: tuple[str, str]) -> None:
    state, param = names
    system = system_of(f"param {param} = 2\ninit {state} = {param}\nd{state}/dt = -{param}*{state}\n")
    assert len(system.states) == 1
    other = system_of(f"{state} = 2*{param}\n{param} = y\ninit y = 1\ny' = {state} + {param}*y\n")
    assert len(other.intermediates) == 2


def test_own_names_shadow_functions() -> None:
    system = system_of("exp(a) = 2*a\ninit x = 1\ndx/dt = exp(x)\n")
    assert system.equations[0].expr == Op("call:exp", (Symbol("x"),))
    assert codes_of("param gamma = 2\ninit x = 1\ndx/dt = gamma(x)\n") == ["E204"]
    assert codes_of("f(exp) = exp(2)\ninit x = 1\ndx/dt = f(x)\n") == ["E204"]


def test_arguments_shadow_the_models_names() -> None:
    system = system_of("f(x, k) = x*k*m\nparam k = 1, m = 2\ninit x = 1\ndx/dt = f(k, 2)\n")
    assert system.functions[0].args == ("x", "k")
    assert text_of(system.functions[0].body) == "x*k*m"


def test_an_argument_hides_the_time_and_a_state() -> None:
    system = system_of(
        "f(t, x) = (if t == 2 and x == 1 then k else t)*x\nparam k = 3\ninit x = 2\nx' = f(2*t, 1)\n"
    )
    assert system.functions[0].args == ("t", "x")
    assert codes_of("f(t) = t\nconst c = f(4)\ninit x = 1\nx' = -c*x\n") == []
    assert codes_of("f(pi) = pi\ninit x = 1\nx' = f(x)\n") == ["E206"]


def test_an_intermediate_may_be_called_like_a_derivative() -> None:
    text = "init x = 1\ndx = 2\nx'' = -dx*x\n"
    assert codes_of(text) == ["E301"]
    assert codes_of(text + "init x' = 0\n") == []
    assert codes_of("param z = 1\ninit z = 2, x = 1\ndz = z\nx' = -dz*x\n") == ["E302"]


def test_a_comma_may_end_a_list() -> None:
    system = system_of(
        "param a = 1, b = 2, in (0, inf)\ninput u, v,\ninit x = max(a, b,),\nx' = f(u, v,)\nf(c, d,) = c*d\n"
    )
    assert [p.name for p in system.params] == ["a", "b"]
    assert [i.name for i in system.inputs] == ["u", "v"]
    assert codes_of("param a = 1,\nb = 2\ninit x = a\nx' = b\n") == []
    assert codes_of("param a = 1,\n  b = 2\ninit x = a\nx' = b\n") == ["E104"]


@pytest.mark.parametrize("left", ["dx/dt", "x'", "d1x/dt1", "x '"])
def test_first_order(left: str) -> None:
    equation = system_of(f"init x = 1\n{left} = -x\n").equations[0]
    assert (equation.state, equation.order) == ("x", 1)


@pytest.mark.parametrize("left", ["theta''", "d2theta/dt2"])
def test_second_order(left: str) -> None:
    system = system_of(f"init theta = 1, theta' = 0\n{left} = -theta - 0.1*theta'\n")
    equation = system.equations[0]
    assert (equation.state, equation.order, system.states) == ("theta", 2, ("theta",))
    assert text_of(equation.expr) == "-theta - 0.1*dtheta_dt"
    assert [(i.state, i.order) for i in system.initials] == [("theta", 0), ("theta", 1)]


def test_a_derivatives_name_is_taken() -> None:
    text = "init y = 1, y' = 0\ny'' = -y\ndy_dt = 2\nobs z = dy_dt\n"
    assert codes_of(text) == ["E202"]


def test_another_time() -> None:
    system = system_of("time tau : s\nparam t = 2\ninit x = 1\ndx/dtau = -t*x + tau\nrun tau = 0 .. 1\n")
    assert (system.time, system.time_unit, [p.name for p in system.params]) == ("tau", "s", ["t"])


@pytest.mark.parametrize("left", ["N[t+1]", "N[t + 1]", "N(t+1)"])
def test_maps(left: str) -> None:
    system = system_of(f"param r = 2\ninit N = 1\n{left} = r*N*(1 - N[t])\nrun t = 0 .. 20\n")
    assert (system.kind, system.states) == ("map", ("N",))
    assert text_of(system.equations[0].expr) == "r*N*(1 - N)"


def test_xpp_words() -> None:
    text = "par a=1 b=2\nnumber c=3\nx(0)=4\ny'=heav(x-a)\nx'=-b*c*x^2\ninit y=0\naux z=x+y\n"
    system = system_of(text)
    assert [p.name for p in system.params] == ["a", "b"]
    assert (system.consts[0].name, system.consts[0].value) == ("c", 3.0)
    assert [(i.state, text_of(i.expr)) for i in system.initials] == [("x", "4"), ("y", "0")]
    assert system.equations[0].expr == Op(
        "heaviside", (Op("add", (Symbol("x"), Op("neg", (Symbol("a"),)))), Number(1.0, "1"))
    )
    assert system.observables[0].name == "z"


def test_statements_go_on_inside_brackets() -> None:
    system = system_of("init x = 1\ndx/dt = (\n  -x  # loss\n\n  # gain\n  + 1\n)  # all\n")
    assert text_of(system.equations[0].expr) == "-x + 1"
    assert system.equations[0].doc == "all"


def test_observables() -> None:
    system = system_of(
        DECAY
        + "param s = 1\ny = 2*x\n"
        + "obs a = x ~ normal(s) : mol\nobs b = y ~ poisson\nobs x = x ~ student_t(3, s)\n"
    )
    first, second, third = system.observables
    assert (first.noise and first.noise.distribution, first.unit) == ("normal", "mol")
    assert second.noise == Noise("poisson", (), second.noise.span if second.noise else first.span)
    assert (third.name, third.expr) == ("x", Symbol("x"))
    assert codes_of(DECAY + "obs x = x\nobs x = x\n") == ["E202"]
    assert "E316" in codes_of(DECAY + "obs q = q\n")


def test_inputs() -> None:
    system = system_of(
        "input u hold : mV  # stimulus\ninput v, w cubic\ninput z\n" + "init x = 1\ndx/dt = u+v+w+z-x\n"
    )
    assert [(i.name, i.kind, i.unit) for i in system.inputs] == [
        ("u", "hold", "mV"),
        ("v", "cubic", None),
        ("w", "cubic", None),
        ("z", "hold", None),
    ]
    assert system.inputs[0].doc == "stimulus"


def test_constants_are_computed() -> None:
    system = system_of(
        "const b = 2*a + f(1)\nconst a = sqrt(16)\nf(z) = if z > 0 then z + a else 0\n"
        "param k = b/2 in [a, 3*a]\n" + "init x = b\ndx/dt = -k*x\nrun t = -a .. b step 1/a\n"
    )
    assert {c.name: c.value for c in system.consts} == {"b": 13.0, "a": 4.0}
    param, run = system.params[0], system.run
    assert (param.value, param.interval.lower, param.interval.upper) == (6.5, 4.0, 12.0)
    assert run is not None
    assert (run.start, run.stop, run.step) == (-4.0, 13.0, 0.25)


@pytest.mark.parametrize(
    ("given", "interval", "transform"),
    [
        ("", Interval(), "none"),
        ("in (-inf, inf)", Interval(), "none"),
        ("in [0, inf]", Interval(0.0, math.inf, True, False), "softplus"),
        ("in (-inf, 3)", Interval(-math.inf, 3.0), "softplus"),
        ("in (0, 3)", Interval(0.0, 3.0), "logit"),
        ("in (0, inf) via log", Interval(0.0), "log"),
        ("via log10", Interval(0.0), "log10"),
        ("via none in (0, 3)", Interval(0.0, 3.0), "none"),
    ],
)
def test_intervals_and_transforms(given: str, interval: Interval, transform: str) -> None:
    param = system_of(f"param k = 1 {given}\ninit x = 1\ndx/dt = -k*x\n").params[0]
    assert (param.interval, param.transform) == (interval, transform)


@pytest.mark.parametrize("unit", ["1/day", "mmol/L", "kg*m/s**2", "1/(day*mM)", "m^2", "s**-1", "µM", "1"])
def test_units(unit: str) -> None:
    system = system_of(f"init x = 1 : {unit}\nx' = -x\n")
    assert system.state_units == {"x": unit.replace("^", "**").replace("µ", "μ")}


def test_initial_values_may_use_each_other() -> None:
    system = system_of("init x = 2*y\ninit y = m\nm = k + t\nparam k = 1\nx' = -x\ny' = -y\n")
    assert [text_of(i.expr) for i in system.initials] == ["2*y", "m"]
    assert codes_of("init x = m\nm = 2*x\nx' = -x + m\n") == ["E304"]
    assert codes_of("input u\ninit x = f(1)\nf(a) = a*m\nm = 2*u\nx' = -x\n") == ["E311"]


def test_the_method_is_checked_against_the_list() -> None:
    text = DECAY + "run t = 0 .. 1 method rk4\n"
    for methods, codes in ((None, []), (frozenset({"rk4"}), []), (frozenset({"euler"}), ["E207"])):
        assert [d.code for d in parse(Source("m.ode", text), methods=methods)[1]] == codes


def test_the_example_of_the_design() -> None:
    found = errors_of("init x = 1\ninit y = 1\nx' = x*(1 - iN1*x)\ny' = y*(1 - iN3*y)\nparam iN1 = 1\n")
    assert [(d.code, d.message, d.label) for d in found] == [
        ("E201", "unknown name 'iN3'", "did you mean 'iN1'?")
    ]


def test_all_errors_at_once_in_source_order() -> None:
    found = errors_of("dx/dt = -k*x\ndy/dt = foo(x)\nobs z = q\ninit w = 1\n")
    assert [d.code for d in found] == ["E301", "E201", "E301", "E203", "E201", "E302"]


def test_one_message_for_a_name_used_often() -> None:
    found = errors_of("init x = 1\nx' = -k*x\ny = k\nz = k + k\n")
    assert [d.code for d in found] == ["E201"]
    assert found[0].notes == ("also on lines 3, 4",)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("x' = -x\n", ["E301"]),
        (DECAY + "a = b\nb = a\n", ["E303"]),
        (DECAY + "a = f(1)\nf(z) = a*z\n", ["E303"]),
        (DECAY + "const a = b\nconst b = a\n", ["E303"]),
        (DECAY + "f(a) = f(a)\n", ["E305"]),
        (DECAY + "const k = 1/0\n", ["W602", "E503"]),
        (DECAY + "const z = 0\nq = x/z\n", ["W602", "W602", "E503"]),
        (DECAY + "q = mod(x, 1 - 1)\n", ["W602", "E503"]),
        (DECAY + "q = 0**-1\n", ["W602", "E504"]),
        (DECAY + "param k = exp(1000)\nq = k\n", ["W601", "E504", "W602"]),
        (DECAY + "run t = 0 .. 1e3 step 0\n", ["E312"]),
        (DECAY + "run t = 10 .. 0 step 1\n", []),
        (DECAY + "run s = 0 .. 1\n", ["E318"]),
        (DECAY + "run t = 0 .. x\n", ["E311"]),
        (DECAY + "run t = 0 .. nowhere\n", ["E201"]),
        (DECAY + "param k = 1 in (0, top)\nq = k*x\n", ["E201"]),
        (DECAY + "t = 3\n", ["E206"]),
        (DECAY + "pi' = 3\n", ["E206", "E301"]),
        (DECAY + "q = Min(x, 1, 2) + Max(x, 1) + hill(x, 1, 2)\nobs o = q\n", []),
        (DECAY + "q = max(x)\nobs o = q\n", ["E402"]),
        (DECAY + "q = if True then 1 else 2\nobs o = q\n", []),
        (DECAY + "when(a) = 2*a\nobs o = when(x)\n", []),
        (DECAY + "when (x > 1): x = 0\n", ["E322"]),
        (DECAY + "q = x(t - 1)\n", ["E323"]),
        (DECAY + "q = x(1 - t)\n", ["E204"]),
        (DECAY + "net f(x) -> b = mlp(3)\n", ["E321"]),
        (DECAY + "init u = 1\nu' = u[1]\n", ["E402"]),
        (DECAY + "param w[3, 3] = 0\n", ["W601"]),
        (DECAY + "u[i]' = 0 for i in 1 .. 3\n", ["E301"]),
    ],
)
def test_codes(text: str, codes: list[str]) -> None:
    assert codes_of(text) == codes


def test_names_of_files() -> None:
    for name, expected in (("a/b/lorenz.ode", "lorenz"), ("<stdin>", "model"), ("-", "model"), ("", "model")):
        system, _ = parse(Source(name, DECAY))
        assert system is not None
        assert system.name == expected
