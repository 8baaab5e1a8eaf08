"""The contenders of w3: explicit solvers with error control, and gradients through them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks import odec_engine
from benchmarks.harness import Case, Contender, Ready
from benchmarks.lorenz_ensemble import ATOL, RTOL, START, T1, slope
from benchmarks.problems import LORENZ


def _odec(case: Case, method: str, engine: str, adjoint: str) -> tuple[Any, Any, Any, Any]:
    import torch

    model = odec_engine.model(LORENZ.model, method, engine, case.dtype, rtol=RTOL, atol=ATOL, adjoint=adjoint)
    rho = torch.from_numpy(case.data["rho"])
    return model, torch.tensor([0.0, T1], dtype=rho.dtype), torch.tensor(START, dtype=rho.dtype), rho


def odec(method: str, engine: str = "native") -> Callable[[Case], Ready]:
    def prepare(case: Case) -> Ready:
        model, t, x0, rho = _odec(case, method, engine, "none")
        x0 = x0.expand(len(rho), 3)
        return Ready(lambda: model(t, x0=x0, params={"rho": rho}), lambda x: x[-1].numpy())

    return prepare


def odec_gradient(method: str) -> Callable[[Case], Ready]:
    """The discrete adjoint through torch's autograd: forward pass, and the gradient by every ρ."""

    def prepare(case: Case) -> Ready:
        import torch

        model, t, x0, rho = _odec(case, method, "native", "discrete")
        rho, x0 = rho.requires_grad_(), x0.expand(len(rho), 3)

        def call() -> Any:
            return torch.autograd.grad(model(t, x0=x0, params={"rho": rho})[-1].sum(), rho)[0]

        return Ready(call, lambda _: None)

    return prepare


@cache
def _numba_kernel() -> Any:
    """Tsitouras' method as one would write it by hand: a loop over trajectories, slopes on the stack."""
    from numba import njit, prange

    from odec.methods import get

    method = get("tsit5")
    rows = [[float(v) for v in row] for row in (*method.a, method.b)]
    a = tuple(tuple(row + [0.0] * (6 - len(row))) for row in rows)
    e = tuple(float(v) for v in method.error)

    @njit(fastmath=True, parallel=True)
    def run(x0, rho, t1, rtol, atol):
        out = np.empty((len(rho), 3))
        for i in prange(len(rho)):
            k, x, y = np.empty((7, 3)), x0.copy(), np.empty(3)
            t, h, before, rejected = 0.0, 1e-3, 1.0, False
            for _ in range(100_000):
                if t >= t1:
                    break
                h = min(h, t1 - t)
                for s in range(7):
                    if s == 0 and t > 0.0:
                        continue
                    for n in range(3):
                        y[n] = x[n]
                        for j in range(s):
                            y[n] += h * a[s][j] * k[j, n]
                    k[s, 0] = 10.0 * (y[1] - y[0])
                    k[s, 1] = y[0] * (rho[i] - y[2]) - y[1]
                    k[s, 2] = y[0] * y[1] - (8 / 3) * y[2]
                square = 0.0
                for n in range(3):
                    error = 0.0
                    for j in range(7):
                        error += h * e[j] * k[j, n]
                    square += (error / (atol + rtol * max(abs(x[n]), abs(y[n])))) ** 2
                norm = max((square / 3) ** 0.5, 1e-10)
                if norm <= 1.0:
                    t += h
                    factor = 0.9 * norm**-0.14 * before**0.08
                    h *= min(1.0 if rejected else 10.0, max(0.2, factor))
                    before, rejected = max(norm, 1e-4), False
                    for n in range(3):
                        x[n], k[0, n] = y[n], k[6, n]
                else:
                    h *= max(0.1, 0.9 * norm**-0.2)
                    rejected = True
            out[i] = x
        return out

    return run


def numba(case: Case) -> Ready:
    run, x0 = _numba_kernel(), np.array(START)
    return Ready(lambda: run(x0, case.data["rho"], T1, RTOL, ATOL))


@cache
def _dop853_kernel() -> Any:
    from numba import cfunc, njit, prange
    from numbalsoda import dop853, lsoda_sig

    @cfunc(lsoda_sig)
    def rhs(t, x, dx, p):
        dx[0] = 10.0 * (x[1] - x[0])
        dx[1] = x[0] * (p[0] - x[2]) - x[1]
        dx[2] = x[0] * x[1] - (8 / 3) * x[2]

    pointer = rhs.address

    @njit(parallel=True)
    def run(x0, p, t, rtol, atol):
        out = np.empty((len(p), 3))
        for i in prange(len(p)):
            x, _ = dop853(pointer, x0, t, p[i], rtol, atol, 100_000)
            out[i] = x[-1]
        return out

    return run


def numbalsoda(case: Case) -> Ready:
    """Hairer's dop853 behind numba, trajectories shared out among threads."""
    run, x0, t = _dop853_kernel(), np.array(START), np.array([0.0, T1])
    p = np.ascontiguousarray(case.data["rho"][:, None])
    return Ready(lambda: run(x0, p, t, RTOL, ATOL))


def torchode(case: Case) -> Ready:
    import torch
    import torchode as to

    rho = torch.from_numpy(case.data["rho"])
    x0 = torch.tensor(START, dtype=rho.dtype).expand(len(rho), 3)
    span = torch.tensor([0.0, T1], dtype=rho.dtype).expand(len(rho), 2)
    term = to.ODETerm(lambda t, x: torch.stack(slope(x.unbind(-1), rho), -1))
    controller = to.IntegralController(atol=ATOL, rtol=RTOL, term=term)
    solver = to.AutoDiffAdjoint(to.Tsit5(term), controller)
    problem = to.InitialValueProblem(y0=x0, t_eval=span)

    def call() -> Any:
        with torch.no_grad():
            return solver.solve(problem).ys[:, -1]

    return Ready(call)


def torchdiffeq(case: Case) -> Ready:
    """One step size for all trajectories together."""
    import torch
    from torchdiffeq import odeint

    rho = torch.from_numpy(case.data["rho"])
    x0 = torch.tensor(START, dtype=rho.dtype).expand(len(rho), 3)
    t = torch.tensor([0.0, T1], dtype=rho.dtype)

    def call() -> Any:
        with torch.no_grad():
            options = {"rtol": RTOL, "atol": ATOL, "method": "dopri5"}
            return odeint(lambda t, x: torch.stack(slope(x.unbind(-1), rho), -1), x0, t, **options)[-1]

    return Ready(call)


def _diffrax(case: Case) -> tuple[Any, Any, Callable]:
    import diffrax as dx
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    x0 = jnp.asarray(START)

    def solve(rho: Any) -> Any:
        return dx.diffeqsolve(
            dx.ODETerm(lambda t, x, rho: jnp.stack(slope(x, rho))),
            dx.Tsit5(),
            0.0,
            T1,
            None,
            x0,
            args=rho,
            stepsize_controller=dx.PIDController(rtol=RTOL, atol=ATOL),
            max_steps=4096,
        ).ys[-1]

    return jax, jnp.asarray(case.data["rho"]), solve


def diffrax(case: Case) -> Ready:
    jax, rho, solve = _diffrax(case)
    run = jax.jit(jax.vmap(solve))
    return Ready(lambda: jax.block_until_ready(run(rho)))


def diffrax_gradient(case: Case) -> Ready:
    """RecursiveCheckpointAdjoint, diffrax's default."""
    jax, rho, solve = _diffrax(case)
    run = jax.jit(jax.vmap(jax.grad(lambda rho: solve(rho).sum())))
    return Ready(lambda: jax.block_until_ready(run(rho)), lambda _: None)


def _gradsolve(case: Case) -> tuple[Any, Any, Callable]:
    """JAX, ρ in a column, and what records the steps, which returns ρ to final states on those steps."""
    import gradsolve
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    class Lorenz:
        name, dim, t0, t1, is_stiff = "lorenz_over_rho", 3, 0.0, T1, False

        @staticmethod
        def f_jax(t: Any, x: Any, p: Any) -> Any:
            return jnp.stack(slope(x, p[0]))

    rho = case.data["rho"][:, None]
    x0 = np.tile(START, (len(rho), 1))
    rtol, atol = case.data.get("rtol", RTOL), case.data.get("atol", ATOL)
    options = {"rtol": rtol, "atol": atol, "engine": "tsit5_replay", "fused": False}
    return jax, jnp.asarray(rho), lambda: gradsolve.grad_closure(Lorenz, x0, rho, **options)


def gradsolve_record(case: Case) -> Ready:
    """The first half of a gradient: the adaptive solve that records its steps. No states come out."""
    _, _, record = _gradsolve(case)
    return Ready(record, lambda _: None)


def gradsolve_gradient(case: Case) -> Ready:
    """The second half alone, on steps that are recorded once: its own forward pass, and the gradient."""
    jax, rho, record = _gradsolve(case)
    final = record()
    run = jax.jit(jax.grad(lambda rho: final(rho).sum()))
    return Ready(lambda: jax.block_until_ready(run(rho)), lambda _: None)


def scipy(case: Case) -> Ready:
    """One trajectory after the other."""
    from scipy.integrate import solve_ivp

    def one(rho: float) -> np.ndarray:
        options = {"method": "DOP853", "rtol": RTOL, "atol": ATOL}
        return solve_ivp(lambda t, x: slope(x, rho), (0.0, T1), START, **options).y[:, -1]

    return Ready(lambda: np.stack([one(rho) for rho in case.data["rho"]]))


CONTENDERS = [
    Contender("odec native, tsit5", odec("tsit5")),
    Contender("odec native, dop853", odec("dop853")),
    Contender("odec torch, tsit5", odec("tsit5", "torch"), compiles=False),
    Contender("numba by hand, tsit5", numba),
    Contender("numbalsoda, dop853", numbalsoda),
    Contender("torchode, Tsit5", torchode, compiles=False),
    Contender("diffrax, Tsit5", diffrax),
    Contender("torchdiffeq, dopri5", torchdiffeq, compiles=False),
    Contender("scipy, DOP853", scipy, compiles=False, largest=100),
    Contender("odec native, tsit5, gradient", odec_gradient("tsit5"), aside="gradient"),
    Contender("diffrax, Tsit5, gradient", diffrax_gradient, aside="gradient", heavy=True),
    Contender("GRADSOLVE, Tsit5, recording the steps", gradsolve_record, aside="recording", heavy=True),
    Contender(
        "GRADSOLVE, Tsit5, gradient on recorded steps", gradsolve_gradient, aside="gradient", heavy=True
    ),
]
