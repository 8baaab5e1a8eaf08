"""How parts of a formula behave where something they are made of goes to 0: as which powers of it.

Near a point where e = 0, an event, a part is a*e**lead + b*e**(lead + gap) + …, with factors that are
generic. lead < 0: it is infinite there. Exponents that the model has as parameters make leads and gaps
expressions; both are nodes of the graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from odec.passes.graph import Graph
from odec.passes.rules import DERIVATIVE_FREE

LIMITED = frozenset("exp expm1 tanh sigmoid erf atan softplus relu".split())
"""Functions that may be finite where their argument is infinite."""

_ODD = frozenset("expm1 tanh erf atan sin tan sinh asin asinh atanh log1p relu".split())
_SMOOTH = _ODD | LIMITED | frozenset("cos cosh exprel acos digamma gamma lgamma".split())
"""Functions with a power series at 0; the odd ones are 0 there."""


@dataclass(frozen=True)
class Order:
    """The powers of an event in a part.

    flat: an exponential of something infinite is in it; lead is inf for that itself, which may be infinite
    beyond all powers as well. log: it has this multiple of the event's logarithm as a term. only: what is
    said holds at 0 itself, where it is finite, as for relu(-1/e).
    """

    lead: int
    gaps: frozenset[int] = frozenset()
    flat: bool = False
    log: int | None = None
    only: bool = False

    def inverse(self, graph: Graph) -> Order:
        return replace(self, lead=graph.neg(self.lead))


class Orders:
    """The orders of nodes by one event; None where they are not known. exponents: not numbers."""

    def __init__(self, graph: Graph, event: int):
        self._graph = graph
        self._found: dict[int, Order | None] = {event: Order(graph.one)}
        self.exponents: set[int] = set()

    def __contains__(self, i: int) -> bool:
        return i in self._found

    def __getitem__(self, i: int) -> Order | None:
        return self._found.get(i, Order(self._graph.zero))

    def extend(self, nodes: Iterable[int]) -> None:
        """Find those of the nodes (ascending) that depend on the event."""
        graph = self._graph
        for i in nodes:
            if i in self._found or self._found.keys().isdisjoint(graph.args[i]):
                continue
            if graph.ops[i] not in DERIVATIVE_FREE:
                order = self._order(i)
                parts = [self[arg] for arg in graph.args[i]]
                if order is not None and any(part is not None and part.only for part in parts):
                    order = replace(order, only=True)
                self._found[i] = order

    def _order(self, i: int) -> Order | None:
        graph, op = self._graph, self._graph.ops[i]
        args = graph.args[i][1:] if op in ("select", "guard", "guard_not") else graph.args[i]
        orders = [self[arg] for arg in args]
        known = [order for order in orders if order is not None]
        if len(known) < len(orders):
            return None
        if any(order.log is not None for order in known):
            return self._logarithmic(i, args, known)
        if op in ("neg", "abs", "guard", "guard_not", "finite"):
            return known[0]
        if op == "add":
            return self._sum(known)
        if op in ("mul", "div"):
            return self._product(known, op == "div")
        if op == "log" and known[0].lead != graph.zero and not known[0].flat:
            return Order(graph.zero, known[0].gaps, log=known[0].lead)
        if op == "sqrt":
            return self._power(known[0], graph.number(0.5))
        if op == "pow":
            return self._power(known[0], args[1]) if args[1] not in self else None
        if op in ("min", "max", "select"):
            return self._either(known, graph.args[i][0] if op == "select" else None)
        if op in ("log", "log2", "log10"):
            return known[0] if known[0].lead == graph.zero and not known[0].flat else None
        return self._function(op, known[0]) if op in _SMOOTH else None

    def _logarithmic(self, i: int, args: tuple[int, ...], orders: list[Order]) -> Order | None:
        """The order of what is made of c*log(e), and of its exponential, which is a power."""
        graph, op = self._graph, self._graph.ops[i]
        logs = [order.log for order in orders]
        if any(order.lead != graph.zero or order.flat for order in orders):
            return None
        gaps = frozenset[int]().union(*(order.gaps for order in orders))
        found = [log for log in logs if log is not None]
        if op in ("add", "neg", "guard", "guard_not"):
            total = graph.neg(found[0]) if op == "neg" else self._total(found)
            return Order(graph.zero, gaps, log=total)
        if op in ("mul", "div") and sum(arg in self for arg in args) == 1:
            others = [arg for arg in args if arg not in self]
            if op == "div":
                return None if args[1] in self else Order(graph.zero, gaps, log=graph.div(found[0], args[1]))
            self.exponents |= {graph.unsigned(arg) for arg in others if graph.value(arg) is None}
            return Order(graph.zero, gaps, log=graph.mul(*others, found[0]))
        if op == "exp":
            return Order(found[0], gaps)
        if op == "sigmoid":
            return self._sum([Order(graph.zero), Order(graph.neg(found[0]), gaps)]).inverse(graph)
        return None

    def _sum(self, orders: list[Order]) -> Order:
        lead = self.least(order.lead for order in orders)
        gaps = frozenset[int]().union(*(order.gaps for order in orders))
        apart = {self.difference(order.lead, lead) for order in orders} - {self._graph.zero}
        return Order(lead, gaps | apart, any(order.flat for order in orders))

    def _product(self, orders: list[Order], quotient: bool) -> Order:
        gaps = frozenset[int]().union(*(order.gaps for order in orders))
        leads = [order.lead for order in orders]
        lead = self.difference(*leads) if quotient else self._total(leads)
        return Order(lead, gaps, any(order.flat for order in orders))

    def _power(self, base: Order, exponent: int) -> Order:
        graph = self._graph
        values = graph.value(base.lead), graph.value(exponent)
        if values[0] is not None and values[1] is not None:
            return Order(graph.number(values[0] * values[1] if values[1] else 0), base.gaps, base.flat)
        if values[0] is not None and values[0] in (0, math.inf, -math.inf):
            return base
        if values[1] is None:
            self.exponents.add(graph.unsigned(exponent))
        return Order(graph.mul(base.lead, exponent), base.gaps, base.flat)

    def _either(self, orders: list[Order], condition: int | None) -> Order | None:
        """The order of one of several; one that is infinite is not taken where the value is finite."""
        graph = self._graph
        gaps = frozenset[int]().union(*(order.gaps for order in orders))
        flat = any(order.flat for order in orders)
        leads = [order.lead for order in orders]
        if len(set(leads)) == 1:
            return Order(leads[0], gaps, flat)
        if condition is not None:
            return Order(graph.select(condition, *leads), gaps, flat)
        values = [graph.value(lead) for lead in leads]
        kept = {value for value in values if value is not None and value >= 0}
        if None in values or len(kept) != 1:
            return None
        return Order(graph.number(kept.pop()), gaps, flat, only=True)

    def _function(self, op: str, arg: Order) -> Order | None:
        graph = self._graph
        value = graph.value(arg.lead)
        if value is None:
            return self._of_either(op, arg)
        if value < 0 or arg.flat:
            if op == "atan":
                return Order(graph.zero, arg.gaps | {graph.number(-value)} - {graph.zero}, arg.flat)
            if op in ("softplus", "relu"):  # 0, or infinite as its argument
                return Order(graph.number(math.inf), frozenset(), True, only=True)
            if op in ("cosh", "sinh"):
                return Order(graph.number(-math.inf), frozenset(), True)
            if op == "exp":
                return Order(graph.number(math.inf), frozenset(), True)
            return Order(graph.zero, frozenset(), True) if op in LIMITED else None
        if value == 0:
            return arg
        return arg if op in _ODD else Order(graph.zero, arg.gaps | {arg.lead})

    def _of_either(self, op: str, arg: Order) -> Order | None:
        """The order of a function whose argument may be 0 or infinite, by an unknown exponent."""
        graph = self._graph
        if op == "relu":
            return Order(graph.node("max", arg.lead, graph.zero), arg.gaps, True, only=True)
        if op not in LIMITED:
            return None
        if op in _ODD:
            gaps = {graph.node("abs", arg.lead)} if op == "atan" else set()
            return Order(graph.node("max", arg.lead, graph.zero), arg.gaps | gaps, True)
        return Order(graph.zero, arg.gaps | {arg.lead}, True, only=op == "softplus")

    def least(self, leads: Iterable[int]) -> int:
        graph, distinct = self._graph, list(dict.fromkeys(leads))
        numbers = [value for lead in distinct if (value := graph.value(lead)) is not None]
        found = [lead for lead in distinct if graph.value(lead) is None]
        found = [graph.number(min(numbers)), *found] if numbers else found
        least = found[0]
        for lead in found[1:]:
            least = graph.node("min", least, lead)
        return least

    def difference(self, a: int, b: int) -> int:
        graph = self._graph
        values = graph.value(a), graph.value(b)
        if values[0] is not None and values[1] is not None:
            return graph.zero if a == b else graph.number(values[0] - values[1])
        for sign, value in zip((1, -1), values, strict=True):
            if value is not None and math.isinf(value):
                return graph.number(sign * value)
        return graph.zero if a == b else graph.sub(a, b)

    def _total(self, leads: list[int]) -> int:
        graph = self._graph
        number = sum(value for lead in leads if (value := graph.value(lead)) is not None)
        if not math.isfinite(number):
            return graph.number(math.inf if number > 0 else -math.inf)
        return graph.add(graph.number(number), *(lead for lead in leads if graph.value(lead) is None))


Env = Mapping[int, float]
"""Values of exponents that are not numbers."""


def smallest(graph: Graph, order: Order | None, env: Env) -> float | None:
    """The smallest positive power in it, inf without one; None where it is infinite or nothing is known.

    None too where a power is so near to 0, or to that of a finite slope, that it does not fade at DISTANCE.
    """
    if order is None or order.log is not None:
        return None
    lead, gaps = number_of(graph, order.lead, env), [number_of(graph, gap, env) for gap in order.gaps]
    if lead is None or lead < 0:
        return None
    powers = [lead] if lead > 0 else []
    for gap in gaps:
        if gap is None:
            return None
        powers += [lead + gap] if gap > 0 else []
    least = min(powers, default=math.inf)
    blurred = least == 1 and any(1 < power < 1 + FADING for power in powers)
    return None if least < FADING or blurred else least


FADING = 0.35
"""A power whose value at the distance DISTANCE is less than rounding."""


def number_of(graph: Graph, i: int, env: Env) -> float | None:
    """The value of an exponent."""
    value = env.get(i, graph.value(i))
    if value is not None:
        return value
    args = [number_of(graph, arg, env) for arg in graph.args[i]]
    known = [arg for arg in args if arg is not None]
    if not args or len(known) < len(args) or graph.ops[i] not in _EXPONENTS:
        return None
    return _EXPONENTS[graph.ops[i]](known)


_EXPONENTS: Mapping[str, Callable[[list[float]], float]] = {
    "add": sum,
    "mul": math.prod,
    "div": lambda v: v[0] / v[1],
    "neg": lambda v: -v[0],
    "abs": lambda v: abs(v[0]),
    "min": min,
    "max": max,
}


def joined(graph: Graph, op: str, conditions: list[int]) -> int:
    return conditions[0] if len(conditions) == 1 else graph.node(op, *conditions)
