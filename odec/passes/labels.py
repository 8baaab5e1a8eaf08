"""What stands for a model's states in what is shown of it, as the user writes them."""

from __future__ import annotations

from collections.abc import Callable

from odec.lang.printer import expression_text
from odec.passes.lower import lower
from odec.system import Equation, System, at_time, derivative_name
from odec.tree import Expr, Symbol, substitute


def left(system: System, equation: Equation, index: str = "") -> str:
    if system.kind == "map":
        return f"{equation.state}[{system.time}+1]{index}"
    if equation.order == 1:
        return f"d{equation.state}{index}/d{system.time}"
    return equation.state + index + "'" * equation.order


def state_names(system: System) -> dict[str, str]:
    """First-order states as the user writes them: dtheta_dt is theta', N_2_ago is N[t-2]."""
    names = {derivative_name(e.state, k): e.state + "'" * k for e in system.equations for k in range(e.order)}
    return names | (
        dict(zip(lower(system).hidden.names, earlier(system), strict=True)) if system.delays else {}
    )


def earlier(system: System) -> list[str]:
    """The earlier values of a map, in the order of the hidden states."""
    delays = system.delays.items()
    return [at_time(state, -k, system.time) for state, most in delays for k in range(1, most + 1)]


def row_labels(system: System) -> list[str]:
    """What each row of the right-hand side is: dx/dt, theta' and theta'', N[t+1]."""
    labels: list[str] = []
    for equation in system.equations:
        labels += [equation.state + "'" * k for k in range(1, equation.order)]
        labels.append(left(system, equation))
    return labels


def speller(system: System) -> Callable[[Expr], str]:
    """Expressions as text, derivatives of states spelled with primes."""
    primed = {name: Symbol(text) for name, text in state_names(system).items() if text != name}
    return lambda expr: expression_text(substitute(expr, primed) if primed else expr)
