"""Numerical methods as data. `METHODS` is the registry that docs, tests and backends walk."""

from odec.methods.auto import AUTO, Auto
from odec.methods.implicit import Implicit
from odec.methods.implicit_tables import IMPLICIT
from odec.methods.multistep import MULTISTEP, Multistep
from odec.methods.rosenbrock import Rosenbrock
from odec.methods.rosenbrock_tables import ROSENBROCK
from odec.methods.runge_kutta import EXPLICIT
from odec.methods.support import ENGINES, FAMILIES
from odec.methods.tableau import Tableau, tableau

Method = Tableau | Implicit | Rosenbrock | Multistep
"""Every kind of method. All have name, order, stages, source, family, engines and adaptive."""

METHODS: dict[str, Method] = {
    method.name: method for family in (EXPLICIT, IMPLICIT, ROSENBROCK, MULTISTEP) for method in family
}
"""Every method by name: family by family, in order of order."""

EXPLICIT_METHODS: dict[str, Tableau] = {method.name: method for method in EXPLICIT}
"""The explicit Runge–Kutta methods by name."""

ALIASES: dict[str, str] = {
    "adaptive_heun": "heun21",
    "dopri8": "dop853",
    "implicit_euler": "backward_euler",
    "gl4": "gauss_legendre4",
    "gl6": "gauss_legendre6",
    "radauIIA3": "radau_iia3",
    "radauIIA5": "radau_iia5",
    "radau5": "radau_iia5",
    "fixed_adams": "implicit_adams",
    "RK23": "bosh3",
    "RK45": "dopri5",
    "DOP853": "dop853",
    "Radau": "radau_iia5",
    "ode23": "bosh3",
    "ode45": "dopri5",
    "ode23s": "rosenbrock23",
}
"""Other names of methods: those of torchdiffeq, of SciPy and of MATLAB."""

MAP = "map"
"""The method name of a difference equation: x[t+1] = f(t, x)."""

__all__ = [
    "ALIASES",
    "AUTO",
    "ENGINES",
    "EXPLICIT_METHODS",
    "FAMILIES",
    "MAP",
    "METHODS",
    "Auto",
    "Implicit",
    "Method",
    "Multistep",
    "Rosenbrock",
    "Tableau",
    "canonical",
    "get",
    "names",
    "tableau",
]


def names() -> tuple[str, ...]:
    """Every name that a method goes by, its own names first."""
    return (*METHODS, AUTO.name, *ALIASES)


def canonical(name: str) -> str:
    """A method's own name, from any of its names; a name that is unknown stays as it is."""
    return ALIASES.get(name, name)


def get(name: str) -> Method | Auto:
    """The method of that name, or of which that is another name. Raises KeyError with the known names."""
    if name == AUTO.name:
        return AUTO
    try:
        return METHODS[canonical(name)]
    except KeyError:
        raise KeyError(f"unknown method {name!r}; known: {', '.join(METHODS)}") from None
