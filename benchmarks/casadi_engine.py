"""CasADi as a contender: SUNDIALS' CVODES behind a symbolic right-hand side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def integrator(slope: Callable, times: np.ndarray, params: int, rtol: float, atol: float, stiff: bool) -> Any:
    """A function of x0 (3, N) and p (params, N) to the states after the first time.

    slope gives rows from rows. BDF with the exact Jacobian for stiff problems, else Adams with
    functional iteration.
    """
    import casadi

    x, p = casadi.SX.sym("x", 3), casadi.SX.sym("p", params)
    rows = slope(casadi.vertsplit(x), casadi.vertsplit(p))
    problem = {"x": x, "p": p, "ode": casadi.vertcat(*rows)}
    options = {"reltol": rtol, "abstol": atol, "max_num_steps": 100_000}
    if not stiff:
        options |= {"linear_multistep_method": "adams", "nonlinear_solver_iteration": "functional"}
    return casadi.integrator("solve", "cvodes", problem, float(times[0]), times[1:].tolist(), options)


def solve(function: Any, start: Sequence[float], p: np.ndarray, times: int) -> Callable[[], np.ndarray]:
    """A call for parameters p (N, params): the states (times, N, 3) after the first time."""
    many = function if len(p) == 1 else function.map(len(p), "thread", 2)
    x0, p = np.tile(start, (len(p), 1)).T, np.ascontiguousarray(p.T)

    def call() -> np.ndarray:
        found = np.asarray(many(x0=x0, p=p)["xf"])
        return found.reshape(3, -1, times).transpose(2, 1, 0)

    return call
