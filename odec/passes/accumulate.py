"""Reverse and forward accumulation over the graph."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from odec.passes.array_rules import ARRAY_RULES, array_slopes, joined
from odec.passes.graph import Graph
from odec.passes.overflow import affordable, settled
from odec.passes.poles import is_singular, products, shares
from odec.passes.powers import log_powers, logarithmic, product_roots
from odec.passes.rules import DERIVATIVE_FREE, RULES, Linear

_SPECIAL = {
    "exp": log_powers,
    "sqrt": product_roots,
    "xlogy": logarithmic,
    "mul": products,
    "div": shares,
}
"""Slopes by what the arguments are made of, where those by the arguments themselves may be infinite."""


def ancestors(graph: Graph, outputs: Iterable[int], *, differentiated: bool = False) -> list[int]:
    """The nodes that the outputs are made of, ascending, or that their derivatives go through."""
    seen = set(outputs)
    stack = list(seen)
    while stack:
        for arg in parts(graph, stack.pop()) if differentiated else graph.args[stack.pop()]:
            if arg not in seen:
                seen.add(arg)
                stack.append(arg)
    return sorted(seen)


def parts(graph: Graph, i: int) -> tuple[int, ...]:
    """What the node is differentiated by."""
    if i in graph.settled:
        return tuple(leaf for leaf, _ in graph.settled[i])
    return (graph.beside[i],) if i in graph.beside else graph.args[i]


def varying(graph: Graph, nodes: Sequence[int], leaves: Iterable[int]) -> set[int]:
    """Those of the nodes (ascending) through which a derivative to one of the leaves may pass."""
    found = set(leaves)
    for i in nodes:
        if graph.ops[i] not in DERIVATIVE_FREE and not found.isdisjoint(parts(graph, i)):
            found.add(i)
    return found


def reverse(
    graph: Graph, outputs: Sequence[tuple[int, int]], leaves: Sequence[int], derived: bool = False
) -> list[int]:
    """For each leaf a, the node Σ_k w_k ∂y_k/∂a over the pairs (y_k, w_k) of outputs.

    What an operation broadcasts is summed to its own shape again, where a node's cotangents are gathered.
    Reverse accumulation: a small constant times the operations of the outputs. Griewank & Walther,
    Evaluating Derivatives (2008), ch. 3. derived: the outputs are derivatives themselves, in which a power
    such as sqrt(x) may have left a pole behind a condition.
    """
    nodes = ancestors(graph, [y for y, _ in outputs], differentiated=True)
    active = varying(graph, nodes, leaves)
    singular = {i for i in active if i in graph.settled or is_singular(graph, i)}
    wide = derived and bool(singular)
    numbers = {i for i in active if graph.shapes[i] == ()}
    masked, gather = (singular | numbers, _gathered) if wide else (singular, Graph.gather)
    arrived: dict[int, list[int]] = {}
    cotangents = {w for _, w in outputs}
    for y, w in reversed(outputs):
        arrived.setdefault(y, []).append(w)
    for i in reversed(nodes):
        if i not in active or i not in arrived or graph.ops[i] in DERIVATIVE_FREE:
            continue
        cotangent = gather(graph, arrived[i][::-1], cotangents, graph.shapes[i])
        if cotangent == graph.zero:
            continue
        cotangents.add(cotangent)
        for arg, apply in reversed(slopes_of(graph, i)):
            if arg in active:
                passed = _masked(graph, apply, cotangent) if i in masked else apply(cotangent)
                arrived.setdefault(arg, []).append(passed)
    return [graph.gather(arrived.get(a, [])[::-1], cotangents, graph.shapes[a]) for a in leaves]


def forward(
    graph: Graph, outputs: Sequence[int], tangents: Mapping[int, int], still: bool = False
) -> list[int]:
    """For each output y, the node Σ_a ∂y/∂a da over the tangents a -> da of the leaves.

    still: where a tangent is 0, it passes 0 on by an infinite slope too, as that of sqrt(x) at x = 0.
    """
    seeds = {a: {0: da} for a, da in tangents.items()}
    return [row.get(0, graph.zero) for row in _forward(graph, outputs, seeds, still)]


def jacobian(graph: Graph, outputs: Sequence[int], leaves: Sequence[int]) -> list[dict[int, int]]:
    """For each output its non-zero partial derivatives: number of the leaf -> node."""
    seeds = {a: {k: graph.one} for k, a in enumerate(leaves)}
    rows = _forward(graph, outputs, seeds)
    return [{k: row[k] for k in sorted(row) if row[k] != graph.zero} for row in rows]


def _forward(
    graph: Graph, outputs: Sequence[int], seeds: Mapping[int, dict[int, int]], still: bool = False
) -> list[dict[int, int]]:
    nodes = ancestors(graph, outputs, differentiated=True)
    active = varying(graph, nodes, seeds)
    partials: dict[int, dict[int, int]] = dict(seeds)
    through = set(graph.large) - set(outputs) if graph.large and affordable(graph, nodes) else set()
    for i in nodes:
        if i in active and i not in seeds and i not in through:
            found = _node_partials(graph, i, partials, active, bool(through), still)
            partials[i] = {d: graph.spread(tangent, graph.shapes[i]) for d, tangent in found.items()}
    return [partials.get(y, {}) for y in outputs]


def _node_partials(
    graph: Graph,
    i: int,
    partials: Mapping[int, dict[int, int]],
    active: set[int],
    through: bool,
    still: bool,
) -> dict[int, int]:
    if graph.ops[i] in ("concat", "stack"):
        return _joined_partials(graph, i, partials)
    slopes = slopes_of(graph, i, forward=True)
    if through and any(arg in graph.large for arg, _ in slopes):
        found = settled(graph, i, lambda j: slopes_of(graph, j), active)
        slopes = [(arg, _multiplied(graph, slope)) for arg, slope in found]
    elif graph.ops[i] == "select" and i not in graph.settled:
        return _select_partials(graph, i, partials)
    terms: dict[int, list[int]] = {}
    if still and (i in graph.settled or is_singular(graph, i)):
        slopes = [(arg, _unless_still(graph, apply)) for arg, apply in slopes]
    for arg, apply in slopes:
        for direction, tangent in partials.get(arg, {}).items():
            moved = apply(tangent) if graph.ops[i] in ARRAY_RULES else _masked(graph, apply, tangent)
            terms.setdefault(direction, []).append(moved)
    return {direction: graph.add(*found) for direction, found in terms.items()}


def _joined_partials(graph: Graph, i: int, partials: Mapping[int, dict[int, int]]) -> dict[int, int]:
    own = {arg: partials[arg] for arg in graph.args[i] if arg in partials}
    directions = dict.fromkeys(d for found in own.values() for d in found)
    return {
        d: joined(graph, i, {arg: found[d] for arg, found in own.items() if d in found}) for d in directions
    }


def _unless_still(graph: Graph, apply: Linear) -> Linear:
    """A linear map that takes 0 to 0, however large its slope."""
    return lambda v: graph.select(graph.node("ne", v, graph.zero), apply(v), graph.zero)


def _gathered(graph: Graph, terms: Sequence[int], shared: Container[int], shape: tuple[int, ...]) -> int:
    """The sum of terms, of which those behind the same conditions stay so together, numbers at least."""
    groups: dict[tuple[tuple[int, bool], ...], list[int]] = {}
    for term in terms:
        masks, value = _unmasked(graph, term) if graph.shapes[term] == () == shape else ([], term)
        groups.setdefault(tuple(masks), []).append(value)
    return graph.add(
        *(_behind(graph, masks, graph.gather(group, shared, shape)) for masks, group in groups.items())
    )


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
    masks, value = _unmasked(graph, tangent)
    return _behind(graph, masks, apply(value))


def _unmasked(graph: Graph, value: int) -> tuple[list[tuple[int, bool]], int]:
    """The conditions, each with its sign, where the value is not 0 for certain, and the value there."""
    masks: list[tuple[int, bool]] = []
    while graph.ops[value] == "select" and graph.zero in graph.args[value][1:]:
        condition, a, b = graph.args[value]
        masks.append((condition, b == graph.zero))
        value = a if b == graph.zero else b
    return masks, value


def _behind(graph: Graph, masks: Iterable[tuple[int, bool]], value: int) -> int:
    """The value where the conditions hold, else 0."""
    known = _unmasked(graph, value)[0]
    for condition, positive in reversed([*masks]):
        if (condition, positive) not in known:
            value = graph.select(condition, *((value, graph.zero) if positive else (graph.zero, value)))
    return value


def _faded(graph: Graph, i: int) -> Linear:
    """v*0**(power - 1) where a node is taken beside 0; see beside.py."""
    near, power = graph.steep[i]
    base = graph.select(near, graph.zero, graph.one)
    return lambda v: graph.mul(v, graph.pow(base, graph.sub(power, graph.one)))


def slopes_of(graph: Graph, i: int, forward: bool = False) -> list[tuple[int, Linear]]:
    """The nodes that the node is a function of, arguments for the most part, each with its linear map.

    It carries a cotangent back, or forward: a tangent; for what is computed element by element, the same.
    """
    if graph.ops[i] in ARRAY_RULES:
        return array_slopes(graph, i, forward)
    if i in graph.settled:
        return [(leaf, _multiplied(graph, slope)) for leaf, slope in graph.settled[i]]
    if i in graph.beside:
        return [(graph.beside[i], lambda v: v)]
    if i in graph.steep:
        return [(graph.args[i][1], _faded(graph, i))]
    special = _SPECIAL.get(graph.ops[i])
    found = special(graph, i) if special else []
    if found:
        return found
    args = graph.args[i]
    return [(args[k], apply) for k, apply in RULES[graph.ops[i]](graph, i, args)]
