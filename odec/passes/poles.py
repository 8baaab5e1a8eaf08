"""Derivatives where a factor is 0 and the slope of another is infinite, or a quotient has a pole.

In a product u**a*u**b is u**(a + b), and a factor that does not depend on u makes the slope by u 0 where it
is 0. What enters an exponential or a tanh alone may be infinite, as K/x in exp(-K/x): the value has come to
its limit there, where the slope is 0 whatever that of K/x. 1/(1 + K/x) has the slope of x/(x + K).
"""

from __future__ import annotations

from collections.abc import Container, Sequence

from odec.passes.graph import Graph
from odec.passes.powers import Linear, never_zero, power, signed_terms
from odec.passes.rules import RULES

_SATURATING = frozenset("exp expm1 tanh sigmoid erf".split())
_PASSING = frozenset("add neg mul div pow".split())


def may_vanish(graph: Graph, i: int) -> bool:
    """Whether the node may be 0 by something that moves, and not by a parameter alone."""
    if never_zero(graph, i):
        return False
    names = (getattr(graph.leaf[j], "name", "") for j in _leaves(graph, i))
    return any(name not in graph.fixed for name in names)


def saturated(graph: Graph, nodes: Sequence[int], outputs: Container[int]) -> set[int]:
    """Of the nodes (ascending) those with a pole, or made of one, that enter saturating functions alone."""
    users: dict[int, list[int]] = {i: [] for i in nodes}
    for i in nodes:
        for arg in graph.args[i]:
            users[arg].append(i)
    inside: set[int] = set()
    for i in reversed(nodes):
        uses = users[i]
        passes = uses and i not in outputs and graph.ops[i] in _PASSING
        if passes and all(graph.ops[u] in _SATURATING or u in inside and _grows(graph, u, i) for u in uses):
            inside.add(i)
    found: set[int] = set()
    for i in nodes:
        if i in inside and (is_pole(graph, i) or any(arg in found for arg in graph.args[i])):
            found.add(i)
    return found


def _grows(graph: Graph, i: int, arg: int) -> bool:
    """Whether the node is infinite where its argument is."""
    if graph.ops[i] == "pow":
        exponent = graph.value(graph.args[i][1])
        return exponent is not None and exponent > 0
    return graph.ops[i] != "div" or graph.args[i][1] != arg


def is_pole(graph: Graph, i: int) -> bool:
    """Whether the node is a quotient by something that varies and may be 0."""
    if graph.ops[i] == "pow":
        exponent = graph.value(graph.args[i][1])
        return exponent is not None and exponent < 0 and may_vanish(graph, graph.args[i][0])
    return graph.ops[i] == "div" and may_vanish(graph, graph.args[i][1])


def quotients(graph: Graph, y: int) -> list[tuple[int, Linear]]:
    """The slopes of a quotient that is a pole itself, or has one in its divisor."""
    return _at_a_pole(graph, y) if y in graph.large else _over_a_pole(graph, y)


def _at_a_pole(graph: Graph, y: int) -> list[tuple[int, Linear]]:
    """The slopes of a quotient that only saturated functions see, 0 where the divisor is."""
    if not is_pole(graph, y):
        return []
    a, b = graph.args[y]
    safe = graph.select(graph.node("ne", b, graph.zero), b, graph.one)
    return [
        (a, lambda v: graph.div(v, safe)),
        (b, lambda v: graph.neg(graph.div(graph.div(graph.times(v, a), safe), safe))),
    ]


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
        if graph.ops[i] == "mul":
            stack.extend(reversed(graph.args[i]))
        else:
            found.append(i)
    return found


def is_singular(graph: Graph, i: int) -> bool:
    """Whether the node is a power whose slope may be infinite at 0."""
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


def _over_a_pole(graph: Graph, y: int) -> list[tuple[int, Linear]]:
    """The slopes of y = p/q where terms T = c/d**m of q are infinite at a d that may be 0.

    By d it is m*p*R/(d*q) with R = T/q. By other factors of T it is -y/q*dT/df, and 0 where T is infinite.
    """
    p, q = graph.args[y]
    if graph.ops[q] != "add":
        return []
    terms = signed_terms(graph, q)
    found: list[tuple[int, Linear]] = [(p, lambda v: graph.div(v, q))]
    moving: list[int] = []
    for t, negative in terms:
        factors = _monomial(graph, t) or {}
        poles = [d for d, e in factors.items() if _is_negative(graph, e) and may_vanish(graph, d)]
        if not graph.large.isdisjoint(factors if poles else [t]) or len(poles) > 1:
            return []
        if poles:
            moving += poles
            found += _by_a_pole(graph, y, terms, (t, negative), factors, poles[0])
        else:
            found.append((t, _term_slope(graph, y, q, negative)))
    return found if moving and len(set(moving)) == len(moving) else []


def _by_a_pole(
    graph: Graph,
    y: int,
    terms: Sequence[tuple[int, bool]],
    pole: tuple[int, bool],
    factors: dict[int, int],
    d: int,
) -> list[tuple[int, Linear]]:
    (p, q), (t, negative) = graph.args[y], pole
    rest = graph.add(*(graph.neg(node) if odd else node for node, odd in terms if (node, odd) != pole))
    share = graph.div(graph.one, graph.add(graph.one, graph.div(rest, graph.neg(t) if negative else t)))
    m = graph.neg(factors[d])

    def by_d(v: int) -> int:
        apart = graph.node("ne", d, graph.zero)
        size = graph.value(m)
        above = graph.times(v, p, m, share)
        if size is not None and size > 1:
            below = graph.mul(graph.select(apart, d, graph.one), q)
            return graph.select(apart, graph.div(above, below), graph.zero)
        limit = _written(graph, {f: e for f, e in factors.items() if f != d})
        limit = graph.neg(limit) if negative != _odd(graph, t) else limit
        at_zero = graph.mul(limit, graph.pow(graph.select(apart, graph.one, d), graph.sub(graph.one, m)))
        return graph.div(above, graph.select(apart, graph.mul(d, q), at_zero))

    def by_factor(slope: int) -> Linear:
        slope = graph.select(
            graph.node("ne", d, graph.zero), graph.neg(slope) if negative else slope, graph.zero
        )
        ratio = graph.div(graph.node("finite", slope), q)
        return lambda v: graph.neg(graph.mul(v, y, ratio))

    stops = {*factors, *map(graph.unsigned, factors.values())}
    slopes = _within(graph, t, stops)
    return [(d, by_d), *((f, by_factor(slope)) for f, slope in slopes.items() if f != d)]


def _term_slope(graph: Graph, y: int, q: int, odd: bool) -> Linear:
    def apply(v: int) -> int:
        slope = graph.div(graph.mul(v, y), q)
        return slope if odd else graph.neg(slope)

    return apply


def _is_negative(graph: Graph, exponent: int) -> bool:
    value = graph.value(exponent)
    return graph.ops[exponent] == "neg" if value is None else value < 0


def _monomial(graph: Graph, t: int) -> dict[int, int] | None:
    """The factors of a product of quotients and powers with their exponents, but for its sign."""
    found: dict[int, int] = {}
    stack = [(t, graph.one)]
    while stack:
        i, exponent = stack.pop()
        args = graph.args[i]
        if graph.ops[i] == "neg":
            stack.append((args[0], exponent))
        elif graph.ops[i] == "mul":
            stack.extend((arg, exponent) for arg in args)
        elif graph.ops[i] == "div":
            stack.extend(((args[0], exponent), (args[1], graph.neg(exponent))))
        elif graph.ops[i] == "pow" and graph.value(exponent) in (1, -1):
            stack.append((args[0], args[1] if graph.value(exponent) == 1 else graph.neg(args[1])))
        elif i in found:
            values = graph.value(found[i]), graph.value(exponent)
            if values[0] is None or values[1] is None:
                return None
            found[i] = graph.number(values[0] + values[1])
        else:
            found[i] = exponent
    return found


def _odd(graph: Graph, t: int) -> bool:
    """Whether an odd number of signs stands in a product."""
    args = graph.args[t]
    if graph.ops[t] == "neg":
        return not _odd(graph, args[0])
    return sum(_odd(graph, arg) for arg in args) % 2 == 1 if graph.ops[t] in ("mul", "div") else False


def _written(graph: Graph, factors: dict[int, int]) -> int:
    above: list[int] = []
    below: list[int] = []
    for f, e in factors.items():
        (below if _is_negative(graph, e) else above).append(graph.pow(f, graph.unsigned(e)))
    product = graph.mul(*above)
    for divisor in below:
        product = graph.div(product, divisor)
    return product


def _within(graph: Graph, t: int, stops: set[int]) -> dict[int, int]:
    """The derivatives of a node by the stops, through what it is made of."""
    arrived: dict[int, list[int]] = {t: [graph.one]}
    pending, found = {t}, {}
    while pending:
        i = max(pending)
        pending.discard(i)
        cotangent = graph.add(*arrived[i])
        if i in stops:
            found[i] = cotangent
            continue
        for k, apply in RULES[graph.ops[i]](graph, i, graph.args[i]) if graph.args[i] else []:
            arg = graph.args[i][k]
            if not graph.is_number(arg):
                arrived.setdefault(arg, []).append(apply(cotangent))
                pending.add(arg)
    return found
