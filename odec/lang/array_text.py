"""Forms of arrays back to text: as a model says them, and the operations that they become."""

from __future__ import annotations

from odec.arrays import ARRAY_OPERATIONS, axis_of
from odec.system import Said
from odec.tree import Expr, Number, Op, Symbol

_SAID = {"largest": "max", "smallest": "min"}
_ATOMS = frozenset({"list", "index", "stack", "slice", "at", "transpose", "open"})


def array_text(expr: Op, texts: tuple[str, ...]) -> str | None:
    """The text of a form of arrays from those of its arguments; None for another operation."""
    kind, _, name = expr.op.partition(":")
    if kind in ("array", "draw"):
        return f"{name}({', '.join(texts)})"
    if kind == "for":
        return f"{name}({texts[0]} for {loops_text(_named(expr), texts[1:])})"
    if expr.op in ("list", "stack"):
        return f"[{', '.join(texts)}]"
    if expr.op == "index":
        return f"{_base(expr.args[0], texts[0])}[{', '.join(texts[1:])}]"
    if expr.op == "ends":
        return ":".join(texts)
    if expr.op == "at":
        return str(expr.static[0])
    if expr.op == "axis":
        return f"axis={texts[0]}"
    if expr.op == "transpose":
        return f"{_base(expr.args[0], texts[0])}.T"
    if expr.op == "slice":
        return f"{_base(expr.args[0], texts[0])}[{', '.join(map(str, expr.static))}]"
    return _operation(expr, texts)


def _operation(expr: Op, texts: tuple[str, ...]) -> str | None:
    """An operation of arrays; what the language has no word for, as a call."""
    if expr.op == "open":
        return ""
    if expr.op not in ARRAY_OPERATIONS:
        return None
    name = _SAID.get(expr.op, expr.op)
    if expr.op in ("sum", "mean", "largest", "smallest", "cumsum") and expr.static:
        return f"{name}({texts[0]}, axis={axis_of(expr.static)})"
    more = [str(part) for part in expr.static] if expr.op != "concat" else []
    return f"{name}({', '.join([*texts, *more])})"


def _base(expr: Expr, text: str) -> str:
    """What is indexed, in brackets where it is more than a name."""
    is_atom = isinstance(expr, Symbol) or (isinstance(expr, Op) and expr.op in _ATOMS)
    return text if is_atom and not isinstance(expr, Number) else f"({text})"


def _named(expr: Op) -> list[str]:
    return [str(name) for name in expr.static[::2]]


def loops_text(names: list[str], ends: tuple[str, ...] | list[str]) -> str:
    """i in A .. B, j in C .. D"""
    pairs = zip(names, ends[::2], ends[1::2], strict=True)
    return ", ".join(f"{name} in {first} .. {last}" for name, first, last in pairs)


def periodic_text(said: Said) -> str:
    """What stands behind `for` of indices that are taken modulo."""
    names = [axis[0] for axis, _, _ in said.loops if axis in said.periodic]
    if not names:
        return ""
    return " periodic" if len(names) == len(said.loops) else f" periodic {', '.join(names)}"
