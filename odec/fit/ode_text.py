"""A model's own text with other values as the defaults of its parameters."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence

from odec.diagnostics import Source
from odec.lang import format_source
from odec.passes.program import Layout
from odec.system import Interval, Param, System

MOST_PRINTED = 64
"""Arrays of so many elements are printed."""


def with_values(
    system: System, values: Mapping[str, float], *, digits: int = 17, file: str = "fit.values.csv"
) -> tuple[str, str]:
    """The source text in which parameters have `values` as defaults, and the CSV that it names, or "".

    Comments stay, and so does the layout (a text that was formatted is formatted again). values: numbers by
    name, of arrays those of the elements. file: the name of the CSV, beside the text: it has what has no
    place in the text, which are large arrays, those of several definitions and weights of networks, and all
    of a model that had such a file. Raises ValueError for a value outside its parameter's interval.
    """
    text, changes, rows = system.source.text, list[tuple[int, int, str]](), list[tuple[str, str]]()
    for param in system.params:
        numbers = _numbers(param, values, digits)
        if system.values is not None or not _has_a_place(param):
            rows += numbers
        elif _differs(param, numbers, digits):
            changes.append(_change(param, [number for _, number in numbers]))
    if rows and system.values is not None:
        changes.append((system.values.start, system.values.end, f'"{file}"'))
    for start, end, instead in sorted(changes, reverse=True):
        text = text[:start] + instead + text[end:]
    if rows and system.values is None:
        text = text.rstrip("\n") + f'\nvalues from "{file}"\n'
    fitted = Source(system.source.name, text)
    text = format_source(fitted) if format_source(system.source) == system.source.text else text
    return text, _csv(rows) if rows else ""


def _numbers(param: Param, values: Mapping[str, float], digits: int) -> list[tuple[str, str]]:
    """The numbers of a parameter as text, by name."""
    names = Layout.of([(param.name, param.shape)]).columns
    own = param.elements or [param.value] * len(names)
    found = zip(names, (values.get(name, k) for name, k in zip(names, own, strict=True)), strict=True)
    return [(name, spell(_settle(value, param), digits)) for name, value in found]


def _has_a_place(param: Param) -> bool:
    """Whether a parameter's numbers can stand in the text, in place of its one formula."""
    if not param.shape:
        return param.default.span is not None
    one = len(param.said) == 1 and param.said[0].span is not None and param.said[0].end > 0
    return one and math.prod(param.shape) <= MOST_PRINTED


def _differs(param: Param, numbers: Sequence[tuple[str, str]], digits: int) -> bool:
    """Whether a parameter's numbers are others than its default."""
    return bool(param.draw) or list(numbers) != _numbers(param, {}, digits)


def _change(param: Param, numbers: Sequence[str]) -> tuple[int, int, str]:
    """What of the text takes a new default: from where to where, and what stands there then."""
    if not param.shape:
        assert param.default.span is not None, f"the default of {param.name} has no place in the source"
        return param.default.span.start, param.default.span.end, numbers[0]
    said = param.said[0]
    assert said.span is not None, f"the default of {param.name} has no place in the source"
    if not said.loops:  # its brackets stay as they are
        return said.span.end, said.end, f" = {_nested(numbers, param.shape)}"
    sizes = ", ".join(map(str, param.shape))
    return said.span.start, said.end, f"{param.name}[{sizes}] = {_nested(numbers, param.shape)}"


def _csv(rows: Sequence[tuple[str, str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("parameter", "value"), *rows])
    return out.getvalue()


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
