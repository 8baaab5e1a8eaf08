"""Programs: straight-line lists of assignments between named inputs and outputs.

Everything that a backend prints is a Program. Names in a Program are unique and already free of clashes with
each other (not with the target language: that is the printer's affair).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from odec.arrays import ARRAY_OPERATIONS, Shape, ShapeError
from odec.diagnostics import Span
from odec.passes.walk import contains, count_nodes
from odec.system import System
from odec.tree import Expr, Number, Op, fold, rule_of, symbols


@dataclass(frozen=True)
class Value:
    """A named value; its elements lie row-major on the group's axis, from column `place` on."""

    name: str
    shape: Shape = ()
    place: int = 0

    @property
    def size(self) -> int:
        """How many columns it takes."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """Values side by side on one axis: states, parameters, inputs, observables, or what goes with each."""

    values: tuple[Value, ...] = ()

    @classmethod
    def of(cls, shapes: Iterable[tuple[str, Shape]]) -> Layout:
        """The values of these names and shapes, one behind the other."""
        values: list[Value] = []
        width = 0
        for name, shape in shapes:
            values.append(Value(name, shape, width))
            width += values[-1].size
        return cls(tuple(values))

    @property
    def names(self) -> tuple[str, ...]:
        """One name a value."""
        return tuple(value.name for value in self.values)

    @property
    def columns(self) -> tuple[str, ...]:
        """One name a column: `x`, or an array's elements, `h[0]`, `u[3,1]`."""
        return tuple(name for value in self.values for name in _elements(value))

    @property
    def width(self) -> int:
        """How many columns the axis has."""
        return sum(value.size for value in self.values)

    def renamed(self, names: Iterable[str]) -> Layout:
        """The same places under other names: cotangents, tangents, rates."""
        shapes = (value.shape for value in self.values)
        return Layout.of(zip(names, shapes, strict=True))

    def __iter__(self) -> Iterator[Value]:
        return iter(self.values)

    def __bool__(self) -> bool:
        return bool(self.values)


def _elements(value: Value) -> Iterator[str]:
    for k in range(value.size):
        indices = []
        for extent in reversed(value.shape):
            k, index = divmod(k, extent)
            indices.append(str(index))
        yield f"{value.name}[{','.join(reversed(indices))}]" if indices else value.name


@dataclass(frozen=True)
class Assign:
    """name = expr. `span` is set where the assignment is the user's own formula, `doc` its comment."""

    name: str
    expr: Expr
    span: Span | None = None
    doc: str = ""


@dataclass(frozen=True)
class Program:
    """A function: `inputs` and `outputs` map a group's name to its values or expressions.

    Input groups, in this order and only where the model has them: "t" (the time), "x" (states), "p"
    (parameters), "u" (inputs); derivative programs add "w" (cotangents) or "dt", "dx", "dp", "du" (tangents).
    An input that the body does not use is still listed. Output expressions are symbols assigned in the
    body, input symbols, or numbers (a Number 0 is a structural zero); `results` says where they stand.
    """

    name: str
    inputs: dict[str, Layout]
    body: tuple[Assign, ...]
    outputs: dict[str, tuple[Expr, ...]]
    results: dict[str, Layout]

    def names(self, *groups: str) -> tuple[str, ...]:
        """The names of the inputs of some groups, where it has them; of all groups where none is named."""
        layouts = (self.inputs.get(group, Layout()) for group in groups or self.inputs)
        return tuple(name for layout in layouts for name in layout.names)

    def shapes(self) -> dict[str, Shape]:
        """The shape of each name: of the inputs, and of what is assigned from them. Raises ShapeError."""
        found = {value.name: value.shape for group in self.inputs.values() for value in group}
        for assign in self.body:
            found[assign.name] = shape_of(assign.expr, found)
        return found

    @cached_property
    def arrays(self) -> bool:
        """Whether it has arrays, of its own or between."""
        groups = (*self.inputs.values(), *self.results.values())
        return any(value.shape for group in groups for value in group) or any(
            contains(expr, *ARRAY_OPERATIONS) for expr in self.expressions()
        )

    def expressions(self) -> Iterator[Expr]:
        """Every expression that it evaluates: its assignments, then its outputs."""
        yield from (assign.expr for assign in self.body)
        for group in self.outputs.values():
            yield from group

    def reads(self, *groups: str) -> bool:
        """Whether it uses an input of some groups."""
        used = {symbol.name for expr in self.expressions() for symbol in symbols(expr)}
        return not used.isdisjoint(self.names(*groups))

    def size(self) -> int:
        """How many operands and operations its assignments have, an array's counted for each element."""
        shapes = self.shapes()
        return sum(math.prod(shapes[assign.name]) * count_nodes(assign.expr) for assign in self.body)

    def dependent(self, *groups: str) -> set[str]:
        """The names of the inputs of some groups, and of all that depends on them."""
        found = set(self.names(*groups))
        for assign in self.body:
            if any(symbol.name in found for symbol in symbols(assign.expr)):
                found.add(assign.name)
        return found


def _shaped(node: Op, args: tuple[Shape, ...]) -> Shape:
    try:
        return rule_of(node.op)(args, node.static)
    except ShapeError as error:
        error.span = error.span or node.span
        raise


def shape_of(expr: Expr, shapes: Mapping[str, Shape]) -> Shape:
    """The shape of an expression; a name without one (a constant) is a scalar. Raises ShapeError."""
    return fold(
        expr,
        lambda leaf: () if isinstance(leaf, Number) else shapes.get(leaf.name, ()),
        _shaped,
    )


@dataclass(frozen=True)
class Sparse:
    """A sparse Jacobian: `program.outputs["entries"][k]` stands in row rows[k] and column cols[k]."""

    program: Program
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    shape: tuple[int, int]


@dataclass(frozen=True)
class Programs:
    """All that the backends need of a model: first-order, ordered, functions inlined.

    states: first-order in source order (theta, dtheta_dt, …); the last of them, hidden, are earlier values of
    a map, which nobody is shown. consts: names and values; a constant
    appears in bodies as a Symbol. For each of rhs (outputs "dx"), initial (inputs t, p; outputs "x") and
    observe (outputs "y") there is the function, its VJP (outputs per input group: "t", "x", "p", "u"), its
    JVP (same output group as the function), and sparse Jacobians by input group ("x", "p", "u").

    derived, each made when first asked for: "rhs_along", ∂f/∂x·dx (input group "dx", outputs "dx");
    "rhs_along_vjp" and "rhs_along_jvp", its derivatives for a vector that stays as it is (input group "v");
    "rhs_jacobian_vjp" and "rhs_jacobian_jvp", the VJP (a cotangent in "w" per entry of jacobians["rhs", "x"])
    and JVP (outputs "entries") of the Jacobian's entries; "rhs_time", ∂f/∂t + ∂f/∂u u' (outputs "dx"), where
    u' is the input group "rate" of models with inputs, "rhs_time_vjp" (outputs per input group, "rate" too)
    and "rhs_time_jvp" (tangents "dt", "dx", "dp", "du", "drate").

    asked: what the group "u" of rhs and of all that is derived from it has behind the inputs: values of the
    time and inputs for each condition on them (located.py); sources: which each is; switches: from p, for
    each condition (an output group) where it may turn: rate, offset, period, multiples of inputs, rate, …;
    None where nothing is asked.
    """

    system: System
    states: Layout
    params: Layout
    inputs: Layout
    observables: Layout
    consts: dict[str, float]
    rhs: Program
    rhs_vjp: Program
    rhs_jvp: Program
    initial: Program
    initial_vjp: Program
    initial_jvp: Program
    observe: Program | None = None
    observe_vjp: Program | None = None
    observe_jvp: Program | None = None
    jacobians: Mapping[tuple[str, str], Sparse] = field(default_factory=dict)
    derived: Mapping[str, Program] = field(default_factory=dict)
    asked: Layout = Layout()
    hidden: Layout = Layout()
    sources: tuple[str, ...] = ()
    switches: Program | None = None

    @property
    def shown(self) -> Layout:
        """The states without those that are hidden."""
        return Layout(self.states.values[: len(self.states.values) - len(self.hidden.values)])

    @property
    def held(self) -> Layout:
        """What the group "u" of the right-hand side has: the inputs, then what is asked."""
        return self.rhs.inputs.get("u", Layout())

    @cached_property
    def arrays(self) -> bool:
        """Whether it has arrays, of its own or in its formulas."""
        return any(part.arrays for part in (self.rhs, self.initial, self.observe) if part)

    @property
    def layouts(self) -> dict[str, Layout]:
        """What a model has on each axis; the inputs as the right-hand side takes them."""
        parts = {"states": self.states, "params": self.params, "inputs": self.held}
        return {**parts, "observables": self.observables}
