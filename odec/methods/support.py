"""Which engines hold which family of methods, and what all kinds of methods answer alike."""

from __future__ import annotations

from typing import ClassVar

from odec.methods.interpolant import Interpolant
from odec.methods.numbers import Row

FAMILIES = ("explicit", "implicit", "rosenbrock", "multistep")

ENGINES: dict[str, tuple[str, ...]] = {
    "explicit": ("torch", "native"),
    "implicit": ("torch", "native"),
    "rosenbrock": ("torch", "native"),
    "multistep": ("torch",),
}
"""For every family, the engines that can step it."""


class Family:
    """What methods say of themselves, from their family, error estimate and interpolant."""

    family: ClassVar[str]
    error: Row
    dense: Interpolant | None = None

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines that hold the method."""
        return ENGINES[self.family]

    @property
    def adaptive(self) -> bool:
        """Whether the method estimates its error, so that it can choose its steps."""
        return bool(self.error)

    @property
    def dense_order(self) -> int:
        """The order of the method's own interpolant, 0 where it has none."""
        return self.dense.order if self.dense else 0
