"""Derivatives of products where one factor is 0 and the slope of another infinite, and of shares u/(u + r).

In a product u**a*u**b is u**(a + b), and a factor that does not depend on u makes the slope by u 0 where it
is 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from odec.passes.graph import Graph
from odec.passes.powers import Linear, is_whole, never_zero, power


def may_vanish(graph: Graph, i: int) -> bool:
    """Whether the node may be 0 by something that moves, and not by a parameter alone."""
    if never_zero(graph, i):
        return False
    names = (getattr(graph.leaf[j], "name", "") for j in _leaves(graph, i))
    return any(name not in graph.fixed for name in names)


def shares(graph: Graph, y: int) -> list[tuple[int, Linear]]:
    """The slopes of y = c*u/(u + r) by c, u and the terms of r; none for another quotient.

    By u it is c*r/(u + r)**2, without the digits that 1 - u/(u + r) loses where u is large.
    """
    p, q = graph.args[y]
    if graph.ops[q] != "add" or is_whole(graph, q):
        return []
    terms = graph.args[q]
    factors = graph.args[p] if graph.ops[p] == "mul" and not is_whole(graph, p) else (p,)
    shared = [f for f in factors if terms.count(f) == 1 and not graph.is_number(f)]
    if len(shared) != 1 or factors.count(shared[0]) > 1:
        return []
    u = shared[0]
    others = [f for f in factors if f != u]
    rest = [term for term in terms if term != u]
    remainder = graph.add(*rest)
    if not graph.large.isdisjoint(rest):  # where it is infinite, u has no part in the quotient
        remainder = graph.node("finite", remainder)
    share = graph.div(remainder, q)

    def by_factor(factor: int) -> Linear:
        left = [f for f in others if f != factor]
        return lambda v: graph.div(graph.times(v, *left, u), q)

    found = [(f, by_factor(f)) for f in others] if len(set(others)) == len(others) else []
    if len(found) < len(others):
        return []
    found.append((u, lambda v: graph.div(graph.times(v, *others, share), q)))
    return found + [(term, lambda v: graph.neg(graph.div(graph.times(v, y), q))) for term in rest]


def products(graph: Graph, y: int) -> list[tuple[int, Linear]]:
    """The slopes by bases of a product with a power whose slope may be infinite where another factor is 0."""
    factors = _factors(graph, y)
    if y in graph.large or not any(is_singular(graph, f) for f in factors) or len(factors) < 2:
        return []
    bases: dict[int, list[int]] = {}
    for f in factors:
        if not graph.is_number(f):
            bases.setdefault(power(graph, f)[0], []).append(f)
    found: list[tuple[int, Linear]] = []
    special = False
    for u, own in bases.items():
        others = [f for f in factors if f not in own]
        singular = any(is_singular(graph, f) for f in own)
        if not singular:
            found += [(f, _product(graph, [*_without(own, f), *others])) for f in own]
            continue
        apart = [f for f in others if may_vanish(graph, f) and not _shares(graph, f, u)]
        if len(own) == 1 and not apart:
            found.append((own[0], _product(graph, others)))
            continue
        special = True
        found += _by_base(graph, y, u, own, others, apart)
    return found if special else []


def _without(factors: Sequence[int], one: int) -> list[int]:
    rest = list(factors)
    rest.remove(one)
    return rest


def _product(graph: Graph, others: Sequence[int]) -> Linear:
    return lambda v: graph.times(v, *others)


def _by_base(
    graph: Graph, y: int, u: int, own: Sequence[int], others: Sequence[int], apart: Sequence[int]
) -> list[tuple[int, Linear]]:
    exponents = [power(graph, f)[1] for f in own]
    total = graph.add(*exponents)
    values = [graph.value(n) for n in exponents]
    if all(value is not None for value in values):
        total = graph.number(sum(value for value in values if value is not None))

    def by_u(v: int) -> int:
        base = u
        for f in apart:
            base = graph.select(graph.node("ne", f, graph.zero), base, graph.one)
        return graph.times(v, *others, total, graph.pow(base, graph.sub(total, graph.one)))

    def by_n(v: int) -> int:
        safe = graph.select(graph.node("ne", u, graph.zero), u, graph.one)
        return graph.times(v, y, graph.node("log", safe))

    return [(u, by_u), *((n, by_n) for n, value in zip(exponents, values, strict=True) if value is None)]


def _factors(graph: Graph, y: int) -> list[int]:
    """What a product of products and quotients is the product of; divisors stay with their quotients' 1."""
    found: list[int] = []
    stack = [*reversed(graph.args[y])]
    while stack:
        i = stack.pop()
        if graph.ops[i] == "mul" and not is_whole(graph, i):
            stack.extend(reversed(graph.args[i]))
        else:
            found.append(i)
    return found


def is_singular(graph: Graph, i: int) -> bool:
    """Whether the node is a power whose slope may be infinite at 0."""
    if is_whole(graph, i):
        return False
    if graph.ops[i] == "sqrt":
        return may_vanish(graph, graph.args[i][0])
    if graph.ops[i] != "pow" or graph.args[i][0] in graph.large or not may_vanish(graph, graph.args[i][0]):
        return False
    exponent = graph.value(graph.args[i][1])
    return graph.value(graph.args[i][0]) is None and (exponent is None or 0 < exponent < 1)


def _shares(graph: Graph, a: int, b: int) -> bool:
    """Whether two nodes depend on a symbol in common."""
    return not _leaves(graph, a).isdisjoint(_leaves(graph, b))


def _leaves(graph: Graph, i: int) -> set[int]:
    seen, stack = {i}, [i]
    while stack:
        for arg in graph.args[stack.pop()]:
            if arg not in seen:
                seen.add(arg)
                stack.append(arg)
    return {j for j in seen if graph.leaf[j] is not None and not graph.is_number(j)}
