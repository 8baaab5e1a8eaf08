"""The peers of the work–precision picture: numbalsoda, SciPy, diffrax, torchdiffeq, as documented."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.precision import Call, Solve

Prepare = Callable[[], Solve]
LONGEST = 20.0
"""Seconds after which a solver of SciPy is given up: LSODA does not end on POLLU at tight tolerances."""


def scipy(method: str, problem: Any) -> Prepare:
    """scipy.integrate.solve_ivp with a NumPy right-hand side; Jacobians by finite differences."""

    def prepare() -> Solve:
        from scipy.integrate import solve_ivp

        def solve(rtol: float) -> Call:
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


def diffrax(solver: str, problem: Any) -> Prepare:
    """diffrax.diffeqsolve under jit in float64, its PID controller, the state at the end alone."""

    def prepare() -> Solve:
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

        def solve(rtol: float) -> Call:
            return lambda: np.asarray(jax.block_until_ready(run(start, rtol)))

        solve(1e-3)()
        return solve

    return prepare


def torchdiffeq(method: str, problem: Any) -> Prepare:
    """torchdiffeq.odeint in float64 without a graph."""

    def prepare() -> Solve:
        import torch
        import torchdiffeq as tde

        start, t = torch.tensor(problem.start), torch.tensor(problem.span, dtype=torch.float64)

        def slope(t: Any, y: Any) -> Any:
            return problem.rhs(t, y, torch)

        def solve(rtol: float) -> Call:
            def call() -> np.ndarray:
                with torch.no_grad():
                    found = tde.odeint(slope, start, t, rtol=rtol, atol=rtol * problem.atol, method=method)
                return found[-1].numpy()

            return call

        return solve

    return prepare


def numbalsoda(method: str, problem: Any) -> Prepare:
    """numbalsoda's LSODA or DOP853, called from Python with a compiled right-hand side."""

    def prepare() -> Solve:
        import numbalsoda

        from benchmarks.work_precision_numba import right_hand_side

        function, rhs = getattr(numbalsoda, method), right_hand_side(problem.name)
        start, span, none = np.array(problem.start, float), np.array(problem.span), np.zeros(1)

        def solve(rtol: float) -> Call:
            def call() -> np.ndarray:
                found, done = function(rhs.address, start, span, none, rtol, rtol * problem.atol, 1_000_000)
                return found[-1] if done else np.full_like(start, np.nan)

            return call

        solve(1e-3)()
        return solve

    return prepare


def solvers(problem: Any) -> dict[str, Prepare]:
    """The peers that suit a problem, by the name in the picture."""
    if problem.stiff:
        return {
            "numbalsoda LSODA": numbalsoda("lsoda", problem),
            "diffrax Kvaerno5": diffrax("Kvaerno5", problem),
            "scipy LSODA": scipy("LSODA", problem),
            "scipy Radau": scipy("Radau", problem),
        }
    return {
        "numbalsoda LSODA": numbalsoda("lsoda", problem),
        "numbalsoda DOP853": numbalsoda("dop853", problem),
        "diffrax Tsit5": diffrax("Tsit5", problem),
        "diffrax Dopri8": diffrax("Dopri8", problem),
        "scipy LSODA": scipy("LSODA", problem),
        "scipy DOP853": scipy("DOP853", problem),
        "torchdiffeq dopri5": torchdiffeq("dopri5", problem),
    }
