"""A model's own text with other values as the defaults of its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping

from odec.diagnostics import Source
from odec.lang import format_source
from odec.system import Interval, Param, System


def with_values(system: System, values: Mapping[str, float], *, digits: int = 17) -> str:
    """The source text in which parameters have `values` as defaults; comments stay, and so does the layout
    (a text that was formatted is formatted again).

    Raises ValueError for a value outside its parameter's interval.
    """
    text = system.source.text
    for param in sorted(
        system.params, key=lambda p: p.default.span.start if p.default.span else -1, reverse=True
    ):
        value = values.get(param.name, param.value)
        if value == param.value:
            continue
        assert param.default.span is not None, f"the default of {param.name} has no place in the source"
        number = spell(_settle(value, param), digits)
        text = text[: param.default.span.start] + number + text[param.default.span.end :]
    fitted = Source(system.source.name, text)
    return format_source(fitted) if format_source(system.source) == system.source.text else text


def spell(value: float, digits: int = 17) -> str:
    """A number as one would type it: the shortest text that means it, or so many significant digits."""
    text = repr(float(value)) if digits >= 17 else f"{value:.{digits}g}"
    return text.removesuffix(".0")


def _settle(value: float, param: Param) -> float:
    """The value, moved off an open bound on which rounding has put it."""
    interval: Interval = param.interval
    if value in interval:
        return value
    if value == interval.lower:
        return math.nextafter(value, math.inf)
    if value == interval.upper:
        return math.nextafter(value, -math.inf)
    raise ValueError(f"{param.name} = {value:g} lies outside its interval {interval}")
