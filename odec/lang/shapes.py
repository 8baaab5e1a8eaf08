"""Formulas with arrays: shapes found and checked, and everything written by the operations of `odec.arrays`.

One pass from the leaves up. What has an index of `for` becomes an operation on slices (see parts.py):
formulas do not grow with the sizes of arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from odec.arrays import Shape, ShapeError, shape_words
from odec.diagnostics import Source
from odec.lang.interpolation import interpolated
from odec.lang.nets import Nets
from odec.lang.parts import (
    Axis,
    Part,
    Refused,
    Unknown,
    along,
    beside,
    filled,
    only_axis,
    union,
)
from odec.lang.parts import mismatch as told_mismatch
from odec.lang.subscripts import Subscripts
from odec.system import Function
from odec.tree import Expr, Number, Op, Symbol, fold, number, symbols

_EACH = {"max": "largest", "min": "smallest"}


@dataclass
class Shapes:
    """The shapes of a model's names, and its formulas by operations of arrays.

    shapes: those of arrays. places: the line that gives each name its shape. unknown: names of which
    something was refused. nets: the model's networks. numbers: the values of an array of constants; tables:
    the names of tables that formulas have.
    """

    source: Source
    subscripts: Subscripts
    functions: Mapping[str, Function]
    shapes: dict[str, Shape] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    nets: Nets | None = None
    numbers: Callable[[Expr, str], Any] | None = None
    tables: dict[tuple[object, ...], str] = field(default_factory=dict)

    def part(self, expr: Expr, given: Mapping[str, Part] | None = None) -> Part:
        """An expression by operations of arrays; given: what the arguments of a function are.

        Raises Refused, and Unknown.
        """
        self._open_loops(expr)

        def leaf(node: Number | Symbol) -> Part:
            if isinstance(node, Number):
                return Part(node)
            if given and node.name in given:
                return given[node.name]
            if node.name in self.unknown:
                raise Unknown(node.name)
            return Part(node, self.shapes.get(node.name, ()))

        return fold(expr, leaf, self._operation)

    def _open_loops(self, expr: Expr) -> None:
        """The ranges of what `for` goes over inside the expression, the outer ones first."""
        stack = [expr]
        while stack:
            node = stack.pop()
            if isinstance(node, Op):
                for k, axis in enumerate(axes_of(node)):
                    self.subscripts.open_loop(axis, *node.args[1 + 2 * k : 3 + 2 * k])
                stack.extend(reversed(node.args))

    def _operation(self, node: Op, args: tuple[Part, ...]) -> Part:
        kind, _, name = node.op.partition(":")
        if kind == "net" and self.nets is not None:
            return self.nets.defined(name, node, args)
        if kind == "output" and self.nets is not None:
            return self.nets.output(name, node, args[0])
        if kind == "call":
            return self._call(node, name, args)
        if kind == "for":
            return self._over(name, node, args[0])
        if kind == "draw":
            label = "not in a formula"
            raise Refused("E320", "an initializer is the whole default of a parameter", node.span, label)
        rule = _RULES.get(node.op)
        return self._by_element(node, args) if rule is None else rule(self, node, args)

    def mismatch(self, node: Op, first: Expr, a: Shape, second: Expr, b: Shape) -> Refused:
        """Two shapes that do not go together, with the places of both."""
        told = told_mismatch(node, first, a, second, b, self.source)
        lines = [
            f"`{name}` is {shape_words(self.shapes[name])} by line {self.places[name]}"
            for name in dict.fromkeys(s.name for e in (first, second) for s in symbols(e))
            if name in self.places and name in self.shapes
        ]
        told.notes = (*lines[:4], *told.notes)
        return told

    # Element by element.

    def _beside(self, node: Op, args: tuple[Part, ...]) -> tuple[list[Expr], tuple[Axis, ...], Shape]:
        """The arguments side by side, with their axes and the shape of each element."""
        loops, axes = self.subscripts.loops, union(args, self.subscripts.loops)
        first = next((k for k, arg in enumerate(args) if arg.shape), None)
        for k, arg in enumerate(args):
            if first is not None and arg.shape and arg.shape != args[first].shape:
                pair = node.args[first], args[first].shape, node.args[k], arg.shape
                raise self.mismatch(node, *pair)
        shape = () if first is None else args[first].shape
        return [beside(arg, axes, shape, loops) for arg in args], axes, shape

    def _by_element(self, node: Op, args: tuple[Part, ...]) -> Part:
        exprs, axes, shape = self._beside(node, args)
        kept = all(a is b for a, b in zip(exprs, node.args, strict=True))
        expr = node if kept else Op(node.op, tuple(exprs), node.span, static=node.static)
        return Part(expr, shape, axes, args if node.op == "mul" else ())

    def _index_itself(self, node: Op, args: tuple[Part, ...]) -> Part:
        """The index of `for` as a number."""
        name, place = node.static
        axis = (str(name), int(place))
        loop = self.subscripts.loops[axis]
        count: Expr = Op("arange", (), node.span, static=(len(loop),))
        expr = Op("add", (count, number(loop[0])), node.span) if loop[0] else count
        return Part(expr, (), (axis,))

    # Calls of the model's own functions.

    def _call(self, node: Op, name: str, args: tuple[Part, ...]) -> Part:
        """A function of arrays is written out here; one of numbers stays a call."""
        if self.nets is not None and name in self.nets.nets:
            return self.nets.applied(name, node, args, self.subscripts.loops)
        function = self.functions.get(name)
        if function is None:
            raise Unknown(name)
        given = dict(zip(function.args, args, strict=True))
        found = self.part(function.body, given)
        if found.scalar and all(arg.scalar for arg in args) and found.expr == self._plain(function, args):
            return Part(Op(node.op, tuple(arg.expr for arg in args), node.span))
        return Part(found.expr, found.shape, found.axes)

    def _plain(self, function: Function, args: tuple[Part, ...]) -> Expr:
        """A function's body with the arguments in it, as lowering would write it."""
        env = {name: arg.expr for name, arg in zip(function.args, args, strict=True)}

        def leaf(expr: Number | Symbol) -> Expr:
            return env.get(expr.name, expr) if isinstance(expr, Symbol) else expr

        return fold(
            function.body, leaf, lambda node, parts: Op(node.op, parts, node.span, static=node.static)
        )

    # Indices, lists, products.

    def _taken(self, node: Op, args: tuple[Part, ...]) -> Part:
        span = node.args[0].span
        name = self.source.text[span.start : span.end] if span else "it"
        return self.subscripts.taken(node, args[0], name if len(name) <= 30 else "it")

    def _stacked(self, node: Op, args: tuple[Part, ...]) -> Part:
        _, axes, shape = self._beside(node, args)
        loops = self.subscripts.loops
        if all(arg.scalar for arg in args):
            return Part(Op("stack", tuple(arg.expr for arg in args), node.span), (len(args),))
        exprs = [filled(arg, axes, shape, loops) for arg in args]
        return Part(along(exprs, len(axes)), (len(args), *shape), axes)

    def _joined(self, node: Op, args: tuple[Part, ...]) -> Part:
        axes = union(args, self.subscripts.loops)
        for raw, arg in zip(node.args, args, strict=True):
            if not arg.shape:
                raise Refused("E402", "concat joins arrays, and this is a number", raw.span, "", "[x] is one")
            if arg.shape[1:] != args[0].shape[1:]:
                raise self.mismatch(node, node.args[0], args[0].shape, raw, arg.shape)
        exprs = [filled(arg, axes, arg.shape, self.subscripts.loops) for arg in args]
        shape = (sum(arg.shape[0] for arg in args), *args[0].shape[1:])
        return Part(Op("concat", tuple(exprs), node.span, static=(len(axes),)), shape, axes)

    def _transposed(self, node: Op, args: tuple[Part, ...]) -> Part:
        (part,) = args
        if len(part.shape) != 2:
            note = "the products of all elements of two vectors are outer(a, b)"
            label = f"it is {shape_words(part.shape)}"
            raise Refused("E402", "only a matrix is transposed", node.span, label, note)
        self._no_axes(node, args, ".T")
        return Part(Op("transpose", (part.expr,), node.span), part.shape[::-1])

    def _product(self, node: Op, args: tuple[Part, ...]) -> Part:
        """`@`: of a matrix and vectors that depend on an index, all at once."""
        a, b = args
        ranks = len(a.shape), len(b.shape)
        if not (min(ranks) >= 1 and max(ranks) <= 2 and a.shape[-1] == b.shape[0]):
            raise self.mismatch(node, node.args[0], a.shape, node.args[1], b.shape)
        shape = a.shape[:-1] + b.shape[1:]
        if not (a.axes or b.axes):
            return Part(Op("matmul", (a.expr, b.expr), node.span), shape)
        if ranks == (1, 1):
            expr, axes, _ = self._beside(node, args)
            return Part(Op("sum", (Op("mul", tuple(expr)),), node.span, static=(len(axes),)), (), axes)
        if ranks == (2, 1) and not a.axes and len(b.axes) == 1:
            turned = Op("transpose", (a.expr,))
            return Part(Op("matmul", (b.expr, turned), node.span), shape, b.axes)
        if ranks == (1, 2) and not b.axes and len(a.axes) == 1:
            return Part(Op("matmul", (a.expr, b.expr), node.span), shape, a.axes)
        raise self._refused_axes(node, "a product of matrices")

    def _dot(self, node: Op, args: tuple[Part, ...]) -> Part:
        if any(len(arg.shape) != 1 for arg in args) or args[0].shape != args[1].shape:
            raise self.mismatch(node, node.args[0], args[0].shape, node.args[1], args[1].shape)
        return self._product(node, args)

    def _outer(self, node: Op, args: tuple[Part, ...]) -> Part:
        self._no_axes(node, args, "outer")
        a, b = args
        if len(a.shape) != 1 or len(b.shape) != 1:
            raise self.mismatch(node, node.args[0], a.shape, node.args[1], b.shape)
        return Part(Op("outer", (a.expr, b.expr), node.span), a.shape + b.shape)

    def _no_axes(self, node: Op, args: tuple[Part, ...], what: str) -> None:
        if any(arg.axes for arg in args):
            raise self._refused_axes(node, f"'{what}'")

    def _refused_axes(self, node: Op, what: str) -> Refused:
        note = "name the whole array first: `NAME = …` without an index"
        return Refused("E320", f"{what} of what depends on an index of `for`", node.span, "", note)

    # What goes over elements.

    def _reduced(self, node: Op, args: tuple[Part, ...]) -> Part:
        name = node.op.partition(":")[2]
        part, op = args[0], _EACH.get(name, name)
        if not part.shape:
            label = f"it takes an array, or `{name}(… for i in 0 .. n-1)`"
            raise Refused("E402", f"'{name}' of a number", node.span, label)
        before, rank = len(part.axes), len(part.axes) + len(part.shape)
        if op == "norm" and part.axes:
            raise self._refused_axes(node, "'norm'")
        if len(args) == 1 and not part.axes:
            return Part(Op(op, (part.expr,), node.span))
        chosen = range(len(part.shape)) if len(args) == 1 else [self._axis(node, part)]
        expr = part.expr
        for axis in reversed(chosen):
            expr = Op(op, (expr,), node.span, static=only_axis(rank, before + axis))
            rank -= 1
        shape = tuple(extent for k, extent in enumerate(part.shape) if k not in chosen)
        return Part(expr, shape, part.axes)

    def _axis(self, node: Op, part: Part) -> int:
        """The number behind `axis=`."""
        named = node.args[1]
        axis = self.subscripts.whole(named.args[0] if isinstance(named, Op) else named, "an axis")
        if not 0 <= axis < len(part.shape):
            label = f"of {shape_words(part.shape)}, which has 0 .. {len(part.shape) - 1}"
            raise Refused("E403", f"there is no axis {axis}", named.span, label)
        return axis

    def _cumulated(self, node: Op, args: tuple[Part, ...]) -> Part:
        part = args[0]
        if not part.shape:
            raise Refused("E402", "'cumsum' of a number", node.span, "it takes an array")
        if len(args) == 1 and len(part.shape) > 1:
            label = f"it is {shape_words(part.shape)}: say along which, axis=0"
            raise Refused("E402", "'cumsum' goes along one axis", node.span, label)
        axis = self._axis(node, part) if len(args) > 1 else 0
        return Part(
            Op("cumsum", (part.expr,), node.span, static=(len(part.axes) + axis,)), part.shape, part.axes
        )

    def _counted(self, node: Op, args: tuple[Part, ...]) -> Part:
        count = self.subscripts.size(node.args[0])
        return Part(Op("arange", (), node.span, static=(count,)), (count,))

    def _spaced(self, node: Op, args: tuple[Part, ...]) -> Part:
        """linspace(a, b, n), both ends included."""
        count = self.subscripts.size(node.args[2])
        self._no_axes(node, args, "linspace")
        for raw, arg in zip(node.args[:2], args[:2], strict=True):
            if arg.shape:
                raise Refused("E402", "linspace goes between numbers", raw.span, shape_words(arg.shape))
        first, last = args[0].expr, args[1].expr
        if count == 1:
            return Part(Op("stack", (first,), node.span), (1,))
        share = Op("div", (Op("arange", (), static=(count,)), number(count - 1)))
        width = Op("add", (last, Op("neg", (first,))))
        return Part(Op("add", (first, Op("mul", (width, share))), node.span), (count,))

    # sum(… for i in A .. B)

    def _over(self, name: str, node: Op, body: Part) -> Part:
        for axis in reversed(axes_of(node)):
            if name == "sum":
                body = self._summed(node, body, axis)
            elif axis in body.axes:
                body = self._along(_EACH.get(name, name), node, body, axis)
        return body

    def _along(self, op: str, node: Op, part: Part, axis: Axis) -> Part:
        rank, place = len(part.axes) + len(part.shape), part.axes.index(axis)
        expr = Op(op, (part.expr,), node.span, static=only_axis(rank, place))
        return Part(expr, part.shape, tuple(a for a in part.axes if a != axis))

    def _summed(self, node: Op, part: Part, axis: Axis) -> Part:
        """The sum along an axis; of K[i, j]*x[j] over j the product K @ x, and what lacks j before it."""
        if axis not in part.axes:
            count = number(len(self.subscripts.loops[axis]))
            return Part(Op("mul", (count, part.expr), node.span), part.shape, part.axes)
        inside = [f for f in part.factors if axis in f.axes]
        outside = [f for f in part.factors if axis not in f.axes]
        groups: dict[tuple[Axis, ...], list[Part]] = {}
        for factor in inside:
            groups.setdefault(factor.axes, []).append(factor)
        if part.shape or not inside or (len(groups) != 2 and not outside):
            return self._along("sum", node, part, axis)
        products = [self._times(node, group) for group in groups.values()]
        found = self._contracted(node, products, axis)
        if found is None:
            if not outside:
                return self._along("sum", node, part, axis)
            found = self._along("sum", node, self._times(node, inside), axis)
        return self._times(node, [*outside, found]) if outside else found

    def _times(self, node: Op, factors: list[Part]) -> Part:
        if len(factors) == 1:
            return factors[0]
        exprs, axes, shape = self._beside(node, tuple(factors))
        return Part(Op("mul", tuple(exprs), node.span), shape, axes, tuple(factors))

    def _contracted(self, node: Op, products: list[Part], axis: Axis) -> Part | None:
        """Two factors that have only one index in common, as a product of matrices or vectors."""
        if len(products) != 2 or any(len(p.axes) > 2 or p.shape for p in products):
            return None
        if set(products[0].axes) & set(products[1].axes) != {axis}:
            return None
        order = list(self.subscripts.loops)
        rest = [tuple(a for a in p.axes if a != axis) for p in products]
        if rest[0] and rest[1] and order.index(rest[0][0]) > order.index(rest[1][0]) or not rest[0]:
            products, rest = products[::-1], rest[::-1]
        left, right = products
        a = left.expr if left.axes[-1] == axis else Op("transpose", (left.expr,))
        b = right.expr if right.axes[0] == axis else Op("transpose", (right.expr,))
        return Part(Op("matmul", (a, b), node.span), (), rest[0] + rest[1])


def axes_of(node: Op) -> list[Axis]:
    """The indices of a `for`, the outermost first."""
    if not node.op.startswith("for:"):
        return []
    return [(str(node.static[k]), int(node.static[k + 1])) for k in range(0, len(node.static), 2)]


def refusal(error: ShapeError) -> Refused:
    """What an operation says of its shapes."""
    return Refused("E402", str(error), error.span)


_Rule = Callable[[Shapes, Op, tuple[Part, ...]], Part]
_RULES: Mapping[str, _Rule] = {
    "at": Shapes._index_itself,
    "index": Shapes._taken,
    "ends": lambda shapes, node, args: Part(node),
    "open": lambda shapes, node, args: Part(node),
    "axis": lambda shapes, node, args: Part(node),
    "list": Shapes._stacked,
    "transpose": Shapes._transposed,
    "matmul": Shapes._product,
    "array:stack": Shapes._stacked,
    "array:concat": Shapes._joined,
    "array:dot": Shapes._dot,
    "array:outer": Shapes._outer,
    **{f"array:{name}": Shapes._reduced for name in ("sum", "mean", "norm", "max", "min")},
    "array:cumsum": Shapes._cumulated,
    "array:arange": Shapes._counted,
    "array:linspace": Shapes._spaced,
    "array:interp": interpolated,
    "array:cubic": interpolated,
}
