"""Whether a right-hand side is linear in the states."""

from __future__ import annotations

from odec.passes.program import Programs
from odec.tree import Op, symbols


def linear_in_states(programs: Programs) -> bool:
    """Whether the right-hand side is linear in the states, so that Newton's iterations are exact.

    It is where its Jacobian does not depend on them, and nothing but sums and products is done to them: a
    derivative does not see the jumps of a floor or a comparison.
    """
    if programs.arrays:
        return False
    jacobian = programs.jacobians["rhs", "x"].program
    moving = jacobian.dependent("x")
    if any(symbol.name in moving for entry in jacobian.outputs["entries"] for symbol in symbols(entry)):
        return False
    moving = programs.rhs.dependent("x")
    stack = [assignment.expr for assignment in programs.rhs.body] + [*programs.rhs.outputs["dx"]]
    while stack:
        expr = stack.pop()
        if isinstance(expr, Op):
            moves = any(symbol.name in moving for symbol in symbols(expr))
            if moves and expr.op not in ("add", "neg", "mul", "div"):
                return False
            stack.extend(expr.args)
    return True
