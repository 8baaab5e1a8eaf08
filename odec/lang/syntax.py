"""The syntax tree: what was written, statement by statement, before any name is looked up.

Expressions are those of `odec.tree` with names unresolved and some more forms: `Op("call:NAME", args)` for
every call, in whose arguments `Op("axis", (number,))` is one by name; `Op("tuple", items)` for a list in
round brackets, `Op("list", items)` in square ones; `Op("index", (value, i, …))` for an index, where a slice
is `Op("ends", (first, last))`, with `Op("open")` for an end left out; `Op("for", (body, first, last, …))` for
what sum(… for i in A .. B) sums, `static` naming its indices, and `Op("at", static=(NAME, PLACE))` for such
an index in a formula. A derivative is a Symbol whose name ends in primes.
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
class Loop:
    """`i in A .. B`: both ends belong to it. axis: what tells this index from others of its name."""

    name: Name
    first: Expr
    last: Expr

    @property
    def axis(self) -> tuple[str, int]:
        return self.name.text, self.name.span.start


@dataclass(frozen=True, slots=True)
class Elements:
    """What stands in square brackets on the left of a definition: sizes, or which elements it is of.

    loops: `for` behind the formula. periodic: indices that are taken modulo the sizes. span: the brackets.
    end: where the definition ends in the text.
    """

    index: tuple[Expr, ...]
    loops: tuple[Loop, ...]
    periodic: tuple[tuple[str, int], ...]
    span: Span
    end: int


@dataclass(frozen=True, slots=True)
class Binding:
    """NAME = EXPR; `order` counts the primes of an initial value."""

    name: Name
    expr: Expr
    order: int = 0
    elements: Elements | None = None


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
    elements: Elements | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    name: Name
    expr: Expr
    doc: str
    span: Span
    elements: Elements | None = None


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    name: Name
    args: tuple[Name, ...]
    body: Expr
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Table:
    """A lookup table: its points, or the name of the file that has them."""

    name: Name
    kind: Name | None
    points: tuple[tuple[Expr, Expr], ...]
    file: Name | None
    extrapolate: bool
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class FittedValues:
    """The name of a file with defaults of parameters."""

    file: Name
    doc: str
    span: Span


@dataclass(frozen=True, slots=True)
class Inputs:
    """shapes: the sizes of each."""

    names: tuple[Name, ...]
    kind: Name | None
    unit: str | None
    doc: str
    span: Span
    shapes: tuple[tuple[Expr, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """What a net gives: a name, and its sizes where it is an array."""

    name: Name
    sizes: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Net:
    """net NAME(ARG, …) -> (OUTPUT, …) = mlp(SIZE, …, ACTIVATION, bias=…, seed=…), or … external.

    layers: the arguments of `mlp`; None of an external net. bias, seed: None where they are not said.
    """

    name: Name
    args: tuple[Expr, ...]
    outputs: tuple[Output, ...]
    layers: tuple[Expr, ...] | None
    bias: Expr | None
    seed: Expr | None
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
    elements: Elements | None = None


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
    Params
    | Consts
    | Inits
    | Rule
    | Definition
    | FunctionDefinition
    | Table
    | FittedValues
    | Inputs
    | Net
    | Observation
    | Time
    | RunLine
)
