"""What stands on the left of definitions: shapes that are declared, and elements that are defined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from odec.arrays import Shape, shape_words
from odec.diagnostics import Source
from odec.lang.constants import Evaluator
from odec.lang.elements import Box, Piece, joined
from odec.lang.elements import whole as everything
from odec.lang.parts import Axis, Part, Refused, filled, repeated
from odec.lang.shapes import Shapes
from odec.lang.subscripts import Subscripts
from odec.system import Function, Said
from odec.tree import Expr, Op

Key = tuple[str, str, int]
"""A definition: its kind, the name, and the order of an initial value."""

DECLARING = frozenset({"constant", "parameter", "initial"})
"""Kinds of definitions whose first brackets hold sizes, where no `for` stands."""

FOLLOWING = frozenset({"intermediate", "observable"})
"""Those whose shape follows from their formula: brackets hold an index, or the sizes that it has anyway."""


class Definitions:
    """A model's definitions, those of one name as one formula of operations of arrays.

    said: those with an index.
    """

    def __init__(self, source: Source, functions: Mapping[str, Function], said: Mapping[Key, Sequence[Said]]):
        self.source, self._said = source, said
        self.subscripts = Subscripts(Evaluator(functions))
        self.shapes = Shapes(source, self.subscripts, functions)

    def begin(self, said: Said | None = None) -> None:
        """Forget the indices of another statement."""
        self.subscripts.loops.clear()
        self.subscripts.periodic = frozenset(said.periodic if said else ())
        for axis, first, last in said.loops if said else ():
            self.subscripts.open_loop(axis, first, last)

    def shape_of(self, said: Sequence[Said], may_declare: bool) -> Shape:
        """The shape that the first statement declares, or that reaches to the last element of all."""
        if not said:
            return ()
        if may_declare and not any(one.loops for one in said):
            return self.subscripts.shape(said[0].index)
        reach = [0] * len(said[0].index)
        for one in said:
            if len(one.index) != len(reach):
                words = f"{len(one.index)} indices here, {len(reach)} on the first line"
                raise Refused("E402", "definitions of one array with other axes", one.span, words)
            self.begin(one)
            for k, expr in enumerate(one.index):
                reach[k] = max(reach[k], self._reach(expr, one))
        if 0 in reach:
            self._reach_by_value(said[0], reach)
        if 0 in reach:
            note = "an array's shape is declared by `init v[3, 4] = …`, or follows from its indices"
            raise Refused("E404", "a size is not known", said[0].span, "a slice to the end of what?", note)
        return tuple(reach)

    def _reach_by_value(self, said: Said, reach: list[int]) -> None:
        """Of a slice to the end the size that its value has."""
        self.begin(said)
        slices = [k for k, expr in enumerate(said.index) if isinstance(expr, Op) and expr.op == "ends"]
        for k, extent in zip(slices, self.shapes.part(said.expr).shape, strict=False):
            reach[k] = reach[k] or extent

    def _reach(self, expr: Expr, said: Said) -> int:
        """How many elements an index on the left asks for; 0 where it does not say."""
        if isinstance(expr, Op) and expr.op == "ends":
            last = expr.args[1]
            return 0 if isinstance(last, Op) and last.op == "open" else self.subscripts.size(last)
        axis = self.subscripts.axis_of(expr)
        last_one = self.subscripts.whole(expr) if axis is None else max(self.subscripts.values(expr, axis))
        if last_one < 0:
            raise Refused("E403", "an index is not negative", expr.span, f"it is {last_one}")
        return last_one + 1

    def whole(self, key: Key, expr: Expr, shape: Shape | None) -> Part:
        """A definition as one formula; shape: the one that it has to have, if that is known."""
        said = self._said.get(key)
        if said is None:
            self.begin()
            part = self.shapes.part(expr)
            if shape is not None:
                self.fit(key[1], expr, part.shape, shape)
            return part
        sized = self._sized(said[0]) if len(said) == 1 and key[0] in FOLLOWING else None
        if sized is not None:
            return sized
        declares = key[0] in DECLARING and not any(one.loops for one in said)
        shape = self.shape_of(said, declares) if shape is None else shape
        base = None
        if declares:
            self.begin(said[0])
            if self.subscripts.shape(said[0].index) != shape:
                first = shape_words(shape)
                raise Refused("E402", f"the shape of '{key[1]}' is {first}", said[0].span, "another one")
            part = self.shapes.part(said[0].expr)
            self.fit(key[1], said[0].expr, part.shape, shape)
            base = Piece(everything(shape), part.expr, part.scalar, said[0].span)
            said = said[1:]
        pieces = [self._piece(key[1], one, shape) for one in said]
        if base is not None and not pieces:
            return Part(base.array, shape)
        return Part(joined(key[1], pieces, shape, self.source, base), shape)

    def _sized(self, said: Said) -> Part | None:
        """The formula of `obs y[2] = x`, whose shape is just what stands in the brackets; else None."""
        if said.loops:
            return None
        self.begin(said)
        try:
            sizes = self.subscripts.shape(said.index)
        except Refused:
            return None
        part = self.shapes.part(said.expr)
        return Part(part.expr, sizes) if part.shape == sizes else None

    def fit(self, name: str, expr: Expr, found: Shape, wanted: Shape) -> None:
        """Refuse a formula of another shape than its name; a number may be that of all elements."""
        if found and found != wanted:
            declare = f"declare it: `{name}[{', '.join(map(str, found))}]`"
            line = self.shapes.places.get(name)
            notes = (f"line {line} gives '{name}' its shape",) if wanted and line else ()
            notes = notes if wanted else (declare,)
            message = f"'{name}' is {shape_words(wanted)}, and this is {shape_words(found)}"
            raise Refused("E402", message, expr.span, shape_words(found), *notes)

    def _piece(self, name: str, said: Said, shape: Shape) -> Piece:
        """The elements that one statement defines."""
        if len(said.index) > len(shape):
            words = f"{len(said.index)} indices of {shape_words(shape)}"
            raise Refused("E402", f"'{name}' has no so many axes", said.span, words)
        self.begin(said)
        box, dims, consts = self._left(name, said, shape)
        part = self.shapes.part(said.expr)
        own = tuple(len(r) for r, dim in zip(box, dims, strict=True) if dim is None)
        own = tuple(n for n, k in zip(own, self._kept(dims, consts), strict=True) if not k)
        if part.shape and part.shape != own:
            message = f"the elements here are {shape_words(own)} each, and this is {shape_words(part.shape)}"
            raise Refused("E402", message, said.expr.span, shape_words(part.shape))
        if part.scalar:
            return Piece(box, part.expr, True, said.span)
        loops = self.subscripts.loops
        axes = tuple(axis for axis in loops if axis in dims)
        expr = filled(part, axes, own, loops)
        order_left = [d for k, d in enumerate(dims) if k not in consts]
        if order_left != [*axes, *(None for d in order_left if d is None)]:
            if len(order_left) != 2:
                raise Refused("E320", "indices in another order than `for`", said.span, "", "put them in one")
            expr = Op("transpose", (expr,))
        for k in sorted(consts):
            expr = repeated(expr, k, 1)
        return Piece(box, expr, False, said.span)

    @staticmethod
    def _kept(dims: Sequence[Axis | None], consts: set[int]) -> list[bool]:
        """For each axis without an index of `for`, whether a number stands there."""
        return [k in consts for k, dim in enumerate(dims) if dim is None]

    def _left(self, name: str, said: Said, shape: Shape) -> tuple[Box, list[Axis | None], set[int]]:
        """The elements on the left: ranges, the index of `for` along each, and where a number stands."""
        box: list[range] = []
        dims: list[Axis | None] = []
        consts: set[int] = set()
        for k, extent in enumerate(shape):
            expr = said.index[k] if k < len(said.index) else Op("ends", (Op("open", ()), Op("open", ())))
            axis = None if isinstance(expr, Op) and expr.op == "ends" else self.subscripts.axis_of(expr)
            if axis is not None:
                found = self.subscripts.within(expr, axis, extent, f"'{name}'")
                if not (isinstance(found, range) and found.step == 1) or axis in dims:
                    label = "once, and going up by one"
                    raise Refused("E320", "an index on the left goes through the elements", expr.span, label)
                box.append(found)
            else:
                fixed = self.subscripts.fixed(expr, extent, f"'{name}'")
                first, _, last = str(fixed).partition(":")
                if isinstance(fixed, int):
                    consts.add(k)
                    box.append(range(fixed, fixed + 1))
                else:
                    box.append(range(int(first or 0), int(last) if last else extent))
            dims.append(axis)
        missing = next((axis for axis, _, _ in said.loops if axis not in dims), None)
        if missing is not None:
            label = f"`for {missing[0]}`, but no [{missing[0]}] here"
            raise Refused("E320", f"the index '{missing[0]}' is not on the left", said.span, label)
        return tuple(box), dims, consts
