"""Keywords that a public function does not have: what was meant, by the name that it has here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from odec.errors import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")

_STEPS = {
    "rtol": ("tol", "tolerance", "reltol", "rel_tol", "relative_tolerance"),
    "atol": ("abstol", "abs_tol", "absolute_tolerance"),
    "dt": ("h", "step_size", "stepsize", "delta_t"),
    "min_step": ("hmin", "dtmin", "dt_min", "min_dt"),
    "max_step": ("hmax", "dtmax", "dt_max", "max_dt"),
    "max_steps": ("maxiters", "mxstep", "max_num_steps"),
    "dense_output": ("dense",),
    "method": ("solver", "integrator", "alg", "algorithm"),
    "engine": ("backend",),
    "inputs": ("input", "u", "forcing", "forcings", "controls"),
    "t0": ("start", "t_start", "tstart", "start_time"),
}

OF_A_RUN = {
    **_STEPS,
    "params": ("set", "parameters", "values", "p", "args", "theta"),
    "init": ("x0", "y0", "u0", "initial", "initials", "initial_values", "init_values", "state", "states"),
    "times": ("t", "ts", "t_eval", "tspan", "t_span", "time", "saveat"),
    "t1": ("end", "stop", "t_end", "tend", "t_stop", "tmax", "t_max", "until", "end_time"),
    "step": ("every", "interval", "dt_out", "spacing"),
}
"""What other programs call the keywords of `simulate`, by those that it has."""

OF_A_FIT = {
    **_STEPS,
    "set": ("params", "parameters", "param", "values", "guess", "p0", "theta0", "initial_guess", "starts"),
    "fix": ("fixed", "freeze", "frozen", "constant"),
    "epochs": ("iterations", "max_iter", "maxiter", "max_nfev", "n_epochs", "num_epochs", "niter", "steps"),
    "lr": ("learning_rate", "eta"),
    "optimizer": ("opt", "minimizer", "optim"),
    "transforms": ("transform", "scale", "log"),
    "weights": ("weight", "sigma", "sd", "noise"),
}
"""The same of `fit`."""

OF_EQUATIONS = {
    "equations": ("odes", "eqs", "rhs"),
    "params": ("parameters", "param"),
    "init": ("inits", "initial", "initial_values", "x0", "y0"),
    "consts": ("constants", "const"),
    "definitions": ("intermediates", "assignments", "define"),
    "obs": ("observables", "outputs", "observe"),
    "inputs": ("input", "forcings", "controls"),
    "run": ("times", "t_span", "tspan"),
    "time": ("t", "independent"),
}
"""The same of `System.from_equations`."""

OF_ODEINT = {
    "func": ("f", "fun", "rhs", "model"),
    "y0": ("x0", "u0", "z0", "init"),
    "t": ("ts", "times", "t_eval", "t_span"),
    "rtol": _STEPS["rtol"],
    "atol": _STEPS["atol"],
    "method": _STEPS["method"],
}
"""The same of `odeint` and `odeint_adjoint`."""

OF_A_MODULE = {"method": _STEPS["method"], "engine": _STEPS["engine"]}
"""The same of `compile` and `load`."""

LIKE = {
    "params": "params={'k': 0.5}",
    "set": "set={'k': 0.5}, the value to start from",
    "init": "init={'x': 1}",
    "times": "times=[0, 1, 2]",
    "inputs": "inputs={'u': (times, values)}",
    "fix": "fix=['k']",
}
"""How some keywords are given."""

WORDS = {
    "bounds": "bounds stand in the model: param k = 1 in (0, 10)",
    "jac": "the Jacobian is derived from the equations",
    "jacobian": "the Jacobian is derived from the equations",
    "device": "for a GPU, make a Model: odec.load(…).Model(device='cuda')",
    "loss": "a fit is by least squares",
    "init": "a fit starts runs from the model's `init` lines; `init x = x0` with a `param x0` makes that a"
    " parameter, which set={'x0': 1} starts elsewhere",
    "x0": "a fit starts runs from the model's `init` lines; `init x = a` with a `param a` makes that a"
    " parameter, which set={'a': 1} starts elsewhere",
}
"""What to say of a keyword that has no counterpart."""


def known_keywords(
    others: Mapping[str, tuple[str, ...]],
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Have a function say in words, as a TypeError, what is meant by a keyword that it does not have.

    others: by its own keywords, the words of other programs for them.
    """
    meant = {word: own for own, words in others.items() for word in words}

    def telling(function: Callable[P, R]) -> Callable[P, R]:
        code: Any = getattr(function, "__code__")  # noqa: B009 - a Callable need not have one
        own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

        @functools.wraps(function)
        def checked(*args: P.args, **keywords: P.kwargs) -> R:
            for name in keywords:
                if name not in own:
                    said = _said(name, own, meant)
                    raise TypeError(f"{function.__name__}() has no keyword {name!r}{said}")
            return function(*args, **keywords)

        return checked

    return telling


def _said(name: str, own: tuple[str, ...], meant: Mapping[str, str]) -> str:
    if name.casefold() in meant:
        wanted = meant[name.casefold()]
        return f": did you mean {LIKE.get(wanted, wanted + '=')}?"
    if name in WORDS:
        return f": {WORDS[name]}"
    return did_you_mean(name, own) or f"; it has {', '.join(own)}"
