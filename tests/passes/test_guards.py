"""A branch not taken never poisons a value or a gradient: by value, and through torch's own autograd."""

import math

import pytest
import torch
from building import expr, listing, op, run, syms, system, text

from odec.passes import derive
from odec.passes.guards import ALWAYS, simplify
from odec.tree import Number, Symbol, evaluate


def log_branch(x):
    return op("select", x > 0, op("log", x), 0)


def sinc(x):
    return op("select", op("eq", x, 0), 1, op("sin", x) / x)


def exprel(x):
    return op("select", op("abs", x) < 1e-6, 1, x / (op("exp", x) - 1))


x, y, z, a = syms("x y z a")

# name: (formula, intermediates, {x: (value, slope)})
CASES = {
    "log": (log_branch(x), {}, {0.0: (0, 0), -1.0: (0, 0), 2.0: (math.log(2), 0.5)}),
    "sinc": (sinc(x), {}, {0.0: (1, 0), 1.0: (math.sin(1), math.cos(1) - math.sin(1))}),
    "exp": (op("select", x < 100, op("exp", x), 5), {}, {1e4: (5, 0), 0.0: (1, 1)}),
    "sqrt": (op("select", x > 0, op("sqrt", x), -x), {}, {0.0: (0, -1), -4.0: (4, -1), 4.0: (2, 0.25)}),
    "power": (op("select", x > 0, x**0.5, 0), {}, {0.0: (0, 0), -1.0: (0, 0), 4.0: (2, 0.25)}),
    "nested": (
        op("select", x > 0, op("select", op("log", x) > 0, op("sqrt", op("log", x)), 0), 7),
        {},
        {0.0: (7, 0), -1.0: (7, 0), 0.5: (0, 0), 1.0: (0, 0), math.e: (1, 0.5 / math.e)},
    ),
    "intermediate": (
        op("select", x > 0, y, 3),
        {"y": op("log", x)},
        {0.0: (3, 0), -2.0: (3, 0), 1.0: (0, 1)},
    ),
    "two steps": (
        op("select", x > 0, z, 3),
        {"y": 1 / x, "z": op("sqrt", y)},
        {0.0: (3, 0), -2.0: (3, 0), 4.0: (0.5, -0.0625)},
    ),
    "condition defined later": (
        op("select", z > 0, y, 3),
        {"y": op("log", x), "z": 2 * x},
        {0.0: (3, 0), -2.0: (3, 0), 1.0: (0, 1)},
    ),
    "both branches": (
        op("select", x > 0, y, 2 * y),
        {"y": op("exp", x)},
        {0.0: (2, 2), 1.0: (math.e, math.e)},
    ),
    "else": (
        op("select", x < 1, 0, op("acosh", x)),
        {},
        {0.0: (0, 0), 2.0: (math.acosh(2), 1 / math.sqrt(3))},
    ),
    "three pieces": (
        op("select", x < 0, op("sqrt", -x), op("select", x < 1, 0, op("log", x))),
        {},
        {-4.0: (2, -0.25), 0.5: (0, 0), 0.0: (0, 0), 2.0: (math.log(2), 0.5)},
    ),
    "exprel": (exprel(x), {}, {0.0: (1, 0), 1.0: (1 / math.expm1(1), None), 1e-9: (1, 0)}),
    "inside a function of the branch": (
        op("tanh", op("select", x > 0, op("log", x), 0)) * x,
        {},
        {0.0: (0, 0), 1.0: (0, 1)},
    ),
    "in its own condition": (
        op("select", y < 1, y * x, x),
        {"y": 1 / x},
        {0.0: (0, 1), 4.0: (1, 0), 0.5: (0.5, 1)},
    ),
    "in its own condition, by a detour": (
        op("select", op("sin", z) > 2, z, x),
        {"y": op("log", x), "z": 1 / y},
        {0.0: (0, 1), 1.0: (1, 1), 4.0: (4, 1)},
    ),
    "depends on itself": (
        op("select", x > -5, op("select", y > 0, y, 0), 1),
        {"y": op("sqrt", x)},
        {4.0: (2, 0.25)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_value_and_derivatives(name):
    formula, intermediates, points = CASES[name]
    programs = derive(system({"x": formula}, intermediates=intermediates))
    for at, (value, slope) in points.items():
        given = {"t": 0.0, "x": at, "w_x": 1.0, "d_t": 0.0, "d_x": 1.0}
        assert run(programs.rhs, given)["dx"] == [pytest.approx(value)]
        found = [
            run(programs.rhs_vjp, given)["x"][0],
            run(programs.rhs_jvp, given)["dx"][0],
            sum(run(programs.jacobians["rhs", "x"].program, given)["entries"]),
            autograd(programs.rhs, at),
        ]
        if slope is None:
            assert all(map(math.isfinite, found))
            slope = found[0]
        assert found == [pytest.approx(slope)] * 4


def autograd(program, at: float) -> float:
    """The slope that torch finds through the printed operations, both branches computed."""
    leaf = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    env = {"x": leaf, "t": torch.tensor(0.0, dtype=torch.float64)}
    for assign in program.body:
        env[assign.name] = as_torch(assign.expr, env)
    (output,) = program.outputs["dx"]
    (slope,) = torch.autograd.grad(as_torch(output, env), leaf, allow_unused=True)
    return 0.0 if slope is None else slope.item()


def as_torch(node, env):
    if isinstance(node, Number):
        return torch.tensor(node.value, dtype=torch.float64)
    if isinstance(node, Symbol):
        return env[node.name]
    args = [as_torch(arg, env) for arg in node.args]
    table = {"mul": torch.mul, "div": torch.div, "add": torch.add, "select": torch.where}
    table |= {"and": torch.logical_and, "or": torch.logical_or, "not": torch.logical_not}
    table["exprel"] = lambda z: torch.where(z == 0, 1 + z / 2, torch.expm1(z) / torch.where(z == 0, 1, z))
    function = table.get(node.op) or getattr(torch, node.op)
    value = args[0] if len(args) > 1 else function(*args)
    if node.op in ("add", "mul", "and", "or"):
        for arg in args[1:]:
            value = function(value, arg)
        return value
    return function(*args)


def test_twins_are_made_for_singular_intermediates_only():
    plain = derive(system({"x": op("select", y < 1, y, x)}, intermediates={"y": 2 * x}))
    assert [a.name for a in plain.rhs.body] == ["y", "dx_dt"]
    singular = derive(system({"x": op("select", y < 1, y, x)}, intermediates={"y": 1 / x}))
    assert listing(singular.rhs).splitlines()[:3] == [
        "y = (1/x)",
        "y_ = (1/select((y < 1), x, 1))",
        "dx_dt = select((y < 1), y_, x)",
    ]


def test_formulas_that_are_always_used_stay_as_they_are():
    formula = op("log", x) / x + op("select", x > 0, x**2, -x)
    programs = derive(system({"x": formula}))
    assert programs.rhs.body[0].expr == formula.tree


def test_an_intermediate_used_in_both_branches_needs_no_guard():
    programs = derive(
        system({"x": op("select", x > 0, y, -y)}, intermediates={"y": op("log", a)}, params={"a": 1})
    )
    assert text(programs.rhs.body[0].expr) == "log(a)"


def test_an_intermediate_that_is_observed_is_guarded_where_it_is_conditional_only():
    model = system({"x": op("select", x > 0, y, 0)}, intermediates={"y": op("log", x)}, obs={"seen": y})
    programs = derive(model)
    assert listing(programs.rhs).splitlines()[0] == "y = log(select((x > 0), x, 1))"
    assert listing(programs.observe).splitlines()[0] == "y = log(x)"


def test_guards_are_spelled_briefly():
    programs = derive(system({"x": sinc(x)}))
    assert text(programs.rhs.body[0].expr) == "select((x == 0), 1, (sin(x)/select((x == 0), 1, x)))"


def test_polynomials_and_constant_denominators_are_left_alone():
    formula = op("select", x > 0, x**3 / 2 + x / expr("k"), 0)
    programs = derive(system({"x": formula}, consts={"k": 2.0}))
    assert programs.rhs.body[0].expr == formula.tree


def test_long_conditions_are_named():
    condition = x + x * x + x * x * x + x * x * x * x + op("sin", x) > 0
    programs = derive(system({"x": op("select", condition, op("log", x) + 1 / x, 0)}))
    first, second = programs.rhs.body
    assert (first.name, first.expr) == ("c0", condition.tree)
    assert "log(select(c0, x, 1))" in text(second.expr)


def test_many_conditional_uses_stay_small():
    """A table of fifty branches that all use one intermediate does not blow its condition up."""
    formula = expr(0)
    for k in range(50):
        formula = op("select", op("eq", x, k), y * k, formula)
    programs = derive(system({"x": formula}, intermediates={"y": op("log", x)}))
    assert len(text(programs.rhs.body[0].expr)) < 400
    assert evaluate(programs.rhs.body[0].expr, {"x": 3.0}) == math.log(3)


def test_simplify():
    p, q, no_p = (0, True), (1, True), (0, False)

    def dnf(*conjunctions):
        return frozenset(frozenset(c) for c in conjunctions)

    assert simplify(dnf([p], [no_p])) == ALWAYS
    assert simplify(dnf([p], [p, q])) == dnf([p])
    assert simplify(dnf([p], [no_p, q])) == dnf([p], [q])
    assert simplify(dnf([p, no_p])) == frozenset()
    assert simplify(dnf([no_p, q], [no_p, (1, False)], [p])) == ALWAYS
