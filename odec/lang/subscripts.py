"""Indices: which elements they take, as slices of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from odec.arrays import Shape, shape_words
from odec.lang.constants import Evaluator, NotConstant
from odec.lang.parts import Axis, Part, Refused, repeated, turned
from odec.tree import Expr, Number, Op, Symbol, fold

MOST_RUNS = 8
"""Pieces that the elements of an index may come in."""

LARGEST = 10_000_000
"""Elements of an array."""

Run = tuple[int, int, int]
"""The first element, how many, and the step to the next: 1, -1 or 0."""


@dataclass
class Subscripts:
    """What indices mean: numbers that are known when compiled, beside those of `for`.

    loops: see `parts.Loops`. periodic: which of them are taken modulo the sizes.
    """

    evaluator: Evaluator
    loops: dict[Axis, range] = field(default_factory=dict)
    periodic: frozenset[Axis] = frozenset()

    def whole(self, expr: Expr, what: str = "an index") -> int:
        """The value of an expression that is a whole number. Raises Refused."""
        try:
            value = self.evaluator.value(_named(expr))
        except NotConstant as error:
            label = f"it depends on '{str(error).split(' ')[0]}'" if str(error) else "it is too long"
            note = "numbers, constants and the indices of `for`"
            raise Refused("E403", f"{what} is not known when compiled", expr.span, label, note) from None
        if not (abs(value) < 1e15 and value == int(value)):
            code = "E404" if what == "a size" else "E403"
            raise Refused(code, f"{what} is a whole number", expr.span, f"it is {value:g}")
        return int(value)

    def size(self, expr: Expr) -> int:
        """A size. Raises Refused."""
        size = self.whole(expr, "a size")
        if not 0 < size <= LARGEST:
            most = f"from 1 to {LARGEST:,}"
            raise Refused("E404", "a size is a positive whole number", expr.span, f"it is {size}", most)
        return size

    def shape(self, sizes: Sequence[Expr]) -> Shape:
        """The shape of a declaration. Raises Refused."""
        for expr in sizes:
            if isinstance(expr, Op) and expr.op == "ends":
                raise Refused("E404", "a slice is no size", expr.span, "a positive whole number")
        shape = tuple(self.size(expr) for expr in sizes)
        count = 1
        for size in shape:
            count *= size
        if count > LARGEST:
            span = sizes[0].span and sizes[0].span.to(sizes[-1].span or sizes[0].span)
            raise Refused("E404", f"more than {LARGEST:,} elements", span, f"{count:,}")
        return shape

    def open_loop(self, axis: Axis, first: Expr, last: Expr) -> None:
        """Begin to know an index. Raises Refused."""
        start, stop = self.whole(first), self.whole(last)
        if stop < start:
            span = first.span and first.span.to(last.span or first.span)
            note = "`A .. B` goes from A to B, both included"
            raise Refused("E403", f"the index '{axis[0]}' takes no value", span, f"{start} .. {stop}", note)
        self.loops[axis] = range(start, stop + 1)

    def axis_of(self, expr: Expr) -> Axis | None:
        """The index of `for` that an index depends on; raises Refused for two."""
        found = axes_in(expr)
        if len(found) > 1:
            names = " and ".join(f"'{name}'" for name, _ in found)
            raise Refused("E320", f"{names} in one index", expr.span, "one index of `for` each")
        return found[0] if found else None

    def values(self, expr: Expr, axis: Axis) -> Sequence[int]:
        """What an index comes to along its axis. Raises Refused."""
        loop, straight = self.loops[axis], self._straight(expr)
        if straight is not None:
            slope, offset = straight
            if slope:
                return range(slope * loop[0] + offset, slope * loop[-1] + offset + slope, slope)
            return [offset] * len(loop)
        name, found = _name(axis), list[int]()
        for k in loop:
            self.evaluator.values[name] = float(k)
            found.append(self.whole(expr))
        del self.evaluator.values[name]
        return found

    def _straight(self, expr: Expr) -> tuple[int, int] | None:
        """Slope and offset of an index that goes straight, else None."""
        if isinstance(expr, Op) and expr.op == "at":
            return 1, 0
        if not axes_in(expr):
            return 0, self.whole(expr)
        if isinstance(expr, Op) and expr.op in ("add", "neg"):
            parts = [self._straight(arg) for arg in expr.args]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                return None
            sign = -1 if expr.op == "neg" else 1
            return sign * sum(a for a, _ in known), sign * sum(b for _, b in known)
        return None

    def taken(self, node: Op, base: Part, source_name: str) -> Part:
        """The elements of a part that the indices behind it name. Raises Refused."""
        index = node.args[1:]
        if len(index) > len(base.shape):
            what = f"{source_name} has {len(base.shape) or 'no'} ax{'is' if len(base.shape) == 1 else 'es'}"
            raise Refused("E402", f"{len(index)} indices of {shape_words(base.shape)}", node.span, what)
        before = len(base.axes)
        static: list[int | str] = [":"] * before
        dims: list[Axis | None] = [*base.axes]
        later: list[tuple[int, list[Run]]] = []
        for expr, extent in zip(index, base.shape, strict=False):
            axis = None if isinstance(expr, Op) and expr.op == "ends" else self.axis_of(expr)
            if axis is None:
                static.append(self.fixed(expr, extent, source_name))
                dims += [None] if isinstance(static[-1], str) else []
                continue
            found = self.within(expr, axis, extent, source_name)
            runs = _runs(found, expr)
            simple = len(runs) == 1 and runs[0][2] == 1
            static.append(_text(runs[0][0], runs[0][1], extent) if simple else ":")
            later += [] if simple else [(len(dims), runs)]
            dims.append(axis)
        dims += [None] * (len(base.shape) - len(index))
        while static and static[-1] == ":":
            static.pop()
        taken: Expr = Op("slice", (base.expr,), node.span, static=tuple(static)) if static else base.expr
        for place, runs in later:
            taken = gathered(taken, place, runs)
        shape = self._left(static, index, base)
        return self._ordered(Part(taken, shape), dims, node)

    def _left(self, static: Sequence[int | str], index: Sequence[Expr], base: Part) -> Shape:
        """What is left of a part's own shape: the slices, and the axes that have no index."""
        before, kept = len(base.axes), list[int]()
        for k, extent in enumerate(base.shape):
            if k >= len(index):
                kept.append(extent)
                continue
            expr = index[k]
            if isinstance(expr, Op) and expr.op == "ends":
                text = static[before + k] if before + k < len(static) else ":"
                first, last = str(text).split(":")
                kept.append((int(last) if last else extent) - int(first or 0))
        return tuple(kept)

    def _ordered(self, part: Part, dims: list[Axis | None], node: Op) -> Part:
        twice = next((axis for axis in dims if axis is not None and dims.count(axis) > 1), None)
        if twice is None:
            return turned(part, dims, self.loops, node.span)
        if dims != [twice, twice]:
            raise Refused(
                "E320", f"the index '{twice[0]}' stands there twice", node.span, "", "once, or in K[i, i]"
            )
        count: Expr = Op("arange", (), static=(len(self.loops[twice]),))
        rows, columns = repeated(count, 1, len(self.loops[twice])), repeated(count, 0, len(self.loops[twice]))
        chosen = Op("select", (Op("eq", (rows, columns)), part.expr, Number(0.0, "0")))
        return Part(Op("sum", (chosen,), node.span, static=(1,)), (), (twice,))

    def fixed(self, expr: Expr, extent: int, name: str) -> int | str:
        """A number, or a slice, that takes elements there are."""
        if isinstance(expr, Op) and expr.op == "ends":
            first, last = (None if isinstance(e, Op) and e.op == "open" else self.whole(e) for e in expr.args)
            start, stop = first or 0, extent if last is None else last
            if not 0 <= start < stop <= extent:
                label = f"{start}:{stop} of 0:{extent}"
                raise Refused("E403", f"{name} has no such elements", expr.span, label, *_wraps(start, stop))
            return _text(start, stop - start, extent)
        value = self.whole(expr)
        if not 0 <= value < extent:
            label = f"{value} is not in 0 .. {extent - 1}"
            raise Refused("E403", f"{name} has no such element", expr.span, label, *_wraps(value))
        return value

    def within(self, expr: Expr, axis: Axis, extent: int, name: str) -> Sequence[int]:
        """The elements that an index takes, one for each value of its axis."""
        found = self.values(expr, axis)
        if min(found) >= 0 and max(found) < extent:
            return found
        if axis in self.periodic:
            return [k % extent for k in found]
        k = next(k for k, value in enumerate(found) if not 0 <= value < extent)
        label = f"{found[k]} at {axis[0]} = {self.loops[axis][k]}, not in 0 .. {extent - 1}"
        note = "give the ends equations of their own, or write `periodic` behind `for`"
        raise Refused("E403", f"{name} has no such element", expr.span, label, note)


def axes_in(expr: Expr) -> list[Axis]:
    """The indices of `for` that stand in an expression."""
    found: dict[Axis, None] = {}
    stack = [expr]
    while stack:
        node = stack.pop()
        if isinstance(node, Op):
            if node.op == "at":
                found[_axis(node)] = None
            stack.extend(node.args)
    return list(found)


def _axis(node: Op) -> Axis:
    name, place = node.static
    return str(name), int(place)


def _name(axis: Axis) -> str:
    return f"{axis[0]} {axis[1]}"


def _named(expr: Expr) -> Expr:
    """An index with symbols in place of the indices of `for`."""
    if not axes_in(expr):
        return expr

    def combine(node: Op, args: tuple[Expr, ...]) -> Expr:
        own = node.op == "at"
        return Symbol(_name(_axis(node)), node.span) if own else Op(node.op, args, node.span, (), node.static)

    return fold(expr, lambda leaf: leaf, combine)


def _wraps(*values: int) -> tuple[str, ...]:
    return ("an index never counts from the end: write `u[n-1]`",) if min(values) < 0 else ()


def _text(start: int, count: int, extent: int) -> str:
    whole = start == 0 and count == extent
    return ":" if whole else f"{start}:{start + count}"


def _runs(values: Sequence[int], expr: Expr) -> list[Run]:
    """Elements as pieces that go up or down by one, or stay. Raises Refused for many."""
    if isinstance(values, range) and values.step in (1, -1):
        return [(values[0], len(values), values.step if len(values) > 1 else 1)]
    runs: list[Run] = []
    for value in values:
        start, count, step = runs[-1] if runs else (0, 0, 0)
        move = value - (start + (count - 1) * step)
        if count == 1 and move in (-1, 0, 1):
            runs[-1] = (start, 2, move)
        elif count > 1 and move == step:
            runs[-1] = (start, count + 1, step)
        else:
            runs.append((value, 1, 1))
        if len(runs) > MOST_RUNS:
            note = "such as `i + 1`, `n - 1 - i`, or `i - 1` with `periodic`"
            raise Refused("E320", "an index goes up or down by one", expr.span, "not this one", note)
    return runs


def gathered(expr: Expr, place: int, runs: Sequence[Run]) -> Expr:
    """The elements along an axis that some runs name."""
    parts: list[Expr] = []
    for start, count, step in runs:
        before = (":",) * place
        if step == 0:
            one = Op("slice", (expr,), static=(*before, start))
            parts.append(repeated(one, place, count))
            continue
        low = start if step > 0 else start - count + 1
        part: Expr = Op("slice", (expr,), static=(*before, f"{low}:{low + count}"))
        parts.append(part if step > 0 else Op("flip", (part,), static=(place,)))
    return parts[0] if len(parts) == 1 else Op("concat", tuple(parts), static=(place,))
