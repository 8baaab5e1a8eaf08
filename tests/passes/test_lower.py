"""Lowering: first order, functions inlined, order of definitions, names, maps, initial values."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from building import expr, listing, op, run, syms, system, text

from odec.diagnostics import ModelError
from odec.passes import derive
from odec.tree import Op, Symbol

x, y, z, k = syms("x y z k")


def call(name, *args):
    return op(f"call:{name}", *args)


def test_higher_orders_become_states():
    theta, speed = syms("theta dtheta_dt")
    model = system(
        {"theta": -k * op("sin", theta) - speed, "x": speed},
        params={"k": 1},
        orders={"theta": 2},
        init={"theta": k, "dtheta_dt": 2 * theta},
    )
    programs = derive(model)
    assert programs.states.names == ("theta", "dtheta_dt", "x")
    assert programs.rhs.outputs["dx"] == tuple(map(Symbol, ("dtheta_dt", "d2theta_dt2", "dx_dt")))
    assert [a.name for a in programs.rhs.body] == ["d2theta_dt2", "dx_dt"]
    assert [(a.name, text(a.expr)) for a in programs.initial.body] == [
        ("theta", "k"),
        ("dtheta_dt", "(2*theta)"),
        ("x", "1"),
    ]
    values = {"t": 0.0, "k": 3.0, "w_theta": 1.0, "w_dtheta_dt": 1.0, "w_x": 1.0}
    assert run(programs.initial, values)["x"] == [3.0, 6.0, 1.0]
    assert run(programs.initial_vjp, values)["p"] == [3.0]
    jacobian = programs.jacobians["rhs", "x"]
    assert jacobian.shape == (3, 3)
    assert [text(e) for e in jacobian.program.outputs["entries"]][0] == "1"


def test_user_formulas_keep_text_place_and_comment():
    model = system({"x": -k * x + y}, params={"k": 1}, intermediates={"y": x * 0.5})
    programs = derive(model)
    for assign, said in zip(programs.rhs.body, (*model.intermediates, *model.equations), strict=True):
        assert (assign.expr, assign.span) == (said.expr, said.span)


def test_intermediates_are_ordered_and_only_those_needed_appear():
    model = system(
        {"x": y + z},
        intermediates={"y": expr("w") * 2, "dead": x, "z": x, "w": x + 1, "seen": x * x},
        obs={"o": expr("seen")},
    )
    programs = derive(model)
    assert [a.name for a in programs.rhs.body] == ["w", "y", "z", "dx_dt"]
    assert [a.name for a in programs.observe.body] == ["seen", "o"]


def test_initial_values_follow_each_other():
    model = system(
        {"x": 0, "y": 0, "z": 0},
        init={"x": y + 1, "y": 2 * z, "z": k},
        params={"k": 1},
    )
    programs = derive(model)
    assert [a.name for a in programs.initial.body] == ["z", "y", "x"]
    assert run(programs.initial, {"t": 0.0, "k": 5.0})["x"] == [11.0, 10.0, 5.0]
    values = {"t": 0.0, "k": 5.0, "w_x": 1.0, "w_y": 10.0, "w_z": 100.0}
    assert run(programs.initial_vjp, values)["p"] == [122.0]


def test_an_intermediate_in_an_initial_value_is_taken_at_the_start():
    model = system({"x": y, "z": 0}, init={"x": 2, "z": y}, intermediates={"y": x * 3})
    assert run(derive(model).initial, {"t": 0.0})["x"] == [2.0, 6.0]


def test_functions_are_inlined():
    model = system(
        {"x": call("f", x + 1, y)},
        functions={"f": (("a", "y"), call("g", expr("a")) * "y" + k), "g": (("a",), expr("a") ** 2)},
        params={"k": 1},
        intermediates={"y": 2 * x},
    )
    programs = derive(model)
    assert text(programs.rhs.body[-1].expr) == "((((x + 1)**2)*y) + k)"


def test_arguments_do_not_capture_each_other():
    model = system(
        {"x": call("f", expr("b"), expr("a"))},
        functions={"f": (("a", "b"), expr("a") - expr("b"))},
        params={"a": 1, "b": 2},
    )
    assert text(derive(model).rhs.body[0].expr) == "(b - a)"


def test_functions_that_explode_are_refused():
    functions = {"f0": (("a",), expr("a") * "a")}
    for n in range(1, 30):
        functions[f"f{n}"] = (("a",), call(f"f{n - 1}", expr("a")) + call(f"f{n - 1}", expr("a")))
    with pytest.raises(ModelError, match=r"E509.*'f\d+' expands to a formula that is too large"):
        derive(system({"x": call("f29", x)}, functions=functions))


def test_maps_give_next_values():
    programs = derive(system({"x": k * x, "y": x}, params={"k": 1}, kind="map"))
    assert [a.name for a in programs.rhs.body] == ["x_next", "y_next"]
    assert programs.rhs.outputs["dx"] == (Symbol("x_next"), Symbol("y_next"))


def test_names_of_the_model_are_not_taken():
    names = ("dx_dt", "w_x", "g_x", "d_x", "c0")
    shared = op("sin", x) * op("sin", x)
    model = system({"x": op("add", shared, *names)}, params=dict.fromkeys(names, 1.0))
    programs = derive(model)
    assert [a.name for a in programs.rhs.body] == ["dx_dt_"]
    assert programs.rhs_vjp.names("w") == ("w_x_",)
    assert [a.name for a in programs.rhs_vjp.body] == ["c0_", "g_x_"] or "g_x_" in listing(programs.rhs_vjp)
    for program in (programs.rhs, programs.rhs_vjp, programs.rhs_jvp):
        inputs = program.names()
        assigned = [a.name for a in program.body]
        assert len({*inputs, *assigned}) == len(inputs) + len(assigned)


def test_groups_are_there_where_the_model_has_them():
    bare = derive(system({"x": -x}))
    assert list(bare.rhs.inputs) == ["t", "x"]
    assert list(bare.rhs_vjp.inputs) == ["t", "x", "w"]
    assert list(bare.rhs_vjp.outputs) == ["t", "x"]
    assert bare.observe is None
    driven = derive(system({"x": -k * x + "u"}, params={"k": 1}, inputs=("u",)))
    assert list(driven.rhs_jvp.inputs) == ["t", "x", "p", "u", "dt", "dx", "dp", "du"]
    assert list(driven.initial.inputs) == ["t", "p"]
    assert set(driven.jacobians) == {("rhs", "x"), ("rhs", "p"), ("rhs", "u"), ("initial", "p")}
    assert driven.rhs_vjp.outputs["u"] == (Symbol("w_x"),)


def test_time_enters_the_vjp():
    programs = derive(system({"x": op("sin", "t") * x}))
    values = {"t": 0.0, "x": 2.0, "w_x": 3.0}
    assert run(programs.rhs_vjp, values) == {"t": [6.0], "x": [0.0]}


def test_constants_have_no_derivative_but_keep_their_name():
    programs = derive(system({"x": expr("g") * x}, consts={"g": 9.81}))
    assert programs.consts == {"g": 9.81}
    assert listing(programs.rhs_vjp).splitlines()[0] == "g_x = (w_x*g)"


def test_an_observed_state_is_itself():
    programs = derive(system({"x": -x}, obs={"x": x, "twice": 2 * x}))
    assert programs.observe.outputs["y"] == (Symbol("x"), Symbol("twice"))


SCRIPT = """
from building import listing, op, expr, system, syms
from odec.passes import derive
names = [f"s{i}" for i in range(12)]
def f(n, k):
    return op("select", expr(n) > k, op("log", n) * "y1", op("hill", n, names[k], "q")) + op("exp", names[-k])
model = system({n: f(n, k) for k, n in enumerate(names)}, params={"q": 2.0, "r": 1.0},
               intermediates={f"y{k}": op("max", n, "r") for k, n in enumerate(names)})
programs = derive(model)
for name in ("rhs", "rhs_vjp", "rhs_jvp", "initial_vjp"):
    print(listing(getattr(programs, name)))
print(listing(programs.jacobians["rhs", "x"].program), programs.jacobians["rhs", "p"])
"""


def test_the_same_whatever_the_hash_seed():
    found = set()
    for hash_seed in ("0", "1", "4711"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        here = Path(__file__).parent
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=env, cwd=here, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1
    assert len(found.pop()) > 5000


def test_derivation_leaves_the_expressions_of_the_user_alone():
    formula = Op("mul", (Op("neg", (Symbol("x"),)), Symbol("x")))
    programs = derive(system({"x": formula}))
    assert programs.rhs.body[0].expr is formula


def test_constant_conditions_are_decided():
    """By numbers, constants and what a function is given; the rest of a condition stays."""
    x, mode, n = syms("x mode n")
    dead = op("select", op("and", 2 * mode > 3, n + 1 > 1), 1 / expr("x"), op("log", x))
    partly = op("select", op("and", mode > 0, x > 1, op("not", n < mode)), x, 2 * x)
    never = op("select", op("or", mode < 0, op("not", x < x), n < 0), 3, 4)
    chosen = op("call:f", mode)
    functions = {"f": (("a",), op("select", op("eq", "a", 1), "x", "a"))}
    model = system(
        {"x": dead, "y": partly, "z": never, "v": chosen}, consts={"mode": 1, "n": 2}, functions=functions
    )
    programs = derive(model)
    assert listing(programs.rhs).splitlines()[:4] == [
        "dx_dt = log(x)",
        "dy_dt = select((x > 1), x, (2*x))",
        "dz_dt = select(not((x < x)), 3, 4)",
        "dv_dt = x",
    ]
    assert "select(" not in text(programs.rhs_vjp.body[0].expr)


def test_nothing_is_decided_by_what_can_vary():
    x, k = syms("x k")
    model = system(
        {"x": op("select", k > 0, 1, 2), "y": op("select", op("lt", "t", 3), x, 1)}, params={"k": 1}
    )
    assert listing(derive(model).rhs).count("select") == 2
