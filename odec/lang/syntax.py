"""The syntax tree: what was written, statement by statement, before any name is looked up.

Expressions are those of `odec.tree` with names unresolved and three more forms: `Op("call:NAME", args)` for
every call, `Op("tuple", items)` for a bracketed list, `Op("index:NAME", (index,))` for NAME[index]; a
derivative is a Symbol whose name ends in primes.
"""

from __future__ import annotations

from dataclasses import dataclass

from odec.diagnostics import Span
from odec.tree import Expr


@dataclass(frozen=True, slots=True)
class Name:
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Binding:
    """NAME = EXPR; `order` counts the primes of an initial value."""

    name: Name
    expr: Expr
    order: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """`in (lower, upper]`."""

    lower: Expr
    upper: Expr
    lower_closed: bool
    upper_closed: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Params:
    items: tuple[Binding, ...]
    bounds: Bounds | None
    transform: Name | None
    unit: str | None
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Consts:
    items: tuple[Binding, ...]
    unit: str | None
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Inits:
    items: tuple[Binding, ...]
    unit: str | None
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Rule:
    """An equation: X' = EXPR, dX/dt = EXPR (kind ode) or X[t+1] = EXPR (kind map).

    `wrt` is the independent variable where the spelling names it.
    """

    kind: str
    state: Name
    order: int
    wrt: Name | None
    expr: Expr
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Definition:
    name: Name
    expr: Expr
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    name: Name
    args: tuple[Name, ...]
    body: Expr
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Inputs:
    names: tuple[Name, ...]
    kind: Name | None
    unit: str | None
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class NoiseTerm:
    distribution: Name
    args: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Observation:
    name: Name
    expr: Expr
    noise: NoiseTerm | None
    unit: str | None
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Time:
    name: Name
    unit: str | None
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class RunLine:
    time: Name
    start: Expr
    stop: Expr
    step: Expr | None
    method: Name | None
    dt: Expr | None
    rtol: Expr | None
    atol: tuple[Expr, ...]
    doc: str
    span: Span

    @property
    def numbers(self) -> tuple[tuple[Expr, str], ...]:
        """Every number of the line, all constant, and what it is."""
        told: list[tuple[Expr | None, str]] = [
            (self.start, "the start of the run"),
            (self.stop, "the end of the run"),
            (self.step, "the step of the run"),
            (self.dt, "the longest step dt"),
            (self.rtol, "the relative tolerance rtol"),
            *((expr, "the absolute tolerance atol") for expr in self.atol),
        ]
        return tuple((expr, what) for expr, what in told if expr is not None)


Statement = (
    Params | Consts | Inits | Rule | Definition | FunctionDefinition | Inputs | Observation | Time | RunLine
)
