"""Shapes, and the operations of arrays: what shape comes of them, and their values.

An array has its elements row-major; a scalar is an array of the shape (). What is computed element by element
takes arrays of one shape, and scalars beside them: nothing else broadcasts. The operations of
`ARRAY_OPERATIONS` are those that move, join or sum elements; what they do besides their arguments says
`static`: an axis, an index for each axis (a number, or "start:stop"), a shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from odec.diagnostics import Span

Shape = tuple[int, ...]
Static = tuple[int | str, ...]

EXTERNAL = "nets.external"
"""The parameters of all external nets, as a vector whose length only a Model knows: the last one of p."""


class ShapeError(ValueError):
    """Shapes that do not go together, or an operation that one does not have.

    second: None where `words` say what is wrong with the first. span: of the operation, where it is known.
    """

    def __init__(self, first: Shape, second: Shape | None, span: Span | None = None, words: str = ""):
        shapes = [shape_words(shape) for shape in (first, second) if shape is not None]
        super().__init__(f"{' and '.join(shapes)} {words or 'do not go together'}")
        self.first, self.second, self.span = first, second, span


def shape_words(shape: Shape) -> str:
    """A shape as a model writes it: [16, 4]."""
    return f"[{', '.join(map(str, shape))}]" if shape else "a scalar"


def elementwise(shapes: Sequence[Shape], static: Static = ()) -> Shape:
    """The shape of what is computed element by element: the arguments' own, beside which scalars may stand.

    Raises ShapeError where two differ.
    """
    found: Shape = ()
    for shape in shapes:
        if shape and shape != found:
            if found:
                raise ShapeError(found, shape)
            found = shape
    return found


def axis_of(static: Static) -> int:
    """The axis that an operation goes along."""
    return int(static[0])


def bounds(index: int | str, extent: int) -> tuple[int, int]:
    """From where to where an index goes along an axis of so many elements."""
    if isinstance(index, int):
        return index, index + 1
    start, stop = index.split(":")
    return int(start or 0), int(stop) if stop else extent


def placed(static: Static) -> tuple[Shape, Static]:
    """The shape that `place` fills with zeros, and the index at which it puts its argument."""
    rank = len(static) // 2
    return tuple(int(extent) for extent in static[:rank]), static[rank:]


def _axis(shape: Shape, static: Static) -> int:
    axis = axis_of(static)
    if not 0 <= axis < len(shape):
        raise ShapeError(shape, None, words=f"has no axis {axis}")
    return axis


def _matmul(shapes: Sequence[Shape], static: Static) -> Shape:
    a, b = shapes
    if not (1 <= len(a) <= 2 and 1 <= len(b) <= 2 and a[-1] == b[0]):
        raise ShapeError(a, b)
    return a[:-1] + b[1:]


def _transpose(shapes: Sequence[Shape], static: Static) -> Shape:
    if len(shapes[0]) != 2:
        raise ShapeError(shapes[0], None, words="is no matrix: only matrices are transposed")
    return shapes[0][::-1]


def _outer(shapes: Sequence[Shape], static: Static) -> Shape:
    a, b = shapes
    if len(a) != 1 or len(b) != 1:
        raise ShapeError(a, b, words="are not two vectors, of which an outer product is made")
    return a + b


def _reduced(shapes: Sequence[Shape], static: Static) -> Shape:
    if not shapes[0]:
        raise ShapeError((), None, words="is no array, whose elements these would be")
    if not static:
        return ()
    axis = _axis(shapes[0], static)
    return shapes[0][:axis] + shapes[0][axis + 1 :]


def _along(shapes: Sequence[Shape], static: Static) -> Shape:
    _axis(shapes[0], static)
    return shapes[0]


def _joined(shapes: Sequence[Shape], static: Static) -> Shape:
    first, axis = shapes[0], _axis(shapes[0], static)
    for shape in shapes[1:]:
        if len(shape) != len(first) or any(
            a != b for k, (a, b) in enumerate(zip(first, shape, strict=True)) if k != axis
        ):
            raise ShapeError(first, shape)
    return first[:axis] + (sum(shape[axis] for shape in shapes),) + first[axis + 1 :]


def _stacked(shapes: Sequence[Shape], static: Static) -> Shape:
    for shape in shapes[1:]:
        if shape != shapes[0]:
            raise ShapeError(shapes[0], shape)
    return (len(shapes), *shapes[0])


def _sliced(shapes: Sequence[Shape], static: Static) -> Shape:
    shape, kept = shapes[0], []
    if len(static) > len(shape):
        raise ShapeError(shape, None, words=f"has no {len(static)} axes")
    for axis, index in enumerate(static):
        start, stop = bounds(index, shape[axis])
        if not 0 <= start < stop <= shape[axis]:
            raise ShapeError(shape, None, words=f"has no elements {index} along axis {axis}")
        kept += [stop - start] if isinstance(index, str) else []
    return (*kept, *shape[len(static) :])


def _placed(shapes: Sequence[Shape], static: Static) -> Shape:
    shape, index = placed(static)
    if _sliced([shape], index) != shapes[0]:
        raise ShapeError(_sliced([shape], index), shapes[0])
    return shape


def _broadcast(shapes: Sequence[Shape], static: Static) -> Shape:
    if shapes[0]:
        raise ShapeError(shapes[0], None, words="is no scalar: only scalars are broadcast")
    return tuple(int(extent) for extent in static)


def _repeated(shapes: Sequence[Shape], static: Static) -> Shape:
    axis, count = (int(value) for value in static)
    if not 0 <= axis <= len(shapes[0]):
        raise ShapeError(shapes[0], None, words=f"has no place for axis {axis}")
    return (*shapes[0][:axis], count, *shapes[0][axis:])


def _reshaped(shapes: Sequence[Shape], static: Static) -> Shape:
    shape = tuple(int(extent) for extent in static)
    if math.prod(shape) != math.prod(shapes[0]):
        raise ShapeError(shapes[0], shape, words="have not as many elements")
    return shape


def _numbered(shapes: Sequence[Shape], static: Static) -> Shape:
    return (int(static[0]),)


def _said(shapes: Sequence[Shape], static: Static) -> Shape:
    """Of an external net's value, the shape that the model says."""
    return tuple(int(extent) for extent in static[1:])


def _pulled(shapes: Sequence[Shape], static: Static) -> Shape:
    return shapes[int(static[1])]


def _pushed(shapes: Sequence[Shape], static: Static) -> Shape:
    return tuple(int(extent) for extent in static[2:])


def index_of(static: Static) -> tuple[int | slice, ...]:
    """An index as NumPy and torch take it."""
    return tuple(
        k if isinstance(k, int) else slice(*(int(n) if n else None for n in k.split(":"))) for k in static
    )


def _place(array: Any, static: Static) -> Any:
    import numpy as np

    shape, index = placed(static)
    whole = np.zeros(shape)
    whole[index_of(index)] = array
    return whole


def _values() -> dict[str, Callable[..., Any]]:
    """The values of the operations, of NumPy's arrays and `static`."""
    import numpy as np

    def reduce(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda s, a: function(a, axis=axis_of(s) if s else None)

    return {
        "matmul": lambda s, a, b: a @ b,
        "transpose": lambda s, a: a.T,
        "outer": lambda s, a, b: np.outer(a, b),
        "sum": reduce(np.sum),
        "mean": reduce(np.mean),
        "largest": reduce(np.max),
        "smallest": reduce(np.min),
        "norm": lambda s, a: np.sqrt(np.sum(a * a)),
        "cumsum": lambda s, a: np.cumsum(a, axis_of(s)),
        "flip": lambda s, a: np.flip(a, axis_of(s)),
        "concat": lambda s, *a: np.concatenate(a, axis_of(s)),
        "stack": lambda s, *a: np.stack(a),
        "slice": lambda s, a: a[index_of(s)],
        "place": lambda s, a: _place(a, s),
        "broadcast": lambda s, a: np.full(s, a),
        "repeat": lambda s, a: np.repeat(np.expand_dims(a, axis_of(s)), int(s[1]), axis_of(s)),
        "reshape": lambda s, a: np.reshape(a, s),
        "arange": lambda s: np.arange(float(s[0])),
    }


def by_element(function: Callable[..., float], *args: Any) -> Any:
    """The function's values for arrays of NumPy of one shape, and numbers."""
    import numpy as np

    return np.vectorize(function)(*args)


@dataclass(frozen=True)
class ArrayOperation:
    """An operation of arrays: least and most number of arguments (None: no limit), and the rule of its shape.

    The rule takes the arguments' shapes and `static`, and raises ShapeError.
    """

    name: str
    arity: tuple[int, int | None]
    shape: Callable[[Sequence[Shape], Static], Shape]

    def value(self, static: Static, *args: Any) -> Any:
        """Its value for arrays of NumPy. Raises KeyError for one of an external net."""
        return _values()[self.name](static, *args)


def _table() -> dict[str, ArrayOperation]:
    one, two, several = (1, 1), (2, 2), (1, None)
    rows: list[tuple[str, tuple[int, int | None], Callable[[Sequence[Shape], Static], Shape]]] = [
        ("matmul", two, _matmul),
        ("transpose", one, _transpose),
        ("outer", two, _outer),
        ("sum", one, _reduced),
        ("mean", one, _reduced),
        ("largest", one, _reduced),
        ("smallest", one, _reduced),
        ("norm", one, _reduced),
        ("cumsum", one, _along),
        ("flip", one, _along),
        ("concat", several, _joined),
        ("stack", several, _stacked),
        ("slice", one, _sliced),
        ("place", one, _placed),
        ("broadcast", one, _broadcast),
        ("repeat", one, _repeated),
        ("reshape", one, _reshaped),
        ("arange", (0, 0), _numbered),
        ("external", several, _said),
        ("external_vjp", several, _pulled),
        ("external_jvp", several, _pushed),
    ]
    return {name: ArrayOperation(name, arity, shape) for name, arity, shape in rows}


ARRAY_OPERATIONS: Mapping[str, ArrayOperation] = _table()
"""Every operation of arrays by name.

static: of sum, mean, largest and smallest an axis, or none for all elements; of cumsum, flip and concat the
axis; of slice an index for each of the first axes, of which a number drops its axis; of place the whole
shape, then such an index; of broadcast and reshape the shape; of repeat where the new axis stands, and its
length; of arange the length; of external a net's name and the shape that it gives; of external_vjp its name
and the number of an argument, of external_jvp the shape besides. The arguments of these are the parameters of
all external nets as one vector, and what the net sees; then a cotangent of the value, or a tangent of that
argument.
"""
