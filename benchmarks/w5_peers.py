"""The contenders of w5: stiff solvers with error control, and gradients through them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks import casadi_engine, odec_engine
from benchmarks.harness import Case, Contender, Ready
from benchmarks.robertson import ATOL, MODEL, PARAMS, RTOL, START, TIMES, jacobian, slope


def _tolerances(case: Case) -> tuple[float, float]:
    return case.data.get("rtol", RTOL), case.data.get("atol", ATOL)


def _odec(case: Case, method: str, engine: str, adjoint: str) -> tuple[Any, Any, Any, Any]:
    import torch

    rtol, atol = _tolerances(case)
    model = odec_engine.model(MODEL, method, engine, case.dtype, rtol=rtol, atol=atol, adjoint=adjoint)
    k = torch.from_numpy(case.data["k"])
    x0 = torch.tensor(START, dtype=k.dtype).expand(len(k), 3)
    return model, torch.tensor(TIMES, dtype=k.dtype), x0, k


def odec(method: str, engine: str = "native") -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        model, t, x0, k = _odec(case, method, engine, "none")
        params = dict(zip(PARAMS, k.T))
        return Ready(lambda: model(t, x0=x0, params=params), lambda x: x[1:].numpy())

    return prepare


def odec_gradient(method: str) -> Callable[[Case], Ready]:
    """The discrete adjoint through torch's autograd: forward pass, and the gradient by every rate."""

    def prepare(case: Case) -> Ready:
        import torch

        model, t, x0, k = _odec(case, method, "native", "discrete")
        rates = k.T.contiguous().requires_grad_()

        def call() -> Any:
            x = model(t, x0=x0, params=dict(zip(PARAMS, rates)))
            return torch.autograd.grad(x[..., 0].sum(), rates)[0]

        return Ready(call, lambda _: None)

    return prepare


@cache
def _lsoda_kernel() -> Any:
    from numba import cfunc, njit, prange
    from numbalsoda import lsoda, lsoda_sig

    @cfunc(lsoda_sig)
    def rhs(t, x, dx, k):
        back, pair = k[2] * x[1] * x[2], k[1] * x[1] * x[1]
        dx[0] = back - k[0] * x[0]
        dx[1] = k[0] * x[0] - pair - back
        dx[2] = pair

    pointer = rhs.address

    @njit(parallel=True)
    def run(x0, k, t, rtol, atol):
        out = np.empty((len(k), len(t), 3))
        for i in prange(len(k)):
            out[i], _ = lsoda(pointer, x0, t, k[i], rtol, atol, 100_000)
        return out

    return run


def numbalsoda(case: Case) -> Ready:
    """LSODA in C++, trajectories shared out among threads."""
    run, k, x0 = _lsoda_kernel(), np.ascontiguousarray(case.data["k"]), np.array(START)
    return Ready(lambda: run(x0, k, TIMES, *_tolerances(case)), lambda x: np.swapaxes(x, 0, 1)[1:])


def casadi(case: Case) -> Ready:
    """CVODES with the exact Jacobian, trajectories shared out among threads."""
    function = casadi_engine.integrator(slope, TIMES, 3, *_tolerances(case), stiff=True)
    return Ready(casadi_engine.solve(function, START, case.data["k"], len(TIMES) - 1))


@cache
def _diffrax() -> tuple[Any, Callable]:
    """JAX, and the states of one problem by its rates and tolerances."""
    import diffrax as dx
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    x0, ts = jnp.asarray(START), jnp.asarray(TIMES[1:])

    def solve(k: Any, rtol: Any, atol: Any, max_steps: int = 4096) -> Any:
        return dx.diffeqsolve(
            dx.ODETerm(lambda t, x, k: jnp.stack(slope(x, k))),
            dx.Kvaerno5(),
            0.0,
            TIMES[-1],
            None,
            x0,
            args=k,
            saveat=dx.SaveAt(ts=ts),
            stepsize_controller=dx.PIDController(rtol=rtol, atol=atol),
            max_steps=max_steps,
        ).ys

    return jax, solve


@cache
def _diffrax_ensemble() -> Callable:
    jax, solve = _diffrax()
    return jax.jit(jax.vmap(lambda k, rtol, atol: solve(k, rtol, atol, 100_000), in_axes=(0, None, None)))


def diffrax(case: Case) -> Ready:
    run, (jax, _) = _diffrax_ensemble(), _diffrax()
    k, rules = jax.numpy.asarray(case.data["k"]), _tolerances(case)
    return Ready(lambda: jax.block_until_ready(run(k, *rules)), lambda x: np.swapaxes(np.asarray(x), 0, 1))


def diffrax_gradient(case: Case) -> Ready:
    """RecursiveCheckpointAdjoint, diffrax's default."""
    jax, solve = _diffrax()
    k = jax.numpy.asarray(case.data["k"])
    run = jax.jit(jax.vmap(jax.grad(lambda k: solve(k, RTOL, ATOL)[:, 0].sum())))
    return Ready(lambda: jax.block_until_ready(run(k)), lambda _: None)


def scipy(method: str) -> Callable[[Case], Ready]:
    """One trajectory after the other, with the exact Jacobian."""

    def prepare(case: Case) -> Ready:
        from scipy.integrate import solve_ivp

        def one(k: np.ndarray) -> np.ndarray:
            options = {"t_eval": TIMES[1:], "rtol": RTOL, "atol": ATOL, "jac": lambda t, x: jacobian(x, k)}
            return solve_ivp(lambda t, x: slope(x, k), (0.0, TIMES[-1]), START, method, **options).y.T

        return Ready(lambda: np.stack([one(k) for k in case.data["k"]], axis=1))

    return prepare


CONTENDERS = [
    Contender("odec native, rodas5p", odec("rodas5p")),
    Contender("odec native, rodas4", odec("rodas4")),
    Contender("odec native, kvaerno5", odec("kvaerno5")),
    Contender("odec torch, rodas5p", odec("rodas5p", "torch"), compiles=False),
    Contender("numbalsoda, LSODA", numbalsoda),
    Contender("CasADi, CVODES", casadi),
    Contender("diffrax, Kvaerno5", diffrax),
    Contender("scipy, LSODA", scipy("LSODA"), compiles=False),
    Contender("scipy, Radau", scipy("Radau"), compiles=False, heavy=True),
    Contender("odec native, rodas5p, gradient", odec_gradient("rodas5p"), aside="gradient"),
    Contender("diffrax, Kvaerno5, gradient", diffrax_gradient, aside="gradient", heavy=True),
]
