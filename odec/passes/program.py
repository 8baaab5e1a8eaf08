"""Programs: straight-line lists of assignments between named inputs and outputs.

Everything that a backend prints is a Program. Names in a Program are unique and already free of clashes with
each other (not with the target language: that is the printer's affair).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from odec.diagnostics import Span
from odec.system import System
from odec.tree import Expr


@dataclass(frozen=True)
class Assign:
    """name = expr. `span` is set where the assignment is the user's own formula, `doc` its comment."""

    name: str
    expr: Expr
    span: Span | None = None
    doc: str = ""


@dataclass(frozen=True)
class Program:
    """A function: `inputs` and `outputs` map a group's name to its symbols or expressions.

    Input groups, in this order and only where the model has them: "t" (the time), "x" (states), "p"
    (parameters), "u" (inputs); derivative programs add "w" (cotangents) or "dt", "dx", "dp", "du" (tangents).
    An input that the body does not use is still listed. Output expressions are symbols assigned in the
    body, input symbols, or numbers (a Number 0 is a structural zero).
    """

    name: str
    inputs: dict[str, tuple[str, ...]]
    body: tuple[Assign, ...]
    outputs: dict[str, tuple[Expr, ...]]


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

    states: first-order names in source order (theta, dtheta_dt, …). consts: names and values; a constant
    appears in bodies as a Symbol. For each of rhs (outputs "dx"), initial (inputs t, p; outputs "x") and
    observe (outputs "y") there is the function, its VJP (outputs per input group: "t", "x", "p", "u"), its
    JVP (same output group as the function), and sparse Jacobians by input group ("x", "p", "u").

    derived, each made when first asked for: "rhs_along", ∂f/∂x·dx (input group "dx", outputs "dx");
    "rhs_jacobian_vjp" and "rhs_jacobian_jvp", the VJP (a cotangent in "w" per entry of jacobians["rhs", "x"])
    and JVP (outputs "entries") of the Jacobian's entries; "rhs_time", ∂f/∂t + ∂f/∂u u' (outputs "dx"), where
    u' is the input group "rate" of models with inputs, "rhs_time_vjp" (outputs per input group, "rate" too)
    and "rhs_time_jvp" (tangents "dt", "dx", "dp", "du", "drate").
    """

    system: System
    states: tuple[str, ...]
    params: tuple[str, ...]
    inputs: tuple[str, ...]
    observables: tuple[str, ...]
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
