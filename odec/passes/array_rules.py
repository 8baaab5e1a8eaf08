"""Derivative rules of the operations of arrays.

A rule gives, for each argument that the value depends on, two linear maps: one that carries a tangent of the
argument forward to one of the value, and its adjoint, which carries a cotangent of the value back. (Element
by element these are the same map, so rules.py has one.) Of equal largest elements each has its share of the
slope, as max(a, b) gives half to each; the slope of a norm is 0 at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from odec.arrays import Static, axis_of, placed
from odec.passes.graph import Graph

Linear = Callable[[int], int]
Slope = tuple[int, Linear, Linear]
"""The number of an argument, its tangent's map, and its cotangent's."""
Rule = Callable[[Graph, int, tuple[int, ...]], list[Slope]]


def _matmul(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    a, b = args
    ranks = len(g.shapes[a]), len(g.shapes[b])

    def times_b(w: int) -> int:
        if ranks == (1, 1):
            return g.mul(w, b)
        if ranks == (2, 1):
            return g.node("outer", w, b)
        return g.node("matmul", b, w) if ranks[0] == 1 else g.node("matmul", w, g.node("transpose", b))

    def times_a(w: int) -> int:
        if ranks == (1, 1):
            return g.mul(w, a)
        if ranks == (1, 2):
            return g.node("outer", a, w)
        return g.node("matmul", w, a) if ranks[1] == 1 else g.node("matmul", g.node("transpose", a), w)

    return [
        (0, lambda v: g.node("matmul", v, b), times_b),
        (1, lambda v: g.node("matmul", a, v), times_a),
    ]


def _outer(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    a, b = args
    return [
        (0, lambda v: g.node("outer", v, b), lambda w: g.node("matmul", w, b)),
        (1, lambda v: g.node("outer", a, v), lambda w: g.node("matmul", a, w)),
    ]


def _spread(g: Graph, i: int, static: Static) -> Linear:
    """From what was summed to one number, or along an axis, to the shape of node i again."""
    if not static:
        return lambda w: g.spread(w, g.shapes[i])
    axis = axis_of(static)
    return lambda w: g.node("repeat", w, static=(axis, g.shapes[i][axis]))


def _sum(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    static = g.static.get(y, ())
    return [(0, lambda v: g.node("sum", v, static=static), _spread(g, args[0], static))]


def _extreme(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    a, static = args[0], g.static.get(y, ())
    whole = _spread(g, a, static)
    active = g.select(g.node("eq", a, whole(y)), g.one, g.zero)
    count = g.node("sum", active, static=static)
    return [
        (
            0,
            lambda v: g.div(g.node("sum", g.mul(active, v), static=static), count),
            lambda w: g.mul(active, whole(g.div(w, count))),
        )
    ]


def _norm(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    a = args[0]
    there = g.node("ne", y, g.zero)

    def over(v: int) -> int:
        return g.select(there, g.div(v, g.select(there, y, g.one)), g.zero)

    return [(0, lambda v: over(g.node("sum", g.mul(a, v))), lambda w: g.mul(over(w), a))]


def _cumsum(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    axis = g.static[y]

    def back(w: int) -> int:
        turned = g.node("cumsum", g.node("flip", w, static=axis), static=axis)
        return g.node("flip", turned, static=axis)

    return [(0, lambda v: g.node("cumsum", v, static=axis), back)]


def _flip(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    def turned(v: int) -> int:
        return g.node("flip", v, static=g.static[y])

    return [(0, turned, turned)]


def _concat(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    axis, found, start = axis_of(g.static[y]), list[Slope](), 0
    for k, arg in enumerate(args):
        stop = start + g.shapes[arg][axis]
        index = (*[":"] * axis, f"{start}:{stop}")
        found.append((k, *_slice_and_place(g, index, g.shapes[y])[::-1]))
        start = stop
    return found


def _stack(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    return [(k, *_slice_and_place(g, (k,), g.shapes[y])[::-1]) for k in range(len(args))]


def _slice_and_place(g: Graph, index: Static, shape: Sequence[int]) -> tuple[Linear, Linear]:
    whole = (*index, *[":"] * (len(shape) - len(index)))
    return (
        lambda v: g.node("slice", v, static=index),
        lambda w: g.node("place", w, static=(*shape, *whole)),
    )


def _slice(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    return [(0, *_slice_and_place(g, g.static[y], g.shapes[args[0]]))]


def _place(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    shape, index = placed(g.static[y])
    return [(0, *_slice_and_place(g, index, shape)[::-1])]


def _transpose(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    def turned(v: int) -> int:
        return g.node("transpose", v)

    return [(0, turned, turned)]


def _broadcast(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    return [(0, lambda v: g.spread(v, g.shapes[y]), lambda w: g.node("sum", w))]


def _repeat(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    static = g.static[y]
    return [(0, lambda v: g.node("repeat", v, static=static), lambda w: g.node("sum", w, static=static[:1]))]


def _reshape(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    own = g.shapes[args[0]]
    return [
        (
            0,
            lambda v: g.node("reshape", v, static=g.shapes[y]),
            lambda w: g.node("reshape", w, static=own) if own else g.node("sum", w),
        )
    ]


def _external(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    name, *shape = g.static[y]

    def slope(k: int) -> Slope:
        return (
            k,
            lambda v: g.node("external_jvp", *args, v, static=(name, k, *shape)),
            lambda w: g.node("external_vjp", *args, w, static=(name, k)),
        )

    return [slope(k) for k in range(len(args))]


def _external_again(g: Graph, y: int, args: tuple[int, ...]) -> list[Slope]:
    raise NotImplementedError("second derivatives of external nets")


ARRAY_RULES: Mapping[str, Rule] = {
    "matmul": _matmul,
    "transpose": _transpose,
    "outer": _outer,
    "sum": _sum,
    "largest": _extreme,
    "smallest": _extreme,
    "norm": _norm,
    "cumsum": _cumsum,
    "flip": _flip,
    "concat": _concat,
    "stack": _stack,
    "slice": _slice,
    "place": _place,
    "broadcast": _broadcast,
    "repeat": _repeat,
    "reshape": _reshape,
    "arange": lambda g, y, args: [],
    "external": _external,
    "external_vjp": _external_again,
    "external_jvp": _external_again,
}
"""Every operation of arrays but mean, of which the graph makes a sum."""


def array_slopes(graph: Graph, i: int, forward: bool) -> list[tuple[int, Linear]]:
    """The arguments of an operation of arrays, each with its tangent's map or the cotangent's."""
    args = graph.args[i]

    def still(apply: Linear) -> Linear:
        return lambda v: v if v == graph.zero else apply(v)

    slopes = ARRAY_RULES[graph.ops[i]](graph, i, args)
    return [(args[k], still(push if forward else pull)) for k, push, pull in slopes]


def joined(graph: Graph, i: int, tangents: Mapping[int, int]) -> int:
    """The tangent of what concat or stack joins, from those of the arguments that have one."""
    parts = []
    for arg in graph.args[i]:
        tangent, shape = tangents.get(arg, graph.zero), graph.shapes[arg]
        whole = tangent == graph.zero and shape != ()
        parts.append(graph.node("broadcast", tangent, static=shape) if whole else tangent)
    return graph.again(i, *parts)
