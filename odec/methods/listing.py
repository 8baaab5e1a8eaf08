"""What `odec list methods` and docs/methods.md say of each method, from the registry."""

from __future__ import annotations

from odec.methods import ALIASES, AUTO, METHODS, Auto, Implicit, Method, Multistep
from odec.methods.stability import stability

KINDS = {
    "explicit": "explicit Runge–Kutta",
    "rosenbrock": "Rosenbrock",
    "multistep": "Adams",
    "auto": "tsit5 or rodas5p",
}
"""What a family is called."""

GRADIENTS = {
    "explicit": "discrete adjoint, continuous adjoint, tangent",
    "implicit": "discrete adjoint, continuous adjoint, tangent",
    "rosenbrock": "discrete adjoint, continuous adjoint, tangent",
    "multistep": "discrete adjoint, tangent",
    "auto": "discrete adjoint, continuous adjoint, tangent",
}
"""The derivatives that a family has; torch's own (`adjoint="autograd"`) work with all."""

REMARKS = {
    "fehlberg2": "the error estimate is 64 times torchdiffeq's, which is far below the error",
    "rk4": "torchdiffeq's rk4 is the 3/8 rule, here rk4_38",
    "explicit_adams": "always of order 4, which is torchdiffeq's default; started by rk4",
    "adams": "with a tolerance of order 2 to 9, chosen step by step; with fixed steps as implicit_adams",
    "implicit_adams": "always of order 4; corrected once (PECE), in torchdiffeq up to four times",
}
"""Where a method differs from what the same name means elsewhere."""

AUTOMATIC = "every step by tsit5 or, where stability would limit that, by rodas5p; with dt all by rodas5p"
"""What the method auto does."""

NO_METHOD = {
    "scipy_solver": "no method of its own: SciPy's RK23, RK45, DOP853 and Radau are known by these names",
}
"""Names of other libraries' solvers that are no method here, and what to take."""


def listed() -> list[Method | Auto]:
    """Every method in registry order, then the one that chooses between two."""
    return [*METHODS.values(), AUTO]


def kind(method: Method | Auto) -> str:
    """The family, or the structure of an implicit Runge–Kutta method."""
    if isinstance(method, Implicit):
        return "diagonally implicit" if method.diagonal else "collocation"
    return KINDS[method.family]


def steps(method: Method | Auto) -> str:
    """Which steps it takes: fixed ones, and where it estimates its error adaptive ones."""
    return "fixed, adaptive" if method.adaptive else "fixed"


def error(method: Method | Auto) -> str:
    """The order of the error estimate, in words."""
    if not method.adaptive:
        return "none"
    order = f"1 to {method.highest}" if isinstance(method, Multistep) else method.error_order
    return f"of order {order}"


def within(method: Method | Auto) -> str:
    """The order of the states within a step, in words."""
    return f"of order {method.dense_order}" if method.dense_order else "none"


def stability_of(method: Method | Auto) -> str:
    """What is known of the method's stability, in words."""
    if isinstance(method, Auto):
        return f"that of {method.stiff.name} where it takes over"
    return method.stability if isinstance(method, Multistep) else stability(method)


def others(method: Method | Auto) -> list[str]:
    """The method's other names."""
    return [name for name, own in ALIASES.items() if own == method.name]


def other_names() -> list[tuple[str, str]]:
    """Every other name and what it is here, those that are no method last."""
    return [*ALIASES.items(), *NO_METHOD.items()]


def detail(method: Method | Auto) -> list[tuple[str, str]]:
    """Every fact of a method as pairs of a heading and a sentence."""
    facts = [
        ("kind", kind(method)),
        ("order", f"{method.order}"),
        ("error estimate", error(method)),
        ("dense output", within(method) if method.adaptive else ""),
        ("stages", f"{method.stages}"),
        ("steps", steps(method)),
        ("stability", stability_of(method)),
        ("engines", ", ".join(method.engines)),
        ("gradients", GRADIENTS[method.family]),
        ("source", method.source),
        ("other names", ", ".join(others(method))),
        ("note", AUTOMATIC if isinstance(method, Auto) else REMARKS.get(method.name, "")),
    ]
    return [(name, text) for name, text in facts if text]
