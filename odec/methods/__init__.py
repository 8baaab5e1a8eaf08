"""Numerical methods as data. `METHODS` is the registry that docs, tests and backends walk."""

from odec.methods.runge_kutta import EXPLICIT
from odec.methods.tableau import Tableau, tableau

METHODS: dict[str, Tableau] = {method.name: method for method in EXPLICIT}
"""Every method by name, in order of order."""

MAP = "map"
"""The method name of a difference equation: x[t+1] = f(t, x)."""

__all__ = ["MAP", "METHODS", "Tableau", "get", "tableau"]


def get(name: str) -> Tableau:
    """The method of that name. Raises KeyError with the known names."""
    try:
        return METHODS[name]
    except KeyError:
        raise KeyError(f"unknown method {name!r}; known: {', '.join(METHODS)}") from None
