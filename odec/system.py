"""The System: what a user said in a model, checked, in source order. Nothing is derived or lowered here.

All names in expressions are resolved by the checks of `odec.lang`: a `Symbol` names the time, a state, its
derivative (`derivative_name`) or its value at another time (`at_time`), a parameter, a constant, an input, an
intermediate, or (inside `Function.body`) an argument. Calls to the model's own functions stay in the tree as
`Op("call:NAME", args)` until the lowering pass inlines them. A `shape` is () for a scalar.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from odec.arrays import ARRAY_OPERATIONS, Shape
from odec.diagnostics import Source, Span
from odec.lookups import Lookup
from odec.tree import Expr, lookups, operations, symbols
from odec.words import as_html, listed


def derivative_name(state: str, order: int) -> str:
    """The name of a state's derivative: `theta`, `dtheta_dt`, `d2theta_dt2`, …"""
    if order == 0:
        return state
    return f"d{state}_dt" if order == 1 else f"d{order}{state}_dt{order}"


def at_time(state: str, steps: int, time: str) -> str:
    """The name in formulas of a map of a state at another time: the next, `x[t+1]`, or earlier, `x[t-2]`."""
    return f"{state}[{time}{steps:+d}]"


def unprimed(name: str) -> str:
    """`theta'` as `dtheta_dt`, its name in tables and in generated code; other names as they are."""
    plain = name.rstrip("'′")
    return derivative_name(plain, len(name) - len(plain))


@dataclass(frozen=True)
class Interval:
    """Bounds in natural units; infinite where there are none."""

    lower: float = -math.inf
    upper: float = math.inf
    lower_closed: bool = False
    upper_closed: bool = False

    def __contains__(self, value: float) -> bool:
        above = value >= self.lower if self.lower_closed else value > self.lower
        below = value <= self.upper if self.upper_closed else value < self.upper
        return above and below

    def __str__(self) -> str:
        left, right = "[" if self.lower_closed else "(", "]" if self.upper_closed else ")"
        return f"{left}{self.lower:g}, {self.upper:g}{right}"

    @property
    def default_transform(self) -> str:
        """softplus for a half line, logit between two finite bounds, else none."""
        bounded = math.isfinite(self.lower) + math.isfinite(self.upper)
        return ("none", "softplus", "logit")[bounded]


TRANSFORMS = ("none", "softplus", "log", "log10", "logit")


@dataclass(frozen=True)
class Said:
    """A part of a definition as the model says it, where that is not its formula.

    index: which elements it is of, for each of the loops. loops: each index with its place, its first and its
    last value. periodic: those that are taken modulo the sizes. span: its name with the brackets, end: where
    all of it ends in the text.
    """

    index: tuple[Expr, ...]
    loops: tuple[tuple[tuple[str, int], Expr, Expr], ...]
    periodic: tuple[tuple[str, int], ...]
    expr: Expr
    doc: str
    span: Span | None
    end: int = 0


@dataclass(frozen=True)
class Param:
    """A parameter: `value` is its default evaluated; `transform` is one of TRANSFORMS, resolved.

    Of an array, `value` is the default of all elements, or `elements` has that of each, row-major, or it is
    drawn: `draw` has a distribution's name and its arguments.
    """

    name: str
    default: Expr
    value: float
    interval: Interval
    transform: str
    unit: str | None
    doc: str
    span: Span
    shape: Shape = ()
    elements: tuple[float, ...] = ()
    draw: tuple[str | float, ...] = ()
    said: tuple[Said, ...] = ()

    @property
    def bounded(self) -> bool:
        """Whether it is held to less than all real numbers."""
        return math.isfinite(self.interval.lower) or math.isfinite(self.interval.upper)


@dataclass(frozen=True)
class Const:
    """A constant and its value, fixed when compiled; the value of an array is its formula, `value` NaN."""

    name: str
    expr: Expr
    value: float
    unit: str | None
    doc: str
    span: Span
    shape: Shape = ()
    said: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Equation:
    """d^order(state)/dt^order = expr, or state[t+1] = expr in a map (order 1)."""

    state: str
    order: int
    expr: Expr
    doc: str
    span: Span
    shape: Shape = ()
    said: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Initial:
    """The initial value of a state (order 0), its derivative (order 1, …) or its history (order -2: x[t-2]).

    In `expr` a state's name (or derivative's name) means its initial value.
    """

    state: str
    order: int
    expr: Expr
    unit: str | None
    doc: str
    span: Span
    shape: Shape = ()
    said: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Intermediate:
    """A named expression."""

    name: str
    expr: Expr
    doc: str
    span: Span
    said: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Function:
    """A function of its arguments (its body may use the model's other names too), to be inlined."""

    name: str
    args: tuple[str, ...]
    body: Expr
    doc: str
    span: Span


@dataclass(frozen=True)
class Net:
    """A network: an affine map to each of the hidden sizes, with its activation, and one to the outputs.

    args: what it sees, inputs: the shapes; outputs: names and shapes of what it gives. Its weights are
    parameters, named as of torch.nn.Sequential: `NAME.0.weight`. external: a module that a Model is given.
    """

    name: str
    args: tuple[Expr, ...]
    inputs: tuple[Shape, ...]
    outputs: tuple[tuple[str, Shape], ...]
    hidden: tuple[int, ...]
    activation: str
    bias: bool
    seed: int | None
    external: bool
    doc: str
    span: Span

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of what goes in, of each hidden layer, and of what comes out."""
        ends = [sum(map(math.prod, shapes)) for shapes in (self.inputs, (shape for _, shape in self.outputs))]
        return (ends[0], *self.hidden, ends[1])


@dataclass(frozen=True)
class Input:
    """An external time series; `kind` is hold, linear or cubic."""

    name: str
    kind: str
    unit: str | None
    doc: str
    span: Span
    shape: Shape = ()


@dataclass(frozen=True)
class Noise:
    """The measurement noise of an observable: a distribution's name and its arguments.

    sigma: of a normal distribution whose standard deviation is one constant, else None.
    """

    distribution: str
    args: tuple[Expr, ...]
    span: Span
    sigma: float | None = None


@dataclass(frozen=True)
class Observable:
    """What is measured."""

    name: str
    expr: Expr
    noise: Noise | None
    unit: str | None
    doc: str
    span: Span
    shape: Shape = ()
    said: tuple[Said, ...] = ()


@dataclass(frozen=True)
class Run:
    """The default run, from start to stop, and what else the line says, None (or ()) where it is silent.

    step: the time between outputs. dt: the longest fixed step. rtol, atol: the tolerance of steps that follow
    the error; atol has one number, or one for each first-order state.
    """

    start: float
    stop: float
    step: float | None
    method: str | None
    dt: float | None = None
    rtol: float | None = None
    atol: tuple[float, ...] = ()
    span: Span = Span(0, 0)

    @property
    def toleranced(self) -> bool:
        """Whether the line asks for a tolerance."""
        return self.rtol is not None or bool(self.atol)


@dataclass(frozen=True, repr=False)
class System:
    """A checked model. `kind` is "ode" or "map"; every tuple is in source order.

    `states` lists each state once, by its own name, in the order of the equations; `equations` has exactly
    one entry per state, and `initials` one per state and order below that equation's order. `files` has the
    names and digests of the files whose numbers are in it; `values` is where that of defaults is named.
    """

    name: str
    source: Source
    kind: str
    time: str
    time_unit: str | None
    doc: str
    states: tuple[str, ...]
    params: tuple[Param, ...]
    consts: tuple[Const, ...]
    equations: tuple[Equation, ...]
    initials: tuple[Initial, ...]
    intermediates: tuple[Intermediate, ...]
    functions: tuple[Function, ...]
    inputs: tuple[Input, ...]
    observables: tuple[Observable, ...]
    run: Run | None = None
    nets: tuple[Net, ...] = ()
    external: tuple[str, ...] = ()  # the nets that are modules
    state_units: dict[str, str] = field(default_factory=dict)
    files: tuple[tuple[str, str], ...] = ()
    values: Span | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Pickled with its lookup tables, which the process that reads it must know."""
        return {**self.__dict__, "_lookups": self.lookups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({name: value for name, value in state.items() if name != "_lookups"})

    def __repr__(self) -> str:
        kind = {"ode": "an ODE", "map": "a map"}[self.kind]
        lines = [f"System {self.name} ({self.source.name}): {kind} in {self.time}"]
        lines.append(f"  states: {listed(self.states)}")
        bounded = [f"{_default(p)}" + f" in {p.interval}" * p.bounded for p in self.params]
        consts = [f"{c.name} = {c.value:g}" if not c.shape else _named(c.name, c.shape) for c in self.consts]
        parts = {"params": bounded, "consts": consts}
        parts |= {"inputs": [f"{item.name} {item.kind}" for item in self.inputs]}
        parts |= {key: [one.name for one in getattr(self, key)] for key in ("nets", "observables")}
        lines += [f"  {title}: {listed(items)}" for title, items in parts.items() if items]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return as_html(repr(self))

    @property
    def constants(self) -> dict[str, float]:
        """The constants that are numbers, by name."""
        return {c.name: c.value for c in self.consts if not c.shape}

    @property
    def arrays(self) -> tuple[str, ...]:
        """The names of the states, parameters, inputs and observables that are arrays."""
        named = [(e.state, e.shape) for e in self.equations]
        named += [(p.name, p.shape) for p in self.params]
        named += [(u.name, u.shape) for u in self.inputs]
        named += [(y.name, y.shape) for y in self.observables]
        return tuple(name for name, shape in named if shape)

    @property
    def formulas(self) -> tuple[Expr, ...]:
        """All expressions that a run evaluates, and the bodies of functions."""
        parts = (self.equations, self.initials, self.intermediates, self.observables)
        return (*(one.expr for part in parts for one in part), *(f.body for f in self.functions))

    @property
    def lookups(self) -> list[Lookup]:
        """The lookup tables in its formulas."""
        return lookups(*self.formulas)

    @property
    def delays(self) -> dict[str, int]:
        """Of a map, the states whose earlier values are used, each with the most steps that one lies back."""
        found = dict.fromkeys(self.states if self.kind == "map" else (), 0)
        for name in {s.name for expr in self.formulas if found for s in symbols(expr) if "[" in s.name}:
            state, _, index = name.partition("[")
            found[state] = max(found.get(state, 0), -int(index.removeprefix(self.time).rstrip("]")))
        return {state: most for state, most in found.items() if most > 0}

    @property
    def has_arrays(self) -> bool:
        """Whether it has arrays, of its own or within formulas."""
        return bool(self.arrays) or not ARRAY_OPERATIONS.keys().isdisjoint(operations(*self.formulas))

    @property
    def digest(self) -> str:
        """SHA-256 of the source text and of the files whose numbers are in it, hexadecimal."""
        found = hashlib.sha256(self.source.text.encode())
        for _, digest in self.files:
            found.update(digest.encode())
        return found.hexdigest()

    @classmethod
    def from_equations(cls, equations: Any, *parts: Any, **options: Any) -> System:
        """A model from Python; see `odec.equations.system_from_equations` for the arguments."""
        if _builder is None:
            raise RuntimeError("import odec before you call System.from_equations")
        return _builder(equations, *parts, **options)


def _named(name: str, shape: Shape) -> str:
    """An array as a declaration names it: W[16, 4]."""
    return f"{name}[{', '.join(map(str, shape))}]" if shape else name


def _default(param: Param) -> str:
    """A parameter with its default; of an array what it is drawn from, or its least and largest element."""
    name = _named(param.name, param.shape)
    if param.draw:
        kind, *numbers = param.draw
        return f"{name} = {kind}({', '.join(f'{n:g}' for n in numbers)})"
    least, most = min(param.elements, default=param.value), max(param.elements, default=param.value)
    return f"{name} = {least:g}" + (f" .. {most:g}" if param.elements else "")


_builder: Callable[..., System] | None = None


def register_builder(builder: Callable[..., System]) -> None:
    """Tell `System.from_equations` who builds a system (lang and api come after this room)."""
    global _builder
    _builder = builder
