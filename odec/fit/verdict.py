"""What the Jacobian at the end of a fit says: whether it is a minimum, and what the data do not determine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from odec.accuracy import percent

MINIMUM = "converged: the values are at a minimum"
MET = "converged: the data are met to rounding"

STEP = 1e-3
"""A Gauss-Newton step that changes no parameter by a larger part of its size leaves a minimum."""

GAIN = 1e-8
"""… and the same for the part of the sum of squares that the step promises to take away."""

STILL = 1e-8
"""A Gauss-Newton step that changes no parameter by a larger part of its size is none, whatever it gains."""

IDLE = 1e-12
"""A parameter whose change by its size moves the curve by a smaller part of the data has no influence."""

AT_BOUND = 1e-6
"""The same beside the residuals, for a parameter between its value and its bound."""

NEAR = 0.05
"""A promised gain below which the scatter about the curve is that of the data, converged or not."""

RUN_AWAY = 1e6
"""A parameter that grew by this factor has run away."""


SINGULAR, NEARLY = 1e-10, 1e-6
"""Singular values of the Jacobian, its columns scaled to one norm, below this part of the largest."""

FAINT = 1e-3
"""The same beside the scatter of one measurement, for a parameter that hardly matters."""


class Step(NamedTuple):
    """A Gauss-Newton step: parts (k,) of the parameters' sizes, gain: the part of the loss that it promises
    to take away, singular: how many directions it leaves out."""

    parts: np.ndarray
    gain: float
    singular: int


@dataclass(frozen=True)
class Local:
    """A least-squares problem near the point where a fit ended.

    names: the k parameters. r (M,): residuals. effects (M, k): how they change when a parameter changes by
    its own size (its distance to its bound), along θ. sizes (k,): those sizes in θ. values, start: natural.
    bounds: the bound in the direction in which the sum of squares falls, inf or nan where there is none.
    loss: r·r and what no parameter changes; of a likelihood, whose r have variance 1, how many they are.
    data_norm: ‖measurements‖. precision: of the residuals, relative.
    """

    names: tuple[str, ...]
    r: np.ndarray
    effects: np.ndarray
    sizes: np.ndarray
    values: np.ndarray
    start: np.ndarray
    bounds: np.ndarray
    loss: float
    count: int
    data_norm: float
    precision: float
    likelihood: bool = False

    @property
    def noise(self) -> float:
        """How well the norm of the residuals is known."""
        return 64 * self.precision * self.data_norm

    @property
    def scatter(self) -> float:
        """The standard deviation of one measurement about the curve."""
        free = max(self.count - len(self.names), 1)
        return float(np.sqrt(self.loss / free))

    @cached_property
    def influence(self) -> np.ndarray:
        """‖change of the curve‖ when each parameter changes by its own size, (k,)."""
        return np.linalg.norm(self.effects, axis=0)

    @cached_property
    def idle(self) -> np.ndarray:
        """Which parameters have no influence here, (k,)."""
        return self.influence <= IDLE * self.data_norm

    @cached_property
    def on_bound(self) -> np.ndarray:
        """Which have come to a bound and would go beyond it, (k,)."""
        near = np.abs(self.values - self.bounds) <= 1e-3 * np.abs(self.start - self.bounds)
        return np.isfinite(self.bounds) & near & (self.influence <= AT_BOUND * np.sqrt(self.loss))

    @cached_property
    def run_away(self) -> np.ndarray:
        """Which have grown without end, (k,)."""
        return np.abs(self.values) > RUN_AWAY * np.maximum(np.abs(self.start), 1e-300)

    @cached_property
    def moving(self) -> np.ndarray:
        """Which parameters a Gauss-Newton step could still move, (k,)."""
        gone = self.run_away & (self.influence <= AT_BOUND * np.sqrt(self.loss))
        return ~(self.idle | self.on_bound | gone)

    @cached_property
    def faint(self) -> np.ndarray:
        """Which hardly move the curve beside the scatter of one measurement, (k,)."""
        return self.influence <= FAINT * self.scatter

    @cached_property
    def step(self) -> Step:
        """The Gauss-Newton step of the parameters that can move."""
        return self._step(self.moving)

    def _step(self, moving: np.ndarray, cut: float = SINGULAR) -> Step:
        parts = np.zeros(len(self.names))
        if not moving.any() or self.loss == 0:
            return Step(parts, 0.0, 0)
        norms = self.influence[moving]
        u, sizes, v = np.linalg.svd(self.effects[:, moving] / norms, full_matrices=False)
        there = sizes > max(cut, 1e3 * self.precision) * sizes[0]
        along = u.T[there] @ self.r
        parts[moving] = -(v[there].T @ (along / sizes[there])) / norms
        return Step(parts, float(along @ along) / self.loss, int(moving.sum() - there.sum()))

    @cached_property
    def minimum(self) -> bool:
        """Whether no Gauss-Newton step of the parameters that can move is worth taking."""
        return self._idle(self.step)

    @cached_property
    def plateau(self) -> bool:
        """Whether that is so but for parameters that hardly move the curve."""
        return not self.minimum and self._idle(self._step(self.moving & ~self.faint))

    @property
    def near(self) -> bool:
        """Whether the sum of squares is so near its least that it tells the scatter of the data."""
        return self.minimum or self.plateau or bool(self.degenerate) or self.step.gain <= NEAR

    @cached_property
    def degenerate(self) -> tuple[str, ...]:
        """The parameters of nearly singular directions, where nothing but a step along those is left."""
        if self.minimum or self.plateau or not self._idle(self._step(self.moving, NEARLY)):
            return ()
        _, sizes, v = np.linalg.svd(self.effects[:, self.moving] / self.influence[self.moving])
        null = np.append(sizes, np.zeros(len(v) - len(sizes))) <= NEARLY * sizes[0]
        return _made_of(self._names(), np.abs(v[null]).max(axis=0))

    def _names(self) -> list[str]:
        return [name for name, moves in zip(self.names, self.moving, strict=True) if moves]

    def _idle(self, step: Step) -> bool:
        if step.gain * self.loss <= self.noise**2:
            return True
        largest = float(np.abs(step.parts).max(initial=0.0))
        return largest <= STILL or (step.gain <= GAIN and largest <= STEP)

    @property
    def left(self) -> str:
        """What a Gauss-Newton step would still do, in words."""
        parts = np.abs(self.step.parts)
        k = int(parts.argmax())
        if self.step.gain > 1e-4 and self.likelihood:
            gain = 0.5 * self.step.gain * self.loss
            return f"a scoring step would still raise the log-likelihood by {gain:.2g}"
        if self.step.gain > 1e-4:
            return f"a Gauss-Newton step would still lower the sum of squares by {percent(self.step.gain)}"
        far = percent(float(parts[k])) if parts[k] < 1 else "more than its size"
        return f"a Gauss-Newton step would still move {self.names[k]} by {far}"

    @cached_property
    def loose(self) -> list[tuple[str, ...]]:
        """The directions that the data do not determine, each by the parameters that it is made of.

        Along them the parameters change by their own size, and the curve by less than the scatter of one
        measurement.
        """
        if not self.moving.any():
            return []
        _, sizes, v = np.linalg.svd(self.effects[:, self.moving], full_matrices=True)
        sizes = np.append(sizes, np.zeros(len(v) - len(sizes)))
        bar = max(self.scatter, 1e-10 * float(sizes[0]), self.noise)
        return [_made_of(self._names(), row) for size, row in zip(sizes, v, strict=True) if size < bar]

    def directions(self, scatter: float) -> tuple[tuple[float, tuple[str, ...]], ...]:
        """The directions of the parameters that can move, the sloppiest first, each by what it is made of.

        Before it: its standard deviation, in parts of the parameters' sizes, where that of a residual is
        `scatter`; those without effect are left out.
        """
        _, sizes, v = np.linalg.svd(self.effects[:, self.moving], full_matrices=False)
        pairs = [(float(size), row) for size, row in zip(sizes, v, strict=True) if size > 0]
        return tuple((scatter / size, _made_of(self._names(), row)) for size, row in reversed(pairs))


def _made_of(names: Sequence[str], direction: np.ndarray) -> tuple[str, ...]:
    return tuple(name for name, part in zip(names, direction, strict=True) if abs(part) > 0.2)


MOST_ELEMENTS = 6
"""So many elements of arrays are named one by one."""


def listed(names: Sequence[str], *, word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`; of many elements of arrays the first."""
    more = len(names) - MOST_ELEMENTS
    if more > 1 and any(name.endswith("]") for name in names):
        names = [*names[:MOST_ELEMENTS], f"{more} more"]
    return f" {word} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
