"""Looking names up: the raw tree of the parser to the operations and symbols of `odec.tree`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from odec.diagnostics import Fix, Span
from odec.lang.array_calls import OF_ARRAYS, Misuse, array_call
from odec.lang.functions import (
    ARRAY_FUNCTIONS,
    BOOLEAN,
    CONDITIONALS,
    FUNCTIONS,
    LATER,
    MEANT,
    SPECIAL,
    TAKES_BOOLEANS,
)
from odec.lang.lookalikes import Lookalikes
from odec.lang.names import UNREAD, VALUES, Entry
from odec.lang.report import Report, article, meant, product_of
from odec.lang.times import has_time, is_shifted, of_input, of_state
from odec.system import derivative_name
from odec.tree import MAX_DEPTH, OPERATIONS, Expr, Number, Op, Symbol, fold

_SPELLED = {"π": "pi", "Pi": "pi", "PI": "pi"}
"""Values by other names for them."""


@dataclass(frozen=True)
class Context:
    """Where an expression stands: what it is called in messages, and the kinds of names it may use.

    ahead, past: whether a map's states may be the next ones, and earlier ones.
    """

    what: str
    kinds: frozenset[str] = VALUES
    args: frozenset[str] = frozenset()
    infinite: bool = False
    draws: bool = False
    ahead: bool = False
    past: bool = False


@dataclass
class Resolver:
    """Turns raw expressions into checked ones; what is wrong goes to the report.

    With `open_world` every name that is not known is taken for a number, and every function too. is_map:
    whether it is of a map. arrays: whether something of arrays was met.
    """

    entries: Mapping[str, Entry]
    time: str
    report: Report
    open_world: bool = False
    is_map: bool = False
    arrays: bool = False
    _unknown: dict[str, list[Span]] = field(default_factory=dict)

    def number(self, expr: Expr, context: Context) -> Expr:
        """The expression, which has to be a number."""
        resolved = self._resolve(expr, context)
        self._want(resolved, boolean=False)
        return resolved

    def any(self, expr: Expr, context: Context) -> Expr:
        """The expression, a number or a condition."""
        return self._resolve(expr, context)

    def _resolve(self, expr: Expr, context: Context) -> Expr:
        def leaf(node: Number | Symbol) -> Expr:
            return self._symbol(node, context) if isinstance(node, Symbol) else node

        def combine(node: Op, args: tuple[Expr, ...]) -> Expr:
            if node.op == "tuple":
                return Op("tuple", args, node.span)
            if node.op == "call:Piecewise" and not self._known("Piecewise", context):
                return self._piecewise(node, args)
            values = tuple(self._one(arg) for arg in args)
            if node.op.startswith("call:"):
                return self._call(node.op[5:], values, node, context)
            if node.op in OF_ARRAYS:
                return self._of_arrays(values, node, context)
            return self._op(node.op, values, node.span)

        return self._one(fold(expr, leaf, combine))

    def _one(self, expr: Expr) -> Expr:
        """The expression, which has to be one value."""
        if isinstance(expr, Op) and expr.op == "tuple":
            self.report.add("E104", "a list in brackets is no value", expr.span, "one value expected here")
            return Number(1.0, "1", expr.span)
        return expr

    # Names.

    def _known(self, name: str, context: Context) -> bool:
        return name in self.entries or name in context.args

    def _symbol(self, symbol: Symbol, context: Context) -> Expr:
        name, span = symbol.name, symbol.span
        if name in context.args:
            return symbol
        entry = self.entries.get(name)
        if entry is not None:
            return self._entry(entry, symbol, context)
        if name.endswith("'"):
            return self._derivative(symbol, context)
        if name == "pi":
            return Number(math.pi, repr(math.pi), span)
        if name == "inf":
            if not context.infinite:
                note = "infinity stands in intervals only, such as `in (0, inf)`"
                self.report.add("E505", "'inf' in a formula", span, "not a finite number", note)
            return Number(math.inf, "inf", span)
        if name in ("True", "true"):
            return Op("true", (), span)
        if name in ("False", "false"):
            return Op("false", (), span)
        if not self.open_world and span is not None:
            if name in FUNCTIONS or name in ARRAY_FUNCTIONS or name in SPECIAL:
                self._no_value(name, span, "function")
            else:
                self._unknown.setdefault(name, []).append(span)
        return symbol

    def _no_value(self, name: str, span: Span | None, kind: str) -> None:
        label = f"call it: {name}(…)" if kind in ("function", "net") else ""
        self.report.add("E210", f"'{name}' is {article(kind)}, not a value", span, label)

    def _entry(self, entry: Entry, symbol: Symbol, context: Context) -> Expr:
        if entry.kind in context.kinds or entry.kind == UNREAD:
            return symbol
        if entry.kind in ("function", "net"):
            self._no_value(entry.name, symbol.span, entry.kind)
        elif entry.kind == "observable":
            note = f"define it as an intermediate, `NAME = EXPR`, and observe that: `obs {entry.name} = NAME`"
            message = f"the observable '{entry.name}' cannot be used in a formula"
            self.report.add("E316", message, symbol.span, "", note)
        else:
            constant = context.kinds == frozenset({"constant"})
            allowed = (
                "numbers and constants" if constant else "parameters, constants and other initial values"
            )
            message = f"{context.what} cannot use the {entry.kind} '{entry.name}'"
            note = f"it may use {allowed}"
            self.report.add("E311", message, symbol.span, f"{article(entry.kind)}", note)
        return symbol

    def _derivative(self, symbol: Symbol, context: Context) -> Expr:
        state = symbol.name.rstrip("'")
        order = len(symbol.name) - len(state)
        entry = self.entries.get(state)
        if self.open_world or (entry is not None and entry.kind == "state" and order < entry.order):
            derivative = Symbol(derivative_name(state, order), symbol.span)
            return self._symbol(derivative, context)
        span = symbol.span
        if entry is None:
            name_span = None if span is None else Span(span.start, span.start + len(state))
            self._symbol(Symbol(state, name_span), context)
        elif entry.kind == UNREAD:
            pass
        elif entry.kind != "state":
            message = f"'{state}' is {article(entry.kind)}: it has no derivative"
            self.report.add("E313", message, span, "only states have derivatives")
        else:
            written = state + "'" * entry.order
            note = f"name its right-hand side (`rate = …`, then `{written} = rate`) and use that name"
            message = f"'{symbol.name}' is not a variable: it is what the equation of '{state}' gives"
            self.report.add("E313", message, span, "", note)
        return symbol

    def report_unknown(self) -> None:
        """One message per unknown name, with the lines of its other places."""
        candidates = [e.name for e in self.entries.values() if e.kind in VALUES] + ["pi"]
        twins = Lookalikes(candidates)
        for name, spans in self._unknown.items():
            if name == f"d{self.time}" and any(other[:1] == "d" for other in self._unknown if other != name):
                continue  # of `dx/dt`, whose `dx` is told
            twin = twins.of(name)
            hint = self._hint(name) if twin is None else twin.note
            guess = None if hint else product_of(name, candidates) or self.report.guess(name, candidates)
            first, *others = (self.report.source.position(span.start)[0] for span in spans)
            lines = [str(line) for line in dict.fromkeys(others) if line != first]
            notes = [hint] if hint else []
            if lines:
                more = "" if len(lines) <= 8 else " and others"
                notes.append(f"also on line{'s' if len(lines) > 1 else ''} {', '.join(lines[:8])}{more}")
            guess = _SPELLED.get(name) or guess if twin is None else twin.name
            self.report.suggest("E201", f"unknown name '{name}'", spans[0], guess, *notes)

    def _hint(self, name: str) -> str:
        if name in ("E", "e"):
            return "Euler's number is `exp(1)`"
        if name == "t" and self.time != "t":
            return f"the time is named '{self.time}' in this model"
        state = self.entries.get(name[1:])
        if name[:1] == "d" and state is not None and state.kind == "state":
            rate = f"name its right-hand side (`rate = …`, then `{state.name}' = rate`) and use that name"
            return (
                rate if state.order == 1 else f"a derivative on the right-hand side is written {state.name}'"
            )
        dotted = (f"d{name}", f"d{name}d{self.time}", f"d{name}_d{self.time}", f"{name}_dot", f"{name}dot")
        for other in (entry for entry in map(self.entries.get, dotted) if entry is not None):
            if other.kind == "intermediate":
                return f"`{other.name} = …` is an intermediate; an equation is `d{name}/d{self.time} = …`"
        if name == "d" + self.time:
            return f"derivatives stand on the left-hand side only: `dX/d{self.time} = …`"
        return ""

    # Calls.

    def _call(self, name: str, args: tuple[Expr, ...], call: Op, context: Context) -> Expr:
        name_span = None if call.span is None else Span(call.span.start, call.span.start + len(name))
        entry = self.entries.get(name)
        if name in context.args:
            return self._not_a_function(name, "argument", args, call, name_span)
        if entry is not None and entry.kind == UNREAD:
            return Op(f"call:{name}", args, call.span)
        if entry is not None and entry.kind not in ("function", "net"):
            return self._not_a_function(name, entry.kind, args, call, name_span)
        own = None if entry is not None else self._array_call(name, args, call, context)
        if own is not None:
            self.arrays = True
            return own
        if entry is not None:
            for arg in args:
                self._want(arg, boolean=False)
            if len(args) != entry.arity and entry.span is not None:
                told = f"line {self.report.source.position(entry.span.start)[0]} defines '{name}'"
                self._wrong_count(name, (entry.arity, entry.arity), len(args), call.span, told)
            return Op(f"call:{name}", args, call.span)
        if name == "heav":
            name, args = "heaviside", (*args, Number(1.0, "1")) if len(args) == 1 else args
        op = FUNCTIONS.get(name)
        if op is not None:
            return self._builtin(name, op, args, call.span)
        if not self.open_world:
            self._unknown_function(name, name_span, call)
        return Op(f"call:{name}", args, call.span)

    def _array_call(self, name: str, args: tuple[Expr, ...], call: Op, context: Context) -> Expr | None:
        """A function of arrays, or what an array is drawn from; None for others."""
        found = array_call(name, args, call.span, context.draws)
        if isinstance(found, Misuse):
            return self._unless_misused(found)
        for arg in args if found is not None else ():
            self._want(arg, boolean=False)
        return found

    def _unless_misused(self, found: Symbol | Misuse) -> Expr:
        """What was found, or a number in its place once it is told what is wrong."""
        if not isinstance(found, Misuse):
            return found
        self.report.add(found.code, found.message, found.span, found.label, *found.notes)
        return Number(1.0, "1", found.span)

    def _unknown_function(self, name: str, name_span: Span | None, call: Op) -> None:
        message = f"unknown function '{name}'"
        known = [e.name for e in self.entries.values() if e.kind == "function"]
        twin = Lookalikes([*known, *FUNCTIONS]).of(name)
        if name in LATER:
            code, what = LATER[name]
            self.report.add(code, f"{what} (`{name}(…)`) are not supported yet", call.span)
        elif name in CONDITIONALS and len(call.args) == 3:
            text = "(if {} then {} else {})".format(*map(self._typed, call.args))
            self.report.suggest("E203", message, call.span, text)
        elif twin is not None:
            self.report.suggest("E203", message, name_span, twin.name, twin.note)
        else:
            guess = MEANT.get(name) or self.report.guess(
                name, [*known, *FUNCTIONS, *ARRAY_FUNCTIONS, *SPECIAL]
            )
            self.report.suggest("E203", message, name_span, guess)

    def _typed(self, expr: Expr) -> str:
        return "" if expr.span is None else self.report.source.text[expr.span.start : expr.span.end]

    def _builtin(self, name: str, op: str, args: tuple[Expr, ...], span: Span | None) -> Expr:
        least, most = OPERATIONS[op].arity
        if name in ("And", "Or") and len(args) == 1:
            return args[0]
        if len(args) < least or (most is not None and len(args) > most):
            self._wrong_count(name, (least, most), len(args), span)
            return Number(1.0, "1", span)
        return self._op(op, args, span)

    def _wrong_count(
        self, name: str, arity: tuple[int, int | None], given: int, span: Span | None, *notes: str
    ) -> None:
        least, most = arity
        if most is None:
            wanted = f"at least {least} arguments"
        else:
            count = str(least) if least == most else f"{least} or {most}"
            wanted = f"{count} argument{'' if most == 1 else 's'}"
        other_base = name in ("log", "ln") and given == 2
        notes = ("a logarithm to another base is log(x)/log(b)",) if other_base else notes
        self.report.add("E205", f"'{name}' takes {wanted}", span, f"{given} given", *notes)

    def _not_a_function(
        self, name: str, kind: str, args: tuple[Expr, ...], call: Op, name_span: Span | None
    ) -> Expr:
        """x(t - tau), x(t), or a missing multiplication sign."""
        if kind == "state" and len(args) == 1 and self._is_time(args[0]):
            note = f"write '{name}': it always means the value at the present time"
            message = f"'{name}' is a state, not a function"
            fix = None if call.span is None else Fix(call.span, name)
            self.report.add("E204", message, call.span, f"write '{name}'", note, fix=fix)
        elif kind == "state" and len(args) == 1 and isinstance(args[0], Number) and not args[0].value:
            note = f"give it a name, `param {name}0 = …` and `init {name} = {name}0`, and use {name}0"
            message = f"the initial value of '{name}' has no name in formulas"
            self.report.add("E204", message, call.span, "", note)
        elif kind == "state" and len(args) == 1 and is_shifted(args[0], self.time):
            message = f"delays (`{name}({self.time} - …)`) are not supported yet"
            self.report.add("E323", message, call.span, f"in a map, `{name}[{self.time}-1]`")
        else:
            brackets = self._brackets_of(call.span)
            text = self.report.source.text[brackets.start : brackets.end] if brackets else "(…)"
            text = text if len(text) <= 30 and "\n" not in text else "(…)"
            fix = None if brackets is None else Fix(Span(brackets.start, brackets.start), "*")
            message = f"'{name}' is {article(kind)}, not a function"
            self.report.add("E204", message, name_span, meant(f"{name}*{text}"), fix=fix)
        return Symbol(name, name_span)

    def _brackets_of(self, span: Span | None) -> Span | None:
        """Where the brackets of a call stand."""
        start = -1 if span is None else self.report.source.text.find("(", span.start, span.end)
        return None if span is None or start < 0 else Span(start, span.end)

    def _is_time(self, expr: Expr) -> bool:
        return isinstance(expr, Symbol) and expr.name == self.time

    def _of_arrays(self, args: tuple[Expr, ...], node: Op, context: Context) -> Expr:
        """What only arrays have; but in a map x[t] is x."""
        base = node.args[0] if node.op == "index" else None
        if isinstance(base, Symbol) and len(args) == 2 and has_time(args[1], self.time):
            entry = self.entries.get(base.name)
            kind = "state" if self.open_world else entry.kind if entry is not None else ""
            if kind in ("state", "input"):
                return self._at_time(base.name, kind, args[1], node, context)
        for arg in args:
            self._want(arg, boolean=False)
        self.arrays = True
        return Op(node.op, args, node.span, static=node.static)

    def _at_time(self, name: str, kind: str, index: Expr, node: Op, context: Context) -> Expr:
        """A state or an input whose index is of the time."""
        self._symbol(Symbol(name, node.span), context)
        found = of_input(name, index, node, self.time)
        if kind == "state":
            found = of_state(name, index, node, self.time, self.is_map, context.ahead, context.past)
        return self._unless_misused(found)

    # Types.

    def _op(self, op: str, args: tuple[Expr, ...], span: Span | None) -> Expr:
        logic = op in TAKES_BOOLEANS
        for i, arg in enumerate(args):
            self._want(arg, boolean=logic or (op == "select" and i == 0))
        return Op(op, args, span)

    def _want(self, expr: Expr, boolean: bool) -> None:
        is_boolean = isinstance(expr, Op) and expr.op in BOOLEAN
        if is_boolean and not boolean:
            note = "write `if CONDITION then 1 else 0`"
            self.report.add("E309", "a condition where a number is needed", expr.span, "true or false", note)
        elif boolean and not is_boolean:
            note = "a condition is a comparison, such as `x > 0` or `x != 0`"
            self.report.add("E310", "a number where a condition is needed", expr.span, "a number", note)

    def _piecewise(self, call: Op, args: tuple[Expr, ...]) -> Expr:
        """Piecewise((e1, c1), …, (en, True)) as nested selections."""
        pairs: list[tuple[Expr, Expr]] = []
        if len(args) > MAX_DEPTH:
            message = f"Piecewise has too many pieces (at most {MAX_DEPTH})"
            self.report.add("E108", message, call.span, f"{len(args)} pieces")
            return Number(1.0, "1", call.span)
        for arg in args:
            if not (isinstance(arg, Op) and arg.op == "tuple" and len(arg.args) == 2):
                note = "write Piecewise((value, condition), …, (value, True))"
                self.report.add("E315", "Piecewise takes pairs", arg.span, "not a (value, condition)", note)
                return Number(1.0, "1", call.span)
            pairs.append((self._one(arg.args[0]), self._one(arg.args[1])))
        for value, condition in pairs:
            self._want(value, boolean=False)
            self._want(condition, boolean=True)
        last = next((i for i, (_, c) in enumerate(pairs) if isinstance(c, Op) and c.op == "true"), None)
        if last is None:
            note = "end it with the value in all other cases: Piecewise(…, (0, True))"
            self.report.add("E308", "Piecewise has no value when no condition holds", call.span, "", note)
            return Number(1.0, "1", call.span)
        result = pairs[last][0]
        for value, condition in reversed(pairs[:last]):
            result = Op("select", (condition, value, result), call.span)
        return result
