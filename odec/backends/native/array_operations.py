"""Operations of arrays in C: those that are another way to read an array, and those that are statements."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from odec.arrays import Static, axis_of, placed
from odec.backends.native.views import View
from odec.tree import Expr, Number, Op, number

ZERO = number(0)

MOVES: Mapping[str, Callable[[View, Static], View]] = {
    "transpose": lambda view, static: view.transposed(),
    "slice": lambda view, static: view.sliced(static),
    "flip": lambda view, static: view.flipped(axis_of(static)),
    "broadcast": lambda view, static: view.filling(tuple(int(n) for n in static)),
    "repeat": lambda view, static: view.repeated(axis_of(static), int(static[1])),
    "reshape": lambda view, static: view.reshaped(tuple(int(n) for n in static)),
}


Statement = Callable[[Any, View, Op], None]
"""It sets elements in memory, by a body (arrays.Body), to the value of an operation of lowered arguments."""


def _matmul(body: Any, target: View, expr: Op) -> None:
    a, b = map(body.named, expr.args)
    if a.is_param and b.is_param:
        a = body.copied(a)
    left = a if len(a.shape) == 2 else a.repeated(0, 1)
    right = b if len(b.shape) == 2 else b.repeated(1, 1)
    if not b.is_param:
        name = "param_product" if a.is_param else "product"
        body.call(name, *_product(left, right), target.pointer)
        return
    rows, columns = left.shape[0], right.shape[1]
    if rows == 1:  # of a vector, as that of the transposed matrix
        body.call("param_product", *_product(right.transposed(), left.transposed()), target.pointer)
        return
    (i,) = body.axes(1)
    one = replace(left.sliced(("0:1",)), start=0).transposed()
    sizes = _product(right.transposed(), replace(one, name=left.from_row((i,))))
    body.call(f"{body.loop_over(i, rows)} param_product", *sizes, f"{target.pointer} + {columns}*{i}")


def _product(a: View, b: View) -> tuple[object, ...]:
    """Sizes, then pointers and strides of two matrices."""
    (rows, inner), columns = a.shape, b.shape[1]
    step = b.strides[1] if columns > 1 else 1
    return rows, inner, columns, a.pointer, *a.strides, b.pointer, b.strides[0], step


def _over(target: View, expr: Op) -> View:
    """The target as it stands for every element of what is reduced to it."""
    shape = expr.args[0].shape
    if not expr.static:
        return target.filling(shape)
    axis = axis_of(expr.static)
    return target.repeated(axis, shape[axis])


def _sum(body: Any, target: View, expr: Op) -> None:
    body.loop(target, ZERO)
    body.loop(_over(target, expr), expr.args[0], sign="+=")


def _mean(body: Any, target: View, expr: Op) -> None:
    _sum(body, target, expr)
    count = math.prod(expr.args[0].shape) // target.size
    body.loop(target, Op("div", (body.symbol(target), number(count)), shape=target.shape))


def _extreme(name: str, start: Expr) -> Statement:
    def statement(body: Any, target: View, expr: Op) -> None:
        whole = _over(target, expr)
        body.loop(target, start)
        body.loop(whole, Op(name, (body.symbol(whole), expr.args[0]), shape=whole.shape))

    return statement


def _norm(body: Any, target: View, expr: Op) -> None:
    element = body.symbol(body.named(expr.args[0]))
    body.loop(target, ZERO)
    body.loop(target.filling(element.shape), Op("mul", (element, element), shape=element.shape), sign="+=")
    body.loop(target, Op("sqrt", (body.symbol(target),), shape=()))


def _cumsum(body: Any, target: View, expr: Op) -> None:
    axis = axis_of(expr.static)
    body.loop(target, expr.args[0])
    if expr.shape[axis] > 1:
        before = target.sliced((*[":"] * axis, f":{expr.shape[axis] - 1}"))
        body.loop(target.sliced((*[":"] * axis, "1:")), body.symbol(before), sign="+=")


def _concat(body: Any, target: View, expr: Op) -> None:
    axis, start = axis_of(expr.static), 0
    for arg in expr.args:
        stop = start + arg.shape[axis]
        body.loop(target.sliced((*[":"] * axis, f"{start}:{stop}")), arg)
        start = stop


def _stack(body: Any, target: View, expr: Op) -> None:
    for k, arg in enumerate(expr.args):
        body.loop(target.sliced((k,)), arg)


def _place(body: Any, target: View, expr: Op) -> None:
    body.loop(target, ZERO)
    body.loop(target.sliced(placed(expr.static)[1]), expr.args[0])


def _arange(body: Any, target: View, expr: Op) -> None:
    (i,) = body.axes(1)
    body.line(f"{body.head(expr.shape)} {target.at((i,))} = (real){i};")


_INFINITE = Number(math.inf, "inf")

STATEMENTS: Mapping[str, Statement] = {
    "matmul": _matmul,
    "sum": _sum,
    "mean": _mean,
    "largest": _extreme("max", Op("neg", (_INFINITE,))),
    "smallest": _extreme("min", _INFINITE),
    "norm": _norm,
    "cumsum": _cumsum,
    "concat": _concat,
    "stack": _stack,
    "place": _place,
    "arange": _arange,
}
