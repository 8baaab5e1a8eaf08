"""Where a right-hand side is not smooth, and what moves a trajectory across that place."""

from __future__ import annotations

from dataclasses import dataclass

from odec.diagnostics import Span
from odec.passes.lower import lower, needed
from odec.system import System
from odec.tree import OPERATIONS, Number, Op, Symbol, fold

KINKS = frozenset({"heaviside", "sign", "floor", "ceil", "mod", "abs", "min", "max", "relu", "clip"})
"""Functions with a jump or a kink; so has every comparison."""


@dataclass(frozen=True)
class Switch:
    """A comparison or a function of KINKS that the right-hand side uses.

    Its operands depend on the time itself (`time`), on `states` (first-order names), on `inputs` and on
    `params`, directly or through intermediates. `place` is its own span, or else that of its definition.
    """

    node: Op
    place: Span | None
    time: bool
    states: frozenset[str]
    inputs: frozenset[str]
    params: frozenset[str]


def switches(system: System) -> list[Switch]:
    """Every place where the right-hand side of a model switches or has a kink, in source order.

    Raises ModelError where inlining the model's functions makes a formula of unreasonable size.
    """
    lowered = lower(system)
    params, inputs = {p.name for p in system.params}, {i.name for i in system.inputs}
    behind: dict[str, frozenset[str]] = {}
    found: list[Switch] = []
    for definition in needed(lowered.running, lowered.rhs):
        place = definition.span

        def combine(node: Op, args: tuple[frozenset[str], ...], place: Span | None = place) -> frozenset[str]:
            names = frozenset().union(*args)
            if node.op in KINKS or (node.op in OPERATIONS and OPERATIONS[node.op].kind == "compare"):
                on = (frozenset(names & kind) for kind in (set(lowered.states), inputs, params))
                found.append(Switch(node, node.span or place, system.time in names, *on))
            return names

        behind[definition.name] = fold(definition.expr, lambda leaf: _behind(leaf, behind), combine)
    return found


def _behind(leaf: Number | Symbol, behind: dict[str, frozenset[str]]) -> frozenset[str]:
    """The model's own quantities that a leaf depends on."""
    return behind.get(leaf.name, frozenset({leaf.name})) if isinstance(leaf, Symbol) else frozenset()


def switches_in_time(system: System) -> bool:
    """Whether the right-hand side switches, or has a kink, at times that its formulas know.

    That is a condition such as `t < 3` or `mod(t, 24) < 0.5`, or heaviside, floor, mod, abs, min, max or sign
    of the time, alone or together with states. Steps must then not be longer than the time between outputs,
    or a pulse between two of them is missed.
    """
    return system.kind == "ode" and any(switch.time for switch in switches(system))
