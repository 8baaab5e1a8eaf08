"""interp(x, xs, ys) and cubic(x, xs, ys): tables whose points are constant arrays."""

from __future__ import annotations

from typing import Any

from odec.arrays import shape_words
from odec.lang.number_files import lookup_of
from odec.lang.parts import Part, Refused
from odec.tree import Op, number


def interpolated(shapes: Any, node: Op, args: tuple[Part, ...]) -> Part:
    """The table of a call, by the Shapes of its model; its points are known when compiled. Raises Refused."""
    name, kind = node.op.partition(":")[2], "cubic" if node.op == "array:cubic" else "linear"
    for raw, arg in zip(node.args[1:], args[1:], strict=True):
        if len(arg.shape) != 1 or arg.axes:
            label = f"it is {shape_words(arg.shape)}"
            raise Refused("E407", f"'{name}' takes two vectors of numbers", raw.span, label)
    if args[1].shape != args[2].shape:
        raise shapes.mismatch(node, node.args[1], args[1].shape, node.args[2], args[2].shape)
    xs, ys = (shapes.numbers(arg.expr, f"a point of '{name}'").tolist() for arg in args[1:])
    own = shapes.tables.setdefault((kind, *xs, *ys), f"{name} {len(shapes.tables) + 1}")
    points = list(zip(xs, ys, strict=True))
    table = lookup_of(own, points, [node.args[1].span] * len(xs), [], node.span, kind, False)
    whole = Op("lookup", (args[0].expr, number(table.key), number(0)), node.span)
    return Part(whole, args[0].shape, args[0].axes)
