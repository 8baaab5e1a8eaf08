"""The functions that every model knows, under each of their spellings, and the noise distributions."""

from __future__ import annotations

from collections.abc import Mapping

from odec.tree import INTERNAL, OPERATIONS

_SYMPY = {
    "Abs": "abs",
    "Max": "max",
    "Min": "min",
    "Heaviside": "heaviside",
    "ln": "log",
    "ceiling": "ceil",
    "Mod": "mod",
    "loggamma": "lgamma",
    "gammaln": "lgamma",
    "pow": "pow",
    "Eq": "eq",
    "Ne": "ne",
    "Lt": "lt",
    "Le": "le",
    "Gt": "gt",
    "Ge": "ge",
    "And": "and",
    "Or": "or",
    "Not": "not",
}

FUNCTIONS: Mapping[str, str] = {
    **{name: name for name, o in OPERATIONS.items() if o.kind == "function" and name not in INTERNAL},
    **_SYMPY,
}
"""What a user may call, and the operation meant. `Piecewise` and XPP's `heav` are read besides."""

SPECIAL = ("Piecewise", "heav")

ARRAY_FUNCTIONS: Mapping[str, tuple[int, int | None]] = {
    **dict.fromkeys(("sum", "mean", "norm", "cumsum", "arange"), (1, 1)),
    **dict.fromkeys(("dot", "outer"), (2, 2)),
    **dict.fromkeys(("concat", "stack"), (1, None)),
    **dict.fromkeys(("linspace", "interp", "cubic"), (3, 3)),
}
"""Functions of arrays, with their numbers of arguments; max and min of one argument are such too."""

OVER = frozenset({"sum", "mean", "max", "min"})
"""Functions that go over all elements, or along an axis, or over `… for i in A .. B`."""

DRAWS: Mapping[str, int] = {"zeros": 0, "ones": 0, "normal": 2, "uniform": 2, "glorot": 0, "orthogonal": 0}
"""What the default of an array of parameters may be drawn from, with their numbers of arguments."""

BOOLEAN = frozenset(name for name, o in OPERATIONS.items() if o.kind in ("compare", "logic"))
"""Operations whose value is true or false."""

TAKES_BOOLEANS = frozenset({"and", "or", "not"})

DISTRIBUTIONS: Mapping[str, tuple[str, ...]] = {
    "normal": ("sigma",),
    "lognormal": ("sigma",),
    "laplace": ("scale",),
    "student_t": ("nu", "sigma"),
    "poisson": (),
    "neg_binomial": ("phi",),
}
"""The noise of an observable: each distribution with its arguments; the location is the observable."""

MEANT = {
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "fabs": "abs",
    "flr": "floor",
    "power": "pow",
    "sgn": "sign",
    "signum": "sign",
    "tg": "tan",
}
"""Functions of other languages, and what they are called here."""

CONDITIONALS = frozenset(
    {"ifelse", "if_else", "ifthenelse", "IfElse", "where", "cond", "iif", "IIf", "IF", "If"}
)
"""What other languages call `if c then a else b`, with three arguments."""

LATER = {
    **dict.fromkeys(("ran", "rand", "randn", "random", "normal", "uniform"), ("E325", "random numbers")),
    **dict.fromkeys(("delay", "del_shft", "delayed"), ("E323", "delays")),
    **dict.fromkeys(("integral", "integrate", "int"), ("E325", "integrals")),
}
"""Functions of other languages that are not supported yet, with the code that says so."""

INPUT_KINDS = ("hold", "linear", "cubic")
