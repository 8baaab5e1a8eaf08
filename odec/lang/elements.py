"""Definitions of some elements of an array: that each is defined once, and all of them as one formula."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from odec.arrays import Shape
from odec.diagnostics import Source, Span
from odec.lang.parts import Refused
from odec.tree import Expr, Op

Box = tuple[range, ...]
"""Elements of an array: a range along each axis."""


@dataclass(frozen=True)
class Piece:
    """The formula of the elements of a box: a number for all of them, or an array of its shape.

    span: where it is defined.
    """

    box: Box
    expr: Expr
    scalar: bool
    span: Span | None

    def within(self, box: Box) -> Piece:
        """A part of it."""
        if self.scalar or box == self.box:
            return Piece(box, self.expr, self.scalar, self.span)
        ranges = zip(box, self.box, strict=True)
        static = tuple(f"{r.start - own.start}:{r.stop - own.start}" for r, own in ranges)
        return Piece(box, Op("slice", (self.expr,), self.expr.span, static=static), False, self.span)

    @property
    def array(self) -> Expr:
        """Its elements as an array."""
        if not self.scalar:
            return self.expr
        return Op("broadcast", (self.expr,), static=tuple(map(len, self.box)))


def whole(shape: Shape) -> Box:
    """All elements of a shape."""
    return tuple(range(extent) for extent in shape)


def element(name: str, index: Sequence[int]) -> str:
    """An element as a model names it: u[3, 1]."""
    return f"{name}[{', '.join(map(str, index))}]"


def joined(name: str, pieces: Sequence[Piece], shape: Shape, source: Source, base: Piece | None) -> Expr:
    """All pieces as one array; base: what is taken where there is none. Raises Refused."""
    _check_once(name, pieces, source)
    left = [whole(shape)]
    for piece in pieces:
        left = [part for box in left for part in _without(box, piece.box)]
    if left and base is None:
        count = sum(math.prod(map(len, box)) for box in left)
        first = element(name, [r.start for r in left[0]])
        more = f", nor have {count - 1:,} others" if count > 1 else ""
        lines = ", ".join(_line(p, source) for p in pieces)
        note = f"defined on line{'s' if len(pieces) > 1 else ''} {lines}; {name} has {_sizes(shape)}"
        message = f"{first} has no definition{more}"
        raise Refused("E406", message, pieces[0].span, "the other elements are defined here", note)
    rest = [base.within(box) for box in left] if base is not None else []
    return _joined([*pieces, *rest], whole(shape))


def _sizes(shape: Shape) -> str:
    return f"the elements {', '.join(f'0 .. {extent - 1}' for extent in shape)}"


def _check_once(name: str, pieces: Sequence[Piece], source: Source) -> None:
    for k, piece in enumerate(pieces):
        for other in pieces[:k]:
            common = [_common(a, b) for a, b in zip(piece.box, other.box, strict=True)]
            if all(common):
                first = element(name, [r[0] for r in common])
                message, note = f"{first} is defined twice", f"line {_line(other, source)} defines it first"
                raise Refused("E405", message, piece.span, "defined again", note)


def _line(piece: Piece, source: Source) -> str:
    return str(source.position(piece.span.start)[0]) if piece.span else "?"


def _common(a: range, b: range) -> range:
    return range(max(a.start, b.start), min(a.stop, b.stop))


def _without(box: Box, other: Box) -> Iterator[Box]:
    """What of a box does not belong to another, in boxes."""
    if not all(_common(a, b) for a, b in zip(box, other, strict=True)):
        yield box
        return
    for k, (own, taken) in enumerate(zip(box, other, strict=True)):
        for side in (
            range(own.start, min(own.stop, taken.start)),
            range(max(own.start, taken.stop), own.stop),
        ):
            if side:
                yield (*box[:k], side, *box[k + 1 :])
        box = (*box[:k], _common(own, taken), *box[k + 1 :])


def _joined(pieces: Sequence[Piece], box: Box) -> Expr:
    """Pieces that make up a box, as one array: joined along an axis, else put into zeros and added."""
    if len(pieces) == 1:
        return pieces[0].array
    if len(box) == 1 and all(piece.scalar and len(piece.box[0]) == 1 for piece in pieces):
        ordered = sorted(pieces, key=lambda piece: piece.box[0].start)
        return Op("stack", tuple(piece.expr for piece in ordered))
    for axis in range(len(box)):
        groups = _groups(pieces, axis)
        if len(groups) > 1:
            parts = [_joined(group, _hull(group)) for group in groups]
            return Op("concat", tuple(parts), static=(axis,))
    shape = tuple(map(len, box))
    return Op("add", tuple(_placed(piece, box, shape) for piece in pieces))


def _groups(pieces: Sequence[Piece], axis: int) -> list[list[Piece]]:
    """Pieces that follow one another along an axis; single elements side by side stay together."""
    ordered = sorted(pieces, key=lambda piece: piece.box[axis].start)
    groups = [[ordered[0]]]
    stop = ordered[0].box[axis].stop
    for piece in ordered[1:]:
        ends = piece.box[axis].start >= stop
        stacked = len(piece.box) == 1 and all(p.scalar and len(p.box[0]) == 1 for p in (*groups[-1], piece))
        if ends and not stacked:
            groups.append([])
        groups[-1].append(piece)
        stop = max(stop, piece.box[axis].stop)
    return groups


def _hull(pieces: Sequence[Piece]) -> Box:
    axes = zip(*(piece.box for piece in pieces), strict=True)
    return tuple(range(min(r.start for r in own), max(r.stop for r in own)) for own in axes)


def _placed(piece: Piece, box: Box, shape: Shape) -> Expr:
    index = (f"{r.start - own.start}:{r.stop - own.start}" for r, own in zip(piece.box, box, strict=True))
    return Op("place", (piece.array,), static=(*shape, *index))
