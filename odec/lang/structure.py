"""Is the model whole? Equations, initial values, cycles, and what is never used."""

from __future__ import annotations

from collections.abc import Iterable

from odec.diagnostics import Fix, Span
from odec.lang import syntax
from odec.lang.dots import disguised
from odec.lang.graph import cycles, reachable
from odec.lang.lookalikes import Lookalikes
from odec.lang.names import UNREAD, Names
from odec.lang.reader import Reading
from odec.lang.report import Report, article
from odec.lang.times import initial_name
from odec.system import System, at_time, derivative_name
from odec.tree import Expr, Op, symbols

_PRIME = "'"


def check_structure(system: System, names: Names, reading: Reading, report: Report) -> None:
    """Report what is missing, circular, mixed or unused."""
    statements = reading.statements
    rules = [s for s in statements if isinstance(s, syntax.Rule)]
    if not rules and not reading.errors and not names.unread:
        _report_no_equations(system, statements, names, report)
    _check_kinds(rules, report)
    _check_initials(rules, statements, names, report)
    _check_history(system, rules, report)
    graph = dependencies(system)
    if not _check_cycles(system, graph, report):
        _check_initial_cycles(system, graph, report)
        _check_present(system, graph, report)
    if not report.failed:
        _check_unused(system, names, statements, graph, report)
        _check_arguments(system, statements, report)
        _check_twins(names, report)


def references(expr: Expr) -> list[str]:
    """The names and functions that an expression uses, each once, in order."""
    found = dict.fromkeys(symbol.name for symbol in symbols(expr))
    found.update(dict.fromkeys(sorted(calls([expr]))))
    return list(found)


def calls(exprs: Iterable[Expr]) -> set[str]:
    """The model's own functions that are called in the expressions."""
    found: set[str] = set()
    stack = list(exprs)
    while stack:
        node = stack.pop()
        if isinstance(node, Op):
            if node.op.startswith("call:"):
                found.add(node.op[5:])
            stack.extend(node.args)
    return found


def dependencies(system: System) -> dict[str, list[str]]:
    """What constants, intermediates, functions and the next values of a map need."""
    graph: dict[str, list[str]] = {}
    for const in system.consts:
        graph[const.name] = references(const.expr)
    for intermediate in system.intermediates:
        graph[intermediate.name] = references(intermediate.expr)
        if isinstance(intermediate.expr, Op) and intermediate.expr.op.startswith("net:"):
            graph[intermediate.expr.op[4:]] = [intermediate.name]
    for function in system.functions:
        graph[function.name] = [name for name in references(function.body) if name not in function.args]
    for equation in system.equations if system.kind == "map" else ():
        graph[at_time(equation.state, 1, system.time)] = references(equation.expr)
    return graph


def _check_kinds(rules: list[syntax.Rule], report: Report) -> None:
    """All differential or all difference equations."""
    first = next(iter(rules), None)
    for rule in rules:
        if first is not None and rule.kind != first.kind:
            line = report.source.position(first.span.start)[0]
            kinds = {"ode": "a differential equation", "map": "a difference equation (a map)"}
            message = f"{kinds[rule.kind]} in a model of {kinds[first.kind].split(' ', 1)[1].split(' (')[0]}s"
            note = f"the first equation, on line {line}, is {kinds[first.kind]}: a model has one kind only"
            report.add("E307", message, rule.span, "", note)
            return


def _report_no_equations(
    system: System, statements: list[syntax.Statement], names: Names, report: Report
) -> None:
    note = f"a model has an equation for each state: `dX/d{names.time} = …`, or `X[{names.time}+1] = …`"
    used = {name for intermediate in system.intermediates for name in references(intermediate.expr)}
    found = disguised(statements, report.source, names.time)
    fix = next((fix for state, fix in found if state in used and state not in names.entries), None)
    if fix is None:
        report.add("E306", "the model has no equations", None, "", note)
    else:
        report.suggest("E306", "the model has no equations", fix.span, fix.text, note)


def _check_initials(
    rules: list[syntax.Rule],
    statements: list[syntax.Statement],
    names: Names,
    report: Report,
) -> None:
    orders = {rule.state.text: rule.order for rule in rules}
    equations = dict(disguised(statements, report.source, names.time))
    given: dict[tuple[str, int], syntax.Name] = {}
    indexed: set[tuple[str, int]] = set()
    for statement in statements:
        for item in statement.items if isinstance(statement, syntax.Inits) else ():
            key = (item.name.text, item.order)
            if key in given and not (item.elements and key in indexed):
                line = report.source.position(given[key].span.start)[0]
                written = initial_name(item.name.text, item.order, names.time)
                message = f"'{written}' has two initial values"
                report.add("E202", message, item.name.span, "given again", f"line {line} gives the first")
            given.setdefault(key, item.name)
            indexed |= {key} if item.elements else set()
            if key[0] in equations and key[0] in names.unread:
                _report_disguised(item.name, equations[key[0]], report)
            else:
                _check_initial_name(item, orders, names, report)
    for state, rule in {rule.state.text: rule for rule in reversed(rules)}.items():
        for order in range(min(rule.order, 9)):
            if (state, order) not in given and state not in names.unread:
                _report_no_initial(rule, order, report)


def _report_no_initial(rule: syntax.Rule, order: int, report: Report, time: str = "t") -> None:
    written = initial_name(rule.state.text, order, time)
    what = f"the state '{written}'" if order == 0 else f"the derivative {written}"
    what = f"the history '{written}'" if order < 0 else what
    label = f"needs `init {written} = …`"
    fix = Fix(Span(rule.span.start, rule.span.start), f"init {written} = 0\n")
    note = f"a state that starts at zero says so: `init {written} = 0`"
    report.add("E301", f"{what} has no initial value", rule.state.span, label, note, fix=fix)


def _past(system: System) -> list[str]:
    """The names of the earlier values of a map, back to the first that is used."""
    delays = system.delays.items()
    return [at_time(state, -k, system.time) for state, most in delays for k in range(1, most + 1)]


def _check_history(system: System, rules: list[syntax.Rule], report: Report) -> None:
    """Each earlier value of a map that is used needs an initial one, and those between."""
    delays = system.delays
    given = {(item.state, item.order) for item in system.initials}
    for rule in {rule.state.text: rule for rule in reversed(rules)}.values():
        missing = [
            k for k in range(1, delays.get(rule.state.text, 0) + 1) if (rule.state.text, -k) not in given
        ]
        if missing:
            _report_no_initial(rule, -missing[0], report, system.time)
    for item in system.initials:
        if -item.order > delays.get(item.state, 0):
            written = initial_name(item.state, item.order, system.time)
            label = "no formula reaches so far back"
            report.add("W602", f"the history '{written}' is never used", item.span, label)


def _report_disguised(name: syntax.Name, fix: Fix, report: Report) -> None:
    line = report.source.position(name.span.start)[0]
    message = f"'{name.text}' has an initial value and no equation"
    note = f"line {line} gives the initial value"
    report.suggest("E302", message, fix.span, fix.text, note)


def _check_initial_name(item: syntax.Binding, orders: dict[str, int], names: Names, report: Report) -> None:
    name, order = item.name.text, item.order
    entry = names.entries.get(name)
    if name not in orders and entry is not None and entry.kind == UNREAD:
        return
    if name not in orders:
        is_what = f"is {article(entry.kind)}, not a state" if entry else "is not a state"
        guess = report.guess(name, orders)
        note = f"a state has an equation: `d{name}/d{names.time} = …`"
        report.suggest("E302", f"'{name}' {is_what}", item.name.span, guess, note)
    elif order >= orders[name]:
        note = f"the equation of '{name}' is of order {orders[name]}"
        message = f"{name}{_PRIME * order} takes no initial value"
        report.add("E302", message, item.name.span, "", note)


def _check_cycles(system: System, graph: dict[str, list[str]], report: Report) -> bool:
    """Circular definitions; a cycle of functions alone is a recursion."""
    spans = {c.name: c.span for c in system.consts}
    spans |= {i.name: i.span for i in system.intermediates}
    spans |= {f.name: f.span for f in system.functions}
    functions = {function.name for function in system.functions}
    following = {at_time(e.state, 1, system.time): e.state for e in system.equations}
    spans |= {at_time(e.state, 1, system.time): e.span for e in system.equations}
    found = cycles(graph)
    for cycle in found:
        path = " -> ".join(cycle)
        start = spans[cycle[0]].start
        span = Span(start, start + len(cycle[0]))
        ahead = next((name for name in cycle if name in following), "")
        if ahead:
            lines = [f"line {report.source.position(spans[n].start)[0]} gives `{n}`" for n in cycle[:-1]]
            note = f"`{following[ahead]}` is the present value"
            is_own = len(cycle) == 2
            message = f"'{ahead}' is given by itself" if is_own else "next values that need one another"
            report.add("E303", message, span, path, *lines, note)
        elif functions.issuperset(cycle):
            note = "functions are written out where they are used, so none may call itself"
            message = f"the function '{cycle[0]}' calls itself"
            report.add("E305", message, span, "" if len(cycle) == 2 else path, note)
        elif len(cycle) == 2:
            note = f"if '{cycle[0]}' changes in time, write `d{cycle[0]}/d{system.time} = …`"
            report.add("E303", f"'{cycle[0]}' is defined by itself", span, "", note)
        else:
            report.add("E303", "a circular definition", span, path)
    return bool(found)


def _check_initial_cycles(system: System, graph: dict[str, list[str]], report: Report) -> None:
    """In an init a state's name means its initial value; inputs have none."""
    variables = {
        derivative_name(e.state, order): e.state + _PRIME * order
        for e in system.equations
        for order in range(e.order)
    }
    variables |= {name: name for name in _past(system)}
    inputs = {i.name for i in system.inputs}

    def at_start(names: list[str]) -> list[str]:
        return [f"init {variables[n]}" if n in variables else n for n in names]

    starts: dict[str, list[str]] = {name: at_start(needs) for name, needs in graph.items()}
    spans = {}
    for initial in system.initials:
        node = f"init {initial_name(initial.state, initial.order, system.time)}"
        starts[node] = at_start(references(initial.expr))
        spans[node] = initial.expr.span
        used = inputs & reachable(graph, references(initial.expr))
        if used:
            name = sorted(used)[0]
            message = f"an initial value cannot use the input '{name}'"
            report.add("E311", message, initial.expr.span, f"it depends on '{name}'")
    for cycle in cycles(starts):
        node = next((n for n in cycle if n in spans), "")
        if not node:
            continue
        note = "in an init, the name of a state means its initial value"
        if len(cycle) == 2:
            message = f"the initial value of '{node[5:]}' is given by itself"
            report.add("E304", message, spans[node], "", note)
        else:
            at = cycle.index(node)
            path = " -> ".join([*cycle[at:-1], *cycle[:at], node])
            report.add("E304", "circular initial values", spans[node], path, note)


def _check_present(system: System, graph: dict[str, list[str]], report: Report) -> None:
    """No initial value is of next ones, no observable of other times, through intermediates either."""
    if system.kind != "map":
        return
    ahead = {at_time(e.state, 1, system.time) for e in system.equations}
    others = ahead | {*_past(system)}
    parts = [("an initial value", item.expr, ahead) for item in system.initials]
    for observable in system.observables:
        noise = observable.noise.args if observable.noise else ()
        parts += [("an observable", expr, others) for expr in (observable.expr, *noise)]
    for what, expr, refused in parts:
        used = sorted(refused & reachable(graph, references(expr)))
        if used:
            kind = "next" if used[0] in ahead else "earlier"
            message = f"{what} cannot use the {kind} value '{used[0]}'"
            report.add("E311", message, expr.span, f"it depends on '{used[0]}'")


def _check_unused(
    system: System,
    names: Names,
    statements: list[syntax.Statement],
    graph: dict[str, list[str]],
    report: Report,
) -> None:
    roots: list[str] = []
    for equation in system.equations:
        roots += references(equation.expr)
    for initial in system.initials:
        roots += references(initial.expr)
    for param in system.params:
        roots += references(param.default)
    for observable in system.observables:
        roots += references(observable.expr)
        for arg in observable.noise.args if observable.noise else ():
            roots += references(arg)
    for statement in statements:
        match statement:
            case syntax.Params(bounds=syntax.Bounds(lower=lower, upper=upper)):
                roots += references(lower) + references(upper)
            case syntax.Inputs(shapes=shapes):
                roots += [name for sizes in shapes for size in sizes for name in references(size)]
            case syntax.Net(layers=layers, outputs=outputs):
                sizes = [*(layers or ()), *(size for output in outputs for size in output.sizes)]
                roots += [name for size in sizes for name in references(size)]
            case syntax.RunLine(numbers=numbers):
                roots += [name for number, _ in numbers for name in references(number)]
            case _:
                pass
    used = reachable(graph, roots)
    for entry in names.of_kind("parameter", "constant", "input", "intermediate", "function"):
        if entry.name not in used:
            code = "W601" if entry.kind == "parameter" else "W602"
            message = f"the {entry.kind} '{entry.name}' is never used"
            report.add(code, message, entry.span, "no equation, init or obs depends on it")


def _check_arguments(system: System, statements: list[syntax.Statement], report: Report) -> None:
    """Arguments that a function's body does not use; a leading _ says that this is meant."""
    bodies = {function.name: references(function.body) for function in system.functions}
    for f in statements:
        if not isinstance(f, syntax.FunctionDefinition):
            continue
        used = bodies[f.name.text]
        own = [name for name in used if name not in {arg.text for arg in f.args}]
        for arg in f.args:
            if arg.text not in used and not arg.text.startswith("_"):
                message = f"the argument '{arg.text}' of the function '{f.name.text}' is never used"
                guess = report.guess(arg.text, own)
                notes = (f"'{guess}' in the formula is the model's own",) if guess else ()
                report.suggest("W602", message, arg.span, guess, *notes)


def _check_twins(names: Names, report: Report) -> None:
    """Names that nobody can tell apart."""
    entries = [entry for entry in names.entries.values() if entry.span is not None]
    twins = Lookalikes(entry.name for entry in entries)
    for entry in entries:
        twin = twins.of(entry.name)
        if twin is not None:
            message = f"two names look the same: '{entry.name}' and '{twin.name}'"
            report.add("W609", message, entry.span, "the second of them", twin.note)
