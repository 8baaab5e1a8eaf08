"""Formulas of arrays over indices: their shapes, and what brings several of them together.

A formula in which an index of `for i in A .. B` stands is an array with an axis for that index, before its
own axes: u[i-1] + u[i+1] is the sum of two slices of u. What lacks an index is repeated along its axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from odec.arrays import Shape, shape_words
from odec.diagnostics import Source, Span
from odec.tree import Expr, Op

Axis = tuple[str, int]
"""An index: its name, and the place of its `for`."""


@dataclass(frozen=True)
class Part:
    """An array of elements over `axes`, in the order of the loops, each of which has a shape.

    factors: of a product.
    """

    expr: Expr
    shape: Shape = ()
    axes: tuple[Axis, ...] = ()
    factors: tuple[Part, ...] = ()

    @property
    def scalar(self) -> bool:
        """Whether it is one number."""
        return not (self.shape or self.axes)


class Refused(Exception):
    """What is wrong with a formula; its arguments are those of a diagnostic."""

    def __init__(self, code: str, message: str, span: Span | None, label: str = "", *notes: str):
        super().__init__(message)
        self.code, self.message, self.span, self.label, self.notes = code, message, span, label, notes


class Unknown(Exception):
    """A formula needs the shape of what was refused already."""


Loops = Mapping[Axis, range]
"""The indices that stand in formulas, the outer ones first, and what they run over."""


def mismatch(node: Op, first: Expr, a: Shape, second: Expr, b: Shape, source: Source) -> Refused:
    """Two shapes that do not go together, told under the operator between them."""
    span, sign = _operator(first, second, source)
    rule = "`@` takes the last axis of the left and the first of the right, of one length"
    both = f"{shape_words(a)} and {shape_words(b)}"
    if node.op == "matmul":
        label = f"{shape_words(a)} @ {shape_words(b)}"
        return Refused("E402", f"{both} have no product", span or node.span, label, rule)
    notes = []
    if len(a) != len(b):
        notes.append("an index says what goes with what: `… = A[i, j] + b[j] for i in …, j in …`")
    what = f"shapes do not go together: {both}"
    return Refused(
        "E402", what, span or node.span, f"{shape_words(a)} {sign or 'and'} {shape_words(b)}", *notes
    )


def _operator(first: Expr, second: Expr, source: Source) -> tuple[Span | None, str]:
    """The sign that stands between two operands, if only that does."""
    if first.span is None or second.span is None or first.span.end > second.span.start:
        return None, ""
    between = source.text[first.span.end : second.span.start]
    sign = between.strip()
    if not sign or len(sign) > 3 or "," in sign:
        return None, ""
    start = first.span.end + between.index(sign)
    return Span(start, start + len(sign)), sign


def repeated(expr: Expr, axis: int, count: int) -> Op:
    """The array along a new axis."""
    return Op("repeat", (expr,), static=(axis, count))


def filled(part: Part, axes: Sequence[Axis], shape: Shape, loops: Loops) -> Expr:
    """The array over all these axes, of that shape for each element."""
    expr = part.expr
    own = [axis for axis in axes if axis in part.axes]
    assert own == list(part.axes)
    if part.scalar:
        whole = (*(len(loops[axis]) for axis in axes), *shape)
        return Op("broadcast", (expr,), static=whole) if whole else expr
    for k, axis in enumerate(axes):
        if axis not in part.axes:
            expr = repeated(expr, k, len(loops[axis]))
    for k, extent in enumerate(() if part.shape else shape):
        expr = repeated(expr, len(axes) + k, extent)
    return expr


def beside(part: Part, axes: Sequence[Axis], shape: Shape, loops: Loops) -> Expr:
    """The same, where a single number may stay as it is."""
    return part.expr if part.scalar else filled(part, axes, shape, loops)


def union(parts: Sequence[Part], loops: Loops) -> tuple[Axis, ...]:
    """The axes of several parts, in the order of the loops."""
    found = {axis for part in parts for axis in part.axes}
    return tuple(axis for axis in loops if axis in found)


def along(parts: Sequence[Expr], axis: int) -> Expr:
    """Arrays of one shape along a new axis."""
    if axis == 0:
        return Op("stack", tuple(parts))
    return Op("concat", tuple(repeated(part, axis, 1) for part in parts), static=(axis,))


def turned(part: Part, dims: Sequence[Axis | None], loops: Loops, span: Span | None) -> Part:
    """A part whose axes (None: of its shape) stand in some order, in that of the loops. Raises Refused."""
    axes = tuple(axis for axis in loops if axis in dims)
    if list(dims) == [*axes, *(None for d in dims if d is None)]:
        return Part(part.expr, part.shape, axes)
    if len(dims) == 2 and len(axes) + len(part.shape) == 2:
        return Part(Op("transpose", (part.expr,), span), part.shape, axes)
    note = "put the indices in the order of `for`, and slices behind them"
    raise Refused("E320", "indices of three axes or more in another order", span, "", note)


def only_axis(rank: int, axis: int) -> tuple[int, ...]:
    """`static` of a reduction along an axis; () where it is the only one."""
    return () if rank == 1 else (axis,)
