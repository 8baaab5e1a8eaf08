"""Partial products that several products share."""

import random
from math import prod

from odec.passes.accumulate import ancestors
from odec.passes.graph import Graph
from odec.passes.products import share_products


def product(graph, text):
    factors = (graph.number(float(a)) if a.isdigit() else graph.symbol(a) for a in text.split())
    return graph.node("mul", *factors)


def value(graph, i, at):
    leaf = graph.leaf[i]
    if leaf is not None:
        return leaf.value if graph.is_number(i) else at[leaf.name]
    args = [value(graph, arg, at) for arg in graph.args[i]]
    return {"mul": prod, "add": sum, "neg": lambda a: -a[0]}[graph.ops[i]](args)


def multiplications(graph, outputs):
    return sum(len(graph.args[i]) - 1 for i in ancestors(graph, outputs) if graph.ops[i] == "mul")


def test_a_pair_in_two_products_is_made_once():
    graph = Graph()
    shared = share_products(graph, [product(graph, "a b c"), product(graph, "a b d")])
    assert multiplications(graph, shared) == 3
    assert graph.args[shared[0]][0] == graph.args[shared[1]][0] == product(graph, "a b")


def test_a_product_that_is_there_already_serves_the_others():
    graph = Graph()
    plain, longer = product(graph, "w x"), product(graph, "w y x")
    shared = share_products(graph, [longer, plain])
    assert shared[1] == plain and plain in graph.args[shared[0]]


def test_products_within_sums_and_sums_within_products_are_reached():
    graph = Graph()
    inner = graph.node("add", product(graph, "a b c"), graph.symbol("d"))
    outer = graph.node("mul", graph.symbol("e"), inner, graph.symbol("f"))
    outputs = [graph.node("neg", outer), product(graph, "a b e"), graph.node("mul", graph.symbol("f"), inner)]
    shared = share_products(graph, outputs)
    at = dict(zip("abcdef", (1.5, -2.0, 0.5, 3.0, 0.25, 7.0), strict=True))
    assert [value(graph, i, at) for i in shared] == [value(graph, i, at) for i in outputs]
    assert multiplications(graph, shared) < multiplications(graph, outputs)


def test_a_user_s_formula_stays_and_numbers_are_no_pair():
    graph = Graph()
    named = product(graph, "a b c")
    graph.named[named] = "flow"
    outputs = [named, product(graph, "a b d"), product(graph, "2 a"), product(graph, "2 a c")]
    shared = share_products(graph, outputs)
    assert shared == [named, *outputs[1:]]


def test_random_products_keep_their_values_and_never_cost_more():
    draw = random.Random(5)
    for _ in range(200):
        graph = Graph()
        outputs = [
            product(graph, " ".join(draw.choices("abcdef", k=draw.randint(2, 5))))
            for _ in range(draw.randint(2, 8))
        ]
        shared = share_products(graph, outputs)
        at = {name: draw.choice((-2.0, -1.0, 0.5, 2.0, 4.0)) for name in "abcdef"}
        assert [value(graph, i, at) for i in shared] == [value(graph, i, at) for i in outputs]
        assert multiplications(graph, shared) <= multiplications(graph, outputs)
