"""A model's own text with other values as the defaults of its parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from odec.diagnostics import Source
from odec.lang import format_source
from odec.passes.program import Layout
from odec.system import Interval, Param, System

MOST_PRINTED = 64
"""Arrays of so many elements are printed."""


def with_values(system: System, values: Mapping[str, float], *, digits: int = 17) -> str:
    """The source text in which parameters have `values` as defaults; comments stay, and so does the layout
    (a text that was formatted is formatted again).

    values: numbers by name, of arrays those of the elements. Raises ValueError for a value outside its
    parameter's interval, for weights of networks, and for an array of several definitions.
    """
    text = system.source.text
    changes = [change for param in system.params if (change := _change(param, values, digits))]
    for start, end, instead in sorted(changes, reverse=True):
        text = text[:start] + instead + text[end:]
    fitted = Source(system.source.name, text)
    return format_source(fitted) if format_source(system.source) == system.source.text else text


def _change(param: Param, values: Mapping[str, float], digits: int) -> tuple[int, int, str] | None:
    """What of the text takes a new default: from where to where, and what stands there then."""
    if param.shape:
        return _change_of_array(param, values, digits)
    value = values.get(param.name, param.value)
    if value == param.value:
        return None
    assert param.default.span is not None, f"the default of {param.name} has no place in the source"
    return param.default.span.start, param.default.span.end, spell(_settle(value, param), digits)


def _change_of_array(param: Param, values: Mapping[str, float], digits: int) -> tuple[int, int, str] | None:
    names = Layout.of([(param.name, param.shape)]).columns
    each = list(param.elements) or ([] if param.draw else [param.value] * len(names))
    found = [values.get(name, own) for name, own in zip(names, each or [0.0] * len(names), strict=True)]
    if found == each:
        return None
    if not param.said:
        raise ValueError(f"{param.name} is a weight of a network, which no line gives its values")
    if len(param.said) > 1:
        raise ValueError(f"{param.name} has its values from several lines: write them as one list")
    said = param.said[0]
    assert said.span is not None, f"the default of {param.name} has no place in the source"
    numbers = [spell(_settle(value, param), digits) for value in found]
    sizes = ", ".join(map(str, param.shape))
    return said.span.start, said.end, f"{param.name}[{sizes}] = {_nested(numbers, param.shape)}"


def _nested(texts: Sequence[str], shape: Sequence[int]) -> str:
    """Elements, row-major, as a list of the language."""
    if len(shape) > 1:
        size = len(texts) // shape[0]
        texts = [_nested(texts[k : k + size], shape[1:]) for k in range(0, len(texts), size)]
    return f"[{', '.join(texts)}]"


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
