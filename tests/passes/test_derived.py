"""What stiff methods differentiate further: of the Jacobian's entries, and of f along t, against SymPy."""

import random

import pytest
import sympy as sp
from building import op, run, syms, system
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from scipy.special import polygamma
from test_derivatives import at_its_time, models, quotient

from odec.gamma import trigamma
from odec.passes import derive

T, X, Y, A, B, U, V, DU, DV = sp.symbols("t x y a b u v du dv")
STATES, PARAMS, INPUTS = (X, Y), (A, B), (U, V)


def forced():
    """A model with time, states, parameters and inputs in all sorts of products; and its formulas."""
    t, x, y, a, b, u, v = syms("t x y a b u v")
    equations = {
        "x": a * x**3 * y + op("exp", -b * t) * x * u + op("sin", u * v) * y,
        "y": op("log", 1 + x**2) / (a + y**2) - b * op("tanh", t * y) + v * t,
    }
    exact = [
        A * X**3 * Y + sp.exp(-B * T) * X * U + sp.sin(U * V) * Y,
        sp.log(1 + X**2) / (A + Y**2) - B * sp.tanh(T * Y) + V * T,
    ]
    model = system(equations, params={"a": 1.0, "b": 2.0}, inputs=("u", "v"))
    return derive(model), sp.Matrix(exact)


GROUPS = {"t": (T,), "x": STATES, "p": PARAMS, "u": INPUTS, "rate": (DU, DV)}
NAMES = {DU: "u_rate", DV: "v_rate"}


def name_of(symbol):
    return NAMES.get(symbol, symbol.name)


def points(symbols, count=5):
    draw = random.Random(11)
    for _ in range(count):
        yield {s: draw.uniform(0.3, 1.5) for s in symbols}, draw


def numbers(exprs, at):
    return [float(sp.sympify(e).subs(at)) for e in exprs]


def check(program, vjp, jvp, group, exact, groups):
    """A function's VJP and JVP are the derivatives that SymPy finds."""
    symbols = [s for members in groups.values() for s in members]
    for at, draw in points(symbols):
        values = {name_of(s): v for s, v in at.items()}
        assert run(program, values)[group] == pytest.approx(numbers(exact, at), rel=1e-12)
        weights = {name: draw.uniform(-1, 1) for name in vjp.names("w")}
        back = run(vjp, {**values, **weights})
        for g, members in groups.items():
            pulled = [
                sum(w * sp.diff(e, s) for w, e in zip(weights.values(), exact, strict=True)) for s in members
            ]
            assert back[g] == pytest.approx(numbers(pulled, at), rel=1e-10, abs=1e-13), g
        tangents = {s: draw.uniform(-1, 1) for s in symbols}
        steps = [n for g, members in groups.items() for n in zip(jvp.names(f"d{g}"), members, strict=True)]
        ahead = run(jvp, {**values, **{name: tangents[s] for name, s in steps}})[group]
        pushed = [sum(tangents[s] * sp.diff(e, s) for s in symbols) for e in exact]
        assert ahead == pytest.approx(numbers(pushed, at), rel=1e-10, abs=1e-13)


def test_the_jacobian_is_differentiated_once_more():
    programs, f = forced()
    sparse, derived = programs.jacobians["rhs", "x"], programs.derived
    exact = [sp.diff(f[r], STATES[c]) for r, c in zip(sparse.rows, sparse.cols, strict=True)]
    groups = {g: members for g, members in GROUPS.items() if g != "rate"}
    vjp, jvp = derived["rhs_jacobian_vjp"], derived["rhs_jacobian_jvp"]
    check(sparse.program, vjp, jvp, "entries", exact, groups)


def test_the_jacobian_times_a_vector():
    programs, f = forced()
    along, draw = programs.derived["rhs_along"], random.Random(3)
    at = {s: draw.uniform(0.5, 1.5) for s in set().union(*GROUPS.values())}
    vector = [draw.uniform(-1, 1) for _ in STATES]
    values = {s.name: value for s, value in at.items()}
    found = run(along, {**values, **dict(zip(along.names("dx"), vector, strict=True))})["dx"]
    exact = f.jacobian(sp.Matrix(STATES)) * sp.Matrix(vector)
    assert found == pytest.approx(numbers(list(exact), at), rel=1e-12, abs=1e-14)


def test_what_cancels_in_a_sum_cancels_in_its_product_with_a_vector():
    """Where y' = -x' no digit of the total moves, though entries of the Jacobian round apart."""
    x, y, k = syms("x y k")
    flow = k * x * y - x / 3
    along = derive(system({"x": flow, "y": -flow}, params={"k": 1.1e7})).derived["rhs_along"]
    vector = dict(zip(along.names("dx"), (1e-3, 0.3), strict=True))
    given = {"t": 0.0, "x": 0.1, "y": 0.7, "k": 1.1e7, **vector}
    dx, dy = run(along, given)["dx"]
    assert dx == -dy != 0


def test_the_derivative_along_time():
    programs, f = forced()
    exact = f.diff(T) + f.diff(U) * DU + f.diff(V) * DV
    derived = programs.derived
    names = ("rhs_time", "rhs_time_vjp", "rhs_time_jvp")
    check(*(derived[name] for name in names), "dx", list(exact), GROUPS)


def test_an_autonomous_model_has_no_derivative_along_time():
    x, a = syms("x a")
    derived = derive(system({"x": a * x**2}, params={"a": 2.0})).derived
    assert "rate" not in derived["rhs_time"].inputs
    assert not derived["rhs_time"].body
    assert run(derived["rhs_time"], {"t": 0.0, "x": 1.0, "a": 2.0}) == {"dx": [0.0]}


def test_a_linear_model_has_a_jacobian_that_states_leave_alone():
    x, a = syms("x a")
    vjp = derive(system({"x": a * x}, params={"a": 2.0})).derived["rhs_jacobian_vjp"]
    found = run(vjp, {"t": 0.0, "x": 3.0, "a": 2.0, vjp.names("w")[0]: 0.5})
    assert found == {"t": [0.0], "x": [0.0], "p": [0.5]}


def test_rates_and_cotangents_keep_clear_of_the_models_names():
    x, u, rate, w = syms("x u u_rate w_x_x")
    programs = derive(
        system({"x": -x * x * u * rate * w}, params={"u_rate": 1.0, "w_x_x": 1.0}, inputs=("u",))
    )
    assert programs.derived["rhs_time"].names("rate") == ("u_rate_",)
    assert programs.derived["rhs_jacobian_vjp"].names("w") == ("w_j_x_x",)
    assert run(
        programs.derived["rhs_time"],
        {"t": 0.0, "x": 2.0, "u_rate": 3.0, "w_x_x": 5.0, "u": 7.0, "u_rate_": 0.1},
    )["dx"] == pytest.approx([-4 * 3 * 5 * 0.1])


@seed(20250212)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(models(), st.integers(0, 10**6))
def test_directions_agree_for_random_models(model, number):
    directions_agree_for_random_models(model, number)


@pytest.mark.slow
@seed(20250212)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(models(), st.integers(0, 10**6))
def test_directions_agree_for_random_models_often(model, number):
    directions_agree_for_random_models(model, number)


def directions_agree_for_random_models(model, number):
    """VJP paired with a tangent is the JVP paired with the cotangent; both are a difference quotient's."""
    programs, draw = derive(model), random.Random(number)
    derived = programs.derived
    jacobian = programs.jacobians["rhs", "x"].program
    for function, vjp, jvp, group in (
        (jacobian, derived["rhs_jacobian_vjp"], derived["rhs_jacobian_jvp"], "entries"),
        (derived["rhs_time"], derived["rhs_time_vjp"], derived["rhs_time_jvp"], "dx"),
    ):
        flat = function.names()
        point = at_its_time(programs, {a: draw.uniform(-1.5, 1.5) for a in flat})
        weights = {w: draw.uniform(-1, 1) for w in vjp.names("w")}
        steps = {f"d_{a}": draw.uniform(-1, 1) for a in flat}
        forward = run(jvp, {**point, **steps})[group]
        back = run(vjp, {**point, **weights})
        gradient = [g for members in function.inputs for g in back[members]]
        paired = sum(w * d for w, d in zip(weights.values(), forward, strict=True))
        pulled = sum(g * steps[f"d_{a}"] for g, a in zip(gradient, flat, strict=True))
        assert pulled == pytest.approx(paired, rel=1e-8, abs=1e-8)
        assert forward == pytest.approx(quotient(function, group, point, steps), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("x", [-2.3, -0.4, 0.2, 1.0, 3.7, 15.0, 80.0])
def test_trigamma(x):
    assert trigamma(x) == pytest.approx(
        float(polygamma(1, x)) if x > 0 else float(sp.polygamma(1, x)), rel=1e-13
    )


def test_gamma_is_differentiated_twice():
    (x,) = syms("x")
    programs = derive(system({"x": op("gamma", x)}))
    vjp = programs.derived["rhs_jacobian_vjp"]
    found = run(vjp, {"t": 0.0, "x": 1.7, vjp.names("w")[0]: 1.0})["x"]
    assert found == pytest.approx([float(sp.diff(sp.gamma(X), X, 2).subs(X, 1.7).evalf())], rel=1e-12)
