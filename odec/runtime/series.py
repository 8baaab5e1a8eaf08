"""Inputs as functions of time: piecewise polynomials through samples."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .tensors import Time, columns, number, time_at, time_like
from .torch_private import forward_mode, numbers, transformed


class Series:
    """The inputs as functions of time: piecewise polynomials whose end values are held outside.

    pieces: for each input its knots (K,) and coefficients (pieces, degree + 1, *batch) in powers of the
    time since the piece's knot. names: of the inputs, for messages. Calling it with a time gives
    (*batch, inputs).
    Raises ValueError where knots are not finite, or do not increase.
    """

    def __init__(self, pieces: Sequence[Tensor], names: Sequence[str]):
        self.pieces, self.names = list(pieces), tuple(names)
        self.knots = knots_of(self.pieces, self.names)
        self.coefficients = self.pieces[1::2]
        self.middle: float | None = None

    def between(self, a: float, b: float) -> Series:
        """The same series between two times with no knot between them: every input keeps its piece.

        It can be called with a time for each trajectory (*batch, 1).
        """
        series = Series.__new__(Series)
        series.__dict__.update(self.__dict__, middle=(a + b) / 2)
        return series

    def find(self, index: int, t: Time) -> tuple[int, Any, bool]:
        """The piece of an input that holds at time t, the time since its knot, and whether it moves."""
        knots, terms = self.knots[index], self.coefficients[index].shape[1]
        time = number(t) if self.middle is None else self.middle
        inside = knots[0] <= time <= knots[-1]
        time = min(max(time, knots[0]), knots[-1])
        piece = min(max(bisect.bisect_right(knots, time) - 1, 0), len(self.coefficients[index]) - 1)
        return piece, (time_at(t) if inside else time) - knots[piece], inside and terms > 1

    def __call__(self, t: Time) -> Tensor:
        found = (self.find(i, t) for i in range(len(self.coefficients)))
        return columns(*(_horner(c[piece], s) for c, (piece, s, _) in zip(self.coefficients, found)))

    def rate(self, t: Time) -> Tensor:
        """The inputs' derivatives in time (*batch, inputs); zero outside the knots and for held inputs."""
        rates = []
        for i, coefficients in enumerate(self.coefficients):
            piece, s, moves = self.find(i, t)
            c = coefficients[piece]
            powers = [k * c[k] for k in range(1, len(c))] if moves else [torch.zeros_like(c[0])]
            rates.append(_horner(powers, s))
        return columns(*rates)

    def second_rate(self, t: Time) -> Tensor:
        """The inputs' second derivatives in time (*batch, inputs); zero outside the knots."""
        rates = []
        for i, coefficients in enumerate(self.coefficients):
            piece, s, moves = self.find(i, t)
            c = coefficients[piece]
            powers = [k * (k - 1) * c[k] for k in range(2, len(c))] if moves else []
            rates.append(_horner(powers or [torch.zeros_like(c[0])], s))
        return columns(*rates)

    def zeros(self) -> list[Tensor]:
        """Room for the gradients of the coefficients."""
        return [torch.zeros_like(c) for c in self.coefficients]

    def pull(self, gradients: Sequence[Tensor], t: Time, w: Tensor, w_rate: Tensor | None = None) -> None:
        """Add to the coefficients' gradients what cotangents (*batch, inputs) of values, rates at t give."""
        for i, gradient in enumerate(gradients):
            piece, s, moves = self.find(i, t)
            for k in range(gradient.shape[1]):
                pulled = w[..., i] * s**k
                if w_rate is not None and moves and k > 0:
                    pulled = pulled + w_rate[..., i] * (k * s ** (k - 1))
                gradient[piece, k] += pulled.sum_to_size(gradient.shape[2:])


class Held:
    """Input values (..., inputs) that stay as they are, for a step cell that is given them, not series."""

    def __init__(self, values: Tensor):
        self.values = values

    def __call__(self, t: Time) -> Tensor:
        return self.values

    def rate(self, t: Time) -> Tensor:
        """The inputs' derivatives in time, which are zero."""
        return torch.zeros_like(self.values)


class Asking:
    """Input values, and behind them what conditions ask for at a time, the same in a whole step.

    u: the inputs as a function of time, None of a model without. x (..., n): the states. time: (), (..., 1).
    places: of each value asked for which input it is, None for the time.
    """

    def __init__(self, u: Any, x: Tensor, time: Time, places: Sequence[int | None]):
        self.u = u
        time = time_like(time, x)
        now = time if time.dim() else time.unsqueeze(-1)
        columns = [now if k is None else u(time)[..., k : k + 1] for k in places]
        self.asked = torch.cat([column.expand(*x.shape[:-1], 1) for column in columns], -1)

    def __call__(self, t: Time) -> Tensor:
        return self.asked if self.u is None else self._behind(self.u(t), self.asked)

    def rate(self, t: Time) -> Tensor:
        """The inputs' derivatives in time; zero of what is asked for."""
        still = torch.zeros_like(self.asked)
        return still if self.u is None else self._behind(self.u.rate(t), still)

    def _behind(self, values: Tensor, asked: Tensor) -> Tensor:
        return torch.cat((values.expand(*asked.shape[:-1], values.shape[-1]), asked), -1)


def knots_of(pieces: Sequence[Tensor], names: Sequence[str]) -> list[list[float]]:
    """The inputs' times as numbers. Raises ValueError where they are not finite, or do not increase."""
    found = [numbers(knots) for knots in pieces[::2]]
    for name, knots in zip(names, found):
        if not all(map(math.isfinite, knots)):
            raise ValueError(f"the times of input {name!r} must be finite numbers")
        if any(not b > a for a, b in zip(knots, knots[1:])):
            raise ValueError(f"the times of input {name!r} must increase")
    return found


def _horner(coefficients: Any, s: Any) -> Tensor:
    value = coefficients[-1]
    for k in range(len(coefficients) - 2, -1, -1):
        value = coefficients[k] + s * value
    return value


def _followed(values: Tensor) -> bool:
    """Whether torch follows what becomes of the values: for a gradient, a tangent, a transform or a graph."""
    graph = torch.compiler.is_compiling() or (values.requires_grad and torch.is_grad_enabled())
    return graph or transformed() or forward_mode()


def _hold(times: Tensor, values: Tensor) -> Tensor:
    """Coefficients of the step function that keeps each value until the next time."""
    return values.unsqueeze(1)


def _linear(times: Tensor, values: Tensor) -> Tensor:
    """Coefficients of the straight lines between values (K, *batch)."""
    if len(times) == 1:
        return values.unsqueeze(1)
    steps = torch.diff(times).reshape(-1, *[1] * (values.dim() - 1))
    if _followed(values):
        return torch.stack((values[:-1], torch.diff(values, dim=0) / steps), 1)
    found = values.new_empty((len(steps), 2, *values.shape[1:]))  # without copies, which may be of many MB
    found[:, 0] = values[:-1]
    torch.sub(values[1:], values[:-1], out=found[:, 1]).div_(steps)
    return found


def _cubic(times: Tensor, values: Tensor) -> Tensor:
    """Coefficients of the cubic Hermite interpolant with three-point slopes.

    Fritsch & Carlson, SIAM J. Numer. Anal. 17 (1980) 238–246, eq. 1; slopes as numpy.gradient(edge_order=2).
    """
    if len(times) == 1:
        return values.unsqueeze(1)
    steps = torch.diff(times).reshape(-1, *[1] * (values.dim() - 1))
    secants = torch.diff(values, dim=0) / steps
    if len(times) == 2:
        slopes = torch.cat((secants, secants))
    else:
        left, right = steps[:-1], steps[1:]
        middle = (right * secants[:-1] + left * secants[1:]) / (left + right)
        first = secants[:1] + (secants[:1] - middle[:1])
        last = secants[-1:] + (secants[-1:] - middle[-1:])
        slopes = torch.cat((first, middle, last))
    second = (3 * secants - 2 * slopes[:-1] - slopes[1:]) / steps
    third = (slopes[:-1] + slopes[1:] - 2 * secants) / steps**2
    return torch.stack((values[:-1], slopes[:-1], second, third), 1)


COEFFICIENTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "hold": _hold,
    "linear": _linear,
    "cubic": _cubic,
}
"""By the kind of an input, what makes coefficients from times (K,) and values (K, *batch)."""
