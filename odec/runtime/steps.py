"""How a run is stepped: by fixed steps or by tolerance; what is asked for is checked here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from .arguments import number_or_none, positive
from .compiled import Compiled
from .methods import Auto

LONGEST = "dt, the longest step,"
"""What messages call the size of fixed steps."""
DENSE_METHODS = tuple(
    """heun21 fehlberg2 bosh3 dopri5 tsit5 vern7 dop853 vern9 backward_euler trbdf2 radau_iia5 rosenbrock23
    rodas4 rodas5p auto""".split()
)
"""The methods with an interpolant, for messages."""
MANY = 100
"""So many output times after the first may be as many as steps: with more, outputs lie within steps."""


@dataclass(frozen=True)
class Tolerance:
    """Steps by tolerance, each with a local error within atol + rtol·|x|.

    first: the first step (0: chosen); least, longest: of all; most: how many steps. dense: whether outputs
    may lie within steps, None where their number decides (see over). adjoint: rtol and the atol of each state
    of the continuous adjoint, () without.
    """

    rtol: float
    atol: tuple[float, ...]
    first: float = 0.0
    least: float = 0.0
    longest: float = math.inf
    most: int = 100_000
    dense: bool | None = False
    adjoint: tuple[float, ...] = ()

    def over(self, times: Sequence[float], compiled: Compiled) -> Tolerance:
        """The same of a run over these times, with what follows from them alone, for all trajectories alike.

        Unless asked for otherwise, outputs lie within steps where there are more than MANY after the first.
        Then a right-hand side of the time itself has no step by default longer than the mean distance of
        outputs, or 1/100 of the run if that is more, so that no smooth pulse is stepped over.
        """
        if self.dense is False or not compiled.dense_order:
            return self
        outputs = len(set(times)) - 1
        if not self.dense and outputs <= MANY:
            return self
        longest = self.longest
        if compiled.timed and outputs > 0 and longest == math.inf:
            longest = max(abs(times[-1] - times[0]) / min(outputs, MANY), 2 * self.least)
        return replace(self, dense=True, longest=longest)


@dataclass(frozen=True)
class Steps:
    """Fixed steps of at most dt where that is a number, else steps by tolerance, or a map's steps of one.

    clip: a bound on |dx/dt|.
    """

    dt: float | None = None
    tolerance: Tolerance | None = None
    clip: float | None = None

    @property
    def longest(self) -> float:
        """dt of fixed steps. Raises ValueError where none is given."""
        if self.dt is None:
            raise ValueError("say how to step: Steps(dt=…), or Steps(tolerance=…)")
        return self.dt

    def numbers(self) -> list[float]:
        """What crosses torch.library, which carries numbers and no objects; see from_numbers."""
        clip = math.inf if self.clip is None else self.clip
        pace = self.tolerance
        if pace is None:
            return [clip, 0.0 if self.dt is None else self.dt]
        dense = -1.0 if pace.dense is None else float(pace.dense)
        rest = (pace.first, pace.least, pace.longest, float(pace.most), dense, pace.rtol)
        return [clip, *rest, float(len(pace.atol)), *pace.atol, *pace.adjoint]

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> Steps:
        """The steps that numbers() told of."""
        clip = None if numbers[0] == math.inf else numbers[0]
        if len(numbers) == 2:
            return cls(numbers[1] or None, None, clip)
        first, least, longest, most, dense, rtol, n = numbers[1:8]
        atol, adjoint = tuple(numbers[8 : 8 + int(n)]), tuple(numbers[8 + int(n) :])
        inside = None if dense < 0 else dense != 0
        return cls(None, Tolerance(rtol, atol, first, least, longest, int(most), inside, adjoint), clip)

    @classmethod
    def of(
        cls,
        compiled: Compiled,
        dtype: torch.dtype,
        *,
        dt: Any = None,
        rtol: Any = None,
        atol: Any = None,
        first_step: Any = None,
        min_step: Any = 0.0,
        max_step: Any = math.inf,
        max_steps: Any = None,
        dense_output: bool | None = None,
        clip: Any = None,
        adjoint: str = "discrete",
        adjoint_rtol: Any = None,
        adjoint_atol: Any = None,
    ) -> Steps:
        """The steps of what is asked of a Model, or by default. Raises ValueError where it does not fit."""
        if compiled.is_map:
            check_adjoint(compiled, adjoint)
            return cls()
        defaults = compiled.defaults
        most = defaults.max_steps if max_steps is None else max_steps
        given = {"dt": dt, "rtol": rtol, "first_step": first_step, "min_step": min_step, "max_step": max_step}
        if compiled.adaptive:
            bound = _clip(compiled, clip)
            dt, rtol, first, least, longest = (number_or_none(value, name) for name, value in given.items())
            asked = _Asked(compiled, dtype, dt, rtol, atol, first, least, longest, most, dense_output)
            dt, tolerance = asked.pace()
        else:
            asked = _Asked(
                compiled, dtype, dt, rtol, atol, first_step, min_step, max_step, most, dense_output
            )
            asked.check_fixed_only()
            dt = positive(defaults.dt if dt is None else dt, LONGEST)
            bound, tolerance = _clip(compiled, clip), None
        check_adjoint(compiled, adjoint)
        own = _adjoint_tolerances(compiled, tolerance, adjoint, adjoint_rtol, adjoint_atol, dtype)
        if tolerance is not None and own:
            tolerance = replace(tolerance, adjoint=own)
        return cls(dt, tolerance, bound)


@dataclass(frozen=True)
class _Asked:
    """What is asked of steps, with the model's defaults; see Steps.of."""

    compiled: Compiled
    dtype: torch.dtype
    dt: Any
    rtol: Any
    atol: Any
    first: Any
    least: Any
    longest: Any
    most: Any
    dense: bool | None

    @property
    def toleranced(self) -> bool:
        return self.rtol is not None or self.atol is not None

    @property
    def steered(self) -> bool:
        """Whether something is asked that is of adaptive steps."""
        default = (0, math.inf, self.compiled.defaults.max_steps)
        return self.first is not None or (self.least, self.longest, self.most) != default

    def check_fixed_only(self) -> None:
        """Raise ValueError where a method without an error estimate is asked for adaptive steps."""
        if self.toleranced or self.steered or self.dense:
            name = self.compiled.method.name
            raise ValueError(f"{name} takes fixed steps: it has no error estimate to choose steps by")

    def pace(self) -> tuple[float | None, Tolerance | None]:
        """dt for fixed steps, or a tolerance. Raises ValueError where what is asked does not fit."""
        if self.dt is not None and self.toleranced:
            raise ValueError(
                "dt asks for fixed steps, rtol and atol for adaptive ones: give one or the other"
            )
        default = self.compiled.defaults.dt
        dt = default if self.dt is None and not self.toleranced else self.dt
        if dt is None:
            return None, self._tolerance()
        if not 0 < dt < math.inf:
            raise ValueError(f"{LONGEST} must be a positive number, not {dt}")
        if self.steered:
            names = "first_step, min_step, max_step and max_steps"
            advice = "leave out dt" if default is None else "give rtol or atol too"
            raise ValueError(f"{names} are of adaptive steps: {advice}")
        if self.dense:
            advice = "leave out dt" if default is None else "give rtol or atol, and no dt"
            raise ValueError(f"dense_output is of adaptive steps: {advice}")
        return dt, None

    def _tolerance(self) -> Tolerance:
        compiled, least, longest, most = self.compiled, self.least, self.longest, self.most
        if self.dense and not compiled.dense_order:
            several = f"{', '.join(DENSE_METHODS)} have one"
            raise ValueError(f"{compiled.method.name} has no interpolant for dense_output; {several}")
        if not (isinstance(most, int) and most > 0):
            raise ValueError(f"max_steps must be a positive whole number, not {most!r}")
        if not 0 <= least < longest:
            raise ValueError(f"0 <= min_step < max_step must hold; they are {least} and {longest}")
        if self.first is not None and not 0 < self.first < math.inf:
            raise ValueError(f"first_step must be a positive number, not {self.first}")
        real, defaults = torch.finfo(self.dtype), compiled.defaults
        rtol = max(defaults.rtol, 4 * real.eps) if self.rtol is None else self.rtol
        _check_relative(rtol, "rtol", self.dtype)
        if self.atol is None:
            atol = tuple(max(value, real.tiny) for value in defaults.atol)
        else:
            atol = _absolute(compiled, self.atol)
        if defaults.longest is not None:  # the outputs' spacing: the equations switch in time
            longest = max(min(longest, defaults.longest), least * 2)
        dense = None if self.dense is None else bool(self.dense)
        return Tolerance(rtol, atol, self.first or 0.0, least, longest, most, dense)


def _clip(compiled: Compiled, clip: Any) -> float | None:
    """The bound on slopes. Raises ValueError where the method takes none, or it is no positive number."""
    if clip is None:
        return None
    if not compiled.clips:
        advice = ": give one, such as method='tsit5'" if isinstance(compiled.method, Auto) else ""
        name = compiled.method.name
        raise ValueError(f"clip bounds the slopes of explicit methods; {name} takes none{advice}")
    return positive(clip, "clip, the bound on |dx/dt|,")


def check_adjoint(compiled: Compiled, adjoint: str) -> None:
    """Raise ValueError for an adjoint that there is not, of the model's method."""
    names = ("discrete", "continuous", "autograd") if compiled.continuous else ("discrete", "autograd")
    if adjoint in (*names, "none"):
        return
    hint = ""
    if adjoint == "continuous":
        reason = (
            "a map has no continuous one" if compiled.is_map else "the continuous one is of one-step methods"
        )
        hint = f"; {reason}"
    raise ValueError(f"adjoint is {', '.join(names)} or none, not {adjoint!r}{hint}")


def _check_relative(rtol: float, name: str, dtype: torch.dtype) -> None:
    least = 4 * torch.finfo(dtype).eps
    if not least <= rtol < math.inf:
        kind = str(dtype).removeprefix("torch.")
        raise ValueError(f"{name} must be a positive number, at least {least:.2g} in {kind}, not {rtol}")


def _absolute(compiled: Compiled, atol: Any, name: str = "atol") -> tuple[float, ...]:
    """The absolute tolerance of each state, from one number, or one for each."""
    n = len(compiled.states)
    try:
        several = torch.as_tensor(atol, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be a number, or one for each state, not {atol!r}") from None
    values = several.flatten().tolist() * (n if several.dim() == 0 else 1)
    if len(values) != n:
        wanted = f"one number{f', or a list of one for each of the {n} states' if n > 1 else ''}"
        raise ValueError(f"{name} is {wanted}, not a list of {len(values)}")
    for value in values:
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive, not {value}")
    return tuple(values)


def _adjoint_tolerances(
    compiled: Compiled, steps: Tolerance | None, adjoint: str, rtol: Any, atol: Any, dtype: torch.dtype
) -> tuple[float, ...]:
    """rtol and the atol of each state for adjoint="continuous" of adaptive steps; else ()."""
    given = rtol is not None or atol is not None
    if given and adjoint != "continuous":
        raise ValueError(f"adjoint_rtol and adjoint_atol are of adjoint='continuous', not of {adjoint!r}")
    if given and steps is None:
        raise ValueError("adjoint_rtol and adjoint_atol are of adaptive steps: give rtol or atol too")
    if adjoint != "continuous" or steps is None:
        return ()
    relative = steps.rtol if rtol is None else number_or_none(rtol, "adjoint_rtol")
    assert relative is not None
    _check_relative(relative, "adjoint_rtol", dtype)
    return (relative, *(steps.atol if atol is None else _absolute(compiled, atol, "adjoint_atol")))
