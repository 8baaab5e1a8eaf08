"""What the docstring of a Model says of its parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .compiled import Compiled, Param
from .transforms import holding


def documented(doc: str | None, params: Sequence[Param]) -> str:
    """A Model's docstring with its parameters: their attributes, defaults, bounds and units."""
    held = any(holding(param.via, param.lower, param.upper) for param in params)
    lines = []
    for param in params:
        bounds = f" in {param.interval}" if param.bounded else ""
        unit = f" [{param.unit}]" if param.unit else ""
        own = f"  the parameter `{param.name}`" if param.spelling != param.name else ""
        more = f"  {param.doc}" if param.doc else ""
        lines.append(f"    {param.spelling} = {param.default}{bounds}{unit}{own}{more}")
    kind = "natural units; the bounds are held by parametrizations" if held else "natural units"
    told = "\n".join(lines or ["    none"])
    settings = "Settings, of steps, gradients and engines: see help(Model.__base__)."
    return f"{doc or ''}\n\nParameters ({kind}):\n\n{told}\n\n{settings}"


def told_of(compiled: Compiled) -> str:
    """A paragraph on the keywords, and a line for each parameter."""
    lines = ["Its keywords, and what it does: help(odec.runtime.Model). Parameters, in natural units:", ""]
    for param in compiled.params:
        ends, finite = param.ends, math.isfinite(param.lower) or math.isfinite(param.upper)
        interval = f" in {ends[0]}{param.lower:g}, {param.upper:g}{ends[1]}" if finite else ""
        named = f"  the parameter `{param.name}`" if param.spelling != param.name else ""
        told = (f" [{param.unit}]" if param.unit else "") + named + (f"  {param.doc}" if param.doc else "")
        lines.append(f"    {param.spelling} = {param.default}{interval}{told}")
    return "\n".join(lines if compiled.params else [*lines, "    none"])
