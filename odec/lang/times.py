"""A map's states at other times: `x[t+1]` in a formula is the next value."""

from __future__ import annotations

from odec.lang.array_calls import Misuse
from odec.system import at_time
from odec.tree import Expr, Number, Op, Symbol, symbols


def has_time(index: Expr, time: str) -> bool:
    """Whether an index depends on the time."""
    return any(symbol.name == time for symbol in symbols(index))


def is_shifted(index: Expr, time: str) -> bool:
    """Whether it is a sum that begins with the time: `t - tau`."""
    first = index.args[0] if isinstance(index, Op) and index.op == "add" else None
    return isinstance(first, Symbol) and first.name == time


def steps_from(index: Expr, time: str) -> float | None:
    """How many steps `t+1` or `t-2` lies ahead of the present; None for what is no such index."""
    if isinstance(index, Symbol):
        return 0.0 if index.name == time else None
    if not (isinstance(index, Op) and index.op == "add" and len(index.args) == 2):
        return None
    first, second = index.args
    is_back = isinstance(second, Op) and second.op == "neg"
    number = second.args[0] if isinstance(second, Op) and is_back else second
    if not (isinstance(first, Symbol) and first.name == time and isinstance(number, Number)):
        return None
    return -number.value if is_back else number.value


def of_state(name: str, index: Expr, node: Op, time: str, is_map: bool, reach: int) -> Symbol | Misuse:
    """A state at the time of an index; reach: how many steps ahead of the present it may lie, 0 or 1."""
    steps = steps_from(index, time)
    if steps == 0 and isinstance(index, Symbol):
        return Symbol(name, node.span)
    if is_map and steps == 1 and reach >= 1:
        return Symbol(at_time(name, 1, time), node.span)
    if is_map and steps == 1:
        note = f"`{name}` is the present value"
        return Misuse("E311", f"the next value of '{name}' has no place here", node.span, "", (note,))
    if steps is not None and steps > 0:
        ahead = f"a map knows one next value, `{name}[{time}+1]`" if is_map else f"write `{name}`"
        return Misuse("E326", f"'{name}' at a later time", node.span, "", (ahead,))
    note = f"a map uses present values, `{name}`, and next ones, `{name}[{time}+1]`"
    message = f"delays (`{name}[{time} - …]`) are not supported yet"
    return Misuse("E323", message, node.span, "another time", (note,))


def of_input(name: str, index: Expr, node: Op, time: str) -> Symbol | Misuse:
    """An input at the time of an index, which is the present."""
    if isinstance(index, Symbol):
        return Symbol(name, node.span)
    note = f"keep an earlier value in a state, `previous[{time}+1] = {name}`"
    return Misuse("E326", f"the input '{name}' at another time", node.span, f"write `{name}`", (note,))
