"""Calls of functions of arrays: which they are, and what is wrong with their arguments."""

from __future__ import annotations

from dataclasses import dataclass

from odec.diagnostics import Span
from odec.lang.functions import ARRAY_FUNCTIONS, DRAWS, OVER
from odec.tree import Expr, Op

OF_ARRAYS = frozenset({"list", "index", "ends", "open", "matmul", "transpose", "at", "for", "axis"})
"""Forms of the syntax tree that only arrays have."""


@dataclass(frozen=True)
class Misuse:
    """What is wrong with a call."""

    code: str
    message: str
    span: Span | None
    label: str = ""
    notes: tuple[str, ...] = ()


def array_call(name: str, args: tuple[Expr, ...], span: Span | None, draws: bool) -> Op | Misuse | None:
    """Op("array:NAME"), Op("for:NAME") over `for`, or Op("draw:NAME"); None for a call of another kind.

    draws: whether it may be drawn.
    """
    plain = tuple(arg for arg in args if not _is(arg, "axis"))
    axes = tuple(arg for arg in args if _is(arg, "axis"))
    over = next((arg for arg in plain if _is(arg, "for")), None)
    if draws and name in DRAWS:
        wrong = _miscounted(name, len(args), DRAWS[name], DRAWS[name], span)
        return wrong or Op(f"draw:{name}", args, span)
    if isinstance(over, Op):
        if name not in OVER or len(args) > 1:
            note = "sum(… for i in 0 .. n-1), and so mean, max and min, with nothing beside it"
            return Misuse("E320", "`for` has no place here", over.span, "", (note,))
        return Op(f"for:{name}", over.args, span, static=over.static)
    if axes and name not in (*OVER, "cumsum"):
        return Misuse(
            "E205", f"'{name}' takes no axis", axes[0].span, "", ("sum, mean, max, min, cumsum do",)
        )
    if name in ("max", "min") and (len(plain) == 1 or axes):
        least, most = 1, 1
    elif name in ARRAY_FUNCTIONS:
        least, most = ARRAY_FUNCTIONS[name][0], ARRAY_FUNCTIONS[name][1] or len(plain)
    else:
        return None
    return _miscounted(name, len(plain), least, most, span) or Op(f"array:{name}", (*plain, *axes[:1]), span)


def _is(expr: Expr, op: str) -> bool:
    return isinstance(expr, Op) and expr.op == op


def _miscounted(name: str, given: int, least: int, most: int, span: Span | None) -> Misuse | None:
    if least <= given <= most:
        return None
    takes = f"{least} argument{'' if least == 1 else 's'}"
    takes = f"at least {takes}" if most > least or given > most >= least > 1 else takes
    return Misuse("E205", f"'{name}' takes {takes}", span, f"{given} given")
