"""A map's states at other times: `x[t+1]` in a formula is the next value, `x[t-2]` that of two steps ago."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from odec.lang.array_calls import Misuse
from odec.lang.report import Report
from odec.lang.syntax import Binding, Inits, Rule, Statement, Time
from odec.system import at_time
from odec.tree import Expr, Number, Op, Symbol, symbols

LONGEST = 1_000
"""Steps that a map may reach back."""


def has_time(index: Expr, time: str) -> bool:
    """Whether an index depends on the time."""
    return any(symbol.name == time for symbol in symbols(index))


def initial_name(state: str, order: int, time: str) -> str:
    """What an initial value is of, as it is written: `x`, `x'`, or `x[t-2]` of the order -2."""
    return at_time(state, order, time) if order < 0 else state + "'" * order


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


def of_state(
    name: str, index: Expr, node: Op, time: str, is_map: bool, ahead: bool, past: bool
) -> Symbol | Misuse:
    """A state at the time of an index; ahead, past: whether the next value, earlier ones may stand here."""
    steps = steps_from(index, time)
    if steps == 0 and isinstance(index, Symbol):
        return Symbol(name, node.span)
    wrong = _no_other_time(name, steps, node, time, is_map)
    if wrong is not None or steps is None:
        return wrong or Symbol(name, node.span)
    if not (ahead if steps > 0 else past):
        what = "the next value" if steps > 0 else "an earlier value"
        notes = [f"`{name}` is the present value"]
        notes += [] if steps > 0 else [f"or keep it in a state of its own, `previous[{time}+1] = {name}`"]
        return Misuse("E311", f"{what} of '{name}' has no place here", node.span, "", tuple(notes))
    return Symbol(at_time(name, int(steps), time), node.span)


def _no_other_time(name: str, steps: float | None, node: Op, time: str, is_map: bool) -> Misuse | None:
    """What is wrong with the time of a state; None where nothing is."""
    if not is_map and (steps is None or steps < 0):
        note = f"a chain of states approximates a delay: `dy/d{time} = ({name} - y)/tau`"
        message, label = "a delay in a differential equation", f"'{name}' at another time"
        return Misuse("E323", message, node.span, label, (note,))
    if steps is not None and steps > 0 and not (is_map and steps == 1):
        note = f"a map knows one next value, `{name}[{time}+1]`" if is_map else f"write `{name}`"
        return Misuse("E326", f"'{name}' at a later time", node.span, "", (note,))
    if steps == 0:
        return Misuse("E326", f"'{name}' now is written without an index", node.span, f"write `{name}`")
    if steps is None or steps != int(steps) or steps < -LONGEST:
        note = f"a delay is a whole number from 1 to {LONGEST:,}: `{name}[{time}-2]`"
        return Misuse("E326", f"'{name}' at no time of the map", node.span, "", (note,))
    return None


def of_input(name: str, index: Expr, node: Op, time: str) -> Symbol | Misuse:
    """An input at the time of an index, which is the present."""
    if isinstance(index, Symbol):
        return Symbol(name, node.span)
    note = f"keep an earlier value in a state, `previous[{time}+1] = {name}`"
    return Misuse("E326", f"the input '{name}' at another time", node.span, f"write `{name}`", (note,))


def with_past(statements: Sequence[Statement], report: Report) -> list[Statement]:
    """The statements, `init x[t-2] = …` with the order -2; what is wrong with such a time is reported."""
    time = next((s.name.text for s in statements if isinstance(s, Time)), "t")
    is_map = any(isinstance(s, Rule) and s.kind == "map" for s in statements)
    found: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Inits):
            items = [_past(item, time, is_map, report) for item in statement.items]
            statement = replace(statement, items=tuple(item for item in items if item is not None))
        found.append(statement)
    return found


def _past(item: Binding, time: str, is_map: bool, report: Report) -> Binding | None:
    """An initial value, of an earlier time with its order; None where that is no time."""
    index = () if item.elements is None or item.elements.loops else item.elements.index
    if item.elements is None or len(index) != 1 or not has_time(index[0], time):
        return item
    name, steps = item.name.text, steps_from(index[0], time)
    node = Op("index", (), item.name.span.to(item.elements.span))
    wrong = _no_other_time(name, steps, node, time, is_map)
    if wrong is None and steps is not None and steps > 0:
        wrong = Misuse("E326", f"the next value of '{name}' is no initial one", node.span, f"write `{name}`")
    if wrong is None:
        return replace(item, order=int(steps or 0), elements=None)
    report.add(wrong.code, wrong.message, wrong.span, wrong.label, *wrong.notes)
    return None
