"""Arrays as PyTorch code: batch axes first, then an array's own; a scalar beside one gets axes of length 1.

`typed` writes the shapes into a tree, by which the printer's rules here count axes from the end.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from odec.arrays import ARRAY_OPERATIONS, Shape, axis_of, placed
from odec.backends.layout import Call, Chain, Doc, Leaf, flat
from odec.backends.printer import ATOM, PRODUCT, UNARY, Printed, Rule
from odec.passes.program import Layout, Value
from odec.text import python_string
from odec.tree import Expr, Number, Op, Symbol, fold, rule_of


def typed(
    expr: Expr,
    shapes: Mapping[str, Shape],
    is_number: Callable[[Expr], bool],
    wide: Container[str] = (),
) -> Expr:
    """The expression with the shape of each part; scalars beside arrays, but numbers, get axes.

    wide: the names of scalars that have an axis of length 1 already.
    """

    def leaf(node: Number | Symbol) -> Expr:
        if not isinstance(node, Symbol):
            return node
        if node.name in wide:
            return Op("slice", (Symbol(node.name, node.span, (1,)),), node.span, (), (0,))
        return Symbol(node.name, node.span, shapes.get(node.name, ()))

    def combine(node: Op, args: tuple[Expr, ...]) -> Expr:
        shape = rule_of(node.op)([arg.shape for arg in args], node.static)
        if shape and node.op not in ARRAY_OPERATIONS:
            args = _beside(node.op, args, len(shape), is_number, wide)
        return Op(node.op, args, node.span, shape, node.static)

    return fold(expr, leaf, combine)


def _beside(
    op: str, args: tuple[Expr, ...], rank: int, is_number: Callable[[Expr], bool], wide: Container[str]
) -> tuple[Expr, ...]:
    """Arguments beside an array of that rank; the scalars that a sum or product begins with are one."""
    first = next(k for k, arg in enumerate(args) if arg.shape)
    if op in ("add", "mul") and first > 1:
        args = (Op(op, args[:first]), *args[first:])
    ones = (1,) * rank

    def spread(arg: Expr) -> Expr:
        if arg.shape or is_number(arg):
            return arg
        if rank == 1 and isinstance(arg, Op) and arg.op == "slice" and _is_wide(arg.args[0], wide):
            return arg.args[0]
        return Op("broadcast", (arg,), shape=ones, static=ones)

    return tuple(map(spread, args))


def _is_wide(expr: Expr, wide: Container[str]) -> bool:
    return isinstance(expr, Symbol) and expr.name in wide


def widened(exprs: Iterable[Expr], scalars: Container[str]) -> set[str]:
    """Those of the scalars that stand beside vectors alone, in expressions with their shapes."""
    beside, apart = set[str](), set[str]()
    stack = list(exprs)
    while stack:
        expr = stack.pop()
        if isinstance(expr, Symbol):
            apart.add(expr.name)
        elif isinstance(expr, Op):
            alone = expr.op == "broadcast" and expr.static == (1,) and isinstance(expr.args[0], Symbol)
            for arg in expr.args:
                if alone and isinstance(arg, Symbol):
                    beside.add(arg.name)
                else:
                    stack.append(arg)
    return {name for name in beside - apart if name in scalars}


def summed_outer(expr: Expr, like: str) -> Expr:
    """A gradient by shared parameters, of whose outer products the batch is summed at once.

    As it is where it is not made of such products alone. like: the name of the parameters.
    """
    if isinstance(expr, Op) and expr.op in ("add", "neg"):
        args = tuple(summed_outer(arg, like) for arg in expr.args)
        whole = all(new is not old for new, old in zip(args, expr.args, strict=True))
        return Op(expr.op, args, expr.span, expr.shape) if whole else expr
    if isinstance(expr, Op) and expr.op == "outer":
        return Op("outer", (*expr.args, Symbol(like)), expr.span, expr.shape)
    return expr


def column_names(values: Layout) -> list[str]:
    """The text of each value's name in a tuple of columns; those of an array are made of its shape."""
    texts = [(python_string(value.name), value.shape) for value in values]
    return [f"*rt.elements({text}, {', '.join(map(str, shape))})" if shape else text for text, shape in texts]


def in_runs(numbers: Sequence[str]) -> list[str]:
    """Numbers of a tuple, those that are alike side by side as one."""
    runs = [(number, len(list(alike))) for number, alike in groupby(numbers)]
    return [f"*[{number}] * {count}" if count > 2 else ", ".join([number] * count) for number, count in runs]


def unpacked(value: Value, spelt: str, group: str, width: int) -> str:
    """The line that takes a value out of its group's axis of so many columns."""
    start, stop = value.place, value.place + value.size
    if value.shape and value.size == width:
        shaped = f".unflatten(-1, {value.shape})" if len(value.shape) > 1 else ""
        return f"    {spelt} = {group}{shaped}"
    if not value.shape:
        return f"    {spelt} = {group}[..., {start}]"
    shaped = f".unflatten(-1, {value.shape})" if len(value.shape) > 1 else ""
    return f"    {spelt} = {group}[..., {start}:{stop}]{shaped}"


def piece(printer: Any, expr: Expr, value: Value) -> Doc:
    """The columns (..., size) of a value that an expression gives."""
    if printer.is_scalar(expr):
        return Call(f"{printer.anchor}.new_full", (Leaf(f"({value.size},)"), printer.doc(expr)))
    text = flat(printer.doc(expr, ATOM))
    if expr.shape:
        return Leaf(f"{text}.flatten(-{len(expr.shape)})" if len(expr.shape) > 1 else text)
    if value.shape:
        return Call(f"{printer.room}spread", (Leaf(text), Leaf(f"({value.size},)")))
    return Leaf(f"{text}[..., None]")


def _method(name: str) -> Rule:
    """A method of the argument along the axis that goes, or along all."""

    def rule(printer: Any, expr: Op) -> Printed:
        rank = len(expr.args[0].shape)
        axes = [axis_of(expr.static) - rank] if expr.static else [*range(-rank, 0)]
        text = str(axes[0]) if len(axes) == 1 else str(tuple(axes))
        return _after(printer, expr.args[0], f".{name}({text})")

    return rule


def _after(printer: Any, expr: Expr, suffix: str) -> Printed:
    return Leaf(flat(printer.tensor(expr, ATOM)) + suffix), ATOM


def _matmul(printer: Any, expr: Op) -> Printed:
    a, b = expr.args
    name = {(2, 1): "matvec", (1, 2): "vecmat", (1, 1): "dot"}.get((len(a.shape), len(b.shape)))
    if name:
        return _own(name)(printer, expr)
    return Chain(printer.doc(a, UNARY), (("@", printer.doc(b, UNARY)),)), PRODUCT


def _own(name: str) -> Rule:
    return lambda printer, expr: printer.call(f"{printer.room}{name}", *expr.args)


def _outer(printer: Any, expr: Op) -> Printed:
    a, b, *like = expr.args
    shared = [Leaf(one.name) for one in like if isinstance(one, Symbol)]
    return Call(f"{printer.room}outer", (printer.doc(a), printer.doc(b), *shared)), ATOM


def _norm(printer: Any, expr: Op) -> Printed:
    axes = tuple(range(-len(expr.args[0].shape), 0))
    return Call("torch.linalg.vector_norm", (printer.doc(expr.args[0]), Leaf(f"dim={axes}"))), ATOM


def _concat(printer: Any, expr: Op) -> Printed:
    axis = axis_of(expr.static) - len(expr.shape)
    return _joined(printer, "concat", axis, expr)


def _stack(printer: Any, expr: Op) -> Printed:
    if all(printer.is_scalar(arg) for arg in expr.args):
        numbers = ", ".join(flat(printer.doc(arg)) for arg in expr.args)
        return Call(f"{printer.anchor}.new_tensor", (Leaf(f"[{numbers}]"),)), ATOM
    return _joined(printer, "stack", -len(expr.shape), expr)


def _joined(printer: Any, name: str, axis: int, expr: Op) -> Printed:
    parts = Call("", tuple(printer.tensor(arg) for arg in expr.args))
    text = Leaf(f"({flat(parts.args[0])},)") if len(parts.args) == 1 else parts
    return Call(f"{printer.room}{name}", (text, Leaf(str(axis)))), ATOM


def _slice(printer: Any, expr: Op) -> Printed:
    rest = [":"] * (len(expr.args[0].shape) - len(expr.static))
    return _after(printer, expr.args[0], f"[..., {', '.join(map(str, (*expr.static, *rest)))}]")


def _place(printer: Any, expr: Op) -> Printed:
    shape, index = placed(expr.static)
    texts = [_taken(k) for k in index]
    where = f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
    return Call(f"{printer.room}placed", (printer.tensor(expr.args[0]), Leaf(str(shape)), Leaf(where))), ATOM


def _taken(index: int | str) -> str:
    if isinstance(index, int):
        return str(index)
    start, stop = index.split(":")
    return f"slice({start or None}, {stop or None})"


def _broadcast(printer: Any, expr: Op) -> Printed:
    if printer.is_scalar(expr.args[0]):
        return Call(f"{printer.anchor}.new_full", (Leaf(str(expr.static)), printer.doc(expr.args[0]))), ATOM
    if set(expr.static) == {1}:
        return _after(printer, expr.args[0], f"[..., {', '.join(['None'] * len(expr.static))}]")
    return Call(f"{printer.room}spread", (printer.doc(expr.args[0]), Leaf(str(expr.static)))), ATOM


def _repeat(printer: Any, expr: Op) -> Printed:
    axis, count = expr.static
    along = Leaf(str(int(axis) - len(expr.shape)))
    return Call(f"{printer.room}repeated", (printer.tensor(expr.args[0]), along, Leaf(str(count)))), ATOM


def _reshape(printer: Any, expr: Op) -> Printed:
    rank = len(expr.args[0].shape)
    flattened = "[..., None]" if rank == 0 else f".flatten(-{rank})" if rank > 1 else ""
    shaped = "" if len(expr.shape) == 1 else f".unflatten(-1, {expr.shape})" if expr.shape else ".squeeze(-1)"
    return _after(printer, expr.args[0], flattened + shaped)


def _arange(printer: Any, expr: Op) -> Printed:
    like = f"dtype={printer.anchor}.dtype, device={printer.anchor}.device"
    return Call("torch.arange", (Leaf(str(expr.static[0])), Leaf(like))), ATOM


def _external(printer: Any, expr: Op) -> Printed:
    """An external net, or a derivative by one of its arguments."""
    name, *which = expr.static[: 1 if expr.op == "external" else 2]
    parts = [Leaf(python_string(str(name))), *(Leaf(str(k)) for k in which)]
    return Call(f"{printer.room}{expr.op}", (*parts, *map(printer.tensor, expr.args))), ATOM


ARRAY_RULES: Mapping[str, Rule] = {
    "matmul": _matmul,
    "transpose": lambda printer, expr: _after(printer, expr.args[0], ".mT"),
    "outer": _outer,
    "sum": _method("sum"),
    "mean": _method("mean"),
    "largest": _method("amax"),
    "smallest": _method("amin"),
    "norm": _norm,
    "cumsum": _method("cumsum"),
    "flip": _method("flip"),
    "concat": _concat,
    "stack": _stack,
    "slice": _slice,
    "place": _place,
    "broadcast": _broadcast,
    "repeat": _repeat,
    "reshape": _reshape,
    "arange": _arange,
    **dict.fromkeys(("external", "external_vjp", "external_jvp"), _external),
}
