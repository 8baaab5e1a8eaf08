"""Ways to read an array that lies in memory: where its elements begin, and how far apart they are.

Slices, transposes and the like of an array are other ways to read it; nothing is copied for them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from odec.arrays import Shape, Static, bounds


@dataclass(frozen=True)
class View:
    """The elements of an array in C: `name[start + i*strides[0] + …]`, by lane or of shared parameters.

    lane: what picks the present lane's value, "_l", or "_pl" of parameters.
    """

    name: str
    shape: Shape
    strides: tuple[int, ...]
    start: int = 0
    lane: str = "_l"

    @classmethod
    def of(cls, name: str, shape: Shape, start: int = 0, lane: str = "_l") -> View:
        """An array whose elements lie row-major from `start` on."""
        return cls(name, shape, _row_major(shape), start, lane)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_param(self) -> bool:
        return self.lane == "_pl"

    @property
    def contiguous(self) -> bool:
        """Whether its elements lie side by side in their order."""
        own, wanted = self.strides, _row_major(self.shape)
        return all(a == b for a, b, n in zip(own, wanted, self.shape, strict=True) if n > 1)

    @property
    def pointer(self) -> str:
        """Where its first element is, as C."""
        return f"{self.name} + {self.start}" if self.start else self.name

    def at(self, indices: Sequence[str]) -> str:
        """An element, as C; indices: the names of numbers, one an axis."""
        return f"{self.name}[{_summed(self.start, indices, self.strides) or '0'}]{self.lane}"

    def from_row(self, indices: Sequence[str]) -> str:
        """Where the elements of the first indices begin, as C."""
        offset = _summed(self.start, indices, self.strides)
        return f"{self.name} + {offset}" if offset else self.name

    def sliced(self, static: Static) -> View:
        """That of an index for each of the first axes."""
        start, shape, strides = self.start, list[int](), list[int]()
        for index, extent, stride in zip(static, self.shape, self.strides, strict=False):
            first, last = bounds(index, extent)
            start += first * stride
            if isinstance(index, str):
                shape.append(last - first)
                strides.append(stride)
        rest = len(static)
        kept = (*shape, *self.shape[rest:]), (*strides, *self.strides[rest:])
        return replace(self, shape=kept[0], strides=kept[1], start=start)

    def transposed(self) -> View:
        """That of a matrix's columns."""
        return replace(self, shape=self.shape[::-1], strides=self.strides[::-1])

    def flipped(self, axis: int) -> View:
        """That from the end of an axis to its start."""
        strides = list(self.strides)
        start = self.start + strides[axis] * (self.shape[axis] - 1)
        strides[axis] = -strides[axis]
        return replace(self, strides=tuple(strides), start=start)

    def filling(self, shape: Shape) -> View:
        """That of a scalar as every element of a shape."""
        return replace(self, shape=shape, strides=(0,) * len(shape))

    def repeated(self, axis: int, count: int) -> View:
        """That of so many times the same, along a new axis."""
        shape = (*self.shape[:axis], count, *self.shape[axis:])
        return replace(self, shape=shape, strides=(*self.strides[:axis], 0, *self.strides[axis:]))

    def reshaped(self, shape: Shape) -> View:
        """That of another shape; the elements must be `contiguous`."""
        return replace(self, shape=shape, strides=_row_major(shape))


def _summed(start: int, indices: Sequence[str], strides: Sequence[int]) -> str:
    terms = [str(start)] if start else []
    for index, stride in zip(indices, strides, strict=False):
        if stride:
            terms.append(f"{stride}*{index}" if abs(stride) != 1 else f"{'-' * (stride < 0)}{index}")
    return " + ".join(terms).replace("+ -", "- ")


def _row_major(shape: Shape) -> tuple[int, ...]:
    return tuple(math.prod(shape[k + 1 :]) for k in range(len(shape)))


def merged(views: Sequence[View]) -> list[View]:
    """Views of one shape with as few axes as go through the same elements in the same order."""
    shape = list(views[0].shape)
    strides = [list(view.strides) for view in views]
    for axis in reversed(range(len(shape))):
        inner = axis + 1 < len(shape)
        if shape[axis] == 1:
            _drop(shape, strides, axis)
        elif inner and all(own[axis] == shape[axis + 1] * own[axis + 1] for own in strides):
            shape[axis + 1] *= shape[axis]
            _drop(shape, strides, axis)
    return [
        replace(view, shape=tuple(shape), strides=tuple(own))
        for view, own in zip(views, strides, strict=True)
    ]


def _drop(shape: list[int], strides: Sequence[list[int]], axis: int) -> None:
    del shape[axis]
    for own in strides:
        del own[axis]
