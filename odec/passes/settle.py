"""Derivatives of formulas that no rule knows a limit of: taken at two distances and compared.

Where a slope is not finite though the value is, as that of exp(-log(x)**2) at x = 0, what is near 0 is moved
away from it, by 1e-20 and by 1e-46. Slopes that agree there, or fall to 0 between, have come to their limit;
else the slope stays as it was. Behind a number that overflows, what it enters is at its limit, where the
slope is 0. This costs three derivatives in the place of one: so the formulas are tried at random points when
compiled, and it is done for the smallest parts of them of which it mends some slope.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence

from odec.passes.accumulate import ancestors, jacobian, reverse, slopes_of, varying
from odec.passes.graph import Graph
from odec.passes.rules import DERIVATIVE_FREE
from odec.passes.walk import topological
from odec.tree import Symbol

_EACH, _FEW = 48, 8
_FAR = (800.0, -800.0, 1e60, 40.0, 1e-80)
_MOST_NODES, _MOST_EVENTS, _ROUNDS = 400, 6, 4
_SMOOTH = frozenset("add neg abs min max select guard guard_not apart".split())
"""Operations whose slopes are finite."""
_FLAT = frozenset("relu min max exp softplus".split())
"""Operations that are 0 over a range, and not at a point alone."""


def settle(graph: Graph, outputs: Iterable[int], events: Mapping[int, frozenset[int]]) -> None:
    """Note in `Graph.settled` the slopes of those parts of the outputs whose slopes are found so.

    events: by node, what may be 0 in it so that a part is infinite, or a slope.
    """
    sketch: Graph | None = None
    known: dict[object, dict[int, list[int]]] = {}
    for i in _terms(graph, outputs):
        if _is_long(graph, i):
            continue
        order = topological([i], lambda j: graph.args[j])
        own = sorted({e for j in order for e in events.get(j, ())})
        if len(own) > _MOST_EVENTS or any(graph.shapes[j] for j in order):
            continue
        if own or not graph.large.isdisjoint(order):
            place = {j: k for k, j in enumerate(order)}
            key = (tuple(place[e] for e in own), *(_described(graph, j, place) for j in order))
            if key not in known:
                sketch = sketch or copy.deepcopy(graph)
                found = _Trial(sketch, i, own).run()
                known[key] = {place[part]: [place[e] for e in moved] for part, moved in found.items()}
            for part, moved in known[key].items():
                if order[part] not in graph.settled:
                    graph.settled[order[part]] = _slopes(graph, order[part], [order[e] for e in moved])


def _is_long(graph: Graph, i: int) -> bool:
    """Whether a formula has too many nodes to be tried."""
    seen, stack = {i}, [i]
    while stack and len(seen) <= _MOST_NODES:
        new = [arg for arg in graph.args[stack.pop()] if arg not in seen]
        seen.update(new)
        stack += new
    return len(seen) > _MOST_NODES


def _terms(graph: Graph, outputs: Iterable[int]) -> list[int]:
    """What the outputs are sums of."""
    found: dict[int, None] = {}
    stack = [*dict.fromkeys(outputs)][::-1]
    seen = set(stack)
    while stack:
        i = stack.pop()
        inner = graph.args[i] if graph.ops[i] in ("add", "neg") and i not in graph.beside else ()
        if not inner:
            found[i] = None
        stack.extend(arg for arg in reversed(inner) if arg not in seen)
        seen.update(inner)
    return list(found)


def _described(graph: Graph, i: int, place: Mapping[int, int]) -> object:
    """A node of a formula, but for the names in it."""
    leaf = graph.leaf[i]
    if leaf is None:
        return (graph.ops[i], *(place[arg] for arg in graph.args[i]), i in graph.large, i in graph.beside)
    value = graph.value(i)
    return (_moves(graph, i), graph.is_nonzero(i)) if value is None else value


class _Trial:
    """An output tried at random points, on a graph that is thrown away."""

    def __init__(self, graph: Graph, output: int, events: Sequence[int]):
        from odec.passes.probe import (
            Points,
            exponents_of,
            roots_of,
        )  # and numpy: for what may be singular alone

        nodes = ancestors(graph, [output])
        exponents = exponents_of(graph, nodes)
        names = [i for i in _symbols(graph, output) if _moves(graph, i) and i not in exponents]
        self.graph, self.output, self.events = graph, output, set(events)
        self.zeros: dict[int, set[int]] = {}
        for event in events:
            below = ancestors(graph, [event])
            inner = [i for i in names if i in below and i != event]
            self.zeros[event] = {
                i for i in inner if Points(graph, below, [(i, 0.0)] * _FEW).vanishes(event, below)
            }
            self.events |= self.zeros[event]
        forced = [(i, 0.0) for i in sorted(self.events) for _ in range(_EACH)]
        far = [(i, value) for i in names for value in _FAR if value > 0 or i not in roots_of(graph, nodes)]
        forced += [pair for pair in far for _ in range(_FEW)]
        self.points = Points(graph, nodes, forced)

    def run(self) -> dict[int, set[int]]:
        """The parts of which some slope is mended, each with the events that are moved for it."""
        found: dict[int, set[int]] = {}
        for _ in range(_ROUNDS):
            lost = self._lost(self.output)
            if not lost:
                break
            parts = [i for i in self._smallest(self.output, lost) if i not in found]
            mended = [(i, moved) for i in parts if (moved := self._mended(i)) is not None]
            if not mended and self.output not in found and self.output not in parts:
                moved = self._mended(self.output)
                mended = [] if moved is None else [(self.output, moved)]
            if not mended:
                break
            found |= dict(mended)
        return found

    def _lost(self, i: int) -> set[int]:
        """At which points the node is finite and a slope of it is not."""
        graph, leaves = self.graph, _symbols(self.graph, i)
        slopes = reverse(graph, [(i, graph.one)], leaves)
        slopes += jacobian(graph, [i], leaves)[0].values()
        return self.points.lost(i, list(dict.fromkeys(slopes)), ancestors(graph, [i, *slopes]))

    def _smallest(self, i: int, lost: set[int]) -> list[int]:
        """The smallest parts of a node that have lost a slope at some of the points."""
        found: list[int] = []
        for arg in dict.fromkeys(self.graph.args[i]):
            if self.graph.ops[arg] in DERIVATIVE_FREE:
                continue
            own = self._lost(arg) & lost
            found += self._smallest(arg, own) if own else []
        return found or [i]

    def _mended(self, i: int) -> set[int] | None:
        """The events to be moved for a part, where some slope is found then; noted in the graph."""
        graph, before, below = self.graph, self._lost(i), set(ancestors(self.graph, [i]))
        met = {
            event
            for event in below.intersection(self.events)
            if any(k in before and value == 0 for k, value in self.points.forced.get(event, ()))
        }
        moved = {event for event in met if _is_alone(graph, i, event, met)}
        if any(graph.ops[e] not in _FLAT and moved.isdisjoint(self.zeros.get(e, ())) for e in met - moved):
            return None
        graph.settled[i] = _slopes(graph, i, moved)
        if len(self._lost(i)) < len(before):
            return moved
        del graph.settled[i]
        return None


def _is_alone(graph: Graph, i: int, event: int, others: set[int]) -> bool:
    """Whether the event can be moved, and all else in the node stay."""
    if graph.leaf[event] is not None:
        return True
    inside, outside, stack = set(ancestors(graph, [event])), {i}, [i]
    if not others.isdisjoint(inside - {event}):
        return False
    while stack:
        for arg in graph.args[stack.pop()]:
            if arg != event and arg not in outside:
                outside.add(arg)
                stack.append(arg)
    return not any(_moves(graph, j) for j in inside & outside)


def _moves(graph: Graph, i: int) -> bool:
    """Whether the node is the name of more than a parameter."""
    leaf = graph.leaf[i]
    return isinstance(leaf, Symbol) and graph.value(i) is None and leaf.name not in graph.fixed


def _symbols(graph: Graph, i: int) -> list[int]:
    """The names that the node depends on."""
    return [j for j in ancestors(graph, [i]) if isinstance(graph.leaf[j], Symbol) and graph.value(j) is None]


def _slopes(graph: Graph, i: int, moved: Iterable[int]) -> list[tuple[int, int]]:
    """The names that the node depends on, each with the slope by it, or the limit of that."""
    leaves = _symbols(graph, i)
    here = reverse(graph, [(i, graph.one)], leaves)
    events = sorted(moved)
    first, second = (
        _careful(graph, _moved(graph, i, {e: (k, k + 2)[n % 2] for n, e in enumerate(events)}), leaves)
        for k in (1, 2)
    )
    return [
        (leaf, graph.node("limit", *slopes) if slopes[0] != slopes[2] else slopes[0])
        for leaf, *slopes in zip(leaves, here, first, second, strict=True)
        if any(slope != graph.zero for slope in slopes)
    ]


def _moved(graph: Graph, i: int, distances: Mapping[int, int]) -> int:
    """The node with each event moved away from 0, by one of the distances that `apart` has."""
    found = {event: graph.node("apart", event, graph.number(k)) for event, k in distances.items()}
    for j in ancestors(graph, [i]):
        if j in found or graph.ops[j] in DERIVATIVE_FREE or found.keys().isdisjoint(graph.args[j]):
            continue
        kept = 1 if graph.ops[j] in ("select", "guard", "guard_not") else 0
        args = graph.args[j]
        found[j] = _accurate(graph, graph.ops[j], (*args[:kept], *(found.get(a, a) for a in args[kept:])))
    return found.get(i, i)


def _accurate(graph: Graph, op: str, args: tuple[int, ...]) -> int:
    """The operation; exp(x) - 1 as expm1, log(1 + x) as log1p, a power of exp(x) as exp."""
    if op == "add" and len(args) == 2:
        for one, other in (args, args[::-1]):
            sign = -1 if graph.ops[other] == "neg" else 1
            inner = graph.unsigned(other)
            if graph.value(one) == -sign and graph.ops[inner] == "exp":
                value = graph.node("expm1", *graph.args[inner])
                return value if sign > 0 else graph.node("neg", value)
    if op in ("sqrt", "pow") and graph.ops[args[0]] == "exp":
        exponent = graph.number(0.5) if op == "sqrt" else args[1]
        return graph.node("exp", graph.mul(exponent, *graph.args[args[0]]))
    if op == "log" and graph.ops[args[0]] == "add" and len(graph.args[args[0]]) == 2:
        for one, other in (graph.args[args[0]], graph.args[args[0]][::-1]):
            if graph.value(one) == 1:
                return graph.node("log1p", other)
    return graph.node(op, *args)


def _careful(graph: Graph, y: int, leaves: Sequence[int]) -> list[int]:
    """∂y/∂a for each leaf a, where what has no part in y has none by an infinite slope either."""
    nodes = ancestors(graph, [y], differentiated=True)
    active = varying(graph, nodes, leaves)
    arrived = {y: [graph.one]}
    for i in reversed(nodes):
        if i not in active or i not in arrived or i in leaves:
            continue
        cotangent = graph.add(*arrived[i])
        for arg, apply in reversed(slopes_of(graph, i)):
            if arg in active:
                slope = apply(cotangent)
                if graph.ops[i] not in _SMOOTH:
                    for factor in (apply(graph.one), cotangent):
                        if not graph.is_nonzero(factor):
                            slope = graph.select(graph.node("ne", factor, graph.zero), slope, graph.zero)
                arrived.setdefault(arg, []).append(slope)
    return [graph.add(*arrived.get(leaf, ())) for leaf in leaves]
