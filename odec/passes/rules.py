"""Derivative rules, one per operation.

A rule gives, for each argument that the value depends on smoothly, the linear map v -> v * dy/da. The same
map carries a tangent forward (v = da) and a cotangent back (v = w), so one table serves both directions.

Where a derivative does not exist the conventions are torch's: |x|' = 0 at 0; relu' = 0 at 0; max(a, b) and
min(a, b) pass all to the active argument, half to each of two that tie (all to `a` where `b` is constant, as
clamp does); sign, floor, ceil, heaviside (but for its value at zero) and comparisons have derivative 0;
d mod(a, b) = da - floor(a/b) db; a lookup has at a knot the slope on its right; d/dy x**y = x**y log x, taken
as 0 at x = 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from odec.lookups import TABLES
from odec.passes.graph import Graph

Linear = Callable[[int], int]
Rule = Callable[[Graph, int, tuple[int, ...]], list[tuple[int, Linear]]]

DERIVATIVE_FREE = frozenset(
    "lt le gt ge eq ne and or not true false near distance sign floor ceil "
    "trigamma exprel2 number symbol".split()
)
"""Operations through which nothing is propagated (trigamma and exprel2 occur in second derivatives only)."""


def _scaled(slope: Callable[[Graph, int, int], int]) -> Rule:
    """The rule of a unary function from its slope(graph, x, y)."""

    def rule(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
        return [(0, lambda v: g.times(v, slope(g, args[0], y)))]

    return rule


def _divided(denominator: Callable[[Graph, int, int], int], negative: bool = False) -> Rule:
    """The rule of a unary function whose slope is ±1/denominator(graph, x, y)."""

    def rule(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
        def apply(v: int) -> int:
            quotient = g.div(v, g.like(args[0], denominator(g, args[0], y)))
            return g.neg(quotient) if negative else quotient

        return [(0, apply)]

    return rule


def _square(g: Graph, x: int) -> int:
    return g.pow(x, g.number(2))


def _add(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    return [(k, lambda v: v) for k in range(len(args))]


def _neg(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    return [(0, g.neg)]


def _times(g: Graph, *factors: int) -> Linear:
    return lambda v: g.times(v, *factors)


def _mul(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    count = len(args)
    if count <= 4:
        return [(k, _times(g, *args[:k], *args[k + 1 :])) for k in range(count)]
    # Products of all but one in linear time: what stands before times what stands after.
    before, after = [g.one], [g.one]
    for k in range(count - 1):
        before.append(_running(g, before[-1], args[k]))
        after.append(_running(g, args[count - 1 - k], after[-1]))
    return [(k, _times(g, before[k], after[count - 1 - k])) for k in range(count)]


def _running(g: Graph, a: int, b: int) -> int:
    """The product, large where a factor is."""
    product = g.mul(a, b)
    return g.like(a, g.like(b, product))


def _div(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    b = args[1]
    return [(0, lambda v: g.div(v, b)), (1, lambda v: g.neg(g.div(g.times(v, y), b)))]


def _pow(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    x, n = args

    def base(v: int) -> int:
        if g.value(n) == 0:
            return g.zero
        less = g.add(n, g.neg(g.one))
        constant = g.value(n)
        if x in g.large and constant is not None and constant < 0:
            return g.div(g.mul(v, n, y), x)
        if g.is_nonzero(n):
            power = g.pow(x, less)
            if y in g.large and constant is None:  # infinite at x = 0 it is a pole, and not what overflows
                power = g.select(g.node("ne", x, g.zero), g.node("finite", power), power)
            return g.times(v, n, g.like(y, power))
        # 0**n is 1 at n = 0 alone: there n*x**(n - 1) would be 0 times infinity.
        apart = g.node("or", g.node("ne", n, g.zero), g.node("ne", x, g.zero))
        power = g.pow(g.select(apart, x, g.one), less)
        if y in g.large and constant is None:  # infinite at x = 0 it is a pole, and not what overflows
            power = g.select(g.node("ne", x, g.zero), g.node("finite", power), power)
        return g.times(v, g.select(apart, n, g.zero), g.like(y, power))

    def exponent(v: int) -> int:
        safe = x if g.is_nonzero(x) else g.select(g.node("ne", x, g.zero), x, g.one)
        if x in g.large:  # a power of what overflows is 0 whatever its exponent is, and so is its slope
            safe = g.select(g.node("ne", y, g.zero), x, g.one)
        return g.times(v, y, g.like(y, g.node("log", safe)))

    return [(0, base), (1, exponent)]


def _atan2(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    a, b = args

    def part(v: int, other: int) -> int:
        return g.div(g.mul(v, other), g.add(_square(g, a), _square(g, b)))

    return [(0, lambda v: part(v, b)), (1, lambda v: g.neg(part(v, a)))]


def _select(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    condition = args[0]
    return [
        (1, lambda v: g.select(condition, v, g.zero)),
        (2, lambda v: g.select(condition, g.zero, v)),
    ]


def _guard(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    # What leaves a guarded value is masked already wherever the guard is closed.
    return [(1, lambda v: v)]


def _limit(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    finite = g.node("lt", g.node("abs", args[0]), g.number(math.inf))
    return [(0, lambda v: g.select(finite, v, g.zero)), (2, lambda v: g.select(finite, g.zero, v))]


def _extreme(stricter: str, weaker: str) -> Rule:
    def rule(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
        a, b = args
        constant = next((k for k in (1, 0) if g.value(args[k]) is not None), None)
        if constant is not None:
            active = g.node(weaker, args[1 - constant], args[constant])
            return [(1 - constant, lambda v: g.select(active, v, g.zero))]
        tie = g.node("eq", a, b)

        def part(v: int, one: int, other: int) -> int:
            half = g.select(tie, g.mul(g.number(0.5), v), g.zero)
            return g.select(g.node(stricter, one, other), v, half)

        return [(0, lambda v: part(v, a, b)), (1, lambda v: part(v, b, a))]

    return rule


def _mod(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    a, b = args
    return [(0, lambda v: v), (1, lambda v: g.neg(g.mul(v, g.node("floor", g.div(a, b)))))]


def _heaviside(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    if len(args) == 1:
        return []
    at_zero = g.node("eq", args[0], g.zero)
    return [(1, lambda v: g.select(at_zero, v, g.zero))]


def _abs(g: Graph, x: int, y: int) -> int:
    return g.node("sign", x)


def _relu(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    return [(0, lambda v: g.select(g.node("gt", args[0], g.zero), v, g.zero))]


def _erf_slope(g: Graph, x: int, y: int) -> int:
    return g.mul(g.number(2 / math.sqrt(math.pi)), g.node("exp", g.neg(_square(g, x))))


def _log_base(base: float) -> Rule:
    return _divided(lambda g, x, y: g.mul(g.number(math.log(base)), x))


def _lookup(g: Graph, y: int, args: tuple[int, ...]) -> list[tuple[int, Linear]]:
    x, key, order = args
    table, above = g.value(key), g.value(order)
    assert table is not None and above is not None, "a table and the order of its derivative are numbers"
    if above + 1 > TABLES[int(table)].degree:
        return []
    return [(0, lambda v: g.times(v, g.node("lookup", x, key, g.number(above + 1))))]


RULES: Mapping[str, Rule] = {
    "add": _add,
    "neg": _neg,
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "atan2": _atan2,
    "select": _select,
    "guard": _guard,
    "guard_not": _guard,
    "finite": lambda g, y, args: [(0, lambda v: v)],
    "apart": lambda g, y, args: [(0, lambda v: v)],
    "limit": _limit,
    "min": _extreme("lt", "le"),
    "max": _extreme("gt", "ge"),
    "mod": _mod,
    "heaviside": _heaviside,
    "relu": _relu,
    "abs": _scaled(_abs),
    "exp": _scaled(lambda g, x, y: y),
    "expm1": _scaled(lambda g, x, y: g.like(y, g.node("exp", x))),
    "log": _divided(lambda g, x, y: x),
    "log1p": _divided(lambda g, x, y: g.add(g.one, x)),
    "log10": _log_base(10),
    "log2": _log_base(2),
    "sqrt": _divided(lambda g, x, y: g.mul(g.number(2), y)),
    "sin": _scaled(lambda g, x, y: g.node("cos", x)),
    "cos": _scaled(lambda g, x, y: g.neg(g.node("sin", x))),
    "tan": _scaled(lambda g, x, y: g.add(g.one, _square(g, y))),
    "cot": _scaled(lambda g, x, y: g.neg(g.add(g.one, _square(g, y)))),
    "asin": _divided(lambda g, x, y: g.node("sqrt", g.sub(g.one, _square(g, x)))),
    "acos": _divided(lambda g, x, y: g.node("sqrt", g.sub(g.one, _square(g, x))), negative=True),
    "atan": _divided(lambda g, x, y: g.add(g.one, _square(g, x))),
    "sinh": _scaled(lambda g, x, y: g.like(y, g.node("cosh", x))),
    "cosh": _scaled(lambda g, x, y: g.like(y, g.node("sinh", x))),
    "tanh": _scaled(lambda g, x, y: g.sub(g.one, _square(g, y))),
    "asinh": _divided(lambda g, x, y: g.node("sqrt", g.add(g.one, _square(g, x)))),
    "acosh": _divided(lambda g, x, y: g.node("sqrt", g.sub(_square(g, x), g.one))),
    "atanh": _divided(lambda g, x, y: g.sub(g.one, _square(g, x))),
    "sigmoid": _scaled(lambda g, x, y: g.mul(y, g.sub(g.one, y))),
    "softplus": _scaled(lambda g, x, y: g.node("sigmoid", x)),
    "erf": _scaled(_erf_slope),
    "gamma": lambda g, y, args: [(0, _times(g, y, g.node("digamma", args[0])))],
    "lgamma": _scaled(lambda g, x, y: g.node("digamma", x)),
    "lookup": _lookup,
    "xlogy": lambda g, y, args: [
        (0, lambda v: g.mul(v, g.node("log", args[1]))),
        (1, lambda v: g.div(g.mul(v, args[0]), args[1])),
    ],
    "exprel": _scaled(lambda g, x, y: g.like(y, g.node("exprel1", x))),
    "exprel1": _scaled(lambda g, x, y: g.like(y, g.node("exprel2", x))),
    "digamma": _scaled(lambda g, x, y: g.node("trigamma", x)),
}
