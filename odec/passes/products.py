"""Partial products that several products have in common, made once: w*x and w*x*y as c and c*y."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import combinations

from odec.passes.graph import LEAVES, Graph
from odec.passes.walk import topological

Pair = tuple[int, int]


def share_products(graph: Graph, outputs: Sequence[int]) -> list[int]:
    """The outputs with pairs of factors shared, those in most products first (Breuer, Commun. ACM 12, 1969).

    Products are rearranged; formulas of the user's, the named nodes, stay as they are.
    """
    nodes = _derived(graph, outputs)
    products = _products(graph, nodes)
    _share(graph, products)
    inside = {*nodes, *products}

    def parts(i: int) -> Sequence[int]:
        return products.get(i, graph.args[i]) if i in inside else ()

    new: dict[int, int] = {}
    for i in topological(outputs, parts):
        args = tuple(new[part] for part in parts(i))
        new[i] = graph.again(i, *args) if args and args != graph.args[i] else i
    return [new[i] for i in outputs]


def _derived(graph: Graph, outputs: Sequence[int]) -> list[int]:
    """What the outputs are made of above the user's formulas, ascending."""
    seen: set[int] = set()
    stack = list(outputs)
    while stack:
        i = stack.pop()
        if i not in seen and i not in graph.named and graph.ops[i] not in LEAVES:
            seen.add(i)
            stack.extend(graph.args[i])
    return sorted(seen)


def _products(graph: Graph, nodes: Sequence[int]) -> dict[int, list[int]]:
    """The factors of every product that is not a part of one other product alone."""
    uses: dict[int, list[int]] = {}
    for i in nodes:
        for arg in graph.args[i]:
            uses.setdefault(arg, []).append(i)
    inside = set(nodes)

    def part(i: int) -> bool:
        users = uses.get(i, [])
        return i in inside and graph.ops[i] == "mul" and len(users) == 1 and graph.ops[users[0]] == "mul"

    def factors(i: int) -> list[int]:
        found: list[int] = []
        stack = [*reversed(graph.args[i])]
        while stack:
            arg = stack.pop()
            if part(arg):
                stack.extend(reversed(graph.args[arg]))
            else:
                found.append(arg)
        return found

    return {i: factors(i) for i in nodes if graph.ops[i] == "mul" and not part(i)}


def _share(graph: Graph, products: dict[int, list[int]]) -> None:
    """Replace pairs of factors by their product until no pair stands in two products."""
    places: dict[Pair, dict[int, None]] = {}
    for i, factors in products.items():
        for pair in _pairs(graph, factors):
            places.setdefault(pair, {})[i] = None
    queue = [(-len(found), pair) for pair, found in places.items() if len(found) > 1]
    heapify(queue)
    while queue:
        count, pair = heappop(queue)
        if len(places[pair]) != -count:
            if len(places[pair]) > 1:
                heappush(queue, (-len(places[pair]), pair))
            continue
        for both in _replace(graph, products, places, pair):
            if len(places[both]) > 1:
                heappush(queue, (-len(places[both]), both))


def _replace(
    graph: Graph, products: dict[int, list[int]], places: dict[Pair, dict[int, None]], pair: Pair
) -> list[Pair]:
    """Put the pair's product in its place everywhere; the pairs that this product then forms."""
    holders = list(places[pair])
    whole = next((i for i in holders if len(products[i]) == 2), None)
    if whole is None:
        first = products[holders[0]]
        whole = graph.node("mul", *sorted(pair, key=first.index))
        products[whole] = list(graph.args[whole])
    formed: dict[Pair, None] = {}
    for i in holders:
        factors = products[i]
        for old in _pairs(graph, factors):
            places[old].pop(i, None)
        if i == whole:
            continue
        at = min(factors.index(f) for f in pair)
        for f in pair:
            factors.remove(f)
        factors.insert(at, whole)
        for new in _pairs(graph, factors):
            places.setdefault(new, {})[i] = None
            formed[new] = None
    return list(formed)


def _pairs(graph: Graph, factors: Sequence[int]) -> list[Pair]:
    """The pairs of different factors, numbers apart."""
    varied = sorted({f for f in factors if not graph.is_number(f)})
    return list(combinations(varied, 2))
