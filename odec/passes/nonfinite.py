"""Which formula of a model is not a finite number at a point, as where a run starts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from odec.arrays import Shape
from odec.diagnostics import Diagnostic, Span
from odec.lang import expression_text
from odec.passes.lower import Definition, Lowered, lower, needed
from odec.passes.program import Layout
from odec.passes.walk import count_operations
from odec.system import System, derivative_name
from odec.tree import Expr, Op, Symbol, evaluate, symbols

MAX_VALUES = 200_000
"""Operations, times elements of the largest array, up to which a model is looked at as it is read."""

_LIMIT = "where 0/0 has a limit, give it, as in `if x == 0 then 1 else sin(x)/x`"


@dataclass(frozen=True)
class NotFinite:
    """The first formula that is not finite.

    name: what it defines; line: where it stands in the model's text. value: infinite or NaN. part: the
    operation in it that is the first not to be finite, as text; span: where that stands; given: the numbers
    that are its symbols.
    """

    name: str
    line: int
    value: float
    part: str
    source: str
    span: Span | None
    given: Mapping[str, float]

    @property
    def kind(self) -> str:
        return "not a number" if math.isnan(self.value) else "infinite"

    @property
    def limited(self) -> bool:
        """Whether it is a quotient of two zeros, or of what is infinite."""
        return math.isnan(self.value) and "/" in self.part

    def __str__(self) -> str:
        because = f", since {self.part} is" if self.part else ""
        return f"'{self.name}' is {self.kind}{because} ({self.source}:{self.line})"


def first_not_finite(system: System, point: Mapping[str, Any], *, start: bool = False) -> NotFinite | None:
    """The first formula that is not finite at a point; None where all are.

    point: values of the time, the first-order states, parameters and inputs, numbers and arrays of NumPy;
    what hangs on a name that it lacks is left out. The formulas are those of the right-hand side and the
    observables, or of the initial values where `start` holds.
    """
    lowered = lower(system)
    if start:
        return _first(lowered, lowered.starting, lowered.initial, _numbers(system, point))
    outputs = (*lowered.rhs, *lowered.observe)
    return _first(lowered, lowered.running, outputs, _numbers(system, point))


def told_at_start(system: System, t: float, p: Sequence[float], x: Sequence[float]) -> str:
    """The first formula that is not finite where a run starts, as a line of its report; else empty.

    t: the time; p (m,), x (n,): the parameters and the first states, arrays row-major.
    """
    lowered = lower(system)
    given = {system.time: t, **_values(Layout.of((one.name, one.shape) for one in system.params), p)}
    found = first_not_finite(system, given, start=True)
    found = found or first_not_finite(system, given | _values(lowered.states, x))
    if found is None:
        return ""
    return f"\n{found}" + f"; {_LIMIT}" * found.limited


def start_warnings(system: System) -> list[Diagnostic]:
    """A warning of the first formula that is not finite where a run starts by the model's own numbers.

    Of the initial values and the right-hand side, at the default parameters. None of models of large arrays,
    of what hangs on inputs or on drawn parameters, and on the time where there is no run line. Raises
    ModelError where functions make a formula of unreasonable size.
    """
    lowered = lower(system)
    each = [d.expr for d in {**lowered.running, **lowered.starting}.values()]
    largest = max((value.size for value in lowered.states), default=1)
    if largest * sum(map(count_operations, each)) > MAX_VALUES:
        return []
    env = _numbers(system, _declared(system))
    found = _first(lowered, lowered.starting, lowered.initial, env)
    found = found or _first(lowered, lowered.running, lowered.rhs, env)
    if found is None:
        return []
    message = f"'{found.name}' is {found.kind} where the run starts"
    at = ", ".join(f"{name} = {value:g}" for name, value in found.given.items())
    notes = (f"at {at}",) if at else ()
    mend = _LIMIT if found.limited else "start elsewhere, or write the formula so that it is finite there"
    label = f"this is {found.kind}"
    return [Diagnostic("W610", message, system.source, found.span, label, (*notes, mend))]


def _declared(system: System) -> dict[str, Any]:
    """The time where the run line starts, and the parameters at their defaults; what is drawn is left out."""
    found: dict[str, Any] = {} if system.run is None else {system.time: system.run.start}
    for param in system.params:
        if not param.draw:
            flat = param.elements or [param.value] * math.prod(param.shape)
            found[param.name] = _shaped(flat, param.shape)
    return found


def _values(layout: Layout, flat: Sequence[float]) -> dict[str, Any]:
    """Numbers, and arrays of NumPy, by name out of one row."""
    return {one.name: _shaped(flat[one.place : one.place + one.size], one.shape) for one in layout}


def _shaped(flat: Sequence[float], shape: Shape) -> Any:
    """A number, or an array of NumPy."""
    if not shape:
        return float(flat[0])
    import numpy as np

    return np.reshape(flat, shape)


def _numbers(system: System, point: Mapping[str, Any]) -> dict[str, Any]:
    return {"pi": math.pi} | system.constants | dict(point)


def _first(
    lowered: Lowered, world: dict[str, Definition], outputs: tuple[Expr, ...], env: dict[str, Any]
) -> NotFinite | None:
    """The first of the definitions that the outputs need; `env` is given the values of those before it."""
    for d in needed(world, outputs):
        if any(symbol.name not in env for symbol in symbols(d.expr)):
            continue
        env[d.name] = value = evaluate(d.expr, env)
        place = _place(value)
        if place is not None:
            return _found(lowered.system, d, env, place)
    return None


def _place(value: Any) -> tuple[int, ...] | None:
    """The index of the first element that is not finite, () of a number; None where all are finite."""
    if isinstance(value, float | int):
        return None if math.isfinite(value) else ()
    import numpy as np

    wrong = np.argwhere(~np.isfinite(value))
    return tuple(map(int, wrong[0])) if len(wrong) else None


def _found(system: System, d: Definition, env: Mapping[str, Any], place: tuple[int, ...]) -> NotFinite:
    line = system.source.position(d.span.start)[0] if d.span is not None else 0
    part, value = _culprit(d.expr, env), env[d.name]
    span = (part and part.span) or d.span
    text = expression_text(part) if part else ""
    given = {s.name: env[s.name] for s in symbols(part)} if part and not place else {}
    if place and span is not None:  # as of one element, not of the whole array
        text, value = system.source.text[span.start : span.end], value[place]
    name, text = _as_written(system, d, text, place)
    given = {key: number for key, number in given.items() if isinstance(number, float | int)}
    text = text if len(text) <= 60 else text[:59] + "…"
    return NotFinite(name, line, float(value), text, system.source.name, span, given)


def _as_written(system: System, d: Definition, part: str, place: tuple[int, ...]) -> tuple[str, str]:
    """`dx_dt` as `dx/dt`, by the time's own name; `dx_dt_3`, a piece of a long formula, likewise."""
    element = f"[{','.join(map(str, place))}]" if place else ""
    for e in system.equations:
        if d.span != e.span:
            continue
        if system.kind == "map":
            return f"{e.state}[{system.time}+1]{element}", part
        piece = re.compile(rf"\b{derivative_name(e.state, e.order)}(_\d+)?\b")
        if piece.fullmatch(d.name):
            order = str(e.order) if e.order > 1 else ""
            return f"d{order}{e.state}{element}/d{system.time}{order}", piece.sub("…", part)
    return f"{d.name}{element}", part


def _culprit(expr: Expr, env: Mapping[str, Any]) -> Op | None:
    """The first operation that is not finite though what it is of is; branches not taken are left out."""
    while isinstance(expr, Op):
        args = expr.args
        if expr.op == "select" and isinstance(condition := evaluate(args[0], env), float | int):
            args = (args[1] if condition else args[2],)
        wrong = next((arg for arg in args if _place(evaluate(arg, env)) is not None), None)
        if wrong is None or isinstance(wrong, Symbol):
            return expr
        expr = wrong
    return None
