"""What is to be solved, as the loops see it: one tensor of states, checked slopes, times as numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Size, Tensor

from odec.errors import ArgumentError, SimulationError

Slope = tuple[Tensor, Tensor | None]
"""dy/dt, and the slopes (m,) of what is integrated along with y and does not act on it, or None."""
Rate = Callable[[Tensor, Tensor], Slope]
Norm = Callable[[Any], Any]
Tolerances = tuple[float | Tensor, float | Tensor]
"""rtol and atol: numbers, or as many as there are states."""

CALLBACKS = ("callback_step", "callback_accept_step", "callback_reject_step")


@dataclass(frozen=True)
class Callbacks:
    """What is called before each step, and after one that was accepted or rejected: (t, y, h)."""

    step: Callable[..., Any] | None = None
    accept: Callable[..., Any] | None = None
    reject: Callable[..., Any] | None = None


@dataclass(frozen=True, eq=False)
class Problem:
    """dy/dt = rate(t, y) from y0 at the first of the times t, which rise or fall.

    total: what the integral along with y begins with, or None. measure(error, of the integral): the norm of
    an error over what is allowed. t: the times as a tensor that has a gradient, else None.
    """

    rate: Rate
    y0: Tensor
    times: tuple[float, ...]
    t: Tensor | None
    measure: Callable[[Tensor, Tensor | None], Any]
    tolerances: Tolerances
    total: Tensor | None = None
    total_tolerances: Tolerances = (0.0, 0.0)
    callbacks: Callbacks = field(default_factory=Callbacks)

    @property
    def sign(self) -> float:
        """1 where time rises, -1 where it falls."""
        return 1.0 if self.times[-1] >= self.times[0] else -1.0

    def clock(self, values: Sequence[float]) -> tuple[Tensor, ...]:
        """Times as tensors () of the states' dtype; those of a run from a time with a gradient have it."""
        y0 = self.y0
        if self.t is None:
            return torch.tensor(values, dtype=y0.dtype, device=y0.device).unbind()
        start = self.t[0].double()
        after = start.new_tensor([value - self.times[0] for value in values])
        return (start + after).to(y0.dtype).unbind()

    def first_slope(self, time: Tensor, y: Tensor) -> Slope:
        """The slope at the start. Raises SimulationError where it is not finite."""
        slope = self.rate(time, y)
        if not bool(torch.isfinite(slope[0]).all()):
            what = "y0" if not bool(torch.isfinite(y).all()) else "func"
            raise SimulationError(f"{what} has entries that are no finite numbers, at t = {float(time):.6g}")
        return slope


class Layout:
    """How states stand in one tensor: it is the user's own, or the parts of a tuple one after another."""

    def __init__(self, y0: Any):
        self.shapes: list[Size] | None = None
        if not isinstance(y0, Tensor):
            if not isinstance(y0, tuple) or not y0 or not all(isinstance(part, Tensor) for part in y0):
                raise ArgumentError(f"y0 must be a tensor or a tuple of tensors, not {_kind(y0)}")
            dtypes = {part.dtype for part in y0}
            if len(dtypes) > 1:
                several = ", ".join(sorted(map(str, dtypes)))
                raise ArgumentError(f"the tensors of y0 must have one dtype, not {several}")
            self.shapes = [part.shape for part in y0]
            self.sizes = [shape.numel() for shape in self.shapes]
            y0 = torch.cat([part.reshape(-1) for part in y0])
        if y0.is_complex():
            raise ArgumentError("y0 is complex: give its real and its imaginary part, as a tuple")
        if not y0.is_floating_point():
            raise ArgumentError(f"y0 must have a floating dtype, not {y0.dtype}")
        self.y0 = y0

    def parts(self, y: Tensor) -> Any:
        """States as the user has them."""
        if self.shapes is None:
            return y
        return tuple(part.view(shape) for part, shape in zip(y.split(self.sizes), self.shapes))

    def solution(self, ys: Tensor) -> Any:
        """States at T times (T, ...) as the user has them."""
        if self.shapes is None:
            return ys
        ends = [sum(self.sizes[: i + 1]) for i in range(len(self.sizes))]
        pairs = zip(self.shapes, self.sizes, ends)
        return tuple(ys[..., end - size : end].view(len(ys), *shape) for shape, size, end in pairs)

    def rate(self, func: Callable[[Tensor, Any], Any]) -> Callable[[Tensor, Tensor], Tensor]:
        """The user's function of one tensor of states. Its result is checked at every call."""
        return _rate(func, self.y0) if self.shapes is None else _rate_of_tuple(func, self, self.y0)

    def tolerance(self, value: Any, name: str) -> float | Tensor:
        """A tolerance: a number, a tensor, or one for each tensor of a tuple."""
        if isinstance(value, Tensor):
            if value.requires_grad:
                raise ArgumentError(f"{name} cannot have a gradient: give {name}.detach()")
        elif isinstance(value, tuple | list):
            if self.shapes is None or len(value) != len(self.shapes):
                many = "a number" if self.shapes is None else f"a number, or {len(self.shapes)} of them"
                raise ArgumentError(f"{name} must be {many}, not {len(value)} of them")
            each = zip(value, self.sizes)
            value = torch.cat([torch.as_tensor(one).reshape(-1).expand(n) for one, n in each])
        else:
            try:
                value = float(value)
            except (TypeError, ValueError):
                raise ArgumentError(f"{name} must be a number or a tensor, not {value!r}") from None
        if not bool(torch.as_tensor(value >= 0).all()):
            raise ArgumentError(f"{name} must not be negative, but is {value}")
        return value.to(self.y0) if isinstance(value, Tensor) else value


def _rate(func: Callable[[Tensor, Any], Any], y0: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    shape, dtype = y0.shape, y0.dtype

    def rate(t: Tensor, y: Tensor) -> Tensor:
        found = func(t, y)
        if not isinstance(found, Tensor) or found.shape != shape or found.dtype != dtype:
            raise _misfit(found, y0)
        return found

    return rate


def _rate_of_tuple(
    func: Callable[[Tensor, Any], Any], layout: Layout, y0: Tensor
) -> Callable[[Tensor, Tensor], Tensor]:
    shapes = layout.shapes
    assert shapes is not None

    def rate(t: Tensor, y: Tensor) -> Tensor:
        found = func(t, layout.parts(y))
        if not isinstance(found, tuple | list) or len(found) != len(shapes):
            many = f"a tuple of {len(found)}" if isinstance(found, tuple | list) else _kind(found)
            raise ArgumentError(f"func must return a tuple of {len(shapes)} tensors, as y0 is, not {many}")
        for part, shape in zip(found, shapes):
            if not isinstance(part, Tensor) or part.shape != shape or part.dtype != y0.dtype:
                raise _misfit(part, y0.new_empty(shape))
        return torch.cat([part.reshape(-1) for part in found])

    return rate


def _misfit(found: Any, y: Tensor) -> ArgumentError:
    """What is wrong with a slope that is no tensor like y."""
    wanted = f"func must return dy/dt like y, a tensor {tuple(y.shape)} of {y.dtype}"
    if not isinstance(found, Tensor):
        return ArgumentError(f"{wanted}; it returned {_kind(found)}")
    advice = "" if found.shape != y.shape else ": convert it, or func's parameters, with .to"
    return ArgumentError(f"{wanted}; it returned {tuple(found.shape)} of {found.dtype}{advice}")


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def times_of(t: Any, y0: Tensor) -> tuple[Tensor, tuple[float, ...]]:
    """The times on y0's device, and as numbers. Raises ArgumentError where they do not rise or fall."""
    if not isinstance(t, Tensor) or not t.is_floating_point() or t.dim() != 1 or not len(t):
        kind = f"a tensor {tuple(t.shape)} of {t.dtype}" if isinstance(t, Tensor) else _kind(t)
        raise ArgumentError(f"t must be a tensor (T,) of a floating dtype, not {kind}")
    times = tuple(t.detach().double().tolist())
    sign = 1 if times[-1] >= times[0] else -1
    for k, (a, b) in enumerate(zip(times, times[1:])):
        if not sign * (b - a) > 0:
            raise ArgumentError(f"t must strictly rise or fall, but t[{k}] is {a:g} and t[{k + 1}] is {b:g}")
    if t.device != y0.device:
        warnings.warn(f"t is on {t.device}, y0 on {y0.device}: t is copied there", stacklevel=3)
        t = t.to(y0.device)
    return t, times


def callbacks_of(
    func: Any, parts: Callable[[Tensor], Any], method: str, adaptive: bool, suffix: str = ""
) -> Callbacks:
    """func's callback_step, callback_accept_step and callback_reject_step, where it has them.

    parts: states as they are told them.
    """
    found: list[Callable[..., Any] | None] = []
    for name in CALLBACKS:
        callback = getattr(func, name + suffix, None)
        if callback is not None and not adaptive and name != "callback_step":
            warnings.warn(f"{method} takes fixed steps: {name}{suffix} is never called", stacklevel=4)
            callback = None
        found.append(callback and _in_parts(callback, parts))
    return Callbacks(*found)


def _in_parts(callback: Callable[..., Any], parts: Callable[[Tensor], Any]) -> Callable[..., Any]:
    return lambda t, y, h: callback(t, parts(y), h)


def rms(value: Tensor) -> Tensor:
    """The root mean square of all entries: (). 0 of none."""
    return torch.linalg.vector_norm(value) / max(value.numel(), 1) ** 0.5


def largest(values: Sequence[Tensor]) -> Tensor:
    """The largest of some tensors ()."""
    return torch.stack([*values]).amax()
