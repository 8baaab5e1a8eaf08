"""Which engines hold which family of methods."""

from __future__ import annotations

FAMILIES = ("explicit", "implicit", "rosenbrock", "multistep")

ENGINES: dict[str, tuple[str, ...]] = {
    "explicit": ("torch", "native"),
    "implicit": ("torch", "native"),
    "rosenbrock": ("torch", "native"),
    "multistep": ("torch",),
}
"""For every family, the engines that can step it."""
