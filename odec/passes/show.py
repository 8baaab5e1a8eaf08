"""A model as text for a person: equations, parameters, dependencies, the Jacobian and its sparsity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from odec.lang import expression_text
from odec.lang.arithmetic import ONE, ZERO, add, negative, over, times
from odec.lang.array_text import loops_text, periodic_text
from odec.lang.times import initial_name
from odec.lang.turns import Branch
from odec.passes.labels import earlier, left, row_labels, speller, state_names
from odec.passes.latex import latex
from odec.passes.located import locate
from odec.passes.lower import lower, needed
from odec.passes.program import Programs, Sparse
from odec.system import (
    Function,
    Net,
    Observable,
    Param,
    Run,
    Said,
    System,
    derivative_name,
)
from odec.text import printable
from odec.tree import Expr, Op, Symbol, fold, lookups, substitute, symbols

__all__ = ["equations_text", "graph_text", "jacobian_text", "latex", "params_table", "sparsity_text"]

MAX_PICTURE = 64
MAX_NAMED_COLUMNS = 16
MAX_ENTRIES = 500
MAX_INLINED = 12
_SHADES = "·░▒▓█"


def equations_text(system: System) -> str:
    """The model in the spelling of `.ode` files, by what it defines: equations first, the rest after."""
    text = speller(system)
    functions = [(f"{f.name}({', '.join(f.args)})", _body(f, text), f.doc) for f in system.functions]
    rates, starts, measured = _Rows(text), _Rows(text), _Rows(text)
    named, fixed = _Rows(text), _Rows(text)
    for e in system.equations:
        rates.add(e, partial(left, system, e))
    inside = {name for net in system.nets for name, _ in net.outputs}
    for m in system.intermediates:
        if m.name not in inside and "." not in m.name:
            named.add(m, m.name.__add__)
    for i in system.initials:
        starts.add(i, initial_name(i.state, i.order, system.time).__add__, _unit(i.unit))
    for o in system.observables:
        measured.add(o, o.name.__add__, _noise(o, text) + _unit(o.unit))
    for c in system.consts:
        fixed.add(c, c.name.__add__, _unit(c.unit))
    sections = [
        ("equations", rates),
        ("intermediates", named),
        ("functions", functions),
        ("nets", [(_net_head(net, text), _net_layers(net), net.doc) for net in system.nets]),
        ("initial values", starts),
        ("observables", measured),
        ("constants", fixed),
    ]
    lines = [_headline(system)]
    for title, rows in sections:
        if rows:
            lines += ["", title, *_aligned(rows)]
    if system.inputs:
        inputs = [(u.name, f"{u.kind}{_unit(u.unit)}", u.doc) for u in system.inputs]
        lines += ["", "inputs", *_aligned(inputs, " ")]
    lines += _instants(system)
    if system.run is not None:
        lines += ["", "run", f"  {_run_words(system.time, system.run)}"]
    return printable("\n".join(lines) + "\n")


class _Rows(list[tuple[str, str, str]]):
    """Definitions as rows: left side, right side, description; those of elements a row each."""

    def __init__(self, text: Callable[[Expr], str]):
        super().__init__()
        self.text = text

    def add(self, item: Any, left: Callable[[str], str], behind: str = "") -> None:
        """left: the left side from the index on it."""
        for said in item.said:
            right = self.text(said.expr) + _loops(said, self.text)
            self.append((left(_index(said, self.text)), right + behind, said.doc or item.doc))
        if not item.said:
            self.append((left(""), self.text(item.expr) + behind, item.doc))


def _index(said: Said, text: Callable[[Expr], str]) -> str:
    return f"[{', '.join(map(text, said.index))}]" if said.index else ""


def _loops(said: Said, text: Callable[[Expr], str]) -> str:
    """`for` behind a formula."""
    if not said.loops:
        return ""
    ends = [text(end) for _, first, last in said.loops for end in (first, last)]
    return f" for {loops_text([axis[0] for axis, _, _ in said.loops], ends)}{periodic_text(said)}"


def _net_head(net: Net, text: Callable[[Expr], str]) -> str:
    """A network from its name to what it gives."""
    outputs = [name + f"[{', '.join(map(str, shape))}]" * bool(shape) for name, shape in net.outputs]
    given = f"({', '.join(outputs)})" if len(outputs) > 1 else outputs[0]
    return f"{net.name}({', '.join(map(text, net.args))}) -> {given}"


def _net_layers(net: Net) -> str:
    """A network's layers and options."""
    if net.external:
        return "external"
    options = [] if net.bias else ["bias=false"]
    options += [] if net.seed is None else [f"seed={net.seed}"]
    return f"mlp({', '.join([*map(str, net.hidden), *[net.activation] * bool(net.activation), *options])})"


def _instants(system: System) -> list[str]:
    """At which times the equations switch: where steps land."""
    lowered = lower(system)
    turns = dict.fromkeys(turn for found in locate(lowered).turns for turn in found)
    n, text = Symbol(lowered.names.fresh("n")), speller(system)
    shown = dict.fromkeys(_instant(turn, Symbol(system.time), n, text) for turn in turns)
    whole = f" ({n.name} = 0, 1, -1, …)" * any(turn.period != ZERO for turn in turns)
    return ["", f"switches{whole}", *shown] if shown else []


def _instant(turn: Branch, time: Symbol, n: Symbol, text: Callable[[Expr], str]) -> str:
    """Where a turn is, as an equation, which is divided by the multiple of what stands alone."""
    moving = [(Symbol(item.name), item.by) for item in turn.inputs]
    moving += [(time, turn.rate)] if turn.rate != ZERO else []
    (first, by), *others = moving
    by = ONE if others else by
    left = add(*(times(factor, term) for term, factor in moving)) if others else first
    inverse = by.args[1] if isinstance(by, Op) and by.op == "div" and by.args[0] == ONE else None
    parts = (negative(turn.offset or ZERO), turn.period)
    at, each = (over(part, by) if inverse is None else times(part, inverse) for part in parts)
    right = at if each == ZERO else add(at, n if each == ONE else Op("mul", (each, n)))
    return f"  {text(left)} = {text(right)}"


def _run_words(time: str, run: Run) -> str:
    """The run line, its words in one order."""
    parts = [("step", run.step), ("method", run.method), ("dt", run.dt), ("rtol", run.rtol)]
    said = [f"{word} {value if isinstance(value, str) else f'{value:g}'}" for word, value in parts if value]
    said += [f"atol {', '.join(f'{value:g}' for value in run.atol)}"] if run.atol else []
    return " ".join([f"{time} = {run.start:g} .. {run.stop:g}", *said])


def params_table(system: System) -> str:
    """The parameters: name, default, interval, transform, unit, description."""
    if not system.params:
        return "no parameters\n"
    head = ("parameter", "default", "interval", "transform", "unit", "description")
    rows = [
        (name, default, str(p.interval), p.transform, p.unit or "", p.doc)
        for p in system.params
        for name, default in _defaults(p)
    ]
    return printable(_table([head, *rows]))


def _defaults(param: Param) -> list[tuple[str, str]]:
    """A parameter's name and default; of an array with its shape, or a row for each of its definitions."""
    text = expression_text
    rows = [(param.name + _index(said, text), text(said.expr) + _loops(said, text)) for said in param.said]
    return rows or [(param.name, text(param.default))]


def graph_text(system: System) -> str:
    """What each quantity is computed from, and what it enters."""
    rows = _dependencies(system)
    kinds = _kinds(system)
    width = max(len(label) for label, _ in rows)
    lines = ["computed from"]
    for label, used in rows:
        parts = [
            ", ".join(n for n in used if kinds[n] == kind) for kind in ("state", "input", "param", "const")
        ]
        text = "; ".join(part for part in parts if part)
        lines.append(f"  {label:{width}}  <-  {text or 'constants alone'}")
    entered: dict[str, list[str]] = {name: [] for name, kind in kinds.items() if kind != "const"}
    for label, used in rows:
        for name in used:
            if name in entered:
                entered[name].append(label)
    ends = {o.name for o in system.observables}
    quiet = {system.time, *row_labels(system)}
    shown = {
        name: found for name, found in entered.items() if name not in ends and (found or name not in quiet)
    }
    width = max(map(len, shown))
    lines += ["", "enters"]
    lines += [f"  {name:{width}}  ->  {', '.join(found) or 'nothing'}" for name, found in shown.items()]
    return "\n".join(lines) + "\n"


def jacobian_text(programs: Programs) -> str:
    """∂f/∂x: a picture of its sparsity, then each entry that is not zero as a formula."""
    sparse, system = programs.jacobians["rhs", "x"], programs.system
    asked = {
        name: Symbol(source) for name, source in zip(programs.asked.names, programs.sources, strict=True)
    }
    text = speller(programs.system)
    rows, columns = [*row_labels(system), *earlier(system)], list(state_names(system).values())
    count, (height, width) = len(sparse.rows), sparse.shape
    lines = [f"Jacobian ∂f/∂x: {height} x {width}, {count} of {height * width} entries not zero", ""]
    lines += [sparsity_text(sparse, rows, columns), ""]
    return "\n".join(lines + _entries(sparse, rows, columns, lambda e: text(substitute(e, asked)))) + "\n"


def sparsity_text(sparse: Sparse, rows: Sequence[str], columns: Sequence[str]) -> str:
    """The sparsity as a picture: a block per entry, a shade per group of entries where it is too wide."""
    height, width = sparse.shape
    places = set(zip(sparse.rows, sparse.cols, strict=True))
    if max(height, width) > MAX_PICTURE:
        return _shaded(places, sparse.shape)
    margin = max(map(len, rows))
    lines = []
    if width <= MAX_NAMED_COLUMNS and sum(map(len, columns)) < 90:
        widths = [max(len(c), 1) for c in columns]
        lines.append(" " * (margin + 4) + "  ".join(columns))
    else:
        widths = [1] * width
        lines.append(" " * (margin + 4) + f"columns: {columns[0]} … {columns[-1]}")
    gap = "  " if width <= MAX_NAMED_COLUMNS else ""
    for i, row in enumerate(rows):
        marks = ("█" if (i, j) in places else "·" for j in range(width))
        cells = gap.join(mark.center(w) for mark, w in zip(marks, widths, strict=True))
        lines.append(f"  {row:{margin}}  {cells}".rstrip())
    return "\n".join(lines)


def _shaded(places: Iterable[tuple[int, int]], shape: tuple[int, int]) -> str:
    """A picture of at most MAX_PICTURE cells each way; a cell's shade is its share of entries."""
    size = -(-max(shape) // MAX_PICTURE)
    counts: dict[tuple[int, int], int] = {}
    for i, j in places:
        counts[i // size, j // size] = counts.get((i // size, j // size), 0) + 1
    lines = [f"  each cell stands for {size} x {size} entries; {_SHADES[0]} none, {_SHADES[-1]} all"]
    for i in range(-(-shape[0] // size)):
        shares = (counts.get((i, j), 0) / size**2 for j in range(-(-shape[1] // size)))
        lines.append("  " + "".join(_SHADES[-int(-4 * share // 1) if share else 0] for share in shares))
    return "\n".join(lines)


def _entries(
    sparse: Sparse, rows: Sequence[str], columns: Sequence[str], text: Callable[[Expr], str]
) -> list[str]:
    """The entries as formulas, and before them what they share."""
    formulas, shared = _without_temporaries(sparse)
    lefts = [f"∂({rows[i]})/∂{columns[j]}" for i, j in zip(sparse.rows, sparse.cols, strict=True)]
    lines = [f"  {name} = {text(expr)}" for name, expr in shared]
    if lines:
        lines = ["with", *lines, ""]
    margin = max(map(len, lefts), default=0)
    shown = list(zip(lefts, formulas, strict=True))
    lines += [f"  {left:{margin}} = {text(expr)}" for left, expr in shown[:MAX_ENTRIES]]
    if len(shown) > MAX_ENTRIES:
        lines.append(f"  … and {len(shown) - MAX_ENTRIES} more")
    return lines


def _without_temporaries(sparse: Sparse) -> tuple[list[Expr], list[tuple[str, Expr]]]:
    """The entries with short temporaries put back in, and the definitions that stay."""
    program = sparse.program
    entries = {e.name for e in program.outputs["entries"] if isinstance(e, Symbol)}
    known: dict[str, Expr] = {}
    shared: list[tuple[str, Expr]] = []
    for assign in program.body:
        expr = substitute(assign.expr, known)
        if assign.name in entries or assign.span is None and _nodes(expr) <= MAX_INLINED:
            known[assign.name] = expr
        else:
            shared.append((assign.name, expr))
    formulas = [substitute(e, known) for e in program.outputs["entries"]]
    used = {s.name for e in (*formulas, *(e for _, e in shared)) for s in symbols(e)}
    return formulas, [(name, expr) for name, expr in shared if name in used]


def _nodes(expr: Expr) -> int:
    return fold(expr, lambda leaf: 1, lambda node, counts: 1 + sum(counts))


def _headline(system: System) -> str:
    kind = "a map" if system.kind == "map" else "an ODE"
    parts = [_count(len(system.states), "state"), _count(len(system.params), "parameter")]
    if system.observables:
        parts.append(_count(len(system.observables), "observable"))
    clock = f"time {system.time}" + (f" in {system.time_unit}" if system.time_unit else "")
    line = f"{system.name}: {kind} with {', '.join(parts)}; {clock}"
    return "\n".join([line, *(f"  {text}".rstrip() for text in system.doc.splitlines())])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _unit(unit: str | None) -> str:
    return f" : {unit}" if unit else ""


def _body(function: Function, text: Callable[[Expr], str]) -> str:
    """What a function is: a formula, or a table."""
    body = function.body
    if not (isinstance(body, Op) and body.op == "lookup"):
        return text(body)
    (table,) = lookups(body)
    beyond = ", extrapolated" if table.extrapolate else ""
    return f"{table.kind} through {len(table.xs)} points from {table.xs[0]:g} to {table.xs[-1]:g}{beyond}"


def _noise(observable: Observable, text: Callable[[Expr], str]) -> str:
    if observable.noise is None:
        return ""
    args = ", ".join(map(text, observable.noise.args))
    return f" ~ {observable.noise.distribution}" + (f"({args})" if args else "")


def _aligned(rows: Sequence[tuple[str, str, str]], sign: str = " = ") -> list[str]:
    margin = max(len(left) for left, _, _ in rows)
    texts = [f"  {left:{margin}}{sign}{right}" for left, right, _ in rows]
    widest = max((len(text) for text in texts if len(text) <= 80), default=0)
    return [
        f"{text:{widest}}  # {doc}" if doc else text for text, (_, _, doc) in zip(texts, rows, strict=True)
    ]


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell; a column without content is left out."""
    kept = [k for k in range(len(rows[0])) if any(row[k] for row in rows[1:])]
    widths = [max(len(row[k]) for row in rows) for k in kept]
    lines = ["  ".join(f"{row[k]:{w}}" for k, w in zip(kept, widths, strict=True)).rstrip() for row in rows]
    rule = "  ".join("-" * w for w in widths)
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def _dependencies(system: System) -> list[tuple[str, list[str]]]:
    """Each quantity, in the order in which it is computed, with the names that it uses directly."""
    lowered = lower(system)
    labels: dict[Expr, str] = dict(zip(lowered.rhs, row_labels(system), strict=False))
    names = {e.name: label for e, label in labels.items() if isinstance(e, Symbol)} | state_names(system)
    found: list[tuple[str, Expr]] = []
    for definition in needed(lowered.running, (*lowered.rhs, *lowered.observe)):
        found.append((labels.get(Symbol(definition.name), definition.name), definition.expr))
    for equation in system.equations:
        for k in range(1, equation.order):
            label = f"d{equation.state}{chr(39) * (k - 1)}/d{system.time}"
            found.append((label, Symbol(derivative_name(equation.state, k))))
    found += [(f"init {names[state]}", lowered.starting[state].expr) for state in lowered.states.names]
    return [(label, [names.get(n, n) for n in _used(expr)]) for label, expr in found]


def _used(expr: Expr) -> list[str]:
    return list(dict.fromkeys(s.name for s in symbols(expr)))


def _kinds(system: System) -> dict[str, str]:
    kinds = dict.fromkeys((system.time, *state_names(system).values()), "state")
    if system.kind == "map":
        kinds.update(dict.fromkeys(row_labels(system), "state"))
    kinds.update((m.name, "state") for m in system.intermediates)
    kinds.update((o.name, "state") for o in system.observables)
    kinds.update((u.name, "input") for u in system.inputs)
    kinds.update((p.name, "param") for p in system.params)
    kinds.update((c.name, "const") for c in system.consts)
    return kinds
