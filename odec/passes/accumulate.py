"""Reverse and forward accumulation over the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from odec.passes.graph import Graph
from odec.passes.overflow import affordable, settled
from odec.passes.poles import products, quotients
from odec.passes.powers import log_powers, logarithmic, product_roots
from odec.passes.rules import DERIVATIVE_FREE, RULES, Linear

_SPECIAL = {
    "exp": log_powers,
    "sqrt": product_roots,
    "xlogy": logarithmic,
    "mul": products,
    "div": quotients,
}
"""Slopes by what the arguments are made of, where those by the arguments themselves may be infinite."""


def ancestors(graph: Graph, outputs: Iterable[int]) -> list[int]:
    """The nodes that the outputs are made of, ascending."""
    seen = set(outputs)
    stack = list(seen)
    while stack:
        for arg in graph.args[stack.pop()]:
            if arg not in seen:
                seen.add(arg)
                stack.append(arg)
    return sorted(seen)


def varying(graph: Graph, nodes: Sequence[int], leaves: Iterable[int]) -> set[int]:
    """Those of the nodes (ascending) through which a derivative to one of the leaves may pass."""
    found = set(leaves)
    for i in nodes:
        if graph.ops[i] not in DERIVATIVE_FREE and not found.isdisjoint(graph.args[i]):
            found.add(i)
    return found


def reverse(graph: Graph, outputs: Sequence[tuple[int, int]], leaves: Sequence[int]) -> list[int]:
    """For each leaf a, the node Σ_k w_k ∂y_k/∂a over the pairs (y_k, w_k) of outputs.

    What an operation broadcasts is summed to its own shape again, where a node's cotangents are gathered.
    Reverse accumulation: a small constant times the operations of the outputs. Griewank & Walther,
    Evaluating Derivatives (2008), ch. 3.
    """
    nodes = ancestors(graph, [y for y, _ in outputs])
    active = varying(graph, nodes, leaves)
    arrived: dict[int, list[int]] = {}
    cotangents = {w for _, w in outputs}
    for y, w in reversed(outputs):
        arrived.setdefault(y, []).append(w)
    for i in reversed(nodes):
        if i not in active or i not in arrived or graph.ops[i] in DERIVATIVE_FREE:
            continue
        cotangent = graph.gather(arrived[i][::-1], cotangents, graph.shapes[i])
        if cotangent == graph.zero:
            continue
        cotangents.add(cotangent)
        for arg, apply in reversed(_slopes(graph, i)):
            if arg in active:
                arrived.setdefault(arg, []).append(apply(cotangent))
    return [graph.gather(arrived.get(a, [])[::-1], cotangents, graph.shapes[a]) for a in leaves]


def forward(graph: Graph, outputs: Sequence[int], tangents: Mapping[int, int]) -> list[int]:
    """For each output y, the node Σ_a ∂y/∂a da over the tangents a -> da of the leaves."""
    seeds = {a: {0: da} for a, da in tangents.items()}
    return [row.get(0, graph.zero) for row in _forward(graph, outputs, seeds)]


def jacobian(graph: Graph, outputs: Sequence[int], leaves: Sequence[int]) -> list[dict[int, int]]:
    """For each output its non-zero partial derivatives: number of the leaf -> node."""
    seeds = {a: {k: graph.one} for k, a in enumerate(leaves)}
    rows = _forward(graph, outputs, seeds)
    return [{k: row[k] for k in sorted(row) if row[k] != graph.zero} for row in rows]


def _forward(
    graph: Graph, outputs: Sequence[int], seeds: Mapping[int, dict[int, int]]
) -> list[dict[int, int]]:
    nodes = ancestors(graph, outputs)
    active = varying(graph, nodes, seeds)
    partials: dict[int, dict[int, int]] = dict(seeds)
    through = set(graph.large) - set(outputs) if graph.large and affordable(graph, nodes) else set()
    for i in nodes:
        if i in active and i not in seeds and i not in through:
            partials[i] = _node_partials(graph, i, partials, active, bool(through))
    return [partials.get(y, {}) for y in outputs]


def _node_partials(
    graph: Graph, i: int, partials: Mapping[int, dict[int, int]], active: set[int], through: bool
) -> dict[int, int]:
    slopes = _slopes(graph, i)
    if through and any(arg in graph.large for arg, _ in slopes):
        found = settled(graph, i, lambda j: _slopes(graph, j), active)
        slopes = [(arg, _multiplied(graph, slope)) for arg, slope in found]
    elif graph.ops[i] == "select":
        return _select_partials(graph, i, partials)
    terms: dict[int, list[int]] = {}
    for arg, apply in slopes:
        for direction, tangent in partials.get(arg, {}).items():
            terms.setdefault(direction, []).append(_masked(graph, apply, tangent))
    return {direction: graph.add(*found) for direction, found in terms.items()}


def _multiplied(graph: Graph, slope: int) -> Linear:
    return lambda v: graph.mul(v, slope)


def _select_partials(graph: Graph, i: int, partials: Mapping[int, dict[int, int]]) -> dict[int, int]:
    condition, a, b = graph.args[i]
    left, right = partials.get(a, {}), partials.get(b, {})
    zero = graph.zero
    directions = dict.fromkeys([*left, *right])
    return {d: graph.select(condition, left.get(d, zero), right.get(d, zero)) for d in directions}


def _masked(graph: Graph, apply: Linear, tangent: int) -> int:
    """apply(tangent), a mask kept outermost so that an infinite slope never meets its zero."""
    masks: list[tuple[int, bool]] = []
    while graph.ops[tangent] == "select" and graph.zero in graph.args[tangent][1:]:
        condition, a, b = graph.args[tangent]
        masks.append((condition, b == graph.zero))
        tangent = a if b == graph.zero else b
    value = apply(tangent)
    for condition, positive in reversed(masks):
        value = graph.select(condition, *((value, graph.zero) if positive else (graph.zero, value)))
    return value


def _slopes(graph: Graph, i: int) -> list[tuple[int, Linear]]:
    """The nodes that the node is a function of, arguments for the most part, each with its linear map."""
    special = _SPECIAL.get(graph.ops[i])
    found = special(graph, i) if special else []
    if found:
        return found
    args = graph.args[i]
    return [(args[k], apply) for k, apply in RULES[graph.ops[i]](graph, i, args)]
