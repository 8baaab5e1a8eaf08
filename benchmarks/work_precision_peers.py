"""The peers of the work–precision picture: SciPy, diffrax, torchdiffeq, each as its documentation advises."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

LONGEST = 20.0
"""Seconds after which a solver of SciPy is given up: LSODA does not end on POLLU at tight tolerances."""


def scipy(method: str) -> Callable[[Any], Callable]:
    """scipy.integrate.solve_ivp with a NumPy right-hand side; Jacobians by finite differences."""

    def prepare(problem: Any) -> Callable:
        from scipy.integrate import solve_ivp

        def solve(rtol: float) -> Callable[[], np.ndarray]:
            options = {"rtol": rtol, "atol": rtol * problem.atol, "t_eval": [problem.span[1]]}

            def call() -> np.ndarray:
                end = time.perf_counter() + LONGEST

                def slope(t: float, y: np.ndarray) -> np.ndarray:
                    if time.perf_counter() > end:
                        raise TimeoutError(f"more than {LONGEST} s")
                    return problem.rhs(t, y, np)

                done = solve_ivp(slope, problem.span, problem.start, method, **options)
                return done.y[:, -1] if done.success else np.full_like(problem.start, np.nan)

            return call

        return solve

    return prepare


def diffrax(solver: str) -> Callable[[Any], Callable]:
    """diffrax.diffeqsolve under jit in float64, its PID controller, the state at the end alone."""

    def prepare(problem: Any) -> Callable:
        import diffrax as dfx
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        term = dfx.ODETerm(lambda t, y, args: problem.rhs(t, y, jnp))
        start = jnp.array(problem.start)

        @jax.jit
        def run(y: Any, rtol: Any) -> Any:
            return dfx.diffeqsolve(
                term,
                getattr(dfx, solver)(),
                problem.span[0],
                problem.span[1],
                None,
                y,
                stepsize_controller=dfx.PIDController(rtol=rtol, atol=rtol * problem.atol),
                saveat=dfx.SaveAt(t1=True),
                max_steps=1_000_000,
            ).ys[-1]

        def solve(rtol: float) -> Callable[[], np.ndarray]:
            return lambda: np.asarray(jax.block_until_ready(run(start, rtol)))

        solve(1e-3)()
        return solve

    return prepare


def torchdiffeq(method: str) -> Callable[[Any], Callable]:
    """torchdiffeq.odeint in float64 without a graph."""

    def prepare(problem: Any) -> Callable:
        import torch
        import torchdiffeq as tde

        start, t = torch.tensor(problem.start), torch.tensor(problem.span, dtype=torch.float64)

        def slope(t: Any, y: Any) -> Any:
            return problem.rhs(t, y, torch)

        def solve(rtol: float) -> Callable[[], np.ndarray]:
            def call() -> np.ndarray:
                with torch.no_grad():
                    found = tde.odeint(slope, start, t, rtol=rtol, atol=rtol * problem.atol, method=method)
                return found[-1].numpy()

            return call

        return solve

    return prepare


def solvers(problem: Any) -> dict[str, Callable[[Any], Callable]]:
    """The peers that suit a problem, by the name in the picture."""
    if problem.stiff:
        return {
            "diffrax Kvaerno5": diffrax("Kvaerno5"),
            "scipy LSODA": scipy("LSODA"),
            "scipy Radau": scipy("Radau"),
        }
    return {
        "diffrax Tsit5": diffrax("Tsit5"),
        "diffrax Dopri8": diffrax("Dopri8"),
        "scipy LSODA": scipy("LSODA"),
        "scipy DOP853": scipy("DOP853"),
        "torchdiffeq dopri5": torchdiffeq("dopri5"),
    }
