"""Values of a shape: where their columns lie, what shape comes of them, and what their cotangents sum to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from building import op, syms, system

from odec import parse
from odec.arrays import ShapeError
from odec.backends.layout import flat
from odec.backends.native.printer import CPrinter
from odec.backends.native.support import refusal
from odec.backends.torch.printer import TorchPrinter
from odec.build import choose_engine
from odec.diagnostics import Span
from odec.lookups import Lookup
from odec.methods import METHODS
from odec.passes import derive
from odec.passes.accumulate import reverse
from odec.passes.graph import Graph
from odec.passes.program import Layout, Value, shape_of
from odec.passes.rules import DERIVATIVE_FREE
from odec.tree import OPERATIONS, Op

a, h, v, W = (e.tree for e in syms("a h v W"))
SHAPES = {"h": (3,), "v": (3,), "W": (2, 3)}


def test_a_layout_places_values_side_by_side():
    layout = Layout.of([("a", ()), ("h", (2,)), ("u", (2, 3)), ("b", ())])
    assert [value.place for value in layout] == [0, 1, 3, 9]
    assert layout.width == 10 and [value.size for value in layout] == [1, 2, 6, 1]
    assert layout.columns[:4] == ("a", "h[0]", "h[1]", "u[0,0]")
    assert layout.columns[-3:] == ("u[1,1]", "u[1,2]", "b")
    assert layout.renamed(f"w_{name}" for name in layout.names).values[2] == Value("w_u", (2, 3), 3)
    assert layout and not Layout() and Layout().width == 0


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_the_shape_of_its_arguments(name):
    least, rule = OPERATIONS[name].arity[0], OPERATIONS[name].shape
    assert rule([()] * least) == ()
    for k in range(least):
        assert rule([(3, 2) if j == k else () for j in range(least)]) == (3, 2)
    if least > 1:
        with pytest.raises(ShapeError, match=r"^\[3, 2\] and \[3\] do not go together$"):
            rule([(3, 2), (3,), *[()] * (least - 2)])


def test_a_graph_knows_the_shape_of_each_node():
    graph = Graph(declared=SHAPES)
    formula = op("div", op("exp", op("add", op("mul", a, h), 1)), v).tree
    assert graph.shapes[graph.include(formula, {})] == shape_of(formula, SHAPES) == (3,)
    assert graph.shapes[graph.include(op("select", op("lt", a, 0), W, 0).tree, {})] == (2, 3)
    assert graph.shapes[graph.include(op("mul", a, a).tree, {})] == ()
    assert len(graph.shapes) == len(graph.ops)


def test_shapes_that_do_not_go_together_are_both_named_with_their_place():
    bad = Op("mul", (W, h), Span(7, 12))
    for infer in (lambda e: Graph(declared=SHAPES).include(e, {}), lambda e: shape_of(e, SHAPES)):
        with pytest.raises(ShapeError, match=r"^\[2, 3\] and \[3\] do not go together$") as caught:
            infer(Op("add", (a, bad), Span(3, 12)))
        assert (caught.value.first, caught.value.second) == ((2, 3), (3,))
        assert caught.value.span == Span(7, 12)


def numbers(graph, wanted, values):
    """The nodes' values by NumPy, each of the shape that the graph says."""
    functions = {"mul": np.multiply, "add": np.add, "div": np.divide, "neg": np.negative, "exp": np.exp}
    functions |= {"sin": np.sin, "cos": np.cos, "sum": np.sum}
    found = []
    for i, name in enumerate(graph.ops):
        leaf, args = graph.leaf[i], [found[arg] for arg in graph.args[i]]
        if leaf is not None:
            found.append(np.asarray(values[leaf.name] if name == "symbol" else leaf.value))
        else:
            first, *rest = args
            value = functions[name](first, *rest[:1])
            for other in rest[1:]:
                value = functions[name](value, other)
            found.append(value)
        assert found[i].shape == graph.shapes[i]
    return [found[i] for i in wanted]


def test_reverse_sums_what_was_broadcast_to_its_own_shape():
    """y = sin(a h) + a exp(b) v: the gradient of w·y by each leaf has its shape, and is the quotient's."""
    graph = Graph(declared=SHAPES)
    formula = op("add", op("sin", op("mul", a, h)), op("mul", a, op("exp", "b"), v)).tree
    y, w = graph.include(formula, {}), graph.symbol("w", (3,))
    leaves = [graph.symbol(name) for name in "abhv"]
    gradient = reverse(graph, [(y, w)], leaves)
    assert [graph.shapes[g] for g in gradient] == [(), (), (3,), (3,)]
    assert "sum" in graph.ops

    draw = np.random.default_rng(3)
    values = {name: draw.normal(size=SHAPES.get(name, ())) for name in "abhv"}
    weight = draw.normal(size=3)
    exact = numbers(graph, gradient, {**values, "w": weight})
    for name, found in zip("abhv", exact, strict=True):
        step, ahead = draw.normal(size=values[name].shape), []
        for sign in (1e-6, -1e-6):
            moved = {**values, name: values[name] + sign * step, "w": weight}
            ahead.append(weight @ numbers(graph, [y], moved)[0])
        assert np.sum(found * step) == pytest.approx((ahead[0] - ahead[1]) / 2e-6, rel=1e-8)


TABLE = Lookup("f", (0.0, 1.0, 3.0), (1.0, 2.0, 0.0), "cubic")


def example(name, first="p"):
    """An operation of p, q, r; of a table's number and an order where it looks values up."""
    more = (TABLE.key, 0) if name == "lookup" else "qr"
    return op(name, *(first, *more)[: OPERATIONS[name].arity[0]])


def _arguments(name):
    """How many of an operation's arguments are values."""
    return 1 if name == "lookup" else OPERATIONS[name].arity[0]


def by_shapes(name):
    """Arguments of an operation where each in turn is an array beside scalars, and all are."""
    names = "pqr"[: _arguments(name)]
    return [dict.fromkeys(some, (3,)) for some in (*names, names)]


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n not in DERIVATIVE_FREE])
def test_every_rule_gives_cotangents_of_the_shapes_of_the_arguments(name):
    for shapes in by_shapes(name):
        names = "pqr"[: _arguments(name)]
        graph = Graph(declared=shapes)
        tree = op("lt", "p", 0) if name == "select" else "p"
        y = graph.include(example(name, tree).tree, {})
        w = graph.symbol("w", graph.shapes[y])
        leaves = [graph.symbol(n) for n in names]
        for leaf, found in zip(leaves, reverse(graph, [(y, w)], leaves), strict=True):
            assert graph.shapes[found] == graph.shapes[leaf] or found == graph.zero


@pytest.mark.parametrize(
    "printer", [TorchPrinter({}, {}), CPrinter({}, {TABLE.key: "f"})], ids=["torch", "c"]
)
def test_every_printer_writes_every_operation(printer):
    assert printer.rules.keys() >= OPERATIONS.keys()
    for name in OPERATIONS:
        text = flat(printer.doc(example(name).tree))
        assert all(argument in text for argument in "pqr"[: _arguments(name)]), name


def test_a_cotangent_of_a_wrong_shape_is_refused():
    graph = Graph(declared=SHAPES)
    y = graph.include(op("mul", a, h).tree, {})
    with pytest.raises(ShapeError, match=r"a scalar and \[3\]|\[2, 3\] and \[3\]"):
        reverse(graph, [(y, graph.symbol("w"))], [graph.symbol("h")])
    with pytest.raises(ShapeError, match=r"^\[3\] and \[2, 3\] do not go together$"):
        graph.symbol("h", (2, 3))


def chain():
    """u' = -k u + s, of u [4] and a scalar k and s = 2 k."""
    k, u, s = syms("k u s")
    scalar = system({"u": -k * u + s, "z": -s}, params={"k": 1.0}, intermediates={"s": 2 * k}, obs={"y": u})

    def shaped(items, field):
        return tuple(replace(i, shape=(4,)) if getattr(i, field) in ("u", "y") else i for i in items)

    return replace(
        scalar,
        equations=shaped(scalar.equations, "state"),
        initials=shaped(scalar.initials, "state"),
        observables=shaped(scalar.observables, "name"),
    )


def test_shapes_travel_from_the_system_to_its_programs():
    programs = derive(chain())
    assert programs.states == Layout.of([("u", (4,)), ("z", ())])
    assert programs.states.columns == ("u[0]", "u[1]", "u[2]", "u[3]", "z")
    assert programs.rhs.results["dx"].width == 5 and programs.observables.width == 4
    vjp = programs.rhs_vjp
    assert vjp.inputs["w"] == Layout.of([("w_u", (4,)), ("w_z", ())])
    assert vjp.results["x"].width == 5 and vjp.results["p"].width == 1
    assert programs.rhs_jvp.shapes()["d_u"] == (4,)
    assert programs.rhs.shapes() | {"s": ()} == programs.rhs.shapes()
    summed = [expr for expr in vjp.expressions() if "'sum'" in repr(expr)]
    assert summed, "k is one number: its cotangent is a sum over u"


def test_kernels_of_arrays_have_explicit_methods():
    assert not refusal(chain(), METHODS["rk4"])
    why = "of models with arrays the native engine has explicit methods alone, not rodas5p"
    assert refusal(chain(), METHODS["rodas5p"]) == why


def test_arrays_within_formulas_of_numbers_are_arrays():
    system = parse("param a = 1, b = 2\ninit x = 1\nx' = -sum([a, b])*x")
    assert not system.arrays and system.has_arrays
    assert choose_engine("auto", "rodas5p", system) == "torch"


def test_a_formula_of_another_shape_than_its_state_is_refused():
    model = chain()
    wrong = tuple(replace(e, shape=(5,)) if e.state == "z" else e for e in model.equations)
    wrong = tuple(replace(e, expr=op("mul", "z", "u").tree) if e.state == "u" else e for e in wrong)
    with pytest.raises(ShapeError, match=r"^\[5\] and \[4\] do not go together$"):
        derive(replace(model, equations=wrong))
