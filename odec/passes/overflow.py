"""Values that may overflow where a later one is finite all the same: the exponential in 1/(1 + exp(z)).

Their derivatives are products of a factor without limit and one that falls to zero: -y/b*e for y = 1/b and
b = 1 + e. The nodes of such sums and products are called large. Rules multiply with a large node through
`Graph.times`, which takes its quotient by a large denominator first, -y*(e/b), and counts an infinite one as
0: what is finite behind it has come to its limit, where the slope is 0. Forward accumulation goes backward
through them (`settled`), since a tangent of e would overflow before it is divided by b.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence

from odec.passes.graph import Graph

_EXPLOSIVE = frozenset("exp expm1 sinh cosh gamma exprel exprel1 exprel2".split())
_CARRIED = {
    **dict.fromkeys("add mul neg abs min max relu sqrt finite".split(), slice(None)),
    **dict.fromkeys("guard guard_not select".split(), slice(1, None)),
    **dict.fromkeys(("div", "pow"), slice(1)),
}
"""Arguments that make the value infinite where they are."""

_SETTLED = frozenset(
    "exp expm1 log log1p log2 log10 sqrt asinh tanh atan atan2 erf sigmoid softplus min max relu".split()
)
"""Operations whose value may be finite, or far smaller, where an argument is infinite."""

_SMALL_POWER = 3.0
_MOST_WORK = 20

Slopes = Callable[[int], Sequence[tuple[int, Callable[[int], int]]]]
"""The nodes that a node depends on, each with its linear map."""


def large(graph: Graph, nodes: Iterable[int]) -> set[int]:
    """The large ones of the nodes (ascending)."""
    ordered = list(nodes)
    explosive: set[int] = set()
    for i in ordered:
        carried = graph.args[i][_CARRIED[graph.ops[i]]] if graph.ops[i] in _CARRIED else ()
        if _explodes(graph, i) or any(arg in explosive for arg in carried):
            explosive.add(i)
    found: set[int] = set()
    for i in reversed(ordered):
        settled = _settles(graph, i, explosive)
        if settled or i in found:
            found.update(arg for arg in graph.args[i] if arg in explosive)
    return found


def _explodes(graph: Graph, i: int) -> bool:
    if i in graph.poles:
        return True
    if graph.ops[i] != "pow":
        return graph.ops[i] in _EXPLOSIVE
    base, exponent = (graph.value(arg) for arg in graph.args[i])
    return exponent is None or base is None and abs(exponent) > _SMALL_POWER


def _settles(graph: Graph, i: int, explosive: Container[int]) -> bool:
    op, args = graph.ops[i], graph.args[i]
    if op == "div":
        return args[1] in explosive
    if op == "pow":
        exponent = graph.value(args[1])
        return exponent is None or exponent < 1
    return op in _SETTLED or op == "mul" and sum(arg in explosive for arg in args) > 1


def affordable(graph: Graph, nodes: Sequence[int]) -> bool:
    """Whether going back through large nodes from each place that uses them costs little more than once."""
    sizes: dict[int, int] = {}
    work = 0
    for i in nodes:
        inner = sum(sizes.get(arg, 0) for arg in graph.args[i])
        if i in graph.large:
            sizes[i] = 1 + inner
        else:
            work += inner
    return work <= _MOST_WORK * len(nodes)


def settled(graph: Graph, i: int, slopes: Slopes, active: Container[int]) -> list[tuple[int, int]]:
    """The nodes before the large ones that the node depends on, each with ∂i/∂node."""
    region, stack = {i: slopes(i)}, [i]
    while stack:
        for arg, _ in region[stack.pop()]:
            if arg in graph.large and arg in active and arg not in region:
                region[arg] = slopes(arg)
                stack.append(arg)
    arrived: dict[int, list[int]] = {i: [graph.one]}
    for j in sorted(region, reverse=True):
        cotangent = graph.add(*arrived.get(j, ()))
        for arg, apply in reversed(region[j]):
            if arg in active:
                arrived.setdefault(arg, []).append(apply(cotangent))
    return [(j, graph.add(*arrived[j][::-1])) for j in sorted(arrived) if j not in region]
