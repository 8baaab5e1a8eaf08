"""Derivatives of powers where what they are of is 0.

A power written as an exponential, exp(c*log(u) + s), is u**c*exp(s). The value is 0 at u = 0 for c > 0, but
log(u) is infinite and 1/u too. By u the derivative is c*y/u, and at 0 its limit c*0**(c - 1)*exp(s); by c it
is y*log(u), and 0 at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from odec.passes.graph import Graph

Linear = Callable[[int], int]


@dataclass(frozen=True)
class _Term:
    """A term of a sum, maybe subtracted; where u may be 0 it is above/below*log(u), or minus that if odd."""

    node: int
    negative: bool
    odd: bool = False
    u: int | None = None
    above: tuple[int, ...] = ()
    below: tuple[int, ...] = ()


def log_powers(graph: Graph, y: int) -> list[tuple[int, Linear]]:
    """The slopes of y = exp(…) by each u, what its c is made of, and the other terms; none without a u."""
    terms = [_factored(graph, i, odd) for i, odd in signed_terms(graph, graph.args[y][0])]
    found: list[tuple[int, Linear]] = []
    if all(term.u is None for term in terms):
        return found
    for term in terms:
        if term.u is None:
            found.append((term.node, _signed(graph, term.negative, lambda v: graph.times(v, y))))
            continue
        for part in (*term.above, *term.below):
            found.append((part, _by_part(graph, y, term, part)))
        found.append((term.u, _by_base(graph, y, term, [t for t in terms if t is not term])))
    return found


def signed_terms(graph: Graph, total: int) -> list[tuple[int, bool]]:
    """The terms of a sum of sums, and whether they are subtracted."""
    found: list[tuple[int, bool]] = []
    stack = [(total, False)]
    while stack:
        i, negative = stack.pop()
        if is_whole(graph, i):
            found.append((i, negative))
        elif graph.ops[i] == "neg":
            stack.append((graph.args[i][0], not negative))
        elif graph.ops[i] == "add":
            stack.extend((arg, negative) for arg in reversed(graph.args[i]))
        else:
            found.append((i, negative))
    return found


def _factored(graph: Graph, i: int, negative: bool) -> _Term:
    above: list[int] = []
    below: list[int] = []
    odd, base = False, None
    stack = [i]
    while stack:
        j = stack.pop()
        args = graph.args[j]
        if is_whole(graph, j):
            above.append(j)
        elif graph.ops[j] == "log" and base is None and not never_zero(graph, args[0]):
            base = args[0]
        elif graph.ops[j] == "neg":
            odd = not odd
            stack.append(args[0])
        elif graph.ops[j] == "mul":
            stack.extend(reversed(args))
        elif graph.ops[j] == "div":
            below.append(args[1])
            stack.append(args[0])
        else:
            above.append(j)
    return _Term(i, negative) if base is None else _Term(i, negative, odd, base, tuple(above), tuple(below))


def is_whole(graph: Graph, i: int) -> bool:
    """Whether the node has slopes of its own, so that no rule looks at what it is made of."""
    return i in graph.beside or i in graph.settled


def never_zero(graph: Graph, i: int, depth: int = 8) -> bool:
    """Whether the node is known not to be 0."""
    if graph.ops[i] in ("mul", "div", "neg") and depth > 0:
        return all(never_zero(graph, arg, depth - 1) for arg in graph.args[i])
    return graph.is_nonzero(i) or graph.ops[i] in ("guard", "guard_not", "exp", "gamma")


def _signed(graph: Graph, negative: bool, apply: Linear) -> Linear:
    return (lambda v: graph.neg(apply(v))) if negative else apply


def _by_part(graph: Graph, y: int, term: _Term, part: int) -> Linear:
    """By a factor or divisor of c."""

    def apply(v: int) -> int:
        assert term.u is not None
        others = list(term.above)
        if part in others:
            others.remove(part)
        safe = graph.select(graph.node("ne", term.u, graph.zero), term.u, graph.one)
        slope = graph.times(v, y, *others, graph.node("log", safe))
        for divisor in term.below:
            slope = graph.div(slope, divisor)
        return slope if part in term.above else graph.neg(graph.div(slope, part))

    return _signed(graph, term.negative != term.odd, apply)


def _by_base(graph: Graph, y: int, term: _Term, others: list[_Term]) -> Linear:
    assert term.u is not None
    u = term.u
    size = graph.mul(*term.above)
    for divisor in term.below:
        size = graph.div(size, divisor)
    c = graph.neg(size) if term.negative != term.odd else size
    rest = graph.add(*(graph.neg(t.node) if t.negative else t.node for t in others))

    def apply(v: int) -> int:
        apart = graph.node("ne", u, graph.zero)
        slope = graph.div(graph.times(v, c, y), graph.select(apart, u, graph.one))
        power = graph.pow(graph.select(apart, graph.one, u), graph.sub(c, graph.one))
        factor = graph.node("exp", graph.select(apart, graph.zero, rest))
        return graph.select(apart, slope, graph.mul(v, c, power, factor))

    return apply


def product_roots(graph: Graph, y: int) -> list[tuple[int, Linear]]:
    """The slopes of y = sqrt(a*b*…) by each factor; none where no other factor can be 0.

    By a it is y/(2a), which is 0 where b is, and not 0 times the infinite slope of the root. By u, where a is
    exp(u), it is y/2, though a may have underflowed.
    """
    product = graph.args[y][0]
    if graph.ops[product] != "mul" or product in graph.large or is_whole(graph, product):
        return []
    factors = graph.args[product]
    others = {f: [other for other in factors if other != f] for f in factors if graph.value(f) is None}
    zero = {f for f in factors if _may_be_zero(graph, f)}
    if len({*factors}) < len(factors) or all(zero.isdisjoint(rest) for rest in others.values()):
        return []
    return [_by_factor(graph, y, f, rest) for f, rest in others.items()]


def _may_be_zero(graph: Graph, factor: int) -> bool:
    return _is_exponential(graph, factor) or not never_zero(graph, factor)


def _is_exponential(graph: Graph, i: int) -> bool:
    return graph.ops[i] == "exp" and not is_whole(graph, i)


def _by_factor(graph: Graph, y: int, factor: int, others: list[int]) -> tuple[int, Linear]:
    def plain(v: int) -> int:
        return graph.div(graph.mul(v, *others), graph.mul(graph.number(2), y))

    def apply(v: int) -> int:
        if not any(_may_be_zero(graph, other) for other in others):
            return plain(v)
        if graph.is_nonzero(factor):
            return graph.div(graph.mul(v, y), graph.mul(graph.number(2), factor))
        apart = graph.node("ne", factor, graph.zero)
        safe = graph.mul(graph.number(2), graph.select(apart, factor, graph.one))
        return graph.select(apart, graph.div(graph.mul(v, y), safe), plain(v))

    if _is_exponential(graph, factor):
        return graph.args[factor][0], lambda v: graph.div(graph.mul(v, y), graph.number(2))
    return factor, apply


def logarithmic(graph: Graph, y: int) -> list[tuple[int, Linear]]:
    """The slopes of y = u**n*log(w) by u, n and the other factors of w; u is one of w or 1/w."""
    product, w = graph.args[y]
    u, n = power(graph, product)
    above, below = _sides(graph, w)
    times = above.count(u) - below.count(u)
    if times == 0:
        return []
    above, below = ([f for f in side if f != u] for side in (above, below))

    def by_u(v: int) -> int:
        less, exponent = graph.pow(u, graph.sub(n, graph.one)), graph.value(n)
        if exponent is not None and exponent > 1:
            log = graph.node("xlogy", less, w)
            return graph.mul(v, graph.add(graph.mul(n, log), graph.mul(graph.number(times), less)))
        if exponent is None:  # log(w) is infinite at u = 0, where u**(n - 1) is 0 for n > 1
            log = graph.node("log", graph.select(graph.node("ne", less, graph.zero), w, graph.one))
        else:
            log = graph.node("log", w)
        return graph.mul(v, less, graph.add(graph.mul(n, log), graph.number(times)))

    def by(f: int, down: bool) -> Linear:
        return _signed(graph, down, lambda v: graph.div(graph.mul(v, product), f))

    found = [(u, by_u), *((f, by(f, False)) for f in above), *((f, by(f, True)) for f in below)]
    if graph.value(n) is None:
        safe = graph.select(graph.node("ne", u, graph.zero), u, graph.one)
        found.append((n, lambda v: graph.mul(v, y, graph.node("log", safe))))
    return found


def power(graph: Graph, i: int) -> tuple[int, int]:
    """u and n where the node is u**n."""
    if is_whole(graph, i):
        return i, graph.one
    if graph.ops[i] == "pow":
        return graph.args[i][0], graph.args[i][1]
    return (graph.args[i][0], graph.number(0.5)) if graph.ops[i] == "sqrt" else (i, graph.one)


def _sides(graph: Graph, i: int) -> tuple[list[int], list[int]]:
    """The factors and the divisors that a node is made of but for its sign, numbers left out."""
    above: list[int] = []
    below: list[int] = []
    stack = [(i, True)]
    while stack:
        j, up = stack.pop()
        args = graph.args[j]
        if is_whole(graph, j):
            (above if up else below).append(j)
        elif graph.ops[j] in ("guard", "guard_not"):
            stack.append((args[1], up))
        elif graph.ops[j] in ("mul", "neg"):
            stack.extend((arg, up) for arg in reversed(args))
        elif graph.ops[j] == "div":
            stack.extend(((args[1], not up), (args[0], up)))
        elif graph.ops[j] == "pow" and graph.value(args[1]) in (2, 3, 4):
            (above if up else below).extend([args[0]] * int(graph.value(args[1]) or 1))
        elif not graph.is_number(j):
            (above if up else below).append(j)
    return above, below
