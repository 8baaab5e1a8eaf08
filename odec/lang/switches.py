"""Where the formulas of a model switch: conditions, and functions that jump or bend at a point.

A condition of `if`, heaviside, sign, floor, ceil and mod jump; abs, min, max, clip and relu bend, as does a
condition that guards a point. An equality, which is met at no step, does neither. What decides is followed
through intermediates and functions to the time, states, inputs and parameters. Those that the time alone
decides are located (turns.py): steps land on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from odec.diagnostics import Span
from odec.lang.graph import order
from odec.lang.structure import dependencies
from odec.lang.turns import STATE, TIME, Course, constant, course, input_course
from odec.system import System, at_time, derivative_name
from odec.tree import OPERATIONS, Expr, Number, Op, Symbol, fold

_STEPS = frozenset({"heaviside", "sign", "floor", "ceil"})
_NEAR = 0.01
_BENDS = frozenset({"abs", "min", "max", "clip", "relu"})

_Names = frozenset[str]
_NOTHING: _Names = frozenset()


@dataclass(frozen=True)
class Switch:
    """A place in a formula whose value jumps (or only its slope) where something crosses a threshold.

    names: what decides, as names of the time, states, inputs and parameters. why: why no step lands on it,
    "" where it is located.
    """

    span: Span | None
    names: frozenset[str]
    jumps: bool
    why: str = ""


@dataclass(frozen=True)
class _Found:
    """Of an expression: the names it depends on, those that a derivative sees, its switches, its course."""

    names: _Names = _NOTHING
    smooth: _Names = _NOTHING
    switches: frozenset[Switch] = frozenset()
    course: Course = Course()


def switches(system: System) -> tuple[Switch, ...]:
    """What switches in the equations, in source order; conditions of constants alone do not."""
    found = _definitions(system)
    each = (_of(equation.expr, found).switches for equation in system.equations)
    return _in_order(frozenset().union(*each))


def switches_in_time(system: System) -> tuple[Switch, ...]:
    """Those that are decided without a state: by the time or inputs, beside parameters."""
    states, moving = _states(system), {system.time, *(item.name for item in system.inputs)}
    return tuple(s for s in switches(system) if s.names & moving and not s.names & states)


def not_located(system: System) -> tuple[Switch, ...]:
    """Those in time on which no step lands."""
    return tuple(s for s in switches_in_time(system) if s.why)


def switches_in_states(system: System) -> tuple[Switch, ...]:
    """Those whose instant depends on the solution."""
    states = _states(system)
    return tuple(s for s in switches(system) if s.names & states)


def params_only_in_conditions(system: System) -> dict[str, tuple[Switch, ...]]:
    """Parameters that no derivative sees, though a value depends on them; with what they decide.

    By the equations, initial values and observables together; located switches of the equations are seen. In
    source order.
    """
    found = _definitions(system)
    parts = (system.equations, system.initials, system.observables)
    whole = _together(_of(part.expr, found) for definitions in parts for part in definitions)
    landed = _NOTHING if system.kind == "map" else _landed(system, found)
    hidden = [p.name for p in system.params if p.name in whole.names - whole.smooth - landed]
    return {name: _in_order(s for s in whole.switches if name in s.names) for name in hidden}


def _landed(system: System, found: _Definitions) -> _Names:
    """What moves the located switches of the equations."""
    lines = {system.time, *(item.name for item in system.inputs if item.kind == "linear")}
    each = frozenset().union(*(_of(equation.expr, found).switches for equation in system.equations))
    moved = (s.names for s in each if s.names & lines and not s.why)
    return _NOTHING.union(*moved)


def _states(system: System) -> set[str]:
    past = {at_time(s, -k, system.time) for s, most in system.delays.items() for k in range(1, most + 1)}
    return past | {derivative_name(e.state, k) for e in system.equations for k in range(e.order)}


def _in_order(found: Iterable[Switch]) -> tuple[Switch, ...]:
    return tuple(sorted(found, key=lambda s: (s.span.start if s.span else -1, s.jumps, sorted(s.names))))


def _together(parts: Iterable[_Found]) -> _Found:
    each = list(parts)
    return _Found(
        _NOTHING.union(*(p.names for p in each)),
        _NOTHING.union(*(p.smooth for p in each)),
        frozenset().union(*(p.switches for p in each)),
    )


@dataclass(frozen=True)
class _Definitions:
    """What is known of each name, the functions' arguments and bodies, and what calls were found to be.

    courses: of the time, states and inputs.
    """

    courses: dict[str, Course]
    known: dict[str, _Found]
    functions: dict[str, tuple[tuple[str, ...], Expr]]
    calls: dict[tuple[str, tuple[_Found, ...]], _Found]


def _definitions(system: System) -> _Definitions:
    functions = {f.name: (f.args, f.body) for f in system.functions}
    known = {c.name: _Found(course=constant(Symbol(c.name))) for c in system.consts}
    exprs = {item.name: item.expr for item in system.intermediates}
    exprs |= {at_time(e.state, 1, system.time): e.expr for e in system.equations if system.kind == "map"}
    courses = {system.time: TIME, **dict.fromkeys(_states(system), Course(why=STATE))}
    courses |= {item.name: input_course(item.name, item.kind, item.shape) for item in system.inputs}
    found = _Definitions(courses, known, functions, {})
    for name in order(dependencies(system)):
        if name in exprs:
            own = known[name] = _of(exprs[name], found)
            if own.course.fixed:
                known[name] = replace(own, course=constant(Symbol(name)))
    return found


def _of(expr: Expr, definitions: _Definitions) -> _Found:
    """What an expression depends on and where it switches."""

    def leaf(node: Number | Symbol) -> _Found:
        if isinstance(node, Number):
            return _Found(course=constant(node))
        return definitions.known.get(node.name) or _unknown(node.name, definitions)

    def combine(node: Op, args: tuple[_Found, ...]) -> _Found:
        if node.op.startswith("call:"):
            return _call(node.op.removeprefix("call:"), args, definitions)
        return _combined(node, args)

    return fold(expr, leaf, combine)


def _unknown(name: str, definitions: _Definitions) -> _Found:
    """Of the time, a state, an input or a parameter."""
    own = frozenset({name})
    return _Found(own, own, course=definitions.courses.get(name) or constant(Symbol(name)))


def _call(name: str, args: tuple[_Found, ...], definitions: _Definitions) -> _Found:
    found = definitions.calls.get((name, args))
    if found is None:
        names, body = definitions.functions[name]
        given = replace(definitions, known=definitions.known | dict(zip(names, args, strict=True)))
        found = definitions.calls[name, args] = _of(body, given)
    return found


def _guards(node: Op) -> bool:
    """Whether a comparison such as abs(v) < 1e-4 keeps a formula from a point where it is not defined."""
    near = any(isinstance(arg, Op) and arg.op == "abs" for arg in node.args)
    return near and any(isinstance(arg, Number) and 0 <= arg.value <= _NEAR for arg in node.args)


def _combined(node: Op, args: tuple[_Found, ...]) -> _Found:
    whole = _together(args)
    kind = OPERATIONS[node.op].kind if node.op in OPERATIONS else ""
    smooth, own = whole.smooth, _NOTHING
    jumps = kind == "compare" or node.op in _STEPS
    if jumps:
        smooth, jumps = _NOTHING, not _guards(node)
        own = _NOTHING if node.op in ("eq", "ne") else whole.names
    elif node.op in _BENDS or node.op == "mod":
        own, jumps = whole.names, node.op == "mod"
    elif kind == "select":
        smooth = args[1].smooth | args[2].smooth
    goes = course(node.op, tuple(arg.course for arg in args))
    here = frozenset({Switch(node.span, own, jumps, goes.why)} if own else ())
    return _Found(whole.names, smooth, whole.switches | here, goes)
