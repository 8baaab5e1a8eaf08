"""VJP, JVP and sparse Jacobians of random models: equal to each other and to difference quotients."""

import math
import random

import pytest
from building import E, expr, listing, op, run, syms, system, text
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from odec.passes import derive
from odec.passes.walk import count_operations
from odec.system import Interval, System

STATES, PARAMS, MIDDLE = ("x", "y", "z"), ("a", "b"), ("u1", "u2", "u3")
SMOOTH = ("sin", "cos", "tanh", "sigmoid", "softplus", "atan", "erf", "neg")


def formulas(names: tuple[str, ...]) -> st.SearchStrategy[E]:
    """Smooth formulas of moderate size and slope."""
    leaves = st.one_of(st.sampled_from(names).map(expr), st.sampled_from([0, 1, 2, 0.5, 3]).map(expr))

    def extend(inner: st.SearchStrategy[E]) -> st.SearchStrategy[E]:
        several = st.lists(inner, min_size=2, max_size=4)
        return st.one_of(
            st.builds(op, st.sampled_from(SMOOTH), inner),
            several.map(lambda args: op("add", *args)),
            several.map(lambda args: op("mul", *args)),
            st.builds(lambda u, v: u / (1 + v * v), inner, inner),
            st.builds(lambda u: op("sqrt", 1 + u**2), inner),
            st.builds(lambda u: op("exp", op("tanh", u)), inner),
            st.builds(lambda u, v: op("hill", 1 + u * u, 1 + op("abs", v), 2.5), inner, inner),
            st.builds(lambda u, v: (1 + u * u) ** op("tanh", v), inner, inner),
        )

    return st.recursive(leaves, extend, max_leaves=12)


@st.composite
def models(draw: st.DrawFn) -> System:
    names = ("t", *STATES, *PARAMS, "w")
    intermediates = {}
    for name in MIDDLE:
        intermediates[name] = draw(formulas(names))
        names = (*names, name)
    return system(
        {s: draw(formulas(names)) for s in STATES},
        params=dict.fromkeys(PARAMS, 1.0),
        init={s: draw(formulas((*PARAMS, "t"))) for s in STATES},
        intermediates=intermediates,
        obs={"seen": draw(formulas(names))},
        inputs=("w",),
    )


FUNCTIONS = (("rhs", "dx", STATES), ("initial", "x", STATES), ("observe", "y", ("seen",)))


@seed(20240607)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(models(), st.integers(0, 10**6))
def test_directions_agree(model, number):
    directions_agree(model, number)


@pytest.mark.slow
@seed(20240607)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(models(), st.integers(0, 10**6))
def test_directions_agree_often(model, number):
    directions_agree(model, number)


def directions_agree(model, number):
    programs = derive(model)
    draw = random.Random(number)
    for name, group, rows in FUNCTIONS:
        function, vjp, jvp = (getattr(programs, name + end) for end in ("", "_vjp", "_jvp"))
        flat = function.names()
        point = at_its_time(programs, {a: draw.uniform(-1.5, 1.5) for a in flat})
        weights = {f"w_{row}": draw.uniform(-1, 1) for row in rows}
        steps = {f"d_{a}": draw.uniform(-1, 1) for a in flat}
        values = {**point, **weights, **steps}

        forward = run(jvp, values)[group]
        paired = sum(w * d for w, d in zip(weights.values(), forward, strict=True))
        back = run(vjp, values)
        gradient = [g for members in function.inputs for g in back[members]]
        assert sum(g * steps[f"d_{a}"] for g, a in zip(gradient, flat, strict=True)) == pytest.approx(
            paired, rel=1e-9, abs=1e-9
        )
        assert forward == pytest.approx(quotient(function, group, point, steps), rel=2e-5, abs=2e-6)
        for inputs, members in function.inputs.items():
            if inputs != "t":
                columns = transposed(programs.jacobians[name, inputs], values, weights, rows)
                assert columns == pytest.approx(back[inputs], rel=1e-9, abs=1e-9), (name, members)


def at_its_time(programs, point):
    """The point, where conditions on time ask the time that it is."""
    return point | {name: point["t"] for name in programs.asked.names if name in point}


def quotient(function, group, point, steps, h=1e-4):
    """Fourth-order central difference along the steps."""

    def at(k):
        return run(function, {a: v + k * h * steps[f"d_{a}"] for a, v in point.items()})[group]

    stencil = zip(at(-2), at(-1), at(1), at(2), strict=True)
    return [(p - 8 * q + 8 * r - s) / (12 * h) for p, q, r, s in stencil]


def transposed(sparse, values, weights, rows):
    """Σ_k w_k J_ka for each column a."""
    columns = [0.0] * sparse.shape[1]
    entries = run(sparse.program, values)["entries"]
    assert list(zip(sparse.rows, sparse.cols, strict=True)) == sorted(
        set(zip(sparse.rows, sparse.cols, strict=True))
    )
    for row, column, entry in zip(sparse.rows, sparse.cols, entries, strict=True):
        columns[column] += weights[f"w_{rows[row]}"] * entry
    return columns


def network(states: int, reactions: int) -> System:
    """Random mass-action reactions A + B -> C."""
    draw = random.Random(states)
    terms: dict[str, list[E]] = {f"x{k}": [] for k in range(states)}
    for k in range(reactions):
        one, two, product = (f"x{i}" for i in draw.sample(range(states), 3))
        flux = expr(f"k{k}") * one * two
        terms[one].append(-flux)
        terms[two].append(-flux)
        terms[product].append(flux)
    params = {f"k{k}": 1.0 for k in range(reactions)}
    return system({x: op("add", 0, *found) for x, found in terms.items()}, params=params)


def total(program) -> int:
    return sum(count_operations(a.expr) for a in program.body)


@pytest.mark.parametrize("model", [network(20, 200), network(60, 600)], ids=["20x200", "60x600"])
def test_a_vjp_costs_a_small_multiple(model):
    programs = derive(model)
    assert total(programs.rhs_vjp) <= 5 * total(programs.rhs)
    assert total(programs.rhs_jvp) <= 5 * total(programs.rhs)


def test_size_grows_linearly():
    small, large = derive(network(20, 200)), derive(network(20, 800))
    for name in ("rhs_vjp", "rhs_jvp"):
        assert total(getattr(large, name)) < 4.5 * total(getattr(small, name))
    assert len(large.jacobians["rhs", "p"].rows) == 4 * len(small.jacobians["rhs", "p"].rows)


def test_long_chains_and_long_sums_need_no_recursion():
    count = 3000
    chain = {"y0": op("sin", "x")}
    for k in range(1, count):
        chain[f"y{k}"] = op("sin", f"y{k - 1}") + "x"
    # Given in reverse order, so that ordering has to walk the whole chain.
    model = system(
        {"x": op("add", *(expr(f"y{count - 1}") * k for k in range(count)))},
        intermediates=dict(reversed(chain.items())),
    )
    programs = derive(model)
    parts = [f"dx_dt_{k}" for k in range(1, 11)]
    assert [a.name for a in programs.rhs.body] == [*chain, *parts, "dx_dt"]
    at = {"t": 0.0, "x": 0.1, "w_x": 1.0, "d_t": 0.0, "d_x": 1.0}
    slope = run(programs.rhs_vjp, at)["x"]
    assert slope == pytest.approx(run(programs.rhs_jvp, at)["dx"], rel=1e-9)
    assert slope == pytest.approx(run(programs.jacobians["rhs", "x"].program, at)["entries"], rel=1e-9)


def test_long_expressions_are_cut_into_temporaries():
    programs = derive(network(10, 300))
    longest = max(count_operations(a.expr) for a in programs.rhs_vjp.body)
    assert longest <= 13
    assert len(programs.rhs.body) == 10


def test_competition_reads_like_the_textbook():
    x1, x2, r1, r2, a1, a2, i1, i2 = syms("x1 x2 r1 r2 a1 a2 i1 i2")
    equations = {
        "x1": r1 * x1 * (1 - i1 * x1) - a1 * x1 * x2,
        "x2": r2 * x2 * (1 - i2 * x2) - a2 * x1 * x2,
    }
    programs = derive(system(equations, params=dict.fromkeys(("r1", "r2", "a1", "a2", "i1", "i2"), 1.0)))
    assert (
        listing(programs.rhs_vjp)
        == """\
c0 = (1 - (i1*x1))
c1 = (r1*x1)
c2 = (w_x2*x2)
g_x1 = ((w_x1*((r1*c0) - (c1*i1) - (a1*x2))) - (c2*a2))
c3 = (1 - (i2*x2))
c4 = (r2*x2)
c5 = (w_x1*x1)
g_x2 = ((w_x2*((r2*c3) - (c4*i2) - (a2*x1))) - (c5*a1))
g_r1 = (c5*c0)
g_r2 = (c2*c3)
g_a1 = -(c5*x2)
g_a2 = -(c2*x1)
g_i1 = -(c5*c1)
g_i2 = -(c2*c4)
t: 0
x: g_x1, g_x2
p: g_r1, g_r2, g_a1, g_a2, g_i1, g_i2"""
    )
    assert (
        listing(programs.jacobians["rhs", "x"].program)
        == """\
j_x1_x1 = ((r1*(1 - (i1*x1))) - (i1*r1*x1) - (a1*x2))
j_x1_x2 = -(a1*x1)
j_x2_x1 = -(a2*x2)
j_x2_x2 = ((r2*(1 - (i2*x2))) - (i2*r2*x2) - (a2*x1))
entries: j_x1_x1, j_x1_x2, j_x2_x1, j_x2_x2"""
    )


def test_intermediates_keep_their_names_and_places():
    x, y, k = syms("x y k")
    programs = derive(
        system({"x": y**2 * k}, intermediates={"y": op("exp", x), "unused": x * 3}, params={"k": 1})
    )
    assert [a.name for a in programs.rhs.body] == ["y", "dx_dt"]
    first = programs.rhs_vjp.body[0]
    assert first == programs.rhs.body[0]
    assert first.span is not None
    assert "unused" not in listing(programs.rhs_vjp)


def test_equal_outputs_each_have_their_name():
    programs = derive(system({"x": expr("k") * "x" + expr("m") * "x"}, params={"k": 1, "m": 1}))
    assert [text(e) for e in programs.rhs_vjp.outputs["p"]] == ["g_k", "g_m"]


def test_known_signs_spare_a_select():
    x, n = syms("x n")
    positive = system({"x": x**n}, params={"n": 2}, intervals={"n": Interval(0.0, math.inf)})
    assert "select" not in text(derive(positive).rhs_vjp.body[0].expr)
    free = system({"x": x**n}, params={"n": 2})
    assert "or((n != 0)" in listing(derive(free).rhs_vjp)
