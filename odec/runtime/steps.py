"""How a run is stepped: by fixed steps or by tolerance; what is asked for is checked here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .compiled import Compiled


@dataclass(frozen=True)
class Tolerance:
    """Steps by tolerance, each with a local error within atol + rtol·|x|.

    first: the first step (0: chosen); least, longest: of all; most: how many steps. dense: whether outputs
    may lie within steps. adjoint: rtol and the atol of each state of the continuous adjoint, () without.
    """

    rtol: float
    atol: tuple[float, ...]
    first: float = 0.0
    least: float = 0.0
    longest: float = math.inf
    most: int = 100_000
    dense: bool = False
    adjoint: tuple[float, ...] = ()


@dataclass(frozen=True)
class Steps:
    """Fixed steps of at most dt where that is a number, else steps by tolerance. clip: a bound on |dx/dt|."""

    dt: float | None = None
    tolerance: Tolerance | None = None
    clip: float | None = None

    def numbers(self) -> list[float]:
        """What crosses torch.library, which carries numbers and no objects; see from_numbers."""
        clip = math.inf if self.clip is None else self.clip
        pace = self.tolerance
        if pace is None:
            return [clip, 0.0 if self.dt is None else self.dt]
        rest = (pace.first, pace.least, pace.longest, float(pace.most), float(pace.dense), pace.rtol)
        return [clip, *rest, float(len(pace.atol)), *pace.atol, *pace.adjoint]

    @classmethod
    def from_numbers(cls, numbers: Sequence[float]) -> Steps:
        """The steps that numbers() told of."""
        clip = None if numbers[0] == math.inf else numbers[0]
        if len(numbers) == 2:
            return cls(numbers[1] or None, None, clip)
        first, least, longest, most, dense, rtol, n = numbers[1:8]
        atol, adjoint = tuple(numbers[8 : 8 + int(n)]), tuple(numbers[8 + int(n) :])
        return cls(None, Tolerance(rtol, atol, first, least, longest, int(most), dense != 0, adjoint), clip)

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
        dense_output: bool = False,
        clip: Any = None,
        adjoint: str = "discrete",
        adjoint_rtol: Any = None,
        adjoint_atol: Any = None,
    ) -> Steps:
        """The steps of what is asked of a Model, or by default. Raises ValueError where it does not fit."""
        raise NotImplementedError
