"""The contenders of single: one Lorenz or one Robertson problem per call, each as its library advises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import casadi_engine, lorenz_ensemble, odec_engine, robertson
from benchmarks.harness import Case, Contender, Ready
from benchmarks.problems import LORENZ


@dataclass(frozen=True)
class Problem:
    """One problem: slope(x, p) gives rows from rows; `times` begins at the start; read errors with `off`."""

    path: Path
    params: dict[str, float]
    start: tuple[float, ...]
    times: np.ndarray
    rtol: float
    atol: float
    stiff: bool
    slope: Callable
    off: Callable[[np.ndarray], dict[str, float]]

    @property
    def p(self) -> np.ndarray:
        return np.array(list(self.params.values()))


_ONE = np.array([0])
_LORENZ_CASE = Case(1, "float64", {"rho": np.array([20.0]), "some": _ONE})
_ROBERTSON_CASE = Case(1, "float64", {"k": np.array([robertson.RATES]), "some": _ONE})

PROBLEMS = {
    "Lorenz": Problem(
        LORENZ.model,
        {"rho": 20.0},
        LORENZ.start,
        np.array([0.0, lorenz_ensemble.T1]),
        lorenz_ensemble.RTOL,
        lorenz_ensemble.ATOL,
        False,
        lambda x, p: lorenz_ensemble.slope(x, p[0]),
        lambda x: lorenz_ensemble.errors(_LORENZ_CASE, x[-1]),
    ),
    "Robertson": Problem(
        robertson.MODEL,
        dict(zip(robertson.PARAMS, robertson.RATES)),
        robertson.START,
        robertson.TIMES,
        robertson.RTOL,
        robertson.ATOL,
        True,
        robertson.slope,
        lambda x: robertson.errors(_ROBERTSON_CASE, x),
    ),
}


def cases(sizes: Sequence[int], dtypes: Sequence[str]) -> list[Case]:
    return [Case(0, name, {"problem": PROBLEMS[name]}) for name in dtypes]


def errors(case: Case, result: Any) -> dict[str, float]:
    """How many units of atol + rtol·|x| the states (times, 3) after the first time are off at most."""
    return {} if result is None else case.data["problem"].off(np.asarray(result)[:, None])


def _odec(case: Case, engine: str, method: str = "") -> tuple[Any, Any]:
    import torch

    problem = case.data["problem"]
    method = method or ("rodas5p" if problem.stiff else "tsit5")
    options = {"rtol": problem.rtol, "atol": problem.atol}
    model = odec_engine.model(problem.path, method, engine, "float64", **options)
    return model, torch.from_numpy(problem.times)


def odec(engine: str) -> Callable[[Case], Ready]:
    """`net(t)` under torch.no_grad(), at the model's own initial values and parameters."""

    def prepare(case: Case) -> Ready:
        import torch

        net, t = _odec(case, engine)

        def call() -> Any:
            with torch.no_grad():
                return net(t)

        return Ready(call, lambda x: x[1:].numpy())

    return prepare


def odec_prepared(case: Case) -> Ready:
    """`net.prepared(t)`, as a loop of one's own calls it, by the method of numbalsoda's order."""
    import torch

    net, t = _odec(case, "native", "rodas5p" if case.data["problem"].stiff else "dop853")
    x0, p = torch.tensor(case.data["problem"].start, dtype=torch.float64), net.vector().detach()
    run = net.prepared(t, x0, p)
    return Ready(lambda: run(x0, p), lambda x: x[1:].numpy())


def odec_gradient(case: Case) -> Ready:
    """`net(t)`, and the gradient of the sum of what comes out by the module's parameters."""
    import torch

    net, t = _odec(case, "native")
    leaves = list(net.parameters())
    return Ready(lambda: torch.autograd.grad(net(t)[1:].sum(), leaves), lambda _: None)


def numbalsoda(case: Case) -> Ready:
    import numbalsoda
    from numba import cfunc

    problem = case.data["problem"]
    start, p, rtol, atol = np.array(problem.start), problem.p, problem.rtol, problem.atol
    if problem.stiff:

        @cfunc(numbalsoda.lsoda_sig)
        def rhs(t, x, dx, k):
            back, pair = k[2] * x[1] * x[2], k[1] * x[1] * x[1]
            dx[0] = back - k[0] * x[0]
            dx[1] = k[0] * x[0] - pair - back
            dx[2] = pair

        solve = numbalsoda.lsoda
    else:

        @cfunc(numbalsoda.lsoda_sig)
        def rhs(t, x, dx, p):
            dx[0] = 10.0 * (x[1] - x[0])
            dx[1] = x[0] * (p[0] - x[2]) - x[1]
            dx[2] = x[0] * x[1] - (8 / 3) * x[2]

        solve = numbalsoda.dop853

    def call() -> np.ndarray:
        return solve(rhs.address, start, problem.times, p, rtol, atol, 100_000)[0]

    return Ready(call, lambda x: x[1:])


def casadi(case: Case) -> Ready:
    problem = case.data["problem"]
    rules = (problem.rtol, problem.atol, problem.stiff)
    function = casadi_engine.integrator(problem.slope, problem.times, len(problem.p), *rules)
    call = casadi_engine.solve(function, problem.start, problem.p[None], len(problem.times) - 1)
    return Ready(call, lambda x: x[:, 0])


def diffrax(case: Case) -> Ready:
    import diffrax as dx
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    problem = case.data["problem"]
    x0, p, times = jnp.asarray(problem.start), jnp.asarray(problem.p), jnp.asarray(problem.times[1:])

    @jax.jit
    def run(x0: Any, p: Any) -> Any:
        return dx.diffeqsolve(
            dx.ODETerm(lambda t, x, p: jnp.stack(problem.slope(x, p))),
            dx.Kvaerno5() if problem.stiff else dx.Tsit5(),
            float(problem.times[0]),
            float(problem.times[-1]),
            None,
            x0,
            args=p,
            saveat=dx.SaveAt(ts=times),
            stepsize_controller=dx.PIDController(rtol=problem.rtol, atol=problem.atol),
            max_steps=4096,
        ).ys

    return Ready(lambda: jax.block_until_ready(run(x0, p)))


def scipy(case: Case) -> Ready:
    from scipy.integrate import solve_ivp

    problem = case.data["problem"]
    p, span = problem.p.tolist(), (problem.times[0], problem.times[-1])
    options = {"t_eval": problem.times[1:], "rtol": problem.rtol, "atol": problem.atol}
    options["method"] = "LSODA" if problem.stiff else "DOP853"
    if problem.stiff:
        options["jac"] = lambda t, x: robertson.jacobian(x, p)

    def slope(t: float, x: np.ndarray) -> Any:
        return problem.slope(x, p)

    return Ready(lambda: solve_ivp(slope, span, problem.start, **options).y.T)


CONTENDERS = [
    Contender("odec native (tsit5, rodas5p)", odec("native")),
    Contender("odec native, prepared (dop853, rodas5p)", odec_prepared),
    Contender("odec torch (tsit5, rodas5p)", odec("torch"), compiles=False, heavy=True),
    Contender("numbalsoda (dop853, LSODA)", numbalsoda),
    Contender("CasADi, CVODES (Adams, BDF)", casadi),
    Contender("diffrax (Tsit5, Kvaerno5)", diffrax),
    Contender("scipy (DOP853, LSODA)", scipy, compiles=False),
    Contender("odec native, gradient", odec_gradient, aside="gradient"),
]
