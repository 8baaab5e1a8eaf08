"""Derivatives where something infinite is finite again: 1/(1 + K/x), exp(-(n/(3/x))), atan(K/x) at x = 0.

The slope there is 0 times infinity as it stands, but has a limit. It is taken beside the point: what is 0
enters the derivative as x + DISTANCE, which is x itself wherever x is not so near to 0. That is right where
the slope has come to its limit at that distance, so where no power of x between 0 and 1 stands in the formula
(orders.py); elsewhere nothing is done, and the slope is infinite or no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from odec.passes.graph import Graph
from odec.passes.orders import FADING, LIMITED, Env, Order, Orders, joined, number_of, smallest
from odec.passes.powers import never_zero, power
from odec.passes.rules import DERIVATIVE_FREE

_PASSING = frozenset("add neg mul sqrt abs log1p log2 log10 cosh sinh asinh exprel finite".split())
_NONE: frozenset[int] = frozenset()
_FAR = 64.0
_TRIED = (0.35, 0.5, 0.8, 0.99, 1.0, 1.1, 1.3, 1.35, 1.5, 2.0, 3.0, 5.5)
"""Values of an exponent at which it is found out what may be done; the same in between."""

_SCALING = frozenset("mul div neg".split())


def beside(graph: Graph, nodes: Sequence[int]) -> tuple[dict[int, int], dict[int, frozenset[int]]]:
    """Nodes (ascending, with all they are made of) that are to be replaced, each with its copy.

    A copy has the same value; `graph.beside` says what is differentiated in its place. And by node that has
    copies or none the events, things that may be 0, by which it or a slope of it may be infinite.
    """
    found = _Beside(graph, nodes)
    copies = found.run()
    events = {
        copies.get(i, i): frozenset(
            copies.get(e, e) for e in found.poles.get(i, _NONE) | found.roots.get(i, _NONE)
        )
        for i in (*found.poles, *found.roots)
    }
    return copies, events


class _Beside:
    def __init__(self, graph: Graph, nodes: Sequence[int]):
        self.graph, self.nodes = graph, list(nodes)
        self.poles: dict[int, frozenset[int]] = {}
        self.below: dict[int, frozenset[int]] = {}
        self.orders: dict[int, Orders] = {}
        self.roots: dict[int, frozenset[int]] = {}
        self.copies: dict[int, int] = {}
        self.memo: dict[tuple[int, frozenset[tuple[int, int]]], int] = {}

    def run(self) -> dict[int, int]:
        self._find_poles()
        settled = self._settled()
        if settled:
            self._copy(settled)
        return self.copies

    def _find_poles(self) -> None:
        """The events by which each node may be infinite."""
        for i in self.nodes:
            events = self._own_events(i)
            for arg in self._carried(i):
                events |= self.poles.get(arg, _NONE)
            if events:
                self.poles[i] = events
            rooted = self._own_roots(i).union(*(self.roots.get(arg, _NONE) for arg in self.graph.args[i]))
            if rooted:
                self.roots[i] = rooted

    def _carried(self, i: int) -> tuple[int, ...]:
        """The arguments that make the node infinite, or leave it so."""
        op, args = self.graph.ops[i], self.graph.args[i]
        if op in _PASSING or op in ("log", "log2", "log10", "exp", "expm1", "softplus", "relu", "min", "max"):
            return args
        if op in ("select", "guard", "guard_not"):
            return args[1:]
        if op == "div":
            return args[:1]
        if op == "pow":
            exponent = self.graph.value(args[1])
            return args if exponent is None else args[:1] if exponent > 0 else ()
        return ()

    def _own_events(self, i: int) -> frozenset[int]:
        graph, op, args = self.graph, self.graph.ops[i], self.graph.args[i]
        if op == "div":
            return self._zeros(args[1])
        if op in ("log", "log2", "log10"):
            return self._zeros(args[0])
        if op == "pow":
            exponent = graph.value(args[1])
            if exponent is None or exponent < 0:
                return self._zeros(args[0])
        return _NONE

    def _own_roots(self, i: int) -> frozenset[int]:
        op, args = self.graph.ops[i], self.graph.args[i]
        exponent = self.graph.value(args[1]) if op == "pow" else 0.5 if op == "sqrt" else None
        return self._zeros(args[0]) if exponent is not None and 0 < exponent < 1 else _NONE

    def _zeros(self, i: int) -> frozenset[int]:
        """What makes the node 0 where it is 0: factors, and bases of powers."""
        graph, found, stack = self.graph, set[int](), [i]
        while stack:
            j = stack.pop()
            op, args = graph.ops[j], graph.args[j]
            if op in ("guard", "guard_not"):
                stack.append(args[1])
            elif op == "exp" or op == "pow" and not self._moves(args[0]):
                found |= {j} if self._moves(j) else set()  # 0 where it underflows
            elif never_zero(graph, j):
                continue
            elif op == "mul":
                stack.extend(args)
            elif op in ("neg", "abs", "sqrt", "div", "pow"):
                stack.append(args[0])
            elif self._moves(j):
                found.add(j)
        return frozenset(found)

    def _moves(self, i: int) -> bool:
        """Whether the node is more than numbers and parameters."""
        seen, stack = {i}, [i]
        while stack:
            j = stack.pop()
            name = getattr(self.graph.leaf[j], "name", None)
            if name is not None and name not in self.graph.fixed and name not in self.graph.consts:
                return True
            for arg in self.graph.args[j]:
                if arg not in seen:
                    seen.add(arg)
                    stack.append(arg)
        return False

    def _settled(self) -> dict[int, frozenset[int]]:
        """The nodes that may be finite where a part is infinite, or are multiples of one, with the events."""
        graph, found = self.graph, dict[int, frozenset[int]]()
        for i in self.nodes:
            own = self._limits(i) | self._tamed(i)
            for arg in graph.args[i]:
                self.below[i] = self.below.get(i, _NONE) | self.below.get(arg, _NONE)
            if own:
                found[i] = self.below[i] = self.below.get(i, _NONE) | own
            elif graph.ops[i] in _SCALING and self._scales(i, found):
                found[i] = self.below[i]
        return found

    def _scales(self, i: int, found: Mapping[int, frozenset[int]]) -> bool:
        """Whether the node is a multiple of a settled one, and may be taken beside 0 as a whole."""
        args = self.graph.args[i]
        inner = [arg for arg in args if arg in found]
        if len(inner) != 1 or self.graph.ops[i] == "div" and inner[0] != args[0]:
            return False
        orders = [self._orders_of(event) for event in found[inner[0]]]
        if not any(arg in known for known in orders for arg in args if arg != inner[0]):
            return True
        return all(self._is_certain(known[i], {}) for known in orders)

    def _is_certain(self, order: Order | None, env: Env) -> bool:
        """Whether the slope has come to its limit beside the event."""
        least = smallest(self.graph, order, env)
        return least is not None and (least == 1 or least >= 1 + FADING)

    def _tamed(self, i: int) -> frozenset[int]:
        """The events at which a root in the node has an infinite slope, but the node has not."""
        graph, found = self.graph, set[int]()
        if graph.ops[i] not in ("mul", "sqrt", "pow"):
            return _NONE
        for event in self.roots.get(i, _NONE):
            orders = self._orders_of(event)
            order = orders[i]
            if order is None or self.graph.value(order.lead) is not None and not self._is_certain(order, {}):
                continue
            affected = [arg for arg in graph.args[i] if arg in orders]
            rooted = [arg for arg in affected if event in self.roots.get(arg, _NONE)]
            if graph.ops[i] != "mul":
                if event in self._own_roots(i) and graph.ops[graph.args[i][0]] in ("mul", "pow", "div"):
                    found.add(event)
            elif len(affected) > 1 and rooted and any(power(graph, f)[0] != event for f in affected):
                found.add(event)
        return frozenset(found)

    def _orders_of(self, event: int) -> Orders:
        if event not in self.orders:
            self.orders[event] = Orders(self.graph, event)
            self.orders[event].extend(self.nodes)
        return self.orders[event]

    def _limits(self, i: int) -> frozenset[int]:
        """The events at which an argument is infinite and the node need not be."""
        graph, op, args = self.graph, self.graph.ops[i], self.graph.args[i]
        if op in LIMITED:
            return self.poles.get(args[0], _NONE)
        if op in ("min", "max"):
            return _NONE.union(*(self.poles.get(arg, _NONE) for arg in args))
        if op == "div":
            return self.poles.get(args[1], _NONE)
        if op == "pow":
            exponent = graph.value(args[1])
            base = self.poles.get(args[0], _NONE) if exponent is None or exponent < 0 else frozenset()
            return base | self.poles.get(args[1], _NONE)
        return _NONE

    def _copy(self, settled: Mapping[int, frozenset[int]]) -> None:
        graph = self.graph
        for i in self.nodes:
            args = tuple(self.copies.get(arg, arg) for arg in graph.args[i])
            moved = self._distances(i, settled[i]) if i in settled else {}
            if moved:
                twin = self._twin(i, moved)
                self.copies[i] = graph.copy(i, args)
                graph.beside[self.copies[i]] = twin
            elif args != graph.args[i]:
                self.copies[i] = graph.again(i, *args)

    def _distances(self, i: int, events: frozenset[int]) -> dict[int, int]:
        """The events that are taken beside 0 for the node, each as what it is then."""
        found: dict[int, int] = {}
        for event in sorted(events):
            orders = self._orders_of(event)
            if any(other != event and event in self._orders_of(other) for other in events):
                continue
            moved = self._moved(i, event, orders)
            if moved is not None:
                found[event] = moved
        return found

    def _moved(self, i: int, event: int, orders: Orders) -> int | None:
        """The event beside 0, where the node's slope has come to its limit there; else None."""
        graph, order, leads = self.graph, orders[i], self._leads(i, orders)
        if order is None or leads is None:
            return None
        rooted = event in self.roots.get(i, _NONE)
        here = self.copies.get(event, event)
        distance = graph.node("distance", here)
        zero = graph.node("eq", here, graph.zero)
        exponents = orders.exponents & self._below(i)
        if len(exponents) > 1:
            return None
        if not exponents:
            least = smallest(graph, order, {})
            if least is None or not (rooted or _is_infinite(graph, leads, {})):
                return None
            if self._is_certain(order, {}) and not order.only:
                near = graph.node("near", here)
                return graph.node("guard_not", near, here, distance)
            moved = graph.node("guard_not", zero, here, distance)
            return moved if self._is_certain(order, {}) else self._faded(moved, zero, graph.number(least))
        (n,) = exponents
        plain = not (rooted or _is_infinite(graph, leads, {}) or any(graph.ops[k] == "neg" for k in leads))
        found = [self._regime(order, leads, n, sign, rooted, plain) for sign in (1, -1)]
        tests = [regime[0] for regime in found if regime is not None]
        if not tests:
            return None
        test = joined(graph, "or", tests)
        if plain and not order.only:
            return graph.node("add", here, graph.select(test, distance, graph.zero))
        close = zero if order.only else graph.node("near", here)
        near = graph.node("and", close, test)
        moved = graph.node("guard_not", near, here, distance)
        size = graph.node("abs", n)
        powers = [graph.mul(graph.number(r[1]), size) if r[1] else graph.one for r in found if r is not None]
        if set(powers) == {graph.one}:
            return moved
        return self._faded(moved, near, graph.select(graph.node("gt", n, graph.zero), powers[0], powers[-1]))

    def _regime(
        self, order: Order, leads: set[int], n: int, sign: int, rooted: bool, plain: bool
    ) -> tuple[int, float] | None:
        """A condition for an exponent of that sign, and what times |n| the smallest power is; None if never.

        0 in place of that where the slope is finite whatever n is.
        """
        graph = self.graph
        least = smallest(graph, order, {n: sign * _FAR})
        ratio = least / _FAR if least is not None and math.isfinite(least) else 1.0
        sizes = [size / ratio for size in _TRIED]
        envs = [{n: sign * size} for size in sizes]
        met = [rooted or _is_infinite(graph, leads, env) for env in envs]
        powers = [smallest(graph, order, env) for env in envs]
        certain = [self._is_certain(order, env) for env in envs]
        compare = "ge" if sign > 0 else "le"
        alike = all(p is not None and math.isclose(p, size) for p, size in zip(powers, _TRIED, strict=True))
        if not plain and all(met) and (all(certain) or alike):
            bound = graph.number(sign * FADING / ratio)
            return graph.node(compare, n, bound), 0.0 if all(certain) else ratio
        wanted = [k for k, size in enumerate(sizes) if size == 1 or size >= 1 + FADING]
        if not wanted or not all(met[k] and certain[k] for k in wanted):
            return None
        far = graph.node(compare, n, graph.number(sign * (1 + FADING)))
        one = graph.node("eq", n, graph.number(sign))
        return (graph.node("or", one, far) if 1 in sizes else far), 0.0

    def _faded(self, moved: int, near: int, power: int) -> int:
        """The event beside 0, its slope 0, finite or infinite as power is above, at or below 1."""
        copy = self.graph.copy(moved, self.graph.args[moved])
        self.graph.steep[copy] = (near, power)
        return copy

    def _below(self, i: int) -> set[int]:
        seen, stack = {i}, [i]
        while stack:
            for arg in self.graph.args[stack.pop()]:
                if arg not in seen:
                    seen.add(arg)
                    stack.append(arg)
        return seen

    def _leads(self, i: int, orders: Orders) -> set[int] | None:
        """The leads of all that the node is made of."""
        seen, stack, leads = {i}, [i], set[int]()
        while stack:
            j = stack.pop()
            order = orders[j]
            if order is None:
                return None
            leads.add(order.lead)
            for arg in self.graph.args[j]:
                if arg in orders and arg not in seen:
                    seen.add(arg)
                    stack.append(arg)
        return leads

    def _twin(self, i: int, moved: Mapping[int, int]) -> int:
        """The node with the events moved."""
        graph, key = self.graph, frozenset(moved.items())
        orders = [self.orders[event] for event in moved]
        stack = [i]
        while stack:
            j = stack[-1]
            if (j, key) in self.memo:
                stack.pop()
                continue
            if j in moved:
                self.memo[j, key] = moved[j]
            elif graph.ops[j] in DERIVATIVE_FREE or not any(j in known for known in orders):
                self.memo[j, key] = self.copies.get(j, j)
            else:
                kept = 1 if graph.ops[j] in ("select", "guard", "guard_not") else 0
                args = graph.args[j]
                missing = [arg for arg in args[kept:] if (arg, key) not in self.memo]
                if missing:
                    stack.extend(missing)
                    continue
                new = (*args[:kept], *(self.memo[arg, key] for arg in args[kept:]))
                self.memo[j, key] = twin = graph.again(j, *new)
                if graph.ops[j] in ("div", "pow") and not self._own_events(j).isdisjoint(moved):
                    graph.poles.add(twin)
            stack.pop()
        return self.memo[i, key]


def _is_infinite(graph: Graph, leads: set[int], env: Env) -> bool:
    values = [number_of(graph, lead, env) for lead in leads]
    return any(value is not None and (value < 0 or math.isinf(value)) for value in values)
